// One person's visit: picture, what they wore and when, who was there before and after.
import { html, useState, useEffect } from "../dom.js";
import { get, own, post, remove, save, at } from "../api.js";
import { t, word, percent } from "../i18n.js";
import { address, go } from "../route.js";
import { full, exact, span, SECOND } from "../time.js";
import { useMay } from "../me.js";
import { typing } from "../keys.js";
import { drop } from "../kept.js";
import { Page, Button, Dialog, Failure, Field, Confirm, Shot, Swatch, Tag, tagText, useLoad } from "../parts.js";
import { Icon } from "../icons.js";
import { Wears } from "../wears.js";
import { taken, said } from "../words.js";

const NEAR_MS = 30 * 60 * SECOND;

export default function Person({ route }) {
  const id = route.rest[0] || "";
  const { value: visit, error, again } = useLoad((signal) => get(`visits/${at(id)}`, {}, signal), [id]);
  const [forgetting, setForgetting] = useState(false);
  const [wrong, setWrong] = useState(null);
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
  return html`<${Page} title=${title} tools=${tools}><div class="visit"><${Portrait} key=${id} visit=${visit} />
    <div class="stack"><${Facts} visit=${visit} /><${Worn} visit=${visit} may=${may} onWrong=${setWrong} /><${Marked} visit=${visit} may=${may} onDone=${again} />
      ${visit.picture && html`<${Complete} key=${id} visit=${visit} />`}<${Neighbours} visit=${visit} /></div></div>
    ${wrong && html`<${Wrong} visit=${visit} tag=${wrong} onClose=${() => setWrong(null)} onDone=${again} />`}
    ${forgetting && html`<${Confirm} title=${t("forget")} text=${t("forget.sure")} action=${t("forget")} onClose=${() => setForgetting(false)}
      onDone=${async () => { await remove(`visits/${at(id)}`); drop(); go(address("search"), true); }} />`}<//>`;
}

function Portrait({ visit }) {
  const [gone, setGone] = useState(false);
  const [shown, setShown] = useState(0);
  if (!visit.picture || gone) return html`<div class="portrait"><div class="empty"><${Icon} name="user" /><p>${t("person.no.picture")}</p></div></div>`;
  const looks = [visit.picture, ...visit.looks];
  return html`<div class="stack"><div class="portrait"><img src=${own(looks[shown] || looks[0])} alt=${visit.wears.map(said).join(", ")} onError=${() => setGone(true)} /></div>
    ${looks.length > 1 && html`<div class="looks" role="group" aria-label=${t("person.looks")}>${looks.map((look, n) => html`
      <button type="button" key=${look} aria-pressed=${n === shown} aria-label=${t("person.look", { n: n + 1 })} onClick=${() => setShown(n)}><img src=${own(look)} alt="" /></button>`)}</div>`}</div>`;
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

function Worn({ visit, may, onWrong }) {
  const { began, ended, rows } = spans(visit), length = ended - began;
  if (!visit.tags.length && !rows.length) return html`<section class="panel"><p class="soft">${t("person.nothing")}</p></section>`;
  const place = ({ since, until }) => ({ left: `${(100 * (since - began)) / length}%`, width: `${(100 * (until - since)) / length}%` });
  return html`<section class="panel"><header><h2>${t("person.wears")}</h2></header>
    <div class="scroll"><table><thead><tr><th>${t("person.what")}</th><th>${t("facet.attribute")}</th>
      <th class="right">${t("person.sure")}</th>${may && html`<th></th>`}</tr></thead><tbody>
    ${visit.tags.map((tag) => html`<tr key=${`${tag.kind}${tag.label}${tag.category}`}><td>
      <a class=${`tag ${tag.kind === "logo" ? "logo" : ""} ${tag.gone ? "gone" : ""}`} href=${searchFor(tag)}>
      <${Swatch} colours=${tag.colours} />${tagText(tag)}</a></td>
      <td class="soft">${Object.entries(tag.attributes).map(([name, value]) => `${word(name)}: ${word(`${name}=${value}`)}`).join(", ")}</td>
        <td class="right num">${percent(tag.score)}</td>${may && html`<td class="right"><${Button} kind="quiet" icon="warn" label=${t("wrong.mark", { tag: tagText(tag) })} onClick=${() => onWrong(tag)} /></td>`}</tr>`)}</tbody></table></div>
    ${rows.some(({ since }) => since !== null) && html`<div class="stack tight">${rows.filter(({ since }) => since !== null).map((row, n) => html`<div class="span-row" key=${n}>
      <span class="cut"><${Tag} tag=${row.tag} /></span>
      <span class="bar" title=${`${exact(row.since)} – ${exact(row.until)}`}>
        <i class=${row.tag.kind === "logo" ? "logo" : ""} style=${place(row)}></i></span></div>`)}
      <div class="span-row"><span></span><span class="span-scale"><span>${exact(began)}</span><span>${exact(ended)}</span></span></div>
        </div>`}</section>`;
}

/** What was marked wrong, and is learnt from next. */
function Marked({ visit, may, onDone }) {
  const [error, setError] = useState(null);
  if (!visit.wrong.length) return null;
  const undo = async ({ kind, label }) => {
    try { await remove(`visits/${at(visit.visit)}/wrong?${new URLSearchParams({ kind, label })}`); onDone(); } catch (found) { setError(found); }
  };
  return html`<section class="panel"><header><h2>${t("wrong")}</h2></header>${visit.wrong.map((one) => html`<div class="row" key=${`${one.kind} ${one.label}`}>
    <span class="grow">${t("wrong.is", { tag: word(one.label), name: word(one.class) })} <span class="small soft">${one.user} · ${full(Date.parse(one.at))}</span></span>
    ${may && html`<${Button} icon="undo" onClick=${() => undo(one)}>${t("wrong.undo")}<//>`}</div>`)}${error && html`<${Failure} error=${error} />`}</section>`;
}

function Wrong({ visit, tag, onClose, onDone }) {
  const [right, setRight] = useState("");
  const [error, setError] = useState(null);
  const keep = async (event) => {
    event.preventDefault();
    try { await post(`visits/${at(visit.visit)}/wrong`, { kind: tag.kind, label: tag.label, right }); onDone(); onClose(); } catch (found) { setError(found); }
  };
  return html`<${Dialog} title=${t("wrong.mark", { tag: tagText(tag) })} onClose=${onClose}><form class="form" onSubmit=${keep}>
    <p>${t("wrong.why")}</p>${!visit.teach && html`<div class="notice warn"><${Icon} name="warn" /><span>${t("wrong.off")}</span></div>`}
    <${Field} label=${t("wrong.right")} hint=${t("wrong.right.hint")}>
      <input class="input" name="right" maxlength="64" autocapitalize="none" value=${right} onInput=${(event) => setRight(event.target.value)} /><//>
    ${error && html`<${Failure} error=${error} />`}<div class="row"><button class="button primary" disabled=${!visit.teach}>${t("wrong.keep")}</button>
      <${Button} onClick=${onClose}>${t("cancel")}<//></div></form><//>`;
}

/** Products of the store that go with it, when they are asked for: that takes seconds. */
function Complete({ visit }) {
  const [found, setFound] = useState(null);
  const ask = async () => {
    setFound({ busy: true });
    try { setFound(await get(`visits/${at(visit.visit)}/complete`, { top: 3 })); } catch (error) { setFound({ error }); }
  };
  const groups = new Map();
  for (const one of found?.suggestions || []) groups.set(one.category, [...(groups.get(one.category) || []), one]);
  return html`<section class="panel"><header><h2>${t("complete")}</h2><span class="badge">${t("complete.trial")}</span><span class="tools">
    <${Button} disabled=${found?.busy} onClick=${ask}>${t(found?.busy ? "complete.busy" : "complete.ask")}<//></span></header>
    ${found?.error && html`<${Failure} error=${found.error} />`}
    ${found?.suggestions && !groups.size && html`<p class="soft">${t("complete.none")}</p>`}
    ${[...groups].map(([category, own_]) => html`<div class="stack tight" key=${category}><h3>${word(category.split(",")[0])}</h3><div class="products">${own_.map((one) => html`
      <figure key=${one.picture}><img src=${own(one.picture)} alt="" loading="lazy" /><figcaption><span class="cut">${one.name}</span>
      <span class="small soft">${t("complete.better", { share: percent(one.better_than) })}</span></figcaption></figure>`)}</div></div>`)}
    ${found?.left_out > 0 && html`<p class="small soft">${t("complete.left", { n: found.left_out })}</p>`}</section>`;
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
  return html`<a class="card neighbour" href=${address(["person", id])}>${value && html`<${Shot} path=${own(value.picture)} />`}
    <span class="stack tight grow"><span class="small soft">${title}${value && ` · ${exact(Date.parse(value.began))}`}</span>${value && html`<${Wears} wears=${value.wears} most=${3} />`}</span></a>`;
}
