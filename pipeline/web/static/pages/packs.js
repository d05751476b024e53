// Taggers that are packs: sent, measured, switched on and off while cameras run.
import { html, useState, useEffect } from "../dom.js";
import { get, post, patch, remove, at } from "../api.js";
import { t, number, percent, word } from "../i18n.js";
import { Button, Confirm, Dialog, Empty, Failure, Field, useLoad } from "../parts.js";
import { Icon } from "../icons.js";
import { Drop } from "../files.js";
import { Allowed, places } from "../allowed.js";

const SHOWN = 14;

export function Packs() {
  const { value, error, again } = useLoad((signal) => get("packs", {}, signal), []);
  const [used, setUsed] = useState(null);
  const [gone, setGone] = useState(null);
  const [sent, setSent] = useState(null);
  const send = async ([file]) => {
    setSent({ busy: file.name });
    try { const made = await post("packs", file); setSent(null); setUsed(made); again(); } catch (found) { setSent({ error: found }); }
  };
  const off = async (pack) => { try { await patch(`packs/${at(pack.name)}`, { on: false }); setSent(null); } catch (found) { setSent({ error: found }); } again(); };
  return html`<div class="stack"><p class="soft">${t("packs.why")}</p>
    ${error && html`<${Failure} error=${error} again=${again} />`}
    <${Drop} accept=".zip,application/zip" onFiles=${send}>${t(sent?.busy ? "packs.sending" : "packs.drop", { name: sent?.busy })}<//>
    ${sent?.error && html`<${Failure} error=${sent.error} />`}
    ${value && !value.packs.length && html`<${Empty} icon="brands" title=${t("packs.none")}>${t("packs.none.why")}<//>`}
    <div class="cams">${value?.packs.map((pack) => html`<${Card} key=${pack.name} pack=${pack} onUse=${() => setUsed(pack)} onOff=${() => off(pack)} onGone=${() => setGone(pack.name)} />`)}</div>
    ${value?.broken.map(({ name, why }) => html`<div class="notice bad" key=${name}><${Icon} name="warn" /><span><b>${name}</b> ${why}</span></div>`)}
    ${used && html`<${Use} pack=${used} onClose=${() => { setUsed(null); again(); }} />`}
    ${gone && html`<${Confirm} title=${t("packs.drop.one", { name: gone })} text=${t("packs.sure")} action=${t("delete")} onClose=${() => setGone(null)} onDone=${async () => { await remove(`packs/${at(gone)}`); again(); }} />`}</div>`;
}

const cost = ({ cost: found }) => (found ? t("packs.cost", { ms: number(found.ms, found.ms < 10 ? 1 : 0) }) : t("packs.cost.none"));

/** Looks a second that a share of the time is enough for. */
const rate = (pack, share) => t("packs.rate", { n: number((1000 * share) / pack.cost.ms, 1) });

function Card({ pack, onUse, onOff, onGone }) {
  const file = pack.origin === "file", told = pack.typed.length ? pack.typed : pack.labels;
  return html`<article class="card pack" data-pack=${pack.name}><header class="row tight"><i class=${`dot ${pack.problem ? "down" : pack.on ? "up" : ""}`}></i>
      <b class="grow cut">${pack.name}</b><span class="badge">${t(`packs.kind.${pack.kind}`)}</span>${file && html`<span class="badge">${t("cameras.file")}</span>`}</header>
    <span class="small soft">${t("packs.looks", { subject: t(`packs.subject.${pack.subject}`) === `packs.subject.${pack.subject}` ? word(pack.subject) : t(`packs.subject.${pack.subject}`) })} · ${cost(pack)}</span>
    <div class="tags">${told.slice(0, SHOWN).map((label) => html`<span class="tag" key=${label}>${label}</span>`)}
      ${told.length > SHOWN && html`<span class="tag more">+${number((pack.typed.length || pack.labels_n) - SHOWN)}</span>`}</div>
    ${pack.problem && html`<span class="small bad-text">${pack.problem}</span>`}
    <span class="small soft">${pack.on ? `${t("packs.on")}: ${places(pack.cameras)}` : t("packs.off")} · ${pack.licence}</span>
    <div class="row">${!file && html`<${Button} kind=${pack.on ? "" : "primary"} onClick=${onUse}>${t(pack.on ? "packs.change" : "packs.use")}<//>`}
      ${!file && pack.on && html`<${Button} onClick=${onOff}>${t("packs.turn.off")}<//>`}
      ${pack.origin === "window" && html`<${Button} kind="quiet" icon="trash" label=${t("packs.drop.one", { name: pack.name })} onClick=${onGone} />`}</div></article>`;
}

function Use({ pack: first, onClose }) {
  const [pack, setPack] = useState(first);
  const [wanted, setWanted] = useState({ cameras: first.cameras, least: first.least, share: first.share, accept_licence: first.accept_licence, labels: first.typed.join("\n") });
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState("");
  const change = (more) => setWanted({ ...wanted, ...more });
  const ready = !pack.terms || wanted.accept_licence;
  const measure = async () => {
    setBusy("measure");
    setError(null);
    try { setPack(await post(`packs/${at(pack.name)}/measure`, { accept_licence: wanted.accept_licence })); } catch (found) { setError(found); }
    setBusy("");
  };
  useEffect(() => { if (!pack.cost && ready) measure(); }, [ready]);
  const keep = async (event) => {
    event.preventDefault();
    setBusy("keep");
    setError(null);
    const { labels, ...more } = wanted, typed = labels.split("\n").filter((line) => line.trim());
    try {
      await patch(`packs/${at(pack.name)}`, { ...more, on: true, ...(pack.words ? { labels: typed } : {}) });
      onClose();
    } catch (found) { setError(found); setBusy(""); }
  };
  return html`<${Dialog} title=${pack.name} onClose=${onClose}><form class="form" onSubmit=${keep}>
    ${pack.terms && html`<label class="check"><input type="checkbox" checked=${wanted.accept_licence} onChange=${(event) => change({ accept_licence: event.target.checked })} />
      <span>${pack.licence}: ${pack.terms}. ${t("packs.accept")}</span></label>`}
    <div class="notice" role="status"><${Icon} name="system" /><span>${busy === "measure" ? t("packs.measuring") : cost(pack)}${pack.cost ? ` · ${rate(pack, wanted.share)}` : ""}</span>
      <${Button} disabled=${Boolean(busy) || !ready} onClick=${measure}>${t("offer.measure")}<//></div>
    ${pack.words && html`<${Field} label=${t("packs.labels")} hint=${t("packs.labels.hint")}>
      <textarea name="labels" rows="5" value=${wanted.labels} onInput=${(event) => change({ labels: event.target.value })}></textarea><//>`}
    <${Allowed} value=${wanted.cameras} onChange=${(cameras) => change({ cameras })} />
    <div class="pair"><${Field} label=${`${t("packs.least")}: ${percent(wanted.least)}`} hint=${t("packs.least.hint")}>
      <input type="range" min="0.05" max="0.95" step="0.05" value=${wanted.least} onInput=${(event) => change({ least: Number(event.target.value) })} /><//>
    <${Field} label=${`${t("packs.share")}: ${percent(wanted.share)}`} hint=${t("packs.share.hint")}>
      <input type="range" min="0.01" max="0.5" step="0.01" value=${wanted.share} onInput=${(event) => change({ share: Number(event.target.value) })} /><//></div>
    ${error && html`<${Failure} error=${error} />`}
    <div class="row"><button class="button primary" disabled=${Boolean(busy) || !ready || !pack.cost}>${t(busy === "keep" ? "packs.opening" : pack.on ? "save" : "packs.use")}</button>
      <${Button} onClick=${onClose}>${t("cancel")}<//></div></form><//>`;
}
