// Drawing areas and lines over a picture, by pointer and by keys.
import { html, useState, useRef } from "./dom.js";
import { t } from "./i18n.js";
import { KINDS, WAYS } from "./shapes.js";

const STEP = 0.005, NEAR = 16;
const share = (n) => Math.round(Math.min(1, Math.max(0, n)) * 1e4) / 1e4;

/** ``tool``: the kind that is being drawn, or null. ``onShapes(shapes, chosen)`` after every change. */
export function Drawing({ src, size, shapes, chosen, tool, onShapes, onChoose, onDrawn }) {
  const box = useRef(null);
  const [open, setOpen] = useState([]);
  const [over, setOver] = useState(null);
  const [held, setHeld] = useState(null);
  const wide = 1000, high = (1000 * (size?.[1] || 9)) / (size?.[0] || 16);
  const place = (event) => {
    const { left, top, width, height } = box.current.getBoundingClientRect();
    return [share((event.clientX - left) / width), share((event.clientY - top) / height)];
  };
  const finish = (points) => { setOpen([]); setOver(null); onDrawn(tool, points); };
  const moved = (n, index, point) => onShapes(shapes.map((shape, i) => (i === n ? { ...shape, points: shape.points.map((old, j) => (j === index ? point : old)) } : shape)));
  const down = (event) => {
    if (!tool) { if (event.target === event.currentTarget) onChoose(null); return; }
    event.preventDefault();
    box.current.parentNode.focus(); // so that Enter and Escape are the drawing's
    const point = place(event), { many, least } = KINDS[tool];
    const first = open[0] && Math.hypot((open[0][0] - point[0]) * wide, (open[0][1] - point[1]) * high) < NEAR;
    if (first && open.length >= least) { finish(open); return; }
    const points = [...open, point];
    if (points.length === many) finish(points);
    else setOpen(points);
  };
  const move = (event) => {
    if (held) moved(held.n, held.index, place(event));
    else if (tool && open.length) setOver(place(event));
  };
  const keyed = (event) => {
    if (event.key === "Enter" && tool && open.length >= KINDS[tool].least) finish(open);
    else if (event.key === "Escape" && tool) { event.stopPropagation(); setOpen([]); onDrawn(null); }
    else if (["Delete", "Backspace"].includes(event.key) && chosen !== null && !tool) onShapes(shapes.filter((_, n) => n !== chosen), null);
  };
  const nudge = (n, index) => (event) => {
    const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] || [];
    if (dx === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    const [x, y] = shapes[n].points[index], by = STEP * (event.shiftKey ? 6 : 1);
    moved(n, index, [share(x + dx * by), share(y + dy * by)]);
  };
  const at = ([x, y]) => [x * wide, y * high];
  const live = over ? [...open, over] : open;
  return html`<div class="stage" tabindex="-1" onKeyDown=${keyed}>
    ${src ? html`<img src=${src} alt="" draggable="false" style=${{ aspectRatio: `${wide} / ${high}` }} />` : html`<div style=${{ aspectRatio: `${wide} / ${high}` }}></div>`}
    <svg ref=${box} viewBox=${`0 0 ${wide} ${high}`} preserveAspectRatio="none" onPointerDown=${down} onPointerMove=${move} onPointerUp=${() => setHeld(null)} onPointerLeave=${() => setHeld(null)}
      onDblClick=${() => tool && open.length >= KINDS[tool].least && finish(open)} style=${{ cursor: tool ? "crosshair" : "default" }}>
      ${shapes.map((shape, n) => html`<g key=${n}>
        <${Outline} shape=${shape} at=${at} chosen=${n === chosen} onChoose=${(event) => { if (!tool) { event.stopPropagation(); onChoose(n); } }} />
        ${n === chosen && shape.points.map((point, index) => html`<circle class="handle" key=${index} cx=${at(point)[0]} cy=${at(point)[1]} r="8" tabindex="0" role="button" aria-label=${t("draw.corner", { n: index + 1 })}
          onPointerDown=${(event) => { event.stopPropagation(); box.current.setPointerCapture(event.pointerId); setHeld({ n, index }); }} onKeyDown=${nudge(n, index)} />`)}</g>`)}
      ${tool && live.length > 0 && html`<polyline class="shape" fill="none" stroke=${KINDS[tool].colour} points=${live.map((point) => at(point).join()).join(" ")} />
        ${open.map((point, n) => html`<circle class="handle" key=${n} cx=${at(point)[0]} cy=${at(point)[1]} r="6" />`)}`}</svg></div>`;
}

function Outline({ shape, at, chosen, onChoose }) {
  const { colour } = KINDS[shape.kind], points = shape.points.map(at), kind = `shape ${shape.kind} ${chosen ? "chosen" : ""}`;
  const text = shape.name && html`<text x=${points[0][0] + 6} y=${points[0][1] - 8} font-size="20">${shape.name}</text>`;
  if (shape.kind === "lines") {
    const [[x0, y0], [x1, y1]] = points, [dx, dy] = WAYS[shape.into] || [0, 0], x = (x0 + x1) / 2, y = (y0 + y1) / 2;
    const tip = [x + dx * 46, y + dy * 46], side = ([dy * 9, dx * 9]);
    const arrow = `M${x} ${y}L${tip}M${tip[0] - dx * 14 + side[0]} ${tip[1] - dy * 14 + side[1]}L${tip}L${tip[0] - dx * 14 - side[0]} ${tip[1] - dy * 14 - side[1]}`;
    return html`<g onPointerDown=${onChoose}><line x1=${x0} y1=${y0} x2=${x1} y2=${y1} stroke="transparent" stroke-width="24" />
      <line class=${kind} x1=${x0} y1=${y0} x2=${x1} y2=${y1} stroke=${colour} />
      <path class="shape" d=${arrow} fill="none" stroke=${colour} />${text}</g>`;
  }
  if (shape.kind === "far") {
    const [[x0, y0], [x1, y1]] = points;
    return html`<rect class=${kind} x=${Math.min(x0, x1)} y=${Math.min(y0, y1)} width=${Math.abs(x1 - x0)} height=${Math.abs(y1 - y0)} fill=${colour} stroke=${colour} onPointerDown=${onChoose} />`;
  }
  return html`<g onPointerDown=${onChoose}>
    <polygon class=${kind} points=${points.map((point) => point.join()).join(" ")} fill=${colour} stroke=${colour} />${text}</g>`;
}
