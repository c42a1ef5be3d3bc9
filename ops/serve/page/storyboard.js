// Tiles in rows of equal height, in order; only those near the screen are in the page, so thousands scroll smoothly.
// Arrow keys move between tiles, and only the buttons of the active tile are tab stops.
import { setTabStops } from "./card.js";
import { byId, calm, el, inside } from "./dom.js";

const GAP = 14;
const WIDE = { least: 218, below: 106 }; // least width of a tile, and height of the part under its picture
const NARROW = { least: 150, below: 112 };
const NARROW_PAGE = 760;
const AHEAD = 1; // screens above and below

export class Storyboard {
  count = 0;
  active = 0;
  /** by index @type {Map<number, HTMLElement>} */
  tiles = new Map();
  place = el("ul", { class: "storyboard" });
  waiting = false;
  /** adds the state of a shot to its tile @type {(tile: HTMLElement, index: number) => void} */
  dress = () => {};
  /** pixels under the top of the page that something else covers */
  covered = () => 0;

  /** @param {(index: number) => HTMLElement} draw a tile: an `li` with buttons, the first of class "open" */
  constructor(draw) {
    this.draw = draw;
    this.place.addEventListener("focusin", (event) => this.setActive(this.indexOf(event.target)));
    const later = () => {
      if (this.waiting) return;
      this.waiting = true;
      requestAnimationFrame(() => { this.waiting = false; this.render(); });
    };
    addEventListener("scroll", later, { passive: true });
    addEventListener("resize", later);
    new ResizeObserver(later).observe(this.place);
  }

  /** @param {number} count of tiles @param {number} [active] */
  show(count, active = 0) {
    this.count = count;
    this.active = Math.min(Math.max(active, 0), Math.max(count - 1, 0));
    this.redraw();
  }

  /** Draw the tiles in the page again; the focus stays. */
  redraw() {
    const index = this.indexOf(document.activeElement);
    const before = this.tiles.get(index);
    const at = before ? [...before.querySelectorAll("button")].findIndex((button) => button === document.activeElement) : -1;
    for (const tile of this.tiles.values()) tile.remove();
    this.tiles.clear();
    this.render();
    if (index < 0 || index >= this.count) return;
    const buttons = [...this.tileAt(index).querySelectorAll("button")];
    const free = [...buttons.slice(Math.max(at, 0)), ...buttons].find((button) => !button.disabled);
    free?.focus({ preventScroll: true });
  }

  /** Columns, width of a tile and height of a row, by the available width. */
  layout() {
    const width = this.place.clientWidth;
    const { least, below } = innerWidth <= NARROW_PAGE ? NARROW : WIDE;
    const columns = Math.max(Math.floor((width + GAP) / (least + GAP)), 1);
    const tile = (width - GAP * (columns - 1)) / columns;
    return { columns, tile, row: Math.round((tile * 9) / 16) + below };
  }

  render() {
    if (!this.place.clientWidth) return;
    const { columns, tile, row } = this.layout();
    this.place.style.height = `${Math.ceil(this.count / columns) * row}px`;
    const { top } = this.place.getBoundingClientRect();
    const ahead = innerHeight * AHEAD;
    const first = Math.max(Math.floor((-top - ahead) / row), 0) * columns;
    const last = Math.min(Math.ceil((innerHeight - top + ahead) / row) * columns, this.count);
    for (const [index, made] of this.tiles) {
      if ((index < first || index >= last) && !made.contains(document.activeElement)) {
        made.remove();
        this.tiles.delete(index);
      }
    }
    for (let index = first; index < last; index += 1) this.tileAt(index);
    for (const [index, made] of this.tiles) {
      made.style.width = `${tile}px`;
      made.style.transform = `translate(${(index % columns) * (tile + GAP)}px, ${Math.floor(index / columns) * row}px)`;
    }
    if (!this.tiles.has(this.active)) this.setActive(Math.min(first, this.count - 1));
  }

  /** The tile of an index; a new one if it is not in the page. @param {number} index */
  tileAt(index) {
    const tile = this.tiles.get(index);
    if (tile) return tile;
    const made = this.draw(index);
    made.dataset.index = String(index);
    made.setAttribute("aria-posinset", String(index + 1));
    made.setAttribute("aria-setsize", String(this.count));
    this.dress(made, index);
    setTabStops(made, index === this.active);
    const next = Math.min(...[...this.tiles.keys()].filter((other) => other > index)); // tiles keep their order in the page, for screen readers
    this.place.insertBefore(made, this.tiles.get(next) ?? null);
    this.tiles.set(index, made);
    return made;
  }

  /** The index of the tile that an element is in; -1 outside. @param {EventTarget|null} target */
  indexOf(target) {
    const tile = target instanceof Element ? target.closest(".storyboard > li") : null;
    return tile instanceof HTMLElement && this.place.contains(tile) ? Number(tile.dataset.index) : -1;
  }

  /** @param {number} index */
  setActive(index) {
    if (index < 0 || index >= this.count) return;
    const before = this.tiles.get(this.active);
    if (before && index !== this.active) setTabStops(before, false);
    this.active = index;
    const tile = this.tiles.get(index);
    if (tile) setTabStops(tile, true);
  }

  /** Show the state of every shot again. */
  redress() {
    for (const [index, tile] of this.tiles) this.dress(tile, index);
  }

  /** Pixels at the top of the window that are covered. */
  coveredTop() {
    return byId("top", HTMLElement).offsetHeight + this.covered();
  }

  /** The first tile that is on screen, wholly or nearly. */
  firstShown() {
    const { columns, row } = this.layout();
    const under = this.coveredTop() - this.place.getBoundingClientRect().top;
    return Math.min(Math.max(Math.ceil((under - row / 3) / row), 0) * columns, Math.max(this.count - 1, 0));
  }

  /** Scroll so that a tile can be seen. @param {number} index @param {boolean} [calmly] without motion */
  reveal(index, calmly = calm()) {
    const { columns, row } = this.layout();
    const top = this.place.getBoundingClientRect().top + Math.floor(index / columns) * row;
    const under = this.coveredTop() + GAP;
    const behavior = calmly ? "auto" : "smooth";
    if (top < under) scrollBy({ top: top - under, behavior });
    else if (top + row > innerHeight) scrollBy({ top: Math.min(top + row - innerHeight, top - under), behavior });
  }

  /** Put the focus on a tile, wherever it is. @param {number} index */
  focus(index) {
    if (!this.count) return;
    const wanted = Math.min(Math.max(index, 0), this.count - 1);
    const tile = this.tileAt(wanted);
    this.setActive(wanted);
    inside(tile, ".open", HTMLElement).focus({ preventScroll: true });
    this.reveal(wanted, true);
    this.render();
  }

  /** Move the focus. @param {string} key an arrow, Home, End, PageUp or PageDown @returns {boolean} whether it is one */
  move(key) {
    const { columns, row } = this.layout();
    const page = columns * Math.max(Math.floor(innerHeight / row) - 1, 1);
    /** @type {Record<string, number|undefined>} */
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, PageUp: -page, PageDown: page,
      Home: -this.count, End: this.count };
    const step = steps[key];
    if (step === undefined) return false;
    const wanted = this.active + step;
    if (/^Arrow(Up|Down)$/.test(key) && (wanted < 0 || wanted >= this.count)) return true; // a short film may have as many shots as a row
    this.focus(wanted);
    return true;
  }
}
