// The dialog with all collections: open, rename, delete.
import { changeCollection, collections, deleteCollection, Problem } from "./api.js";
import { lastChange } from "./collections.js";
import { counted, el, focusIn, iconButton, smallAddress } from "./dom.js";
import { who } from "./who.js";
/**
 * @import {CollectionBar} from "./collections.js"
 * @import {CollectionsAnswer, CollectionSummary} from "./service.d.ts"
 */

/** @param {CollectionBar} bar of the tray into which a collection is opened */
export async function showCollections(bar) {
  const list = new CollectionList(bar);
  document.body.append(list.dialog);
  list.dialog.showModal();
  await list.load();
}

class CollectionList {
  message = el("p", { role: "status" });
  rows = el("ul", { class: "plain collection-rows" });
  dialog = el("dialog", { class: "collections", "aria-labelledby": "collections-title", onclose: () => { this.dialog.remove(); } },
    el("header", {}, el("h2", { id: "collections-title", class: "grow" }, "Collections"),
      iconButton("close", "Close", { key: "Esc", onclick: () => { this.dialog.close(); } })),
    el("div", { class: "collections-body" }, this.message, this.rows));

  /** @param {CollectionBar} bar */
  constructor(bar) {
    this.bar = bar;
    this.dialog.addEventListener("click", (event) => { if (event.target === this.dialog) this.dialog.close(); });
  }

  load() {
    return this.ask(async () => this.show(await collections()));
  }

  /** @param {CollectionsAnswer} answer */
  show(answer) {
    this.rows.replaceChildren(...answer.collections.map((one) => this.row(one)));
    this.showMessage(answer.notes.join(" ") || (answer.collections.length ? "" : "No collections yet. “Save as a collection” in the tray creates one."), answer.notes.length > 0);
  }

  /** @param {CollectionSummary} one */
  row(one) {
    const acts = el("span", { class: "row", "data-needs": "label" },
      el("button", { type: "button", class: "quiet", "aria-label": `Rename ${one.name}`, onclick: () => { this.rename(one, item); } }, "Rename"),
      el("button", { type: "button", class: "quiet", "aria-label": `Delete ${one.name}`, onclick: () => { this.confirmDeletion(one, item); } }, "Delete"));
    const item = el("li", {},
      el("button", { type: "button", class: "collection-open", onclick: () => { this.dialog.close(); this.bar.open(one.collection_id); } },
        el("span", { class: "collection-poster" }, one.poster && el("img", { src: smallAddress(one.poster), alt: "", width: 96, height: 54, loading: "lazy" })),
        el("span", { class: "collection-facts" }, el("span", { class: "title" }, one.name), el("span", { class: "muted" }, `${counted(one.shots, "shot")} · ${lastChange(one)}`))),
      acts);
    return item;
  }

  /** @param {CollectionSummary} one @param {HTMLElement} item */
  rename(one, item) {
    const name = el("input", { type: "text", value: one.name, maxlength: 120, required: true, "aria-label": `New name of ${one.name}` });
    const form = el("form", { class: "row" }, name, el("button", { class: "primary" }, "Rename"), this.cancel());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.ask(async () => {
        const { version, name: renamed } = await changeCollection(one.collection_id, { version: one.version, name: name.value, author: who() });
        const { collection, picks } = this.bar.selection;
        if (collection?.id === one.collection_id && collection.version === one.version) this.bar.selection.replace(picks, { ...collection, version, name: renamed });
        await this.load();
      });
    });
    item.replaceChildren(form);
    name.select();
    name.focus();
  }

  /** @param {CollectionSummary} one @param {HTMLElement} item */
  confirmDeletion(one, item) {
    item.replaceChildren(el("div", { class: "row acts" }, el("span", { class: "grow" }, `Delete “${one.name}” with ${counted(one.shots, "shot")}, for everybody?`),
      el("button", { type: "button", class: "primary", onclick: () => { this.remove(one); } }, "Delete"), this.cancel()));
    focusIn(item, "button:last-child");
  }

  /** @param {CollectionSummary} one */
  remove(one) {
    return this.ask(async () => {
      const left = await deleteCollection(one.collection_id, { version: one.version, author: who() });
      const { collection, picks } = this.bar.selection;
      if (collection?.id === one.collection_id) this.bar.selection.replace(picks, null); // the shots stay in this tray
      this.show(left);
      if (!left.notes.length) this.showMessage(`Deleted “${one.name}”.`);
      focusIn(this.dialog, "button");
    });
  }

  cancel() {
    return el("button", { type: "button", class: "quiet", onclick: async () => { await this.load(); focusIn(this.rows, "button"); } }, "Cancel");
  }

  /** @param {() => Promise<void>} run */
  async ask(run) {
    try {
      await run();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.showMessage(error.message, true);
    }
  }

  /** @param {string} text */
  showMessage(text, bad = false) {
    this.message.textContent = text;
    this.message.classList.toggle("wrong", bad);
  }
}
