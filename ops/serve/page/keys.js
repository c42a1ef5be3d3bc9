// The keyboard: one table of keys for the page, and the overlay that lists them.
import { Problem, shot } from "./api.js";
import { byId, el, iconButton, inside, isTyping } from "./dom.js";
import { findFollowing } from "./likeness.js";
/** @import {Page} from "./app.js" */
/** @import {Desk} from "./desk.js" */
/** @import {PageShot} from "./types.d.ts" */

/** @type {[title: string, rows: [keys: string, meaning: string][]][]} */
const LISTED = [
  ["Anywhere", [["/", "search"], ["↓", "into the results; from an empty box, to recent searches"], ["t", "tray"], ["r", "refine"], ["g", "group by show"], ["l", "labels"], ["?", "these keys"], ["Esc", "close, leave the box"]]],
  ["In the results", [["← → ↑ ↓", "move"], ["Enter", "open"], ["Space", "play the preview"], ["x", "select for the tray"],
    ["m", "more like this"], ["n", "less like this"], ["e", "what could follow"], ["s", "only this show"], ["f", "unfold similar shots"], ["[ ]", "the shot before, after it in its film"], ["w", "its whole film"], ["Home End", "first, last"]]],
  ["In the player", [["Space", "play, pause"], ["j k l", "backwards, stop, forwards; again for faster"], ["← →", "one frame; with Shift ten"],
    ["Home End", "first, last frame"], ["i o", "mark in, out"], ["Shift i o", "go to in, out"], ["c", "whole shot"],
    ["m n", "more, less like this"], ["e", "what could follow"], ["v", "sound on, off"], ["- +", "quieter, louder"], ["f", "full screen"],
    ["w", "the whole film"], ["x", "into the tray with its marks"], ["[ ]", "previous, next shot of the film"], ["↑ ↓", "previous, next result"]]],
  ["In a film", [["← → ↑ ↓", "move"], ["Enter", "open"], ["m", "merge with the shot before"], ["s", "split"], ["u", "undo its correction"], ["e", "what could follow"],
    ["Space", "play, pause the film"], [". ,", "next hit of the query, the one before"],
    ["Shift ← →", "choose several shots"], ["x", "into the tray, several as one clip"], ["+ -", "on the timeline: zoom"],
    ["Home End", "first, last"], ["Esc", "back"]]],
  ["While labelling", [["y n", "yes, no"], ["s", "skip, among the feeds"], ["u", "undo"], ["b", "next shots"]]],
  ["In the tray", [["↑ ↓", "on the handle: move the shot"], ["Delete", "on the handle: take it out"]]],
];

/** @param {Page} page @param {Desk} desk */
export function listenToKeys(page, desk) {
  const overlay = overlayOf();
  byId("help", HTMLButtonElement).addEventListener("click", () => overlay.showModal());
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
    const act = globalAction(event.key, desk, page, overlay) ?? gridAction(event, page);
    if (!act) return;
    event.preventDefault();
    act();
  });
}

/** @typedef {Record<string, (() => void)|undefined>} Actions by key */
/** @type {Record<string, import("./grid.js").Way>} */
const WAYS = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down", Home: "first", End: "last" };

/** @param {string} key @param {Desk} desk @param {Page} page @param {HTMLDialogElement} overlay */
function globalAction(key, desk, page, overlay) {
  /** @type {Actions} */
  const actions = {
    "/": () => desk.bar.focus(), "?": () => overlay.showModal(), t: () => desk.tray.toggle(), r: () => desk.refine.toggle(),
    l: () => desk.facets.toggle(), g: () => page.adjust({ group: !page.query.group }),
  };
  return actions[key];
}

/** @param {KeyboardEvent} event @param {Page} page */
function gridAction(event, page) {
  const { grid } = page;
  const { key, target } = event;
  if (page.query.film) return null;
  const isInside = target instanceof Element && target.closest("#cards") !== null;
  const isIdle = target === document.body;
  if (!isInside && !isIdle) return null;
  const way = WAYS[key];
  if (way && (isInside || key === "ArrowDown" || key === "ArrowRight")) return grid.items().length ? () => (isInside ? grid.move(way) : grid.focus()) : null;
  const { active, actions } = grid;
  const hit = isInside ? grid.current() : null;
  if (!hit || !active) return null;
  if (key === " ") return target instanceof Element && target.matches(".open") ? () => togglePreview(active, hit) : null;
  /** @type {Actions} */
  const act = {
    x: () => actions.toggle(hit), m: () => actions.more(hit), n: () => actions.less(hit), e: () => findFollowing(page, hit.shot_id),
    s: () => page.change({ shows: [hit.show] }), f: () => hit.folded?.length && actions.unfold(active, hit),
    w: () => page.openFilm(hit.video_id, hit.start_frame), "[": () => openNeighbour(page, hit, "previous"), "]": () => openNeighbour(page, hit, "next"),
  };
  return act[key];
}

/** Open the shot before or after a hit in its film. @param {Page} page @param {PageShot} hit @param {"previous"|"next"} which */
async function openNeighbour(page, hit, which) {
  try {
    const shotId = (await shot(hit.shot_id))[which];
    if (shotId) page.openShot(shotId);
    else page.showMessage(`No shot comes ${which === "next" ? "after" : "before"} this one.`);
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    page.showMessage(error.message, true);
  }
}

/** @param {HTMLElement} item @param {PageShot} hit */
async function togglePreview(item, hit) {
  const preview = await import("./preview.js");
  preview.togglePreview(inside(item, ".poster", HTMLElement), hit.proxy);
}

function overlayOf() {
  const dialog = el("dialog", { class: "keys", "aria-labelledby": "keys-title" },
    el("header", {}, el("h2", { id: "keys-title", class: "grow" }, "Keys"), el("a", { href: "/how" }, "How search works"),
      iconButton("close", "Close", { key: "Esc", onclick: () => { dialog.close(); } })),
    el("div", { class: "keys-groups" }, ...LISTED.map(([title, rows]) => el("section", {}, el("h3", {}, title),
      el("dl", {}, ...rows.flatMap(([keys, meaning]) => [
        el("dt", {}, ...keys.split(" ").map((one) => el("kbd", {}, one))), el("dd", {}, meaning)]))))));
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  document.body.append(dialog);
  return dialog;
}
