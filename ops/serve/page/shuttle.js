// Frame-exact playing of one shot's proxy: J/K/L, steps of a frame, and the number of the frame that is on screen.
// The proxy holds exactly the shot's frames from time 0, so its n-th frame is the source's start_frame + n.

const FASTEST = 8;
const CLOSE_S = 0.001; // a browser may round a frame's time

/** @typedef {number[]|null} Edges  seconds at which the frames of a shot of varying rate begin, and its end */

/** Seconds at the middle of a frame. @param {number} frame @param {import("./timecode.js").Rate} rate @param {Edges} edges */
export function middleOf(frame, rate, edges) {
  return edges ? (edges[frame] + edges[frame + 1]) / 2 : ((frame + 0.5) * rate.den) / rate.num;
}

/** The frame at a time that a browser reports. @param {number} seconds @param {import("./timecode.js").Rate} rate @param {Edges} edges */
export function frameAt(seconds, rate, edges) {
  if (!edges) return Math.floor((seconds * rate.num) / rate.den + 0.5);
  let [low, high] = [0, edges.length - 2];
  while (low < high) { // the last frame that has begun
    const middle = Math.ceil((low + high) / 2);
    if (edges[middle] <= seconds + CLOSE_S) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Fires "frame" when another frame is on screen and "speed" when the speed changes. */
export class Shuttle extends EventTarget {
  /** @param {HTMLVideoElement} video */
  constructor(video) {
    super();
    this.video = video;
    this.rate = { num: 25, den: 1 };
    /** @type {Edges} */
    this.edges = null;
    this.frames = 1;
    this.frame = 0;
    this.speed = 0;
    this.loadNumber = 0;
    /** whether a seek waits for the end of another */
    this.waits = false;
    video.addEventListener("seeked", () => { if (this.waits) this.showFrame(); });
    video.addEventListener("ended", () => this.stopped());
    if ("requestVideoFrameCallback" in HTMLVideoElement.prototype) this.watchFrames();
    else video.addEventListener("timeupdate", () => this.presented(video.currentTime));
  }

  /**
   * @param {string} proxy address @param {import("./timecode.js").Rate} rate
   * @param {number} frames in the shot @param {number} at frame to stand at @param {boolean} play at once
   */
  load(proxy, rate, frames, at = 0, play = false) {
    this.pause();
    this.rate = rate;
    this.edges = null;
    this.frames = Math.max(frames, 1);
    this.loadNumber += 1;
    this.waits = false;
    const mine = this.loadNumber;
    this.setFrame(Math.min(Math.max(at, 0), this.frames - 1));
    this.video.src = proxy;
    this.video.addEventListener("loadedmetadata", () => {
      if (mine !== this.loadNumber) return;
      this.seek(this.frame);
      if (play) this.play(1);
    }, { once: true });
  }

  /** Count by these times from now on: those of the shot's frames, and its length. @param {number[]} times @param {number} length */
  setTimes(times, length) {
    if (times.length !== this.frames) return;
    this.edges = [...times, Math.max(length, (times.at(-1) ?? 0) + CLOSE_S)];
    if (this.speed <= 0) this.seek(this.frame);
  }

  unload() {
    this.pause();
    this.loadNumber += 1;
    this.video.removeAttribute("src");
    this.video.load();
  }

  /** Show a frame of the shot: the middle of its time, so that rounding cannot show its neighbour. @param {number} frame */
  seek(frame) {
    this.setFrame(Math.min(Math.max(Math.round(frame), 0), this.frames - 1));
    this.waits = this.video.seeking;
    if (!this.waits) this.showFrame();
  }

  /** Let the video show the frame. One seek at a time: Chromium may never end one that begins during another. */
  showFrame() {
    this.waits = false;
    if (this.video.readyState > 0) this.video.currentTime = middleOf(this.frame, this.rate, this.edges);
  }

  /** @param {number} count frames, negative backwards */
  step(count) {
    this.pause();
    this.seek(this.frame + count);
  }

  /** Faster in a direction, or turn round. @param {1|-1} direction */
  shuttle(direction) {
    this.play(this.speed * direction > 0 ? Math.min(Math.abs(this.speed) * 2, FASTEST) * direction : direction);
  }

  toggle() {
    if (this.speed) this.pause();
    else this.play(1);
  }

  /** @param {number} speed times the real one; negative backwards */
  play(speed) {
    if (speed > 0 && this.frame >= this.frames - 1) this.seek(0);
    this.setSpeed(speed);
    if (speed > 0) {
      this.video.playbackRate = speed;
      this.video.play().catch(() => this.pause()); // the browser may refuse to play before a first touch
    } else {
      this.video.pause();
      this.runBackwards();
    }
  }

  /** Stop at the reported frame; a busy browser may be a frame or two ahead of its last report. */
  pause() {
    const ran = this.speed > 0;
    this.video.pause();
    this.setSpeed(0);
    if (ran) this.seek(this.frame);
  }

  stopped() {
    this.setSpeed(0);
    this.seek(this.frames - 1);
  }

  /** Browsers play no video backwards: seek as time goes by, one seek at a time. */
  runBackwards() {
    const from = this.edges ? this.edges[this.frame] : (this.frame * this.rate.den) / this.rate.num;
    const began = performance.now();
    const speed = this.speed;
    const tick = () => {
      if (this.speed !== speed) return;
      const gone = ((performance.now() - began) / 1000) * Math.abs(speed);
      const frame = frameAt(from - gone, this.rate, this.edges);
      if (frame !== this.frame && !this.video.seeking) this.seek(frame);
      if (this.frame <= 0) this.pause();
      else requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }

  watchFrames() {
    /** @type {VideoFrameRequestCallback} */
    const seen = (_now, { mediaTime }) => {
      if (this.speed > 0) this.presented(mediaTime);
      this.video.requestVideoFrameCallback(seen);
    };
    this.video.requestVideoFrameCallback(seen);
  }

  /** @param {number} mediaTime */
  presented(mediaTime) {
    const frame = frameAt(mediaTime, this.rate, this.edges);
    this.setFrame(Math.min(Math.max(frame, 0), this.frames - 1));
  }

  /** @param {number} frame */
  setFrame(frame) {
    this.frame = frame;
    this.dispatchEvent(new Event("frame"));
  }

  /** @param {number} speed */
  setSpeed(speed) {
    if (speed === this.speed) return;
    this.speed = speed;
    this.dispatchEvent(new Event("speed"));
  }
}
