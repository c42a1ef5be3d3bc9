// The labelling view: what the probe of a label is worth now, the four feeds of shots to say yes or no of, where
// people differ, and what was said. One focus walks over all of its cards.
import { facts, posterBox } from "./card.js";
import { calm, counted, el } from "./dom.js";
import { neighbour } from "./grid.js";
import { ProbeFacts } from "./probefacts.js";
import { stopPreview } from "./preview.js";
import { tellMark, thumbs } from "./thumbs.js";
import { Problem } from "./api.js";

const PER_FEED = 6;
const SHOWN = 60;
const FEEDS = [
  ["top_positive", "Top positive", "the surest yes: mistakes among them cost most"],
  ["top_negative", "Top negative", "the surest no"],
  ["borderline", "Borderline", "where the probe cannot tell: these teach it most"],
  ["random", "Random", "keep it honest: they say how common the label is"],
];

export class LabelView {
  /** @param {any} page @param {import("./judging.js").Judging} judging */
  constructor(page, judging) {
    this.page = page;
    this.judging = judging;
    this.facts = new ProbeFacts(page, judging);
    this.conflicts = el("div", {});
    this.feeds = el("div", { class: "feeds" });
    this.news = el("p", { class: "label-news", role: "status" });
    this.reviewed = el("div", {});
    this.review = el("details", { class: "review", ontoggle: () => this.showReview() }, el("summary", {}, "What was said"), this.reviewed);
    this.whole = el("div", { id: "labelling", hidden: true }, this.facts.whole, this.news, this.conflicts, this.feeds, this.review);
    this.whole.addEventListener("focusin", (event) => this.setActive(this.cardOf(event.target)));
    this.seed = Math.floor(Math.random() * 2 ** 31); // two people at once get different random shots
    this.clear();
    judging.addEventListener("marks", () => this.showMarks());
    judging.addEventListener("probe", () => this.showProbe());
    judging.addEventListener("version", () => this.showVersion());
  }

  clear() {
    stopPreview();
    this.label = "";
    this.active = null;
    this.version = null;
    this.conflictCount = null;
    this.reviewedTally = null;
    this.of = new Map(); // cards by their element
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
    if (this.reviewedTally === tally || this.review.contains(document.activeElement)) return; // nothing moves under a hand
    this.reviewedTally = tally;
    this.showReview();
  }

  /** Another version scores now: its feeds come by themselves where nobody is in the middle of these. */
  showVersion() {
    if (this.whole.hidden || this.judging.probe.scored_by === this.version) return;
    if (this.facts.isAwaited || !this.answered()) {
      this.load();
      return;
    }
    this.news.replaceChildren("A new version scores now. ", el("button", { type: "button", onclick: () => this.load(true) }, "Show its shots (b)"));
  }

  answered() {
    return this.cards().some((card) => card.feed && this.isDone(card));
  }

  isDone(card) {
    return this.judging.valueOf(card.shot.shot_id) !== null || this.judging.skipped.has(card.shot.shot_id);
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

  drawFeeds(found) {
    stopPreview();
    this.drop((card) => card.feed);
    const sections = FEEDS.filter(([name]) => found.feeds[name]?.length).map(([name, title, why]) =>
      this.section(title, why, found.feeds[name].map((shot) => this.card(shot, { feed: name, origin: name }))));
    const more = sections.length
      ? el("p", { class: "row" }, el("button", { type: "button", title: "b", onclick: () => this.load(true) }, "Next shots (b)"))
      : el("p", { class: "muted" }, "Every shot of the catalogue has an answer.");
    this.feeds.replaceChildren(...sections, more);
    this.afterChange();
    this.judging.look(this.cards().map((card) => card.shot.shot_id));
  }

  section(title, why, cards) {
    return el("section", { class: "feed", "aria-label": title }, el("h2", {}, title, el("span", { class: "muted" }, why)),
      el("ul", { class: "cards" }, ...cards));
  }

  /** @param {object} shot @param {{feed?: string, origin: string}} given @returns {HTMLElement} */
  card(shot, given) {
    const hit = { ...shot, relevance: undefined, score: undefined };
    const box = posterBox(hit, { open: () => this.page.openShot(hit) });
    const skip = given.feed ? () => this.skip(item) : null;
    const told = facts(hit);
    if (typeof shot.score === "number") told.append(el("span", { class: "relevance", title: "score of the probe" }, shot.score.toFixed(2)));
    const item = el("li", { class: "card judged", "data-shot": shot.shot_id }, box, told, thumbs(this.label, (value) => this.say(item, value), skip));
    for (const button of item.querySelectorAll("button")) button.tabIndex = -1;
    this.of.set(item, { item, box, shot: hit, ...given });
    tellMark(item, this.judging, shot.shot_id);
    return item;
  }

  async showConflicts(count) {
    this.conflictCount = count;
    const { label } = this;
    const found = count ? await this.read("conflicts") : { shots: [] };
    if (!found || label !== this.label) return;
    this.drop((card) => card.origin === "settled");
    const there = found.shots.filter((one) => one.shot);
    this.conflicts.replaceChildren(...(there.length ? [this.section(`${counted(count, "shot")} of which people differ`,
      "the latest answer counts; yours settles it", there.map((one) => this.card(one.shot, { origin: "settled" })))] : []));
    this.afterChange();
  }

  async showReview() {
    if (!this.review.open) return;
    const { label } = this;
    const [yes, no] = await Promise.all([this.read("yes"), this.read("no")]);
    if (!yes || !no || label !== this.label) return;
    this.drop((card) => card.origin === "review");
    const part = (word, found) => {
      const there = found.shots.filter((one) => one.shot);
      return there.length > 0 && this.section(`${found.total} ${word}`, found.total > there.length ? `the last ${there.length} of them` : "",
        there.map((one) => this.card(one.shot, { origin: "review" })));
    };
    this.reviewed.replaceChildren(...[part("yes", yes), part("no", no)].filter(Boolean));
    this.afterChange();
  }

  async read(which) {
    try {
      return await this.judging.said(which, SHOWN);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.judging.trouble(error.message);
      return null;
    }
  }

  drop(which) {
    for (const [item, card] of this.of) if (which(card)) this.of.delete(item);
  }

  afterChange() {
    if (!this.active?.isConnected) this.setActive(this.items()[0] ?? null);
  }

  showMarks() {
    if (this.whole.hidden) return;
    for (const [item, card] of this.of) tellMark(item, this.judging, card.shot.shot_id);
  }

  say(item, value) {
    const card = this.of.get(item);
    this.judging.answer(card.shot.shot_id, value, card.origin);
    this.goOn(item);
  }

  skip(item) {
    this.judging.skipped.add(this.of.get(item).shot.shot_id);
    this.showMarks();
    this.goOn(item);
  }

  /** To the next shot without an answer; to new feeds where all of these have one. */
  goOn(item) {
    const card = this.of.get(item);
    const items = this.items();
    if (!card.feed) return this.focus(items[items.indexOf(item) + 1] ?? item);
    const open = items.filter((one) => this.of.get(one).feed && !this.isDone(this.of.get(one)));
    const next = open.find((one) => items.indexOf(one) > items.indexOf(item)) ?? open[0];
    if (next) return this.focus(next);
    return this.load(true);
  }

  /** @returns {HTMLElement[]} cards as they stand */
  items() {
    return [...this.whole.querySelectorAll(".card")].filter((item) => this.of.has(item) && item.checkVisibility());
  }

  cards() {
    return [...this.of.values()];
  }

  cardOf(target) {
    const item = target instanceof Element ? target.closest(".card") : null;
    return item && this.of.has(item) ? item : null;
  }

  /** The player walks through these. */
  shownHits() {
    return this.items().map((item) => this.of.get(item).shot);
  }

  /** @param {string} shotId */
  focusShot(shotId) {
    this.focus(this.items().find((item) => item.dataset.shot === shotId));
  }

  /** Which feed offers a shot, if any does. @param {string} shotId */
  originOf(shotId) {
    return this.cards().find((card) => card.shot.shot_id === shotId)?.origin;
  }

  setActive(item) {
    if (!item || item === this.active) return;
    for (const button of this.active?.querySelectorAll("button") ?? []) button.tabIndex = -1;
    this.active = item;
    for (const button of item.querySelectorAll("button")) button.tabIndex = 0;
  }

  focus(item) {
    if (!item) return;
    this.setActive(item);
    item.querySelector(".open").focus({ preventScroll: true });
    item.scrollIntoView({ block: "nearest", behavior: calm() ? "auto" : "smooth" });
  }

  /** What a key does here, or null. @param {string} key @param {EventTarget} target @param {(card: any) => void} play */
  actionOf(key, target, play) {
    const item = this.cardOf(target);
    const idle = target === document.body || target === this.page.results;
    if (!item && !idle) return null;
    if (key === "b") return () => this.load(true);
    const way = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: "up", ArrowDown: "down", Home: "first", End: "last" }[key];
    if (!item) return way || "yns".includes(key) ? () => this.focus(this.active ?? this.items()[0]) : null;
    if (way) return () => this.move(item, way);
    if (key === " " && target.matches(".open")) return () => play(this.of.get(item));
    return { y: () => this.say(item, true), n: () => this.say(item, false), s: () => this.of.get(item).feed && this.skip(item) }[key] ?? null;
  }

  move(item, way) {
    const items = this.items();
    const at = items.indexOf(item);
    if (way === "first" || way === "last") return this.focus(items.at(way === "first" ? 0 : -1));
    if (typeof way === "number") return this.focus(items[at + way]);
    return this.focus(neighbour(items, at, way === "down"));
  }
}
