// The timeline of a whole film: its cuts, its lines of dialogue, the hits of the query, the chosen range and the current
// frame, drawn on a canvas, so that thousands of shots cost no elements. It can be zoomed.
import { el, iconButton, inside, lengthOf, smallAddress } from "./dom.js";
import { timecodeIn } from "./timecode.js";
/**
 * @import {SpokenLine} from "./service.d.ts"
 * @import {PageShot} from "./types.d.ts"
 */

const HEIGHT = 56;
const SHOTS = { top: 0, bottom: 40 };
const LINES = { top: 45, bottom: 53 };
const LEAST = 48; // frames in the narrowest window
const HOVER_WIDTH = 160;

/** @typedef {{index: number, relevance: number, weak: boolean}} FilmHit a shot of the film that the query found */
/** @typedef {{first: number, last: number}} ShotRange indexes, both included */

export class FilmTimeline {
  /** @type {PageShot[]} */
  shots = [];
  /** @type {readonly SpokenLine[]} */
  lines = [];
  /** @type {FilmHit[]} */
  hits = [];
  /** @type {ShotRange|null} */
  range = null;
  frames = 1;
  frame = 0;
  /** the frames that are shown */
  from = 0;
  to = 1;
  drawing = false;
  keys = el("span", { hidden: true }, ...["ground", "cut", "line", "hit", "range", "head"].map((name) => el("span", { class: name })));
  canvas = el("canvas", { height: HEIGHT, "aria-hidden": "true" });
  hoverPicture = el("img", { alt: "", width: HOVER_WIDTH, height: 90 });
  hoverText = el("span", { class: "timecode" });
  hover = el("div", { class: "film-hover", hidden: true, "aria-hidden": "true" }, this.hoverPicture, this.hoverText);
  bar = el("div", { class: "film-bar", role: "slider", tabindex: 0, "aria-label": "Position in the film", "aria-valuemin": 0 }, this.canvas, this.keys, this.hover);
  zoom = [iconButton("less", "Zoom out of the timeline", { onclick: () => this.scale(2) }),
    iconButton("more", "Zoom into the timeline", { onclick: () => this.scale(0.5) })];
  place = el("div", { class: "film-timeline" }, this.bar, ...this.zoom);

  /**
   * @param {{seek: (frame: number) => void, indexAt: (frame: number) => number, extend: (index: number) => void, isChoosing: () => boolean}} acts
   *   `extend` lets the range reach to a shot, which clicks do while `isChoosing`
   */
  constructor(acts) {
    this.acts = acts;
    this.listen();
    new ResizeObserver(() => this.draw()).observe(this.bar);
    new MutationObserver(() => this.draw()).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.draw());
  }

  listen() {
    const { bar } = this;
    const point = (/** @type {PointerEvent} */ event) => {
      const frame = this.frameAt(event.clientX);
      if (event.shiftKey || this.acts.isChoosing()) this.acts.extend(this.acts.indexAt(frame));
      else this.acts.seek(frame);
    };
    bar.addEventListener("pointerdown", (event) => {
      bar.setPointerCapture(event.pointerId);
      point(event);
    });
    bar.addEventListener("pointermove", (event) => {
      if (bar.hasPointerCapture(event.pointerId)) point(event);
      this.showHover(event.clientX);
    });
    bar.addEventListener("pointerleave", () => { this.hover.hidden = true; });
    bar.addEventListener("keydown", (event) => this.key(event));
  }

  /** @param {PageShot[]} shots @param {number} frames of the film; another film is shown as a whole */
  show(shots, frames) {
    if (frames !== this.frames || !this.shots.length) [this.from, this.to] = [0, frames];
    Object.assign(this, { shots, frames });
    this.bar.setAttribute("aria-valuemax", String(Math.max(frames - 1, 0)));
    this.draw();
  }

  /** @param {Partial<Pick<FilmTimeline, "lines"|"hits"|"range">>} parts */
  mark(parts) {
    Object.assign(this, parts);
    this.draw();
  }

  /** @param {number} frame of the film */
  stand(frame) {
    this.frame = frame;
    const shot = this.shots[this.acts.indexAt(frame)];
    this.bar.setAttribute("aria-valuenow", String(frame));
    if (shot) this.bar.setAttribute("aria-valuetext", `${timecodeIn(shot, frame)}, shot ${this.acts.indexAt(frame) + 1} of ${this.shots.length}`);
    if (frame < this.from || frame >= this.to) this.move(frame - (this.to - this.from) / 10);
    this.draw();
  }

  /** Show other frames, as many as now. @param {number} from */
  move(from) {
    const width = this.to - this.from;
    this.from = Math.round(Math.min(Math.max(from, 0), this.frames - width));
    this.to = this.from + width;
  }

  /** Zoom around the current frame. @param {number} factor below 1 zooms in */
  scale(factor) {
    const width = Math.round(Math.min(Math.max((this.to - this.from) * factor, Math.min(LEAST, this.frames)), this.frames));
    const part = (this.frame - this.from) / (this.to - this.from);
    this.to = this.from + width;
    this.move(this.frame - part * width);
    this.draw();
  }

  /** @param {number} x in the window */
  frameAt(x) {
    const box = this.bar.getBoundingClientRect();
    const part = Math.min(Math.max((x - box.left) / Math.max(box.width, 1), 0), 1);
    return Math.min(Math.floor(this.from + part * (this.to - this.from)), this.frames - 1);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const index = this.acts.indexAt(this.frame);
    /** @type {Record<string, number>} */
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowDown: -1, ArrowUp: 1, PageDown: -10, PageUp: 10, Home: -this.shots.length, End: this.shots.length };
    const step = steps[event.key];
    const zoom = event.key === "+" || event.key === "=" ? 0.5 : event.key === "-" ? 2 : 0;
    if (zoom) this.scale(zoom);
    else if (step === undefined) return;
    else {
      const wanted = Math.min(Math.max(index + step, 0), this.shots.length - 1);
      if (event.shiftKey) this.acts.extend(wanted);
      this.acts.seek(this.shots[wanted]?.start_frame ?? 0);
    }
    event.preventDefault();
  }

  /** @param {number} x in the window */
  showHover(x) {
    const frame = this.frameAt(x);
    const shot = this.shots[this.acts.indexAt(frame)];
    if (!shot) return;
    const box = this.bar.getBoundingClientRect();
    this.hover.hidden = false;
    this.hover.style.left = `${Math.min(Math.max(x - box.left - HOVER_WIDTH / 2, 0), Math.max(box.width - HOVER_WIDTH, 0))}px`;
    const picture = smallAddress(shot.poster);
    if (this.hoverPicture.getAttribute("src") !== picture) this.hoverPicture.src = picture;
    this.hoverText.textContent = `${timecodeIn(shot, frame)} · ${lengthOf(shot.end_s - shot.start_s)}`;
  }

  /** Draw with the next frame of the screen. */
  draw() {
    if (this.drawing) return;
    this.drawing = true;
    requestAnimationFrame(() => { this.drawing = false; this.paint(); });
  }

  paint() {
    const width = this.bar.clientWidth;
    const context = this.canvas.getContext("2d");
    if (!width || !context) return;
    const sharp = devicePixelRatio || 1;
    Object.assign(this.canvas, { width: Math.round(width * sharp), height: Math.round(HEIGHT * sharp) });
    context.scale(sharp, sharp);
    const colour = colours(this.keys);
    const x = (/** @type {number} */ frame) => ((frame - this.from) / Math.max(this.to - this.from, 1)) * width;
    const box = (/** @type {{top: number, bottom: number}} */ lane, /** @type {number} */ first, /** @type {number} */ last, least = 1) =>
      context.fillRect(x(first), lane.top, Math.max(x(last) - x(first), least), lane.bottom - lane.top);
    const seen = this.shots.slice(this.acts.indexAt(this.from), this.acts.indexAt(this.to - 1) + 1);
    context.fillStyle = colour.ground;
    context.fillRect(0, SHOTS.top, width, SHOTS.bottom - SHOTS.top);
    this.paintHits(context, colour, x);
    context.fillStyle = colour.cut;
    context.globalAlpha = Math.min(1, width / (seen.length * 3 || 1)) * 0.7 + 0.1;
    for (const shot of seen) if (shot.start_frame > 0) context.fillRect(Math.round(x(shot.start_frame)), SHOTS.top, 1, SHOTS.bottom - SHOTS.top);
    context.globalAlpha = 1;
    context.fillStyle = colour.line;
    for (const line of this.lines) if (line.end_frame > this.from && line.start_frame < this.to) box(LINES, line.start_frame, line.end_frame);
    if (this.range) {
      context.fillStyle = context.strokeStyle = colour.range;
      const [first, last] = [this.shots[this.range.first].start_frame, this.shots[this.range.last].end_frame];
      context.globalAlpha = 0.25;
      box({ top: 0, bottom: HEIGHT }, first, last);
      context.globalAlpha = 1;
      context.strokeRect(x(first) + 0.5, 0.5, Math.max(x(last) - x(first) - 1, 1), HEIGHT - 1);
    }
    context.fillStyle = colour.head;
    context.fillRect(Math.round(x(this.frame + 0.5)) - 1, 0, 2, HEIGHT);
  }

  /** Hits as bars, the more relevant the higher; weak ones are hollow. @param {CanvasRenderingContext2D} context @param {ReturnType<typeof colours>} colour @param {(frame: number) => number} x */
  paintHits(context, colour, x) {
    context.fillStyle = context.strokeStyle = colour.hit;
    for (const { index, relevance, weak } of this.hits) {
      const shot = this.shots[index];
      if (!shot || shot.end_frame <= this.from || shot.start_frame >= this.to) continue;
      const height = Math.round((0.3 + 0.7 * relevance) * (SHOTS.bottom - SHOTS.top));
      const [left, breadth] = [x(shot.start_frame), Math.max(x(shot.end_frame) - x(shot.start_frame), 3)];
      if (weak) context.strokeRect(left + 0.5, SHOTS.bottom - height + 0.5, breadth - 1, height - 1);
      else context.fillRect(left, SHOTS.bottom - height, breadth, height);
    }
  }
}

/** The colours of the theme: a canvas does not understand `light-dark()`, so each is read from an element that has it. @param {HTMLElement} keys */
function colours(keys) {
  const named = (/** @type {string} */ name) => getComputedStyle(inside(keys, `.${name}`, HTMLElement)).color;
  return { ground: named("ground"), cut: named("cut"), line: named("line"), hit: named("hit"), range: named("range"), head: named("head") };
}
