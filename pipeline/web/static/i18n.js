// Words of the page in the user's language. One dictionary a language; the first letters of the browser's decide.
import { getJson } from "./api.js";

export const LANGUAGES = { en: "English", de: "Deutsch" };
const words = {};

export function language() {
  const kept = read("language");
  if (kept in LANGUAGES) return kept;
  const asked = (navigator.language || "en").slice(0, 2);
  return asked in LANGUAGES ? asked : "en";
}

/** The language with the browser's region, where it names one: en-GB writes dates otherwise than en-US. */
export function locale() {
  return (navigator.languages || []).find((one) => one.split("-")[0] === language()) || language();
}

export function read(name) {
  try { return localStorage.getItem(`threadline.${name}`); } catch { return null; }
}

export function keep(name, value) {
  try {
    if (value) localStorage.setItem(`threadline.${name}`, value);
    else localStorage.removeItem(`threadline.${name}`);
  } catch { /* private windows: it holds until the page is closed */ }
}

export async function loadWords() {
  const found = await getJson(`lang/${language()}.json`);
  Object.assign(words, found);
  document.documentElement.lang = language();
}

/** Texts of the service that some page shows: in English they are as it says them, and their own keys. */
export async function loadMore(name) {
  if (language() !== "en") Object.assign(words, await getJson(`lang/${name}.${language()}.json`));
}

/** A name the service gives, where there is another word for it. */
export function named(kind, name) {
  return words[`${kind}.${name}`] ?? name;
}

/** The text of a key, with {name} replaced; of ``n`` one and others, keys KEY.one and KEY.other. */
export function t(key, values = {}) {
  const found = words[key] ?? words[`${key}.${values.n === 1 ? "one" : "other"}`] ?? key;
  return found.replace(/\{(\w+)\}/g, (all, name) => {
    const value = values[name];
    return typeof value === "number" ? number(value) : value ?? all;
  });
}

export function number(value, digits = 0) {
  return new Intl.NumberFormat(locale(), { maximumFractionDigits: digits }).format(value);
}

export function percent(share) {
  return new Intl.NumberFormat(locale(), { style: "percent", maximumFractionDigits: 0 }).format(share);
}

/** What a garment, colour or attribute is called; names that are not in the dictionary are shown as they are. */
export function word(name) {
  return named("word", name);
}
