// First start and login.
import { html, useState } from "../dom.js";
import { post } from "../api.js";
import { t } from "../i18n.js";
import { Field, Failure } from "../parts.js";

export function Gate({ first, onEnter }) {
  const [said, setSaid] = useState({ user: first ? "admin" : "", password: "", again: "" });
  const [error, setError] = useState(null);
  const [busy, setBusy] = useState(false);
  const set = (name) => (event) => setSaid({ ...said, [name]: event.target.value });
  const differs = first && said.again !== "" && said.again !== said.password;
  const enter = async (event) => {
    event.preventDefault();
    if (differs) return;
    setBusy(true);
    setError(null);
    try {
      onEnter(await post(first ? "setup" : "login", { user: said.user, password: said.password }));
    } catch (found) {
      setError(found);
      setBusy(false);
    }
  };
  return html`<main class="gate"><form class="card" onSubmit=${enter}>
    <div class="mark"><img src="icon.svg" alt="" />Threadline</div>
    <div class="stack"><h1>${t(first ? "gate.first" : "gate.login")}</h1>${first && html`<p class="soft">${t("gate.first.why")}</p>`}</div>
    <${Field} label=${t("user")}><input class="input" name="user" autocomplete="username" autocapitalize="none" required autofocus value=${said.user} onInput=${set("user")} /><//>
    <${Field} label=${t("password")} hint=${first && t("gate.least")}>
      <input class="input" name="password" type="password" required minlength=${first ? 12 : undefined}
      autocomplete=${first ? "new-password" : "current-password"} value=${said.password} onInput=${set("password")} /><//>
    ${first && html`<${Field} label=${t("gate.repeat")} error=${differs && t("gate.differs")}>
      <input class="input" name="again" type="password" required autocomplete="new-password"
      value=${said.again} onInput=${set("again")} /><//>`}
    ${error && html`<${Failure} error=${error} />`}
    <button class="button primary" disabled=${busy}>${t(first ? "gate.begin" : "gate.enter")}</button></form></main>`;
}
