// The bar under the picture: the shot, its handles, the marks, its lines of dialogue, and the current frame.
import { el } from "./dom.js";
import { timecodeIn } from "./timecode.js";
/** @import {PageShot} from "./types.d.ts" */

export class Timeline {
  shotPart = el("span", { class: "bar-shot" });
  marksPart = el("span", { class: "bar-marks" });
  linesPart = el("span", { class: "bar-lines" });
  head = el("span", { class: "bar-head" });
  bar = el("div", { class: "bar", role: "slider", tabindex: 0, autofocus: true, "aria-label": "Position in the shot" },
    this.shotPart, this.marksPart, this.linesPart, this.head);
  /** @type {PageShot|null} */
  shot = null;
  from = 0;
  to = 1;

  /** @param {(frame: number) => void} seek called with a source frame */
  constructor(seek) {
    this.seek = seek;
    const at = (/** @type {PointerEvent} */ event) => {
      const box = this.bar.getBoundingClientRect();
      const part = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
      this.seek(Math.floor(this.from + part * (this.to - this.from)));
    };
    this.bar.addEventListener("pointerdown", (event) => {
      this.bar.setPointerCapture(event.pointerId);
      at(event);
    });
    this.bar.addEventListener("pointermove", (event) => {
      if (this.bar.hasPointerCapture(event.pointerId)) at(event);
    });
  }

  /**
   * @param {PageShot} shot @param {{in_frame: number, out_frame: number}} marks
   * @param {{head: number, tail: number}} ends the marks with their handles: source frames
   */
  show(shot, marks, ends) {
    this.shot = shot;
    this.from = Math.min(shot.start_frame, ends.head);
    this.to = Math.max(shot.end_frame, ends.tail);
    this.place(this.shotPart, shot.start_frame, shot.end_frame);
    this.place(this.marksPart, marks.in_frame, marks.out_frame);
    const whole = marks.in_frame === shot.start_frame && marks.out_frame === shot.end_frame;
    this.marksPart.classList.toggle("whole", whole);
    this.linesPart.replaceChildren(...(shot.lines ?? []).map((line) => {
      const part = el("span", { title: line.text });
      this.place(part, Math.max(line.start_frame, this.from), Math.min(line.end_frame, this.to));
      return part;
    }));
    this.bar.setAttribute("aria-valuemin", String(shot.start_frame));
    this.bar.setAttribute("aria-valuemax", String(shot.end_frame - 1));
  }

  /** @param {number} frame in the source */
  stand(frame) {
    if (!this.shot) return;
    this.place(this.head, frame, frame + 1);
    this.bar.setAttribute("aria-valuenow", String(frame));
    this.bar.setAttribute("aria-valuetext", timecodeIn(this.shot, frame));
  }

  /** @param {HTMLElement} part @param {number} first @param {number} last */
  place(part, first, last) {
    const whole = Math.max(this.to - this.from, 1);
    part.style.left = `${((first - this.from) / whole) * 100}%`;
    part.style.width = `${((last - first) / whole) * 100}%`;
  }
}
