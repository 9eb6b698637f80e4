// The form that sends one request as a program would. A purchase says its price first.

import { copy } from "./clipboard.js";
import { $, API, ask, el, options, say } from "./dom.js";
import { confirmed } from "./question.js";
import { Quote } from "./quote.js";
import { LANGUAGES, snippet } from "./snippets.js";

const ORDER = ["service", "country", "maxPrice", "id", "status"];
const BUYS = new Set(["getNumber", "getNumberV2"]);
// They change what somebody has paid for.
const CHANGES = new Set(["setStatus", "cancelActivation", "finishActivation", "swapNumber"]);
const OFFERED = 50;

export class RequestForm {
  constructor(lists) {
    this.lists = lists;
    this.isSandbox = false;
    this.form = $("request");
    this.quote = new Quote(() => this.showButton());
    this.names = { service: new Map(lists.services), country: new Map(lists.countries.map(([id, name]) => [String(id), name])) };
    setOptions("actions", Object.keys(lists.actions).map((action) => [action, ""]));
    setOptions("services", lists.services);
    setOptions("countries", lists.countries);
    options($("language"), Object.entries(LANGUAGES));
    this.form.elements.dialect.append(...lists.dialects.map((dialect) => el("option", { value: dialect }, dialect)));
    this.form.addEventListener("input", () => this.show());
    this.form.addEventListener("change", (event) => this.resolveName(event.target));
    this.form.addEventListener("submit", (event) => { event.preventDefault(); this.submit(); });
    $("copy").addEventListener("click", () => copy($("snippet").textContent, LANGUAGES[$("language").value]));
    this.show();
  }

  /** In the sandbox nothing costs money: it begins with a purchase, and any word is a key. */
  openSandbox() {
    const { action, api_key: key } = this.form.elements;
    this.isSandbox = true;
    action.value = "getNumber";
    key.value ||= "sandbox";
    say($("key-note"), "any word; bad… is refused");
    this.show();
  }

  /** Replaces a name that was typed or picked by its code. */
  resolveName(input) {
    const names = this.names[input.name];
    if (names && !names.has(input.value)) {
      const wanted = input.value.trim().toLowerCase();
      const found = [...names].find(([, name]) => name.toLowerCase() === wanted);
      if (found) input.value = found[0];
    }
    this.show();
  }

  get action() { return this.form.elements.action.value.trim(); }

  parameters() {
    const takes = this.lists.actions[this.action] ?? [];
    const sent = ORDER.filter((field) => takes.includes(field)).map((field) => [field, this.form.elements[field].value.trim()]);
    return { action: this.action, ...Object.fromEntries(sent.filter(([, value]) => value)) };
  }

  show() {
    const takes = this.lists.actions[this.action] ?? [];
    for (const label of this.form.querySelectorAll("[data-field]")) label.hidden = !takes.includes(label.dataset.field);
    for (const field of ["service", "country"]) {
      const value = this.form.elements[field].value.trim();
      say($(`${field}-name`), value ? this.names[field].get(value) ?? "not in the tables" : "");
    }
    const { action, ...wish } = this.parameters();
    const dialect = this.form.elements.dialect.value;
    this.quote.ask(BUYS.has(action) ? { ...wish, ...(dialect && { dialect }) } : null);
    say($("snippet"), snippet($("language").value || "address", `${location.origin}${this.path()}`));
    this.showButton();
  }

  showButton() {
    const { dollars, refused } = this.quote;
    const buys = BUYS.has(this.action);
    say($("send"), !buys ? "Send" : dollars !== null ? `Buy for $${dollars.toFixed(2)}` : refused ? `Send: ${refused}` : "Buy at an unknown price");
  }

  path() {
    const { dialect } = this.form.elements;
    return `${dialect.value ? `/${dialect.value}` : ""}/stubs/handler_api.php?api_key=YOUR_KEY&${new URLSearchParams(this.parameters())}`;
  }

  /** The question before a request that moves money; null where none does. */
  question(sent) {
    if (this.isSandbox) return null;
    if (BUYS.has(sent.action)) {
      const price = sent.maxPrice ? `at most ${sent.maxPrice} USD` : "a price that is not known";
      return { title: "Buy a number?", text: `${sent.service ?? "No service"}, country ${sent.country ?? "by default"}, for ${price}. Its account pays at once.`, yes: "Buy", no: "Do not buy" };
    }
    if (!CHANGES.has(sent.action)) return null;
    return { title: `Send ${sent.action}?`, text: `It changes activation ${sent.id ?? "without an id"} for its program.`, yes: "Send", no: "Do not send" };
  }

  async submit() {
    const sent = this.parameters(), { dialect, api_key: key } = this.form.elements;
    // Never more than the button says, whatever the price is by then.
    if (BUYS.has(sent.action) && this.quote.dollars !== null) sent.maxPrice ??= this.quote.dollars.toFixed(2);
    const question = this.question(sent);
    if (question && !await confirmed(question)) return;
    $("send").disabled = true;
    say($("request-note"), "");
    try {
      this.showAnswer(await ask(`${API}/try`, { dialect: dialect.value, parameters: { api_key: key.value.trim(), ...sent } }));
    } catch (error) {
      say($("request-note"), `not sent: ${error.message}`);
    }
    $("send").disabled = false;
    this.quote.renew();
  }

  showAnswer(answer) {
    $("answer").hidden = false;
    say($("answer-note"), `HTTP ${answer.status}, ${Math.round(answer.seconds * 1000)} ms${answer.headers["x-cache"] ? `, ${answer.headers["x-cache"]}` : ""}`);
    const isJson = (answer.headers["content-type"] ?? "").includes("json");
    say($("answer-body"), isJson ? pretty(answer.body) : answer.body);
    const calls = answer.calls.map((call) => el("li", {},
      el("code", {}, `${call.method} ${call.path}${call.body ? ` ${call.body}` : ""}`),
      el("span", { class: "hint" }, ` ${call.status || "no answer"}, ${Math.round(call.seconds * 1000)} ms`)));
    $("calls").replaceChildren(...(calls.length ? calls : [el("li", { class: "hint" }, "None: the proxy answered from memory.")]));
    const bought = /^ACCESS_NUMBER:(\d+):/.exec(answer.body) ?? /"activationId":"?(\d+)/.exec(answer.body);
    if (bought) this.form.elements.id.value = bought[1];
  }

  /** Fills in an activation of the table. */
  use(row) {
    const { action, id } = this.form.elements;
    id.value = row.id;
    if (!this.lists.actions[action.value]?.includes("id")) action.value = "getStatus";
    this.show();
    action.focus();
  }

  offerIds(rows) {
    const offered = rows.slice(0, OFFERED), key = offered.map((row) => row.row).join();
    if (key === this.offered) return;
    this.offered = key;
    setOptions("ids", offered.map((row) => [row.id, `+${row.phone} ${row.service_name}`]));
  }
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 1);
  } catch {
    return text;
  }
}

function setOptions(id, pairs) {
  $(id).replaceChildren(...pairs.map(([value, label]) => el("option", { value, label: label || null })));
}
