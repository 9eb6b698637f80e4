// The search, the chips of the states, and the choices of program and service.

import { $, el, options } from "./dom.js";

export const STATES = {
  waiting: "waiting",
  unread: "SMS came",
  received: "code",
  retrying: "waiting for another SMS",
  cancelling: "cancel scheduled",
  unclaimed: "unclaimed",
  doubt: "in doubt",
  finished: "finished",
  cancelled: "cancelled",
  expired: "expired",
};
export const LIVE = new Set(["waiting", "unread", "received", "retrying", "cancelling", "unclaimed", "doubt"]);
const DIGITS = /^\+?[\d\s().-]+$/;

/** The state in words; an SMS may have no code. */
export function stateOf({ state, code }) {
  return state === "received" && !code ? "SMS without a code" : STATES[state] ?? state;
}

const texts = new WeakMap();

/** All that is shown of a row, for the search. */
function textOf(row) {
  if (!texts.has(row)) {
    const { phone, id, service, service_name, country, country_name, program, text, code } = row;
    const parts = [`+${phone}`, id, service, service_name, country, country_name, program, text, code, stateOf(row)];
    texts.set(row, parts.filter((part) => part !== null && part !== undefined).join("\n").toLowerCase());
  }
  return texts.get(row);
}

export class Search {
  constructor(change) {
    this.form = $("filters");
    this.fields = this.form.elements;
    this.change = change;
    this.state = "";
    this.form.addEventListener("input", change);
    this.form.addEventListener("submit", (event) => { event.preventDefault(); this.enter?.(); });
    $("chips").addEventListener("click", ({ target }) => {
      const chip = target.closest("[data-chip]");
      if (!chip) return;
      this.state = chip.dataset.chip === this.state ? "" : chip.dataset.chip;
      change();
    });
  }

  clear() {
    this.fields.text.value = "";
    this.change();
  }

  /** Shows all. */
  reset() {
    for (const name of ["text", "program", "service"]) this.fields[name].value = "";
    this.state = "";
    this.change();
  }

  /** The rows that fit; offers the choices of all. */
  filter(rows) {
    this.offer(rows);
    const { text, program, service } = this.fields;
    const wanted = text.value.trim().toLowerCase(), words = wanted.split(/\s+/);
    const digits = DIGITS.test(wanted) ? wanted.replace(/\D/g, "") : "";
    const found = rows.filter((row) => (!program.value || row.program === program.value)
      && (!service.value || row.service === service.value)
      && ((digits && row.phone.includes(digits)) || words.every((word) => textOf(row).includes(word))));
    this.showChips(found);
    return found.filter(({ state }) => !this.state || (this.state === "live" ? LIVE.has(state) : state === this.state));
  }

  offer(rows) {
    const programs = new Map(rows.map((row) => [row.program, row.program]));
    const services = new Map(rows.map((row) => [row.service, row.service_name]));
    const key = JSON.stringify([[...programs.keys()], [...services]]);
    if (key === this.offered) return;
    this.offered = key;
    // One program needs no column and no choice.
    const isAlone = programs.size < 2;
    $("table").classList.toggle("alone", isAlone);
    this.fields.program.closest("label").hidden = isAlone;
    const byName = (pairs) => [...pairs].sort((a, b) => a[1].localeCompare(b[1]));
    options(this.fields.program, [["", "All programs"], ...byName(programs)]);
    options(this.fields.service, [["", "All services"], ...byName(services)]);
  }

  showChips(rows) {
    const counts = new Map([["", rows.length], ["live", 0]]);
    for (const { state } of rows) {
      counts.set(state, (counts.get(state) ?? 0) + 1);
      if (LIVE.has(state)) counts.set("live", counts.get("live") + 1);
    }
    const words = { "": "all", live: "live", ...STATES };
    const shown = Object.keys(words).filter((state) => state === "" || state === "live" || counts.get(state) || state === this.state);
    const key = JSON.stringify([this.state, ...shown.map((state) => [state, counts.get(state)])]);
    if (key === this.chips) return;
    this.chips = key;
    const focused = document.activeElement?.dataset?.chip;
    $("chips").replaceChildren(...shown.map((state) => el("button", {
      type: "button", class: "chip", "data-chip": state, "aria-pressed": String(state === this.state),
    }, words[state], " ", el("b", {}, counts.get(state) ?? 0))));
    if (focused !== undefined) $("chips").querySelector(`[data-chip="${focused}"]`)?.focus();
  }
}
