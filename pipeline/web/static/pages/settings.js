// Settings of all cameras: what can be changed here, and all that is in force.
import { html, useState } from "../dom.js";
import { get, patch } from "../api.js";
import { t, number, named, loadMore } from "../i18n.js";
import { Button, Failure, Select, useLoad } from "../parts.js";

export function Settings() {
  const { value, error, again } = useLoad(async (signal) => (await Promise.all([get("settings", {}, signal), loadMore("settings")]))[0], []);
  const groups = new Map();
  for (const field of value?.fields || []) {
    const name = field.key.split(".")[0];
    groups.set(name, [...(groups.get(name) || []), field]);
  }
  return html`<div class="stack"><section class="panel"><header><h2>${t("system.settings")}</h2></header><p class="soft">${t("settings.why")}</p>
    ${error && html`<${Failure} error=${error} again=${again} />`}
    ${value?.fields.some(({ waits }) => waits) && html`<div class="notice warn"><span>${t("settings.waiting")}</span></div>`}
    ${[...groups].map(([name, fields]) => html`<details key=${name}><summary><b>${named("section", name)}</b> <span class="mono small soft">${name}</span>${fields.some((one) => one.changed) && html` <span class="badge">${t("settings.changed")}</span>`}</summary>
      <div class="fields">${fields.map((field) => html`<${Setting} key=${field.key} field=${field} onDone=${again} />`)}</div></details>`)}</section>
    <section class="panel"><header><h2>${t("settings.all")}</h2></header>${value && Object.entries(value.settings).map(([name, section]) => html`<details key=${name}><summary><b>${name}</b></summary>
      <pre class="mono lines" tabindex="0">${JSON.stringify(section, null, 2)}</pre></details>`)}</section></div>`;
}

const said = (field, value) => (value === null ? t("settings.nothing") : typeof value === "boolean" ? t(value ? "yes" : "no") : typeof value === "number" ? number(value, 4) : named("choice", value));

function Setting({ field, onDone }) {
  const [error, setError] = useState(null);
  const send = async (body) => { setError(null); try { await patch("settings", body); } catch (found) { setError(found); } onDone(); };
  const change = (value) => value !== field.value && send({ changes: { [field.key]: value } });
  const { key, kind, value } = field, name = key.slice(key.indexOf(".") + 1);
  const typed = (event) => {
    const text = event.target.value.trim();
    if (text === "" && !field.optional) return;
    change(text === "" ? null : Number(text));
  };
  return html`<div class="setting" data-key=${key}><span class="grow"><span class="mono">${name}</span>${field.restart && html` <span class="badge">${t("settings.restart")}</span>`}
      ${field.waits && html` <span class="badge warn">${t("settings.waits")}</span>`}<br /><span class="small soft">${t(field.why)}</span></span>
    ${kind === "switch" ? html`<input type="checkbox" aria-label=${key} checked=${value} onChange=${(event) => change(event.target.checked)} />`
      : kind === "choice" ? html`<${Select} label=${key} value=${value} options=${field.choices.map((one) => [one, named("choice", one)])} onChange=${change} />`
      : html`<input class="input num" type="number" step="any" aria-label=${key} value=${value ?? ""} placeholder=${field.optional ? t("settings.nothing") : ""} onChange=${typed} />`}
    <span class="undo">${field.changed && html`<${Button} kind="quiet" icon="undo" label=${t("settings.undo", { value: said(field, field.usual) })} onClick=${() => send({ undo: [key] })} />`}</span>
    ${error && html`<${Failure} error=${error} />`}</div>`;
}
