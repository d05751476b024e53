// All cameras at a glance, one of them large.
import { html, useState, useEffect, useCallback } from "../dom.js";
import { get, follow } from "../api.js";
import { t } from "../i18n.js";
import { address, changed, set } from "../route.js";
import { useMay } from "../me.js";
import { typing } from "../keys.js";
import { Page, Choice, Empty, Failure, Select } from "../parts.js";
import { Tile } from "../tile.js";
import { Beside } from "../beside.js";

/** The cameras and how they are, kept up to date by the service's events. */
function useCameras() {
  const [cameras, setCameras] = useState(null);
  const [error, setError] = useState(null);
  const load = useCallback(() => get("state").then((state) => { setCameras(state.cameras); setError(null); }, setError), []);
  useEffect(() => {
    load();
    const renewed = setInterval(load, 30_000);
    const stop = follow({
      cameras: load,
      camera: (said) => setCameras((all) => all?.map((one) => (one.id === said.id ? { ...one, ...said } : one))),
    });
    return () => { clearInterval(renewed); stop(); };
  }, []);
  return { cameras, error, load };
}

const SIZES = { s: "260px", m: "380px", l: "560px" };

export default function Wall({ route }) {
  const { cameras, error, load } = useCameras();
  const operator = useMay("operator"), admin = useMay("admin");
  const chosen = route.query.get("camera");
  const filmed = operator && route.query.get("as") === "filmed";
  const always = route.query.get("rest") === "no";
  const size = route.query.get("size") || "m";
  const one = cameras?.find(({ id }) => id === chosen);
  useKeys(cameras, chosen);
  if (error && !cameras) return html`<${Page} title=${t("page.wall")}><${Failure} error=${error} again=${load} /><//>`;
  if (!cameras) return html`<${Page} title=${t("page.wall")} />`;
  const tools = html`${cameras.some(({ raw }) => raw) && operator && html`<${Choice} label=${t("wall.heads")} value=${filmed ? "filmed" : ""}
      options=${[["", t("wall.hidden")], ["filmed", t("wall.filmed")]]} onChange=${(as) => set({ as })} />`}
    ${!chosen && html`<${Choice} label=${t("wall.rest")} value=${always ? "no" : ""} options=${[["", t("wall.smart")], ["no", t("wall.always")]]} onChange=${(rest) => set({ rest })} />
      <span class="no-phone"><${Choice} label=${t("wall.size")} value=${size} options=${[["s", "S"], ["m", "M"], ["l", "L"]]} onChange=${(value) => set({ size: value === "m" ? null : value })} /></span>`}
    ${chosen && html`<${Select} label=${t("camera")} value=${chosen} options=${cameras.map(({ id }) => [id, id])} onChange=${(camera) => set({ camera })} />
      <a class="button" href=${changed(route, { camera: null })}>${t("wall.all")}</a>`}`;
  const title = one ? one.id : t("page.wall");
  if (!cameras.length) {
    return html`<${Page} title=${title}><${Empty} icon="cameras" title=${t("wall.none")}>${t("wall.none.why")}
      ${admin && html`<br /><br /><a class="button primary" href=${address("cameras", { add: "1" })}>${t("cameras.add")}</a>`}<//><//>`;
  }
  if (one) {
    return html`<${Page} title=${title} tools=${tools}><div class="wall one">
      <${Tile} key=${one.id} camera=${one} filmed=${filmed} large />
      <${Beside} camera=${one} /></div><//>`;
  }
  return html`<${Page} title=${title} tools=${tools}><div class="wall" style=${{ "--tile": SIZES[size] || SIZES.m }}>
    ${cameras.map((camera) => html`<${Tile} key=${camera.id} camera=${camera} filmed=${filmed} rests=${!always}
      onOpen=${() => set({ camera: camera.id }, true)} />`)}</div><//>`;
}

function useKeys(cameras, chosen) {
  useEffect(() => {
    const pressed = (event) => {
      if (typing(event) || !cameras?.length) return;
      const n = cameras.findIndex(({ id }) => id === chosen);
      if (/^[1-9]$/.test(event.key) && cameras[event.key - 1]) set({ camera: cameras[event.key - 1].id }, true);
      else if (event.key === "Escape" && chosen) set({ camera: null }, true);
      else if (n >= 0 && ["ArrowLeft", "ArrowRight"].includes(event.key)) {
        const step = event.key === "ArrowLeft" ? -1 : 1;
        set({ camera: cameras[(n + step + cameras.length) % cameras.length].id });
      } else if (event.key === "f") {
        if (document.fullscreenElement) document.exitFullscreen();
        else (document.querySelector(".wall.one .tile") || document.querySelector(".main"))?.requestFullscreen();
      }
    };
    addEventListener("keydown", pressed);
    return () => removeEventListener("keydown", pressed);
  }, [cameras, chosen]);
}
