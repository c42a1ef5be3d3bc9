// The views without results: waiting, nothing found, no footage, failure.
import { counted, el } from "./dom.js";
/**
 * @import {Query} from "./address.js"
 * @import {QueryPart} from "./service.d.ts"
 * @import {Changes, Child} from "./types.d.ts"
 */

const QUOTES = /\\?["“”„«»‹›「」『』＂]/u;

/** Grey cards of the size of results. */
export function loading(count = 15) {
  const cards = Array.from({ length: count }, () => el("li", { class: "card skeleton", "aria-hidden": "true" },
    el("div", { class: "poster" }), el("div", { class: "facts" }, el("span", { class: "bone" }))));
  return [el("p", { class: "visually-hidden" }, "Searching…"), el("ul", { class: "cards", "aria-hidden": "true" }, ...cards)];
}

/**
 * @param {import("./api.js").Problem} problem @param {() => void} retry
 * @param {Query} query @param {(changes: Changes) => void} change
 */
export function failed(problem, retry, query, change) {
  const wrong = [400, 404, 413, 422].includes(problem.status);
  return message(wrong ? "This search cannot be answered" : problem.title || "Something went wrong", problem.message,
    el("button", { type: "button", class: "primary", onclick: retry }, "Try again"),
    wrong && /(?:^|\s)-?\p{L}+:\S/u.test(query.text) && offer("Search for the text as it is", () => change({ literal: ["*"] })),
    wrong && query.shows.length > 0 && offer("Search all shows", () => change({ shows: [] })));
}

/** @param {Query} query @param {(changes: Changes) => void} change @param {readonly QueryPart[]} parts */
export function nothing(query, change, parts) {
  const offers = [];
  for (const part of parts.filter((one) => one.is_applied)) {
    offers.push(offer(`Without “${part.text}”`, () => change({ text: part.change.text, literal: [...part.change.literal] })));
  }
  if (query.shows.length) offers.push(offer("Search all shows", () => change({ shows: [] })));
  if (QUOTES.test(query.text)) {
    offers.push(offer("Any lines with these words", () => change({ text: query.text.replace(new RegExp(QUOTES, "gu"), ""), dialogue: "only" })));
  }
  if (query.dialogue === "only") offers.push(offer("Search pictures too", () => change({ dialogue: "auto" })));
  if (query.then) offers.push(offer("Without “then”", () => change({ then: null })));
  if (query.all.length || query.any.length) offers.push(offer("Without the conditions", () => change({ all: [], any: [] })));
  if (query.where.length) offers.push(offer("Without the probe filters", () => change({ where: [] })));
  return message("Nothing found", query.dialogue === "only"
    ? "No line of dialogue has these words." : "No shot fulfils all of this.", ...offers);
}

/** The query has parts that narrow a search, and no search. @param {() => void} write @param {(changes: Changes) => void} change */
export function unsaid(write, change) {
  return message("Describe a shot", "“Less like this”, “then” and probe filters narrow a search down. Add words or a picture.",
    el("button", { type: "button", class: "primary", onclick: write }, "Write words"),
    offer("Start over", () => change({ text: "", unlike: [], then: null, where: [] })));
}

/** All hits are under the limit. @param {number} hidden @param {() => void} show */
export function allHidden(hidden, show) {
  return message("Nothing is so relevant", `${counted(hidden, "shot")} ${hidden === 1 ? "is" : "are"} under the limit.`,
    el("button", { type: "button", class: "primary", onclick: show }, "Show all shots"));
}

/** Nothing was ingested yet. @param {string} hint the command to run, from the service */
export function noFootage(hint) {
  return message("No footage yet", "Needle searches footage that was ingested. Ingest some:",
    el("pre", { class: "command" }, "needle ingest /path/to/your/footage"),
    hint && el("p", { class: "muted" }, hint));
}

/** @param {string} text @param {() => void} act */
function offer(text, act) {
  return el("button", { type: "button", onclick: act }, text);
}

/** @param {string} title @param {string} text @param {...Child} more */
function message(title, text, ...more) {
  return el("div", { class: "message", role: "status" }, el("h2", {}, title), el("p", {}, text), ...more);
}
