// How the machine and the service are, who may do what, and what was done.
import { html, useState } from "../dom.js";
import { get, post, patch, remove, at } from "../api.js";
import { t, named, number, percent } from "../i18n.js";
import { set, address } from "../route.js";
import { useMay } from "../me.js";
import { ago, full, span, HOUR, DAY, SECOND } from "../time.js";
import { Page, Button, Choice, Dialog, Field, Failure, Confirm, Select, useLoad } from "../parts.js";
import { because } from "../words.js";
import { Allowed, places } from "../allowed.js";
import { dotOf } from "./cameras.js";
import { Logs } from "./logs.js";
import { Packs } from "./packs.js";
import { Settings } from "./settings.js";

const ROLES = ["viewer", "operator", "admin"], SCOPES = ["read", "pictures", "live", "write", "admin"];
const TABS = { now: Now, packs: Packs, settings: Settings, users: Users, tokens: Tokens, audit: Audit, logs: Logs };

export default function System({ route }) {
  const admin = useMay("admin");
  const tab = admin && TABS[route.query.get("tab")] ? route.query.get("tab") : "now";
  const Shown = TABS[tab];
  const tools = admin && html`<${Choice} label=${t("page.system")} value=${tab} options=${Object.keys(TABS).map((name) => [name, t(`system.${name}`)])} onChange=${(name) => set({ tab: name === "now" ? null : name })} />`;
  return html`<${Page} title=${t("page.system")} tools=${tools}><${Shown} query=${route.query} /><//>`;
}

function Meter({ share, label }) {
  return html`<div class="meter" role="meter" aria-label=${label} aria-valuenow=${Math.round(100 * share)} aria-valuemin="0" aria-valuemax="100">
    <i class=${share > 0.9 ? "warn" : ""} style=${{ width: `${Math.min(100, 100 * share)}%` }}></i></div>`;
}

function Facts({ title, rows, children }) {
  return html`<section class="panel"><header><h2>${title}</h2></header>
    <dl class="facts">${rows.filter(([, value]) => value !== null && value !== undefined).map(([name, value]) => html`<dt>${name}</dt>
    <dd class="num">${value}</dd>`)}</dl>${children}</section>`;
}

const gb = (n) => `${number(n, n < 10 ? 2 : 0)} GB`;
const seconds = (n) => (n === undefined || n === null ? "–" : `${number(n, 2)} s`);

function Now() {
  const { value: now, error, again } = useLoad((signal) => get("state", {}, signal), [], 5_000);
  if (!now) return error ? html`<${Failure} error=${error} again=${again} />` : null;
  const { load, disk, retention } = now, kept = (n, size) => (n === null || n === undefined ? t("system.ever") : span(n * size));
  const latencies = now.cameras.map(({ latency }) => latency?.p95).filter(Number.isFinite), dropped = now.cameras.reduce((sum, one) => sum + (one.dropped || 0), 0);
  return html`<div class="grid">${error && html`<div class="all"><${Failure} error=${error} /></div>`}
    <${Facts} title=${t("system.load")} rows=${[[t("system.cpu"), t("system.of.cores", { share: percent(load.cpu), n: load.cores })], [t("system.memory"), `${number(load.memory_mb)} MB`], [t("system.slowdown"), now.slowdown > 1 ? `× ${number(now.slowdown, 2)}` : t("system.slowdown.none")],
      [t("system.latency"), latencies.length ? seconds(Math.max(...latencies)) : "–"], [t("system.dropped"), number(dropped)], [t("system.viewers"), number(now.viewers)], [t("system.uptime"), span(now.uptime_s * SECOND)], [t("system.version"), now.version]]}>
        <${Meter} share=${load.cpu} label=${t("system.cpu")} /><//>
    <${Facts} title=${t("system.disk")} rows=${[[t("system.free"), `${gb(disk.free_gb)} / ${gb(disk.total_gb)}`], [t("system.pictures"), gb(disk.pictures_gb)], [t("system.store"), gb(disk.store_gb)],
      [t("system.keep.pictures"), kept(retention.pictures_h, HOUR)], [t("system.keep.rows"), kept(retention.rows_d, DAY)], [t("system.keep.gb"), retention.pictures_gb === null ? null : gb(retention.pictures_gb)], [t("system.keep.counts"), t("system.ever")],
      [t("system.next"), retention.next ? `${full(Date.parse(retention.next))} (${t(`system.next.${retention.next_what}`)})` : "–"]]}>
        <${Meter} share=${disk.total_gb ? 1 - disk.free_gb / disk.total_gb : 0} label=${t("system.disk")} /><//>
    <section class="panel all"><header><h2>${t("page.cameras")}</h2></header><div class="scroll"><table><thead><tr><th>${t("camera")}</th>
      <th>${t("system.state")}</th><th class="right">${t("system.latency.both")}</th><th class="right">${t("system.analysed")}</th>
      <th class="right">${t("system.dropped")}</th><th class="right">${t("system.lost")}</th>
      <th class="right">${t("system.reconnects")}</th></tr></thead>
      <tbody>${now.cameras.map((one) => html`<tr key=${one.id}><td><a href=${address(["cameras", one.id])}>${one.id}</a></td><td>
        <span class="row tight"><i class=${`dot ${dotOf(one.state)}`}>
        </i>${t(`state.${one.state}`)}${one.note && html`<span class="small bad-text">${because(one.note)}</span>`}</span></td>
        <td class="right num">${seconds(one.latency?.p50)} / ${seconds(one.latency?.p99)}</td>
          <td class="right num">${number(one.analysed)}</td><td class="right num">${number(one.dropped)}</td>
          <td class="right num">${number(one.lost)}</td><td class="right num">${number(one.reconnects)}</td></tr>`)}</tbody></table></div></section>
    <section class="panel"><header><h2>${t("system.models")}</h2></header><div class="scroll"><table>
      <tbody>${now.models.map((one) => html`<tr key=${one.name}><td><b>${one.name}</b></td><td class="soft">${one.task}</td>
      <td class="soft">${one.version}</td><td class="soft">${one.licence}</td></tr>`)}</tbody></table></div>
      <dl class="facts">${Object.entries(now.engines).map(([name, text]) => html`<dt>${name}</dt><dd>${text}</dd>`)}</dl></section>
    ${now.outlets && html`<section class="panel"><header><h2>${t("system.outlets")}</h2></header><div class="scroll"><table><thead><tr><th>${t("name")}</th>
      <th>${t("system.state")}</th><th class="right">${t("system.written")}</th><th class="right">${t("system.left")}</th>
      <th class="right">${t("system.waiting")}</th></tr></thead>
      <tbody>${now.outlets.map((one) => html`<tr key=${one.name}><td>${one.name}</td><td><span class="row tight">
        <i class=${`dot ${one.state === "up" ? "up" : "down"}`}>
        </i>${one.state === "up" ? t("state.up") : t("state.failing")}${one.note && html`<span class="small bad-text">${one.note}</span>`}</span>
        </td><td class="right num">${number(one.written)}</td><td class="right num">${number(one.left_out)}</td>
        <td class="right num">${number(one.waiting)}</td></tr>`)}</tbody></table></div></section>`}</div>`;
}

const when = (text) => (text ? html`<time datetime=${text} title=${full(Date.parse(text))}>${ago(Date.parse(text))}</time>` : "–");

function Users() {
  const { value, error, again } = useLoad((signal) => get("users", {}, signal), []);
  const [edited, setEdited] = useState(null);
  const [gone, setGone] = useState(null);
  return html`<section class="panel"><header><h2>${t("system.users")}</h2><span class="tools">
    <${Button} icon="plus" onClick=${() => setEdited({ role: "viewer", cameras: null })}>${t("users.add")}<//></span></header>
    ${error && html`<${Failure} error=${error} again=${again} />`}<div class="scroll"><table><thead><tr><th>${t("user")}</th>
      <th>${t("users.role")}</th><th>${t("page.cameras")}</th><th>${t("users.seen")}</th><th></th></tr></thead><tbody>
    ${value?.users.map((one) => html`<tr key=${one.user}><td><b>${one.user}</b></td><td>${t(`role.${one.role}`)}</td>
      <td>${places(one.cameras)}</td><td class="soft">${when(one.seen)}</td>
      <td class="right"><${Button} kind="quiet" icon="edit" label=${t("users.edit", { user: one.user })} onClick=${() => setEdited({ ...one, old: true })} />
        <${Button} kind="quiet" icon="trash" label=${t("users.drop", { user: one.user })} onClick=${() => setGone(one.user)} /></td>
        </tr>`)}</tbody></table></div>
    ${edited && html`<${User} user=${edited} onClose=${() => { setEdited(null); again(); }} />`}
    ${gone && html`<${Confirm} title=${t("users.drop", { user: gone })} text=${t("users.drop.sure")} action=${t("delete")} onClose=${() => setGone(null)} onDone=${async () => { await remove(`users/${at(gone)}`); again(); }} />`}</section>`;
}

const Role = ({ value, onChange }) => html`<${Field} label=${t("users.role")} hint=${t(`role.${value}.why`)}>
  <${Select} label=${t("users.role")} value=${value} options=${ROLES.map((role) => [role, t(`role.${role}`)])} onChange=${onChange} /><//>`;

function User({ user: old, onClose }) {
  const [user, setUser] = useState({ user: "", password: "", ...old, cameras: old.cameras ?? null });
  const [error, setError] = useState(null);
  const keep = async (event) => {
    event.preventDefault();
    const { user: name, role, cameras, password } = user;
    try {
      if (old.old) await patch(`users/${at(name)}`, { role, cameras, ...(password ? { password } : {}) });
      else await post("users", { user: name, password, role, cameras });
      onClose();
    } catch (found) { setError(found); }
  };
  return html`<${Dialog} title=${old.old ? user.user : t("users.add")} onClose=${onClose}><form class="form" onSubmit=${keep}>
    ${!old.old && html`<${Field} label=${t("user")}>
      <input class="input" name="new-user" required autocomplete="off" autocapitalize="none" value=${user.user} onInput=${(event) => setUser({ ...user, user: event.target.value })} /><//>`}
    <${Field} label=${t(old.old ? "password.new" : "password")} hint=${t("gate.least")}>
      <input class="input" name="new-password" type="password" minlength="12" required=${!old.old} autocomplete="new-password" value=${user.password} onInput=${(event) => setUser({ ...user, password: event.target.value })} />
      <//>
    <${Role} value=${user.role} onChange=${(role) => setUser({ ...user, role })} />
      <${Allowed} value=${user.cameras} onChange=${(cameras) => setUser({ ...user, cameras })} />
    ${error && html`<${Failure} error=${error} />`}<div><button class="button primary">${t("save")}</button></div></form><//>`;
}

function Tokens() {
  const { value, error, again } = useLoad((signal) => get("tokens", {}, signal), []);
  const [open, setOpen] = useState(false);
  const drop = async (id) => { await remove(`tokens/${id}`); again(); };
  return html`<section class="panel"><header><h2>${t("system.tokens")}</h2><span class="tools">
    <${Button} icon="plus" onClick=${() => setOpen(true)}>${t("tokens.add")}<//></span></header>
    <p class="soft">${t("tokens.why")}</p>${error && html`<${Failure} error=${error} again=${again} />`}<div class="scroll"><table><thead>
      <tr><th>${t("name")}</th><th>${t("users.role")}</th><th>${t("tokens.scopes")}</th><th>${t("tokens.used")}</th>
      <th>${t("tokens.ends")}</th><th></th></tr></thead><tbody>
    ${value?.tokens.map((one) => html`<tr key=${one.id}><td><b>${one.name}</b></td><td>${t(`role.${one.role}`)}</td>
      <td>${one.scopes.join(", ")}</td><td class="soft">${when(one.used)}</td><td class="soft">${one.ends ? full(Date.parse(one.ends)) : "–"}</td>
      <td class="right"><${Button} kind="quiet" icon="trash" label=${t("tokens.drop", { name: one.name })} onClick=${() => drop(one.id)} />
        </td></tr>`)}</tbody></table></div>
    ${open && html`<${Token} onClose=${() => { setOpen(false); again(); }} />`}</section>`;
}

function Token({ onClose }) {
  const [token, setToken] = useState({ name: "", role: "viewer", scopes: ["read"], cameras: null, days: 365 });
  const [made, setMade] = useState(null);
  const [error, setError] = useState(null);
  const turn = (scope) => setToken({ ...token, scopes: token.scopes.includes(scope) ? token.scopes.filter((one) => one !== scope) : [...token.scopes, scope] });
  const keep = async (event) => {
    event.preventDefault();
    try { setMade(await post("tokens", token)); } catch (found) { setError(found); }
  };
  if (made) return html`<${Dialog} title=${made.name} onClose=${onClose}><p>${t("tokens.once")}</p>
    <input class="input mono" readonly value=${made.token} aria-label=${t("tokens.once")} onFocus=${(event) => event.target.select()} /><//>`;
  return html`<${Dialog} title=${t("tokens.add")} onClose=${onClose}><form class="form" onSubmit=${keep}>
    <${Field} label=${t("name")}><input class="input" required maxlength="100" value=${token.name} onInput=${(event) => setToken({ ...token, name: event.target.value })} /><//>
    <${Role} value=${token.role} onChange=${(role) => setToken({ ...token, role })} />
    <div class="field"><span class="field-label">${t("tokens.scopes")}</span>${SCOPES.map((scope) => html`<label class="check" key=${scope}>
      <input type="checkbox" checked=${token.scopes.includes(scope)} onChange=${() => turn(scope)} />${scope}</label>`)}</div>
    <${Allowed} value=${token.cameras} onChange=${(cameras) => setToken({ ...token, cameras })} />
    <${Field} label=${t("tokens.days")}>
      <input class="input" type="number" min="1" max="3650" required value=${token.days} onInput=${(event) => setToken({ ...token, days: Number(event.target.value) })} /><//>
    ${error && html`<${Failure} error=${error} />`}<div><button class="button primary">${t("tokens.add")}</button></div></form><//>`;
}

function Audit({ query }) {
  const before = query.get("before");
  const { value, error, again } = useLoad((signal) => get("audit", { before, limit: 100 }, signal), [before]);
  return html`<section class="panel"><header><h2>${t("system.audit")}</h2></header>${error && html`<${Failure} error=${error} again=${again} />`}
    <div class="scroll"><table><thead><tr><th>${t("time")}</th><th>${t("user")}</th><th>${t("audit.from")}</th><th>${t("audit.what")}</th>
      <th>${t("audit.object")}</th></tr></thead><tbody>
    ${value?.audit.map((one) => html`<tr key=${one.id}><td class="num">${full(Date.parse(one.at))}</td><td>${one.user || "–"}</td>
      <td class="mono">${one.from}</td><td>${named("action", one.action)}</td><td class="cut">${one.object}</td></tr>`)}</tbody></table></div>
    <div class="row">${before && html`<${Button} onClick=${() => set({ before: null })}>${t("audit.newest")}<//>`}${value?.next && html`<${Button} onClick=${() => set({ before: value.next }, true)}>${t("audit.older")}<//>`}</div>
      </section>`;
}
