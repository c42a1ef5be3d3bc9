// What is said of shots under one label: by this person, now, and by everybody before. Answers go to the service in
// the order in which they were given; each can be taken back, and those that did not arrive can be sent again.
import { feeds, fit, judged, Problem, probe, probes, saveLabel } from "./api.js";
import { counted } from "./dom.js";
import { setWho, who } from "./who.js";

const LOOK = 100; // shots asked about at once
const SOON_MS = 400; // after an answer, for the figures
const WATCH_MS = { running: 1500, idle: 10_000 };

/**
 * @typedef {object} Mark            how a shot stands
 * @property {boolean|null} value    the latest answer of anybody
 * @property {boolean} conflict      people differ
 * @property {{annotator: string, value: boolean, origin: string, created_at: string}[]} votes
 * @property {Mark} [kept]           how it stands at the service, while an answer is on its way
 *
 * @typedef {object} Said            one answer, whatever is labelled and by whom when it arrives or is taken back
 * @property {string} label
 * @property {string} who
 * @property {string} shotId
 * @property {boolean|null} value
 * @property {boolean|null} before   this person's own answer until then
 * @property {string} origin
 */

/** Tells "marks", "probe" (its figures), "version" (another one scores now), "trouble" (detail: text, again, dropped). */
export class Judging extends EventTarget {
  label = "";
  /** answer of /api/probes/{label}; null while it is not here, or for a label that nobody gave */
  probe = null;
  isLoaded = false;
  /** @type {Map<string, Mark>} by shot id */
  marks = new Map();
  /** shots that this person does not want to be asked about now @type {Set<string>} */
  skipped = new Set();
  /** what can be taken back @type {Said[]} */
  #done = [];
  /** what the service did not keep, also of labels that are labelled no more @type {Said[]} */
  #unsaved = [];
  #why = ""; // the last of them was not kept
  #again = undefined; // what else is to be tried again, of the rest of the page
  /** what is not sent yet, as it was given @type {Said[]} */
  #waiting = [];
  #line = Promise.resolve();
  #timer = 0;

  constructor() {
    super();
    document.addEventListener("visibilitychange", () => { if (!document.hidden && this.label) this.refresh(); });
  }

  /** Who says it. */
  get who() {
    return who();
  }

  set who(name) {
    setWho(name);
    this.say("marks");
  }

  /** @param {string} label "" for none */
  async choose(label) {
    if (label === this.label) return;
    Object.assign(this, { label, probe: null, isLoaded: false, marks: new Map(), skipped: new Set() });
    this.#done = [];
    clearTimeout(this.#timer);
    if (label) await this.refresh();
  }

  /** Read the figures again, and go on looking for what changes. */
  async refresh() {
    clearTimeout(this.#timer);
    const { label, probe: before } = this;
    try {
      const found = before ? await probe(label) : (await probes()).probes.find((one) => one.label === label) ?? null;
      if (label !== this.label) return;
      Object.assign(this, { probe: found, isLoaded: true });
      this.say("probe");
      if (before && found.scored_by && found.scored_by !== before.scored_by) this.say("version");
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (label !== this.label) return;
      this.trouble(error.message, () => this.refresh());
      return;
    }
    this.watch(WATCH_MS[this.probe?.fit.state === "running" ? "running" : "idle"]);
  }

  watch(wait) {
    clearTimeout(this.#timer);
    if (document.hidden || !this.label) return;
    this.#timer = setTimeout(() => this.refresh(), wait);
  }

  /** Ask how shots stand that are not known yet. @param {string[]} shotIds */
  async look(shotIds) {
    const { label } = this;
    const wanted = [...new Set(shotIds)].filter((id) => !this.marks.has(id));
    try {
      for (let at = 0; at < wanted.length; at += LOOK) {
        const found = await judged(label, { shot: wanted.slice(at, at + LOOK), limit: String(LOOK) });
        if (label !== this.label) return;
        for (const one of found.shots) if (!this.marks.has(one.shot_id)) this.marks.set(one.shot_id, one);
      }
      if (wanted.length) this.say("marks");
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.trouble(error.message);
    }
  }

  /** @param {string} shotId @returns {boolean|null} what counts */
  valueOf(shotId) {
    return this.marks.get(shotId)?.value ?? null;
  }

  /** Say yes or no of a shot. @param {string} shotId @param {boolean} value @param {string} origin where it was asked */
  answer(shotId, value, origin) {
    const { label, who } = this;
    const own = this.marks.get(shotId)?.votes?.find((vote) => vote.annotator === who);
    return this.#give({ label, who, shotId, value, before: own?.value ?? null, origin });
  }

  get canUndo() {
    return this.#done.length > 0;
  }

  /** Take the last answer back, as whoever gave it. @returns {string|null} the shot of which it was */
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
    const { marks } = this; // of this label: another one has others
    this.#letGo(said);
    if (said.label === this.label) this.#showAtOnce(said);
    this.#waiting.push(said);
    this.#line = this.#line.then(async () => {
      this.#waiting.shift();
      this.#letGo(said); // also what was not kept while this one waited
      try {
        this.#arrived(said, await saveLabel({ label: said.label, shots: [said.shotId], value: said.value, annotator: said.who, origin: said.origin }));
      } catch (error) {
        const mark = marks.get(said.shotId); // whatever went wrong: those that wait are sent
        if (mark?.kept && !this.#isWaiting(said)) marks.set(said.shotId, mark.kept);
        this.#forget(said);
        this.#unsaved.push(said);
        this.#why = error.message;
        this.remind();
      }
      this.say("marks");
      this.say("probe");
    });
    return this.#line;
  }

  /** Until the service has answered. @param {Said} said */
  #showAtOnce({ shotId, who, value, origin }) {
    const mark = this.marks.get(shotId) ?? { value: null, conflict: false, votes: [] };
    const votes = [...mark.votes.filter((vote) => vote.annotator !== who), ...(value === null ? [] : [{ annotator: who, value, origin }])];
    this.marks.set(shotId, { ...mark, value: votes.at(-1)?.value ?? null, votes, kept: mark.kept ?? mark });
    this.say("marks");
  }

  #arrived(said, answer) {
    if (said.label !== this.label) return;
    for (const one of answer.shots) {
      const shown = this.marks.get(one.shot_id);
      this.marks.set(one.shot_id, shown?.kept && this.#isWaiting(said) ? { ...shown, kept: one } : one);
    }
    if (this.probe) Object.assign(this.probe.labels, { yes: answer.yes, no: answer.no, conflicts: answer.conflicts, gone: answer.gone });
    this.watch(SOON_MS);
  }

  /** Whether more is to be sent of a shot: what is shown is that. @param {Said} said */
  #isWaiting({ label, shotId }) {
    return this.#waiting.some((one) => one.label === label && one.shotId === shotId);
  }

  /** There is nothing to take back of an answer that was not kept: the next one follows what was before. @param {Said} said */
  #forget(said) {
    const at = this.#done.indexOf(said);
    if (at < 0) return;
    const next = this.#done.slice(at + 1).find((one) => ["label", "who", "shotId"].every((name) => one[name] === said[name]));
    if (next) next.before = said.before;
    this.#done.splice(at, 1);
  }

  /** What was not kept of a shot counts no more once its person says something else of it. @param {Said} said */
  #letGo(said) {
    const others = this.#unsaved.filter((one) => ["label", "who", "shotId"].some((name) => one[name] !== said[name]));
    if (others.length === this.#unsaved.length) return;
    this.#unsaved = others;
    this.trouble(others.length ? this.#why : "");
  }

  /**
   * Tell once more what was not kept, where something was not: a new search clears what was told, other news replace it.
   * @param {string} [text] what else there is to tell @param {() => void} [again]
   */
  remind(text, again = this.#again) {
    this.#again = again;
    if (this.#unsaved.length) this.trouble(text || this.#why, again);
  }

  /** Tell what went wrong, and with it what was not kept until now. @param {string} text @param {() => void} [again] */
  trouble(text, again) {
    const lost = this.#unsaved;
    const labels = [...new Set(lost.map((one) => `“${one.label}”`))].join(", ");
    this.say("trouble", {
      text: lost.length ? `Not kept: ${counted(lost.length, "answer")} for ${labels}. ${text}` : text,
      again: lost.length || again ? () => { this.#again = undefined; for (const said of this.#unsaved.splice(0)) this.#resend(said); again?.(); } : undefined,
      dropped: () => { this.#again = undefined; this.#unsaved = []; },
    });
  }

  #resend(said) {
    return said.origin === "undo" ? this.#send(said) : this.#give(said);
  }

  /** What to label next. @param {number} count in each feed @param {number} seed */
  async next(count, seed) {
    await this.#line; // so that what was just said is not offered again
    return feeds(this.label, { count, seed, skip: [...this.skipped].slice(-400) });
  }

  /** @param {"yes"|"no"|"conflicts"} which @param {number} limit */
  async said(which, limit) {
    await this.#line;
    const found = await judged(this.label, { which, limit: String(limit) });
    for (const one of found.shots) this.marks.set(one.shot_id, one);
    return found;
  }

  /** Begin a fit. @param {{queries?: string[], description?: string}} body for a new probe */
  async fit(body) {
    await this.#line;
    const { label } = this;
    const found = await fit(label, body);
    if (label !== this.label) return;
    this.probe = found;
    this.say("probe");
    this.watch(WATCH_MS.running);
  }

  say(what, detail = null) {
    this.dispatchEvent(new CustomEvent(what, { detail }));
  }
}
