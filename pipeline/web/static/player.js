// A camera's own H.264 in a video element: fragments of one picture each, kept as little behind live as
// boxes allow.
const Source = window.ManagedMediaSource || window.MediaSource;
/** Seconds: kept behind what is shown; least and most behind live; beyond that, from which it jumps. */
const KEPT_S = 4, LEAST_S = 0.3, MOST_S = 2.5, JUMP_S = 1.5;
/** Seconds of difference from which it runs faster or slower. */
const SLACK_S = 0.12;

const canPlay = (codec) => Boolean(Source?.isTypeSupported(`video/mp4; codecs="${codec}"`));

export class Player {
  #video; #media = null; #buffer = null; #waiting = []; #codec = ""; #address = null; #live = true; #aim = LEAST_S;

  constructor(video) {
    this.#video = video;
    video.muted = true;
    video.playsInline = true;
    video.disableRemotePlayback = true; // Safari gives no media source otherwise
  }

  /** What follows: a codec; ``false`` if this browser cannot play it. */
  begin({ codec }) {
    this.#codec = codec;
    return canPlay(codec);
  }

  /** What is known of a picture comes so many seconds after it: stay as far behind, so that it is there in time. */
  wait(lag) {
    this.#aim = Math.min(MOST_S, Math.max(LEAST_S, lag + 0.1, this.#aim - 0.02));
  }

  /** A segment; an initial one begins a new time. */
  add(content, initial) {
    if (initial) this.#restart();
    if (!this.#media) return;
    this.#waiting.push(content);
    if (this.#waiting.length > 200) this.#waiting.splice(1, this.#waiting.length - 100); // a tab nobody sees
    this.#feed();
  }

  end() {
    this.#live = false;
    this.#drop();
  }

  #drop() {
    this.#buffer = null;
    this.#media = null;
    this.#waiting = [];
    if (this.#address) URL.revokeObjectURL(this.#address);
    this.#address = null;
    this.#video.removeAttribute("src");
    this.#video.srcObject = null;
  }

  #restart() {
    this.#drop();
    const media = new Source();
    this.#media = media;
    media.addEventListener("sourceopen", () => {
      if (this.#media !== media) return;
      this.#buffer = media.addSourceBuffer(`video/mp4; codecs="${this.#codec}"`);
      this.#buffer.mode = "segments";
      this.#buffer.addEventListener("updateend", () => this.#media === media && this.#fed());
      this.#feed();
    }, { once: true });
    if (window.ManagedMediaSource) this.#video.srcObject = media;
    else this.#video.src = this.#address = URL.createObjectURL(media);
  }

  #feed() {
    if (!this.#buffer || this.#buffer.updating || !this.#waiting.length) return;
    const parts = this.#waiting.splice(0);
    const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) { all.set(part, at); at += part.length; }
    try { this.#buffer.appendBuffer(all); } catch { this.#drop(); } // until the next initial segment
  }

  #fed() {
    const { buffered } = this.#buffer, video = this.#video;
    if (!buffered.length) { this.#feed(); return; }
    const end = buffered.end(buffered.length - 1), gap = end - video.currentTime;
    if (video.currentTime < buffered.start(0) || gap > this.#aim + JUMP_S) video.currentTime = Math.max(buffered.start(0), end - this.#aim);
    else video.playbackRate = gap > this.#aim + SLACK_S ? 1.1 : gap < this.#aim - SLACK_S ? 0.9 : 1;
    if (video.paused && this.#live) video.play().catch(() => {});
    if (video.currentTime - buffered.start(0) > 2 * KEPT_S) this.#buffer.remove(buffered.start(0), video.currentTime - KEPT_S);
    else this.#feed();
  }
}
