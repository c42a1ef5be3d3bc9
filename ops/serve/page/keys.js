// The keyboard: one table of keys for the page, and the overlay that tells them.
import { el, iconButton, isTyping } from "./dom.js";

const TOLD = [
  ["Anywhere", [["/", "search"], ["t", "tray"], ["r", "refine"], ["g", "group by show"], ["l", "labels"], ["?", "these keys"], ["Esc", "close, leave the box"]]],
  ["In the results", [["← → ↑ ↓", "move"], ["Enter", "open"], ["Space", "play the preview"], ["x", "select for the tray"],
    ["m", "more like this"], ["n", "less like this"], ["s", "only this show"], ["f", "unfold similar shots"], ["Home End", "first, last"]]],
  ["In the player", [["Space", "play, pause"], ["j k l", "backwards, stop, forwards; again for faster"], ["← →", "one frame; with Shift ten"],
    ["Home End", "first, last frame"], ["i o", "mark in, out"], ["Shift i o", "go to in, out"], ["c", "whole shot"],
    ["m n", "more, less like this"], ["v", "sound on, off"], ["- +", "quieter, louder"], ["f", "full screen"],
    ["w", "the whole film"], ["x", "into the tray with its marks"], ["[ ]", "previous, next shot of the film"], ["↑ ↓", "previous, next result"]]],
  ["In a film", [["← → ↑ ↓", "move"], ["Enter", "open"], ["m", "merge with the shot before"], ["s", "split"], ["u", "undo what was said of it"],
    ["Home End", "first, last"], ["Esc", "back"]]],
  ["While labelling", [["y n", "yes, no"], ["s", "skip, among the feeds"], ["u", "undo"], ["b", "next shots"]]],
  ["In the tray", [["↑ ↓", "on the handle: move the shot"], ["Delete", "on the handle: take it out"]]],
];

/** @param {any} page @param {any} desk */
export function listenToKeys(page, desk) {
  const overlay = overlayOf();
  document.getElementById("help").addEventListener("click", () => overlay.showModal());
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (isTyping(event.target) || document.querySelector("dialog[open]")) return;
    const act = globalAction(event.key, desk, page, overlay) ?? gridAction(event, page);
    if (!act) return;
    event.preventDefault();
    act();
  });
}

function globalAction(key, desk, page, overlay) {
  return {
    "/": () => desk.bar.focus(), "?": () => overlay.showModal(), t: () => desk.tray.toggle(), r: () => desk.refine.toggle(),
    l: () => desk.facets.toggle(), g: () => page.adjust({ group: !page.query.group }),
  }[key];
}

function gridAction(event, page) {
  const { grid } = page;
  const { key, target } = event;
  if (page.query.film) return null;
  const inside = target instanceof Element && target.closest("#cards");
  const idle = target === document.body;
  if (!inside && !idle) return null;
  const way = { ArrowLeft: "left", ArrowRight: "right", ArrowUp: "up", ArrowDown: "down", Home: "first", End: "last" }[key];
  if (way && (inside || key === "ArrowDown" || key === "ArrowRight")) return grid.items().length ? () => (inside ? grid.move(way) : grid.focus()) : null;
  const hit = inside && grid.current();
  if (!hit) return null;
  const { active, actions } = grid;
  if (key === " ") return target.matches(".open") ? () => togglePreview(active, hit) : null;
  return {
    x: () => actions.toggle(hit), m: () => actions.more(hit), n: () => actions.less(hit),
    s: () => page.change({ shows: [hit.show] }), f: () => active.querySelector(".folded")?.click(),
  }[key];
}

async function togglePreview(item, hit) {
  const preview = await import("./preview.js");
  preview.togglePreview(item.querySelector(".poster"), hit.proxy);
}

function overlayOf() {
  const dialog = el("dialog", { class: "keys", "aria-labelledby": "keys-title" },
    el("header", {}, el("h2", { id: "keys-title", class: "grow" }, "Keys"),
      iconButton("close", "Close", { key: "Esc", onclick: () => dialog.close() })),
    el("div", { class: "keys-groups" }, ...TOLD.map(([title, rows]) => el("section", {}, el("h3", {}, title),
      el("dl", {}, ...rows.flatMap(([keys, what]) => [
        el("dt", {}, ...keys.split(" ").map((one) => el("kbd", {}, one))), el("dd", {}, what)]))))));
  dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
  document.body.append(dialog);
  return dialog;
}
