// The labelling view: the figures of the label's probe, the four feeds of shots to label, the shots on which people
// differ, and the answers. One focus moves over all of its cards.
import { facts, posterBox } from "./card.js";
import { allInside, calm, cardOf, counted, el, inside, present } from "./dom.js";
import { neighbour } from "./grid.js";
import { ProbeFacts } from "./probefacts.js";
import { stopPreview } from "./preview.js";
import { showMark, thumbs } from "./thumbs.js";
import { Problem } from "./api.js";

/**
 * @import {Page} from "./app.js"
 * @import {Judging} from "./judging.js"
 * @import {FeedsAnswer, JudgedAnswer, OfferedShot, Shot} from "./service.d.ts"
 * @import {PageShot} from "./types.d.ts"
 */

/**
 * @typedef {object} LabelCard
 * @property {HTMLElement} item
 * @property {HTMLElement} box    its poster
 * @property {PageShot} shot
 * @property {string} [feed]      the feed that offers it
 * @property {string} origin      the origin of an answer to it
 */

const PER_FEED = 6;
const SHOWN = 60;
const MOVES = /^(Arrow(Left|Right|Up|Down)|Home|End)$/;
const FEEDS = [
  ["top_positive", "Top positive", "the highest scores: mistakes among them cost most"],
  ["top_negative", "Top negative", "the lowest scores"],
  ["borderline", "Borderline", "scores near the threshold: these teach the probe most"],
  ["random", "Random", "they show how common the label is"],
];

export class LabelView {
  label = "";
  /** the card that keys act on @type {HTMLElement|null} */
  active = null;
  /** the version that scored the feeds; null before the first feeds @type {string|null} */
  version = null;
  /** of the last answer @type {number|null} */
  conflictCount = null;
  /** @type {string|null} */
  reviewedTally = null;
  /** cards by their element @type {Map<HTMLElement, LabelCard>} */
  of = new Map();
  conflicts = el("div", {});
  feeds = el("div", { class: "feeds" });
  news = el("p", { class: "label-news", role: "status" });
  reviewed = el("div", {});
  review = el("details", { class: "review", ontoggle: () => { this.showReview(); } }, el("summary", {}, "Answers until now"), this.reviewed);
  seed = Math.floor(Math.random() * 2 ** 31); // two people at once get different random shots

  /** @param {Page} page @param {Judging} judging */
  constructor(page, judging) {
    this.page = page;
    this.judging = judging;
    this.facts = new ProbeFacts(page, judging);
    this.whole = el("div", { id: "labelling", hidden: true }, this.facts.whole, this.news, this.conflicts, this.feeds, this.review);
    this.whole.addEventListener("focusin", (event) => this.setActive(this.itemOf(event.target)));
    judging.on("marks", () => this.showMarks());
    judging.on("probe", () => this.showProbe());
    judging.on("version", () => this.showVersion());
  }

  clear() {
    stopPreview();
    this.label = "";
    this.active = null;
    this.version = null;
    this.conflictCount = null;
    this.reviewedTally = null;
    this.of = new Map();
    for (const place of [this.feeds, this.conflicts, this.reviewed]) place.replaceChildren();
    this.news.replaceChildren();
    this.review.open = false;
  }

  /** @param {boolean} there */
  show(there) {
    this.whole.hidden = !there;
    if (!there || this.label !== this.judging.label) this.clear();
    if (!there) return;
    this.label = this.judging.label;
    this.showProbe();
  }

  showProbe() {
    if (this.whole.hidden) return;
    this.facts.show();
    const { probe, isLoaded } = this.judging;
    this.review.hidden = !probe || !(probe.labels.yes + probe.labels.no);
    if (isLoaded && probe && this.version === null) this.load();
    if (probe && this.conflictCount !== probe.labels.conflicts) this.showConflicts(probe.labels.conflicts);
    const tally = probe && `${probe.labels.yes} ${probe.labels.no}`;
    if (this.reviewedTally === tally || this.review.contains(document.activeElement)) return; // nothing moves while it has the focus
    this.reviewedTally = tally;
    this.showReview();
  }

  /** Another version scores now: load its feeds, unless some shots of these are answered. */
  showVersion() {
    if (this.whole.hidden || this.judging.probe?.scored_by === this.version) return;
    if (this.facts.isAwaited || !this.answered()) {
      this.load();
      return;
    }
    this.news.replaceChildren("A new version scores now. ", el("button", { type: "button", onclick: () => this.load(true) }, "Show its shots (b)"));
  }

  answered() {
    return this.cards().some((card) => card.feed && this.isDone(card));
  }

  /** @param {LabelCard} card */
  isDone(card) {
    return this.judging.currentAnswer(card.shot.shot_id) !== null || this.judging.skipped.has(card.shot.shot_id);
  }

  /** New feeds. @param {boolean} focus whether the first of them gets the focus */
  async load(focus = false) {
    const { label } = this;
    this.version = this.judging.probe?.scored_by ?? "";
    this.facts.isAwaited = false;
    this.seed = (this.seed + 1) % 2 ** 31;
    try {
      const found = await this.judging.next(PER_FEED, this.seed);
      if (label !== this.label) return;
      this.news.replaceChildren();
      this.drawFeeds(found);
      if (focus) this.focus(this.items()[0]);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.judging.trouble(error.message, () => this.load(focus));
    }
  }

  /** @param {FeedsAnswer} found */
  drawFeeds(found) {
    stopPreview();
    this.drop((card) => card.feed !== undefined);
    const sections = FEEDS.filter(([name]) => found.feeds[name]?.length).map(([name, title, why]) =>
      this.section(title, why, found.feeds[name].map((shot) => this.card(shot, { feed: name, origin: name }))));
    const more = sections.length
      ? el("p", { class: "row" }, el("button", { type: "button", title: "b", onclick: () => this.load(true) }, "Next shots (b)"))
      : el("p", { class: "muted" }, "Every shot of the catalogue has an answer.");
    this.feeds.replaceChildren(...sections, more);
    this.afterChange();
    this.judging.look(this.cards().map((card) => card.shot.shot_id));
  }

  /** @param {string} title @param {string} why @param {HTMLElement[]} cards */
  section(title, why, cards) {
    return el("section", { class: "feed", "aria-label": title }, el("h2", {}, title, el("span", { class: "muted" }, why)),
      el("ul", { class: "cards" }, ...cards));
  }

  /** @param {Shot & Partial<OfferedShot>} shot @param {{feed?: string, origin: string}} given @returns {HTMLElement} */
  card(shot, given) {
    /** @type {PageShot} */
    const hit = { ...shot, score: undefined };
    const box = posterBox(hit, { open: () => this.page.openShot(hit) });
    const place = facts(hit);
    if (typeof shot.score === "number") place.append(el("span", { class: "relevance", title: "score of the probe" }, shot.score.toFixed(2)));
    const item = el("li", { class: "card judged", "data-shot": shot.shot_id }, box, place);
    item.append(thumbs(this.label, (value) => this.answer(item, value), given.feed ? () => this.skip(item) : null));
    for (const button of item.querySelectorAll("button")) button.tabIndex = -1;
    this.of.set(item, { item, box, shot: hit, ...given });
    showMark(item, this.judging, shot.shot_id);
    return item;
  }

  /** @param {number} count of conflicts */
  async showConflicts(count) {
    this.conflictCount = count;
    const { label } = this;
    const found = count ? await this.read("conflicts") : null;
    if ((count && !found) || label !== this.label) return;
    this.drop((card) => card.origin === "settled");
    const shots = found ? shotsOf(found) : [];
    this.conflicts.replaceChildren(...(shots.length ? [this.section(`${counted(count, "shot")} on which people differ`,
      "the latest answer counts; yours settles it", shots.map((shot) => this.card(shot, { origin: "settled" })))] : []));
    this.afterChange();
  }

  async showReview() {
    if (!this.review.open) return;
    const { label } = this;
    const [yes, no] = await Promise.all([this.read("yes"), this.read("no")]);
    if (!yes || !no || label !== this.label) return;
    this.drop((card) => card.origin === "review");
    const part = (/** @type {string} */ word, /** @type {JudgedAnswer} */ found) => {
      const shots = shotsOf(found);
      return shots.length > 0 && this.section(`${found.total} ${word}`, found.total > shots.length ? `the last ${shots.length} of them` : "",
        shots.map((shot) => this.card(shot, { origin: "review" })));
    };
    this.reviewed.replaceChildren(...present([part("yes", yes), part("no", no)]));
    this.afterChange();
  }

  /** @param {"yes"|"no"|"conflicts"} which */
  async read(which) {
    try {
      return await this.judging.said(which, SHOWN);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.judging.trouble(error.message);
      return null;
    }
  }

  /** Forget the cards that match. @param {(card: LabelCard) => boolean} which */
  drop(which) {
    for (const [item, card] of this.of) if (which(card)) this.of.delete(item);
  }

  afterChange() {
    if (!this.active?.isConnected) this.setActive(this.items()[0] ?? null);
  }

  showMarks() {
    if (this.whole.hidden) return;
    for (const [item, card] of this.of) showMark(item, this.judging, card.shot.shot_id);
  }

  /** @param {HTMLElement} item @param {boolean} value */
  answer(item, value) {
    const card = this.of.get(item);
    if (!card) return;
    this.judging.answer(card.shot.shot_id, value, card.origin);
    this.goOn(item);
  }

  /** @param {HTMLElement} item */
  skip(item) {
    const card = this.of.get(item);
    if (!card) return;
    this.judging.skipped.add(card.shot.shot_id);
    this.showMarks();
    this.goOn(item);
  }

  /** To the next shot without an answer; to new feeds if all of these have one. @param {HTMLElement} item */
  goOn(item) {
    const items = this.items();
    if (!this.of.get(item)?.feed) return this.focus(items[items.indexOf(item) + 1] ?? item);
    const open = items.filter((one) => {
      const card = this.of.get(one);
      return card?.feed && !this.isDone(card);
    });
    const next = open.find((one) => items.indexOf(one) > items.indexOf(item)) ?? open[0];
    if (next) return this.focus(next);
    return this.load(true);
  }

  /** @returns {HTMLElement[]} visible cards, in their order on the page */
  items() {
    return allInside(this.whole, ".card").filter((item) => this.of.has(item) && item.checkVisibility());
  }

  cards() {
    return [...this.of.values()];
  }

  /** The card of this view that an element is in. @param {EventTarget|null} target */
  itemOf(target) {
    const item = cardOf(target);
    return item && this.of.has(item) ? item : null;
  }

  /** The shots that the player goes through. */
  shownHits() {
    return this.items().map((item) => this.of.get(item)?.shot).filter((shot) => shot !== undefined);
  }

  /** @param {string} shotId */
  focusShot(shotId) {
    this.focus(this.items().find((item) => item.dataset.shot === shotId));
  }

  /** The feed that offers a shot, if one does. @param {string} shotId */
  originOf(shotId) {
    return this.cards().find((card) => card.shot.shot_id === shotId)?.origin;
  }

  /** @param {HTMLElement|null} item */
  setActive(item) {
    if (!item || item === this.active) return;
    for (const button of this.active?.querySelectorAll("button") ?? []) button.tabIndex = -1;
    this.active = item;
    for (const button of item.querySelectorAll("button")) button.tabIndex = 0;
  }

  /** @param {HTMLElement|undefined} item */
  focus(item) {
    if (!item) return;
    this.setActive(item);
    inside(item, ".open", HTMLElement).focus({ preventScroll: true });
    item.scrollIntoView({ block: "nearest", behavior: calm() ? "auto" : "smooth" });
  }

  /**
   * The action of a key in this view, or null.
   * @param {string} key @param {EventTarget|null} target @param {(card: LabelCard) => void} play @returns {(() => void)|null}
   */
  actionOf(key, target, play) {
    const item = this.itemOf(target);
    const isIdle = target === document.body || target === this.page.results;
    if (!item && !isIdle) return null;
    if (key === "b") return () => this.load(true);
    const isMove = MOVES.test(key);
    if (!item) return isMove || "yns".includes(key) ? () => this.focus(this.active ?? this.items()[0]) : null;
    if (isMove) return () => this.move(item, key);
    const card = this.of.get(item);
    if (key === " " && target instanceof Element && target.matches(".open")) return card ? () => play(card) : null;
    /** @type {Record<string, (() => void)|undefined>} */
    const actions = { y: () => this.answer(item, true), n: () => this.answer(item, false), s: () => card?.feed && this.skip(item) };
    return actions[key] ?? null;
  }

  /** Move the focus. @param {HTMLElement} item @param {string} key an arrow, Home or End */
  move(item, key) {
    const items = this.items();
    const at = items.indexOf(item);
    if (key === "Home" || key === "End") return this.focus(items.at(key === "Home" ? 0 : -1));
    if (key === "ArrowLeft" || key === "ArrowRight") return this.focus(items[at + (key === "ArrowLeft" ? -1 : 1)]);
    return this.focus(neighbour(items, at, key === "ArrowDown"));
  }
}

/** The shots of an answer that are in the catalogue. @param {JudgedAnswer} found */
const shotsOf = (found) => found.shots.map((one) => one.shot).filter((shot) => shot !== null);
