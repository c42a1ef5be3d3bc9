// A panel under a button: opens at a click, closes at Escape, at a click elsewhere, and when the focus leaves it.

import { focusIn } from "./dom.js";

/** @param {HTMLButtonElement} button @param {HTMLElement} panel @param {() => void} [opened] */
export function popup(button, panel, opened) {
  button.setAttribute("aria-expanded", "false");
  button.setAttribute("aria-controls", panel.id);
  panel.hidden = true;

  const contains = (/** @type {EventTarget|null} */ target) => target instanceof Node && (panel.contains(target) || button.contains(target));
  const outside = (/** @type {PointerEvent} */ event) => {
    if (!contains(event.target)) close();
  };
  const escape = (/** @type {KeyboardEvent} */ event) => { // also if nothing has the focus
    if (event.key === "Escape") close();
  };
  function open() {
    panel.hidden = false;
    button.setAttribute("aria-expanded", "true");
    document.addEventListener("pointerdown", outside);
    document.addEventListener("keydown", escape);
    opened?.();
    focusIn(panel, "input, button, select");
  }
  function close() {
    if (panel.hidden) return;
    const back = panel.contains(document.activeElement);
    panel.hidden = true;
    button.setAttribute("aria-expanded", "false");
    document.removeEventListener("pointerdown", outside);
    document.removeEventListener("keydown", escape);
    if (back) button.focus();
  }
  button.addEventListener("click", () => (panel.hidden ? open() : close()));
  panel.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.stopPropagation();
    close();
  });
  panel.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !contains(event.relatedTarget)) close();
  });
  return { open, close };
}
