// Beside a camera: who was there last.
import { html, useState, useEffect } from "./dom.js";
import { get, follow, own } from "./api.js";
import { t } from "./i18n.js";
import { address } from "./route.js";
import { exact } from "./time.js";
import { Shot } from "./parts.js";
import { Wears } from "./wears.js";

export function Beside({ camera }) {
  const [visits, setVisits] = useState([]);
  useEffect(() => {
    let timer = null, ended = false;
    const load = () => {
      timer = null;
      get("search", { camera: camera.id, limit: 40 }).then((found) => !ended && setVisits(found.visits.filter(({ wears }) => wears.length).slice(0, 12)), () => {});
    };
    load();
    const soon = (record) => { if (record.camera === camera.id && !timer) timer = setTimeout(load, 1500); };
    const stop = follow({ event: soon });
    return () => { ended = true; clearTimeout(timer); stop(); };
  }, [camera.id]);
  return html`<aside class="beside"><h3>${t("wall.last")}</h3>${visits.map((visit) => html`
    <a class="now" key=${visit.visit} href=${address(["person", visit.visit])}>
      <${Shot} path=${own(visit.picture)} />
      <span class="stack grow"><span class="small soft num">${exact(Date.parse(visit.began))}${visit.open && ` · ${t("visit.open")}`}</span><${Wears} wears=${visit.wears} most=${4} /></span></a>`)}
    ${!visits.length && html`<p class="soft">${t("wall.nobody")}</p>`}
    <a href=${address("search", { camera: camera.id })}>${t("wall.search")}</a></aside>`;
}
