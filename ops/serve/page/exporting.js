// Export of the selection or of the results of a search to an editing system, with handles and a report.
import { bodyOf, describe } from "./address.js";
import { exportFile, exportProgress, Problem, search } from "./api.js";
import { counted } from "./dom.js";
import { whyMissing } from "./refused.js";
import { originOf, rangeOf } from "./selection.js";
/**
 * @import {ExportReport} from "./api.js"
 * @import {Page} from "./app.js"
 * @import {Origin, Selection} from "./selection.js"
 * @import {ExportBody, PickBody} from "./service.d.ts"
 * @import {PageShot} from "./types.d.ts"
 */

export const MOST_HITS = 500;
const LOOK_MS = 500;
const REFUSED = new Set([401, 403, 404]);
export const MOST_HANDLES = 1000; // as many as POST /api/export takes

/** @param {string} text as typed @returns {number} frames, 0 to MOST_HANDLES */
export function handlesOf(text) {
  return Math.min(Math.max(Math.trunc(Number(text)) || 0, 0), MOST_HANDLES);
}

/**
 * Marks with their handles, within the video.
 * @param {{in_frame: number, out_frame: number}} marks @param {number} handles @param {number|null} [frames] of the video
 */
export function withHandles({ in_frame, out_frame }, handles, frames = null) {
  return { head: Math.max(in_frame - handles, 0), tail: Math.min(out_frame + handles, Math.max(frames ?? Infinity, out_frame)) };
}

/** @typedef {(done: number, total: number) => void} OnProgress reports the progress of an export */

/** @param {Selection} selection @param {AbortSignal} signal @param {OnProgress} onProgress */
export function exportSelection(selection, signal, onProgress) {
  const { picks, format, handles, title } = selection;
  return download({
    format, handles, title: title.trim() || "Needle selection",
    picks: picks.map(({ hit, in_frame, out_frame, origin, note }) => pickOf(hit.shot_id, in_frame, out_frame, origin, note)),
  }, signal, onProgress);
}

/**
 * Export the hits that the page shows, or would show after scrolling on, up to 500, in the order of their rank.
 * @param {Page} page @param {AbortSignal} signal @param {OnProgress} onProgress
 */
export async function exportResults(page, signal, onProgress) {
  const { format, handles } = page.selection;
  const shown = page.isWhole() ? page.answer : null;
  const answer = shown ?? await search(bodyOf(page.query, null, MOST_HITS), signal);
  /** @type {PageShot[]} */
  const hits = shown ? page.grid.results() : answer.hits.filter((hit) => page.grid.isWanted(hit));
  return download({
    format, handles, title: describe(page.query).slice(0, 120) || "Needle search",
    picks: hits.slice(0, MOST_HITS).filter(isNew()).map((hit) => {
      const { start_frame, end_frame } = rangeOf(hit);
      return pickOf(hit.shot_id, start_frame, end_frame, originOf(answer, hit));
    }),
  }, signal, onProgress);
}

/**
 * The report of an export, in words.
 * @param {ExportReport|null} report @param {(shotId: string) => string} nameOf a shot, "" if it is not known
 * @returns {{text: string, bad: boolean, more: string[]}} `more`: missing shots with reasons, and warnings
 */
export function textOf(report, nameOf) {
  if (!report) return { text: "Exported.", bad: false, more: [] };
  const { clips, missing, missing_count: lost, warnings } = report;
  const text = lost ? `Exported ${clips} of ${counted(clips + lost, "shot")}. Missing:` : `Exported ${counted(clips, "shot")}.`;
  const unsaid = lost - missing.length;
  return { text, bad: lost > 0, more: [...missing.map((one) => named(one, nameOf)), ...(unsaid > 0 ? [`and ${unsaid} more`] : []), ...warnings] };
}

/** @param {ExportReport["missing"][number]} missing @param {(shotId: string) => string} nameOf */
function named(missing, nameOf) {
  return `${nameOf(missing.shot_id) || missing.path.split("/").at(-1) || missing.shot_id}: ${whyMissing(missing)}`;
}

/** A filter of hits with the same frames: a line over a cut is a hit in two shots, and one clip. @returns {(hit: PageShot) => boolean} */
function isNew() {
  const taken = new Set();
  return (hit) => {
    const { start_frame, end_frame } = rangeOf(hit);
    const name = `${hit.video_id} ${start_frame} ${end_frame}`;
    return !taken.has(name) && Boolean(taken.add(name));
  };
}

/**
 * A pick of POST /api/export.
 * @param {string} shot_id @param {number} in_frame @param {number} out_frame @param {Origin|null} origin @param {string} [note]
 * @returns {PickBody}
 */
export function pickOf(shot_id, in_frame, out_frame, origin, note) {
  if (!origin) return { shot_id, in_frame, out_frame, note };
  const { query, score, relevance, encoder_id, index_version, matched, dialogue_version, line_ids } = origin;
  return { shot_id, in_frame, out_frame, note, query, score, relevance, encoder_id, index_version, matched, dialogue_version, line_ids };
}

/** @param {Omit<ExportBody, "format"> & {format: string}} body @param {AbortSignal} signal @param {OnProgress} onProgress */
async function download(body, signal, onProgress) {
  const key = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  const over = new AbortController();
  watch(key, over.signal, onProgress);
  const { file, name, report } = await exportFile({ ...body, key }, signal).finally(() => over.abort());
  const address = URL.createObjectURL(file);
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
  return report;
}

/**
 * Report the progress of an export until the signal; one failed request ends neither the export nor the reports.
 * @param {string} key @param {AbortSignal} signal @param {OnProgress} onProgress
 */
async function watch(key, signal, onProgress) {
  for (;;) {
    await new Promise((done) => { setTimeout(done, LOOK_MS); });
    if (signal.aborted) return;
    try {
      const { done, total } = await exportProgress(key, signal);
      if (total && !signal.aborted) onProgress(done, total);
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Problem)) throw error;
      if (REFUSED.has(error.status)) return;
    }
  }
}
