// Elements and wording. Text from the service is set as text, never as HTML.
/** @import {Attributes, Child} from "./types.d.ts" */

const PROPERTIES = new Set(["value", "checked", "hidden", "disabled", "muted", "loop"]);

/**
 * Make an element.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Attributes} [given] attributes; `on*` functions listen, `class`, `data-*`, `aria-*` as in HTML,
 *   true and false switch an attribute, properties `value`, `checked`, `hidden`, `disabled` are set as such
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function el(tag, given = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) setOne(element, name, value);
  element.append(...present(children));
  return element;
}

/** The children that are there. @param {Child[]} children @returns {(Node|string)[]} */
export function present(children) {
  return children.filter((child) => child !== null && child !== undefined && child !== false && child !== 0);
}

/** @param {HTMLElement} element @param {string} name @param {unknown} value */
function setOne(element, name, value) {
  if (value === undefined || value === null) return;
  if (typeof value === "function") element.addEventListener(name.slice(2), (event) => value(event));
  else if (PROPERTIES.has(name)) Object.assign(element, { [name]: value });
  else if (value === true) element.setAttribute(name, "");
  else if (value !== false) element.setAttribute(name, String(value));
}

/**
 * The element of index.html with this id.
 * @template {Element} Kind
 * @param {string} id @param {new () => Kind} kind its class @returns {Kind} @throws {TypeError} if there is none
 */
export function byId(id, kind) {
  return required(document.getElementById(id), kind, `#${id}`);
}

/**
 * The first element inside another that matches.
 * @template {Element} Kind
 * @param {ParentNode} parent @param {string} selector @param {new () => Kind} kind its class
 * @returns {Kind} @throws {TypeError} if there is none
 */
export function inside(parent, selector, kind) {
  return required(parent.querySelector(selector), kind, selector);
}

/**
 * @template {Element} Kind
 * @param {Element|null} element @param {new () => Kind} kind @param {string} name @returns {Kind}
 */
function required(element, kind, name) {
  if (element instanceof kind) return element;
  throw new TypeError(`the page has no ${kind.name} ${name}`);
}

/**
 * Focus the first element inside another that matches, if there is one.
 * @param {ParentNode} parent @param {string} selector @returns {boolean} whether there is one
 */
export function focusIn(parent, selector) {
  const element = parent.querySelector(selector);
  if (!(element instanceof HTMLElement)) return false;
  element.focus();
  return true;
}

/** All elements inside another that match. @param {ParentNode} parent @param {string} selector @returns {HTMLElement[]} */
export function allInside(parent, selector) {
  return [...parent.querySelectorAll(selector)].filter((element) => element instanceof HTMLElement);
}

/** The card that an element is in. @param {EventTarget|null} target @returns {HTMLElement|null} */
export function cardOf(target) {
  return target instanceof Element ? target.closest("li.card") : null;
}

/**
 * An event target whose events carry details of known types.
 * @template {Record<string, unknown>} Events
 */
export class Emitter extends EventTarget {
  /** @template {keyof Events & string} Name @param {Name} name @param {(detail: Events[Name]) => void} listener */
  on(name, listener) {
    this.addEventListener(name, (event) => { if (event instanceof CustomEvent) listener(event.detail); });
  }

  /** @template {keyof Events & string} Name @param {Name} name @param {Events[Name]|null} [detail] */
  emit(name, detail = null) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

/** Whether a request was cancelled. @param {unknown} error */
export const isAbort = (error) => error instanceof Error && error.name === "AbortError";

/**
 * A push button with an icon; its label is for assistive technology and the tooltip.
 * @param {IconName} name @param {string} label @param {Attributes & {key?: string}} [given] `key` is shown in the tooltip
 */
export function iconButton(name, label, given = {}) {
  const title = given.key ? `${label} (${given.key})` : label;
  const { key, ...rest } = given;
  return el("button", { type: "button", class: "icon-button", "aria-label": label, title,
    "aria-keyshortcuts": /^[a-z[\]]$/.test(key ?? "") ? key : undefined, ...rest }, icon(name));
}

/** @typedef {keyof typeof PATHS} IconName */

/** Icons by name, to copy: a page of results has two hundred. @type {Map<IconName, SVGElement>} */
const icons = new Map();

/** @param {IconName} name @returns {SVGElement} drawn in a box of 16 by 16 */
export function icon(name) {
  const known = icons.get(name) ?? drawIcon(name);
  icons.set(name, known);
  const copy = known.cloneNode(true);
  if (!(copy instanceof SVGElement)) throw new TypeError(`the icon ${name} is not SVG`);
  return copy;
}

/** @param {IconName} name */
function drawIcon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 16 16");
  svg.setAttribute("aria-hidden", "true");
  svg.classList.add("icon");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", PATHS[name]);
  svg.append(path);
  return svg;
}

/** The address of a poster's small version, up to 320 pixels wide. @param {string} poster */
export const smallAddress = (poster) => `${poster}${poster.includes("?") ? "&" : "?"}size=small`;

const SMALL_WIDTH = 320;
const FULL_WIDTH = 640;

/**
 * Let a picture load the small version of a poster or the full one, whichever is sharp on this screen.
 * @param {HTMLImageElement} picture @param {string} poster its address @param {number} width of the picture on the page
 */
export function showPoster(picture, poster, width) {
  const small = smallAddress(poster);
  picture.sizes = `${Math.round(width)}px`;
  picture.srcset = `${small} ${SMALL_WIDTH}w, ${poster} ${FULL_WIDTH}w`;
  if (!picture.hasAttribute("src")) picture.src = small;
}

/**
 * A link inside the page: a plain click opens it here; with a modifier key the browser opens it in a tab or a window.
 * @param {string} address @param {(address: string) => void} open @param {Attributes} given @param {...Child} children
 */
export function pageLink(address, open, given, ...children) {
  return el("a", { href: address || "/", onclick: (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    open(address);
  }, ...given }, ...children);
}

/** Load a style sheet of the page once. @param {string} name @returns {Promise<unknown>} settled when it is there, or cannot be loaded */
export function loadStyle(name) {
  const address = `/page/${name}`;
  if (document.head.querySelector(`link[href="${address}"]`)) return Promise.resolve();
  const sheet = el("link", { rel: "stylesheet", href: address });
  const loaded = new Promise((done) => { sheet.addEventListener("load", done); sheet.addEventListener("error", done); });
  document.head.append(sheet);
  return loaded;
}

/** "1 shot", "2 shots". @param {number} count @param {string} one @param {string} [many] */
export function counted(count, one, many = `${one}s`) {
  return `${count.toLocaleString("en")} ${count === 1 ? one : many}`;
}

/** "2.4 s", "1:05". @param {number} seconds */
export function lengthOf(seconds) {
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  const hours = Math.floor(whole / 3600);
  const minutes = String(Math.floor(whole / 60) % 60).padStart(hours ? 2 : 1, "0");
  return `${hours ? `${hours}:` : ""}${minutes}:${String(whole % 60).padStart(2, "0")}`;
}

/** The title if it differs from the show's name: files without a catalogue have both from their name. @param {{show: string, title: string}} shot */
export function ownTitle({ show, title }) {
  const plain = (/** @type {string} */ text) => (text ?? "").toLowerCase().replace(/[^\p{L}\p{N}]+/gu, " ").trim();
  return plain(title) === plain(show) ? "" : title;
}

/** "2026-11-22" in the browser's time zone: Swedish dates are ISO dates. @param {string} time */
export const dayOf = (time) => new Date(time).toLocaleDateString("sv-SE");

/** Whether the system asks for less motion. */
export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

const HELD = /^[a-z/?]$/;
const HELD_AFTER = /^(Arrow|Home|End|[[\]])/; // these move on from the place of the first key

/**
 * Hold keys back while nothing listens to them yet. A slash goes to the search box at once: the next characters go
 * into it.
 * @returns {() => void} ends it, and presses them again, unless the focus moved meanwhile
 */
export function holdKeys() {
  /** @type {KeyboardEvent[]} */
  const pressed = [];
  /** @type {EventTarget|null} */
  let place = null;
  const hold = (/** @type {KeyboardEvent} */ event) => {
    const { key, target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(target)) return;
    if (!HELD.test(key) && !(pressed.length && HELD_AFTER.test(key))) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (key === "/") byId("q", HTMLInputElement).focus();
    else pressed.push(new KeyboardEvent("keydown", { key, shiftKey: event.shiftKey, bubbles: true, cancelable: true }));
    place = target;
  };
  document.addEventListener("keydown", hold, true);
  return () => {
    document.removeEventListener("keydown", hold, true);
    if (document.activeElement === place) pressed.forEach((again) => document.activeElement?.dispatchEvent(again));
  };
}

/** Whether keys go into a text field now. @param {EventTarget|null} target */
export function isTyping(target) {
  if (!(target instanceof HTMLElement)) return false;
  if (target instanceof HTMLInputElement) return !["checkbox", "radio", "button", "range"].includes(target.type);
  return target instanceof HTMLTextAreaElement || target instanceof HTMLSelectElement || target.isContentEditable;
}

/** A value that was stored in this browser; null if there is none, or it is not JSON. @param {string} key @returns {unknown} */
export function recall(key) {
  try {
    return JSON.parse(localStorage.getItem(key) ?? "null");
  } catch {
    return null;
  }
}

/** The fields of an object that was stored in this browser; none if it is not an object. @param {string} key @returns {Record<string, unknown>} */
export function recallFields(key) {
  const kept = recall(key);
  return typeof kept === "object" && kept !== null ? { ...kept } : {};
}

/** Store a value in this browser. @returns {boolean} false if storage is off or full @param {string} key @param {unknown} value */
export function keep(key, value) {
  try {
    localStorage.setItem(key, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

const SVG = "http://www.w3.org/2000/svg";
const PATHS = {
  search: "M7 2.5a4.5 4.5 0 1 0 0 9 4.5 4.5 0 0 0 0-9M10.3 10.3 14 14",
  image: "M2 3h12v10H2zM2 11l3.5-3.5L8 10l2-2 4 4M10.5 5.8h.01",
  refine: "M2 4h12M4.5 8h7M7 12h2",
  tray: "M2 9h3.5l1 2h3l1-2H14M2 9v4.5h12V9L12 2.5H4z",
  person: "M8 2.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6M2.8 14c.3-3 2.3-4.5 5.2-4.5s4.9 1.5 5.2 4.5",
  sun: "M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6M8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M13 3l-1 1M4 12l-1 1",
  moon: "M13.5 9.5A6 6 0 0 1 6.5 2.5 6 6 0 1 0 13.5 9.5",
  auto: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2zM8 2v12M8 5l4.5-1M8 8h6M8 11l4.5 1",
  help: "M6 6a2 2 0 1 1 2.6 1.9c-.4.2-.6.5-.6 1V9.6M8 12h.01M8 1.5a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13",
  close: "M3.5 3.5l9 9M12.5 3.5l-9 9",
  more: "M8 3v10M3 8h10",
  less: "M3 8h10",
  check: "M3 8.5 6.5 12 13 4.5",
  add: "M8 3v10M3 8h10",
  down: "M4 6l4 4 4-4",
  up: "M4 10l4-4 4 4",
  play: "M4.5 2.5v11l9-5.5z",
  pause: "M5 3v10M11 3v10",
  back: "M11.5 3 4.5 8l7 5z",
  forward: "M4.5 3l7 5-7 5z",
  previous: "M4 3v10M12.5 3 6 8l6.5 5z",
  next: "M12 3v10M3.5 3 10 8l-6.5 5z",
  stepback: "M10 4 6 8l4 4",
  stepforward: "M6 4l4 4-4 4",
  film: "M2.5 2.5h11v11h-11zM5.5 2.5v11M10.5 2.5v11M2.5 5.5h3M2.5 8h3M2.5 10.5h3M10.5 5.5h3M10.5 8h3M10.5 10.5h3",
  merge: "M1.5 3v10M14.5 3v10M3.5 8h3.500M9 8h3.500M5 6l2 2-2 2M11 6 9 8l2 2",
  split: "M8 2v12M6 8H1.500M3.500 6l-2 2 2 2M10 8h4.500M12.500 6l2 2-2 2",
  link: "M6.5 9.5l3-3M7 4.5 8.5 3A3.2 3.2 0 0 1 13 7.5L11.5 9M9 11.5 7.5 13A3.2 3.2 0 0 1 3 8.5L4.5 7",
  grip: "M6 4h.01M10 4h.01M6 8h.01M10 8h.01M6 12h.01M10 12h.01",
  stack: "M5 2.5h8.5V11M2.5 5.5H11V13.5H2.5z",
  trash: "M3 4.5h10M6 4.5V3h4v1.5M4.5 4.5l.5 9h6l.5-9",
  clock: "M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2M8 5v3.5l2.5 1.5",
  mute: "M2.5 6v4H5l3.5 3V3L5 6zM11.5 6.2l3 3.6M14.5 6.2l-3 3.6",
  whole: "M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10",
  sound: "M2.5 6v4H5l3.5 3V3L5 6zM11 6a3 3 0 0 1 0 4M12.8 4.2a5.5 5.5 0 0 1 0 7.6",
};
