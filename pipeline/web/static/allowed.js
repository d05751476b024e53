// Which cameras something holds for: all, or some of them.
import { html } from "./dom.js";
import { get } from "./api.js";
import { t } from "./i18n.js";
import { useLoad } from "./parts.js";

export const places = (cameras) => (cameras === null || cameras === undefined ? t("wall.all") : cameras.join(", ") || "–");

export function Allowed({ value, onChange }) {
  const all = useLoad((signal) => get("cameras", {}, signal), []).value?.cameras.map(({ id }) => id) || [];
  const turn = (id) => onChange(value.includes(id) ? value.filter((one) => one !== id) : [...value, id]);
  return html`<div class="field"><span class="field-label">${t("page.cameras")}</span><label class="check">
    <input type="checkbox" checked=${value === null} onChange=${() => onChange(value === null ? [] : null)} />${t("wall.all")}</label>
    ${value !== null && all.map((id) => html`<label class="check" key=${id}>
      <input type="checkbox" checked=${value.includes(id)} onChange=${() => turn(id)} />${id}</label>`)}</div>`;
}
