// Yes and no for shots under one label: from this person now, and from everybody before. Answers go to the service in
// the order in which they were given; each can be undone, and those that did not arrive can be sent again.
import { feeds, fit, judged, Problem, probe, probes, saveLabel } from "./api.js";
import { counted, Emitter } from "./dom.js";
import { setWho, who } from "./who.js";
/** @import {FitBody, LabelAnswer, ProbeAnswer, Vote} from "./service.d.ts" */
/** @import {Message} from "./types.d.ts" */

const LOOK = 100; // shots in one request
const SOON_MS = 400; // after an answer, for the figures
const WATCH_MS = { running: 1500, idle: 10_000 };

/**
 * @typedef {object} Mark            the label of a shot
 * @property {boolean|null} value    the latest answer of anybody
 * @property {boolean} conflict      people differ
 * @property {Pick<Vote, "annotator"|"value">[]} votes
 * @property {Mark} [kept]           its label at the service, while an answer is being sent
 *
 * @typedef {object} Said            one answer, independent of the current label and person
 * @property {string} label
 * @property {string} who
 * @property {string} shotId
 * @property {boolean|null} value
 * @property {boolean|null} before   this person's own answer until then
 * @property {string} origin
 *
 * @typedef {{marks: null, probe: null, version: null, trouble: Message}} JudgingEvents
 */

/**
 * Fires "marks", "probe" (new figures), "version" (another one scores now) and "trouble".
 * @extends {Emitter<JudgingEvents>}
 */
export class Judging extends Emitter {
  label = "";
  /** null until it is loaded, and for a label that no shot has @type {ProbeAnswer|null} */
  probe = null;
  isLoaded = false;
  /** @type {Map<string, Mark>} by shot id */
  marks = new Map();
  /** shots that this person skipped @type {Set<string>} */
  skipped = new Set();
  /** answers that can be undone @type {Said[]} */
  #done = [];
  /** answers that the service did not store, also of other labels @type {Said[]} */
  #unsaved = [];
  #why = ""; // the last of them was not stored
  /** another action of the page to try again @type {(() => void)|undefined} */
  #again = undefined;
  /** answers that are not sent yet, in their order @type {Said[]} */
  #waiting = [];
  #line = Promise.resolve();
  #timer = 0;

  constructor() {
    super();
    document.addEventListener("visibilitychange", () => { if (!document.hidden && this.label) this.refresh(); });
  }

  /** The name of this person. */
  get who() {
    return who();
  }

  set who(name) {
    setWho(name);
    this.emit("marks");
  }

  /** @param {string} label "" for none */
  async choose(label) {
    if (label === this.label) return;
    Object.assign(this, { label, probe: null, isLoaded: false, marks: new Map(), skipped: new Set() });
    this.#done = [];
    clearTimeout(this.#timer);
    if (label) await this.refresh();
  }

  /** Read the figures again, and go on watching for changes. */
  async refresh() {
    clearTimeout(this.#timer);
    const { label, probe: before } = this;
    try {
      const found = before ? await probe(label) : (await probes()).probes.find((one) => one.label === label) ?? null;
      if (label !== this.label) return;
      Object.assign(this, { probe: found, isLoaded: true });
      this.emit("probe");
      if (before && found?.scored_by && found.scored_by !== before.scored_by) this.emit("version");
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (label !== this.label) return;
      this.trouble(error.message, () => this.refresh());
      return;
    }
    this.watch(WATCH_MS[this.probe?.fit.state === "running" ? "running" : "idle"]);
  }

  /** @param {number} wait in milliseconds */
  watch(wait) {
    clearTimeout(this.#timer);
    if (document.hidden || !this.label) return;
    this.#timer = setTimeout(() => this.refresh(), wait);
  }

  /** Load the labels of shots that are not known yet. @param {string[]} shotIds */
  async look(shotIds) {
    const { label } = this;
    const wanted = [...new Set(shotIds)].filter((id) => !this.marks.has(id));
    try {
      for (let at = 0; at < wanted.length; at += LOOK) {
        const found = await judged(label, { shot: wanted.slice(at, at + LOOK), limit: String(LOOK) });
        if (label !== this.label) return;
        for (const one of found.shots) if (!this.marks.has(one.shot_id)) this.marks.set(one.shot_id, one);
      }
      if (wanted.length) this.emit("marks");
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.trouble(error.message);
    }
  }

  /** @param {string} shotId @returns {boolean|null} the answer that counts */
  currentAnswer(shotId) {
    return this.marks.get(shotId)?.value ?? null;
  }

  /** Answer yes or no for a shot. @param {string} shotId @param {boolean} value @param {string} origin where it was asked */
  answer(shotId, value, origin) {
    const { label, who: name } = this;
    const own = this.marks.get(shotId)?.votes.find((vote) => vote.annotator === name);
    return this.#give({ label, who: name, shotId, value, before: own?.value ?? null, origin });
  }

  get canUndo() {
    return this.#done.length > 0;
  }

  /** Undo the last answer, in the name of the person who gave it. @returns {string|null} its shot */
  undo() {
    const last = this.#done.pop();
    if (!last) return null;
    this.#send({ ...last, value: last.before, before: last.value, origin: "undo" });
    return last.shotId;
  }

  /** @param {Said} said */
  #give(said) {
    if (said.label === this.label) this.#done.push(said);
    return this.#send(said);
  }

  /** @param {Said} said */
  #send(said) {
    const { marks } = this; // of this label
    this.#letGo(said);
    if (said.label === this.label) this.#showAtOnce(said);
    this.#waiting.push(said);
    this.#line = this.#line.then(async () => {
      this.#waiting.shift();
      this.#letGo(said); // also an answer that failed while this one waited
      try {
        this.#arrived(said, await saveLabel({ label: said.label, shots: [said.shotId], value: said.value, annotator: said.who, origin: said.origin }));
      } catch (error) {
        const mark = marks.get(said.shotId); // whatever failed: the waiting answers are sent
        if (mark?.kept && !this.#isWaiting(said)) marks.set(said.shotId, mark.kept);
        this.#forget(said);
        this.#unsaved.push(said);
        this.#why = error instanceof Error ? error.message : String(error);
        this.remind();
      }
      this.emit("marks");
      this.emit("probe");
    });
    return this.#line;
  }

  /** Show an answer before the service has stored it. @param {Said} said */
  #showAtOnce({ shotId, who: annotator, value }) {
    /** @type {Mark} */
    const mark = this.marks.get(shotId) ?? { value: null, conflict: false, votes: [] };
    const votes = [...mark.votes.filter((vote) => vote.annotator !== annotator), ...(value === null ? [] : [{ annotator, value }])];
    this.marks.set(shotId, { ...mark, value: votes.at(-1)?.value ?? null, votes, kept: mark.kept ?? mark });
    this.emit("marks");
  }

  /** @param {Said} said @param {LabelAnswer} answer */
  #arrived(said, answer) {
    if (said.label !== this.label) return;
    for (const one of answer.shots) {
      const shown = this.marks.get(one.shot_id);
      this.marks.set(one.shot_id, shown?.kept && this.#isWaiting(said) ? { ...shown, kept: one } : one);
    }
    if (this.probe) Object.assign(this.probe.labels, { yes: answer.yes, no: answer.no, conflicts: answer.conflicts, gone: answer.gone });
    this.watch(SOON_MS);
  }

  /** Whether another answer for a shot is waiting: the page shows that one. @param {Said} said */
  #isWaiting({ label, shotId }) {
    return this.#waiting.some((one) => one.label === label && one.shotId === shotId);
  }

  /** An answer that was not stored cannot be undone: the next one replaces the answer before it. @param {Said} said */
  #forget(said) {
    const at = this.#done.indexOf(said);
    if (at < 0) return;
    const next = this.#done.slice(at + 1).find((one) => isSameQuestion(one, said));
    if (next) next.before = said.before;
    this.#done.splice(at, 1);
  }

  /** Drop an unsaved answer when its person gives another one for the shot. @param {Said} said */
  #letGo(said) {
    const others = this.#unsaved.filter((one) => !isSameQuestion(one, said));
    if (others.length === this.#unsaved.length) return;
    this.#unsaved = others;
    this.trouble(others.length ? this.#why : "");
  }

  /**
   * Report unsaved answers once more, if there are any: a new search clears the message, others replace it.
   * @param {string} [text] another message @param {() => void} [again]
   */
  remind(text, again = this.#again) {
    this.#again = again;
    if (this.#unsaved.length) this.trouble(text || this.#why, again);
  }

  /** Report an error, with the answers that are unsaved until now. @param {string} text @param {() => void} [again] */
  trouble(text, again) {
    const lost = this.#unsaved;
    const labels = [...new Set(lost.map((one) => `“${one.label}”`))].join(", ");
    this.emit("trouble", {
      text: lost.length ? `Not saved: ${counted(lost.length, "answer")} for ${labels}. ${text}` : text,
      again: lost.length || again ? () => { this.#again = undefined; for (const said of this.#unsaved.splice(0)) this.#resend(said); again?.(); } : undefined,
      dropped: () => { this.#again = undefined; this.#unsaved = []; },
    });
  }

  /** @param {Said} said */
  #resend(said) {
    return said.origin === "undo" ? this.#send(said) : this.#give(said);
  }

  /** Shots to label next. @param {number} count in each feed @param {number} seed */
  async next(count, seed) {
    await this.#line; // so that shots that were just answered are not offered again
    return feeds(this.label, { count, seed, skip: [...this.skipped].slice(-400) });
  }

  /** @param {"yes"|"no"|"conflicts"} which @param {number} limit */
  async said(which, limit) {
    await this.#line;
    const found = await judged(this.label, { which, limit: String(limit) });
    for (const one of found.shots) this.marks.set(one.shot_id, one);
    return found;
  }

  /** Begin a fit. @param {FitBody} body for a new probe */
  async fit(body) {
    await this.#line;
    const { label } = this;
    const found = await fit(label, body);
    if (label !== this.label) return;
    this.probe = found;
    this.emit("probe");
    this.watch(WATCH_MS.running);
  }
}

/** Whether two answers are of one person for one shot under one label. @param {Said} one @param {Said} other */
function isSameQuestion(one, other) {
  return one.label === other.label && one.who === other.who && one.shotId === other.shotId;
}
