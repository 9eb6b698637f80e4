// Copies texts, and says so.

import { $, el, say, svg } from "./dom.js";

const SHOWN_MS = 4000;
let hiding = 0;

/** Returns whether it worked. Only addresses that browsers trust (https, localhost) have the
    clipboard; elsewhere, and where it is refused, a selection is copied. */
async function write(text) {
  const isWritten = navigator.clipboard && await navigator.clipboard.writeText(text).then(() => true, () => false);
  return isWritten || copySelection(text);
}

function copySelection(text) {
  const focused = document.activeElement;
  const field = el("textarea", { class: "sr", readonly: true, "aria-label": "Text to copy" });
  field.value = text;
  document.body.append(field);
  field.select();
  try {
    return document.execCommand("copy");
  } finally {
    field.remove();
    focused?.focus({ preventScroll: true });
  }
}

/** `what` names the text: "Code". */
export async function copy(text, what) {
  tell(await write(text)
    ? `${what} copied`
    : `${what} not copied: this browser does not allow it at this address. Select it and press Ctrl+C.`);
}

/** Shows a text for a while at the foot of the page; it is also read out. */
export function tell(text) {
  const place = $("toast");
  say(place, text);
  place.classList.add("shown");
  clearTimeout(hiding);
  hiding = setTimeout(() => { place.classList.remove("shown"); say(place, ""); }, SHOWN_MS);
}

/** A button with an icon; `text` returns what it copies. */
export function copyButton(name, what, text) {
  const icon = svg("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" });
  icon.append(svg("rect", { x: 5.5, y: 5.5, width: 8, height: 8, rx: 1.5 }), svg("path", { d: "M10.5 5.5V4A1.5 1.5 0 0 0 9 2.5H4A1.5 1.5 0 0 0 2.5 4v5A1.5 1.5 0 0 0 4 10.5h1.5" }));
  const button = el("button", { type: "button", class: "copy", title: name, "aria-label": name });
  button.append(icon);
  button.addEventListener("click", () => copy(text(), what));
  return button;
}
