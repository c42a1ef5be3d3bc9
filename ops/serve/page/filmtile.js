// One shot of a film in its storyboard: its picture, its place, the corrections of its cuts, and buttons to correct them.
import { posterBox } from "./card.js";
import { el, icon, iconButton } from "./dom.js";
/** @import {CorrectionBody} from "./service.d.ts" */
/** @import {PageShot} from "./types.d.ts" */

/**
 * @typedef {object} Mark   the corrections of a frame
 * @property {string} text
 * @property {string} title
 * @property {boolean} waits  for the next ingest
 * @property {Pick<CorrectionBody, "action"|"frame">} undo  the correction that takes it back
 */

/**
 * @param {PageShot} hit @param {Mark[]} marks
 * @param {{open: (hit: PageShot) => void, toggle: (hit: PageShot) => void, merge: (hit: PageShot) => void, split: (hit: PageShot) => void, undo: (mark: Mark) => void}} acts
 */
export function filmTile(hit, marks, acts) {
  const merges = marks.some((mark) => mark.waits && mark.undo.frame === hit.start_frame);
  const tile = el("li", { class: merges ? "card film-tile merging" : "card film-tile", "data-shot": hit.shot_id },
    posterBox(hit, { open: acts.open }),
    el("div", { class: "actions" },
      iconButton("check", "Select for the tray", { key: "x", class: "icon-button select", "aria-pressed": "false", onclick: () => acts.toggle(hit) })),
    el("div", { class: "facts" },
      el("span", { class: "timecode grow" }, hit.start_timecode || `${hit.start_s.toFixed(2)} s`),
      el("span", { class: "timecode", title: "source frames" }, `${hit.start_frame}–${hit.end_frame - 1}`)),
    el("div", { class: "cut-acts", "data-needs": "label" },
      hit.start_frame > 0 && el("button", { type: "button", class: "merge", disabled: merges, title: "No cut here: one shot with the one before (m)",
        "aria-label": `Merge with the shot before, at frame ${hit.start_frame}`, onclick: () => acts.merge(hit) }, icon("merge"), "Merge"),
      el("button", { type: "button", class: "split", title: "A cut inside this shot (s)", "aria-label": `Split the shot at ${hit.start_timecode}`,
        onclick: () => acts.split(hit) }, icon("split"), "Split")));
  if (marks.length) tile.append(markRow(marks[0], acts.undo, marks.length - 1, () => acts.split(hit)));
  return tile;
}

/**
 * A correction, and a button that takes it back.
 * @param {Mark} mark @param {(mark: Mark) => void} undo @param {number} more corrections that are not shown
 * @param {() => void} [all] shows them
 */
export function markRow(mark, undo, more = 0, all = undefined) {
  return el("div", { class: mark.waits ? "cut-mark waits" : "cut-mark" }, el("span", { class: "grow", title: mark.title }, mark.text),
    more > 0 && el("button", { type: "button", class: "quiet", title: "All corrections of this shot", onclick: all }, `+${more}`),
    el("button", { type: "button", class: "quiet undo", "data-needs": "label", "aria-label": `Undo: ${mark.text}`, title: "u", onclick: () => undo(mark) }, "Undo"));
}
