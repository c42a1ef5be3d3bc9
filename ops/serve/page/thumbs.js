// Yes and no for one shot, and its label: buttons under a poster and in the player.
import { el, inside } from "./dom.js";
/** @import {Judging, Mark} from "./judging.js" */

/** @param {string} label @param {(value: boolean) => void} answer @param {(() => void)|null} skip */
export function thumbs(label, answer, skip = null) {
  const button = (/** @type {string} */ word, /** @type {string} */ key, /** @type {string} */ kind, /** @type {() => void} */ act) => el("button", { type: "button", class: `thumb ${kind}`, title: `${word} (${key})`,
    "aria-keyshortcuts": key, onclick: act }, word);
  return el("div", { class: "thumbs", role: "group", "data-label": label, "data-needs": "label", "aria-label": `Is it ${label}?` },
    button("Yes", "y", "yes", () => answer(true)), button("No", "n", "no", () => answer(false)), skip && button("Skip", "s", "later", skip),
    el("span", { class: "votes" }));
}

/** Show the label of a shot. @param {HTMLElement} place with thumbs in it @param {Judging} judging @param {string} shotId */
export function showMark(place, judging, shotId) {
  const row = place.querySelector(".thumbs");
  if (!row) return;
  const mark = judging.marks.get(shotId);
  const value = mark?.value ?? null;
  place.classList.toggle("said-yes", value === true);
  place.classList.toggle("said-no", value === false);
  place.classList.toggle("in-conflict", Boolean(mark?.conflict));
  place.classList.toggle("skipped", value === null && judging.skipped.has(shotId));
  inside(row, ".yes", HTMLElement).setAttribute("aria-pressed", String(value === true));
  inside(row, ".no", HTMLElement).setAttribute("aria-pressed", String(value === false));
  const text = othersOf(mark, judging.who);
  const votes = inside(row, ".votes", HTMLElement);
  votes.textContent = text;
  votes.title = text;
}

/** The answers of others, or all answers if people differ: "ann yes, bob no". @param {Mark|undefined} mark @param {string} who */
function othersOf(mark, who) {
  const votes = mark?.votes ?? [];
  const shown = mark?.conflict ? votes : votes.filter((vote) => vote.annotator !== who);
  return shown.map((vote) => `${vote.annotator} ${vote.value ? "yes" : "no"}`).join(", ");
}
