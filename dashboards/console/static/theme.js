// Runs before the first paint, so that a dark room stays dark. Without a choice, the system decides.
(() => {
  "use strict";
  try {
    const theme = localStorage.getItem("se-theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch { /* storage is off: the system decides */ }
})();
