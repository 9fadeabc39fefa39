// Sets the theme before the first paint; a classic script in the head, because modules run after it.
// Knows only the key under which theme.js stores the operator's choice.
{
  let chosen = null;
  try {
    chosen = localStorage.getItem("spoton-theme");
  } catch {
    // Storage may be forbidden; then the system's preference decides.
  }
  const dark = chosen ? chosen === "dark" : !matchMedia("(prefers-color-scheme: light)").matches;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
}
