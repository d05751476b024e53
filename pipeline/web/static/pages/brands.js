// Brands that cameras look for: their pictures, new ones, and a test.
import { html, useState, useRef, useEffect } from "../dom.js";
import { get, post, remove, picture, at } from "../api.js";
import { t, percent } from "../i18n.js";
import { set, address } from "../route.js";
import { useMay } from "../me.js";
import { Page, Button, Dialog, Field, Failure, Empty, Confirm, useLoad } from "../parts.js";
import { Icon } from "../icons.js";
import { Drop, Cropper, cut, useAddress } from "../files.js";

const PICTURES = ".svg,.png,.jpg,.jpeg,.webp,image/*";

export default function Brands({ route }) {
  const { value, error, again } = useLoad((signal) => get("brands", {}, signal), []);
  const [dropped, setDropped] = useState(null);
  const [gone, setGone] = useState(null);
  const may = useMay("operator");
  const wanted = route.query.get("q")?.toLowerCase() || "";
  const brands = value?.brands.filter(({ name }) => name.toLowerCase().includes(wanted)) || [];
  const tools = may && html`<${Button} icon="search" onClick=${() => set({ test: "1" })}>${t("brands.test")}<//>
    <${Button} icon="plus" kind="primary" onClick=${() => setDropped([])}>${t("brands.add")}<//>`;
  return html`<${Page} title=${t("page.brands")} tools=${tools}><div class="stack">
    ${error && html`<${Failure} error=${error} again=${again} />`}
    ${value && !value.on && html`<div class="notice warn"><${Icon} name="warn" /><span>${t("brands.off")}</span></div>`}
    ${may && html`<${Drop} accept=${PICTURES} multiple onFiles=${setDropped}>${t("brands.drop")}<//>`}
    ${value?.brands.length > 12 && html`<input class="input" type="search" data-search aria-label=${t("brands.find")} placeholder=${t("brands.find")} value=${wanted} onInput=${(event) => set({ q: event.target.value })} />`}
    ${value && !value.brands.length && html`<${Empty} icon="brands" title=${t("brands.none")}>${t("brands.none.why")}<//>`}
    <div class="brand-list">${brands.map((brand) => html`<article class="card brand" key=${brand.name} data-brand=${brand.name}>
      <header class="row tight">
      <a class="grow cut" href=${address("search", { brand: brand.name })}><b>${brand.name}</b></a>
      ${may && html`<${Button} kind="quiet" icon="plus" label=${t("brands.more", { name: brand.name })} onClick=${() => setDropped({ name: brand.name })} />
        <${Button} kind="quiet" icon="trash" label=${t("brands.drop.one", { name: brand.name })} onClick=${() => setGone(brand.name)} />`}</header>
      <div class="marks">${Array.from({ length: Math.min(3, brand.pictures) }, (_, n) => html`<img key=${n} src=${picture(`brands/${at(brand.name, String(n))}.png`)} alt="" loading="lazy" />`)}
      ${brand.pictures > 3 && html`<span class="soft">+${brand.pictures - 3}</span>`}</div></article>`)}</div></div>
    ${dropped && html`<${Add} files=${Array.isArray(dropped) ? dropped : []} name=${dropped.name} onDone=${again} onClose=${() => setDropped(null)} />`}
    ${route.query.has("test") && html`<${Test} onClose=${() => set({ test: null })} />`}
    ${gone && html`<${Confirm} title=${t("brands.drop.one", { name: gone })} text=${t("brands.sure")} action=${t("delete")} onClose=${() => setGone(null)} onDone=${async () => { await remove(`brands/${at(gone)}`); again(); }} />`}<//>`;
}

const isDrawing = (file) => file.type === "image/svg+xml" || /\.svg$/i.test(file.name);

function Add({ files: first, name: given, onDone, onClose }) {
  const [files, setFiles] = useState(first.map((file) => ({ file, hole: null })));
  const [name, setName] = useState(given || first[0]?.name.replace(/\.\w+$/, "").replace(/[-_]+/g, " ") || "");
  const [shown, setShown] = useState(0);
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const [made, setMade] = useState(null);
  const one = files[shown];
  const add = async (event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const form = new FormData();
      form.append("name", name.trim());
      for (const { file, hole } of files) form.append("files", await cut(file, hole));
      setMade(await post("brands", form));
      onDone();
    } catch (found) { setError(found); }
    setBusy(false);
  };
  if (made) {
    return html`<${Dialog} title=${made.name} onClose=${onClose} foot=${html`<${Button} kind="primary" onClick=${onClose}>${t("done")}<//>`}>
      <div class="notice"><${Icon} name="check" /><span>${t("brands.added", { n: made.pictures })}</span></div>
      ${(made.warnings || []).map((text) => html`<div class="notice warn" key=${text}><${Icon} name="warn" /><span>${text}</span></div>`)}
      ${made.near.length > 0 && html`<h3>${t("brands.near")}</h3>
        <div class="brand-list">${made.near.map(({ brand, likeness, alike }) => html`<div class="card brand" key=${brand}><div class="row tight">
        <div class="marks"><img src=${picture(`brands/${at(brand, "0")}.png`)} alt="" /></div><span><b>${brand}</b><br />
          <span class="small soft">${t("brands.alike", { share: percent(likeness) })}</span>
          ${alike && html`<br /><span class="badge warn">${t("brands.alike.warn")}</span>`}</span></div></div>`)}</div>`}<//>`;
  }
  return html`<${Dialog} title=${t("brands.add")} wide=${Boolean(one)} onClose=${onClose} foot=${html`<${Button} onClick=${onClose}>${t("cancel")}<//>
      <${Button} kind="primary" disabled=${busy || !files.length || !name.trim()} onClick=${add}>${t("brands.add")}<//>`}>
    <${Field} label=${t("name")}><input class="input" name="brand" required maxlength="100" value=${name} readonly=${Boolean(given)} onInput=${(event) => setName(event.target.value)} /><//>
    ${!one && html`<${Drop} accept=${PICTURES} multiple onFiles=${(more) => setFiles(more.map((file) => ({ file, hole: null })))}>${t("brands.drop")}<//>`}
    ${files.length > 1 && html`<div class="row" role="group" aria-label=${t("files.chosen")}>${files.map(({ file }, n) => html`<${Button} key=${n} aria-pressed=${n === shown} onClick=${() => setShown(n)}>${file.name}<//>`)}</div>`}
    ${one && (isDrawing(one.file) ? html`<${Cropless} file=${one.file} />` : html`<${Cropper} file=${one.file} hole=${one.hole}
      onHole=${(hole) => setFiles(files.map((other, n) => (n === shown ? { ...other, hole } : other)))} />
        <p class="hint">${t("files.crop.how")}</p>`)}
    ${error && html`<${Failure} error=${error} />`}<//>`;
}

function Cropless({ file }) {
  const address = useAddress(file);
  return html`<div class="cropper-clip"><div class="cropper plain">${address && html`<img src=${address} alt="" />`}</div></div>`;
}

function Test({ onClose }) {
  const [file, setFile] = useState(null);
  const [found, setFound] = useState(null);
  const [error, setError] = useState(null);
  const address = useAddress(file), box = useRef(null);
  useEffect(() => {
    if (!file) return;
    setFound(null);
    setError(null);
    const form = new FormData();
    form.append("file", file);
    post("brands/test", form).then(setFound, setError);
  }, [file]);
  const percentOf = (n, of) => `${(100 * n) / of}%`;
  return html`<${Dialog} title=${t("brands.test")} wide onClose=${onClose}>
    ${!file && html`<${Drop} accept=${PICTURES} onFiles=${([one]) => setFile(one)}>${t("brands.test.drop")}<//>`}
    ${file && html`<div class="cropper-clip"><div class="cropper plain" ref=${box}>${address && html`<img src=${address} alt="" />`}
      ${found?.marks.map(({ box: [x0, y0, x1, y1], brand, score }, n) => html`<span class="found-mark" key=${n} style=${{ left: percentOf(x0, 1), top: percentOf(y0, 1), width: percentOf(x1 - x0, 1), height: percentOf(y1 - y0, 1) }}>
        <b>${brand ? `${brand} ${percent(score)}` : t("brands.no")}</b></span>`)}</div></div>
      <p aria-live="polite">${error ? html`<${Failure} error=${error} />` : found ? t("brands.found", { n: found.marks.length }) : t("brands.testing")}</p>
      <div><${Button} onClick=${() => setFile(null)}>${t("brands.another")}<//></div>`}<//>`;
}
