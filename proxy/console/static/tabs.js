// The two tabs; the address says which one is shown, or which number: #operations, #1a2b3c4d-478583555.

const ROW = /^[0-9a-f]{8}-\d+$/;
const STEP = { ArrowLeft: -1, ArrowRight: 1 };

export class Tabs {
  /** `openRow` gets the row of the address, `change` the name of the tab. */
  constructor(list, { openRow, change }) {
    this.tabs = [...list.querySelectorAll("[role=tab]")];
    this.openRow = openRow;
    this.change = change;
    for (const tab of this.tabs) tab.addEventListener("click", () => this.choose(tab));
    list.addEventListener("keydown", (event) => this.move(event));
    window.addEventListener("hashchange", () => this.followAddress());
    this.followAddress();
  }

  followAddress() {
    const wanted = location.hash.slice(1);
    if (this.tabs.some((tab) => tab.dataset.tab === wanted)) this.show(wanted);
    if (ROW.test(wanted)) { this.show("inbox"); this.openRow(wanted); }
  }

  choose(tab) {
    history.replaceState(null, "", `#${tab.dataset.tab}`);
    this.show(tab.dataset.tab);
  }

  move(event) {
    const at = this.tabs.indexOf(event.target), last = this.tabs.length - 1;
    const to = { Home: 0, End: last }[event.key] ?? (at + (STEP[event.key] ?? NaN) + this.tabs.length) % this.tabs.length;
    if (at < 0 || Number.isNaN(to)) return;
    event.preventDefault();
    this.tabs[to].focus();
    this.choose(this.tabs[to]);
  }

  show(name) {
    for (const tab of this.tabs) {
      const isShown = tab.dataset.tab === name;
      tab.setAttribute("aria-selected", String(isShown));
      tab.tabIndex = isShown ? 0 : -1;
      document.getElementById(tab.getAttribute("aria-controls")).hidden = !isShown;
    }
    this.change(name);
  }
}
