// Corrections of a film's cuts in words: those in force, a mark for each shot that they concern, and the effect of a new one.
/**
 * @import {CorrectedAnswer, Correction, FilmAnswer} from "./service.d.ts"
 * @import {Mark} from "./filmtile.js"
 */

/** The correction in force of each frame. @param {FilmAnswer} film @returns {Map<number, Correction>} */
export function currentOf(film) {
  /** @type {Map<number, Correction>} */
  const current = new Map();
  for (const one of film.corrections) {
    if (one.action === "withdrawn") current.delete(one.frame);
    else current.set(one.frame, one);
  }
  return current;
}

/** The corrections, by the index of their shot. @param {FilmAnswer} film @param {(frame: number) => number} indexAt */
export function marksOf(film, indexAt) {
  /** @type {Map<number, Mark[]>} */
  const marks = new Map();
  const current = currentOf(film);
  const add = (/** @type {number} */ frame, /** @type {Mark} */ mark) => {
    const index = indexAt(frame);
    marks.set(index, [...marks.get(index) ?? [], mark]);
  };
  const by = (/** @type {Correction|undefined} */ one) => (one ? `${one.author}${one.note ? `: ${one.note}` : ""}` : "");
  for (const frame of film.to_merge) {
    const said = current.get(frame);
    add(frame, { text: "will be merged", title: `with the shot before${by(said) && ` · ${by(said)}`}`, waits: true, undo: { action: said ? "withdrawn" : "cut", frame } });
  }
  for (const frame of film.to_cut) {
    const said = current.get(frame);
    add(frame, { text: `will split at ${frame}`, title: by(said), waits: true, undo: { action: said ? "withdrawn" : "no_cut", frame } });
  }
  const waiting = new Set([...film.to_merge, ...film.to_cut]);
  for (const [frame, said] of [...current].toSorted(([one], [other]) => one - other)) {
    if (waiting.has(frame) || said.state === "past_end") continue;
    const text = said.action === "cut" ? `cut at ${frame}, ${said.author}` : `no cut at ${frame}, ${said.author}`;
    add(frame, { text, title: by(said), waits: said.state === "waiting", undo: { action: "withdrawn", frame } });
  }
  return marks;
}

/** The effect of a correction, in a sentence. @param {CorrectedAnswer} answer @param {string} action @param {number} frame */
export function effectOf(answer, action, frame) {
  if (answer.to_merge.includes(frame)) return `No shot will begin at frame ${frame} after the next ingest.`;
  if (answer.to_cut.includes(frame)) return `A shot will begin at frame ${frame} after the next ingest.`;
  return action === "withdrawn" ? `The correction of frame ${frame} is withdrawn.` : `Noted: ${action === "cut" ? "a cut" : "no cut"} at frame ${frame}.`;
}
