// What somebody wears, as a row of small tags.
import { html } from "./dom.js";
import { Swatch } from "./parts.js";
import { taken, said } from "./words.js";

export function Wears({ wears, most = 5 }) {
  const more = wears.length - most;
  return html`<span class="tags">${wears.slice(0, most).map((summary) => html`
    <span class="tag" key=${summary}><${Swatch} colours=${taken(summary).colours} /><span class="cut">${said(summary)}</span></span>`)}${more > 0 && html`<span class="tag more">+${more}</span>`}</span>`;
}
