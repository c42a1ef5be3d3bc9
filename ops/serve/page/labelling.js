// Labelling: a bar with the label and the person; under it the feeds (labelview.js), or the results of a search with
// thumbs. Loaded with the first label.
import { allows, whyNot } from "./account.js";
import { isSearch } from "./address.js";
import { allInside, byId, el, isTyping } from "./dom.js";
import { Judging } from "./judging.js";
import { LabelView } from "./labelview.js";
import { togglePreview } from "./preview.js";
import { showMark, thumbs } from "./thumbs.js";
import { whoField } from "./who.js";

/** @import {Page} from "./app.js" */
/** @import {Query} from "./address.js" */
/** @import {PageShot} from "./types.d.ts" */

const NAME = /^[a-z][a-z0-9_]{0,62}$/;

export class Labelling {
  judging = new Judging();
  /** whether the feeds are shown, and not a search */
  inView = false;
  bar = el("div", { class: "labelbar", hidden: true, role: "group", "aria-label": "Labelling" });
  name = el("h1");
  counts = el("span", { class: "muted", role: "status" });
  feeds = el("button", { type: "button", onclick: () => { this.page.change({ text: "", like: [], unlike: [], where: [], all: [], any: [], then: null, shows: [] }); } }, "Feeds");
  undoButton = el("button", { type: "button", title: "Take the last answer back (u)", "data-needs": "label", "aria-keyshortcuts": "u", onclick: () => { this.undo(); } }, "Undo");

  /** @param {Page} page */
  constructor(page) {
    this.page = page;
    this.view = new LabelView(page, this.judging);
    byId("state", HTMLElement).before(this.bar, this.view.whole);
    document.head.append(el("link", { rel: "stylesheet", href: "/page/labels.css" }));
    this.build();
    this.judging.on("marks", () => this.showMarks());
    this.judging.on("probe", () => this.showCounts());
    this.judging.on("trouble", ({ text, again, dropped }) => page.showMessage(text, true, again, dropped));
    page.on("message", ({ text, again, dropped }) => { if (!dropped) this.judging.remind(text, again); });
    page.on("answer", () => this.lookAtResults());
    page.on("played", () => this.dressPlayer());
    document.addEventListener("keydown", (event) => this.key(event), true); // before the keys of grid and player
  }

  build() {
    const who = whoField("annotator", (name) => { this.judging.who = name; });
    this.bar.append(el("span", { class: "labelbar-what" }, el("span", { class: "muted" }, "Labelling "), this.name), this.counts,
      el("span", { class: "labelbar-acts" }, el("label", { class: "narrow", for: "annotator", "data-needs": "label" }, "as", who), this.undoButton, this.feeds,
        el("button", { type: "button", onclick: () => this.page.choose("") }, "Stop")));
  }

  /** @param {Query} query */
  show(query) {
    const { label } = query;
    const good = NAME.test(label);
    this.bar.hidden = !good;
    if (label && !good) this.page.showMessage(`“${label}” cannot be a label: use small letters, digits and _, a letter first.`, true);
    this.inView = good && !isSearch(query);
    this.feeds.hidden = this.inView;
    this.counts.hidden = this.inView; // the view has them
    this.bar.classList.toggle("plain", this.inView);
    this.name.textContent = label;
    this.judging.choose(good ? label : "");
    this.judging.remind();
    this.showCounts();
    this.page.list = this.inView ? this.view : this.page.grid;
    this.page.grid.dress = good ? (item, hit) => this.dress(item, hit) : null;
    for (const [item, hit] of this.page.grid.hits) {
      if (good) this.dress(item, hit);
      else this.undress(item);
    }
    this.view.show(this.inView);
    this.lookAtResults();
    this.dressPlayer();
  }

  /** Add thumbs to a card. @param {HTMLElement} item @param {PageShot} hit */
  dress(item, hit) {
    const there = item.querySelector(".thumbs");
    if (there?.getAttribute("data-label") === this.judging.label) return; // the query changed, but not the label
    there?.remove();
    item.append(thumbs(this.judging.label, (value) => this.judging.answer(hit.shot_id, value, "search")));
    showMark(item, this.judging, hit.shot_id);
    const active = this.page.grid.active === item;
    for (const button of allInside(item, ".thumbs button")) button.tabIndex = active ? 0 : -1;
  }

  /** Remove the thumbs of a card. @param {HTMLElement} item */
  undress(item) {
    item.querySelector(".thumbs")?.remove();
    item.classList.remove("said-yes", "said-no", "in-conflict", "skipped");
  }

  dressPlayer() {
    const { played } = this.page;
    if (!played) return;
    played.place.hidden = !this.judging.label;
    if (!this.judging.label) return;
    const buttons = thumbs(this.judging.label, (value) => this.answerPlayed(value));
    played.place.replaceChildren(el("span", { class: "muted" }, this.judging.label), buttons);
    showMark(played.place, this.judging, played.shot.shot_id);
    this.judging.look([played.shot.shot_id]);
  }

  /** Answer for the shot in the player. @param {boolean} value */
  answerPlayed(value) {
    const shotId = this.page.played?.shot.shot_id;
    if (shotId) this.judging.answer(shotId, value, this.view.originOf(shotId) ?? "search");
  }

  lookAtResults() {
    if (!this.judging.label || this.inView) return;
    this.judging.look([...this.page.grid.hits.values()].map((hit) => hit.shot_id));
  }

  showMarks() {
    for (const [item, hit] of this.page.grid.hits) showMark(item, this.judging, hit.shot_id);
    if (this.page.played) showMark(this.page.played.place, this.judging, this.page.played.shot.shot_id);
    this.undoButton.disabled = !this.judging.canUndo;
  }

  showCounts() {
    const labels = this.judging.probe?.labels;
    const parts = labels ? [`${labels.yes} yes`, `${labels.no} no`] : this.judging.isLoaded ? ["no answer yet"] : [];
    if (labels?.conflicts) parts.push(`${labels.conflicts} in conflict`);
    this.counts.textContent = parts.join(" · ");
    this.undoButton.disabled = !this.judging.canUndo;
  }

  undo() {
    const shotId = this.judging.undo();
    if (shotId && !this.page.played) this.page.list.focusShot(shotId);
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (!this.judging.label || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    const act = this.actionOf(event);
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  /** @param {KeyboardEvent} event @returns {(() => void)|null} */
  actionOf({ key, target }) {
    const { page, judging } = this;
    const value = key === "y" ? true : key === "n" ? false : undefined;
    const dialog = document.querySelector("dialog[open]");
    if (dialog && !(page.played && dialog.matches(".player"))) return null;
    if (!allows("label")) return key === "u" || value !== undefined ? () => page.showMessage(whyNot("label", "Labelling"), true) : null;
    if (key === "u") return () => this.undo();
    if (page.played && dialog) return value === undefined ? null : () => this.answerPlayed(value);
    if (this.inView) return this.view.actionOf(key, target, (card) => togglePreview(card.box, card.shot.proxy));
    const hit = page.grid.current();
    return hit && value !== undefined ? () => { judging.answer(hit.shot_id, value, "search"); page.grid.move("right"); } : null;
  }
}
