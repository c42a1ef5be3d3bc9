// Choosing the frame at which a shot is to be split: its last picture before the cut beside the first one after it.
import { shot as readShot } from "./api.js";
import { el, focusIn, iconButton, isTyping } from "./dom.js";
import { markRow } from "./filmtile.js";
import { Shuttle } from "./shuttle.js";
import { rateOf, timecodeIn } from "./timecode.js";

/** @import {IconName} from "./dom.js" */
/** @import {Mark} from "./filmtile.js" */
/** @import {PageShot} from "./types.d.ts" */

const LEAST = 3; // frames of the shortest shot, as in ops/shots/planning.py

export class Splitter {
  before = new Shuttle(videoOf("Last picture before the cut"));
  after = new Shuttle(videoOf("First picture after the cut"));
  title = el("h2", { id: "splitter-title", class: "grow" });
  beforeText = el("figcaption", { class: "timecode" });
  afterText = el("figcaption", { class: "timecode" });
  slider = el("input", { type: "range", class: "slider", "aria-label": "Cut before this frame", step: 1, oninput: () => { this.stand(Number(this.slider.value)); } });
  number = el("input", { type: "number", id: "splitter-frame", step: 1, onchange: () => { this.stand(Number(this.number.value)); } });
  note = el("input", { type: "text", id: "splitter-note", maxlength: 500, autocomplete: "off" });
  marks = el("div", { class: "splitter-marks" });
  wrong = el("p", { class: "wrong", role: "alert" });
  send = el("button", { type: "button", class: "primary", title: "Enter", onclick: () => { this.split(); } }, "Split here");
  dialog = this.build();
  /** @type {PageShot|null} */
  hit = null;
  frame = 0;

  /** @param {{split: (hit: PageShot, frame: number, note: string) => Promise<boolean>, undo: (mark: Mark) => void}} acts */
  constructor(acts) {
    this.acts = acts;
    document.body.append(this.dialog);
  }

  /** @returns {HTMLDialogElement} */
  build() {
    const step = (/** @type {number} */ count, /** @type {IconName} */ sign, /** @type {string} */ label, /** @type {string} */ key) =>
      iconButton(sign, label, { key, onclick: () => this.stand(this.frame + count) });
    const dialog = el("dialog", { class: "splitter", "aria-labelledby": "splitter-title" },
      el("header", {}, this.title, iconButton("close", "Close", { key: "Esc", onclick: () => this.close() })),
      el("div", { class: "splitter-pair" },
        el("figure", {}, el("div", { class: "stage" }, this.before.video), this.beforeText),
        el("figure", {}, el("div", { class: "stage" }, this.after.video), this.afterText)),
      el("div", { class: "splitter-controls" }, this.slider,
        el("div", { class: "row" }, step(-10, "back", "Ten frames back", "Shift ←"), step(-1, "stepback", "One frame back", "←"),
          el("label", { class: "narrow", for: "splitter-frame" }, el("span", {}, "frame"), this.number),
          step(1, "stepforward", "One frame on", "→"), step(10, "forward", "Ten frames on", "Shift →"),
          el("span", { class: "grow" }), this.send),
        el("div", { class: "row" }, el("label", { class: "narrow grow", for: "splitter-note" }, "note", this.note)),
        this.marks, this.wrong));
    dialog.addEventListener("keydown", (event) => this.key(event));
    dialog.addEventListener("close", () => { this.before.unload(); this.after.unload(); });
    return dialog;
  }

  /** @param {PageShot} hit the shot @param {Mark[]} marks the corrections of its cuts */
  async open(hit, marks) {
    this.hit = hit;
    this.note.value = "";
    this.wrong.textContent = "";
    this.title.textContent = `Split the shot at ${hit.start_timecode || `frame ${hit.start_frame}`}`;
    this.showMarks(marks);
    const [first, last] = [hit.start_frame + LEAST, hit.end_frame - LEAST];
    const splits = first <= last;
    for (const control of [this.slider, this.number]) Object.assign(control, { min: String(first), max: String(last), disabled: !splits });
    this.send.disabled = !splits;
    if (!splits) this.wrong.textContent = `This shot has ${hit.end_frame - hit.start_frame} frames: too few for two shots of ${LEAST}.`;
    for (const shuttle of [this.before, this.after]) shuttle.load(hit.proxy, rateOf(hit.fps), hit.end_frame - hit.start_frame);
    this.stand(Math.floor((hit.start_frame + hit.end_frame) / 2));
    if (!this.dialog.open) this.dialog.showModal();
    if (splits) this.slider.focus();
    else focusIn(this.dialog, "button");
    const full = await readShot(hit.shot_id).catch(() => null); // without it, the constant rate is used
    if (!full?.frame_times || this.hit !== hit) return;
    for (const shuttle of [this.before, this.after]) shuttle.setTimes(full.frame_times, hit.end_s - hit.start_s);
  }

  /** @param {Mark[]} marks */
  showMarks(marks) {
    this.marks.replaceChildren(...marks.map((mark) => markRow(mark, (one) => { this.close(); this.acts.undo(one); })));
  }

  /** Put the cut before a frame. @param {number} frame source frame */
  stand(frame) {
    const { hit } = this;
    if (!hit) return;
    const [first, last] = [hit.start_frame + 1, hit.end_frame - 1];
    const low = Math.min(Number(this.slider.min), last);
    const high = Math.max(Number(this.slider.max), low);
    this.frame = Math.min(Math.max(Math.round(frame) || first, low), high);
    this.slider.value = String(this.frame);
    this.slider.style.setProperty("--part", String((this.frame - low) / Math.max(high - low, 1)));
    this.slider.setAttribute("aria-valuetext", timecodeIn(hit, this.frame));
    this.number.value = String(this.frame);
    this.before.seek(this.frame - 1 - hit.start_frame);
    this.after.seek(this.frame - hit.start_frame);
    const text = (/** @type {string} */ name, /** @type {number} */ at) => [el("span", {}, `${name} ${timecodeIn(hit, at)}`), el("span", {}, `frame ${at}`)];
    this.beforeText.replaceChildren(...text("ends", this.frame - 1));
    this.afterText.replaceChildren(...text("begins", this.frame));
  }

  async split() {
    if (this.send.disabled || !this.hit) return;
    this.send.disabled = true;
    try {
      if (await this.acts.split(this.hit, this.frame, this.note.value.trim())) this.close();
    } finally {
      this.send.disabled = false;
    }
  }

  close() {
    if (this.dialog.open) this.dialog.close();
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { key, target, shiftKey } = event;
    if (key === "Enter" && !(target instanceof HTMLButtonElement)) {
      event.preventDefault();
      this.number.blur();
      this.split();
      return;
    }
    if (isTyping(target) || !/^Arrow(Left|Right)$/.test(key)) return;
    event.preventDefault();
    this.stand(this.frame + (key === "ArrowLeft" ? -1 : 1) * (shiftKey ? 10 : 1));
  }
}

/** @param {string} label */
function videoOf(label) {
  return el("video", { class: "stage-video", playsinline: true, muted: true, preload: "auto", tabindex: -1, "aria-label": label });
}
