// What a purchase in the form would cost now, before anybody sends it.

import { $, API, ask, el } from "./dom.js";
import { facts } from "./problems.js";

const WAIT_MS = 300;
// What does not bear on the decision to buy, or stands in the form or on its button.
const LEFT_OUT = /^(dialect|action=.*|cancel|unused|again)$/;
const isNews = ([name], { refused }) => !LEFT_OUT.test(name) && (name !== "answer" || refused !== null);

export class Quote {
  /** `change` is called when the price is known or no longer known. */
  constructor(change) {
    this.change = change;
    this.dollars = null;
    this.refused = null;
  }

  /** Asks for these parameters a little later; null: nothing is bought by the form. */
  ask(parameters) {
    const key = JSON.stringify(parameters);
    if (key === this.key) return;
    this.key = key;
    this.set(null);
    clearTimeout(this.waiting);
    $("quote").hidden = !parameters;
    if (!parameters) return;
    $("quote").replaceChildren(el("p", { class: "hint" }, "The price is read …"));
    this.waiting = setTimeout(() => this.read(parameters, key), WAIT_MS);
  }

  /** Asks once more: prices and stock change. */
  renew() {
    const parameters = JSON.parse(this.key ?? "null");
    this.key = undefined;
    this.ask(parameters);
  }

  async read(parameters, key) {
    let found, shown;
    try {
      found = await ask(`${API}/explain?${new URLSearchParams(parameters)}`);
      shown = facts(found.facts.filter((fact) => isNews(fact, found)));
    } catch (error) {
      shown = el("p", { class: "failed" }, `The price is not read: ${error.message}.`);
    }
    // The form has been changed since.
    if (key !== this.key) return;
    $("quote").replaceChildren(shown);
    this.set(found ?? null);
  }

  set(found) {
    this.refused = found?.refused ?? null;
    this.dollars = found && found.refused === null ? found.price : null;
    this.change();
  }
}
