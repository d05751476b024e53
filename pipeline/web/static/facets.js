// What there is to choose from, with how many wear it; and searches that were kept.
import { html, useState } from "./dom.js";
import { get, remove } from "./api.js";
import { t, word, number } from "./i18n.js";
import { set } from "./route.js";
import { Swatch, Button, useLoad } from "./parts.js";

/** Kind of facet -> the name it has in a question. */
const KINDS = { garment: "and", colour: "and", attribute: "and", brand: "brand", camera: "camera", zone: "zone" };
const MOST = 8;

/** The counts by kind, labels and categories as one. */
function byKind(facets) {
  const garment = { ...facets.category, ...facets.label };
  return { ...facets, garment };
}

export function Facets({ query, counts }) {
  if (!counts) return null;
  const facets = byKind(counts.facets);
  return html`${Object.entries(KINDS).map(([kind, name]) => html`<${Facet} key=${kind} kind=${kind} values=${facets[kind] || {}} name=${name} query=${query} />`)}
    ${!counts.facets_exact && html`<p class="small soft">${t("search.newest", { n: counts.of })}</p>`}`;
}

function Facet({ kind, values, name, query }) {
  const [all, setAll] = useState(false);
  const chosen = new Set(query.getAll(name));
  const sorted = Object.entries(values).sort((a, b) => chosen.has(b[0]) - chosen.has(a[0]) || b[1] - a[1]);
  if (!sorted.length) return null;
  const turn = (value) => set({ [name]: chosen.has(value) ? [...chosen].filter((one) => one !== value) : [...chosen, value] }, true);
  return html`<section class="facet"><h3>${t(`facet.${kind}`)}</h3>${(all ? sorted : sorted.slice(0, MOST)).map(([value, n]) => html`
    <button type="button" class="value" key=${value} aria-pressed=${chosen.has(value)} onClick=${() => turn(value)}>
      ${kind === "colour" && html`<${Swatch} colours=${[value]} />`}<span class="cut">${name === "and" ? word(value) : value}</span>
        <span class="n">${number(n)}</span></button>`)}
    ${sorted.length > MOST && html`<button type="button" class="rest" onClick=${() => setAll(!all)}>${t(all ? "fewer" : "more", { n: sorted.length - MOST })}</button>`}</section>`;
}

export function Saved() {
  const { value, again } = useLoad((signal) => get("searches", {}, signal), []);
  if (!value?.searches.length) return null;
  const forget = async (id) => { await remove(`searches/${id}`); again(); };
  return html`<section class="facet"><h3>${t("search.saved")}</h3>${value.searches.map((one) => html`<div class="row tight" key=${one.id}>
    <a class="grow cut" href=${`#/search?${one.query}`}>${one.name}</a>
      <${Button} kind="quiet" icon="trash" label=${t("search.drop", { name: one.name })} onClick=${() => forget(one.id)} /></div>`)}</section>`;
}
