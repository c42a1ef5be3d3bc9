// Why a shot is not in an export, in the words of the page.
import { timecodeIn } from "./timecode.js";

/** Why a shot that is not in the catalogue cannot be had. */
export const GONE = "It is not in the catalogue any more: its film was forgotten, or cut again since.";

/** @param {{shot_id: string, path: string, reason: string}} missing as the service tells it */
export function whyMissing({ shot_id, path, reason }) {
  if (reason.startsWith("no shot ")) return GONE;
  return reason.replaceAll(path || `shot ${shot_id}: `, path.split("/").at(-1));
}

/** The shot that a refusal of the whole export names. @param {import("./selection.js").Pick[]} picks @param {string} message */
export function refusedPick(picks, message) {
  return picks.find(({ hit }) => message.split(/[\s'"]+/).some((word) => word.replace(/:$/, "") === hit.shot_id));
}

/** What is wrong with marks, by the film's length; "" where nothing is. @param {object} hit @param {number|null} frames of the film */
export function outside(hit, in_frame, out_frame, frames) {
  if (in_frame < 0) return `The film begins at ${timecodeIn(hit, 0)}.`;
  if (frames && out_frame > frames) return `The film ends at ${timecodeIn(hit, frames - 1)}.`;
  return in_frame < out_frame ? "" : "In must come before out.";
}
