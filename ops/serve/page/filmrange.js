// A range of neighbouring shots of a film, chosen with Shift or, by touch, with a button; it goes into the tray as one clip.
import { counted, el, icon, lengthOf } from "./dom.js";
/**
 * @import {ShotRange} from "./filmtimeline.js"
 * @import {PageShot} from "./types.d.ts"
 */

export class FilmRange {
  /** @type {ShotRange|null} */
  range = null;
  /** the shot from which it extends */
  anchor = 0;
  /** clicks choose the range */
  isChoosing = false;
  button = el("button", { type: "button", class: "several", "aria-label": "Choose several shots", title: "Choose several shots, as with Shift",
    "aria-pressed": "false", onclick: () => { this.choose(!this.isChoosing); } }, icon("stack"), el("span", {}, "Choose several"));
  text = el("span", { class: "grow" });
  place = el("div", { class: "row film-range", hidden: true }, this.text,
    el("button", { type: "button", class: "primary", title: "x", onclick: () => { this.take(); } }, "Into the tray as one clip"),
    el("button", { type: "button", title: "Esc", onclick: () => { this.clear(); } }, "Clear"));

  /** @param {{shots: () => PageShot[], take: () => void, changed: () => void}} film `take` puts the range into the tray */
  constructor(film) {
    this.film = film;
    this.take = film.take;
  }

  clear() {
    this.choose(false);
    this.set(null);
  }

  /** @param {boolean} isChoosing */
  choose(isChoosing) {
    this.isChoosing = isChoosing;
    this.button.setAttribute("aria-pressed", String(isChoosing));
  }

  /** Let the range reach from its anchor to a shot. @param {number} index @param {number} from where a new range begins */
  extend(index, from) {
    if (!this.range) this.anchor = from;
    this.set({ first: Math.min(this.anchor, index), last: Math.max(this.anchor, index) });
  }

  /** @param {ShotRange|null} range */
  set(range) {
    this.range = range;
    this.place.hidden = !range;
    if (range) {
      const [first, last] = [this.film.shots()[range.first], this.film.shots()[range.last]];
      this.text.textContent = `${counted(range.last - range.first + 1, "shot")}, ${lengthOf(last.end_s - first.start_s)}, frames ${first.start_frame}–${last.end_frame - 1}`;
    }
    this.film.changed();
  }

  /** @param {number} index */
  has(index) {
    return this.range !== null && index >= this.range.first && index <= this.range.last;
  }
}
