// The search box: words, and pictures as chips in front of them. Pictures come by "more like this", by the picture
// button, by dropping them anywhere on the page, or by pasting.
import { bodyOf, describe, emptyQuery, isWords, writeAddress } from "./address.js";
import { examplePicture, keepImage } from "./api.js";
import { allInside, byId, el, focusIn, icon, keep, recall } from "./dom.js";
import { removable } from "./chips.js";
/** @import {Query} from "./address.js" */
/** @import {PageActions} from "./types.d.ts" */

const RECENT_KEY = "needle.recent";
const RECENT_COUNT = 12;

/** @typedef {{address: string, label: string}} Recent a search that was answered */

export class QueryBar {
  input = byId("q", HTMLInputElement);
  chips = byId("chips", HTMLElement);
  recent = byId("recent", HTMLElement);
  query = emptyQuery();
  question = "";

  /** @param {HTMLFormElement} form @param {PageActions} page */
  constructor(form, page) {
    this.form = form;
    this.page = page;
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.hideRecent();
      const text = this.input.value;
      page.change({ text, literal: this.query.literal.filter((part) => part === "*" || text.toLowerCase().includes(part.toLowerCase())) });
      this.input.blur();
    });
    this.takePictures();
    this.offerRecent();
  }

  /** @param {Query} query */
  show(query) {
    this.query = query;
    const question = JSON.stringify(bodyOf(query));
    const isAsked = question !== this.question; // if only the view changed, words that are being typed stay
    this.question = question;
    if (isAsked && (document.activeElement !== this.input || !this.input.value)) this.input.value = query.text;
    const chips = [...query.like.map((one) => this.chip(one, "like")), ...query.unlike.map((one) => this.chip(one, "unlike"))];
    this.chips.replaceChildren(...chips);
    this.chips.hidden = !chips.length;
    this.input.placeholder = chips.length ? "and…" : query.shows.length === 1 ? `Describe a shot of ${query.shows[0]}` : "Describe a shot, quote a “line”, or drop a picture";
  }

  focus() {
    this.input.focus();
    this.input.select();
  }

  /** Remember a search that was answered. @param {Query} query */
  remember(query) {
    const address = writeAddress({ ...query, shot: "", min: null });
    const others = this.remembered().filter((one) => one.address !== address);
    keep(RECENT_KEY, [{ address, label: describe(query) }, ...others].slice(0, RECENT_COUNT));
  }

  /** @returns {Recent[]} newest first */
  remembered() {
    const kept = recall(RECENT_KEY);
    const isUsable = (/** @type {Partial<Recent>|null} */ one) => typeof one?.address === "string" && one.address.startsWith("?") && one.label;
    return Array.isArray(kept) ? kept.filter(isUsable) : [];
  }

  forget() {
    keep(RECENT_KEY, []);
    this.hideRecent();
  }

  /** Search by pictures. @param {Iterable<File>} files */
  async addPictures(files) {
    const pictures = [...files].filter((file) => file.type.startsWith("image/"));
    if (!pictures.length) {
      this.page.showMessage("Only pictures can be searched by: JPEG, PNG, WebP.", true);
      return;
    }
    this.page.showMessage("Reading the picture…");
    const kept = await Promise.allSettled(pictures.slice(0, 8).map((picture) => keepImage(picture)));
    const failed = kept.find((one) => one.status === "rejected");
    if (failed) this.page.showMessage(failed.reason.message, true);
    const images = kept.filter((one) => one.status === "fulfilled").map((one) => one.value);
    if (!images.length) return;
    if (!failed) this.page.showMessage("");
    this.page.change({ text: this.input.value, like: [...new Set([...this.query.like, ...images])] });
  }

  /** @param {string} example shot id or image @param {"like"|"unlike"} side */
  chip(example, side) {
    if (isWords(example)) return el("li", {}, removable("less like", example, () => this.page.change({ unlike: this.query.unlike.filter((one) => one !== example) })));
    const what = `${side === "like" ? "More like" : "Less like"} ${example.startsWith("image:") ? "your picture" : "this shot"}`;
    const remove = () => this.page.change({ [side]: this.query[side].filter((one) => one !== example) });
    return el("li", {}, el("button", { type: "button", class: `chip ${side}`, title: `${what}: click to remove`,
      "aria-label": `${what}: remove`, onclick: remove },
    el("img", { src: examplePicture(example), alt: "", width: 48, height: 27,
      onerror: ({ currentTarget }) => currentTarget instanceof Element && currentTarget.classList.add("gone") }), icon(side === "like" ? "more" : "less")));
  }

  takePictures() {
    const files = byId("picture-file", HTMLInputElement);
    byId("picture", HTMLButtonElement).addEventListener("click", () => files.click());
    files.addEventListener("change", () => {
      this.addPictures([...files.files ?? []]);
      files.value = "";
    });
    document.addEventListener("paste", (event) => {
      const pictures = [...(event.clipboardData?.files ?? [])];
      if (!pictures.length) return;
      event.preventDefault();
      this.addPictures(pictures);
    });
    const has = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files");
    let depth = 0;
    const over = (/** @type {number} */ change) => {
      depth = Math.max(0, depth + change);
      document.body.classList.toggle("dropping", depth > 0);
    };
    document.addEventListener("dragenter", (event) => has(event) && over(1));
    document.addEventListener("dragleave", (event) => has(event) && over(-1));
    document.addEventListener("dragover", (event) => has(event) && event.preventDefault());
    document.addEventListener("drop", (event) => {
      if (!has(event)) return;
      over(-depth);
      if (event.defaultPrevented) return; // a part of the page has taken it
      event.preventDefault();
      this.addPictures(event.dataTransfer?.files ?? []);
    });
  }

  offerRecent() {
    this.input.addEventListener("focus", () => { if (!this.input.value) this.showRecent(); });
    this.input.addEventListener("click", () => { if (!this.input.value) this.showRecent(); });
    this.input.addEventListener("input", () => (this.input.value ? this.hideRecent() : this.showRecent()));
    this.input.addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown") {
        event.preventDefault();
        const isAnswered = this.recent.hidden && this.input.value !== "" && this.input.value === this.query.text;
        if (isAnswered && this.page.enterResults()) return;
        this.showRecent();
        focusIn(this.recent, ".menu-item");
      } else if (event.key === "Escape") {
        if (this.recent.hidden) this.input.blur();
        this.hideRecent();
      } else if (event.key === "Backspace" && !this.input.value) {
        const side = this.query.unlike.length ? "unlike" : "like";
        if (this.query[side].length) this.page.change({ [side]: this.query[side].slice(0, -1) });
      }
    });
    this.recent.addEventListener("keydown", (event) => this.walkRecent(event));
    this.form.addEventListener("focusout", (event) => {
      if (!(event.relatedTarget instanceof Node && this.form.contains(event.relatedTarget))) this.hideRecent();
    });
  }

  /** @param {KeyboardEvent} event */
  walkRecent(event) {
    const buttons = allInside(this.recent, ".menu-item");
    const at = buttons.findIndex((button) => button === document.activeElement);
    if (event.key === "Escape" || (event.key === "ArrowUp" && at === 0)) {
      this.input.focus();
      if (event.key === "Escape") this.hideRecent();
    } else if (event.key === "ArrowDown") buttons[Math.min(at + 1, buttons.length - 1)].focus();
    else if (event.key === "ArrowUp") buttons[at - 1]?.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  showRecent() {
    const kept = this.remembered();
    if (!kept.length) return;
    this.recent.replaceChildren(
      el("p", { class: "menu-title" }, "Recent searches",
        el("button", { type: "button", class: "quiet", onclick: () => this.forget() }, "Clear")),
      ...kept.map((one) => el("button", { type: "button", class: "menu-item",
        onclick: () => { this.hideRecent(); this.input.blur(); this.page.open(one.address); } }, icon("clock"), el("span", {}, one.label))));
    this.recent.hidden = false;
  }

  hideRecent() {
    this.recent.hidden = true;
  }
}
