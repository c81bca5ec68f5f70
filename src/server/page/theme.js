// Before the first paint: "light" and "dark" as chosen earlier; without, the system's.
"use strict";
try {
  const theme = localStorage.getItem("ingot.theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // No storage here: the system's.
}
