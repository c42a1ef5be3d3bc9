// Tiles in rows of equal height, in order; only those near the screen are in the page, so thousands stay smooth.
// Arrow keys move between tiles, and the buttons of the active tile alone are tab stops.
import { setTabStops } from "./card.js";
import { calm, el } from "./dom.js";

const GAP = 14;
const WIDE = { least: 218, below: 106 }; // least width of a tile, and height of what stands under its picture
const NARROW = { least: 150, below: 112 };
const NARROW_PAGE = 760;
const AHEAD = 1; // screens above and below

export class Storyboard {
  /** @param {(index: number) => HTMLElement} draw a tile: an `li` with buttons, the first of class "open" */
  constructor(draw) {
    this.draw = draw;
    this.count = 0;
    this.active = 0;
    /** @type {Map<number, HTMLElement>} */
    this.tiles = new Map();
    this.place = el("ul", { class: "storyboard" });
    this.place.addEventListener("focusin", (event) => this.setActive(this.indexOf(event.target)));
    this.waiting = false;
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

  /** Draw the tiles again that are in the page; the focus stays where it is. */
  redraw() {
    const focused = this.place.contains(document.activeElement) ? document.activeElement : null;
    const index = focused ? this.indexOf(focused) : -1;
    const at = focused ? [...this.tiles.get(index).querySelectorAll("button")].indexOf(focused) : -1;
    for (const tile of this.tiles.values()) tile.remove();
    this.tiles.clear();
    this.render();
    if (index < 0 || index >= this.count) return;
    if (!this.tiles.has(index)) this.add(index);
    const buttons = [...this.tiles.get(index).querySelectorAll("button:not(:disabled)")];
    (buttons[at] ?? buttons[0])?.focus({ preventScroll: true });
  }

  /** Columns, width of a tile and height of a row, by the width that there is. */
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
    for (let index = first; index < last; index += 1) if (!this.tiles.has(index)) this.add(index);
    for (const [index, made] of this.tiles) {
      made.style.width = `${tile}px`;
      made.style.transform = `translate(${(index % columns) * (tile + GAP)}px, ${Math.floor(index / columns) * row}px)`;
    }
    if (!this.tiles.has(this.active)) this.setActive(Math.min(first, this.count - 1));
  }

  add(index) {
    const made = this.draw(index);
    made.dataset.index = String(index);
    made.setAttribute("aria-posinset", String(index + 1));
    made.setAttribute("aria-setsize", String(this.count));
    setTabStops(made, index === this.active);
    let next = null; // in the page tiles stand in their order, also for those who hear them
    for (const [other, there] of this.tiles) if (other > index && (!next || other < next.other)) next = { other, there };
    this.place.insertBefore(made, next?.there ?? null);
    this.tiles.set(index, made);
  }

  /** The tile in which an element stands; -1 outside. @param {EventTarget|null} target */
  indexOf(target) {
    const tile = target instanceof Element ? target.closest(".storyboard > li") : null;
    return tile && this.place.contains(tile) ? Number(tile.dataset.index) : -1;
  }

  setActive(index) {
    if (index < 0 || index >= this.count) return;
    const before = this.tiles.get(this.active);
    if (before && index !== this.active) setTabStops(before, false);
    this.active = index;
    if (this.tiles.has(index)) setTabStops(this.tiles.get(index), true);
  }

  /** The first tile that is on screen, wholly or nearly. */
  firstShown() {
    const { columns, row } = this.layout();
    const under = document.getElementById("top").offsetHeight - this.place.getBoundingClientRect().top;
    return Math.min(Math.max(Math.ceil((under - row / 3) / row), 0) * columns, Math.max(this.count - 1, 0));
  }

  /** Scroll so that a tile can be seen. @param {number} index @param {boolean} [calmly] without motion */
  reveal(index, calmly = calm()) {
    const { columns, row } = this.layout();
    const top = this.place.getBoundingClientRect().top + Math.floor(index / columns) * row;
    const under = document.getElementById("top").offsetHeight + GAP;
    const behavior = calmly ? "auto" : "smooth";
    if (top < under) scrollBy({ top: top - under, behavior });
    else if (top + row > innerHeight) scrollBy({ top: Math.min(top + row - innerHeight, top - under), behavior });
  }

  /** Put the focus on a tile, wherever it is. @param {number} index */
  focus(index) {
    if (!this.count) return;
    const wanted = Math.min(Math.max(index, 0), this.count - 1);
    if (!this.tiles.has(wanted)) this.add(wanted);
    this.setActive(wanted);
    this.tiles.get(wanted).querySelector(".open").focus({ preventScroll: true });
    this.reveal(wanted, true);
    this.render();
  }

  /** Move the focus. @param {string} key an arrow, Home, End, PageUp or PageDown @returns {boolean} whether it is one */
  move(key) {
    const { columns, row } = this.layout();
    const page = columns * Math.max(Math.floor(innerHeight / row) - 1, 1);
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, PageUp: -page, PageDown: page,
      Home: -this.count, End: this.count };
    if (!(key in steps)) return false;
    const wanted = this.active + steps[key];
    if (Math.abs(steps[key]) === columns && (wanted < 0 || wanted >= this.count)) return true;
    this.focus(wanted);
    return true;
  }
}
