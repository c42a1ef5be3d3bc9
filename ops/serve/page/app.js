// The page: holds the query, sends it, shows the answer, keeps address and history. Modules that the first results do
// not need (desk.js and its imports) are loaded after they are painted.
import { bodyOf, isSearch, readAddress, wordsOf, writeAddress } from "./address.js";
import { Problem, search, searchFirst, shows } from "./api.js";
import { byId, calm, cardOf, Emitter, holdKeys, isAbort } from "./dom.js";
import { firstAnswer } from "./first.js";
import { Grid } from "./grid.js";
import { originOf, Selection } from "./selection.js";

const LATER = ["querybar", "chips", "filters", "popup", "states", "keys", "traypanel", "exporting", "refine", "likeness", "timecode", "facets", "account", "fromlink"];

/** A change of these makes another query, for which another relevance may be enough. */
const MEANING = /** @type {const} */ (["text", "like", "by", "unlike", "literal"]);

/**
 * @import {SearchAnswer} from "./service.d.ts"
 * @import {Catalogue, Changes, Message, PageShot, ShotList} from "./types.d.ts"
 * @import {Query} from "./address.js"
 */
/** @typedef {{hit: PageShot|null, frame?: number}} Opened the shot that was opened, if it is known, and a frame in it */
/** @typedef {{query: null, answer: null, catalogue: null, played: null, shot: Opened|null, message: Message}} PageEvents */

/**
 * Fires "query", "answer", "catalogue", "shot" (in the player) and "played" when these have changed, and "message".
 * @extends {Emitter<PageEvents>}
 */
export class Page extends Emitter {
  query = readAddress(location.search);
  selection = new Selection();
  /** the first page of the current answer @type {SearchAnswer|null} */
  answer = null;
  /** null until it is loaded @type {Catalogue|null} */
  catalogue = null;
  /** why the last search failed @type {Problem|null} */
  problem = null;
  busy = false;
  /** the shot in the player, and the place in it for labels; null while it is closed @type {{shot: PageShot, place: HTMLElement}|null} */
  played = null;
  /** @type {string|null} */
  #cursor = null;
  #fetching = false;
  #stop = new AbortController();
  #asked = "";

  constructor() {
    super();
    this.results = byId("results", HTMLElement);
    this.grid = new Grid(byId("cards", HTMLElement), {
      open: (hit, frame) => this.openShot(hit, frame),
      more: (hit) => this.example("like", hit.shot_id),
      less: (hit) => this.example("unlike", hit.shot_id),
      toggle: (hit) => this.selection.toggle(hit, this.originOf(hit)),
      selected: (shotId) => this.selection.has(shotId),
      showMessage: (text) => this.showMessage(text, true),
    }, () => this.fetchMore());
    /** the list of shots on the screen: the results, the feeds of a label, or a video @type {ShotList} */
    this.list = this.grid;
    this.selection.addEventListener("change", () => this.grid.markSelected((shotId) => this.selection.has(shotId)));
    addEventListener("popstate", () => this.restore());
  }

  /** The words in the search box, whether they were searched for or not. */
  typed = () => this.query.text;

  /** A new search: into the history, and to the service. @param {Changes} given */
  change(given) {
    const changes = { text: this.typed(), ...given };
    const asksElse = MEANING.some((name) => name in changes && String(changes[name]) !== String(this.query[name]));
    this.query = { ...this.query, shot: "", film: "", frame: null, ...(asksElse ? { min: null } : {}), ...changes };
    const address = writeAddress(this.query);
    history[address === location.search ? "replaceState" : "pushState"](null, "", address || "/");
    this.run();
  }

  /** Change how the answer is shown. @param {Changes} changes min, group */
  adjust(changes) {
    this.query = { ...this.query, ...changes };
    history.replaceState(history.state, "", writeAddress(this.query) || "/");
    this.emit("query");
    if (!this.answer) {
      if (!this.busy) this.emit("answer");
      return;
    }
    this.grid.setGrouped(this.query.group);
    this.grid.setLimit(this.limit());
    this.emit("answer");
  }

  /** Choose the label that is given to shots; "" ends it. @param {string} label */
  choose(label) {
    if (label === this.query.label) return;
    this.query = { ...this.query, label, film: "", frame: null };
    history.pushState(null, "", writeAddress(this.query) || "/");
    this.adjust({});
  }

  /** Open another view, from its top. @param {string} address such as "?q=rain" */
  open(address) {
    history.pushState(null, "", address || "/");
    this.restore();
    scrollTo({ top: 0 });
  }

  /** Show the view of the address. */
  restore() {
    const query = readAddress(location.search);
    const other = this.isOther(query);
    this.query = query;
    if (other) this.run();
    else this.adjust({});
    this.emit("shot");
  }

  /** @param {"like"|"unlike"} side @param {string} example shot id or image */
  example(side, example) {
    const other = side === "like" ? "unlike" : "like";
    this.change({
      [side]: [...new Set([...this.query[side], example])],
      [other]: this.query[other].filter((one) => one !== example),
    });
    scrollTo({ top: 0, behavior: calm() ? "auto" : "smooth" });
  }

  /** Least relevance of the hits that are shown. */
  limit() {
    return this.query.min ?? 0;
  }

  /** The search of a shot if it is among the results; otherwise null. @param {{shot_id: string}} hit */
  originOf(hit) {
    const found = [...this.grid.hits.values()].find((one) => one.shot_id === hit.shot_id);
    return this.answer && found ? originOf(this.answer, found) : null;
  }

  hasMore() {
    return this.#cursor !== null;
  }

  /** Search for the current query. @param {Promise<SearchAnswer>|null} sent the answer if the search was sent already */
  async run(sent = null) {
    this.#stop.abort();
    this.#stop = new AbortController();
    const { signal } = this.#stop;
    this.#asked = JSON.stringify(bodyOf(this.query));
    this.#cursor = null;
    this.#fetching = false;
    this.problem = null;
    this.busy = isSearch(this.query);
    if (!this.busy) {
      this.answer = null;
      this.grid.clear();
    }
    this.results.setAttribute("aria-busy", String(this.busy));
    this.emit("query");
    if (!this.busy) return this.emit("answer");
    try {
      const answer = await (sent ?? searchFirst(bodyOf(this.query), signal));
      if (!signal.aborted) this.show(answer);
    } catch (error) {
      if (signal.aborted || isAbort(error)) return undefined;
      if (!(error instanceof Problem)) throw error;
      this.problem = error;
      this.answer = null;
      this.grid.clear();
      this.settle();
    }
    return undefined;
  }

  /** @param {SearchAnswer} answer */
  show(answer) {
    const focused = this.grid.place.contains(document.activeElement) ? cardOf(document.activeElement) : null;
    this.answer = answer;
    this.#cursor = answer.next_cursor ?? null;
    this.grid.begin({ limit: this.limit(), group: this.query.group, words: wordsOf(this.query) });
    this.grid.append(answer.hits, answer.posters);
    if (focused && this.grid.items().length) this.grid.focusShot(focused.dataset.shot ?? "");
    else if (focused) this.results.focus();
    this.settle();
  }

  settle() {
    this.busy = false;
    this.results.setAttribute("aria-busy", "false");
    this.emit("answer");
  }

  /** The next page of the answer; none if all further hits are under the limit. */
  async fetchMore() {
    const { shown, hidden } = this.grid.counts();
    if (!this.#cursor || this.#fetching || (hidden && this.#lastHidden())) return;
    if (!shown && hidden) return;
    this.#fetching = true;
    const { signal } = this.#stop;
    try {
      const answer = await search(bodyOf(this.query, this.#cursor), signal);
      if (signal.aborted) return;
      this.#cursor = answer.next_cursor ?? null;
      this.#fetching = false;
      this.grid.append(answer.hits);
      this.emit("answer");
    } catch (error) {
      if (signal.aborted || isAbort(error)) return;
      if (!(error instanceof Problem)) throw error;
      if (error.status === 410) {
        this.run(); // the index changed while the person was scrolling
        return;
      }
      const again = () => { this.#fetching = false; this.fetchMore(); };
      this.showMessage(error.message, true, again); // without another automatic try
    }
  }

  /** Whether all results to export are here. */
  isWhole() {
    return !this.#cursor || this.#last().every((hit) => !this.grid.isWanted(hit));
  }

  /** Hits come by rank: if the last ones are all under the limit, the following ones are too. */
  #lastHidden() {
    return this.#last().every((hit) => !this.grid.isShown(hit));
  }

  #last() {
    return [...this.grid.hits.values()].slice(-20);
  }

  /** Open a shot in the player. @param {PageShot|string} hit or a shot id @param {number} [frame] to stand at */
  openShot(hit, frame) {
    const shotId = typeof hit === "string" ? hit : hit.shot_id;
    const write = this.query.shot ? "replaceState" : "pushState";
    const state = this.query.shot ? history.state : { player: true };
    this.query = { ...this.query, shot: shotId };
    history[write](state, "", writeAddress(this.query));
    this.emit("shot", { hit: typeof hit === "string" ? null : hit, frame });
  }

  closeShot() {
    if (!this.query.shot) return;
    if (history.state?.player) {
      history.back();
      return;
    }
    this.query = { ...this.query, shot: "" };
    history.replaceState(null, "", writeAddress(this.query) || "/");
    this.emit("shot");
  }

  /** Show a whole video. @param {string} videoId @param {number|null} [frame] where to begin */
  openFilm(videoId, frame = null) {
    this.query = { ...this.query, shot: "", film: videoId, frame };
    history.pushState({ film: true }, "", writeAddress(this.query));
    this.adjust({});
    this.emit("shot");
  }

  closeFilm() {
    if (!this.query.film) return;
    if (history.state?.film) {
      history.back();
      return;
    }
    this.query = { ...this.query, film: "", frame: null };
    history.replaceState(null, "", writeAddress(this.query) || "/");
    this.adjust({});
  }

  /**
   * Show a message in the line above the results.
   * @param {string} text @param {boolean} bad @param {() => void} [again] @param {() => void} [dropped] when it is dismissed
   */
  showMessage(text, bad = false, again = undefined, dropped = undefined) {
    this.emit("message", { text, bad, again, dropped });
  }

  async loadCatalogue() {
    try {
      this.catalogue = await shows();
      this.emit("catalogue");
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (!this.answer && !this.busy && !this.problem) {
        this.problem = error;
        this.emit("answer");
      }
    }
  }

  /** @param {Query} query */
  isOther(query) {
    return JSON.stringify(bodyOf(query)) !== this.#asked;
  }
}

const page = new Page();
const letGo = holdKeys();
const first = page.run(firstAnswer);
if (firstAnswer) await Promise.race([first, new Promise((done) => { setTimeout(done, 250); })]);
await new Promise((done) => { requestAnimationFrame(() => setTimeout(done)); }); // after the first paint
document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href: "/page/panels.css" }));
const around = page.query.film ? ["film"] : isSearch(page.query) ? [] : ["posters", page.query.shows.length === 1 ? "showview" : "home"];
for (const name of [...LATER, ...around]) import(`./${name}.js`); // all at once, instead of one level of imports after the other
try {
  const { furnish } = await import("./desk.js");
  furnish(page);
} finally { // the modules that could be loaded work
  letGo();
  page.loadCatalogue();
  document.addEventListener("visibilitychange", () => { // footage may have been added meanwhile
    if (!document.hidden) page.loadCatalogue();
  });
}
