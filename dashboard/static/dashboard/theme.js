// Loaded before the page is painted, so that a remembered theme does not flash in.
"use strict";
try {
  const remembered = localStorage.getItem("theme");
  if (remembered === "light" || remembered === "dark") document.documentElement.dataset.theme = remembered;
} catch {
  // Storage is switched off: the system's theme stays.
}
