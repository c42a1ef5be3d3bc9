// Taking the selection, or what a search found, into an editing system.
import { bodyOf, describe } from "./address.js";
import { exportFile, search } from "./api.js";
import { originOf } from "./selection.js";

export const FORMATS = [
  ["edl", "EDL (CMX 3600)"], ["fcpxml", "Final Cut Pro XML"], ["xmeml", "Premiere, FCP 7 XML"], ["otio", "OpenTimelineIO"],
  ["zip", "Clips at full resolution (zip)"], ["sheet", "Contact sheet"], ["csv", "CSV"], ["json", "JSON"],
];
export const MOST_HITS = 500;

/** @param {import("./selection.js").Selection} selection */
export async function exportSelection(selection) {
  const { picks, format, handles, title } = selection;
  await download({
    format, handles, title: title.trim() || "Needle selection",
    picks: picks.map(({ hit, in_frame, out_frame, origin }) => pickOf(hit.shot_id, in_frame, out_frame, origin)),
  });
}

/** The hits that the page shows, or would show after scrolling on, up to 500, in the order of their rank. */
export async function exportResults(page) {
  const { format, handles } = page.selection;
  const whole = page.isWhole();
  const answer = whole ? page.answer : await search(bodyOf(page.query, null, MOST_HITS));
  const hits = whole ? page.grid.results() : answer.hits.filter((hit) => page.grid.isShown(hit));
  await download({
    format, handles, title: describe(page.query).slice(0, 120) || "Needle search",
    picks: hits.slice(0, MOST_HITS).map((hit) => {
      const { start_frame, end_frame } = hit.match ?? hit;
      return pickOf(hit.shot_id, start_frame, end_frame, originOf(answer, hit));
    }),
  });
}

/** A pick of POST /api/export. @param {import("./selection.js").Origin|null} origin */
function pickOf(shot_id, in_frame, out_frame, origin) {
  const { query, score, relevance, encoder_id, index_version } = origin ?? {};
  return { shot_id, in_frame, out_frame, query, score, relevance, encoder_id, index_version };
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
