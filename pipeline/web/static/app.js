// Who is there, which page is shown, and what is around it.
import { html, render, useState, useEffect, useContext } from "./dom.js";
import { ApiError, get, post } from "./api.js";
import { t, loadWords, loadMore, read, keep, language, LANGUAGES } from "./i18n.js";
import { useRoute, address, changed, set } from "./route.js";
import { storeZone } from "./time.js";
import { Icon } from "./icons.js";
import { Guard, Dialog, Field, Select, Choice, Button, Failure } from "./parts.js";
import { Me } from "./me.js";
import { Gate } from "./pages/gate.js";
import { Keys } from "./keys.js";

const PAGES = {
  wall: () => import("./pages/wall.js"),
  search: () => import("./pages/search.js"),
  person: () => import("./pages/person.js"),
  timeline: () => import("./pages/timeline.js"),
  statistics: () => import("./pages/statistics.js"),
  brands: () => import("./pages/brands.js"),
  cameras: () => import("./pages/cameras.js"),
  system: () => import("./pages/system.js"),
  more: () => import("./pages/more.js"),
};
/** What the rail shows; the last ones are behind "more" on phones. */
const PLACES = ["wall", "search", "timeline", "statistics", "brands", "cameras", "system"];
const RARE = new Set(["brands", "cameras", "system"]);

function theme() {
  const kept = read("theme");
  if (kept) document.documentElement.dataset.theme = kept;
  else delete document.documentElement.dataset.theme;
}

function Rail({ route }) {
  const me = useContext(Me);
  const { page } = route;
  const rare = RARE.has(page) || page === "more";
  const current = page === "person" ? "search" : page;
  return html`<div class="rail"><a class="mark" href="#/wall"><img src="icon.svg" alt="" />Threadline</a>
    <nav aria-label=${t("pages")}>${PLACES.map((name) => html`<a key=${name} class=${`to ${RARE.has(name) ? "rare" : ""}`} href=${address(name)}
      aria-current=${current === name ? "page" : undefined}><${Icon} name=${name} />${t(`page.${name}`)}</a>`)}
      <a class="to phone" href="#/more" aria-current=${rare ? "page" : undefined}><${Icon} name="more" />${t("page.more")}</a></nav>
    <div class="foot"><a class="to" href=${changed(route, { me: "1" })}><${Icon} name="user" /><span class="cut">${me.user}</span></a></div></div>`;
}

function Mine({ onClose }) {
  const me = useContext(Me);
  const again = (name, value) => { keep(name, value); location.reload(); };
  const leave = async (everywhere) => { await post("logout", { everywhere }); location.reload(); };
  const [words, setWords] = useState({ old: "", new: "" });
  const [said, setSaid] = useState(null);
  const change = async (event) => {
    event.preventDefault();
    try { await post("password", words); setSaid({ message: t("password.changed") }); } catch (error) { setSaid({ error }); }
  };
  const typed = (name) => (event) => setWords({ ...words, [name]: event.target.value });
  return html`<${Dialog} title=${`${me.user} · ${t(`role.${me.role}`)}`} onClose=${onClose}
    foot=${html`<${Button} onClick=${() => leave(true)}>${t("logout.everywhere")}<//>
      <${Button} icon="exit" onClick=${() => leave(false)}>${t("logout")}<//>`}>
    <div class="pair"><${Field} label=${t("language")}>
      <${Select} label=${t("language")} value=${language()} options=${Object.entries(LANGUAGES)} onChange=${(value) => again("language", value)} /><//>
    <${Field} label=${t("zone")}><${Select} label=${t("zone")} value=${read("zone") || "store"} options=${[["store", t("zone.store", { zone: me.zone })], ["browser", t("zone.browser")]]}
      onChange=${(value) => again("zone", value === "browser" ? value : "")} /><//></div>
    <div class="field"><span class="field-label">${t("theme")}</span><span><${Choice} label=${t("theme")} value=${read("theme") || ""}
      options=${[["", t("theme.system")], ["light", t("theme.light")], ["dark", t("theme.dark")]]} onChange=${(value) => again("theme", value)} /></span></div>
    <form class="form" onSubmit=${change}><h3>${t("password.change")}</h3>
      <input type="text" name="username" autocomplete="username" value=${me.user} hidden readonly />
      <div class="pair"><${Field} label=${t("password.old")}>
        <input class="input" type="password" autocomplete="current-password" required value=${words.old} onInput=${typed("old")} /><//>
      <${Field} label=${t("password.new")}>
        <input class="input" type="password" autocomplete="new-password" minlength="12" required value=${words.new} onInput=${typed("new")} /><//></div>
      ${said?.error && html`<${Failure} error=${said.error} />`}${said?.message && html`<div class="notice">${said.message}</div>`}
      <div><button class="button">${t("password.change")}</button></div></form><//>`;
}

function Shown({ route }) {
  const [found, setFound] = useState({});
  const name = PAGES[route.page] ? route.page : "wall";
  useEffect(() => { PAGES[name]().then((module) => setFound({ name, Page: module.default })); }, [name]);
  if (found.name !== name) return null;
  return html`<${Guard} key=${name}><${found.Page} route=${route} /><//>`;
}

function Frame({ me }) {
  const route = useRoute();
  return html`<${Me.Provider} value=${me}><div class="frame"><${Rail} route=${route} />
    <main class="main" id="main"><${Shown} route=${route} /></main></div>
    ${route.query.has("me") && html`<${Mine} onClose=${() => set({ me: null })} />`}<${Keys} /><//>`;
}

function App({ asked }) {
  const [me, setMe] = useState(null);
  const [gate, setGate] = useState(null);
  const enter = (found) => { storeZone(found.zone); setGate(null); setMe(found); };
  const refused = (error) => {
    if (error instanceof ApiError && error.status === 401) setGate(error.code === "setup" ? "setup" : "login");
    else setGate(error);
  };
  const ask = () => get("me").then(enter, refused);
  useEffect(() => {
    asked.then((found) => (found instanceof Error ? refused(found) : enter(found)));
    const out = () => setMe((old) => { if (old) setTimeout(ask); return null; }); // asked once, not for every answer of 401
    addEventListener("logged-out", out);
    return () => removeEventListener("logged-out", out);
  }, []);
  if (me) return html`<${Frame} me=${me} />`;
  if (gate instanceof Error) return html`<div class="gate"><${Failure} error=${gate} again=${ask} /></div>`;
  return gate && html`<${Gate} first=${gate === "setup"} onEnter=${enter} />`;
}

/** Notices are for everybody: nobody has to be logged in. */
function Root({ asked }) {
  const { page, rest: [camera] } = useRoute();
  const [Notice, setNotice] = useState(null);
  const open = page === "notice" && camera;
  useEffect(() => { if (open) import("./pages/notice.js").then((found) => setNotice(() => found.Notice)); }, [Boolean(open)]);
  if (open) return Notice && html`<${Notice} key=${camera} camera=${camera} />`;
  return html`<${App} asked=${asked} />`;
}

async function start() {
  theme();
  const asked = get("me").catch((error) => error); // while the words come
  await Promise.all([loadWords(), loadMore("reasons")]);
  render(html`<${Root} asked=${asked} />`, document.getElementById("app"));
}

start();
