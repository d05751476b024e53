// Files that are dropped or chosen, and a piece cut out of a picture.
import { html, useState, useRef, useEffect } from "./dom.js";
import { t } from "./i18n.js";
import { Button } from "./parts.js";

export function Drop({ accept, multiple, onFiles, children }) {
  const [over, setOver] = useState(false);
  const input = useRef(null);
  const take = (list) => list.length && onFiles(multiple ? [...list] : [list[0]]);
  return html`<div class=${`drop ${over ? "over" : ""}`} onDragOver=${(event) => { event.preventDefault(); setOver(true); }} onDragLeave=${() => setOver(false)}
    onDrop=${(event) => { event.preventDefault(); setOver(false); take(event.dataTransfer.files); }}>
    <p>${children}</p><input ref=${input} type="file" accept=${accept} multiple=${multiple} hidden onChange=${(event) => { take(event.target.files); event.target.value = ""; }} />
    <${Button} icon="plus" onClick=${() => input.current.click()}>${t("files.choose")}<//></div>`;
}

/** A file's address for pictures on the page, as long as it is shown. */
export function useAddress(file) {
  const [address, setAddress] = useState(null);
  useEffect(() => {
    if (!file) { setAddress(null); return undefined; }
    const made = URL.createObjectURL(file);
    setAddress(made);
    return () => URL.revokeObjectURL(made);
  }, [file]);
  return address;
}

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/** Choose a part of a picture: drawn by pointer, moved by arrow keys, sized by shift and arrow keys.
 * ``hole`` is [x0, y0, x1, y1] as shares, or null for all of it. */
export function Cropper({ file, hole, onHole }) {
  const address = useAddress(file), box = useRef(null), from = useRef(null);
  const place = (event) => {
    const { left, top, width, height } = box.current.getBoundingClientRect();
    return [clamp((event.clientX - left) / width, 0, 1), clamp((event.clientY - top) / height, 0, 1)];
  };
  const move = (event) => {
    if (!from.current) return;
    const [x, y] = place(event), [a, b] = from.current;
    onHole([Math.min(a, x), Math.min(b, y), Math.max(a, x), Math.max(b, y)]);
  };
  const keyed = (event) => {
    const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key] || [];
    if (dx === undefined) return;
    event.preventDefault();
    const [x0, y0, x1, y1] = hole || [0.25, 0.25, 0.75, 0.75], by = 0.02;
    if (event.shiftKey) onHole([x0, y0, clamp(x1 + dx * by, x0 + by, 1), clamp(y1 + dy * by, y0 + by, 1)]);
    else {
      const sx = clamp(dx * by, -x0, 1 - x1), sy = clamp(dy * by, -y0, 1 - y1);
      onHole([x0 + sx, y0 + sy, x1 + sx, y1 + sy]);
    }
  };
  const percent = (n) => `${100 * n}%`;
  return html`<div class="cropper-clip">
    <div class="cropper" ref=${box} tabindex="0" role="application" aria-label=${t("files.crop")} onKeyDown=${keyed}
    onPointerDown=${(event) => { event.preventDefault(); box.current.focus(); box.current.setPointerCapture(event.pointerId); from.current = place(event); onHole(null); }}
    onPointerMove=${move} onPointerUp=${() => { from.current = null; if (hole && (hole[2] - hole[0] < 0.01 || hole[3] - hole[1] < 0.01)) onHole(null); }}>
    ${address && html`<img src=${address} alt="" draggable="false" />`}
    ${hole && html`<span class="hole" style=${{ left: percent(hole[0]), top: percent(hole[1]), width: percent(hole[2] - hole[0]), height: percent(hole[3] - hole[1]) }}></span>`}</div></div>`;
}

/** A part of a picture's file as a PNG file of its own, in the picture's own pixels. */
export async function cut(file, hole) {
  if (!hole) return file;
  const image = await createImageBitmap(file), { width, height } = image;
  const [x0, y0, x1, y1] = [hole[0] * width, hole[1] * height, hole[2] * width, hole[3] * height].map(Math.round);
  const canvas = Object.assign(document.createElement("canvas"), { width: Math.max(1, x1 - x0), height: Math.max(1, y1 - y0) });
  canvas.getContext("2d").drawImage(image, -x0, -y0);
  image.close();
  const blob = await new Promise((done) => canvas.toBlob(done, "image/png"));
  return new File([blob], `${file.name.replace(/\.\w+$/, "")}.png`, { type: "image/png" });
}
