// The results: cards in a grid, by show if the person wants that. A line stands before the first weak match. Cards
// under the relevance limit are hidden, if there is one; the pictures in the window come in one answer, before all
// others; the next hits are fetched before the end is reached. Arrow keys move between cards.
import { shot } from "./api.js";
import { card, markSelected, setTabStops } from "./card.js";
import { allInside, cardOf, counted, el, inside, showPoster } from "./dom.js";
import { stopPreview } from "./preview.js";
/** @import {PageShot} from "./types.d.ts" */

const AHEAD = "1400px"; // about two screens, so that the next hits are there in time
const UNFOLD_LIMIT = 24;
const LATEST_MS = 1000; // so long everything else waits until the pictures in the window are painted
const SHARP = 1.3; // from so many pixels of the screen for one of the page on, a small picture is not sharp

/** @typedef {"left"|"right"|"up"|"down"|"first"|"last"} Way */

export class Grid {
  /** the hit of each card @type {Map<HTMLElement, PageShot>} */
  hits = new Map();
  /** cards of unfolded near-duplicates, by the card of their hit @type {Map<HTMLElement, HTMLElement[]>} */
  twins = new Map();
  /** the card that arrow keys start from @type {HTMLElement|null} */
  active = null;
  /** by show; "" if the list is not grouped @type {Map<string, {list: HTMLElement, count: HTMLElement, whole: HTMLElement, divider: HTMLElement}>} */
  sections = new Map();
  view = { limit: 0, group: false, words: /** @type {string[]} */ ([]) };
  /** small posters that came with the answer, by shot id @type {Record<string, string>} */
  posters = {};
  /** until the pictures in the window are there @type {Promise<void>|null} */
  settling = null;
  /** adds more to each card than a search needs @type {((item: HTMLElement, hit: PageShot) => void)|null} */
  dress = null;

  /**
   * @param {HTMLElement} place
   * @param {Omit<import("./card.js").CardActions, "unfold"> & {showMessage: (text: string) => void}} actions
   * @param {() => void} fetchMore called near the end of the list
   */
  constructor(place, actions, fetchMore) {
    this.place = place;
    this.actions = { ...actions, unfold: (/** @type {HTMLElement} */ item, /** @type {PageShot} */ hit) => this.unfold(item, hit) };
    this.fetchMore = fetchMore;
    this.end = el("div", { class: "end", "aria-hidden": "true" });
    this.watcher = new IntersectionObserver((seen) => {
      if (seen.some((one) => one.isIntersecting)) this.fetchNext();
    }, { rootMargin: `0px 0px ${AHEAD} 0px` });
    place.addEventListener("focusin", (event) => this.focused(cardOf(event.target)));
    this.clear();
  }

  clear() {
    stopPreview();
    this.watcher.disconnect();
    this.hits = new Map();
    this.twins = new Map();
    this.active = null;
    this.sections = new Map();
    this.place.replaceChildren();
  }

  /** Begin a new list. @param {{limit: number, group: boolean, words: string[]}} view */
  begin(view) {
    this.clear();
    this.settling = null;
    this.posters = {};
    this.view = view;
    this.place.append(this.end);
    this.watcher.observe(this.end);
  }

  /** @param {PageShot[]} hits in the order of their rank @param {Record<string, string>} [posters] of the first ones, by shot id */
  append(hits, posters = {}) {
    /** @type {Map<HTMLElement, HTMLElement[]>} */
    const fresh = new Map();
    /** @type {Map<HTMLElement, PageShot>} */
    const items = new Map();
    for (const hit of hits) {
      const item = card(hit, this.actions, { words: this.view.words, without: true });
      items.set(item, hit);
      this.hits.set(item, hit);
      item.hidden = !this.isShown(hit);
      markSelected(item, this.actions.selected(hit.shot_id));
      this.dress?.(item, hit);
      const { list, divider } = this.sectionOf(hit.show);
      const parts = fresh.get(list) ?? [];
      if (hit.is_weak && !divider.isConnected && !parts.includes(divider)) parts.push(divider);
      fresh.set(list, [...parts, item]);
    }
    for (const [list, parts] of fresh) list.append(...parts);
    this.afterChange();
    this.posters = { ...this.posters, ...posters };
    this.settling = this.showPictures(items, this.settling);
  }

  /**
   * Show the pictures of cards: first those in the window, which came with the answer, then the others.
   * @param {Map<HTMLElement, PageShot>} items @param {Promise<void>|null} earlier the cards before them
   */
  async showPictures(items, earlier) {
    const { hits } = this;
    const all = [...items];
    const first = all.filter(([, hit]) => hit.shot_id in this.posters);
    if (first.length) await showTogether(first, this.posters);
    await earlier;
    if (this.hits !== hits) return; // another list has begun
    const width = all.length ? inside(all[0][0], ".poster", HTMLElement).clientWidth : 0;
    for (const [item, hit] of all) {
      const picture = inside(item, ".poster img", HTMLImageElement);
      if (!picture.hasAttribute("src") || devicePixelRatio >= SHARP) showPoster(picture, hit.poster, width);
    }
  }

  /** Fetch more; after the first hits, once their pictures in the window are there. */
  async fetchNext() {
    const { hits } = this;
    await this.settling;
    if (this.hits === hits) this.fetchMore(); // else another list has begun
  }

  /** Check again if the end is near: after hits were added or cards were shown or hidden. */
  look() {
    this.watcher.unobserve(this.end);
    this.watcher.observe(this.end);
  }

  /** @param {number} limit least relevance of the hits that are shown */
  setLimit(limit) {
    this.view.limit = limit;
    for (const [item, hit] of this.hits) item.hidden = !this.isShown(hit);
    this.afterChange();
  }

  /** Hits of dialogue are shown whatever their relevance. @param {PageShot} hit @returns {boolean} */
  isShown(hit) {
    if (hit.twinOf) return this.isShown(hit.twinOf);
    return (hit.relevance ?? 0) >= this.view.limit || Boolean(hit.matched?.some((one) => one !== "visual"));
  }

  /** Whether a hit is exported as a result: without a limit, weak matches are not. @param {PageShot} hit */
  isWanted(hit) {
    return this.isShown(hit) && (this.view.limit > 0 || !hit.is_weak);
  }

  /** @returns {PageShot[]} hits to export, by rank, without unfolded near-duplicates */
  results() {
    return [...this.hits.values()].filter((hit) => !hit.twinOf && this.isWanted(hit));
  }

  /** @returns {{shown: number, hidden: number}} */
  counts() {
    const all = [...this.hits.values()].filter((hit) => !hit.twinOf);
    const shown = all.filter((hit) => this.isShown(hit)).length;
    return { shown, hidden: all.length - shown };
  }

  /** Sections by show, or one list. @param {boolean} group */
  setGrouped(group) {
    if (this.view.group === group) return;
    const hits = [...this.hits.values()].filter((hit) => !hit.twinOf);
    const focus = this.active && this.hits.get(this.active)?.shot_id;
    const { posters } = this;
    this.begin({ ...this.view, group });
    this.append(hits, posters);
    if (focus) this.focusShot(focus);
  }

  /** @param {string} show */
  sectionOf(show) {
    const key = this.view.group ? show : "";
    let section = this.sections.get(key);
    if (!section) {
      const list = el("ul", { class: "cards" });
      const count = el("span", { class: "count" });
      const whole = this.view.group
        ? el("section", { class: "show", "aria-label": show }, el("h2", {}, el("span", {}, show), count), list) : list;
      const divider = el("li", { class: "divider" }, "Weaker matches");
      section = { list, count, whole, divider };
      this.sections.set(key, section);
      this.end.before(whole);
    }
    return section;
  }

  afterChange() {
    for (const { list, count, whole, divider } of this.sections.values()) {
      const shown = allInside(list, ":scope > .card:not([hidden])").length;
      divider.hidden = !list.querySelector(":scope > .divider ~ .card:not([hidden])");
      count.textContent = String(shown);
      if (whole !== list) whole.hidden = !shown;
    }
    if (!this.active || this.active.hidden) this.setActive(this.items()[0] ?? null);
    this.look();
  }

  /** @returns {HTMLElement[]} cards that are shown, in their order on the page */
  items() {
    return allInside(this.place, ".card").filter((item) => !item.hidden);
  }

  /** @returns {PageShot[]} hits that are shown, in their order on the page */
  shownHits() {
    return this.items().map((item) => this.hits.get(item)).filter((hit) => hit !== undefined);
  }

  /** @param {HTMLElement|null} item */
  setActive(item) {
    if (this.active) setTabStops(this.active, false);
    this.active = item;
    if (item) setTabStops(item, true);
  }

  /** @param {HTMLElement|null} item */
  focused(item) {
    if (item && item !== this.active) this.setActive(item);
  }

  /** Put the focus on a card. @param {HTMLElement|undefined} item */
  focus(item = this.active ?? this.items()[0]) {
    if (!item) return;
    this.setActive(item);
    inside(item, ".open", HTMLElement).focus({ preventScroll: true });
    item.scrollIntoView({ block: "nearest" });
  }

  /** Put the focus on a card that is shown; false if there is none. */
  enter() {
    const items = this.items();
    this.focus(items.find((item) => item === this.active) ?? items[0]);
    return items.length > 0;
  }

  /** @param {string} shotId */
  focusShot(shotId) {
    this.focus(this.items().find((item) => item.dataset.shot === shotId));
  }

  /** The hit whose card has the focus. */
  current() {
    return this.active && cardOf(document.activeElement) === this.active ? this.hits.get(this.active) : undefined;
  }

  /** Move the focus. @param {Way} way */
  move(way) {
    const items = this.items();
    const at = this.active ? items.indexOf(this.active) : -1;
    if (at < 0) return this.focus(items[0]);
    if (way === "first" || way === "last") return this.focus(items.at(way === "first" ? 0 : -1));
    if (way === "left" || way === "right") return this.focus(items[at + (way === "left" ? -1 : 1)] ?? items[at]);
    return this.focus(neighbour(items, at, way === "down") ?? items[at]);
  }

  /** Show in which cards the shot is selected. @param {(shotId: string) => boolean} selected */
  markSelected(selected) {
    for (const [item, hit] of this.hits) markSelected(item, selected(hit.shot_id));
  }

  /** @param {HTMLElement} item @param {PageShot} hit */
  async unfold(item, hit) {
    const button = inside(item, ".folded", HTMLElement);
    if (button.getAttribute("aria-expanded") === "true") {
      for (const twin of this.twins.get(item) ?? []) {
        this.hits.delete(twin);
        twin.remove();
      }
      this.twins.delete(item);
      button.setAttribute("aria-expanded", "false");
      return;
    }
    button.setAttribute("aria-expanded", "true");
    const found = await Promise.allSettled((hit.folded ?? []).slice(0, UNFOLD_LIMIT).map((id) => shot(id)));
    if (!item.isConnected || button.getAttribute("aria-expanded") !== "true") return;
    const similar = found.filter((one) => one.status === "fulfilled").map((one) => one.value);
    const twins = similar.map((one) => {
      /** @type {PageShot} */
      const twin = { ...one, lines: [], folded: [], twinOf: hit };
      const made = card(twin, this.actions, { twin: true });
      this.hits.set(made, twin);
      markSelected(made, this.actions.selected(twin.shot_id));
      this.dress?.(made, twin);
      return made;
    });
    this.twins.set(item, twins);
    item.after(...twins);
    const unread = found.length - similar.length;
    if (unread) this.actions.showMessage(`${counted(unread, "similar shot")} could not be read.`);
  }
}

/**
 * Show the pictures of cards that came with the answer.
 * @param {[HTMLElement, PageShot][]} cards @param {Record<string, string>} posters
 * @returns {Promise<void>} when they are painted, have failed, or take long
 */
async function showTogether(cards, posters) {
  const pictures = cards.map(([item, hit]) => {
    const picture = inside(item, ".poster img", HTMLImageElement);
    picture.src = posters[hit.shot_id];
    return picture;
  });
  const painted = Promise.all(pictures.map(whenLoaded))
    .then(() => new Promise((done) => { requestAnimationFrame(() => { setTimeout(done); }); }));
  await Promise.race([painted, new Promise((done) => { setTimeout(done, LATEST_MS); })]); // a hidden tab paints nothing
}

/** @param {HTMLImageElement} picture @returns {Promise<unknown>} when it is loaded, or has failed */
function whenLoaded(picture) {
  if (picture.complete) return Promise.resolve();
  return new Promise((done) => {
    picture.addEventListener("load", done, { once: true });
    picture.addEventListener("error", done, { once: true });
  });
}

/** The nearest card in the row above or below. @param {HTMLElement[]} items @param {number} at @param {boolean} below */
export function neighbour(items, at, below) {
  const here = items[at].getBoundingClientRect();
  /** @type {{item: HTMLElement, far: number}|null} */
  let best = null;
  /** @type {number|null} */
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
