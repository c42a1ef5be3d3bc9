// Taking the selection, or what a search found, into an editing system.
import { bodyOf, describe } from "./address.js";
import { exportFile } from "./api.js";

export const FORMATS = [
  ["edl", "EDL (CMX 3600)"], ["fcpxml", "Final Cut Pro XML"], ["xmeml", "Premiere, FCP 7 XML"], ["otio", "OpenTimelineIO"],
  ["zip", "Clips at full resolution (zip)"], ["sheet", "Contact sheet"], ["csv", "CSV"], ["json", "JSON"],
];
const MOST_HITS = 500;

/** @param {import("./selection.js").Selection} selection @param {any} answer in force, or null */
export async function exportSelection(selection, answer) {
  const { picks, format, handles, title } = selection;
  await download({
    format, handles, title: title.trim() || "Needle selection",
    picks: picks.map(({ hit, in_frame, out_frame }) => ({ shot_id: hit.shot_id, in_frame, out_frame })),
    search: commonSearch(picks),
    index_version: answer?.index_version,
  });
}

/** The hits that the page shows, up to 500, in the order of their rank. @param {any} page */
export async function exportResults(page) {
  const { format, handles } = page.selection;
  const limit = Math.min(Math.max(page.grid.counts().shown, 1), MOST_HITS);
  await download({
    format, handles, title: describe(page.query).slice(0, 120) || "Needle search",
    search: { ...bodyOf(page.query, null, limit), min_relevance: page.limit() },
    index_version: page.answer?.index_version,
  });
}

/** The one search that found all picks: it becomes their provenance. Picks of several searches have none in common. */
function commonSearch(picks) {
  const searches = new Set(picks.map((pick) => JSON.stringify(pick.search)));
  return searches.size === 1 ? picks[0].search : null;
}

async function download(body) {
  const { file, name } = await exportFile(body);
  const address = URL.createObjectURL(file);
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
