// The dialogue of a film as a list that follows the picture; a click on a line goes to its frame. Lines are drawn in
// blocks, and only blocks near the visible part are in the page.
import { marked } from "./card.js";
import { counted, el } from "./dom.js";
/** @import {SpokenLine} from "./service.d.ts" */

const BLOCK = 40; // lines
const LINE_HEIGHT = 46; // pixels, until a block was drawn once

export class Transcript {
  /** those of the chosen language @type {readonly SpokenLine[]} */
  lines = [];
  /** @type {readonly SpokenLine[]} */
  all = [];
  /** @type {string[]} */
  words = [];
  /** index of the line at the current frame; -1: none */
  current = -1;
  active = 0;
  frame = 0;
  /** @type {HTMLElement[]} */
  blocks = [];
  language = el("select", { "aria-label": "Language of the dialogue", hidden: true, onchange: () => { this.choose(); } });
  count = el("span", { class: "muted grow" });
  list = el("div", { class: "transcript", role: "list", "aria-label": "Dialogue" });
  place = el("section", { class: "film-dialogue", "aria-labelledby": "film-dialogue-title" },
    el("div", { class: "row" }, el("h2", { id: "film-dialogue-title" }, "Dialogue"), this.count, this.language), this.list);

  /** @param {(frame: number) => void} seek */
  constructor(seek) {
    this.seek = seek;
    this.watcher = new IntersectionObserver((seen) => {
      for (const { target, isIntersecting } of seen) if (target instanceof HTMLElement) this.draw(target, isIntersecting);
    }, { root: this.list, rootMargin: "500px 0px" });
    this.list.addEventListener("keydown", (event) => this.key(event));
  }

  /** @param {readonly SpokenLine[]} lines in the order of time @param {string[]} words to mark */
  show(lines, words) {
    Object.assign(this, { all: lines, words });
    const languages = [...new Set(lines.map((line) => line.language ?? ""))];
    this.language.hidden = languages.length < 2;
    this.language.replaceChildren(...["*", ...languages].map((one) => el("option", { value: one }, one === "*" ? "all languages" : one || "unknown")));
    if (languages.length > 1) this.language.value = languages[0];
    this.choose();
  }

  /** Mark words in the lines. @param {string[]} words */
  markWords(words) {
    if (words.join(" ") === this.words.join(" ")) return;
    this.words = words;
    for (const [number, line] of this.lines.entries()) {
      this.rowAt(number)?.querySelector(".said")?.replaceChildren(...marked(line.text, words));
    }
  }

  /** Show the lines of the chosen language. */
  choose() {
    const chosen = this.language.hidden ? "*" : this.language.value;
    this.lines = chosen === "*" ? this.all : this.all.filter((line) => (line.language ?? "") === chosen);
    this.count.textContent = this.lines.length ? counted(this.lines.length, "line") : "none is known";
    this.watcher.disconnect();
    this.current = -1;
    this.active = 0;
    this.blocks = Array.from({ length: Math.ceil(this.lines.length / BLOCK) }, (_, number) => {
      const block = el("div", { role: "presentation", "data-block": number });
      block.style.minHeight = `${Math.min(BLOCK, this.lines.length - number * BLOCK) * LINE_HEIGHT}px`;
      return block;
    });
    this.list.replaceChildren(...this.blocks);
    for (const block of this.blocks) this.watcher.observe(block);
    this.stand(this.frame);
  }

  /** @param {HTMLElement} block @param {boolean} isNear */
  draw(block, isNear) {
    if (!isNear && block.childElementCount && !block.contains(document.activeElement)) {
      block.style.minHeight = `${block.offsetHeight}px`;
      block.replaceChildren();
    }
    if (!isNear || block.childElementCount) return;
    const first = Number(block.dataset.block) * BLOCK;
    block.append(...this.lines.slice(first, first + BLOCK).map((line, number) => this.row(line, first + number)));
    block.style.minHeight = "";
  }

  /** @param {SpokenLine} line @param {number} index */
  row(line, index) {
    return el("div", { role: "listitem", "data-line": index, "aria-posinset": index + 1, "aria-setsize": this.lines.length, class: index === this.current ? "current" : "" },
      el("button", { type: "button", class: "line", tabindex: index === this.active ? 0 : -1, "aria-current": index === this.current ? "true" : undefined,
        onclick: () => { this.setActive(index); this.seek(line.start_frame); } },
      el("span", { class: "timecode" }, line.start_timecode), el("span", { class: "said" }, ...marked(line.text, this.words)),
      line.is_unsure && el("span", { class: "muted", title: "Recognised speech of which the model is not certain" }, "unsure")));
  }

  /** Mark the line at a frame, and scroll to it unless a person is reading elsewhere. @param {number} frame of the film */
  stand(frame) {
    this.frame = frame;
    const last = this.lastBefore(frame);
    const current = last >= 0 && this.lines[last].end_frame > frame ? last : -1;
    if (current === this.current && current >= 0) return;
    this.mark(this.current, false);
    this.current = current;
    this.mark(current, true);
    if (this.list.matches(":hover, :focus-within")) return;
    this.reveal(Math.max(last, 0));
    this.setActive(Math.max(last, 0));
  }

  /** The last line that has begun at a frame; -1 before the first. @param {number} frame */
  lastBefore(frame) {
    let [low, high] = [-1, this.lines.length - 1];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.lines[middle].start_frame <= frame) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** @param {number} index @param {boolean} isCurrent */
  mark(index, isCurrent) {
    const row = this.rowAt(index);
    row?.classList.toggle("current", isCurrent);
    if (isCurrent) row?.querySelector("button")?.setAttribute("aria-current", "true");
    else row?.querySelector("button")?.removeAttribute("aria-current");
  }

  /** The row of a line, if it is in the page. @param {number} index @returns {HTMLElement|null} */
  rowAt(index) {
    return this.list.querySelector(`[data-line="${index}"]`);
  }

  /** Scroll a line into the middle of the list. @param {number} index */
  reveal(index) {
    const block = this.blocks[Math.floor(index / BLOCK)];
    if (!block || !this.list.clientHeight) return;
    this.draw(block, true);
    const row = this.rowAt(index);
    if (row) this.list.scrollTop += row.getBoundingClientRect().top - this.list.getBoundingClientRect().top - (this.list.clientHeight - row.offsetHeight) / 2;
  }

  /** @param {number} index */
  setActive(index) {
    this.rowAt(this.active)?.querySelector("button")?.setAttribute("tabindex", "-1");
    this.active = index;
    this.rowAt(index)?.querySelector("button")?.setAttribute("tabindex", "0");
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    /** @type {Record<string, number>} */
    const steps = { ArrowUp: -1, ArrowDown: 1, PageUp: -8, PageDown: 8, Home: -this.lines.length, End: this.lines.length };
    const step = steps[event.key];
    if (step === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    const index = Math.min(Math.max(this.active + step, 0), this.lines.length - 1);
    const block = this.blocks[Math.floor(index / BLOCK)];
    if (!block) return;
    this.draw(block, true);
    this.setActive(index);
    this.rowAt(index)?.querySelector("button")?.focus({ preventScroll: true });
    this.reveal(index);
  }
}
