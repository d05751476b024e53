// What keys do everywhere, and the list of them.
import { html, useState, useEffect } from "./dom.js";
import { t } from "./i18n.js";
import { go } from "./route.js";
import { Dialog } from "./parts.js";

const GOES = { w: "wall", s: "search", t: "timeline", a: "statistics", b: "brands", c: "cameras", y: "system" };

export const typing = (event) => event.ctrlKey || event.metaKey || event.altKey
  || event.target.closest?.("input, textarea, select, dialog");

export function Keys() {
  const [open, setOpen] = useState(false);
  useEffect(() => {
    let before = "";
    const pressed = (event) => {
      if (typing(event)) return;
      if (event.key === "?") setOpen(true);
      else if (event.key === "/") {
        event.preventDefault();
        const box = document.querySelector("[data-search]");
        if (box) box.focus();
        else go("#/search");
      } else if (before === "g" && GOES[event.key]) go(`#/${GOES[event.key]}`);
      before = event.key;
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, []);
  const rows = [["/", "keys.search"], ["g w, g s, g t …", "keys.go"], ["j, k", "keys.next"], ["← →", "keys.beside"], ["1 … 9", "keys.camera"], ["f", "keys.full"], ["Esc", "keys.back"]];
  return open && html`<${Dialog} title=${t("keys")} onClose=${() => setOpen(false)}><dl class="facts">${rows.map(([key, text]) => html`
    <dt class="mono">${key}</dt><dd>${t(text)}</dd>`)}</dl><//>`;
}
