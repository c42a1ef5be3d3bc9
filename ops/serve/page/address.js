// The query and its address: the URL holds everything that makes up a view, so that a link, "back" and a reload
// restore it. Pure functions, without the page.
/** @import {DialogueCondition, ProbeCondition, SearchBody, SoundCondition, TextCondition, WrittenCondition} from "./service.d.ts" */

/** @typedef {"look"|"say"|"write"|"hear"|"probe"} Kind */
/** @typedef {{kind: Kind, value: string, relevance: number|null}} Condition */
/** @typedef {NonNullable<SearchBody["by"]>} By */
/**
 * @typedef {object} Query
 * @property {string} text
 * @property {string[]} like      shot ids and image:<hash>
 * @property {By} by              how shots are like the only shot of the query
 * @property {string[]} unlike    likewise, and words
 * @property {string[]} literal   parts of the text that are read as words, not as filters
 * @property {string[]} shows
 * @property {string[]} where     "closeup>=0.5"
 * @property {"auto"|"off"|"only"} dialogue
 * @property {boolean} fold       near-duplicates become one card
 * @property {boolean} blank      black and blank shots too
 * @property {boolean} titles     title cards too
 * @property {boolean} exact      scan every vector instead of the graph
 * @property {number|null} min    least relevance of the hits that are shown; null: all are shown
 * @property {boolean} group      one section for each show
 * @property {{text: string, within: number}|null} then
 * @property {Condition[]} all
 * @property {Condition[]} any
 * @property {string} shot        the shot that is open in the player
 * @property {string} film        the video that is shown as a whole; "" for none
 * @property {number|null} frame  where in the video to begin
 * @property {string} label       the label that is given to shots; "" for none
 */

const PAGE = 60; // hits of an answer: the end of the first ones is too far below for the next to be fetched at once
export const MAX_WITHIN = 100;  // as in ops/search/schema.py

/** @returns {Query} the empty query */
export function emptyQuery() {
  return {
    text: "", like: [], by: "look", unlike: [], literal: [], shows: [], where: [], dialogue: "auto", fold: true, blank: false, titles: false,
    exact: false, min: null, group: false, then: null, all: [], any: [], shot: "",
    label: "", film: "", frame: null,
  };
}

/** Whether there is something to search for. @param {Query} query */
export function isSearch(query) {
  return Boolean(isDescribed(query) || query.where.length);
}

/** Whether it describes shots, and does not only filter them by probes. @param {Query} query */
export function isDescribed(query) {
  return Boolean(query.text.trim() || query.like.length || query.all.length || query.any.length);
}

/** Whether one shot is all that it searches for, so that first and last frames can be compared. @param {Query} query */
export function isOneShot(query) {
  return query.like.length === 1 && !query.like[0].startsWith("image:") && !query.text.trim() && !query.unlike.length && !query.then;
}

/** How shots are compared: by their look unless the query is one shot. @param {Query} query @returns {By} */
export function likenessOf(query) {
  return isOneShot(query) ? query.by : "look";
}

/** @param {string} search such as "?q=rain&show=Sintel" @returns {Query} invalid parameters are left at their default */
export function readAddress(search) {
  const given = new URLSearchParams(search);
  const query = emptyQuery();
  query.text = given.get("q") ?? "";
  query.like = given.getAll("like");
  const by = given.get("by");
  if (by === "ending" || by === "beginning" || by === "motion") query.by = by;
  query.unlike = given.getAll("unlike");
  query.literal = given.getAll("literal");
  query.shows = given.getAll("show");
  query.where = given.getAll("where");
  const dialogue = given.get("dialogue");
  if (dialogue === "off" || dialogue === "only") query.dialogue = dialogue;
  query.fold = given.get("fold") !== "0";
  query.blank = given.get("blank") === "1";
  query.titles = given.get("titles") === "1";
  query.exact = given.get("exact") === "1";
  query.group = given.get("group") === "1";
  query.min = fraction(given.get("min"));
  const then = given.get("then");
  if (then) query.then = { text: then, within: whole(given.get("within"), 1, MAX_WITHIN, 3) };
  query.all = given.getAll("all").map(readCondition).filter((one) => one !== null);
  query.any = given.getAll("any").map(readCondition).filter((one) => one !== null);
  query.shot = given.get("shot") ?? "";
  query.label = given.get("label") ?? "";
  query.film = /^[0-9a-f]{16}$/.exec(given.get("film") ?? "")?.[0] ?? "";
  query.frame = query.film && /^\d{1,12}$/.test(given.get("frame") ?? "") ? Number(given.get("frame")) : null;
  return query;
}

/** @param {Query} query @returns {string} "" or "?..." with the values that differ from the empty query, in a fixed order */
export function writeAddress(query) {
  const made = new URLSearchParams();
  if (query.text) made.set("q", query.text);
  const lists = { like: query.like, unlike: query.unlike, literal: query.literal, show: query.shows, where: query.where };
  for (const [name, values] of Object.entries(lists)) for (const value of values) made.append(name, value);
  if (likenessOf(query) !== "look") made.set("by", query.by);
  if (query.dialogue !== "auto") made.set("dialogue", query.dialogue);
  if (!query.fold) made.set("fold", "0");
  for (const name of /** @type {const} */ (["blank", "titles", "exact", "group"])) if (query[name]) made.set(name, "1");
  if (query.min !== null) made.set("min", String(Math.round(query.min * 100) / 100));
  if (query.then) {
    made.set("then", query.then.text);
    made.set("within", String(query.then.within));
  }
  for (const condition of query.all) made.append("all", writeCondition(condition));
  for (const condition of query.any) made.append("any", writeCondition(condition));
  if (query.label) made.set("label", query.label);
  if (query.film) made.set("film", query.film);
  if (query.film && query.frame !== null) made.set("frame", String(query.frame));
  if (query.shot) made.set("shot", query.shot);
  const text = made.toString();
  return text ? `?${text}` : "";
}

/**
 * The body of POST /api/search.
 * @param {Query} query @param {string|null} cursor @param {number} limit @returns {SearchBody}
 */
export function bodyOf(query, cursor = null, limit = PAGE) {
  // A filter narrows a query; without one it is the query: the shots with the highest scores come first.
  const alone = !isDescribed(query);
  const where = alone ? [] : query.where;
  const asked = alone ? query.where.map((probe) => ({ probe })) : [];
  return {
    text: query.text.trim(), like: query.like, by: likenessOf(query), unlike: query.unlike, literal: query.literal, shows: query.shows, where,
    limit, cursor, exact: query.exact, dialogue: query.dialogue, fold: query.fold, include_blank: query.blank,
    include_titles: query.titles,
    then: query.then && { text: query.then.text, like: [], unlike: [], within: query.then.within },
    all: [...query.all.map(conditionBody), ...asked], any: query.any.map(conditionBody),
  };
}

/** Whether an unwanted example is words, and not a shot or an image. @param {string} example */
export function isWords(example) {
  return !/^(?:[0-9a-f]{16}:|image:)/.test(example);
}

/** The query in one line, for recent searches and file names. @param {Query} query */
export function describe(query) {
  const parts = [query.text.trim()];
  const by = likenessOf(query);
  if (by !== "look") parts.push({ ending: "could follow a shot", beginning: "could precede a shot", motion: "moves like a shot" }[by]);
  else if (query.like.length) parts.push(`like ${query.like.length === 1 ? "a picture" : `${query.like.length} pictures`}`);
  if (query.unlike.length) parts.push(`unlike ${query.unlike.length}`);
  for (const one of [...query.all, ...query.any]) parts.push(one.kind === "say" ? `“${one.value}”` : one.value);
  parts.push(...query.where);
  if (query.then) parts.push(`then ${query.then.text}`);
  if (query.shows.length) parts.push(`in ${query.shows.join(", ")}`);
  return parts.filter(Boolean).join(" · ");
}

/** @param {Condition} condition @returns {TextCondition|DialogueCondition|WrittenCondition|SoundCondition|ProbeCondition} */
function conditionBody(condition) {
  if (condition.kind === "say") return { dialogue: condition.value };
  if (condition.kind === "write") return { written: condition.value };
  if (condition.kind === "hear") return { sound: /** @type {SoundCondition["sound"]} */ (condition.value.trim().toLowerCase()) };
  if (condition.kind === "probe") return { probe: condition.value };
  return { text: condition.value, relevance: condition.relevance };
}

/** @param {Condition} condition */
function writeCondition(condition) {
  const limit = condition.relevance === null ? "" : `${Math.round(condition.relevance * 100)}:`;
  return `${condition.kind}:${limit}${condition.value}`;
}

/** @param {string} text such as "look:50:a face" @returns {Condition|null} */
function readCondition(text) {
  const [, kind, value] = /^(look|say|write|hear|probe):(.+)$/s.exec(text) ?? [];
  if (kind === "say" || kind === "write" || kind === "hear" || kind === "probe") return { kind, value, relevance: null };
  const look = kind && /^(?:(\d{1,3}):)?(.+)$/s.exec(value);
  return look ? { kind: "look", value: look[2], relevance: look[1] ? whole(look[1], 0, 100, 0) / 100 : null } : null;
}

/** @param {string|null} text */
function fraction(text) {
  const number = text === null || text === "" ? NaN : Number(text);
  return number >= 0 && number <= 1 ? number : null;
}

/** @param {string|null|undefined} text @param {number} least @param {number} most @param {number} otherwise */
function whole(text, least, most, otherwise) {
  const number = Number.parseInt(text ?? "", 10);
  return number >= least && number <= most ? number : otherwise;
}

/** Words of the query that may be marked in lines and writing, without the names of its filters. @param {Query} query */
export function wordsOf(query) {
  const said = [...query.all, ...query.any].filter((one) => one.kind === "say" || one.kind === "write").map((one) => one.value);
  const text = query.text.replaceAll(/(^|[\s-])[a-z]+:/gu, " ");
  return [text, ...said].join(" ").match(/[\p{L}\p{N}\p{M}'’‘\u2010\u2011-]+/gu) ?? [];
}
