// Small parts that pages are put together from.
import { html, useState, useEffect, useRef, useErrorBoundary } from "./dom.js";
import { t, percent } from "./i18n.js";
import { Icon } from "./icons.js";
import { COLOURS } from "./palette.js";
import { described, told } from "./words.js";

/** The text of a box, which follows what is asked in the address. Only what came since: the first
    effect may run when somebody has begun to type. */
export function useTyped(asked) {
  const [text, setText] = useState(asked);
  const known = useRef(asked);
  useEffect(() => { if (known.current !== asked) { known.current = asked; setText(asked); } }, [asked]);
  return [text, setText];
}

export function Button({ icon, label, kind = "", children, ...rest }) {
  return html`<button type="button" class=${`button ${kind} ${children ? "" : "bare"}`} aria-label=${children ? undefined : label}
    title=${children ? undefined : label} ...${rest}>${icon && html`<${Icon} name=${icon} />`}${children}</button>`;
}

/** A swatch of one or two colours: decoration, the words beside it say the same. */
export function Swatch({ colours = [] }) {
  const [first, second] = colours.map((name) => COLOURS[name]);
  if (!first) return null;
  const background = second ? `linear-gradient(135deg, ${first} 50%, ${second} 50%)` : first;
  return html`<i class="swatch" aria-hidden="true" style=${{ background }}></i>`;
}

/** What a tag is called: ``navy striped t-shirt``. */
export function tagText(tag) {
  const pattern = tag.attributes?.pattern;
  return described(tag.colours || [], tag.label, pattern === "plain" ? "" : pattern);
}

export function Tag({ tag, onClick }) {
  const logo = tag.kind === "logo";
  const title = `${tagText(tag)}${tag.score === undefined ? "" : ` · ${percent(tag.score)}`}`;
  const inner = html`<${Swatch} colours=${tag.colours} /><span class="cut">${tagText(tag)}</span>`;
  const kind = `tag ${logo ? "logo" : ""} ${tag.gone ? "gone" : ""}`;
  return onClick
    ? html`<button type="button" class=${kind} title=${title} onClick=${onClick}>${inner}</button>`
    : html`<span class=${kind} title=${title}>${inner}</span>`;
}

/** Somebody's picture; a sign where there is none (any more). */
export function Shot({ path }) {
  const [gone, setGone] = useState(false);
  useEffect(() => setGone(false), [path]);
  if (!path || gone) return html`<span class="no-shot"><${Icon} name="user" /></span>`;
  return html`<img src=${path} alt="" loading="lazy" decoding="async" onError=${() => setGone(true)} />`;
}

export function Empty({ icon = "search", title, children }) {
  return html`<div class="empty"><${Icon} name=${icon} /><h2>${title}</h2><p>${children}</p></div>`;
}

/** Why something failed: what the service said, or other words for it. */
const reason = ({ code, message, more }) => (code ? t(`error.${code}`, { said: told(message), ...more }) : message);

export function Failure({ error, again }) {
  return html`<div class="notice bad" role="alert"><${Icon} name="warn" /><span>${reason(error)}</span>
    ${again && html`<${Button} onClick=${again}>${t("again")}<//>`}</div>`;
}

export function Field({ label, hint, error, children }) {
  return html`<label class="field"><span class="field-label">${label}</span>${children}
    ${hint && html`<span class="hint">${hint}</span>`}${error && html`<span class="hint bad">${error}</span>`}</label>`;
}

/** One of a few: a row of buttons. ``options`` are [value, text]. */
export function Choice({ label, value, options, onChange }) {
  return html`<div class="choice" role="group" aria-label=${label}>${options.map(([one, text]) => html`
    <button type="button" key=${one} aria-pressed=${one === value} onClick=${() => onChange(one)}>${text}</button>`)}</div>`;
}

export function Select({ label, value, options, onChange }) {
  return html`<select class="input" aria-label=${label} value=${value} onChange=${(event) => onChange(event.target.value)}>
    ${options.map(([one, text]) => html`<option key=${one} value=${one} selected=${one === value}>${text}</option>`)}</select>`;
}

/** Over everything, until closed: Escape, the sign, a click beside it. */
export function Dialog({ title, onClose, wide, children, foot }) {
  const box = useRef(null);
  useEffect(() => {
    if (box.current.open) return;
    box.current.showModal();
    box.current.querySelector(".dialog-body :is(input, select, textarea):not([hidden])")?.focus(); // not the sign that closes
  }, []);
  return html`<dialog ref=${box} class=${`dialog ${wide ? "wide" : ""}`} aria-label=${title}
    onCancel=${(event) => { event.preventDefault(); onClose(); }}
    onMouseDown=${(event) => event.target === box.current && onClose()}>
    <div class="dialog-in"><header><h2>${title}</h2><${Button} icon="close" label=${t("close")} onClick=${onClose} /></header>
    <div class="dialog-body">${children}</div>${foot && html`<footer>${foot}</footer>`}</div></dialog>`;
}

/** Asks before what cannot be undone. */
export function Confirm({ title, text, action, onDone, onClose }) {
  const [error, setError] = useState(null);
  const run = async () => {
    try { await onDone(); onClose(); } catch (found) { setError(found); }
  };
  return html`<${Dialog} title=${title} onClose=${onClose} foot=${html`<${Button} onClick=${onClose}>${t("cancel")}<//>
    <${Button} kind="danger" onClick=${run}>${action}<//>`}><p>${text}</p>${error && html`<${Failure} error=${error} />`}<//>`;
}

export function Page({ title, tools, children, flush }) {
  useEffect(() => { document.title = `${title} · Threadline`; }, [title]);
  return html`<header class="page-head"><h1>${title}</h1><div class="tools">${tools}</div></header>
    <div class=${`page-body ${flush ? "flush" : ""}`} tabindex=${flush ? undefined : 0}>${children}</div>`; // scrolled by keys
}

/** What a page shows where its own code fails. */
export function Guard({ children }) {
  const [error, reset] = useErrorBoundary((found) => console.error(found));
  if (error) return html`<div class="page-body"><${Failure} error=${error} again=${reset} /></div>`;
  return children;
}

/** Loads something whenever ``inputs`` change: {value, error, busy, again}. What came before stays while loading. */
export function useLoad(load, inputs, every = 0) {
  const [state, setState] = useState({ busy: true });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const stop = new AbortController();
    let timer;
    const run = async (first) => {
      if (first) setState((old) => ({ ...old, busy: true }));
      try {
        const value = await load(stop.signal);
        if (!stop.signal.aborted) setState({ value, busy: false });
      } catch (error) {
        if (!stop.signal.aborted) setState((old) => ({ ...old, error, busy: false }));
      }
      if (every && !stop.signal.aborted) timer = setTimeout(run, every);
    };
    run(true);
    return () => { stop.abort(); clearTimeout(timer); };
  }, [...inputs, turn]);
  return { ...state, again: () => setTurn(turn + 1) };
}

/** Give the browser a file. */
export function download(name, content, type) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
