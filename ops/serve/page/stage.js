// Sound and full screen of the player's picture.
import { el, icon, iconButton, keep, recallFields } from "./dom.js";

const KEY = "needle.sound";
const STEP = 0.1;

/** Sound of a video; its state is stored in this browser. */
export class Sound {
  silent = false;
  button = iconButton("sound", "Sound off", { key: "v", onclick: () => { this.toggle(); } });
  slider = el("input", { type: "range", class: "volume", min: 0, max: 100, step: 5, "aria-label": "Volume", title: "Volume (- +)",
    oninput: () => { this.set(Number(this.slider.value) / 100); } });

  /** @param {HTMLVideoElement} video */
  constructor(video) {
    this.video = video;
    const { muted, volume } = recallFields(KEY);
    video.muted = muted === true;
    video.volume = typeof volume === "number" && volume >= 0 && volume <= 1 ? volume : 1;
    video.addEventListener("volumechange", () => {
      keep(KEY, { muted: video.muted, volume: video.volume });
      this.show();
    });
    this.show();
  }

  toggle() {
    if (this.silent) return;
    if (this.video.muted && !this.video.volume) this.video.volume = STEP;
    this.video.muted = !this.video.muted;
  }

  /** @param {number} change such as 0.1 for louder */
  turn(change) {
    this.set(this.video.volume + change);
  }

  louder() { this.turn(STEP); }

  quieter() { this.turn(-STEP); }

  /** @param {number} volume 0 to 1, rounded to a hundredth */
  set(volume) {
    if (this.silent) return;
    this.video.volume = Math.min(Math.max(Math.round(volume * 100) / 100, 0), 1);
    this.video.muted = this.video.volume === 0;
  }

  /** @param {boolean} has whether the video has a sound track */
  setPresent(has) {
    this.silent = !has;
    this.show();
  }

  show() {
    const off = this.silent || this.video.muted;
    const label = this.silent ? "This film has no sound" : off ? "Sound on" : "Sound off";
    this.button.replaceChildren(icon(off ? "mute" : "sound"));
    this.button.setAttribute("aria-label", label);
    this.button.title = this.silent ? label : `${label} (v)`;
    for (const control of [this.button, this.slider]) control.disabled = this.silent;
    this.slider.value = String(off ? 0 : Math.round(this.video.volume * 100));
  }
}

/** A button that gives an element the whole screen, and takes it back. @param {HTMLElement} part @param {string} key */
export function fullScreenButton(part, key) {
  const button = iconButton("whole", "Full screen", { key, onclick: () => toggleFullScreen(part) });
  button.hidden = !document.fullscreenEnabled;
  return button;
}

/** @param {HTMLElement} part not a dialog: browsers refuse those */
export function toggleFullScreen(part) {
  if (!document.fullscreenEnabled) return;
  const done = document.fullscreenElement ? document.exitFullscreen() : part.requestFullscreen();
  done.catch(() => {}); // refused by the browser or the person: the picture stays as it is
}
