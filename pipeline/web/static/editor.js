// A camera's picture with its areas and lines, to be changed and saved.
import { html, useState } from "./dom.js";
import { patch, picture, at } from "./api.js";
import { t } from "./i18n.js";
import { Button, Failure, Select } from "./parts.js";
import { Drawing } from "./drawing.js";
import { KINDS, shapesOf, settingsOf, freeName, standard, waysOf } from "./shapes.js";

export function Editor({ camera, may, onSaved }) {
  const [shapes, setShapes] = useState(() => shapesOf(camera));
  const [past, setPast] = useState([]);
  const [chosen, setChosen] = useState(null);
  const [tool, setTool] = useState(null);
  const [said, setSaid] = useState(null);
  const [turn, setTurn] = useState(0);
  const change = (next, which = chosen) => { setPast([...past.slice(-50), shapes]); setShapes(next); setChosen(which); setSaid(null); };
  const drawn = (kind, points) => {
    setTool(null);
    if (!kind) return;
    const shape = { kind, points };
    if (KINDS[kind].named) shape.name = freeName(shapes, kind, t(`draw.name.${kind}`));
    if (kind === "lines") [shape.into] = waysOf(points);
    change([...shapes, shape], shapes.length);
  };
  const edit = (n, news) => change(shapes.map((shape, i) => (i === n ? { ...shape, ...news } : shape)), n);
  const save = async () => {
    try { await patch(`cameras/${at(camera.id)}`, settingsOf(shapes)); setSaid({ done: true }); setPast([]); onSaved(); } catch (error) { setSaid({ error }); }
  };
  // Begun by a key, there is a shape at once, whose corners arrow keys move.
  const begin = (kind) => (event) => (event.detail === 0 ? drawn(kind, standard(kind)) : setTool(tool === kind ? null : kind));
  return html`<div class="editor"><${Drawing} src=${picture(`cameras/${at(camera.id)}/picture.jpg`, { width: 1280, turn })} size=${camera.state?.size?.[0] ? camera.state.size : null}
      shapes=${shapes} chosen=${chosen} tool=${tool} onShapes=${change} onChoose=${setChosen} onDrawn=${drawn} />
    <section class="panel"><header><h2>${t("draw")}</h2><span class="tools">
      <${Button} kind="quiet" icon="undo" label=${t("draw.undo")} disabled=${!past.length} onClick=${() => { setShapes(past.at(-1)); setPast(past.slice(0, -1)); setChosen(null); }} />
      <${Button} kind="quiet" icon="cameras" label=${t("draw.picture")} onClick=${() => setTurn(turn + 1)} /></span></header>
    ${may && html`<div class="row">${Object.keys(KINDS).map((kind) => html`<button type="button" class="button" key=${kind} aria-pressed=${tool === kind} onClick=${begin(kind)} title=${t(`draw.${kind}.why`)}>
      <i class="key" style=${{ background: KINDS[kind].colour }}></i>${t(`draw.${kind}`)}</button>`)}</div>`}
    <p class="hint" aria-live="polite">${tool ? `${t(`draw.${tool}.why`)} ${t(`draw.how.${KINDS[tool].many === 2 ? "two" : "many"}`)}` : shapes.length ? t("draw.choose") : t("draw.none")}</p>
    <div class="stack tight">${shapes.map((shape, n) => html`<div class=${`shape-row ${n === chosen ? "chosen" : ""}`} key=${n} onClick=${() => setChosen(n)}>
      <i class="key" style=${{ background: KINDS[shape.kind].colour }}></i>
      ${KINDS[shape.kind].named ? html`<input class="input" aria-label=${t("name")} maxlength="64" value=${shape.name} readonly=${!may} onFocus=${() => setChosen(n)} onChange=${(event) => event.target.value.trim() && edit(n, { name: freeName(shapes.filter((other) => other !== shape), shape.kind, event.target.value.trim()) })} />`
        : html`<button type="button" class="grow bare-text" onClick=${() => setChosen(n)}>${t(`draw.${shape.kind}`)}</button>`}
      ${shape.kind === "lines" && html`<${Select} label=${t("draw.into")} value=${shape.into} options=${["down", "up", "right", "left"].map((way) => [way, t(`way.${way}`)])} onChange=${(into) => edit(n, { into })} />`}
      ${may && html`<${Button} kind="quiet" icon="trash" label=${t("draw.remove")} onClick=${(event) => { event.stopPropagation(); change(shapes.filter((_, i) => i !== n), null); }} />`}</div>`)}</div>
    ${said?.error && html`<${Failure} error=${said.error} />`}
    ${may && html`<div class="row"><${Button} kind="primary" disabled=${!past.length} onClick=${save}>${t("save")}<//>${said?.done && html`<span class="soft" role="status">${t("saved")}</span>`}</div>`}</section>
      </div>`;
}
