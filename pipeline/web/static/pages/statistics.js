// How many people, when, in what, where they stayed; two periods or two cameras against each other.
import { html, useMemo, useRef, useEffect } from "../dom.js";
import { get, picture, at } from "../api.js";
import { t, number, word } from "../i18n.js";
import { set, address } from "../route.js";
import { shortDay, span, daysLater, DAY, HOUR, SECOND } from "../time.js";
import { Page, Button, Choice, Select, Failure, Swatch, useLoad } from "../parts.js";
import { COLOURS } from "../palette.js";
import { cleared } from "../boxes.js";
import { said } from "../words.js";
import { Span, rangeOf } from "../span.js";
import { Chart, savePng, saveCsv } from "../chart.js";

const TOPS = { garments: "and", colours: "and", brands: "brand", attributes: "and", "garments and colours": "and" };
const iso = (ms) => new Date(Math.round(ms)).toISOString();

/** What is asked, and what it is compared with: ``before``, ``camera:NAME``, or nothing. */
function questions(query) {
  const [from, to] = rangeOf(query, "week");
  // To the whole minute, so that asking again while a page is drawn is the same question.
  const until = Math.ceil(to / 60_000) * 60_000, camera = query.get("camera") || null, compare = query.get("compare") || "";
  const asked = { from: iso(from), to: iso(until), camera };
  let other = null, shift = 0;
  if (compare === "before") {
    const days = Math.max(1, Math.ceil((until - from) / DAY));
    other = { from: iso(daysLater(from, -days) + (from - daysLater(from, 0))), to: iso(until - days * DAY), camera };
    shift = from - Date.parse(other.from);
  } else if (compare.startsWith("camera:")) other = { ...asked, camera: compare.slice(7) };
  return { asked, other, shift, length: until - from, compare };
}

/** The same question for both sides: [value, other's value]. */
function useBoth(path, more, { asked, other }) {
  return useLoad((signal) => Promise.all([asked, other].map((one) => (one ? get(path, { ...one, ...more }, signal) : null))),
    [path, JSON.stringify(more), JSON.stringify(asked), JSON.stringify(other)]);
}

export default function Statistics({ route }) {
  const { query } = route, both = questions(query);
  const cameras = useLoad((signal) => get("cameras", {}, signal), []).value?.cameras.map(({ id }) => id) || [];
  const per = query.get("per") || (both.length > 3 * DAY ? "day" : "hour");
  const compared = [["", t("compare.none")], ["before", t("compare.before")], ...cameras.filter((id) => id !== query.get("camera")).map((id) => [`camera:${id}`, t("compare.camera", { id })])];
  const tools = html`<${Select} label=${t("camera")} value=${query.get("camera") || ""} options=${[["", t("wall.all")], ...cameras.map((id) => [id, id])]} onChange=${(camera) => set({ camera })} />
    <${Span} query=${query} free=${false} standard="week" />
      <${Select} label=${t("compare")} value=${both.compare} options=${compared} onChange=${(compare) => set({ compare })} />`;
  return html`<${Page} title=${t("page.statistics")} tools=${tools}><div class="grid">
    <${People} both=${both} per=${per} query=${query} />
    ${Object.keys(TOPS).map((what) => html`<${Top} key=${what} what=${what} both=${both} query=${query} />`)}
    <${Dwell} both=${both} /><${Lines} both=${both} /><${Presence} both=${both} cameras=${cameras} /></div><//>`;
}

function Panel({ title, all, tools, error, children }) {
  return html`<section class=${`panel ${all ? "all" : ""}`}><header><h2>${title}</h2><span class="tools">${tools}</span></header>
    ${error ? html`<${Failure} error=${error} />` : children}</section>`;
}

const csvButton = (rows, name) => html`<${Button} kind="quiet" icon="download" onClick=${() => saveCsv(rows(), name)}>CSV<//>`;

function change(now, before) {
  if (!before) return null;
  const share = Math.round((100 * (now - before)) / before);
  return html`<span class=${`change ${share < 0 ? "down" : "up"}`}>${share < 0 ? "−" : "+"}${number(Math.abs(share))} %</span>`;
}

function People({ both, per, query }) {
  const box = useRef(null);
  const { value, error } = useBoth("statistics/people", { per }, both);
  const shown = useMemo(() => {
    if (!value) return null;
    const [mine, others] = value, times = mine.people.map(([when]) => Date.parse(when)), values = mine.people.map(([, n]) => n);
    const series = [{ label: both.asked.camera || t("people"), values }];
    if (others) {
      const known = new Map(others.people.map(([when, n]) => [Math.round((Date.parse(when) + both.shift) / HOUR), n]));
      series.unshift({ label: both.compare === "before" ? t("compare.before") : both.other.camera, soft: true, values: times.map((ms) => known.get(Math.round(ms / HOUR)) ?? known.get(Math.round(ms / HOUR) + 1) ?? known.get(Math.round(ms / HOUR) - 1) ?? 0) });
      series.reverse();
    }
    return { times, series };
  }, [value]);
  const most = shown && Math.max(0, ...shown.series[0].values), peak = most ? shown.series[0].values.indexOf(most) : -1;
  const rows = () => [["time", ...shown.series.map(({ label }) => label)], ...value[0].people.map(([when], i) => [when, ...shown.series.map(({ values }) => values[i])])];
  return html`<${Panel} title=${t("stats.people")} all error=${error} tools=${html`<${Choice} label=${t("stats.per")} value=${per} options=${[["hour", t("stats.hour")], ["day", t("stats.day")]]} onChange=${(one) => set({ per: one })} />
      <${Button} kind="quiet" icon="download" disabled=${!shown} onClick=${() => savePng(box.current, "people")}>PNG<//>${shown && csvButton(rows, "people")}`}>
    ${shown && html`<div class="figures"><div class="figure"><b>${number(value[0].total)}</b>
      <span>${t("people")} ${value[1] && change(value[0].total, value[1].total)}</span></div>
      ${value[1] && html`<div class="figure"><b class="soft">${number(value[1].total)}</b>
        <span>${both.compare === "before" ? t("compare.before") : both.other.camera}</span></div>`}
      ${peak >= 0 && html`<div class="figure"><b>${number(most)}</b>
        <span>${t("stats.peak", { when: `${shortDay(shown.times[peak])}${per === "hour" ? ` ${new Date(value[0].people[peak][0]) && value[0].people[peak][0].slice(11, 16)}` : ""}` })}</span>
        </div>`}</div>
      <div ref=${box}><${Chart} times=${shown.times} series=${shown.series} per=${per} label=${t("time")} /></div>`}<//>`;
}

function Top({ what, both, query }) {
  const { value, error } = useBoth("statistics/top", { what, limit: 8 }, both);
  if (!value && !error) return html`<section class="panel"></section>`;
  const mine = value?.[0].top || [], others = new Map(value?.[1]?.top || []);
  const most = Math.max(1, ...mine.map(([, n]) => n), ...others.values());
  const link = (name) => address("search", { [TOPS[what]]: name, camera: both.asked.camera, from: both.asked.from, to: both.asked.to });
  const rows = () => [[what, t("people"), ...(value[1] ? [t("compare")] : [])], ...mine.map(([name, n]) => [name, n, ...(value[1] ? [others.get(name) || 0] : [])])];
  return html`<${Panel} title=${t(`stats.${what}`)} error=${error} tools=${mine.length > 0 && csvButton(rows, what)}>
    ${!mine.length && html`<p class="soft">${t("stats.none")}</p>`}<div class="bars">${mine.map(([name, n]) => html`<a class="bar-row" key=${name} href=${link(name)}>
      <span class="what"><${Swatch} colours=${colours(name)} /><span class="cut">${name in COLOURS ? word(name) : said(name)}</span></span>
      <span class="track"><i style=${{ width: `${(100 * n) / most}%` }}>
        </i>${value[1] && html`<i class="other" style=${{ width: `${(100 * (others.get(name) || 0)) / most}%` }}></i>`}</span>
        <span class="n">${number(n)}</span></a>`)}</div><//>`;
}

/** The colour that a name is or begins with. */
const colours = (name) => [name.split(" ", 1)[0]].filter((one) => one in COLOURS);

function Dwell({ both }) {
  const { value, error } = useBoth("statistics/dwell", {}, both);
  const zones = value?.[0].zones || [], others = new Map((value?.[1]?.zones || []).map((one) => [one.zone, one]));
  const rows = () => [[t("facet.zone"), t("people"), "s"], ...zones.map((one) => [one.zone, one.people, one.mean_s])];
  return html`<${Panel} title=${t("stats.dwell")} error=${error} tools=${zones.length > 0 && csvButton(rows, "dwell")}>${!zones.length ? html`<p class="soft">${t("stats.no.zones")}</p>` : html`
    <table><thead><tr><th>${t("facet.zone")}</th><th class="right">${t("people")}</th><th class="right">${t("stats.mean")}</th></tr>
      </thead><tbody>${zones.map((one) => html`<tr key=${one.zone}><td>${one.zone}</td>
      <td class="right num">${number(one.people)}${others.has(one.zone) && html` <span class="soft">(${number(others.get(one.zone).people)})</span>`}</td>
        <td class="right num">${span(one.mean_s * SECOND)}${others.has(one.zone) && html` <span class="soft">(${span(others.get(one.zone).mean_s * SECOND)})</span>`}</td>
        </tr>`)}</tbody></table>`}<//>`;
}

function Lines({ both }) {
  const { value, error } = useBoth("statistics/lines", {}, both);
  const lines = value?.[0].lines || [], others = new Map((value?.[1]?.lines || []).map((one) => [one.line, one]));
  const rows = () => [[t("stats.line"), "in", "out"], ...lines.map((one) => [one.line, one.in, one.out])];
  const cell = (one, way) => html`<td class="right num">${number(one[way])}${others.has(one.line) && html` <span class="soft">(${number(others.get(one.line)[way])})</span>`}</td>`;
  return html`<${Panel} title=${t("stats.lines")} error=${error} tools=${lines.length > 0 && csvButton(rows, "lines")}>${!lines.length ? html`<p class="soft">${t("stats.no.lines")}</p>` : html`
    <table><thead><tr><th>${t("stats.line")}</th><th class="right">${t("stats.in")}</th><th class="right">${t("stats.out")}</th></tr>
      </thead><tbody>${lines.map((one) => html`<tr key=${one.line}>
      <td>${one.line}</td>${cell(one, "in")}${cell(one, "out")}</tr>`)}</tbody></table>`}<//>`;
}

/** Where feet were, over the camera's picture. */
function Presence({ both, cameras }) {
  const camera = both.asked.camera || cameras[0], box = useRef(null), canvas = useRef(null);
  const { value, error } = useLoad((signal) => (camera ? get("statistics/presence", { ...both.asked, camera }, signal) : Promise.resolve(null)), [camera, JSON.stringify(both.asked)]);
  useEffect(() => {
    if (!value || !canvas.current) return;
    const pen = cleared(canvas.current), { clientWidth, clientHeight } = canvas.current;
    const small = Object.assign(document.createElement("canvas"), { width: value.wide, height: value.high }), dots = small.getContext("2d");
    for (const [x, y, seconds] of value.cells) {
      const heat = Math.sqrt(seconds / (value.most_s || 1)); // long stays would drown all paths
      dots.fillStyle = `hsl(${200 - 190 * heat} 95% ${45 + 15 * heat}% / ${Math.min(0.9, 0.15 + 0.85 * heat)})`;
      dots.fillRect(x, y, 1, 1);
    }
    pen.imageSmoothingQuality = "high";
    pen.drawImage(small, 0, 0, clientWidth, clientHeight);
  }, [value]);
  if (!camera) return null;
  const rows = () => [["column", "row", "seconds"], ...value.cells];
  return html`<${Panel} all title=${`${t("stats.presence")} · ${camera}`} error=${error} tools=${value && html`<${Button} kind="quiet" icon="download" onClick=${() => savePng(box.current, "presence")}>PNG<//>${csvButton(rows, "presence")}`}>
    <div class="heat" ref=${box}><img src=${picture(`cameras/${at(camera)}/picture.jpg`, { width: 960 })} alt="" onError=${(event) => { event.target.hidden = true; }} />
      <canvas ref=${canvas} role="img" aria-label=${t("stats.presence")}></canvas></div>
    ${value && html`<p class="small soft">${t("stats.presence.most", { span: span(value.most_s * SECOND) })}</p>`}<//>`;
}
