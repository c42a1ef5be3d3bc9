// The hits of the current query in one film: on the timeline and the storyboard, and a key that goes from one to the next.
import { bodyOf, isSearch, wordsOf } from "./address.js";
import { Problem, search } from "./api.js";
import { counted, el, icon, iconButton, isAbort } from "./dom.js";
import { originOf } from "./selection.js";
/**
 * @import {Query} from "./address.js"
 * @import {FilmHit} from "./filmtimeline.js"
 * @import {Origin} from "./selection.js"
 * @import {FilmAnswer, SearchAnswer, SearchBody} from "./service.d.ts"
 */

const PAGE = 500; // hits of one request, as many as it takes
const LEAST_MARKED = 8; // if fewer clearly match, the nearest are marked too, as weak ones

export class FilmFinds {
  /** in the order of time @type {FilmHit[]} */
  hits = [];
  /** by index of the shot @type {Map<number, FilmHit>} */
  byIndex = new Map();
  /** by shot id @type {Map<string, Origin>} */
  origins = new Map();
  /** words of the query, if its lines were searched @type {string[]} */
  spokenWords = [];
  lastRequest = "";
  stop = new AbortController();
  text = el("span", { class: "grow", "aria-live": "polite" });
  place = el("div", { class: "row film-finds", hidden: true }, icon("search"), this.text,
    iconButton("up", "The hit before", { key: ",", onclick: () => { this.step(-1); } }),
    iconButton("down", "The next hit", { key: ".", onclick: () => { this.step(1); } }));

  /**
   * @param {object} film
   * @param {(shotId: string) => number} film.indexOf  -1: not a shot of the film
   * @param {() => number} film.current  index of the current shot
   * @param {(index: number) => void} film.go  shows a shot
   * @param {() => void} film.changed  called with every change of the hits
   */
  constructor(film) {
    this.film = film;
  }

  clear() {
    this.stop.abort();
    this.lastRequest = "";
    this.spokenWords = [];
    this.take([], null);
    this.place.hidden = true;
  }

  /** Search the film for the query, unless that was done. @param {FilmAnswer} film @param {Query} query */
  async load(film, query) {
    if (!isSearch(query) || (query.shows.length && !query.shows.includes(film.show))) return this.clear();
    const body = { ...bodyOf(query, null, PAGE), shows: [], videos: [film.video_id], fold: false };
    const request = JSON.stringify([film.video_id, film.shots, body]);
    if (request === this.lastRequest) return undefined;
    this.clear();
    this.lastRequest = request;
    this.stop = new AbortController();
    this.place.hidden = false;
    this.text.textContent = "Searching…";
    try {
      const answer = await searchWhole(body, this.stop.signal);
      this.spokenWords = answer.hits.some((hit) => hit.lines?.length) ? wordsOf(query) : [];
      this.take(this.choose(answer), answer);
      this.text.textContent = this.describe();
    } catch (error) {
      if (isAbort(error)) return undefined;
      if (!(error instanceof Problem)) throw error;
      this.text.textContent = error.message;
    }
    return undefined;
  }

  /** The hits of the film that are marked. @param {SearchAnswer} answer @returns {FilmHit[]} */
  choose(answer) {
    const found = answer.hits.map((hit) => ({ index: this.film.indexOf(hit.shot_id), relevance: hit.relevance, weak: hit.is_weak }))
      .filter((hit) => hit.index >= 0);
    return found.filter((hit, rank) => !hit.weak || rank < LEAST_MARKED).toSorted((one, other) => one.index - other.index);
  }

  /** @param {FilmHit[]} hits @param {SearchAnswer|null} answer */
  take(hits, answer) {
    this.hits = hits;
    this.byIndex = new Map(hits.map((hit) => [hit.index, hit]));
    this.origins = new Map((answer?.hits ?? []).filter((hit) => this.film.indexOf(hit.shot_id) >= 0).map((hit) => [hit.shot_id, answer ? originOf(answer, hit) : {query: {}}]));
    this.film.changed();
  }

  describe() {
    const weak = this.hits.filter((hit) => hit.weak).length;
    const clear = this.hits.length - weak;
    if (!this.hits.length) return "The query finds nothing in this film.";
    return clear ? `${counted(clear, "hit")}${weak ? ` and ${counted(weak, "weaker one")}` : ""}` : `No clear hit: the ${weak} nearest are marked`;
  }

  /** Go to the next hit, or the one before. @param {1|-1} way */
  step(way) {
    const at = this.film.current();
    const hit = way > 0 ? this.hits.find((one) => one.index > at) : this.hits.findLast((one) => one.index < at);
    if (!hit) {
      this.text.textContent = this.hits.length ? `${this.describe()}. No more ${way > 0 ? "after" : "before"} this shot.` : this.describe();
      return;
    }
    this.film.go(hit.index);
    this.text.textContent = `Hit ${this.hits.indexOf(hit) + 1} of ${this.hits.length} · relevance ${Math.round(hit.relevance * 100)} %`;
  }
}

/** Every hit above the divider, whatever their number, and the nearest below. @param {SearchBody} body @param {AbortSignal} signal @returns {Promise<SearchAnswer>} */
async function searchWhole(body, signal) {
  let answer = await search(body, signal);
  const first = answer;
  while (answer.next_cursor && !answer.hits.at(-1)?.is_weak) {
    answer = await search({ ...body, cursor: answer.next_cursor }, signal);
    first.hits.push(...answer.hits);
  }
  return first;
}
