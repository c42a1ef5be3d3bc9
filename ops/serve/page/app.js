// The page: holds the query, sends it, shows the answer, keeps address and history. What the first results do not
// need (desk.js and what it brings) is loaded after they are painted.
import { bodyOf, isDescribed, isSearch, readAddress, writeAddress } from "./address.js";
import { Problem, search, shows } from "./api.js";
import { calm, holdKeys } from "./dom.js";
import { firstAnswer } from "./first.js";
import { Grid } from "./grid.js";
import { originOf, Selection } from "./selection.js";

const LATER = ["desk", "querybar", "filters", "popup", "states", "keys", "traypanel", "exporting", "refine", "timecode", "facets"];

/** What makes it another question, for which another relevance is enough. */
const MEANING = ["text", "like", "unlike"];

/** Tells "query", "answer", "catalogue" and "shot" when these have changed. */
class Page extends EventTarget {
  query = readAddress(location.search);
  selection = new Selection();
  /** the first page of the answer in force, or null */
  answer = null;
  /** answer of /api/shows, or null while it is not here */
  catalogue = null;
  /** a Problem where the last search failed */
  problem = null;
  busy = false;
  /** what the player shows, and the place in it for who labels: {shot, place}; null while it is closed */
  played = null;
  #cursor = null;
  #fetching = false;
  #stop = new AbortController();
  #asked = "";

  constructor() {
    super();
    this.results = document.getElementById("results");
    this.status = document.getElementById("status");
    this.grid = new Grid(document.getElementById("cards"), {
      open: (hit, frame) => this.openShot(hit, frame),
      more: (hit) => this.example("like", hit.shot_id),
      less: (hit) => this.example("unlike", hit.shot_id),
      toggle: (hit) => this.selection.toggle(hit, this.originOf(hit)),
      selected: (shotId) => this.selection.has(shotId),
      tell: (text) => this.tell(text, true),
    }, () => this.fetchMore());
    /** where the shots stand that the person looks at: the results, or the feeds of a label */
    this.list = this.grid;
    this.selection.addEventListener("change", () => this.grid.markSelected((shotId) => this.selection.has(shotId)));
    addEventListener("popstate", () => this.restore());
  }

  /** The words in the search box, whether they were searched for or not. */
  typed = () => this.query.text;

  /** A new search: into the history, and to the service. @param {Partial<import("./address.js").Query>} given */
  change(given) {
    const changes = { text: this.typed(), ...given };
    const asksElse = MEANING.some((name) => name in changes && String(changes[name]) !== String(this.query[name]));
    this.query = { ...this.query, shot: "", film: "", frame: null, ...(asksElse ? { min: null } : {}), ...changes };
    const address = writeAddress(this.query);
    history[address === location.search ? "replaceState" : "pushState"](null, "", address || "/");
    this.run();
  }

  /** Change how the answer is shown. @param {Partial<import("./address.js").Query>} changes min, group */
  adjust(changes) {
    this.query = { ...this.query, ...changes };
    history.replaceState(history.state, "", writeAddress(this.query) || "/");
    this.say("query");
    if (!this.answer) {
      if (!this.busy) this.say("answer");
      return;
    }
    this.grid.setGrouped(this.query.group);
    this.grid.setLimit(this.limit());
    this.say("answer");
  }

  /** Choose what shots are labelled as; "" ends it. @param {string} label */
  choose(label) {
    if (label === this.query.label) return;
    this.query = { ...this.query, label, film: "", frame: null };
    history.pushState(null, "", writeAddress(this.query) || "/");
    this.adjust({});
  }

  /** @param {string} address such as "?q=rain" */
  open(address) {
    history.pushState(null, "", address || "/");
    this.restore();
  }

  /** Show what the address says. */
  restore() {
    const query = readAddress(location.search);
    const other = this.isOther(query);
    this.query = query;
    if (other) this.run();
    else this.adjust({});
    this.say("shot");
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

  /** Relevance from which on hits are shown. */
  limit() {
    if (!isDescribed(this.query)) return this.query.min ?? 0; // the filter itself is the limit
    return this.query.min ?? this.answer?.cutoff ?? 0;
  }

  /** Where a shot comes from if it is among the results; otherwise null. @param {{shot_id: string}} hit */
  originOf(hit) {
    const found = [...this.grid.hits.values()].find((one) => one.shot_id === hit.shot_id);
    return this.answer && found ? originOf(this.answer, found) : null;
  }

  hasMore() {
    return this.#cursor !== null;
  }

  /** Search for the query in force. @param {Promise<any>|null} sent the answer where the search was sent already */
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
    this.say("query");
    if (!this.busy) return this.say("answer");
    try {
      const answer = await (sent ?? search(bodyOf(this.query), signal));
      if (!signal.aborted) this.show(answer);
    } catch (error) {
      if (signal.aborted || error.name === "AbortError") return undefined;
      if (!(error instanceof Problem)) throw error;
      this.problem = error;
      this.answer = null;
      this.grid.clear();
      this.settle();
    }
    return undefined;
  }

  show(answer) {
    const focused = this.grid.place.contains(document.activeElement) && document.activeElement.closest(".card");
    this.answer = answer;
    this.#cursor = answer.next_cursor ?? null;
    this.grid.begin({ limit: this.limit(), group: this.query.group, words: wordsOf(this.query) });
    this.grid.append(answer.hits);
    if (focused && this.grid.items().length) this.grid.focusShot(focused.dataset.shot);
    else if (focused) this.results.focus();
    this.settle();
  }

  settle() {
    this.busy = false;
    this.results.setAttribute("aria-busy", "false");
    this.say("answer");
  }

  /** The next page of the answer; stops where everything that still comes lies under the limit. */
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
      this.say("answer");
    } catch (error) {
      if (signal.aborted || error.name === "AbortError") return;
      if (!(error instanceof Problem)) throw error;
      if (error.status === 410) {
        this.run(); // the index moved on while the person was scrolling
        return;
      }
      const again = () => { this.#fetching = false; this.fetchMore(); };
      this.tell(error.message, true, again); // and no other try by itself
    }
  }

  /** Whether all results that can be shown are here. */
  isWhole() {
    return !this.#cursor || this.#lastHidden();
  }

  /** Hits come by rank: when the last ones are all under the limit, what follows is too. */
  #lastHidden() {
    return [...this.grid.hits.values()].slice(-20).every((hit) => !this.grid.isShown(hit));
  }

  /** Open a shot in the player. @param {object|string} hit or a shot id @param {number} [frame] to stand at */
  openShot(hit, frame) {
    const shotId = typeof hit === "string" ? hit : hit.shot_id;
    const write = this.query.shot ? "replaceState" : "pushState";
    const state = this.query.shot ? history.state : { player: true };
    this.query = { ...this.query, shot: shotId };
    history[write](state, "", writeAddress(this.query));
    this.say("shot", { hit: typeof hit === "string" ? null : hit, frame });
  }

  closeShot() {
    if (!this.query.shot) return;
    if (history.state?.player) {
      history.back();
      return;
    }
    this.query = { ...this.query, shot: "" };
    history.replaceState(null, "", writeAddress(this.query) || "/");
    this.say("shot");
  }

  /** Show a whole film. @param {string} videoId @param {number|null} [frame] where to begin */
  openFilm(videoId, frame = null) {
    this.query = { ...this.query, shot: "", film: videoId, frame };
    history.pushState({ film: true }, "", writeAddress(this.query));
    this.adjust({});
    this.say("shot");
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
   * Say something in the line above the results.
   * @param {string} text @param {boolean} bad @param {() => void} [again] @param {() => void} [dropped] when it is dismissed
   */
  tell(text, bad = false, again = undefined, dropped = undefined) {
    this.say("tell", { text, bad, again, dropped });
  }

  async loadCatalogue() {
    try {
      this.catalogue = await shows();
      this.say("catalogue");
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (!this.answer && !this.busy && !this.problem) {
        this.problem = error;
        this.say("answer");
      }
    }
  }

  isOther(query) {
    return JSON.stringify(bodyOf(query)) !== this.#asked;
  }

  say(what, detail = null) {
    this.dispatchEvent(new CustomEvent(what, { detail }));
  }
}

/** Words of the query that may be marked in lines of dialogue. @param {import("./address.js").Query} query */
function wordsOf(query) {
  const said = [...query.all, ...query.any].filter((one) => one.kind === "say").map((one) => one.value);
  return [query.text, ...said].join(" ").match(/[\p{L}\p{N}\p{M}'’‘\u2010\u2011-]+/gu) ?? [];
}

const page = new Page();
const letGo = holdKeys();
const first = page.run(firstAnswer);
if (firstAnswer) await Promise.race([first, new Promise((done) => { setTimeout(done, 250); })]);
await new Promise((done) => { requestAnimationFrame(() => setTimeout(done)); }); // after the first paint
document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href: "/page/panels.css" }));
const parts = LATER.map((name) => import(`./${name}.js`));
try {
  (await parts[0]).furnish(page);
} finally { // what could be loaded works
  letGo();
  page.loadCatalogue();
  document.addEventListener("visibilitychange", () => { // while the person was elsewhere, footage may have come
    if (!document.hidden) page.loadCatalogue();
  });
}
