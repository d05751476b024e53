// Areas and lines of a camera as one list, and back. Points are shares of the picture.
export const KINDS = {
  include: { colour: "#22c55e", least: 3, many: 64 }, exclude: { colour: "#94a3b8", least: 3, many: 64 }, mask: { colour: "#111827", least: 3, many: 64 },
  zones: { colour: "#3b82f6", least: 3, named: true, many: 64 }, lines: { colour: "#f59e0b", least: 2, named: true, many: 2 }, far: { colour: "#d946ef", least: 2, many: 2 },
};
export const WAYS = { up: [0, -1], down: [0, 1], left: [-1, 0], right: [1, 0] };

export function shapesOf(camera) {
  const found = [];
  for (const kind of ["include", "exclude", "mask"]) for (const points of camera[kind] || []) found.push({ kind, points });
  for (const [x0, y0, x1, y1] of camera.far || []) found.push({ kind: "far", points: [[x0, y0], [x1, y1]] });
  for (const [name, points] of Object.entries(camera.zones || {})) found.push({ kind: "zones", name, points });
  for (const [name, { points, into }] of Object.entries(camera.lines || {})) found.push({ kind: "lines", name, points, into });
  return found;
}

export function settingsOf(shapes) {
  const of = (kind) => shapes.filter((shape) => shape.kind === kind);
  const named = (kind, value) => Object.fromEntries(of(kind).map((shape) => [shape.name, value(shape)]));
  const sorted = ([[a, b], [c, d]]) => [Math.min(a, c), Math.min(b, d), Math.max(a, c), Math.max(b, d)];
  return {
    ...Object.fromEntries(["include", "exclude", "mask"].map((kind) => [kind, of(kind).map(({ points }) => points)])),
    far: of("far").map(({ points }) => sorted(points)),
    zones: named("zones", ({ points }) => points),
    lines: named("lines", ({ points, into }) => ({ points, into })),
  };
}

/** A name of a kind that is not taken. */
export function freeName(shapes, kind, word) {
  const taken = new Set(shapes.filter((shape) => shape.kind === kind).map(({ name }) => name));
  let n = 1;
  while (taken.has(`${word}${n > 1 ? ` ${n}` : ""}`)) n += 1;
  return `${word}${n > 1 ? ` ${n}` : ""}`;
}

/** A shape to begin with, for whoever draws without a pointer. */
export function standard(kind) {
  if (kind === "lines") return [[0.25, 0.6], [0.75, 0.6]];
  if (kind === "far") return [[0.3, 0.1], [0.7, 0.4]];
  return [[0.3, 0.4], [0.7, 0.4], [0.7, 0.8], [0.3, 0.8]];
}

/** Which way across a line is in, in the words of the settings, nearest to its normal. */
export function waysOf([[x0, y0], [x1, y1]]) {
  return Math.abs(x1 - x0) >= Math.abs(y1 - y0) ? ["down", "up"] : ["right", "left"];
}
