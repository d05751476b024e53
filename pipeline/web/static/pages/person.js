// One person's visit: picture, what they wore and when, who was there before and after.
import { html, useState, useEffect } from "../dom.js";
import { get, own, remove, save, at } from "../api.js";
import { t, word, percent } from "../i18n.js";
import { address, go } from "../route.js";
import { full, exact, span, SECOND } from "../time.js";
import { useMay } from "../me.js";
import { typing } from "../keys.js";
import { drop } from "../kept.js";
import { Page, Button, Failure, Confirm, Swatch, Tag, tagText, useLoad } from "../parts.js";
import { Icon } from "../icons.js";
import { Wears } from "../wears.js";
import { taken } from "../words.js";

const NEAR_MS = 30 * 60 * SECOND;

export default function Person({ route }) {
  const id = route.rest[0] || "";
  const { value: visit, error, again } = useLoad((signal) => get(`visits/${at(id)}`, {}, signal), [id]);
  const [forgetting, setForgetting] = useState(false);
  const may = useMay("operator");
  useEffect(() => {
    const pressed = (event) => {
      if (typing(event) || !visit) return;
      if (event.key === "ArrowLeft" && visit.before) go(address(["person", visit.before]), true);
      else if (event.key === "ArrowRight" && visit.after) go(address(["person", visit.after]), true);
      else if (event.key === "Escape") history.back();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [visit]);
  const title = t("person");
  if (error) return html`<${Page} title=${title}><${Failure} error=${error} again=${again} /><//>`;
  if (!visit || visit.visit !== id) return html`<${Page} title=${title} />`;
  const tools = html`<${Button} icon="left" label=${t("person.before")} disabled=${!visit.before} onClick=${() => go(address(["person", visit.before]), true)} />
    <${Button} icon="right" label=${t("person.after")} disabled=${!visit.after} onClick=${() => go(address(["person", visit.after]), true)} />
    <${Button} icon="download" onClick=${() => save(`visits/${at(id)}/export`)}>${t("export")}<//>
    ${may && html`<${Button} icon="trash" kind="danger" onClick=${() => setForgetting(true)}>${t("forget")}<//>`}`;
  return html`<${Page} title=${title} tools=${tools}><div class="visit"><${Portrait} visit=${visit} />
    <div class="stack"><${Facts} visit=${visit} /><${Worn} visit=${visit} /><${Neighbours} visit=${visit} /></div></div>
    ${forgetting && html`<${Confirm} title=${t("forget")} text=${t("forget.sure")} action=${t("forget")} onClose=${() => setForgetting(false)}
      onDone=${async () => { await remove(`visits/${at(id)}`); drop(); go(address("search"), true); }} />`}<//>`;
}

function Portrait({ visit }) {
  const [gone, setGone] = useState(false);
  return html`<div class="portrait">${visit.picture && !gone
    ? html`<img src=${own(visit.picture)} alt=${visit.wears.join(", ")} onError=${() => setGone(true)} />`
    : html`<div class="empty"><${Icon} name="user" /><p>${t("person.no.picture")}</p></div>`}</div>`;
}

function Facts({ visit }) {
  const began = Date.parse(visit.began), ended = Date.parse(visit.ended);
  const iso = (ms) => new Date(ms).toISOString();
  const alike = address("search", {
    and: visit.wears.filter((one) => taken(one).colours.length).map((one) => `${taken(one).colours[0]} ${taken(one).name}`),
    from: iso(began - NEAR_MS), to: iso(ended + NEAR_MS),
  });
  return html`<section class="panel"><dl class="facts">
    <dt>${t("camera")}</dt><dd><a href=${address("search", { camera: visit.camera })}>${visit.camera}</a></dd>
    <dt>${t("person.came")}</dt><dd class="num">${full(began)}</dd>
    <dt>${t("person.stayed")}</dt><dd>${visit.open ? t("visit.open") : span(visit.seconds * SECOND)}</dd>
    ${visit.zones.length > 0 && html`<dt>${t("facet.zone")}</dt><dd>${visit.zones.join(", ")}</dd>`}</dl>
    <div class="row"><a class="button" href=${address("timeline", { camera: visit.camera, at: iso(began), zoom: "600" })}>
      <${Icon} name="timeline" />${t("person.timeline")}</a>
    ${visit.wears.length > 0 && html`<a class="button" href=${alike}><${Icon} name="people" />${t("person.alike")}</a>`}</div></section>`;
}

/** From when to when each thing was worn, by the events that are still known. */
export function spans(visit) {
  const began = Date.parse(visit.began), ended = Math.max(Date.parse(visit.ended), began + 1);
  const slot = (tag) => `${tag.kind} ${tag.category || tag.label}`;
  const open = new Map(), found = [];
  const close = (key, until) => { const one = open.get(key); if (one) { found.push({ ...one, until }); open.delete(key); } };
  for (const { at: when, event, tag } of visit.events || []) {
    if (!tag || !["appeared", "changed", "vanished"].includes(event)) continue;
    const ms = Math.min(Math.max(Date.parse(when), began), ended);
    close(slot(tag), ms);
    if (event !== "vanished") open.set(slot(tag), { tag, since: ms });
  }
  for (const key of [...open.keys()]) close(key, ended);
  const known = new Set(found.map(({ tag }) => slot(tag)));
  const rest = visit.tags.filter((tag) => !known.has(slot(tag))).map((tag) => ({ tag, since: null, until: null }));
  return { began, ended, rows: [...found, ...rest] };
}

function Worn({ visit }) {
  const { began, ended, rows } = spans(visit), length = ended - began;
  if (!visit.tags.length && !rows.length) return html`<section class="panel"><p class="soft">${t("person.nothing")}</p></section>`;
  const place = ({ since, until }) => ({ left: `${(100 * (since - began)) / length}%`, width: `${(100 * (until - since)) / length}%` });
  return html`<section class="panel"><header><h2>${t("person.wears")}</h2></header>
    <div class="scroll"><table><thead><tr><th>${t("person.what")}</th><th>${t("facet.attribute")}</th>
      <th class="right">${t("person.sure")}</th></tr></thead><tbody>
    ${visit.tags.map((tag) => html`<tr key=${`${tag.kind}${tag.label}${tag.category}`}><td>
      <a class=${`tag ${tag.kind === "logo" ? "logo" : ""} ${tag.gone ? "gone" : ""}`} href=${searchFor(tag)}>
      <${Swatch} colours=${tag.colours} />${tagText(tag)}</a></td>
      <td class="soft">${Object.entries(tag.attributes).map(([name, value]) => `${word(name)}: ${word(`${name}=${value}`)}`).join(", ")}</td>
        <td class="right num">${percent(tag.score)}</td></tr>`)}</tbody></table></div>
    ${rows.some(({ since }) => since !== null) && html`<div class="stack tight">${rows.filter(({ since }) => since !== null).map((row, n) => html`<div class="span-row" key=${n}>
      <span class="cut"><${Tag} tag=${row.tag} /></span>
      <span class="bar" title=${`${exact(row.since)} – ${exact(row.until)}`}>
        <i class=${row.tag.kind === "logo" ? "logo" : ""} style=${place(row)}></i></span></div>`)}
      <div class="span-row"><span></span><span class="span-scale"><span>${exact(began)}</span><span>${exact(ended)}</span></span></div>
        </div>`}</section>`;
}

function searchFor(tag) {
  if (tag.kind === "logo") return address("search", { brand: tag.label });
  return address("search", { and: [tag.colours[0], tag.label].filter(Boolean).join(" ") });
}

function Neighbours({ visit }) {
  return html`<div class="neighbours">${["before", "after"].map((side) => html`<${Neighbour} key=${`${side} ${visit[side]}`} id=${visit[side]} title=${t(`person.${side}`)} />`)}</div>`;
}

function Neighbour({ id, title }) {
  const { value } = useLoad((signal) => (id ? get(`visits/${at(id)}`, {}, signal) : Promise.resolve(null)), [id]);
  if (!id) return html`<div class="card neighbour soft">${title}: ${t("person.nobody")}</div>`;
  return html`<a class="card neighbour" href=${address(["person", id])}>${value?.picture && html`<img src=${own(value.picture)} alt="" />`}
    <span class="stack tight grow"><span class="small soft">${title}${value && ` · ${exact(Date.parse(value.began))}`}</span>${value && html`<${Wears} wears=${value.wears} most=${3} />`}</span></a>`;
}
