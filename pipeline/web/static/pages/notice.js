// What people in front of a camera are told: a sign to print, and the whole text. Nobody has to be logged in.
import { html, useState, useEffect } from "../dom.js";
import { get, at } from "../api.js";
import { t } from "../i18n.js";
import { span, HOUR, DAY } from "../time.js";
import { Button, Failure } from "../parts.js";
import { Icon } from "../icons.js";

export function Notice({ camera }) {
  const [found, setFound] = useState(null);
  const [error, setError] = useState(null);
  useEffect(() => {
    document.title = t("notice");
    get(`notice/${at(camera)}`).then(setFound, setError);
  }, [camera]);
  if (error) return html`<main class="paper"><h1>${t("notice")}</h1><${Failure} error=${error} /></main>`;
  if (!found) return null;
  const kept = (n, size) => (n === null || n === undefined ? t("system.ever") : span(n * size, "long"));
  return html`<main class="paper"><div class="sign"><div class="head"><${Icon} name="cameras" /><h1>${t("notice.title")}</h1></div>
    <p><b>${t("notice.purpose")}:</b> ${found.purpose}</p>${found.controller && html`<p><b>${t("notice.controller")}:</b> ${found.controller}</p>`}
    <p>${t(found.heads === "keep" ? "notice.short.keep" : "notice.short")} ${t("notice.short.kept", { pictures: kept(found.pictures_h, HOUR), rows: kept(found.rows_d, DAY) })}</p></div>
    <div class="no-print"><${Button} icon="print" onClick=${() => print()}>${t("notice.print")}<//></div>
    <h2>${t("notice.what")}</h2><p>${t("notice.what.text")}</p>
    <h2>${t("notice.kept")}</h2><p>${t("notice.kept.text", { pictures: kept(found.pictures_h, HOUR), rows: kept(found.rows_d, DAY) })}</p>
    <h2>${t("notice.not")}</h2><p>${t("notice.not.text")}</p>
    <h2>${t("notice.rights")}</h2><ul>${found.rights.map((right) => html`<li key=${right}>${t(`right.${right}`)}</li>`)}</ul></main>`;
}
