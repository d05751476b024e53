// One camera on the wall: live with boxes, resting until somebody comes, or saying why there is nothing.
import { html, useState, useEffect, useRef } from "./dom.js";
import { picture, at } from "./api.js";
import { t } from "./i18n.js";
import { full, moment } from "./time.js";
import { Icon } from "./icons.js";
import { live } from "./live.js";
import { Player } from "./player.js";
import { Boxes, cleared, drawBoxes, fitted } from "./boxes.js";
import { said, because } from "./words.js";

/** How long a tile stays awake after the last person was seen, and how old a resting picture gets. */
const AWAKE_MS = 8_000, RESTING_MS = 60_000;

/** Whether an element is in sight of somebody. */
function useSeen(box) {
  const [seen, setSeen] = useState(false);
  useEffect(() => {
    let near = false;
    const tell = () => setSeen(near && !document.hidden);
    const watcher = new IntersectionObserver((entries) => { near = entries.at(-1).isIntersecting; tell(); }, { rootMargin: "80px" });
    watcher.observe(box.current);
    document.addEventListener("visibilitychange", tell);
    return () => { watcher.disconnect(); document.removeEventListener("visibilitychange", tell); };
  }, []);
  return seen;
}

export function Tile({ camera, filmed, rests, large, onOpen }) {
  const box = useRef(null);
  const seen = useSeen(box);
  const [awake, setAwake] = useState(false);
  const [people, setPeople] = useState(0);
  const [refused, setRefused] = useState(null);
  const up = camera.state === "up";
  const shown = seen && up && (awake || !rests);
  const mode = filmed && camera.raw && !refused ? "video" : "jpeg";
  useEffect(() => setRefused(null), [filmed, camera.id]);
  const last = useRef(0);
  const count = (n) => {
    setPeople(n);
    if (n) last.current = Date.now();
    setAwake(Date.now() - last.current < AWAKE_MS);
  };
  useEffect(() => { if (!up) { setPeople(0); setAwake(false); } }, [up]);
  const view = { box, camera: camera.id, size: camera.size, wide: large ? 1280 : 640, onCount: count };
  return html`<div ref=${box} class=${`tile ${shown ? "" : "rest"} ${people ? "busy" : ""}`} style=${{ aspectRatio: camera.size?.[0] ? `${camera.size[0]} / ${camera.size[1]}` : undefined }}
      role=${onOpen ? "button" : undefined} tabindex=${onOpen ? 0 : undefined} aria-label=${`${camera.id}: ${t(`state.${camera.state}`)}`} data-camera=${camera.id} data-state=${camera.state}
      onClick=${onOpen} onKeyDown=${(event) => onOpen && ["Enter", " "].includes(event.key) && (event.preventDefault(), onOpen())}>
    ${!shown && html`<${Still} camera=${camera} />`}
    ${shown && mode === "jpeg" && html`<${Drawn} ...${view} />`}
    ${shown && mode === "video" && html`<${Filmed} ...${view} onRefused=${setRefused} />`}
    ${seen && up && !shown && html`<${Watch} camera=${camera.id} onCount=${count} />`}
    ${!up && html`<${Down} camera=${camera} />`}
    <div class="top"><span class="cut">${camera.id}</span><span class="spread">
      ${people > 0 && html`<span class="chip"><${Icon} name="people" /><span class="num">${people}</span></span>`}
      ${shown && mode === "video" && html`<span class="chip">${t("wall.unblurred")}</span>`}
      ${!shown && up && html`<span class="chip"><${Icon} name="moon" />${t("wall.resting")}</span>`}</span></div>
    ${refused && html`<div class="bottom"><span class="chip">${t(`live.${refused}`)}</span></div>`}</div>`;
}

function Down({ camera }) {
  if (camera.state === "done") return html`<div class="bottom"><span class="chip">${t("state.done")}</span></div>`;
  const since = Date.parse(camera.since);
  return html`<div class="said"><${Icon} name=${["waiting", "connecting"].includes(camera.state) ? "clock" : "warn"} />
    <strong>${t(`state.${camera.state}`)}</strong>
    ${camera.note && html`<span>${because(camera.note)}</span>`}${since && html`<span title=${full(since)}>${t("since", { when: moment(since) })}</span>`}</div>`;
}

function Still({ camera }) {
  const [turn, setTurn] = useState(0);
  const [missing, setMissing] = useState(false);
  useEffect(() => {
    const clock = setInterval(() => { setTurn((n) => n + 1); setMissing(false); }, RESTING_MS);
    return () => clearInterval(clock);
  }, [camera.state]);
  if (missing) return null;
  return html`<img alt="" src=${picture(`cameras/${at(camera.id)}/picture.jpg`, { width: 640, turn })} onError=${() => setMissing(true)} />`;
}

/** Boxes without pictures: enough to wake up. */
function Watch({ camera, onCount }) {
  useEffect(() => {
    const clock = setInterval(() => onCount(0), AWAKE_MS);
    const stop = live.watch(camera, { as: "boxes" }, { boxes: ({ people }) => onCount(people.length) });
    return () => { clearInterval(clock); stop(); };
  }, [camera]);
  return null;
}

/** Pictures that the service drew, with heads hidden. */
function Drawn({ camera, wide, onCount }) {
  const canvas = useRef(null);
  useEffect(() => {
    const boxes = new Boxes();
    let newest = null, ended = false;
    const draw = () => {
      if (!newest || ended) return;
      const pen = cleared(canvas.current), { clientWidth, clientHeight } = canvas.current;
      const frame = fitted(clientWidth, clientHeight, newest.image.width / newest.image.height);
      pen.drawImage(newest.image, frame.x, frame.y, frame.wide, frame.high);
      drawBoxes(pen, boxes.at(newest.pts, newest.stream), frame, said);
      canvas.current.dataset.pts = newest.pts;
    };
    const stop = live.watch(camera, { as: "jpeg", width: wide, rate: wide > 640 ? 10 : 5 }, {
      boxes: (result) => { boxes.add(result); onCount(result.people.length); draw(); },
      picture: async (content, pts, stream) => {
        try {
          const image = await createImageBitmap(new Blob([content], { type: "image/jpeg" }));
          if (ended || (newest && newest.stream === stream && newest.pts > pts)) { image.close(); return; }
          newest?.image.close();
          newest = { image, pts, stream };
          draw();
        } catch { /* a broken picture: the next one comes */ }
      },
    });
    return () => { ended = true; stop(); newest?.image.close(); };
  }, [camera, wide]);
  return html`<canvas ref=${canvas} data-live="jpeg"></canvas>`;
}

/** The camera's own video, boxes by the time of the picture that is shown. */
function Filmed({ camera, onCount, onRefused }) {
  const video = useRef(null), canvas = useRef(null);
  useEffect(() => {
    const boxes = new Boxes(), player = new Player(video.current);
    let stream = 0, newest = 0, handle = 0;
    const frame = (_, { mediaTime, width, height }) => {
      if (canvas.current) {
        const pen = cleared(canvas.current), { clientWidth, clientHeight } = canvas.current;
        drawBoxes(pen, boxes.at(mediaTime, stream), fitted(clientWidth, clientHeight, width / height), said);
        canvas.current.dataset.pts = mediaTime;
        handle = video.current.requestVideoFrameCallback(frame);
      }
    };
    if (video.current.requestVideoFrameCallback) handle = video.current.requestVideoFrameCallback(frame);
    const stop = live.watch(camera, { as: "video" }, {
      boxes: (result) => {
        boxes.add(result);
        onCount(result.people.length);
        if (result.stream === stream) player.wait(newest - result.pts);
      },
      video: (about) => { if (!player.begin(about)) onRefused("codec"); },
      segment: (content, initial, of) => {
        if (initial) stream = of.stream;
        else newest = of.pts;
        player.add(content, initial);
      },
      error: onRefused,
    });
    return () => { stop(); player.end(); video.current?.cancelVideoFrameCallback?.(handle); };
  }, [camera]);
  return html`<video ref=${video} muted playsinline></video><canvas ref=${canvas} data-live="video"></canvas>`;
}
