// Chips: parts of a query that a click removes, and the row of those that were found in the text of the search.
import { allInside, byId, el, icon } from "./dom.js";
/** @import {QueryPart, SearchAnswer} from "./service.d.ts" */
/** @import {PageActions} from "./types.d.ts" */

/** A chip that removes something. @param {string} word @param {string} value @param {() => void} remove */
export function removable(word, value, remove) {
  return el("button", { type: "button", class: "chip", "aria-label": `${word} ${value}: remove`.trim(), title: "Remove", onclick: remove },
    word && el("span", { class: "muted" }, word), value, icon("close"));
}

/** The first words of a label, and its value: "show" and "Sintel". @param {string} label @returns {[string, string]} */
function divide(label) {
  const at = label.startsWith("less like ") ? "less like".length : label.indexOf(" ");
  return [label.slice(0, at), label.slice(at + 1)];
}

/** The filters and exclusions that were found in the text; each click asks again without that part, or with it. */
export class TextParts {
  place = byId("parts", HTMLElement);

  /** @param {PageActions} page */
  constructor(page) {
    this.page = page;
  }

  /** @param {SearchAnswer|null} answer */
  show(answer) {
    const parts = answer?.reading.parts ?? [];
    const focused = allInside(this.place, "button").findIndex((button) => button === document.activeElement);
    this.place.replaceChildren(...parts.map((part) => el("li", {}, this.chip(part))));
    this.place.hidden = !parts.length;
    if (focused < 0) return;
    const buttons = allInside(this.place, "button");
    (buttons[Math.min(focused, buttons.length - 1)] ?? byId("q", HTMLInputElement)).focus();
  }

  /** @param {QueryPart} part */
  chip(part) {
    const change = () => this.page.change({ text: part.change.text, literal: [...part.change.literal] });
    const isSpelling = part.kind === "spelling"; // its label is a sentence
    const [word, value] = isSpelling ? ["spelling", part.value] : divide(part.label);
    if (part.is_applied) {
      const undo = part.is_typed ? "Take it out of the text" : `Search for the words “${part.text}” instead`;
      const chip = removable(word, value, change);
      chip.title = isSpelling ? "Search the words as typed" : undo;
      return chip;
    }
    return el("button", { type: "button", class: "chip offered", title: isSpelling ? "Search for this" : `“${part.text}” was read as words`,
      "aria-label": isSpelling ? part.label : `“${part.text}” was read as words: use ${part.label}`, onclick: change },
    icon("add"), word && el("span", { class: "muted" }, word), value);
  }
}
