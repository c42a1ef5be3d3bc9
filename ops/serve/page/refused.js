// Why a shot is not in an export, in the words of the page.
import { timecodeIn } from "./timecode.js";
/** @import {PageShot} from "./types.d.ts" */

/** Why a shot that is not in the catalogue cannot be shown or exported. */
export const GONE = "It is not in the catalogue any more: its film was forgotten, or cut again since.";

/** @param {{shot_id: string, path: string, reason: string}} missing as the service reports it */
export function whyMissing({ shot_id, path, reason }) {
  if (reason.startsWith("no shot ")) return GONE;
  return reason.replaceAll(path || `shot ${shot_id}: `, path.slice(path.lastIndexOf("/") + 1));
}

/** The shot that an error of the whole export names. @param {import("./selection.js").Pick[]} picks @param {string} message */
export function refusedPick(picks, message) {
  return picks.find(({ hit }) => message.split(/[\s'"]+/).some((word) => word.replace(/:$/, "") === hit.shot_id));
}

/**
 * Why marks are invalid; "" if they are valid.
 * @param {PageShot} hit @param {number} in_frame @param {number} out_frame @param {number|null} frames of the video
 */
export function outside(hit, in_frame, out_frame, frames) {
  if (in_frame < 0) return `The film begins at ${timecodeIn(hit, 0)}.`;
  if (frames && out_frame > frames) return `The film ends at ${timecodeIn(hit, frames - 1)}.`;
  return in_frame < out_frame ? "" : "In must come before out.";
}
