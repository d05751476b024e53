// One socket for everything that is seen live: tiles say what they want, pictures and boxes come back.
import { get, liveAddress } from "./api.js";

const JPEG = 1, INIT = 2, FRAGMENT = 3;
const MOST_WAIT_MS = 15_000, NOT_ANY_MORE = 4403;

class Live {
  #tiles = new Map();
  #socket = null;
  #wait = 500;
  #timer = null;
  #queued = false;

  /** Watch a camera as ``want`` says ({as, width, rate}); ``on`` has picture, video, segment, boxes and
   * error. Call the result to stop. Of one camera there is one watcher. */
  watch(camera, want, on) {
    const tile = { camera, want, on };
    this.#tiles.set(camera, tile);
    this.#tell();
    return () => {
      if (this.#tiles.get(camera) !== tile) return;
      this.#tiles.delete(camera);
      this.#tell();
    };
  }

  /** Tell the service once what all tiles want; without tiles, hang up. */
  #tell() {
    if (this.#queued) return;
    this.#queued = true;
    setTimeout(() => {
      this.#queued = false;
      if (!this.#tiles.size) this.#close();
      else if (!this.#socket) this.#open();
      else if (this.#socket.readyState === WebSocket.OPEN) this.#send();
    }, 0);
  }

  #send() {
    const tiles = [...this.#tiles.values()].map(({ camera, want }) => ({ camera, ...want }));
    this.#socket.send(JSON.stringify({ tiles }));
  }

  #open() {
    clearTimeout(this.#timer);
    const socket = new WebSocket(liveAddress());
    socket.binaryType = "arraybuffer";
    socket.onopen = () => { this.#wait = 500; this.#send(); };
    socket.onmessage = ({ data }) => (typeof data === "string" ? this.#told(JSON.parse(data)) : this.#shown(data));
    socket.onclose = ({ code }) => {
      if (code === NOT_ANY_MORE) get("me").catch(() => {}); // who is not logged in any more is shown the door
      if (this.#socket !== socket) return;
      this.#socket = null;
      for (const { on } of this.#tiles.values()) on.gone?.();
      this.#timer = setTimeout(() => this.#tiles.size && this.#open(), this.#wait);
      this.#wait = Math.min(this.#wait * 2, MOST_WAIT_MS);
    };
    this.#socket = socket;
  }

  #close() {
    clearTimeout(this.#timer);
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #told({ camera, ...said }) {
    const on = this.#tiles.get(camera)?.on;
    for (const name of Object.keys(said)) on?.[name]?.(said[name]);
  }

  #shown(bytes) {
    const view = new DataView(bytes), kind = view.getUint8(0), n = view.getUint8(1);
    const camera = new TextDecoder().decode(new Uint8Array(bytes, 2, n));
    const pts = view.getFloat64(2 + n), stream = view.getUint32(10 + n);
    const content = new Uint8Array(bytes, 14 + n), on = this.#tiles.get(camera)?.on;
    if (kind === JPEG) on?.picture?.(content, pts, stream);
    else if (kind === INIT || kind === FRAGMENT) on?.segment?.(content, kind === INIT, { stream, pts });
  }
}

export const live = new Live();
