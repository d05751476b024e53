// Choosing a span of time: a few at hand, or from and to.
import { html } from "./dom.js";
import { t } from "./i18n.js";
import { set } from "./route.js";
import { localOf, momentOf, midnight, daysLater, HOUR } from "./time.js";
import { Select } from "./parts.js";

const SPANS = { "": {}, hour: { last: "1h" }, today: { from: "today" }, yesterday: { from: "yesterday", to: "yesterday" }, week: { last: "7d" }, month: { last: "30d" } };

function named(query) {
  const now = { from: query.get("from") || undefined, to: query.get("to") || undefined, last: query.get("last") || undefined };
  const found = Object.entries(SPANS).find(([, one]) => ["from", "to", "last"].every((name) => one[name] === now[name]));
  return found ? found[0] : "own";
}

/** From and to in milliseconds of the span that an address names; ``standard`` where it names none. */
export function rangeOf(query, standard) {
  const now = Date.now(), today = midnight(now);
  const none = !query.get("from") && !query.get("to") && !query.get("last");
  const spans = {
    hour: [now - HOUR, now], today: [today, now], yesterday: [daysLater(today, -1), today],
    week: [daysLater(today, -6), now], month: [daysLater(today, -29), now],
  };
  const found = spans[none ? standard : named(query)];
  if (found) return found;
  const from = Date.parse(query.get("from")), to = Date.parse(query.get("to"));
  return [Number.isNaN(from) ? spans.week[0] : from, Number.isNaN(to) ? now : to];
}

/** ``free``: also without any bound. */
export function Span({ query, free = true, standard = "" }) {
  const none = !query.get("from") && !query.get("to") && !query.get("last");
  const chosen = none ? standard : named(query);
  const names = Object.keys(SPANS).filter((name) => name || free);
  const choose = (name) => {
    if (name === "own") set({ last: null, from: new Date(Date.now() - HOUR).toISOString(), to: new Date().toISOString() });
    else set({ from: null, to: null, last: null, ...SPANS[name] });
  };
  const input = (name) => html`<input class="input" type="datetime-local" aria-label=${t(`span.${name}`)} value=${moment(query.get(name))}
    onChange=${(event) => event.target.value && set({ [name]: new Date(momentOf(event.target.value)).toISOString() })} />`;
  return html`<${Select} label=${t("span")} value=${chosen} options=${[...names, "own"].map((name) => [name, t(`span.${name || "any"}`)])} onChange=${choose} />
    ${chosen === "own" && html`${input("from")}<span class="soft">–</span>${input("to")}`}`;
}

function moment(text) {
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? "" : localOf(ms);
}
