// Summaries of garments as the service says them ("blue/white jeans"), in the user's language.
import { t, word, named } from "./i18n.js";
import { COLOURS } from "./palette.js";

/** {colours, name} of ``blue/white jeans``. */
export function taken(summary) {
  const space = summary.indexOf(" ");
  const colours = space > 0 ? summary.slice(0, space).split("/") : [];
  if (!colours.length || !colours.every((one) => one in COLOURS)) return { colours: [], name: summary };
  return { colours, name: summary.slice(space + 1) };
}

/** Colours and a pattern before or after the garment, as the language has it. */
export function described(colours, name, pattern = "") {
  const what = [colours.map(word).join("/"), pattern && word(pattern)].filter(Boolean).join(" ");
  return what ? t("garment", { what, name: word(name) }) : word(name);
}

export function said(summary) {
  const { colours, name } = taken(summary);
  return described(colours, name);
}

const NUMBER = /\d+(?:\.\d+)?/g;

/** A sentence of the service in the user's language, where it is known: its numbers stand for any.
    What it begins with, an address or a name, stays. */
export function told(sentence) {
  const numbers = sentence.match(NUMBER) || [], key = sentence.replace(NUMBER, "#");
  const known = named("reason", key), after = sentence.indexOf(": ") + 2;
  if (known !== key) return known.replace(/#/g, () => numbers.shift());
  return after > 1 ? sentence.slice(0, after) + told(sentence.slice(after)) : sentence;
}

/** Why a camera is down, without its name or address: they stand beside it. */
export const because = (note) => told(note.replace(/^(?:[a-z+]+:\/\/\S+|[\w.-]+): /i, ""));
