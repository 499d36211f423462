// What the pages do by themselves: the theme's toggle, and parts that keep themselves up to date.

const TICK_MS = 500;
const HIDDEN_FACTOR = 15;

function currentTheme() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
}

function toggleTheme() {
  const next = currentTheme() === "dark" ? "light" : "dark";
  document.documentElement.dataset.theme = next;
  try {
    localStorage.setItem("theme", next);
  } catch {
    // It then holds for this page alone.
  }
}

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-toggle-theme]")) toggleTheme();
});

// An element with data-live="2" asks for its own replacement every 2 seconds, far more seldom while nobody looks.
// It stops because the server sends a part without that attribute once there is nothing more to come.
const nextAt = new WeakMap();

function refreshLiveParts() {
  const now = Date.now();
  for (const part of document.querySelectorAll("[data-live]")) {
    const period = Number(part.dataset.live) * 1000 * (document.hidden ? HIDDEN_FACTOR : 1);
    if (!nextAt.has(part)) {
      nextAt.set(part, now + period);
    } else if (now >= nextAt.get(part)) {
      nextAt.set(part, now + period);
      window.htmx.trigger(part, "live");
    }
  }
}

setInterval(refreshLiveParts, TICK_MS);
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  for (const part of document.querySelectorAll("[data-live]")) nextAt.set(part, 0);
});
