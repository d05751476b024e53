// Times are milliseconds UTC everywhere; shown in the browser's zone or in the store's.
import { locale, read } from "./i18n.js";

export const SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const store = { zone: undefined };

export function storeZone(zone) { store.zone = zone || undefined; }
export function zone() {
  return read("zone") === "browser" ? Intl.DateTimeFormat().resolvedOptions().timeZone : store.zone;
}

const formats = new Map();
function format(options) {
  const key = `${locale()} ${zone()} ${JSON.stringify(options)}`;
  if (!formats.has(key)) {
    formats.set(key, new Intl.DateTimeFormat(locale(), { timeZone: zone(), hourCycle: "h23", ...options }));
  }
  return formats.get(key);
}

export const clock = (ms) => format({ hour: "2-digit", minute: "2-digit" }).format(ms);
export const exact = (ms) => format({ hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(ms);
export const shortDay = (ms) => format({ weekday: "short", day: "numeric", month: "short" }).format(ms);
export const longDay = (ms) =>
  format({ weekday: "long", day: "numeric", month: "long", year: "numeric" }).format(ms);
export const full = (ms) => format({ dateStyle: "medium", timeStyle: "medium" }).format(ms);

/** ``14:05``, of another day ``Thu 26 Nov, 14:05``. */
export const moment = (ms, now = Date.now()) => (dateOf(ms) === dateOf(now) ? clock(ms) : `${shortDay(ms)}, ${clock(ms)}`);

function fields(ms) {
  const options = { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" };
  const parts = new Intl.DateTimeFormat("en-GB", { timeZone: zone(), hourCycle: "h23", ...options }).formatToParts(ms);
  return Object.fromEntries(parts.map((part) => [part.type, part.value]));
}

/** ``2026-11-25``, as dates are in addresses and inputs. */
export function dateOf(ms) {
  const { year, month, day } = fields(ms);
  return `${year}-${month}-${day}`;
}

/** ``2026-11-25T14:00``, as inputs for a date and a time take it. */
export function localOf(ms) {
  const { hour, minute } = fields(ms);
  return `${dateOf(ms)}T${hour}:${minute}`;
}

/** The moment of a local date and time in the zone that is shown; NaN where it is none. */
export function momentOf(local) {
  const asUtc = Date.parse(`${local.length > 10 ? local : `${local}T00:00`}Z`);
  if (Number.isNaN(asUtc)) return NaN;
  let found = asUtc;
  for (let turn = 0; turn < 2; turn += 1) {
    const { year, month, day, hour, minute, second } = fields(found);
    found += asUtc - Date.UTC(year, month - 1, day, hour, minute, second);
  }
  return found;
}

export const midnight = (ms) => momentOf(dateOf(ms));

/** Midnight some days later: days have 23 to 25 hours. */
export const daysLater = (ms, n) => midnight(midnight(ms) + n * DAY + 12 * HOUR);

/** How long: ``4 s``, ``12 min``, ``3 h``, ``2 d``; ``long``: in whole words. */
export function span(ms, unitDisplay = "short") {
  const units = [[DAY, "day", 2], [HOUR, "hour", 2], [MINUTE, "minute", 2], [SECOND, "second", 0]];
  const [size, unit] = units.find(([one, , most]) => ms >= one * most) ?? units[3];
  const digits = ms < 10 * SECOND ? 1 : 0;
  return new Intl.NumberFormat(locale(), {
    style: "unit", unit, unitDisplay, maximumFractionDigits: digits,
  }).format(ms / size);
}

/** ``3 minutes ago``. */
export function ago(ms, now = Date.now()) {
  const units = [[DAY, "day"], [HOUR, "hour"], [MINUTE, "minute"], [SECOND, "second"]];
  const passed = Math.max(0, now - ms);
  const [size, unit] = units.find(([one]) => passed >= one) ?? units[3];
  return new Intl.RelativeTimeFormat(locale(), { numeric: "auto" }).format(-Math.floor(passed / size), unit);
}
