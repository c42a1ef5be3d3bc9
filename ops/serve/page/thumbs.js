// Yes and no of one shot, and how it stands: buttons under a poster and in the player.
import { el } from "./dom.js";

/** @param {string} label @param {(value: boolean) => void} answer @param {(() => void)|null} skip */
export function thumbs(label, answer, skip = null) {
  const button = (word, key, kind, act) => el("button", { type: "button", class: `thumb ${kind}`, title: `${word} (${key})`,
    "aria-keyshortcuts": key, onclick: act }, word);
  return el("div", { class: "thumbs", role: "group", "data-label": label, "aria-label": `Is it ${label}?` },
    button("Yes", "y", "yes", () => answer(true)), button("No", "n", "no", () => answer(false)), skip && button("Skip", "s", "later", skip),
    el("span", { class: "votes" }));
}

/** Show how a shot stands. @param {HTMLElement} place with thumbs in it @param {any} judging @param {string} shotId */
export function tellMark(place, judging, shotId) {
  const row = place.querySelector(".thumbs");
  if (!row) return;
  const mark = judging.marks.get(shotId);
  const value = mark?.value ?? null;
  place.classList.toggle("said-yes", value === true);
  place.classList.toggle("said-no", value === false);
  place.classList.toggle("in-conflict", Boolean(mark?.conflict));
  place.classList.toggle("skipped", value === null && judging.skipped.has(shotId));
  row.querySelector(".yes").setAttribute("aria-pressed", String(value === true));
  row.querySelector(".no").setAttribute("aria-pressed", String(value === false));
  const told = othersOf(mark, judging.who);
  const votes = row.querySelector(".votes");
  votes.textContent = told;
  votes.title = told;
}

/** What others said, or all where people differ: "ann yes, bob no". */
function othersOf(mark, who) {
  const votes = mark?.votes ?? [];
  const told = mark?.conflict ? votes : votes.filter((vote) => vote.annotator !== who);
  return told.map((vote) => `${vote.annotator} ${vote.value ? "yes" : "no"}`).join(", ");
}
