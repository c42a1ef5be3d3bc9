// The tray's contents: shots in the editor's order, each with its in and out. Stored in this browser, shared by its tabs.
import { keep, recallFields } from "./dom.js";
/** @import {PickBody, Query, SearchAnswer} from "./service.d.ts" */
/** @import {PageShot} from "./types.d.ts" */

const KEY = "needle.tray";
const MOST = 2000;
export const MOST_NOTE = 500; // characters, as many as POST /api/export takes
const MOST_LINES = 50; // of one shot, as many as POST /api/export takes

/**
 * @typedef {object} Pick
 * @property {PageShot} hit       the shot: ids, frames, rate, timecode, poster, proxy; film_frames if it is known
 * @property {number} in_frame    first source frame
 * @property {number} out_frame   source frame after the last
 * @property {Origin|null} origin the search that found it; null if it was not searched for
 * @property {string} [note]      the editor's note, for the marker of the clip
 */
/**
 * @typedef {object} Origin       the part of an export that reports the search of a shot
 * @property {Query|string} query the search, without values that are at their default; of a collection in words
 * @property {number} [score]
 * @property {number} [relevance]
 * @property {string} [encoder_id]
 * @property {string} [index_version]
 * @property {PickBody["matched"]} [matched] by pictures, by dialogue
 * @property {string|null} [dialogue_version]
 * @property {string[]} [line_ids] lines that were found
 */

/**
 * @typedef {object} Saved        the collection that the tray is
 * @property {string} id
 * @property {string} version     the one that was opened or saved
 * @property {string} name
 * @property {string} contents    of the tray when it was opened or saved
 */

/** Where a hit of an answer comes from. @param {SearchAnswer} answer @param {PageShot} hit @returns {Origin} */
export function originOf(answer, hit) {
  const asked = Object.entries(answer.query).filter(([name]) => name !== "limit" && name !== "offset");
  const query = Object.fromEntries(asked.filter(([, value]) => (Array.isArray(value) ? value.length : value)));
  return {
    query, score: hit.score ?? undefined, relevance: hit.relevance, encoder_id: answer.encoder_id, index_version: answer.index_version,
    matched: hit.matched, dialogue_version: answer.dialogue_version, line_ids: (hit.lines ?? []).flatMap((line) => line.line_ids ?? [line.line_id]).slice(0, MOST_LINES),
  };
}

/** The frames of a shot to export: the spoken range, those that fulfil the conditions, or the whole shot. @param {PageShot} hit */
export const rangeOf = (hit) => hit.spoken ?? hit.match ?? hit;

/** Fires "change" when the picks, their order or the export's settings have changed. */
export class Selection extends EventTarget {
  /** @type {Pick[]} */
  picks = [];
  handles = 0;
  title = "Needle selection";
  format = "edl";
  /** null if the tray is no collection @type {Saved|null} */
  collection = null;

  constructor() {
    super();
    this.read();
    addEventListener("storage", (event) => {
      if (event.key !== KEY) return;
      this.read();
      this.dispatchEvent(new Event("change"));
    });
  }

  read() {
    const { picks, handles, title, format, collection } = recallFields(KEY);
    this.collection = isSaved(collection) ? collection : null;
    this.picks = Array.isArray(picks) ? picks.filter(isPick).map(withOrigin) : [];
    this.handles = typeof handles === "number" && Number.isInteger(handles) && handles >= 0 ? handles : 0;
    this.title = typeof title === "string" ? title : "Needle selection";
    this.format = typeof format === "string" ? format : "edl";
  }

  /** @param {string} shotId */
  has(shotId) {
    return this.picks.some((pick) => pick.hit.shot_id === shotId);
  }

  /** @param {string} shotId @returns {Pick|undefined} */
  find(shotId) {
    return this.picks.find((pick) => pick.hit.shot_id === shotId);
  }

  /** Add a shot, or give the one in the tray new marks. @param {PageShot} hit @param {Origin|null} origin */
  put(hit, origin, in_frame = rangeOf(hit).start_frame, out_frame = rangeOf(hit).end_frame) {
    const found = this.find(hit.shot_id);
    if (found) Object.assign(found, { in_frame, out_frame });
    else if (this.picks.length < MOST) this.picks.push({ hit: stored(hit), in_frame, out_frame, origin });
    this.changed();
  }

  /** Into the tray, or out of it. @param {PageShot} hit @param {Origin|null} origin @returns {boolean} whether it is in now */
  toggle(hit, origin) {
    if (this.has(hit.shot_id)) this.remove(hit.shot_id);
    else this.put(hit, origin);
    return this.has(hit.shot_id);
  }

  /** @param {string} shotId @param {string} note */
  setNote(shotId, note) {
    const pick = this.find(shotId);
    if (pick) pick.note = note.trim();
    this.changed();
  }

  /** @param {string} shotId */
  remove(shotId) {
    this.picks = this.picks.filter((pick) => pick.hit.shot_id !== shotId);
    this.changed();
  }

  clear() {
    this.picks = [];
    this.collection = null;
    this.changed();
  }

  /** Replace the whole tray. @param {Pick[]} picks @param {Saved|null} collection that it is now */
  replace(picks, collection) {
    this.picks = picks;
    this.collection = collection;
    this.changed();
  }

  /** Undo a clearing; picks that were added since come after. @param {Pick[]} picks @param {Saved|null} [collection] that it was */
  restore(picks, collection = null) {
    this.collection ??= collection;
    this.picks = [...picks, ...this.picks.filter((pick) => !picks.some((one) => one.hit.shot_id === pick.hit.shot_id))];
    this.changed();
  }

  /** Remember how long a film is. @param {string} videoId @param {number} frames */
  learn(videoId, frames) {
    for (const { hit } of this.picks) if (hit.video_id === videoId) hit.film_frames = frames;
    this.changed();
  }

  /** @param {number} from @param {number} to position after the move */
  move(from, to) {
    if (!this.picks[from] || to < 0 || to >= this.picks.length || from === to) return;
    this.picks.splice(to, 0, ...this.picks.splice(from, 1));
    this.changed();
  }

  /** @param {Partial<{handles: number, title: string, format: string}>} settings */
  set(settings) {
    Object.assign(this, settings);
    this.changed();
  }

  changed() {
    const { picks, handles, title, format, collection } = this;
    keep(KEY, { picks, handles, title, format, collection });
    this.dispatchEvent(new Event("change"));
  }
}

/** The fields of a shot that the tray needs. @param {PageShot} hit @returns {PageShot} */
function stored({ shot_id, video_id, show, title, start_frame, end_frame, fps, start_s, end_s, start_timecode, poster, proxy, film_frames }) {
  return { shot_id, video_id, show, title, start_frame, end_frame, fps, start_s, end_s, start_timecode, poster, proxy, film_frames };
}

/** Trays of earlier versions stored the search alone. @param {Pick & {search?: Query}} kept @returns {Pick} */
function withOrigin({ search, ...pick }) {
  return { ...pick, origin: pick.origin ?? (search ? { query: search } : null), note: typeof pick.note === "string" ? pick.note.slice(0, MOST_NOTE) : "" };
}

/** Whether a stored value is a pick. @param {Pick|null|undefined} kept */
function isPick(kept) {
  return typeof kept?.hit?.shot_id === "string" && Number.isInteger(kept.in_frame) && kept.out_frame > kept.in_frame;
}

/** Whether a stored value is a collection. @param {unknown} kept @returns {kept is Saved} */
export function isSaved(kept) {
  if (typeof kept !== "object" || kept === null) return false;
  const fields = new Map(Object.entries(kept));
  return ["id", "version", "name", "contents"].every((name) => typeof fields.get(name) === "string");
}
