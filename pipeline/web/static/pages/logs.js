// What the service says of itself, newest last, as it comes.
import { html, useState, useEffect, useRef } from "../dom.js";
import { get } from "../api.js";
import { t } from "../i18n.js";
import { set } from "../route.js";
import { exact } from "../time.js";
import { Choice, Failure } from "../parts.js";

const LEVELS = ["debug", "info", "warning", "error"], MOST = 1000, EVERY_MS = 3000;

export function Logs({ query }) {
  const level = LEVELS.includes(query.get("level")) ? query.get("level") : "info";
  const [lines, setLines] = useState([]);
  const [error, setError] = useState(null);
  const box = useRef(null), low = useRef(true);
  useEffect(() => {
    const stop = new AbortController();
    let next = 0, timer;
    setLines([]);
    const ask = async () => {
      try {
        const found = await get("logs", { after: next, level, limit: 200 }, stop.signal);
        if (found.lines.length) setLines((old) => [...old, ...found.lines].slice(-MOST));
        next = found.next;
        setError(null);
        timer = setTimeout(ask, found.lines.length < 200 ? EVERY_MS : 0);
      } catch (wrong) {
        if (!stop.signal.aborted) { setError(wrong); timer = setTimeout(ask, EVERY_MS); }
      }
    };
    ask();
    return () => { stop.abort(); clearTimeout(timer); };
  }, [level]);
  useEffect(() => { if (low.current && box.current) box.current.scrollTop = box.current.scrollHeight; }, [lines]);
  const scrolled = ({ target }) => { low.current = target.scrollTop + target.clientHeight > target.scrollHeight - 20; };
  return html`<section class="panel"><header><h2>${t("system.logs")}</h2><span class="tools"><${Choice} label=${t("logs.level")} value=${level}
      options=${LEVELS.map((one) => [one, t(`logs.${one}`)])} onChange=${(one) => set({ level: one === "info" ? null : one }, true)} /></span></header>
    ${error && html`<${Failure} error=${error} />`}<div class="mono lines tall" role="log" tabindex="0" aria-label=${t("system.logs")} ref=${box} onScroll=${scrolled}>
    ${lines.map((line) => html`<div key=${line.id} class=${`log ${line.level}`}><span class="soft">${exact(Date.parse(line.at))}</span> <b>${line.name.replace(/^threadline\./, "")}</b> ${line.text}</div>`)}
    ${!lines.length && !error && html`<span class="soft">${t("logs.none")}</span>`}</div></section>`;
}
