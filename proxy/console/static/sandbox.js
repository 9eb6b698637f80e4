// Controls of the simulated upstream, over its control API.

import { $, API, ask, el, options, say } from "./dom.js";
import { confirmed } from "./question.js";

const CONTROL = "sandbox";
const ENDED = new Set(["cancelled", "expired", "finished"]);

export class Sandbox {
  constructor(samples) {
    $("sandbox").hidden = $("sandbox-badge").hidden = false;
    this.sms = $("sms").elements;
    options(this.sms.sample, [...samples.map((text) => [text, text]), ["", "own text"]]);
    this.sms.sample.value = this.sms.text.value = samples[0];
    this.sms.sample.addEventListener("change", () => { this.sms.text.value = this.sms.sample.value; });
    this.on("sms", () => this.sendSms());
    this.on("advance-clock", () => this.advance(Number($("advance-clock").elements.seconds.value)));
    for (const button of document.querySelectorAll("[data-seconds]")) {
      button.addEventListener("click", () => this.advance(Number(button.dataset.seconds)));
    }
    this.on("fault", () => this.addFault());
    $("no-faults").addEventListener("click", () => this.report(ask(`${CONTROL}/faults`, undefined, "DELETE"), (found) => this.showFaults(found)));
    this.on("reset", () => this.reset());
    this.load();
    this.showCompatibility();
  }

  on(form, act) {
    $(form).addEventListener("submit", (event) => { event.preventDefault(); act(); });
  }

  async load() {
    try {
      await this.loadFaults();
    } catch (error) {
      say($("said"), `The faults are not read: ${error.message}. Reload the page.`);
    }
  }

  async loadFaults() {
    const { faults } = await ask(CONTROL);
    const { call, kind } = $("fault").elements;
    options(call, faults.calls.map((name) => [name, name === "*" ? "any call" : name]));
    options(kind, Object.entries(faults.kinds).map(([name, about]) => [name, `${name}: ${about.replaceAll("`", "")}`]));
    this.showFaults(await ask(`${CONTROL}/faults`));
  }

  /** Shows the result of a request. */
  async report(request, text) {
    try {
      say($("said"), text(await request));
    } catch (error) {
      say($("said"), `Not done: ${error.message}`);
    }
  }

  /** Shows what programs asked for and did not get as they meant it. */
  async showCompatibility() {
    let summary, lines;
    try {
      ({ summary, lines } = await ask(`${CONTROL}/report`));
    } catch (error) {
      [summary, lines] = [`This is not read: ${error.message}.`, []];
    }
    const key = JSON.stringify([summary, lines]);
    if (key === this.compatibility) return;
    this.compatibility = key;
    say($("compatibility"), summary);
    $("compatibility-rows").replaceChildren(...lines.map((line) => el("li", {}, line)));
  }

  sendSms() {
    const { phone, text, sender } = this.sms;
    this.report(ask(`${CONTROL}/sms`, { phone: phone.value, text: text.value, sender: sender.value }),
      ({ arrived }) => (arrived ? `The SMS came to +${phone.value}.` : "Its order no longer takes SMS."));
  }

  advance(seconds) {
    this.report(ask(`${CONTROL}/clock`, { seconds }), ({ time }) => { this.refreshTime(); return `The sandbox's time is ${time}.`; });
  }

  addFault() {
    const { call, kind, when, times } = $("fault").elements;
    this.report(ask(`${CONTROL}/faults`, { call: call.value, kind: kind.value, when: when.value, times: Number(times.value) }), (found) => this.showFaults(found));
  }

  async reset() {
    const text = "Its orders, balances, faults and clock go back to the start.";
    if (!await confirmed({ title: "Reset the sandbox?", text, yes: "Reset", no: "Keep it" })) return;
    this.report(ask(`${CONTROL}/reset`, { seed: Math.floor(Math.random() * 1e9) }), () => { this.refreshTime(); return "The sandbox is reset."; });
  }

  showFaults({ faults }) {
    say($("faults"), faults.length
      ? `Pending: ${faults.map((one) => `${one.kind} on ${one.call === "*" ? "any call" : one.call} ×${one.times}`).join(", ")}.`
      : "No faults are pending.");
    return faults.length ? "The fault is pending until its call." : "All faults are cleared.";
  }

  /** Makes the proxy read the upstream: it takes the new time from the answer. */
  refreshTime() {
    ask(`${API}/balances`, {}).catch((error) => say($("said"), `The new time is not read: ${error.message}.`));
  }

  selectPhone(row) {
    this.sms.phone.value = row.phone;
    this.sms.text.focus();
    this.sms.text.select();
  }

  offerPhones(rows) {
    const open = rows.filter((row) => !ENDED.has(row.state)).sort((a, b) => b.created_at - a.created_at || b.place - a.place).slice(0, 200);
    const key = open.map((row) => row.phone).join();
    if (key === this.offered) return;
    this.offered = key;
    options(this.sms.phone, open.length ? open.map((row) => [row.phone, `+${row.phone} ${row.service_name}`]) : [["", "no live numbers"]]);
  }
}
