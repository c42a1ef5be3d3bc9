// Light, dark, or the theme of the system. A classic script in the head, so that the first paint has the right colours.
(() => {
  const KEY = "needle.theme";
  const ORDER = ["auto", "light", "dark"];

  function remembered() {
    try {
      const theme = localStorage.getItem(KEY);
      return theme !== null && ORDER.includes(theme) ? theme : "auto";
    } catch {
      return "auto"; // storage is switched off in this browser
    }
  }

  /** @param {string} theme */
  function apply(theme) {
    document.documentElement.dataset.theme = theme;
  }

  globalThis.needleTheme = {
    current: remembered,
    /** Switch to the next theme and remember it. @returns {string} its name */
    next() {
      const theme = ORDER[(ORDER.indexOf(document.documentElement.dataset.theme ?? "auto") + 1) % ORDER.length];
      apply(theme);
      try {
        localStorage.setItem(KEY, theme);
      } catch {
        // lasts as long as the page
      }
      return theme;
    },
  };
  apply(remembered());
})();
