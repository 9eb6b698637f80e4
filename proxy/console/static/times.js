// Times in the browser's time zone; the title of each says it in UTC.

import { el } from "./dom.js";

const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });
const LONG_DAY = new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long" });
const HOUR = 3600, DAY_SECONDS = 24 * HOUR;

const date = (at) => new Date(at * 1000);

/** 14:03:22, here. */
export const clock = (at) => CLOCK.format(date(at));

/** 2026-11-30 14:03:22 UTC */
export const utc = (at) => `${date(at).toISOString().slice(0, 19).replace("T", " ")} UTC`;

/** Sunday, 29 November */
export const longDay = (at) => LONG_DAY.format(date(at));

/** 14:03:22, or 29 Nov 14:03:22 where it is another day here. */
export function local(at) {
  const day = DAY.format(date(at));
  return day === DAY.format(new Date()) ? clock(at) : `${day} ${clock(at)}`;
}

export function moment(at, text = local(at)) {
  return el("time", { datetime: date(at).toISOString(), title: utc(at) }, text);
}

/** 45 s, 12 min, 3 h 05 min, or the day */
export function age(at, now) {
  const seconds = Math.max(now - at, 0), minutes = Math.floor(seconds / 60);
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (minutes < 60) return `${minutes} min`;
  if (seconds < DAY_SECONDS) return `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")}`;
  return DAY.format(date(at));
}

/** The bounds in seconds of a day here, `back` days before the one of `now`. */
export function dayBounds(now, back) {
  const day = date(now);
  const at = (days) => new Date(day.getFullYear(), day.getMonth(), day.getDate() - days).getTime() / 1000;
  return { since: at(back), until: at(back - 1) };
}
