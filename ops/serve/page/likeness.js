// How shots are like the one shot of a search: in their look, by beginning as it ends, by ending as it begins, or in motion.
import { isOneShot, likenessOf } from "./address.js";
import { byId, el } from "./dom.js";
/**
 * @import {By, Query} from "./address.js"
 * @import {PageActions} from "./types.d.ts"
 */

/** @type {[by: By, name: string, title: string][]} */
const CHOICES = [
  ["look", "look like it", "The whole shots are compared"],
  ["ending", "could follow it", "Their first frames look like its last ones: a match cut"],
  ["beginning", "could precede it", "Their last frames look like its first ones: a match cut"],
  ["motion", "move like it", "Their cameras move in the same way: pan, tilt, zoom, or not at all"],
];

/** The choice under the search box, while a search is one shot. */
export class Likeness {
  buttons = CHOICES.map(([by, name, title]) => el("button", { type: "button", class: "quiet", "data-by": by, title, onclick: () => this.page.change({ by }) }, name));
  place = el("div", { class: "likeness", role: "group", "aria-label": "Shots that", hidden: true }, el("span", { class: "muted" }, "Shots that"), ...this.buttons);

  /** @param {PageActions} page */
  constructor(page) {
    this.page = page;
    byId("conditions", HTMLElement).before(this.place);
  }

  /** @param {Query} query */
  show(query) {
    this.place.hidden = !isOneShot(query);
    const by = likenessOf(query);
    for (const button of this.buttons) button.setAttribute("aria-pressed", String(button.dataset.by === by));
  }
}

/** Search for the shots that could follow a shot in a cut. @param {Pick<PageActions, "change">} page @param {string} shotId */
export function findFollowing(page, shotId) {
  page.change({ text: "", literal: [], like: [shotId], unlike: [], by: "ending", then: null, all: [], any: [], where: [], dialogue: "auto" });
}
