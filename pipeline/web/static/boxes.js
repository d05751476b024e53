// Where people are at any moment of a stream, and how that is drawn.
/** Seconds for which boxes are kept, and for which one is shown after its last result. */
const KEPT_S = 8, HELD_S = 0.4;

/** Results of one camera by their presentation time. */
export class Boxes {
  #results = [];
  #stream = null;

  add(result) {
    if (result.stream !== this.#stream) this.#results = [];
    this.#stream = result.stream;
    this.#results.push(result);
    while (this.#results[0].pts < result.pts - KEPT_S) this.#results.shift();
  }

  get newest() { return this.#results.at(-1); }

  /** People and marks at a time: between two results of one person, in between. */
  at(pts, stream = this.#stream) {
    if (stream !== this.#stream) return { people: [], marks: [] };
    let next = this.#results.findIndex((one) => one.pts >= pts - 1e-4);
    if (next < 0) next = this.#results.length;
    const after = this.#results[next], before = this.#results[next - 1];
    if (after && Math.abs(after.pts - pts) < 1e-3) return after;
    if (!before || pts - before.pts > HELD_S) return { people: [], marks: [] };
    if (!after) return before;
    const share = (pts - before.pts) / (after.pts - before.pts);
    const people = before.people.map((one) => {
      const same = after.people.find((other) => other.id === one.id);
      if (!same) return one;
      return { ...one, box: one.box.map((value, i) => value + share * (same.box[i] - value)) };
    });
    return { people, marks: before.marks };
  }
}

/** The rectangle that a picture of an aspect ratio takes in a box that contains it. */
export function fitted(width, height, aspect) {
  const wide = Math.min(width, height * aspect), high = wide / aspect;
  return { x: (width - wide) / 2, y: (height - high) / 2, wide, high };
}

/** A canvas as large as it is shown, in the screen's pixels, cleared. */
export function cleared(canvas) {
  const scale = devicePixelRatio || 1, { clientWidth, clientHeight } = canvas;
  const wide = Math.round(clientWidth * scale), high = Math.round(clientHeight * scale);
  if (canvas.width !== wide || canvas.height !== high) Object.assign(canvas, { width: wide, height: high });
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, clientWidth, clientHeight);
  return pen;
}

/** Draw people's boxes with what they wear, and marks, over a picture. */
export function drawBoxes(pen, found, frame, words) {
  const { x, y, wide, high } = frame;
  const size = Math.max(10, Math.min(13, wide / 45));
  pen.font = `600 ${size}px system-ui, sans-serif`;
  pen.textBaseline = "middle";
  const taken = [];
  const placed = ([x0, y0, x1, y1]) => [x + x0 * wide, y + y0 * high, (x1 - x0) * wide, (y1 - y0) * high];
  for (const one of found.people) {
    const [left, top, w, h] = placed(one.box);
    pen.globalAlpha = one.predicted ? 0.6 : 1;
    pen.strokeStyle = "rgb(0 0 0 / 55%)";
    pen.lineWidth = 3.5;
    pen.strokeRect(left, top, w, h);
    pen.strokeStyle = "#2dd4bf";
    pen.lineWidth = 1.75;
    pen.strokeRect(left, top, w, h);
    pen.globalAlpha = 1;
    written(pen, one.tags.slice(0, high > 340 ? 4 : 2).map(words), { left, top }, { size, frame, taken });
  }
  for (const mark of found.marks || []) {
    const [left, top, w, h] = placed(mark.box);
    pen.strokeStyle = "#c4a2f5";
    pen.lineWidth = 1.75;
    pen.strokeRect(left, top, w, h);
    written(pen, [mark.text], { left, top }, { size, frame, taken });
  }
}

/** Lines of text above a box, or inside of it where there is no room, never outside of the picture. Where
 * another text is, only the first line, or none: what cannot be read says nothing. */
function written(pen, lines, box, { size, frame, taken }) {
  const step = size + 5, wide = Math.max(0, ...lines.map((line) => pen.measureText(line).width)) + 8;
  const left = Math.max(frame.x, Math.min(box.left, frame.x + frame.wide - wide));
  for (let count = lines.length; count > 0; count = count > 1 ? 1 : 0) {
    const high = count * step, above = box.top - high - 1;
    const top = above < frame.y ? Math.min(box.top + 2, frame.y + frame.high - high) : above;
    if (taken.some((one) => left < one.right && left + wide > one.left && top < one.bottom && top + high > one.top)) continue;
    taken.push({ left, top, right: left + wide, bottom: top + high });
    lines.slice(0, count).forEach((line, n) => {
      pen.fillStyle = "rgb(8 12 14 / 78%)";
      pen.fillRect(left, top + n * step, pen.measureText(line).width + 8, step - 1);
      pen.fillStyle = "#f2fffd";
      pen.fillText(line, left + 4, top + n * step + (step - 1) / 2);
    });
    return;
  }
}
