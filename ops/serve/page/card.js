// The card of one hit: poster, place, relevance, dialogue, and buttons.
import { counted, el, icon, iconButton, inside, lengthOf, ownTitle, showPoster, smallAddress } from "./dom.js";
import { addPreview } from "./preview.js";
/** @import {PageShot} from "./types.d.ts" */

/**
 * @typedef {object} CardActions actions of the page that a card offers
 * @property {(hit: PageShot, frame?: number) => void} open
 * @property {(hit: PageShot) => void} more
 * @property {(hit: PageShot) => void} less
 * @property {(hit: PageShot) => void} toggle  into the tray, or out of it
 * @property {(shotId: string) => boolean} selected
 * @property {(item: HTMLElement, hit: PageShot) => void} unfold
 */

const WIDTH = 260; // of a poster, about

/**
 * @param {PageShot} hit @param {CardActions} actions
 * @param {{words?: string[], twin?: boolean, without?: boolean}} [look] words to mark in dialogue; `without` a picture yet
 */
export function card(hit, actions, { words = [], twin = false, without = false } = {}) {
  const item = el("li", { class: twin ? "card twin" : "card", "data-shot": hit.shot_id });
  item.append(
    posterBox(hit, actions, without),
    el("div", { class: "actions" },
      iconButton("more", "More like this", { key: "m", class: "icon-button more", onclick: () => actions.more(hit) }),
      iconButton("less", "Less like this", { key: "n", class: "icon-button less", onclick: () => actions.less(hit) }),
      selectButton(hit, actions)),
    facts(hit),
  );
  if (hit.lines?.length) item.append(lines(hit.lines, hit, actions, words));
  if (hit.texts?.length) item.append(texts(hit.texts, hit, actions, words));
  if (hit.then) item.append(thenPart(hit.then, actions));
  if (hit.folded?.length) {
    inside(item, ".poster", HTMLElement).append(el("button", { type: "button", class: "folded", "aria-expanded": "false",
      title: "Near-duplicates of this shot (f)", onclick: () => actions.unfold(item, hit) }, icon("stack"), `+${hit.folded.length} similar`));
  }
  const marks = labels(hit);
  if (marks.childElementCount) item.append(marks);
  setTabStops(item, false);
  return item;
}

/** Show on a card whether its shot is in the tray. @param {HTMLElement} item @param {boolean} selected */
export function markSelected(item, selected) {
  item.classList.toggle("selected", selected);
  item.querySelector(".select")?.setAttribute("aria-pressed", String(selected));
}

/** Only the active card's controls are tab stops; arrow keys reach the others. @param {HTMLElement} item @param {boolean} active */
export function setTabStops(item, active) {
  for (const button of item.querySelectorAll("button")) button.tabIndex = active ? 0 : -1;
}

/** A word as it is compared for marking: without case, accents, vowel points, apostrophes and hyphens. @param {string} word */
function plain(word) {
  return word.normalize("NFKD").toLowerCase().replace(/[\u0300-\u036f\u0591-\u05c7\u064b-\u065f\u0670\u0640'’‘`\u2010\u2011-]/g, "").normalize("NFC");
}

/** Text with the searched words marked. @param {string} text @param {string[]} words @returns {Node[]} */
export function marked(text, words) {
  const stems = words.map(plain).filter((word) => word.length > 2 || (word && !/^[a-z0-9]*$/.test(word)));
  if (!stems.length) return [document.createTextNode(text)];
  return text.split(/([\p{L}\p{N}\p{M}'’‘\u2010\u2011-]+)/u).filter(Boolean).map((part) => {
    const low = plain(part);
    const hit = low && stems.some((stem) => low === stem || (/^[a-z]/.test(stem) ? stem.length > 3 && low.startsWith(stem.slice(0, -1)) : low.includes(stem)));
    return hit ? el("mark", {}, part) : document.createTextNode(part);
  });
}

/**
 * The poster that moves under the pointer and opens the player.
 * @param {PageShot} hit @param {{open: (hit: PageShot) => void}} actions @param {boolean} [without] its picture comes later
 */
export function posterBox(hit, actions, without = false) {
  const name = [hit.show, hit.start_timecode, percent(hit)].filter(Boolean).join(", ");
  const picture = el("img", { alt: "", loading: "lazy", decoding: "async", width: 320, height: 180,
    onerror: () => { box.classList.add("no-picture"); } });
  if (!without) showPoster(picture, hit.poster, WIDTH);
  const box = el("div", { class: "poster" },
    picture,
    el("span", { class: "length" }, lengthOf(hit.end_s - hit.start_s)),
    el("button", { type: "button", class: "open", "aria-label": `Open ${name}`,
      onclick: () => actions.open(hit) }));
  addPreview(box, hit.proxy);
  offerFile(box, hit);
  return box;
}

/** Let a poster be dragged out of the window as a file: the shot as a small mp4, named after its video and first frame. @param {HTMLElement} box @param {PageShot} hit */
function offerFile(box, hit) {
  box.draggable = true;
  box.addEventListener("dragstart", (event) => {
    const { dataTransfer: data } = event;
    if (!data || !hit.proxy) return;
    const address = new URL(hit.proxy, location.href).href;
    const name = `${hit.title || hit.show} ${hit.start_timecode || hit.start_frame}`.replace(/[\p{C}<>:"/\\|?*;]+/gu, "-").slice(0, 120);
    data.effectAllowed = "copy";
    data.setData("DownloadURL", `video/mp4:${name}.mp4:${address}`); // Chromium and Edge write the file; others drop the address
    data.setData("text/uri-list", address);
    data.setData("text/plain", address);
  });
}

/** @param {PageShot} hit @param {CardActions} actions */
function selectButton(hit, actions) {
  const button = iconButton("check", "Select for the tray", { key: "x", class: "icon-button select",
    onclick: () => actions.toggle(hit) });
  button.setAttribute("aria-pressed", String(actions.selected(hit.shot_id)));
  return button;
}

/** Show, title, timecode and relevance of a shot. @param {PageShot} hit */
export function facts(hit) {
  const own = ownTitle(hit);
  const title = own ? `${hit.show} · ${own}` : hit.show;
  return el("div", { class: "facts" },
    el("span", { class: own ? "title" : "title only-show", title: hit.path ?? title }, title),
    el("span", { class: "timecode" }, hit.start_timecode || `${hit.start_s.toFixed(2)} s`),
    relevance(hit));
}

/** @param {PageShot} hit */
function relevance(hit) {
  if (typeof hit.relevance !== "number") return null;
  const bar = el("span", { class: "relevance-bar", "aria-hidden": "true" });
  bar.style.setProperty("--part", String(hit.relevance));
  const exact = `Relevance ${percent(hit)}${typeof hit.score === "number" ? `, score ${hit.score.toFixed(3)}` : ""}`;
  return el("span", { class: "relevance", title: exact }, bar, String(Math.round(hit.relevance * 100)));
}

/** @param {PageShot} hit */
function percent(hit) {
  return typeof hit.relevance === "number" ? `${Math.round(hit.relevance * 100)} %` : "";
}

/** @param {NonNullable<PageShot["lines"]>} all @param {PageShot} hit @param {CardActions} actions @param {string[]} words */
function lines(all, hit, actions, words) {
  const shown = all.slice(0, 2);
  const rest = all.length - shown.length;
  return el("ul", { class: "lines" },
    ...shown.map((line) => el("li", {},
      el("button", { type: "button", class: "line", title: `${line.start_timecode} · ${line.source}`,
        "aria-label": `Open at ${line.start_timecode}: ${line.text}`,
        onclick: () => actions.open(hit, line.start_frame) },
      el("span", { class: "said" }, ...marked(line.text, words)), el("span", { class: "timecode" }, line.start_timecode)))),
    rest > 0 && el("li", { class: "rest" }, `and ${counted(rest, "more line")}`));
}

/** Writing in the picture that was found. @param {NonNullable<PageShot["texts"]>} all @param {PageShot} hit @param {CardActions} actions @param {string[]} words */
function texts(all, hit, actions, words) {
  return el("ul", { class: "lines" }, ...all.slice(0, 2).map((text) => el("li", {},
    el("button", { type: "button", class: "line", title: `${text.start_timecode} · written in the picture`,
      "aria-label": `Open at ${text.start_timecode}, written: ${text.text}`, onclick: () => actions.open(hit, text.start_frame) },
    el("span", { class: "written" }, ...marked(text.text, words)), el("span", { class: "timecode" }, text.start_timecode)))),
  all.length > 2 && el("li", { class: "rest" }, `and ${counted(all.length - 2, "more text")}`));
}

/** @param {PageShot} then @param {CardActions} actions */
function thenPart(then, actions) {
  return el("button", { type: "button", class: "then", "aria-label": `Open the shot that follows, ${then.start_timecode}`,
    onclick: () => actions.open(then) },
  el("img", { src: smallAddress(then.poster), alt: "", loading: "lazy", width: 80, height: 45 }),
  el("span", {}, "then ", el("span", { class: "timecode" }, then.start_timecode)));
}

/** @param {PageShot} hit */
function labels(hit) {
  const row = el("div", { class: "labels" });
  if (hit.is_title) row.append(el("span", { class: "label" }, "title card"));
  if (hit.is_blank) row.append(el("span", { class: "label" }, "blank"));
  for (const one of hit.probes ?? []) {
    row.append(el("span", { class: "label", title: `probe ${one.probe}` }, `${one.probe} ${Math.round(one.score * 100)}`));
  }
  return row;
}
