// Colours of garments as they are shown, and colours of the page for canvases.
export const COLOURS = {
  black: "#1d1f21", white: "#f7f7f5", grey: "#8c9094", red: "#c8322f", orange: "#e8822a", yellow: "#ecc531",
  green: "#3e8e4a", blue: "#3b76c4", purple: "#7d55a6", pink: "#e58fae", brown: "#7a5136", beige: "#d9c9a8", navy: "#1f2f55",
};

/** A colour of the style sheet as a canvas takes it. */
export function ink(name) {
  const probe = document.createElement("i");
  probe.hidden = true;
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}
