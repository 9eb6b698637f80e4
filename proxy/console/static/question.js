// One question before what cannot be undone. Its harmless button has the focus.

import { $, say } from "./dom.js";

/** Returns whether the answer was `yes`; Escape is a no. */
export function confirmed({ title, text, yes, no }) {
  const dialog = $("sure");
  say($("sure-title"), title);
  say($("sure-text"), text);
  say($("sure-yes"), yes);
  say($("sure-no"), no);
  dialog.returnValue = "no";
  dialog.showModal();
  $("sure-no").focus();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}
