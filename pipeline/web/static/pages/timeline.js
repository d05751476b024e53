// A day per camera, down to seconds: how many people came when, and how many in something chosen.
import { html, useState, useEffect, useRef, useLayoutEffect } from "../dom.js";
import { get, own } from "../api.js";
import { t, number } from "../i18n.js";
import { set, address } from "../route.js";
import { clock, exact, longDay, localOf, momentOf, midnight, daysLater, SECOND, MINUTE, HOUR } from "../time.js";
import { ink } from "../palette.js";
import { cleared } from "../boxes.js";
import { typing } from "../keys.js";
import { Page, Button, Failure, Empty, useLoad, useTyped, Shot } from "../parts.js";
import { Icon } from "../icons.js";
import { Wears } from "../wears.js";

const NEAREST_S = 20, STEPS = [5, 15, 30, 60, 300, 900, 1800, 3600, 10800, 21600].map((s) => s * SECOND);

/** What the address shows: a whole day, or so many seconds around a time. */
function windowOf(query) {
  const asked = Date.parse(query.get("at") || ""), at = Number.isNaN(asked) ? Date.now() : asked;
  const zoom = Number(query.get("zoom"));
  if (!zoom) return { from: midnight(at), to: daysLater(at, 1), at, day: true };
  const half = Math.max(NEAREST_S, Math.min(zoom, 86_400)) * SECOND / 2;
  return { from: at - half, to: at + half, at, day: false };
}

const iso = (ms) => new Date(Math.round(ms)).toISOString();
/** Show a window of so many milliseconds around a time; a day or more: the day. */
function show(at, length) {
  set({ at: iso(at), zoom: length >= 23 * HOUR ? null : Math.max(NEAREST_S, Math.round(length / SECOND)) });
}

export default function Timeline({ route }) {
  const { query } = route, seen = windowOf(query), { from, to, day } = seen, middle = (from + to) / 2;
  const term = query.get("term") || "", only = query.getAll("camera");
  const { value, error, again } = useLoad((signal) => get("cameras", {}, signal), []);
  const [text, setText] = useTyped(term);
  const step = (n) => (day ? show(daysLater(from, n) + 12 * HOUR, 24 * HOUR) : show(middle + n * (to - from) / 2, to - from));
  useEffect(() => {
    const pressed = (event) => {
      if (typing(event)) return;
      if (event.key === "ArrowLeft") step(-1);
      else if (event.key === "ArrowRight") step(1);
      else if (event.key === "+") show(middle, (to - from) / 3);
      else if (event.key === "-") show(middle, (to - from) * 3);
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [from, to]);
  const tools = html`<${Button} icon="left" label=${t("timeline.back")} onClick=${() => step(-1)} />
    <input class="input" type="datetime-local" step="1" aria-label=${t("timeline.jump")} value=${`${localOf(middle)}`}
      onChange=${(event) => event.target.value && show(momentOf(event.target.value), day ? 10 * MINUTE : to - from)} />
    <${Button} icon="right" label=${t("timeline.on")} onClick=${() => step(1)} />
    <${Button} label=${t("timeline.in")} icon="plus" onClick=${() => show(middle, (to - from) / 3)} />
    <${Button} disabled=${day} onClick=${() => show(middle, 24 * HOUR)}>${t("timeline.day")}<//>
    <${Button} onClick=${() => set({ at: null, zoom: null })}>${t("span.today")}<//>`;
  const cameras = (value?.cameras || []).map(({ id }) => id).filter((id) => !only.length || only.includes(id));
  return html`<${Page} title=${t("page.timeline")} tools=${tools}>
    ${error && html`<${Failure} error=${error} again=${again} />`}
    <div class="row head-row"><h2 class="grow">${longDay(middle)}${!day && html`<span class="soft num"> ${exact(from)} – ${exact(to)}</span>`}</h2>
      <form class="row" onSubmit=${(event) => { event.preventDefault(); set({ term: text.trim() }); }}>
        <input class="input" type="search" data-search aria-label=${t("timeline.term")} placeholder=${t("timeline.term")} value=${text}
          onInput=${(event) => { setText(event.target.value); if (!event.target.value) set({ term: null }); }} />
            <button class="button">${t("show")}</button></form>
      ${only.length > 0 && html`<${Button} onClick=${() => set({ camera: null })}>${t("wall.all")}<//>`}</div>
    ${value && !value.cameras.length && html`<${Empty} icon="cameras" title=${t("wall.none")}>${t("wall.none.why")}<//>`}
    <div class="times"><${Axis} from=${from} to=${to} />
      ${cameras.map((id) => html`<${Strip} key=${id} camera=${id} from=${from} to=${to} term=${term} query=${query} />`)}</div>
    <div class="legend"><span><i class="other"></i>${t("people")}</span>${term && html`<span><i>
      </i>${term}</span>`}<span>${t("timeline.how")}</span></div>
    <${At} query=${query} term=${term} /><//>`;
}

/** How wide an element is, as it changes. */
function useWide(box) {
  const [wide, setWide] = useState(0);
  useLayoutEffect(() => {
    const watcher = new ResizeObserver(([entry]) => setWide(Math.round(entry.contentRect.width)));
    watcher.observe(box.current);
    return () => watcher.disconnect();
  }, []);
  return wide;
}

function Axis({ from, to }) {
  const canvas = useRef(null), wide = useWide(canvas);
  useEffect(() => {
    if (!wide) return;
    const pen = cleared(canvas.current), scale = wide / (to - from);
    const step = STEPS.find((one) => one * scale >= 64) || STEPS.at(-1);
    pen.fillStyle = ink("soft");
    pen.strokeStyle = ink("line-strong");
    pen.font = "11px system-ui, sans-serif";
    for (let at = midnight(from); at <= to; at += step) {
      const x = (at - from) * scale;
      if (x < -1) continue;
      pen.fillRect(Math.round(x), 16, 1, 6);
      const text = step < MINUTE ? exact(at) : clock(at), half = pen.measureText(text).width / 2;
      pen.fillText(text, Math.max(0, Math.min(wide - 2 * half, x - half)), 11);
    }
  }, [from, to, wide]);
  return html`<div class="strip axis"><span class="name"></span><canvas ref=${canvas} aria-hidden="true"></canvas></div>`;
}

function Strip({ camera, from, to, term, query }) {
  const canvas = useRef(null), wide = useWide(canvas);
  const [drag, setDrag] = useState(null);
  const [hover, setHover] = useState(null);
  // Bins of whole seconds, as many as there is room for.
  const bins = wide ? Math.max(1, Math.min(1000, Math.floor(wide / 4), Math.floor((to - from) / SECOND))) : 0;
  const ended = to > Date.now() ? Math.floor(Date.now() / 15_000) : 0; // today goes on
  const { value, error } = useLoad((signal) => (bins ? get("timeline", { camera, from: iso(from), to: iso(to), bins, term }, signal) : Promise.resolve(null)),
    [camera, from, to, term, bins, ended], ended ? 15_000 : 0);
  const chosen = query.get("at_camera") === camera ? Date.parse(query.get("pick")) || 0 : 0; // no NaN: it differs from itself
  useEffect(() => { if (wide) drawn(canvas.current, { value, from, to, drag, chosen, hover }); }, [value, wide, drag, chosen, hover, from, to]);
  const time = (event) => {
    const { left, width } = canvas.current.getBoundingClientRect();
    return from + Math.max(0, Math.min(1, (event.clientX - left) / width)) * (to - from);
  };
  const up = (event) => {
    if (!drag) return;
    const at = time(event), [a, b] = [Math.min(drag.a, at), Math.max(drag.a, at)];
    setDrag(null);
    if ((b - a) / (to - from) > 0.01) show((a + b) / 2, b - a);
    else set({ pick: iso(at), at_camera: camera, at: query.get("at") || iso((from + to) / 2), span: Math.ceil((to - from) / SECOND / (bins || 1)) });
  };
  const total = value?.people.reduce((sum, n) => sum + n, 0), some = value?.term?.reduce((sum, n) => sum + n, 0);
  const n = hover && value ? value.people[Math.min(bins - 1, Math.floor((hover - from) / (to - from) * bins))] : null;
  return html`<div class="strip"><a class="name" href=${address("timeline", { ...Object.fromEntries(query), camera })} title=${camera}>
    <span class="cut">${camera}</span>
      <span class="n small soft num">${total === undefined ? "" : some === undefined ? number(total) : `${number(some)} / ${number(total)}`}</span></a>
    ${error && html`<${Failure} error=${error} />`}<canvas ref=${canvas} hidden=${Boolean(error)} role="img" aria-label=${t("timeline.strip", { camera, n: total || 0 })} title=${hover ? `${exact(hover)}${n === null ? "" : ` · ${n}`}` : ""}
      onPointerDown=${(event) => { canvas.current.setPointerCapture(event.pointerId); setDrag({ a: time(event), b: time(event) }); }}
      onPointerMove=${(event) => { setHover(time(event)); if (drag) setDrag({ ...drag, b: time(event) }); }} onPointerUp=${up} onPointerLeave=${() => setHover(null)} onPointerCancel=${() => setDrag(null)}
      onWheel=${(event) => { if (event.ctrlKey || event.metaKey) { event.preventDefault(); show(time(event), (to - from) * (event.deltaY > 0 ? 1.6 : 0.625)); } }}></canvas></div>`;
}

function drawn(canvas, { value, from, to, drag, chosen, hover }) {
  const pen = cleared(canvas), { clientWidth: wide, clientHeight: high } = canvas;
  const x = (ms) => ((ms - from) / (to - from)) * wide;
  if (value) {
    const most = Math.max(3, ...value.people), step = wide / value.people.length, gap = step > 3 ? 1 : 0;
    const bars = (counts, colour) => {
      pen.fillStyle = colour;
      counts.forEach((n, i) => { if (n) { const up = Math.max(2, (n / most) * (high - 5)); pen.fillRect(i * step, high - up, step - gap, up); } });
    };
    bars(value.people, ink("line-strong"));
    if (value.term) bars(value.term, ink("accent"));
  }
  const now = Date.now();
  pen.fillStyle = ink("ground");
  pen.globalAlpha = 0.7;
  if (to > now) pen.fillRect(Math.max(0, x(now)), 0, wide, high);
  pen.globalAlpha = 0.25;
  pen.fillStyle = ink("accent");
  if (drag) pen.fillRect(x(Math.min(drag.a, drag.b)), 0, Math.abs(x(drag.b) - x(drag.a)), high);
  pen.globalAlpha = 1;
  if (chosen >= from && chosen <= to) pen.fillRect(x(chosen) - 1, 0, 2, high);
  pen.fillStyle = ink("text");
  if (hover) pen.fillRect(x(hover), 0, 1, high);
}

/** Who came at the time that was clicked. */
function At({ query, term }) {
  const pick = Date.parse(query.get("pick") || "") || 0, camera = query.get("at_camera");
  const around = Math.max(10, Number(query.get("span")) || 60) * SECOND;
  const asked = { camera, q: term, from: iso(pick - around), to: iso(pick + around), limit: 24 };
  const { value, error } = useLoad((signal) => (camera && pick ? get("search", asked, signal) : Promise.resolve(null)), [pick, camera, around, term]);
  if (!camera || !pick) return null;
  return html`<section class="stack"><header class="row"><h2 class="grow">${camera}, ${exact(pick - around)} – ${exact(pick + around)}</h2>
    <a class="button" href=${address("search", { camera, q: term, from: asked.from, to: asked.to })}>
      <${Icon} name="search" />${t("wall.search")}</a></header>
    ${error && html`<${Failure} error=${error} />`}${value && !value.visits.length && html`<p class="soft">${t("person.nobody")}</p>`}
    <div class="people">${value?.visits.map((visit) => html`<a class="person" key=${visit.visit} href=${address(["person", visit.visit])}>
      <figure><${Shot} path=${own(visit.picture)} /></figure>
      <span class="about"><span class="where num">${exact(Date.parse(visit.began))}</span><${Wears} wears=${visit.wears} most=${4} />
        </span></a>`)}</div></section>`;
}
