// The keys of the page: / searches, c copies a code, p a number, arrows move, Escape clears or closes.

import { $ } from "./dom.js";

const STEP = { ArrowDown: 1, ArrowUp: -1 };

export function listen(inbox, tabs) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || $("sure").open) return;
    const { target, key } = event;
    if (key === "Escape") escape(inbox, target);
    else if (target.matches("input, select, textarea, [role=tab]")) return;
    else if (key === "/") { event.preventDefault(); tabs.show("inbox"); focusSearch(); }
    else if ($("inbox").hidden) return;
    else if (key === "c") inbox.lineOf(target)?.copy();
    else if (key === "p") inbox.lineOf(target)?.copyPhone();
    else if (STEP[key] && target.matches(".opener")) { event.preventDefault(); inbox.step(target, STEP[key]); }
  });
}

function focusSearch() {
  const field = $("filters").elements.text;
  field.focus();
  field.select();
}

/** In the search it clears, in an opened number it closes. */
function escape(inbox, target) {
  if (target === $("filters").elements.text) { inbox.search.clear(); return; }
  const line = target.closest("[data-of]") && inbox.lineOf(target);
  if (!line?.details) return;
  line.setOpen(false);
  line.opener.focus();
}
