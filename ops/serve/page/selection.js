// The tray's contents: shots in the editor's order, each with its in and out. Kept in this browser, shared by its tabs.
import { keep, recall } from "./dom.js";

const KEY = "needle.tray";
const MOST = 2000;
const MOST_LINES = 50; // of one shot, as many as POST /api/export takes

/**
 * @typedef {object} Pick
 * @property {object} hit         the shot as it was found: ids, frames, rate, timecode, poster, proxy; film_frames where known
 * @property {number} in_frame    first source frame
 * @property {number} out_frame   source frame after the last
 * @property {Origin|null} origin what found it; null where nobody searched for it
 */
/**
 * @typedef {object} Origin       what an export tells of where a shot comes from
 * @property {object} query       the search, without what it leaves at its default
 * @property {number} [score]
 * @property {number} [relevance]
 * @property {string} [encoder_id]
 * @property {string} [index_version]
 * @property {string[]} [matched] by pictures, by dialogue
 * @property {string|null} [dialogue_version]
 * @property {string[]} [line_ids] lines that were found
 */

const KEPT = ["shot_id", "video_id", "show", "title", "start_frame", "end_frame", "fps", "start_s", "end_s",
  "start_timecode", "poster", "proxy", "film_frames"];

/** Where a hit of an answer comes from. @param {object} answer @param {object} hit @returns {Origin} */
export function originOf(answer, hit) {
  const { limit, offset, ...asked } = answer.query;
  const query = Object.fromEntries(Object.entries(asked).filter(([, value]) => (Array.isArray(value) ? value.length : value)));
  return {
    query, score: hit.score, relevance: hit.relevance, encoder_id: answer.encoder_id, index_version: answer.index_version,
    matched: hit.matched, dialogue_version: answer.dialogue_version, line_ids: hit.lines.flatMap((line) => line.line_ids ?? [line.line_id]).slice(0, MOST_LINES),
  };
}

/** The frames of a hit that are meant: what is said, those that fulfil the conditions, or the whole shot. @param {object} hit */
export const rangeOf = (hit) => hit.spoken ?? hit.match ?? hit;

/** Tells "change" whenever the picks, their order or the export's settings have changed. */
export class Selection extends EventTarget {
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
    const kept = recall(KEY, {});
    /** @type {Pick[]} */
    this.picks = Array.isArray(kept.picks) ? kept.picks.filter(isPick).map(withOrigin) : [];
    this.handles = Number.isInteger(kept.handles) && kept.handles >= 0 ? kept.handles : 0;
    this.title = typeof kept.title === "string" ? kept.title : "Needle selection";
    this.format = typeof kept.format === "string" ? kept.format : "edl";
  }

  /** @param {string} shotId */
  has(shotId) {
    return this.picks.some((pick) => pick.hit.shot_id === shotId);
  }

  /** @param {string} shotId @returns {Pick|undefined} */
  find(shotId) {
    return this.picks.find((pick) => pick.hit.shot_id === shotId);
  }

  /** Add a shot, or give the one that is there new marks. @param {object} hit @param {Origin|null} origin */
  put(hit, origin, in_frame = rangeOf(hit).start_frame, out_frame = rangeOf(hit).end_frame) {
    const found = this.find(hit.shot_id);
    if (found) Object.assign(found, { in_frame, out_frame });
    else if (this.picks.length < MOST) {
      const kept = Object.fromEntries(KEPT.map((name) => [name, hit[name]]));
      this.picks.push({ hit: kept, in_frame, out_frame, origin });
    }
    this.changed();
  }

  /** Into the tray, or out of it. @returns {boolean} whether it is in now */
  toggle(hit, origin) {
    if (this.has(hit.shot_id)) this.remove(hit.shot_id);
    else this.put(hit, origin);
    return this.has(hit.shot_id);
  }

  /** @param {string} shotId */
  remove(shotId) {
    this.picks = this.picks.filter((pick) => pick.hit.shot_id !== shotId);
    this.changed();
  }

  clear() {
    this.picks = [];
    this.changed();
  }

  /** Take back a clearing; what was added since comes after. @param {Pick[]} picks */
  restore(picks) {
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
    const { picks, handles, title, format } = this;
    keep(KEY, { picks, handles, title, format });
    this.dispatchEvent(new Event("change"));
  }
}

/** Trays of earlier versions kept the search alone. */
function withOrigin({ search, ...pick }) {
  return { ...pick, origin: pick.origin ?? (search ? { query: search } : null) };
}

function isPick(pick) {
  return typeof pick?.hit?.shot_id === "string" && Number.isInteger(pick.in_frame) && pick.out_frame > pick.in_frame;
}
