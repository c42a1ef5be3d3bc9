// The picture of a film in its view: plays on from shot to shot, each from its own proxy, and reports the current frame.
import { Problem, shot as readShot } from "./api.js";
import { el, icon, iconButton } from "./dom.js";
import { Shuttle } from "./shuttle.js";
import { Sound } from "./stage.js";
import { rateOf, timecodeIn } from "./timecode.js";
/** @import {PageShot} from "./types.d.ts" */

const SETTLE_MS = 150; // of keys that move on: only the shot at which they stop is loaded

export class FilmStage {
  /** @type {PageShot[]} */
  shots = [];
  index = -1;
  /** whether the next position comes from the picture itself */
  loadedIndex = -1;
  timer = 0;
  video = el("video", { class: "stage-video", playsinline: true, preload: "auto", tabindex: -1, "aria-label": "The current shot" });
  ahead = el("video", { preload: "auto", muted: true });
  shuttle = new Shuttle(this.video);
  sound = new Sound(this.video);
  now = el("span", { class: "timecode grow" });
  playButton = iconButton("play", "Play the film", { key: "Space", onclick: () => { this.toggle(); } });
  place = el("div", { class: "film-stage" }, el("div", { class: "stage" }, this.video),
    el("div", { class: "row film-transport" },
      iconButton("previous", "The shot before", { onclick: () => { this.step(-1); } }), this.playButton,
      iconButton("next", "The next shot", { onclick: () => { this.step(1); } }), this.now, this.sound.button));

  /** @param {(frame: number) => void} moved called when another frame of the film is shown */
  constructor(moved) {
    this.moved = moved;
    this.video.addEventListener("click", () => this.toggle());
    this.video.addEventListener("ended", () => { if (this.index + 1 < this.shots.length) this.load(this.index + 1, 0, true); });
    this.shuttle.addEventListener("speed", () => this.showSpeed());
    this.shuttle.addEventListener("frame", () => {
      const shot = this.shots[this.index];
      if (!shot || this.loadedIndex !== this.index) return;
      this.showTime(shot.start_frame + this.shuttle.frame);
      if (this.shuttle.speed) this.moved(shot.start_frame + this.shuttle.frame);
    });
  }

  /** @param {PageShot[]} shots @param {boolean} hasSound */
  show(shots, hasSound) {
    this.unload();
    this.shots = shots;
    this.sound.setPresent(hasSound);
  }

  unload() {
    clearTimeout(this.timer);
    this.index = this.loadedIndex = -1;
    this.now.textContent = "";
    this.shuttle.unload();
    this.video.removeAttribute("poster");
    this.ahead.removeAttribute("src");
  }

  /** Show a frame: its shot's poster at once, the frame when the moves have ended. @param {number} index of the shot @param {number} frame of the film */
  stand(index, frame) {
    const shot = this.shots[index];
    if (!shot) return;
    clearTimeout(this.timer);
    this.showTime(frame);
    if (index === this.loadedIndex) {
      this.index = index;
      this.shuttle.pause();
      this.shuttle.seek(frame - shot.start_frame);
      return;
    }
    this.shuttle.pause();
    this.index = index;
    this.loadedIndex = -1;
    this.video.poster = shot.poster;
    if (this.video.hasAttribute("src")) this.shuttle.unload();
    this.timer = setTimeout(() => this.load(index, frame - shot.start_frame, false), SETTLE_MS);
  }

  /** @param {number} index @param {number} at frame of the shot @param {boolean} play */
  load(index, at, play) {
    const shot = this.shots[index];
    clearTimeout(this.timer);
    this.index = this.loadedIndex = index;
    this.video.poster = shot.poster;
    this.shuttle.load(shot.proxy, rateOf(shot.fps), shot.end_frame - shot.start_frame, at, play);
    this.count(shot);
    if (play) {
      this.moved(shot.start_frame + at);
      const next = this.shots[index + 1];
      if (next) this.ahead.src = next.proxy; // so that it is in the browser's cache when it is its turn
    }
  }

  /** Count the frames of a shot by their own times if its rate varies. @param {PageShot} shot */
  async count(shot) {
    const { loadNumber } = this.shuttle;
    try {
      const { frame_times: times, start_s, end_s } = await readShot(shot.shot_id);
      if (times && loadNumber === this.shuttle.loadNumber) this.shuttle.setTimes(times, end_s - start_s);
    } catch (error) {
      if (!(error instanceof Problem)) throw error; // the film view reports a service that does not answer
    }
  }

  toggle() {
    const { index } = this;
    if (index < 0) return;
    if (this.loadedIndex !== index) this.load(index, 0, true);
    else this.shuttle.toggle();
  }

  /** @param {number} way */
  step(way) {
    const shot = this.shots[this.index + way];
    if (!shot) return;
    this.stand(this.index + way, shot.start_frame);
    this.moved(shot.start_frame);
  }

  /** @param {number} frame of the film */
  showTime(frame) {
    const shot = this.shots[this.index] ?? this.shots[0];
    const edges = this.loadedIndex === this.index ? this.shuttle.edges : null;
    if (shot) this.now.textContent = `${timecodeIn(shot, frame, edges)} · ${frame}`;
  }

  showSpeed() {
    const plays = this.shuttle.speed !== 0;
    this.playButton.replaceChildren(icon(plays ? "pause" : "play"));
    this.playButton.setAttribute("aria-label", plays ? "Pause" : "Play the film");
  }
}
