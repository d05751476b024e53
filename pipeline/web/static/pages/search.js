// People by what they wear, where and when.
import { html, useState, useEffect, useRef } from "../dom.js";
import { get, post, save, own } from "../api.js";
import { t } from "../i18n.js";
import { address, set, changed } from "../route.js";
import { clock, dateOf, longDay } from "../time.js";
import { useMay } from "../me.js";
import { typing } from "../keys.js";
import { kept } from "../kept.js";
import { Page, Button, Empty, Failure, Dialog, Confirm, Field, useLoad, useTyped, Shot } from "../parts.js";
import { Icon } from "../icons.js";
import { Wears } from "../wears.js";
import { Facets, Saved } from "../facets.js";
import { Span } from "../span.js";
import { said } from "../words.js";

const ASKED = ["q", "and", "or", "not", "camera", "zone", "brand"];

/** What the address asks for, as the service takes it. */
export function asked(query) {
  const found = {};
  for (const name of ASKED) if (query.has(name)) found[name] = query.getAll(name);
  for (const name of ["from", "to", "last"]) if (query.get(name)) found[name] = query.get(name);
  return found;
}

export default function Search({ route }) {
  const question = asked(route.query), key = JSON.stringify(question);
  const [facets, setFacets] = useState(false);
  const [naming, setNaming] = useState(false);
  const [saves, setSaves] = useState(0);
  const [forgetting, setForgetting] = useState(false);
  // The service forgets by words, cameras and times: what a facet adds would be left out of that.
  const mayForget = useMay("operator") && key !== "{}" && !["and", "or", "not", "brand", "zone"].some((name) => name in question);
  const counts = useLoad((signal) => get("search/counts", question, signal), [key]);
  const tools = html`<${Button} icon="star" onClick=${() => setNaming(true)} disabled=${key === "{}"}>${t("search.save")}<//>
    <${Button} icon="download" onClick=${() => save("search/export", { ...question, format: "csv" })}>CSV<//>
    <${Button} icon="download" onClick=${() => save("search/export", { ...question, format: "json" })}>JSON<//>
    ${mayForget && html`<${Button} icon="trash" onClick=${() => setForgetting(true)}>${t("forget.all")}<//>`}`;
  return html`<${Page} title=${t("page.search")} tools=${tools} flush>
    <div class="search"><aside class=${`facets ${facets ? "open" : ""}`} aria-label=${t("search.facets")}>
      <${Button} class="only-phone button" icon="close" onClick=${() => setFacets(false)}>${t("close")}<//>
      <${Saved} key=${saves} /><${Facets} query=${route.query} counts=${counts.value} /></aside>
    <div class="stretch"><${Ask} query=${route.query} onFacets=${() => setFacets(true)} />
      <${Found} key=${key} id=${key} route=${route} question=${question} counts=${counts.value} /></div></div>
    ${forgetting && html`<${ForgetAll} question=${question} onClose=${() => setForgetting(false)} />`}
    ${naming && html`<${Name} query=${route.query} onClose=${() => { setNaming(false); setSaves(saves + 1); }} />`}<//>`;
}

function Ask({ query, onFacets }) {
  const asked = query.get("q") || "";
  const [text, setText] = useTyped(asked);
  const box = useRef(null);
  const submit = (event) => { event.preventDefault(); set({ q: text.trim() }, true); };
  return html`<form class="ask" role="search" onSubmit=${submit}><div class="box"><${Icon} name="search" />
    <input class="input" type="search" data-search ref=${box} aria-label=${t("page.search")} placeholder=${t("search.hint")} value=${text} enterkeyhint="search"
      onInput=${(event) => { setText(event.target.value); if (!event.target.value) set({ q: null }); }} /></div>
    <${Span} query=${query} />
    <${Button} class="only-phone button" onClick=${onFacets}>${t("search.facets")}<//>
    <button class="button primary">${t("page.search")}</button></form>`;
}

function Found({ id, route, question, counts }) {
  const first = kept.key === id && Date.now() - kept.at < 60_000 ? kept : { visits: [], next: undefined };
  const [visits, setVisits] = useState(first.visits);
  const [next, setNext] = useState(first.next);
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const list = useRef(null), end = useRef(null);
  const more = async () => {
    if (busy || next === null) return;
    setBusy(true);
    try {
      const page = await get("search", { ...question, cursor: next, limit: 60 });
      setVisits([...visits, ...page.visits]);
      setNext(page.next);
    } catch (found) { setError(found); setNext(null); }
    setBusy(false);
  };
  useEffect(() => { if (next === undefined) more(); }, []);
  useEffect(() => {
    const watcher = new IntersectionObserver((entries) => entries.at(-1).isIntersecting && next && more(), { rootMargin: "600px" });
    watcher.observe(end.current);
    return () => watcher.disconnect();
  }, [visits, next, busy]);
  useEffect(() => { Object.assign(kept, { key: id, visits, next, at: Date.now() }); }, [visits, next]);
  useEffect(() => {
    if (first === kept) list.current.scrollTop = kept.top || 0;
    const box = list.current;
    const scrolled = () => { kept.top = box.scrollTop; };
    box.addEventListener("scroll", scrolled, { passive: true });
    return () => box.removeEventListener("scroll", scrolled);
  }, []);
  useSteps(list);
  return html`<div class="found" ref=${list}>
    <div class="said-line" aria-live="polite">
      <b class="num">${counts && t("search.people", { n: counts.n, exact: counts.exact })}${counts && !counts.exact ? "+" : ""}</b>
      <${Picked} query=${route.query} /></div>
    ${error && html`<${Unknown} error=${error} query=${route.query} />`}
    ${!error && !busy && next === null && !visits.length && (id === "{}"
      ? html`<${Empty} title=${t("search.empty")}>${t("search.empty.why")}<//>` : html`<${Empty} title=${t("search.none")}>${t("search.none.why")}<//>`)}
    <div class="people">${grouped(visits).map(({ day, of }) => [html`<h2 class="day" key=${day}>${longDay(Date.parse(of[0].began))}</h2>`,
      ...of.map((visit) => html`<${Person} key=${visit.visit} visit=${visit} />`)])}</div><div ref=${end}></div></div>`;
}

function grouped(visits) {
  const days = [];
  for (const visit of visits) {
    const day = dateOf(Date.parse(visit.began));
    if (days.at(-1)?.day !== day) days.push({ day, of: [] });
    days.at(-1).of.push(visit);
  }
  return days;
}

function Person({ visit }) {
  const at = Date.parse(visit.began);
  return html`<a class="person" href=${address(["person", visit.visit])}><figure>
    <${Shot} path=${own(visit.picture)} /></figure>
    ${visit.open && html`<span class="badge still">${t("visit.open")}</span>`}
    <span class="about"><span class="where"><span class="cut">${visit.camera}</span>
      <time class="num" datetime=${visit.began}>${clock(at)}</time></span>
    ${visit.wears.length ? html`<${Wears} wears=${visit.wears} most=${5} />` : html`<span class="small soft">${t(visit.open ? "visit.new" : "visit.nothing")}</span>`}</span></a>`;
}

/** What is asked for besides the text, each of it to be taken away. */
function Picked({ query }) {
  const found = ASKED.slice(1).flatMap((name) => query.getAll(name).map((value) => ({ name, value })));
  if (!found.length) return null;
  const without = ({ name, value }) => set({ [name]: query.getAll(name).filter((one) => one !== value) });
  const text = ({ name, value }) => (name === "not" ? `${t("search.not")} ` : "") + (["and", "not", "or"].includes(name) ? said(value) : value);
  return html`<span class="chips">${found.map((one) => html`<span class="pick" key=${`${one.name} ${one.value}`}>${text(one)}
    <button type="button" aria-label=${t("search.without", { what: one.value })} onClick=${() => without(one)}><${Icon} name="close" />
      </button></span>`)}</span>`;
}

/** Words that mean nothing, with what they may have meant. */
function Unknown({ error, query }) {
  const words = error.more?.unknown;
  if (!words) return html`<${Failure} error=${error} />`;
  const instead = (wrong, right) => changed({ page: "search", rest: [], query }, { q: (query.get("q") || "").toLowerCase().replace(wrong, right) });
  return html`<div class="notice warn" role="alert"><${Icon} name="warn" />
    <span>${words.map((one) => html`<span>${t("search.unknown", { word: one.word })} ${one.near.map((near, n) => html`
    ${n ? ", " : t("search.meant")} <a href=${instead(one.word, near)}>${near}</a>`)} </span>`)}</span></div>`;
}

/** j and k go through the cards. */
function useSteps(list) {
  useEffect(() => {
    const pressed = (event) => {
      if (typing(event) || !["j", "k"].includes(event.key)) return;
      const cards = [...list.current.querySelectorAll("a.person")];
      const n = cards.indexOf(document.activeElement);
      cards[Math.max(0, Math.min(cards.length - 1, n + (event.key === "j" ? 1 : -1)))]?.focus();
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
}

/** Forget everybody who is found: how many is asked first. */
function ForgetAll({ question: { q, camera, from, to, last }, onClose }) {
  const whom = { q: q?.[0], cameras: camera, from, to, last };
  const { value, error } = useLoad(() => post("forget", { ...whom, dry: true }), []);
  if (error) return html`<${Dialog} title=${t("forget.all")} onClose=${onClose}><${Failure} error=${error} /><//>`;
  if (!value) return null;
  return html`<${Confirm} title=${t("forget.all")} action=${t("forget")} onClose=${onClose} text=${`${value.exact ? "" : "> "}${t("search.people", { n: value.n })}. ${t("forget.sure")}`}
    onDone=${async () => { await post("forget", { ...whom, dry: false }); location.reload(); }} />`;
}

function Name({ query, onClose }) {
  const [name, setName] = useState([query.get("q"), ...query.getAll("and"), ...query.getAll("camera")].filter(Boolean).join(" "));
  const [error, setError] = useState(null);
  const keep = async (event) => {
    event.preventDefault();
    try { await post("searches", { name, query: String(query) }); onClose(); } catch (found) { setError(found); }
  };
  return html`<${Dialog} title=${t("search.save")} onClose=${onClose}><form class="form" onSubmit=${keep}>
    <${Field} label=${t("name")}><input class="input" required maxlength="100" value=${name} autofocus onInput=${(event) => setName(event.target.value)} /><//>
    ${error && html`<${Failure} error=${error} />`}<div><button class="button primary">${t("save")}</button></div></form><//>`;
}
