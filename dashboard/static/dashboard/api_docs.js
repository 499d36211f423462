// The documentation of the API in the theme of the pages: Swagger UI is dark where its page says so.
"use strict";
(() => {
  const system = matchMedia("(prefers-color-scheme: dark)");
  const follow = () => {
    const chosen = document.documentElement.dataset.theme;
    document.documentElement.classList.toggle("dark-mode", chosen ? chosen === "dark" : system.matches);
  };
  system.addEventListener("change", follow);
  follow();
})();
