// The results: cards in a grid, in sections by show where asked; what lies under the relevance limit is hidden;
// more is fetched before the end of the page is reached. Arrow keys move between cards.
import { shot } from "./api.js";
import { card, markSelected, setTabStops } from "./card.js";
import { el } from "./dom.js";
import { stopPreview } from "./preview.js";

const AHEAD = "1400px"; // about two screens: the next page is there before the person is
const UNFOLD_LIMIT = 24;

export class Grid {
  /**
   * @param {HTMLElement} place
   * @param {import("./card.js").CardActions} actions
   * @param {() => void} fetchMore asked when the end comes near
   */
  constructor(place, actions, fetchMore) {
    this.place = place;
    this.actions = { ...actions, unfold: (item, hit) => this.unfold(item, hit) };
    this.fetchMore = fetchMore;
    /** puts more onto each card than a search needs @type {((item: HTMLElement, hit: object) => void)|null} */
    this.dress = null;
    this.end = el("div", { class: "end", "aria-hidden": "true" });
    this.watcher = new IntersectionObserver((seen) => {
      if (seen.some((one) => one.isIntersecting)) this.fetchMore();
    }, { rootMargin: `0px 0px ${AHEAD} 0px` });
    place.addEventListener("focusin", (event) => this.focused(event.target.closest(".card")));
    this.clear();
  }

  clear() {
    stopPreview();
    this.watcher.disconnect();
    /** @type {Map<HTMLElement, object>} */
    this.hits = new Map();
    this.active = null;
    this.sections = new Map();
    this.place.replaceChildren();
  }

  /** Begin a new list. @param {{limit: number, group: boolean, words: string[]}} view */
  begin(view) {
    this.clear();
    this.view = view;
    this.place.append(this.end);
    this.watcher.observe(this.end);
  }

  /** @param {object[]} hits in the order of their rank */
  append(hits) {
    const fresh = new Map();
    for (const hit of hits) {
      const item = card(hit, this.actions, this.view.words);
      this.hits.set(item, hit);
      item.hidden = !this.isShown(hit);
      markSelected(item, this.actions.selected(hit.shot_id));
      this.dress?.(item, hit);
      const list = this.listOf(hit.show);
      if (!fresh.has(list)) fresh.set(list, document.createDocumentFragment());
      fresh.get(list).append(item);
    }
    for (const [list, items] of fresh) list.append(items);
    this.afterChange();
  }

  /** Ask again whether the end is near: after a page was added or cards were shown or hidden. */
  look() {
    this.watcher.unobserve(this.end);
    this.watcher.observe(this.end);
  }

  /** @param {number} limit relevance from which on hits are shown */
  setLimit(limit) {
    this.view.limit = limit;
    for (const [item, hit] of this.hits) item.hidden = !this.isShown(hit);
    this.afterChange();
  }

  /** Hits that were asked for by their words are shown whatever they look like. */
  isShown(hit) {
    if (hit.twinOf) return this.isShown(hit.twinOf);
    return hit.relevance >= this.view.limit || Boolean(hit.matched?.includes("dialogue"));
  }

  /** @returns {object[]} hits that are shown, by rank, without unfolded near-duplicates */
  results() {
    return [...this.hits.values()].filter((hit) => !hit.twinOf && this.isShown(hit));
  }

  /** @returns {{shown: number, hidden: number}} */
  counts() {
    const all = [...this.hits.values()].filter((hit) => !hit.twinOf).length;
    const shown = this.results().length;
    return { shown, hidden: all - shown };
  }

  /** Sections by show, or one list. @param {boolean} group */
  setGrouped(group) {
    if (this.view.group === group) return;
    const hits = [...this.hits.values()].filter((hit) => !hit.twinOf);
    const focus = this.active && this.hits.get(this.active)?.shot_id;
    this.begin({ ...this.view, group });
    this.append(hits);
    if (focus) this.focusShot(focus);
  }

  listOf(show) {
    const key = this.view.group ? show : "";
    let section = this.sections.get(key);
    if (!section) {
      const list = el("ul", { class: "cards" });
      const count = el("span", { class: "count" });
      const whole = this.view.group
        ? el("section", { class: "show", "aria-label": show }, el("h2", {}, el("span", {}, show), count), list) : list;
      section = { list, count, whole };
      this.sections.set(key, section);
      this.end.before(whole);
    }
    return section.list;
  }

  afterChange() {
    for (const { list, count, whole } of this.sections.values()) {
      const shown = [...list.children].filter((item) => !item.hidden).length;
      count.textContent = String(shown);
      if (whole !== list) whole.hidden = !shown;
    }
    if (!this.active || this.active.hidden) this.setActive(this.items()[0] ?? null);
    this.look();
  }

  /** @returns {HTMLElement[]} cards that are shown, as they stand */
  items() {
    return [...this.place.querySelectorAll(".card")].filter((item) => !item.hidden);
  }

  /** @returns {object[]} hits that are shown, as they stand */
  shownHits() {
    return this.items().map((item) => this.hits.get(item)).filter(Boolean);
  }

  setActive(item) {
    if (this.active) setTabStops(this.active, false);
    this.active = item;
    if (item) setTabStops(item, true);
  }

  focused(item) {
    if (item && item !== this.active) this.setActive(item);
  }

  /** Put the focus on a card. @param {HTMLElement|undefined} item */
  focus(item = this.active ?? this.items()[0]) {
    if (!item) return;
    this.setActive(item);
    item.querySelector(".open").focus({ preventScroll: true });
    item.scrollIntoView({ block: "nearest" });
  }

  /** @param {string} shotId */
  focusShot(shotId) {
    this.focus(this.items().find((item) => item.dataset.shot === shotId));
  }

  /** The hit whose card has the focus. */
  current() {
    return document.activeElement?.closest?.(".card") === this.active ? this.hits.get(this.active) : undefined;
  }

  /** Move the focus. @param {"left"|"right"|"up"|"down"|"first"|"last"} way */
  move(way) {
    const items = this.items();
    const at = items.indexOf(this.active);
    if (at < 0) return this.focus(items[0]);
    if (way === "first" || way === "last") return this.focus(items.at(way === "first" ? 0 : -1));
    if (way === "left" || way === "right") return this.focus(items[at + (way === "left" ? -1 : 1)] ?? items[at]);
    return this.focus(neighbour(items, at, way === "down") ?? items[at]);
  }

  /** Show in which cards the shot is selected. @param {(shotId: string) => boolean} selected */
  markSelected(selected) {
    for (const [item, hit] of this.hits) markSelected(item, selected(hit.shot_id));
  }

  async unfold(item, hit) {
    const button = item.querySelector(".folded");
    if (button.getAttribute("aria-expanded") === "true") {
      for (const twin of item.twins ?? []) {
        this.hits.delete(twin);
        twin.remove();
      }
      item.twins = [];
      button.setAttribute("aria-expanded", "false");
      return;
    }
    button.setAttribute("aria-expanded", "true");
    const found = await Promise.allSettled(hit.folded.slice(0, UNFOLD_LIMIT).map((id) => shot(id)));
    if (!item.isConnected || button.getAttribute("aria-expanded") !== "true") return;
    const similar = found.filter((one) => one.status === "fulfilled").map((one) => one.value);
    item.twins = similar.map((one) => {
      const twin = { ...one, lines: [], folded: [], twinOf: hit };
      const made = card(twin, this.actions, [], true);
      this.hits.set(made, twin);
      markSelected(made, this.actions.selected(twin.shot_id));
      this.dress?.(made, twin);
      return made;
    });
    item.after(...item.twins);
    if (similar.length < found.length) this.actions.tell?.(`${found.length - similar.length} similar shots could not be read.`);
  }
}

/** The card above or below that lies nearest in x. @param {HTMLElement[]} items @param {number} at @param {boolean} below */
export function neighbour(items, at, below) {
  const here = items[at].getBoundingClientRect();
  let best = null;
  let row = null;
  for (let i = at + (below ? 1 : -1); items[i]; i += below ? 1 : -1) {
    const there = items[i].getBoundingClientRect();
    if (Math.abs(there.top - here.top) < 4) continue;
    row ??= there.top;
    if (Math.abs(there.top - row) > 4) break;
    const far = Math.abs(there.left - here.left);
    if (!best || far < best.far) best = { item: items[i], far };
  }
  return best?.item;
}
