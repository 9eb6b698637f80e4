// Numbers of the store: of the last 24 hours, or of one day.

import { API, ask, options } from "./dom.js";
import { dayBounds, longDay } from "./times.js";

const DAY_SECONDS = 24 * 3600;
const DAYS = 30;
const RELOAD_MS = 2000;

export class Archive {
  /** `select` offers the days; `change` is called when the rows or the span have changed. */
  constructor(select, now, change) {
    this.select = select;
    this.now = now;
    this.change = change;
    this.rows = new Map();
    this.failed = "";
    this.isWhole = true;
    select.addEventListener("change", () => this.choose(select.value));
  }

  get isDay() { return this.select.value !== ""; }

  choose(day) {
    this.select.value = day;
    this.rows.clear();
    this.change();
    this.load();
  }

  /** In seconds; without `until` the span goes on. */
  get bounds() {
    if (!this.isDay) return { since: this.now() - DAY_SECONDS };
    return dayBounds(this.now(), Number(this.select.value));
  }

  /** Those of the rows that are of the span. */
  filter(rows) {
    const { since, until = Infinity } = this.bounds;
    return rows.filter(({ bought_at: at }) => (at === null ? !this.isDay : at >= since && at < until));
  }

  /** Shows the day of a row, unless the span has it. Returns whether there is such a day. */
  show(row) {
    if (this.filter([row]).length) return true;
    const days = Array.from({ length: DAYS }, (_, back) => dayBounds(this.now(), back));
    const back = days.findIndex(({ since, until }) => row.bought_at >= since && row.bought_at < until);
    if (back >= 0) this.choose(String(back));
    return back >= 0;
  }

  /** The number of days back of the day before the span; null where there is none to offer. */
  get dayBefore() {
    const back = this.isDay ? Number(this.select.value) + 1 : 1;
    return back < DAYS ? back : null;
  }

  /** What a day is called: Today, Yesterday, Sunday, 29 November. */
  name(back) { return ["Today", "Yesterday"][back] ?? longDay(dayBounds(this.now(), back).since); }

  offerDays() {
    const days = Array.from({ length: DAYS }, (_, back) => [String(back), this.name(back)]);
    if (days[2][1] === this.offered) return;
    this.offered = days[2][1];
    options(this.select, [["", "Last 24 h"], ...days]);
  }

  async load() {
    clearTimeout(this.waiting);
    this.offerDays();
    const asked = this.asked = {};
    this.isBusy = true;
    const { since, until } = this.bounds;
    const query = new URLSearchParams({ since: Math.floor(since), ...(until && { until }) });
    let found, failed = "";
    try {
      found = await ask(`${API}/activations?${query}`);
    } catch (error) {
      failed = error.message;
    }
    if (asked !== this.asked) return;
    this.isBusy = false;
    this.failed = failed;
    if (found) {
      this.rows = new Map(found.activations.map((row) => [row.row, row]));
      this.isWhole = found.is_whole;
    }
    this.change();
  }

  /** Rows that the stream no longer has: they stay as they were until the store is read. */
  take(rows) {
    for (const row of rows) this.rows.set(row.row, row);
    clearTimeout(this.waiting);
    this.waiting = setTimeout(() => this.load(), RELOAD_MS);
  }
}
