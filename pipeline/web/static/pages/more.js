// On phones: what the rail has no room for.
import { html, useContext } from "../dom.js";
import { t } from "../i18n.js";
import { address } from "../route.js";
import { Me } from "../me.js";
import { Page } from "../parts.js";
import { Icon } from "../icons.js";

export default function More() {
  const me = useContext(Me);
  return html`<${Page} title=${t("page.more")}><nav class="stack">${["brands", "cameras", "system"].map((name) => html`
    <a class="card big-link" key=${name} href=${address(name)}><${Icon} name=${name} />${t(`page.${name}`)}</a>`)}
    <a class="card big-link" href=${address("more", { me: "1" })}><${Icon} name="user" />${me.user}</a></nav><//>`;
}
