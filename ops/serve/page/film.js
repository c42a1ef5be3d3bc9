// A whole film: a timeline, the picture with its dialogue, and every shot in order as a storyboard, which all stand at the
// same frame. Its cuts are corrected by hand: two shots merged, one split.
// The next ingest applies the corrections; until then the storyboard shows the current shots and the coming changes.
import { correct, film as readFilm, filmCorrections, Problem, transcript } from "./api.js";
import { markSelected } from "./card.js";
import { byId, counted, el, icon, isTyping, lengthOf, loadStyle, ownTitle, pageLink } from "./dom.js";
import { currentOf, effectOf, marksOf } from "./filmcorrections.js";
import { FilmFinds } from "./filmfinds.js";
import { FilmRange } from "./filmrange.js";
import { FilmStage } from "./filmstage.js";
import { filmTile } from "./filmtile.js";
import { FilmTimeline } from "./filmtimeline.js";
import { findFollowing } from "./likeness.js";
import { showAddress } from "./posters.js";
import { Splitter } from "./splitter.js";
import { Storyboard } from "./storyboard.js";
import { Transcript } from "./transcript.js";
import { allows, whyNot } from "./account.js";
import { setWho, who, whoField } from "./who.js";

/**
 * @import {Page} from "./app.js"
 * @import {Query} from "./address.js"
 * @import {Mark} from "./filmtile.js"
 * @import {CorrectionBody, FilmAnswer} from "./service.d.ts"
 * @import {PageShot} from "./types.d.ts"
 */

const WATCH_MS = 5000; // while corrections wait

export class FilmView {
  id = "";
  /** @type {FilmAnswer|null} */
  film = null;
  /** the shots as the player needs them @type {PageShot[]} */
  hits = [];
  /** corrections, by index of the shot @type {Map<number, Mark[]>} */
  marks = new Map();
  timer = 0;
  title = el("h1", { id: "film-title" });
  facts = el("p", { class: "muted" });
  waiting = el("p", { class: "film-waiting", hidden: true });
  news = el("p", { class: "film-news", role: "status" });
  wrong = el("p", { class: "wrong", role: "alert" });
  who = whoField("film-author", setWho);
  goto = el("input", { type: "number", id: "film-goto", min: 0, step: 1 });
  board = new Storyboard((index) => filmTile(this.hits[index], this.marks.get(index) ?? [], {
    open: (hit) => this.page.openShot(hit), toggle: (hit) => this.toggle(hit), merge: (hit) => this.merge(hit), split: (hit) => this.split(hit),
    undo: (mark) => this.correctCut(mark.undo.action, mark.undo.frame) }));
  splitter = new Splitter({ split: (_hit, frame, note) => this.correctCut("cut", frame, note),
    undo: (mark) => this.correctCut(mark.undo.action, mark.undo.frame) });
  timeline = new FilmTimeline({ seek: (frame) => this.stand(frame), indexAt: (frame) => this.indexAt(frame), extend: (index) => this.extend(index), isChoosing: () => this.range.isChoosing });
  stage = new FilmStage((frame) => this.follow(frame));
  transcript = new Transcript((frame) => this.stand(frame));
  finds = new FilmFinds({ indexOf: (shotId) => this.hits.findIndex((hit) => hit.shot_id === shotId), current: () => this.stage.index,
    go: (index) => this.board.focus(index), changed: () => this.showMarks() });
  range = new FilmRange({ shots: () => this.hits, take: () => this.takeRange(), changed: () => this.showMarks() });
  /** what stays on the screen */
  top = el("div", { class: "film-top" }, this.finds.place, this.timeline.place, this.range.place);
  whole = this.build();

  /** @param {Page} page */
  constructor(page) {
    this.page = page;
    byId("state", HTMLElement).before(this.whole);
    loadStyle("film.css");
    page.on("shot", () => this.stage.shuttle.pause()); // the player has its own picture and sound
    this.board.dress = (tile, index) => this.dress(tile, index);
    page.selection.addEventListener("change", () => this.board.redress());
    this.board.place.addEventListener("pointerdown", (event) => { if (event.shiftKey && !this.range.range) this.range.anchor = this.board.active; }, true);
    this.board.place.addEventListener("click", (event) => {
      const isPicture = event.target instanceof Element && event.target.matches(".open");
      if (!event.shiftKey && !(this.range.isChoosing && isPicture)) return;
      event.preventDefault();
      event.stopPropagation();
      const index = this.board.indexOf(event.target);
      this.extend(index, event.shiftKey ? this.range.anchor : index);
    }, true);
    this.board.covered = () => this.top.offsetHeight;
    this.timeline.place.append(this.range.button);
    new ResizeObserver(() => this.whole.style.setProperty("--film-top", `${this.top.offsetHeight}px`)).observe(this.top);
    this.board.place.addEventListener("focusin", (event) => {
      const index = this.board.indexOf(event.target);
      if (index >= 0 && index !== this.stage.index) this.standAt(this.hits[index].start_frame);
    });
    document.addEventListener("keydown", (event) => this.key(event));
    document.addEventListener("visibilitychange", () => { if (!document.hidden && this.id) this.look(); });
  }

  /** @returns {HTMLElement} */
  build() {
    const jump = el("form", { class: "narrow", onsubmit: (event) => { event.preventDefault(); this.board.focus(this.indexAt(Number(this.goto.value))); } },
      el("label", { for: "film-goto" }, "Go to frame"), this.goto, el("button", { type: "submit" }, "Go"));
    return el("section", { id: "film", class: "film", hidden: true, "aria-labelledby": "film-title" },
      el("header", { class: "film-head" },
        el("button", { type: "button", title: "Esc", onclick: () => this.page.closeFilm() }, icon("stepback"), "Back"),
        el("div", { class: "grow" }, this.title, this.facts),
        el("div", { class: "film-tools" }, jump, el("label", { class: "narrow", for: "film-author", "data-needs": "label" }, "correcting as", this.who))),
      this.waiting, this.news, this.wrong, this.top,
      el("div", { class: "film-body" }, el("div", { class: "film-side" }, this.stage.place, this.transcript.place), this.board.place));
  }

  /** Show the film of the address, or nothing. @param {Query} query */
  show(query) {
    document.body.classList.toggle("film-open", Boolean(query.film));
    this.whole.hidden = !query.film;
    clearTimeout(this.timer);
    if (!query.film) {
      this.id = "";
      this.stage.unload();
      return;
    }
    this.page.list = this;
    this.who.value = who() === "page" ? "" : who();
    if (this.id === query.film && this.film) {
      this.finds.load(this.film, query);
      this.watch();
    } else this.load(query.film, query.frame);
  }

  /** @param {string} id @param {number|null} frame whose shot gets the focus; null keeps the place */
  async load(id, frame) {
    const isNew = this.id !== id;
    this.id = id;
    this.wrong.textContent = "";
    if (isNew) {
      this.film = null;
      this.title.textContent = "Opening…";
      for (const part of [this.facts, this.news]) part.textContent = "";
      this.waiting.hidden = true;
      this.board.show(0);
      this.stage.show([], false);
      this.timeline.mark({ lines: [] });
      this.finds.clear();
      this.transcript.show([], []);
    }
    try {
      const film = await readFilm(id);
      if (this.id !== id) return;
      const place = isNew ? null : this.hits[this.board.firstShown()]?.start_frame;
      const active = isNew ? frame : this.hits[this.board.active]?.start_frame;
      this.take(film);
      this.board.show(this.hits.length, this.indexAt(active ?? 0));
      this.standAt(active ?? 0);
      this.range.clear();
      this.finds.load(film, this.page.query);
      if (isNew) this.loadLines(id);
      if (isNew && frame !== null) this.board.focus(this.indexAt(frame));
      else if (isNew) scrollTo({ top: 0 });
      else if (place !== undefined && place !== null) this.board.reveal(this.indexAt(place), true);
    } catch (error) {
      this.fail(error);
      if (isNew) this.title.textContent = "This film cannot be shown";
    }
    this.watch();
  }

  /** @param {FilmAnswer} film */
  take(film) {
    this.film = film;
    const { show, title, path, fps, video_id } = film;
    this.hits = film.film_shots.map((shot) => ({ ...shot, show, title, path, fps, video_id, film_frames: film.frames, lines: [] }));
    const own = ownTitle(film);
    this.title.replaceChildren(pageLink(showAddress(this.page, [show]), (address) => this.page.open(address), { title: "Its videos" }, show), own && ` · ${own}`);
    this.title.title = path;
    this.goto.max = String(film.frames - 1);
    this.stage.show(this.hits, film.has_audio !== false);
    this.timeline.show(this.hits, film.frames);
    this.showCorrections();
  }

  /** @param {string} id */
  async loadLines(id) {
    try {
      const { lines } = await transcript(id);
      if (this.id !== id) return;
      this.timeline.mark({ lines });
      this.transcript.show(lines, this.finds.spokenWords);
    } catch (error) {
      this.fail(error);
    }
  }

  /** Show a frame in all parts, and its shot in the storyboard. @param {number} frame */
  stand(frame) {
    this.standAt(frame);
    const index = this.indexAt(frame);
    this.board.setActive(index);
    this.board.reveal(index, true);
  }

  /** Show a frame in the picture, the timeline and the dialogue. @param {number} frame */
  standAt(frame) {
    this.stage.stand(this.indexAt(frame), frame);
    this.mark(frame);
  }

  /** The picture shows another frame. @param {number} frame */
  follow(frame) {
    const before = this.board.active;
    const index = this.indexAt(frame);
    this.mark(frame);
    if (index === before) return;
    this.board.setActive(index);
    if (!this.board.place.contains(document.activeElement)) this.board.reveal(index);
  }

  /** @param {number} frame */
  mark(frame) {
    this.timeline.stand(frame);
    this.transcript.stand(frame);
    this.board.redress();
  }

  /** The hits or the range have changed. */
  showMarks() {
    this.timeline.mark({ hits: this.finds.hits, range: this.range.range });
    this.transcript.markWords(this.finds.spokenWords);
    this.board.redress();
  }

  /** @param {HTMLElement} tile @param {number} index */
  dress(tile, index) {
    const hit = this.finds.byIndex.get(index);
    const states = { current: index === this.stage.index, "in-range": this.range.has(index), found: Boolean(hit), weak: Boolean(hit?.weak),
      selected: this.page.selection.has(this.hits[index]?.shot_id) };
    for (const [name, isOn] of Object.entries(states)) tile.classList.toggle(name, isOn);
    markSelected(tile, states.selected);
    if (hit) tile.dataset.relevance = `${Math.round(hit.relevance * 100)} %`;
    else delete tile.dataset.relevance;
  }

  /** Let the range reach to a shot. @param {number} index @param {number} [from] where a new one begins */
  extend(index, from = this.stage.index) {
    if (index >= 0 && this.hits.length) this.range.extend(index, Math.max(from, 0));
  }

  /** Put the range into the tray as one clip: its first shot with marks that reach over the others. */
  takeRange() {
    const { range } = this.range;
    if (!range) return;
    const shots = this.hits.slice(range.first, range.last + 1);
    const origin = shots.map((shot) => this.finds.origins.get(shot.shot_id)).find(Boolean) ?? null;
    this.page.selection.put(shots[0], origin, shots[0].start_frame, shots[shots.length - 1].end_frame);
    this.news.textContent = `${counted(shots.length, "shot")} ${shots.length === 1 ? "is" : "are"} in the tray as one clip.`;
    this.range.clear();
  }

  /** Put the range into the tray, or a shot, or take the shot out. @param {PageShot} hit */
  select(hit) {
    if (this.range.range) this.takeRange();
    else this.toggle(hit);
  }

  /** Put a shot into the tray, or take it out. @param {PageShot} hit */
  toggle(hit) {
    this.page.selection.toggle(hit, this.finds.origins.get(hit.shot_id) ?? null);
  }

  /** The range first, then the film. */
  leave() {
    if (this.range.range) this.range.clear();
    else this.page.closeFilm();
  }

  /** Show the corrections of the answer. */
  showCorrections() {
    const { film } = this;
    if (!film) return;
    this.marks = marksOf(film, (frame) => this.indexAt(frame));
    const current = currentOf(film).size;
    this.facts.textContent = [counted(film.shots, "shot"), lengthOf(this.hits.at(-1)?.end_s ?? 0), `${film.frames} frames`,
      current ? counted(current, "correction") : ""].filter(Boolean).join(" · ");
    const waiting = film.to_cut.length + film.to_merge.length;
    this.waiting.hidden = !waiting;
    this.waiting.replaceChildren(`${counted(waiting, "change")} will be searchable after the next ingest: `,
      el("code", {}, "needle ingest"), ", or the daemon by itself.");
  }

  /** @param {PageShot} hit */
  merge(hit) {
    if (hit.start_frame > 0) this.correctCut("no_cut", hit.start_frame);
  }

  /** @param {PageShot} hit */
  split(hit) {
    if (!this.mayCorrect()) return;
    this.splitter.open(hit, this.marks.get(this.indexAt(hit.start_frame)) ?? []);
  }

  /** Report a role that may not correct cuts: keys reach what has no button then. */
  mayCorrect() {
    if (!allows("label")) this.wrong.textContent = whyNot("label", "Correcting cuts");
    return allows("label");
  }

  /** @param {CorrectionBody["action"]} action @param {number} frame @returns {Promise<boolean>} whether it was written */
  async correctCut(action, frame, note = "") {
    const { id } = this;
    this.wrong.textContent = "";
    this.splitter.wrong.textContent = "";
    if (!this.mayCorrect()) return false;
    try {
      const answer = await correct(id, { action, frame, author: who(), note });
      if (this.id !== id || !this.film) return true;
      if (answer.shots !== this.film.shots) this.load(id, null); // an ingest came between
      Object.assign(this.film, answer);
      this.showCorrections();
      this.board.redraw();
      this.news.textContent = [effectOf(answer, action, frame), ...answer.labels.map((one) => `Label ${one.label} (${one.value ? "yes" : "no"}): ${one.why}.`)].join(" ");
      this.watch();
      return true;
    } catch (error) {
      this.fail(error);
      return false;
    }
  }

  /** @param {unknown} error */
  fail(error) {
    if (!(error instanceof Problem)) throw error;
    const place = this.splitter.dialog.open ? this.splitter.wrong : this.wrong;
    place.textContent = error.status === 404 ? "This film is not in the catalogue any more." : error.message;
  }

  /** While corrections wait, look whether an ingest has applied them. */
  watch() {
    clearTimeout(this.timer);
    const { film } = this;
    if (!this.id || document.hidden || !film || !(film.to_cut.length + film.to_merge.length)) return;
    this.timer = setTimeout(() => this.look(), WATCH_MS);
  }

  async look() {
    const { id } = this;
    try {
      const answer = await filmCorrections(id);
      if (this.id !== id || !this.film) return;
      const seen = JSON.stringify([this.film.to_cut, this.film.to_merge, this.film.shots]);
      if (JSON.stringify([answer.to_cut, answer.to_merge, answer.shots]) !== seen) await this.load(id, null);
    } catch (error) {
      if (!(error instanceof Problem)) throw error; // asked again soon
    }
    this.watch();
  }

  /** The shot that holds a frame. @param {number} frame */
  indexAt(frame) {
    let [low, high] = [0, Math.max(this.hits.length - 1, 0)];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.hits[middle].start_frame <= frame) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** The player walks through these. */
  shownHits() {
    return this.hits;
  }

  /** @param {string} shotId */
  focusShot(shotId) {
    const index = this.hits.findIndex((hit) => hit.shot_id === shotId);
    if (index >= 0) this.board.focus(index);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const { key, target } = event;
    if (!this.id || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (isTyping(target) || document.querySelector("dialog[open]")) return;
    const index = this.board.indexOf(target);
    if (key === " " && target instanceof Element && target.matches("button:not(.open)")) return;
    const act = index >= 0 ? this.actionOf(key, index, event.shiftKey) : this.idleAction(key, target);
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  /** @param {string} key @param {number} index of the shot @param {boolean} extends_ the range, as the Shift key does */
  actionOf(key, index, extends_) {
    const hit = this.hits[index];
    const mark = this.marks.get(index)?.[0];
    if (/^(Arrow|Home|End|Page)/.test(key)) {
      return () => {
        this.board.move(key);
        if (extends_) this.extend(this.board.active, index);
      };
    }
    /** @type {Record<string, (() => unknown)|undefined>} */
    const actions = { " ": () => this.stage.toggle(), m: () => this.merge(hit), s: () => this.split(hit),
      u: mark && (() => this.correctCut(mark.undo.action, mark.undo.frame)), e: () => findFollowing(this.page, hit.shot_id),
      x: () => this.select(hit), ",": () => this.finds.step(-1), ".": () => this.finds.step(1), Escape: () => this.leave() };
    return actions[key];
  }

  /** The action of a key outside the storyboard. @param {string} key @param {EventTarget|null} target */
  idleAction(key, target) {
    const elsewhere = target instanceof Element && target.closest("#tray, #top"); // which close themselves
    if (key === "Escape" && !elsewhere && !document.querySelector(".menu:not([hidden])")) return () => this.leave();
    if (!elsewhere && (key === "," || key === ".")) return () => this.finds.step(key === "." ? 1 : -1);
    if (!elsewhere && key === "x" && this.range.range) return () => this.takeRange();
    const idle = target === document.body || target === this.page.results;
    if (key === " " && (idle || target === this.timeline.bar)) return () => this.stage.toggle();
    return idle && /^Arrow(Down|Right)$/.test(key) ? () => this.board.focus(this.board.firstShown()) : null;
  }
}
