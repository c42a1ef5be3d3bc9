// Frame-exact playing of one shot's proxy: J/K/L, steps of a frame, and the number of the frame that is on screen.
// The proxy holds exactly the shot's frames from time 0, so its n-th frame is the source's start_frame + n.

const FASTEST = 8;

/** Tells "frame" when another frame is on screen and "speed" when the speed changes. */
export class Shuttle extends EventTarget {
  /** @param {HTMLVideoElement} video */
  constructor(video) {
    super();
    this.video = video;
    this.rate = { num: 25, den: 1 };
    this.frames = 1;
    this.frame = 0;
    this.speed = 0;
    this.loaded = 0;
    video.addEventListener("ended", () => this.stopped());
    if ("requestVideoFrameCallback" in video) this.watchFrames();
    else video.addEventListener("timeupdate", () => this.presented(video.currentTime));
  }

  /**
   * @param {string} proxy address @param {import("./timecode.js").Rate} rate
   * @param {number} frames in the shot @param {number} at frame to stand at @param {boolean} play at once
   */
  load(proxy, rate, frames, at = 0, play = false) {
    this.pause();
    this.rate = rate;
    this.frames = Math.max(frames, 1);
    this.loaded += 1;
    const mine = this.loaded;
    this.setFrame(Math.min(Math.max(at, 0), this.frames - 1));
    this.video.src = proxy;
    this.video.addEventListener("loadedmetadata", () => {
      if (mine !== this.loaded) return;
      this.seek(this.frame);
      if (play) this.play(1);
    }, { once: true });
  }

  unload() {
    this.pause();
    this.loaded += 1;
    this.video.removeAttribute("src");
    this.video.load();
  }

  /** Stand at a frame of the shot; the middle of its time, so that rounding cannot show its neighbour. */
  seek(frame) {
    this.setFrame(Math.min(Math.max(Math.round(frame), 0), this.frames - 1));
    if (this.video.readyState > 0) this.video.currentTime = ((this.frame + 0.5) * this.rate.den) / this.rate.num;
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

  pause() {
    this.video.pause();
    this.setSpeed(0);
  }

  stopped() {
    this.setSpeed(0);
    this.seek(this.frames - 1);
  }

  /** Browsers play no video backwards: seek as time goes by, one seek at a time. */
  runBackwards() {
    const from = this.frame;
    const began = performance.now();
    const speed = this.speed;
    const tick = () => {
      if (this.speed !== speed) return;
      const gone = ((performance.now() - began) / 1000) * Math.abs(speed) * (this.rate.num / this.rate.den);
      const frame = from - Math.floor(gone);
      if (frame !== this.frame && !this.video.seeking) this.seek(frame);
      if (this.frame <= 0) this.pause();
      else requestAnimationFrame(tick);
    };
    requestAnimationFrame(tick);
  }

  watchFrames() {
    const seen = (_now, { mediaTime }) => {
      if (this.speed > 0) this.presented(mediaTime);
      this.video.requestVideoFrameCallback(seen);
    };
    this.video.requestVideoFrameCallback(seen);
  }

  presented(mediaTime) {
    const frame = Math.floor((mediaTime * this.rate.num) / this.rate.den + 0.5);
    this.setFrame(Math.min(Math.max(frame, 0), this.frames - 1));
  }

  setFrame(frame) {
    this.frame = frame;
    this.dispatchEvent(new Event("frame"));
  }

  setSpeed(speed) {
    if (speed === this.speed) return;
    this.speed = speed;
    this.dispatchEvent(new Event("speed"));
  }
}
