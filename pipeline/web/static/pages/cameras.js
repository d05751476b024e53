// Cameras: added, measured, drawn on, removed.
import { html, useState } from "../dom.js";
import { get, post, patch, remove, picture, at } from "../api.js";
import { t, number } from "../i18n.js";
import { set, address, go } from "../route.js";
import { useMay } from "../me.js";
import { Page, Button, Dialog, Field, Failure, Empty, Confirm, Select, useLoad } from "../parts.js";
import { Icon } from "../icons.js";
import { moment } from "../time.js";
import { because, told } from "../words.js";
import { Editor } from "../editor.js";

export default function Cameras({ route }) {
  const [id] = route.rest;
  return id ? html`<${One} key=${id} id=${id} />` : html`<${All} route=${route} />`;
}

function All({ route }) {
  const { value, error, again } = useLoad((signal) => get("cameras", {}, signal), [], 10_000);
  const may = useMay("admin");
  const tools = may && html`<${Button} icon="plus" kind="primary" onClick=${() => set({ add: "1" })}>${t("cameras.add")}<//>`;
  return html`<${Page} title=${t("page.cameras")} tools=${tools}>${error && html`<${Failure} error=${error} again=${again} />`}
    ${value && !value.cameras.length && html`<${Empty} icon="cameras" title=${t("wall.none")}>${t("wall.none.why")}<//>`}
    <div class="cams">${value?.cameras.map((camera) => html`<${Card} key=${camera.id} camera=${camera} />`)}</div>
    ${route.query.has("add") && may && html`<${Add} onClose=${() => set({ add: null })} onDone=${(made) => go(address(["cameras", made]))} />`}<//>`;
}

export const dotOf = (state) => ({ up: "up", done: "", stopped: "", waiting: "wait", connecting: "wait" })[state] ?? "down";

function Card({ camera }) {
  const [missing, setMissing] = useState(false);
  const { state } = camera, facts = [state?.size?.[0] && `${state.size[0]} × ${state.size[1]}`, ...["zones", "lines"].map((kind) => Object.keys(camera[kind] || {}).length && t(`cameras.${kind}`, { n: Object.keys(camera[kind]).length }))];
  return html`<a class="card cam" href=${address(["cameras", camera.id])} data-camera=${camera.id}>
    ${missing ? html`<span class="no-picture"><${Icon} name="cameras" />
      </span>` : html`<img src=${picture(`cameras/${at(camera.id)}/picture.jpg`, { width: 320 })} alt="" onError=${() => setMissing(true)} />`}
    <span class="about"><span class="row tight"><i class=${`dot ${dotOf(state?.state)}`}></i>
      <b class="cut">${camera.id}</b>${camera.origin === "file" && html`<span class="badge">${t("cameras.file")}</span>`}</span>
    <span class="small soft cut">${camera.url}</span>
      <span class="small">${state && t(`state.${state.state}`)}${state?.since && state.state !== "up" ? ` · ${t("since", { when: moment(Date.parse(state.since)) })}` : ""}</span>
    ${state?.note && html`<span class="small bad-text">${because(state.note)}</span>`}<span class="small soft">${facts.filter(Boolean).join(" · ")}</span>${camera.purpose && html`<span class="small cut">${camera.purpose}</span>`}</span>
      </a>`;
}

const EMPTY = { id: "", url: "", sub: "", user: "", password: "", purpose: "" };
const ADDRESS = { placeholder: "rtsp://192.168.1.20/stream1", autocapitalize: "none", spellcheck: false, autocomplete: "off" };

/** What an address offers, as it was measured. */
function Offer({ title, offer }) {
  if (!offer) return null;
  const rows = [[t("offer.codec"), offer.codec.toUpperCase()], [t("offer.size"), `${offer.width} × ${offer.height}`], [t("offer.rate"), t("offer.per.s", { n: number(offer.rate, 1) })],
    [t("offer.bits"), `${number(offer.mbit_s, 1)} Mbit/s`], [t("offer.key"), offer.key_s === null ? "–" : `${number(offer.key_s, 1)} s`], [t("offer.b"), t(offer.b_frames ? "yes" : "no")], [t("offer.clock"), t(offer.reports ? "yes" : "no")]];
  return html`<div class="stack tight"><h3>${title}</h3><dl class="facts">${rows.map(([name, value]) => html`<dt>${name}</dt>
    <dd class="num">${value}</dd>`)}</dl></div>`;
}

function Probe({ question }) {
  const [found, setFound] = useState(null);
  const measure = async () => {
    setFound({ busy: true });
    try { setFound(await post("cameras/probe", { seconds: 5, ...question })); } catch (error) { setFound({ error }); }
  };
  return html`<div class="stack"><div><${Button} icon="cameras" disabled=${found?.busy || !(question.url || question.id)} onClick=${measure}>${t(found?.busy ? "offer.busy" : "offer.measure")}<//>
    </div>
    ${found?.error && html`<${Failure} error=${found.error} />`}
    ${found?.main && html`<div class="pair"><${Offer} title=${t("offer.main")} offer=${found.main} />
      <${Offer} title=${t("offer.sub")} offer=${found.sub} /></div>`}
    ${found?.warnings?.map((text) => html`<div class="notice warn" key=${text}><${Icon} name="warn" /><span>${told(text)}</span></div>`)}</div>`;
}

function filled(values) {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== ""));
}

/** Cameras that answer on the network; one of them fills in the addresses. */
function Find({ login, onChosen }) {
  const [state, setState] = useState({});
  const run = async (busy, work) => {
    setState((old) => ({ ...old, busy, error: null }));
    try { const more = await work(); setState((old) => ({ ...old, ...more, busy: "" })); } catch (error) { setState((old) => ({ ...old, error, busy: "" })); }
  };
  const find = () => run("find", async () => ({ found: (await post("cameras/find", { seconds: 3, host: "" })).found }));
  const choose = (one) => run(one.address, async () => { onChosen(one, await post("cameras/onvif", { address: one.address, ...login })); return { chosen: one.address }; });
  return html`<div class="stack tight"><div class="row"><${Button} icon="search" disabled=${Boolean(state.busy)} onClick=${find}>${t(state.busy === "find" ? "find.busy" : "find")}<//>
      <span class="small soft">${t("find.why")}</span></div>
    ${state.error && html`<${Failure} error=${state.error} />`}${state.found && !state.found.length && html`<p class="soft">${t("find.none")}</p>`}
    ${state.found?.map((one) => html`<div class="device" key=${one.address}><span class="grow"><b>${one.name || one.host}</b> <span class="small soft">${one.host}${one.hardware ? ` · ${one.hardware}` : ""}${one.known ? ` · ${t("find.known", { id: one.known })}` : ""}</span></span>
      <${Button} disabled=${Boolean(state.busy)} onClick=${() => choose(one)}>${t(state.busy === one.address ? "find.asking" : state.chosen === one.address ? "find.chosen" : "find.choose")}<//></div>`)}</div>`;
}

function Add({ onClose, onDone }) {
  const [camera, setCamera] = useState(EMPTY);
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const typed = (name) => (event) => setCamera({ ...camera, [name]: event.target.value });
  const add = async (event) => {
    event.preventDefault();
    setBusy(true);
    try { const made = await post("cameras", filled(camera)); onDone(made.id); } catch (found) { setError(found); setBusy(false); }
  };
  const { url, sub, user, password } = camera;
  return html`<${Dialog} title=${t("cameras.add")} onClose=${onClose}><form class="form" onSubmit=${add}>
    <${Find} login=${{ user, password }} onChosen=${(one, offer) => setCamera((old) => ({ ...old, url: offer.url, sub: offer.sub, id: old.id || (one.name || "").replace(/[^\w.-]+/g, "-") }))} />
    <${Field} label=${t("cameras.url")} hint=${t("cameras.url.hint")}>
      <input class="input" name="url" required ...${ADDRESS} value=${url} onInput=${typed("url")} /><//>
    <div class="pair"><${Field} label=${t("user")}>
      <input class="input" name="camera-user" autocomplete="off" value=${user} onInput=${typed("user")} /><//>
    <${Field} label=${t("password")}><input class="input" name="camera-password" type="password" autocomplete="new-password" value=${password} onInput=${typed("password")} /><//></div>
    <${Field} label=${t("cameras.sub")} hint=${t("cameras.sub.hint")}>
      <input class="input" name="sub" ...${ADDRESS} placeholder="" value=${sub} onInput=${typed("sub")} /><//>
    <${Probe} question=${filled({ url, sub, user, password })} />
    <${Field} label=${t("name")} hint=${t("cameras.name.hint")}>
      <input class="input" name="id" required maxlength="64" value=${camera.id} onInput=${typed("id")} /><//>
    <${Field} label=${t("cameras.purpose")} hint=${t("cameras.purpose.hint")}>
      <textarea name="purpose" rows="2" required maxlength="500" value=${camera.purpose} onInput=${typed("purpose")}></textarea><//>
    ${error && html`<${Failure} error=${error} />`}<div class="row">
      <button class="button primary" disabled=${busy}>${t("cameras.add")}</button><${Button} onClick=${onClose}>${t("cancel")}<//></div></form><//>`;
}

function One({ id }) {
  const { value: camera, error, again } = useLoad((signal) => get(`cameras/${at(id)}`, {}, signal), [id]);
  const [asking, setAsking] = useState(false);
  const may = useMay("admin"), mine = may && camera?.origin !== "file";
  const tools = html`<a class="button" href=${address("cameras")}>${t("cameras.all")}</a>
    <a class="button" href=${address("wall", { camera: id })}><${Icon} name="wall" />${t("cameras.live")}</a>
    <a class="button" href=${address(["notice", id])} target="_blank"><${Icon} name="print" />${t("notice")}</a>
    ${mine && html`<${Button} icon="trash" kind="danger" onClick=${() => setAsking(true)}>${t("delete")}<//>`}`;
  return html`<${Page} title=${id} tools=${tools}>${error && html`<${Failure} error=${error} again=${again} />`}
    ${camera && html`<div class="stack">${camera.origin === "file" && html`<div class="notice"><span>${t("cameras.file.why")}</span></div>`}
      ${camera.state?.note && html`<div class="notice bad"><${Icon} name="warn" /><span>${because(camera.state.note)}</span></div>`}
      <${Editor} camera=${camera} may=${mine} onSaved=${again} />
      <div class="grid"><${Settings} camera=${camera} may=${mine} onSaved=${again} /><section class="panel"><header><h2>${t("offer")}</h2>
        </header>${may && html`<${Probe} question=${{ id }} />`}</section></div></div>`}
    ${asking && html`<${Confirm} title=${t("cameras.remove", { id })} text=${t("cameras.remove.sure")} action=${t("delete")} onClose=${() => setAsking(false)} onDone=${async () => { await remove(`cameras/${at(id)}`); go(address("cameras")); }} />`}<//>`;
}

function Settings({ camera, may, onSaved }) {
  const old = { url: camera.url || "", sub: camera.sub || "", purpose: camera.purpose || "", heads: camera.heads, user: "", password: "" };
  const [now, setNow] = useState(old);
  const [said, setSaid] = useState(null);
  const typed = (name) => (event) => setNow({ ...now, [name]: event.target.value });
  const keep = async (event) => {
    event.preventDefault();
    const news = Object.fromEntries(Object.entries(now).filter(([name, value]) => value !== old[name]));
    try { await patch(`cameras/${at(camera.id)}`, news); setSaid({ done: true }); onSaved(); } catch (error) { setSaid({ error }); }
  };
  return html`<section class="panel"><header><h2>${t("cameras.settings")}</h2></header><form class="form" onSubmit=${keep}>
    ${(may || camera.url) && html`<${Field} label=${t("cameras.url")}><input class="input" required ...${ADDRESS} readonly=${!may} value=${now.url} onInput=${typed("url")} /><//>
    <${Field} label=${t("cameras.sub")}>
      <input class="input" ...${ADDRESS} placeholder="" readonly=${!may} value=${now.sub} onInput=${typed("sub")} /><//>`}
    ${may && html`<div class="pair"><${Field} label=${t("user")} hint=${camera.user && t("cameras.set")}>
      <input class="input" autocomplete="off" value=${now.user} onInput=${typed("user")} /><//>
      <${Field} label=${t("password")} hint=${camera.password && t("cameras.set")}>
        <input class="input" type="password" autocomplete="new-password" value=${now.password} onInput=${typed("password")} /><//></div>`}
    <${Field} label=${t("cameras.purpose")} hint=${t("cameras.purpose.hint")}>
      <textarea rows="2" required maxlength="500" readonly=${!may} value=${now.purpose} onInput=${typed("purpose")}></textarea><//>
    <${Field} label=${t("cameras.heads")} hint=${now.heads === "keep" ? t("cameras.heads.keep.why") : ""}>
      <${Select} label=${t("cameras.heads")} value=${now.heads} options=${[["pixelate", t("cameras.heads.pixelate")], ["keep", t("cameras.heads.keep")]]} onChange=${(heads) => may && setNow({ ...now, heads })} />
      <//>
    ${said?.error && html`<${Failure} error=${said.error} />`}${may && html`<div class="row">
      <button class="button primary">${t("save")}</button>${said?.done && html`<span class="soft" role="status">${t("saved")}</span>`}</div>`}</form></section>`;
}
