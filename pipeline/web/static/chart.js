// Counts over time as a chart, and tables as files.
import { html, useEffect, useRef } from "./dom.js";
import { language, number } from "./i18n.js";
import { clock, shortDay, zone } from "./time.js";
import { ink } from "./palette.js";
import { download } from "./parts.js";

let loading = null;
/** The chart library: a script of its own, loaded when the first chart is drawn. */
function library() {
  loading ??= new Promise((done, failed) => {
    const sheet = Object.assign(document.createElement("link"), { rel: "stylesheet", href: "vendor/uplot.css" });
    const script = Object.assign(document.createElement("script"), { src: "vendor/uplot.js", onload: () => done(window.uPlot), onerror: failed });
    document.head.append(sheet, script);
  });
  return loading;
}

/** ``series``: [{label, values, soft}], over ``times`` in milliseconds; ``per`` hour or day. */
export function Chart({ times, series, per, label }) {
  const box = useRef(null);
  useEffect(() => {
    let chart = null, ended = false;
    const size = () => ({ width: box.current.clientWidth, height: 220 });
    const watcher = new ResizeObserver(() => chart?.setSize(size()));
    library().then((UPlot) => {
      if (ended || !box.current) return;
      const axis = { stroke: ink("soft"), grid: { stroke: ink("line"), width: 1 }, ticks: { stroke: ink("line"), width: 1 }, font: "11px system-ui" };
      const when = (s) => (per === "day" ? shortDay(s * 1000) : `${shortDay(s * 1000)} ${clock(s * 1000)}`);
      const half = (per === "day" ? 86_400 : 3600) / 2, many = Math.ceil((times.length * 74) / size().width);
      const days = per === "day" ? { splits: () => times.filter((_, n) => n % many === 0).map((ms) => ms / 1000) } : {};
      const bars = UPlot.paths.bars({ size: [0.8, 60] }), line = UPlot.paths.linear();
      chart = new UPlot({
        ...size(),
        cursor: { points: { show: false }, drag: { x: false, y: false } },
        tzDate: (s) => UPlot.tzDate(new Date(s * 1000), zone()),
        scales: { x: { time: true, range: (_, least, most) => [least - half, most + half] }, y: { range: (_, __, most) => [0, Math.max(4, most * 1.1)] } },
        axes: [{ ...axis, ...days, space: 70, values: (_, all, __, ___, step) => all.map((s) => (per === "hour" && step < 86_400 ? clock(s * 1000) : shortDay(s * 1000))) },
          { ...axis, size: 42, values: (_, all) => all.map((n) => (Number.isInteger(n) ? number(n) : "")) }],
        series: [{ label: label, value: (_, s) => (s === null ? "" : when(s)) }, ...series.map((one) => ({
          label: one.label, stroke: ink(one.soft ? "line-strong" : "accent"), width: one.soft ? 2 : 1,
          fill: one.soft ? undefined : ink("accent"), paths: one.soft ? line : bars, points: { show: false }, value: (_, n) => (n === null ? "" : number(n)) }))],
      }, [times.map((ms) => ms / 1000), ...series.map(({ values }) => values)], box.current);
      watcher.observe(box.current);
    });
    return () => { ended = true; watcher.disconnect(); chart?.destroy(); };
  }, [times, series, per, language()]);
  return html`<div class=${`chart ${series.length > 1 ? "several" : ""}`} ref=${box}></div>`;
}

/** Save a canvas in an element as a picture, on the page's ground. */
export function savePng(element, name) {
  const canvases = [...element.querySelectorAll("canvas, .heat img")];
  const { width, height } = element.querySelector("canvas");
  const all = Object.assign(document.createElement("canvas"), { width, height }), pen = all.getContext("2d");
  pen.fillStyle = ink("sheet");
  pen.fillRect(0, 0, width, height);
  for (const one of canvases) {
    if (one instanceof HTMLImageElement) pen.filter = "grayscale(1) brightness(.7)";
    pen.drawImage(one, 0, 0, width, height);
    pen.filter = "none";
  }
  all.toBlob((blob) => download(`${name}.png`, blob));
}

/** Rows as CSV, as spreadsheets read it: no cell begins a formula. */
export function saveCsv(rows, name) {
  const cell = (value) => {
    const text = String(value ?? ""), safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
    return /[",\n\r;]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  download(`${name}.csv`, `\ufeff${rows.map((row) => row.map(cell).join(",")).join("\r\n")}\r\n`, "text/csv");
}
