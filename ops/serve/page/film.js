// A whole film: every shot in order as a storyboard, and its cuts corrected by hand: two shots merged, one split.
// The next ingest applies the corrections; until then the storyboard shows the current shots and the coming changes.
import { correct, film as readFilm, filmCorrections, Problem } from "./api.js";
import { byId, counted, el, icon, isTyping, lengthOf, ownTitle } from "./dom.js";
import { filmTile } from "./filmtile.js";
import { findFollowing } from "./likeness.js";
import { Splitter } from "./splitter.js";
import { Storyboard } from "./storyboard.js";
import { allows, whyNot } from "./account.js";
import { setWho, who, whoField } from "./who.js";

/**
 * @import {Page} from "./app.js"
 * @import {Query} from "./address.js"
 * @import {Mark} from "./filmtile.js"
 * @import {CorrectedAnswer, Correction, CorrectionBody, FilmAnswer} from "./service.d.ts"
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
    open: (hit) => this.page.openShot(hit), merge: (hit) => this.merge(hit), split: (hit) => this.split(hit),
    undo: (mark) => this.say(mark.undo.action, mark.undo.frame) }));
  splitter = new Splitter({ split: (_hit, frame, note) => this.say("cut", frame, note),
    undo: (mark) => this.say(mark.undo.action, mark.undo.frame) });
  whole = this.build();

  /** @param {Page} page */
  constructor(page) {
    this.page = page;
    byId("state", HTMLElement).before(this.whole);
    document.head.append(el("link", { rel: "stylesheet", href: "/page/film.css" }));
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
      this.waiting, this.news, this.wrong, this.board.place);
  }

  /** Show the film of the address, or nothing. @param {Query} query */
  show(query) {
    document.body.classList.toggle("film-open", Boolean(query.film));
    this.whole.hidden = !query.film;
    clearTimeout(this.timer);
    if (!query.film) {
      this.id = "";
      return;
    }
    this.page.list = this;
    this.who.value = who() === "page" ? "" : who();
    if (this.id === query.film && this.film) this.watch();
    else this.load(query.film, query.frame);
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
    }
    try {
      const film = await readFilm(id);
      if (this.id !== id) return;
      const place = isNew ? null : this.hits[this.board.firstShown()]?.start_frame;
      const active = isNew ? frame : this.hits[this.board.active]?.start_frame;
      this.take(film);
      this.board.show(this.hits.length, this.indexAt(active ?? 0));
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
    this.title.textContent = [show, ownTitle(film)].filter(Boolean).join(" · ");
    this.title.title = path;
    this.goto.max = String(film.frames - 1);
    this.showCorrections();
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
    if (hit.start_frame > 0) this.say("no_cut", hit.start_frame);
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
  async say(action, frame, note = "") {
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
    const act = index >= 0 ? this.actionOf(key, index) : this.idleAction(key, target);
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  /** @param {string} key @param {number} index of the shot */
  actionOf(key, index) {
    const hit = this.hits[index];
    const mark = this.marks.get(index)?.[0];
    if (/^(Arrow|Home|End|Page)/.test(key)) return () => this.board.move(key);
    /** @type {Record<string, (() => unknown)|undefined>} */
    const actions = { m: () => this.merge(hit), s: () => this.split(hit), u: mark && (() => this.say(mark.undo.action, mark.undo.frame)),
      e: () => findFollowing(this.page, hit.shot_id), Escape: () => this.page.closeFilm() };
    return actions[key];
  }

  /** The action of a key outside the storyboard. @param {string} key @param {EventTarget|null} target */
  idleAction(key, target) {
    const elsewhere = target instanceof Element && target.closest("#tray, #top"); // which close themselves
    if (key === "Escape" && !elsewhere && !document.querySelector(".menu:not([hidden])")) return () => this.page.closeFilm();
    const idle = target === document.body || target === this.page.results;
    return idle && /^Arrow(Down|Right)$/.test(key) ? () => this.board.focus(this.board.firstShown()) : null;
  }
}

/** The correction in force of each frame. @param {FilmAnswer} film @returns {Map<number, Correction>} */
function currentOf(film) {
  /** @type {Map<number, Correction>} */
  const current = new Map();
  for (const one of film.corrections) {
    if (one.action === "withdrawn") current.delete(one.frame);
    else current.set(one.frame, one);
  }
  return current;
}

/** The corrections, by the index of their shot. @param {FilmAnswer} film @param {(frame: number) => number} indexAt */
function marksOf(film, indexAt) {
  /** @type {Map<number, Mark[]>} */
  const marks = new Map();
  const current = currentOf(film);
  const add = (/** @type {number} */ frame, /** @type {Mark} */ mark) => {
    const index = indexAt(frame);
    marks.set(index, [...marks.get(index) ?? [], mark]);
  };
  const by = (/** @type {Correction|undefined} */ one) => (one ? `${one.author}${one.note ? `: ${one.note}` : ""}` : "");
  for (const frame of film.to_merge) {
    const said = current.get(frame);
    add(frame, { text: "will be merged", title: `with the shot before${by(said) && ` · ${by(said)}`}`, waits: true, undo: { action: said ? "withdrawn" : "cut", frame } });
  }
  for (const frame of film.to_cut) {
    const said = current.get(frame);
    add(frame, { text: `will split at ${frame}`, title: by(said), waits: true, undo: { action: said ? "withdrawn" : "no_cut", frame } });
  }
  const waiting = new Set([...film.to_merge, ...film.to_cut]);
  for (const [frame, said] of [...current].toSorted(([one], [other]) => one - other)) {
    if (waiting.has(frame) || said.state === "past_end") continue;
    const text = said.action === "cut" ? `cut at ${frame}, ${said.author}` : `no cut at ${frame}, ${said.author}`;
    add(frame, { text, title: by(said), waits: said.state === "waiting", undo: { action: "withdrawn", frame } });
  }
  return marks;
}

/** The effect of a correction, in a sentence. @param {CorrectedAnswer} answer @param {string} action @param {number} frame */
function effectOf(answer, action, frame) {
  if (answer.to_merge.includes(frame)) return `No shot will begin at frame ${frame} after the next ingest.`;
  if (answer.to_cut.includes(frame)) return `A shot will begin at frame ${frame} after the next ingest.`;
  return action === "withdrawn" ? `The correction of frame ${frame} is withdrawn.` : `Noted: ${action === "cut" ? "a cut" : "no cut"} at frame ${frame}.`;
}
