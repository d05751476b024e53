// Summaries of garments as the service says them ("blue/white jeans"), in the user's language.
import { word } from "./i18n.js";
import { COLOURS } from "./palette.js";

/** {colours, name} of ``blue/white jeans``. */
export function taken(summary) {
  const space = summary.indexOf(" ");
  const colours = space > 0 ? summary.slice(0, space).split("/") : [];
  if (!colours.length || !colours.every((one) => one in COLOURS)) return { colours: [], name: summary };
  return { colours, name: summary.slice(space + 1) };
}

export function said(summary) {
  const { colours, name } = taken(summary);
  return [colours.map(word).join("/"), word(name)].filter(Boolean).join(" ");
}
