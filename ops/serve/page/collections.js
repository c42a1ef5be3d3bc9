// Collections: the tray under a name, kept on the server. The bar in the tray saves and shares it, a dialog lists all.
import { changeCollection, collection as readCollection, createCollection, Problem } from "./api.js";
import { counted, el, keep, recallFields } from "./dom.js";
import { pickOf } from "./exporting.js";
import { isSaved } from "./selection.js";
import { who } from "./who.js";
/**
 * @import {Pick, Saved} from "./selection.js"
 * @import {CollectionAnswer, CollectionItem, PickBody} from "./service.d.ts"
 * @import {TrayPanel} from "./traypanel.js"
 * @import {Child, PageShot} from "./types.d.ts"
 */

const BEFORE = "needle.tray.before"; // the tray that the last opened collection replaced
const MOST_NAME = 120; // characters, as many as the service takes
const ID = /^[0-9a-f]{16}$/;

/** The tray as the body of a request. @param {Pick[]} picks @returns {PickBody[]} */
const bodiesOf = (picks) => picks.map(({ hit, in_frame, out_frame, origin, note }) => pickOf(hit.shot_id, in_frame, out_frame, origin, note));

/** What counts as a change of the tray. @param {Pick[]} picks */
const contentsOf = (picks) => JSON.stringify(picks.map(({ hit, in_frame, out_frame, note }) => [hit.shot_id, in_frame, out_frame, note ?? ""]));

export class CollectionBar {
  place = el("div", { class: "collection-bar", role: "group", "aria-label": "Collection" });
  message = el("div", { class: "collection-message", role: "status" });
  main = el("div", { class: "row" });
  name = el("input", { type: "text", maxlength: MOST_NAME, required: true, "aria-label": "Name of the collection", placeholder: "Name" });
  form = el("form", { class: "row", hidden: true, "data-needs": "label" }, this.name,
    el("button", { class: "primary" }, "Save"), el("button", { type: "button", class: "quiet", onclick: () => { this.closeForm(); } }, "Cancel"));
  busy = false;

  /** @param {TrayPanel} tray */
  constructor(tray) {
    this.tray = tray;
    this.selection = tray.selection;
    document.head.append(el("link", { rel: "stylesheet", href: "/page/collections.css" }));
    this.place.append(this.main, this.form, this.message);
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.create(this.name.value);
    });
    this.form.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.closeForm();
    });
    this.selection.addEventListener("change", () => this.draw());
    this.draw();
    this.showMessage("", { acts: this.offersOfBefore() });
  }

  /** Open the collection that the address names. */
  openLink() {
    const id = new URLSearchParams(location.search).get("collection");
    if (id === null) return;
    this.tray.toggle(true);
    if (ID.test(id)) this.open(id);
    else this.showMessage("This link does not name a collection.", { bad: true });
  }

  draw() {
    const { collection, picks } = this.selection;
    const focused = this.main.contains(document.activeElement) ? document.activeElement?.textContent : null;
    const isChanged = collection !== null && collection.contents !== contentsOf(picks);
    const saveAs = el("button", { type: "button", "data-needs": "label", disabled: !picks.length || this.busy, onclick: () => { this.openForm(); } },
      collection ? "Save as…" : "Save as a collection");
    const list = el("button", { type: "button", onclick: () => { this.list(); } }, "Collections");
    this.main.replaceChildren(...(collection ? [
      el("p", { class: "collection-name" }, el("strong", {}, collection.name), el("span", { class: "muted" }, isChanged ? "not saved yet" : "saved")),
      el("button", { type: "button", class: isChanged ? "primary" : "", "data-needs": "label", disabled: !isChanged || this.busy, onclick: () => { this.save(collection); } }, "Save"),
      saveAs, el("button", { type: "button", onclick: () => { this.copyLink(collection); } }, "Copy link"), list] : [saveAs, list]));
    if (focused) [...this.main.querySelectorAll("button")].find((button) => button.textContent === focused)?.focus();
  }

  openForm() {
    this.form.hidden = false;
    this.name.value = this.selection.collection?.name ?? "";
    this.name.focus();
    this.name.select();
  }

  closeForm() {
    this.form.hidden = true;
    this.main.querySelector("button")?.focus();
  }

  /** Save the tray under a new name. @param {string} name */
  create(name) {
    return this.ask(async () => {
      const answer = await createCollection({ name, entries: bodiesOf(this.selection.picks), author: who() });
      this.closeForm();
      this.keepSaved(answer, `Saved as “${answer.name}”.`);
    });
  }

  /** Save the tray over the version that was opened; somebody else's change since is reported. @param {Saved} saved */
  save(saved) {
    return this.ask(async () => {
      const entries = bodiesOf(this.selection.picks);
      const answer = await changeCollection(saved.id, { version: saved.version, entries, author: who() });
      this.keepSaved(answer, "Saved.");
    }, (problem) => {
      if (problem.status !== 409) return false;
      this.showMessage(problem.message, { bad: true, acts: [
        this.act("Open theirs", () => this.open(saved.id)), this.act("Save mine as another", () => this.openForm())] });
      return true;
    });
  }

  /** The collection is the tray now. @param {CollectionAnswer} answer @param {string} text */
  keepSaved(answer, text) {
    const gone = new Set(answer.set_aside.map((one) => one.shot_id));
    const picks = this.selection.picks.filter(({ hit }) => !gone.has(hit.shot_id));
    this.selection.replace(picks, savedOf(answer, picks));
    this.selection.set({ title: answer.name });
    this.showMessage(text, { bad: gone.size > 0, more: answer.set_aside.map((one) => `${one.shot_id}: not saved, ${one.reason}`) });
  }

  /** Put a collection into the tray; the tray before can be brought back. @param {string} id */
  open(id) {
    return this.ask(async () => {
      const answer = await readCollection(id);
      const { picks: old, collection } = this.selection;
      const { picks, notes } = picksOf(answer);
      const isUnsaved = old.length > 0 && (!collection || collection.contents !== contentsOf(old));
      if (isUnsaved && !keep(BEFORE, { picks: old, collection })) throw new Problem(0, "No room", "This browser has no room to keep the tray. Save it first.");
      this.tray.refused.clear();
      for (const one of answer.entries) if (one.missing_reason) this.tray.refused.set(one.shot_id, `Missing: ${one.missing_reason}`);
      this.selection.replace(picks, savedOf(answer, picks));
      this.selection.set({ title: answer.name });
      this.showMessage(`Opened “${answer.name}”: ${counted(picks.length, "shot")}, ${lastChange(answer)}.`, { more: [...answer.notes, ...notes],
        acts: this.offersOfBefore() });
    });
  }

  /** Buttons for the tray that an opened collection has replaced; none if there is none. @returns {Child[]} */
  offersOfBefore() {
    const { picks, collection } = recallFields(BEFORE);
    if (!Array.isArray(picks) || !picks.length) return [];
    return [this.act(`Bring back the tray before (${counted(picks.length, "shot")})`, () => {
      keep(BEFORE, null);
      this.selection.replace(picks, isSaved(collection) ? collection : null);
      this.showMessage("The tray is as it was before.");
    }), this.act("Discard it", () => keep(BEFORE, null))];
  }

  /** @param {Saved} saved */
  async copyLink(saved) {
    const address = `${location.origin}/?collection=${saved.id}`;
    try {
      await navigator.clipboard.writeText(address);
      this.showMessage("The link is copied. It opens the collection as it was saved.");
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      this.showMessage(`Copy this link: ${address}`); // without https, or not allowed by the browser
    }
  }

  /** The dialog with all collections; loaded when it is first opened. */
  async list() {
    const { showCollections } = await import("./collectionlist.js");
    await showCollections(this);
  }

  /** @param {string} text @param {() => void} run */
  act(text, run) {
    return el("button", { type: "button", onclick: () => { this.showMessage(""); run(); } }, text);
  }

  /** Ask the service for something, one thing at a time. @param {() => Promise<void>} run @param {(problem: Problem) => boolean} [handle] */
  async ask(run, handle) {
    if (this.busy) return;
    this.busy = true;
    this.draw();
    try {
      await run();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (!handle?.(error)) this.showMessage(error.message, { bad: true });
    } finally {
      this.busy = false;
      this.draw();
    }
  }

  /** @param {string} text @param {{bad?: boolean, more?: string[], acts?: Child[]}} [given] */
  showMessage(text, { bad = false, more = [], acts = [] } = {}) {
    this.message.classList.toggle("wrong", bad);
    this.message.replaceChildren(...(text ? [el("p", {}, text)] : []), ...more.map((one) => el("p", {}, one)),
      ...(acts.length ? [el("div", { class: "row acts" }, ...acts)] : []));
  }
}

/** "last changed by ann on 28 Nov 2026, 20:15". @param {{changed_by: string, changed_at: string}} answer */
export function lastChange({ changed_by, changed_at }) {
  return `last changed by ${changed_by} on ${new Date(changed_at).toLocaleString("en-GB", { dateStyle: "medium", timeStyle: "short" })}`;
}

/** @param {CollectionAnswer} answer @param {Pick[]} picks @returns {Saved} */
function savedOf({ collection_id, version, name }, picks) {
  return { id: collection_id, version, name, contents: contentsOf(picks) };
}

/** The tray of a collection, and what has changed since it was saved. @param {CollectionAnswer} answer @returns {{picks: Pick[], notes: string[]}} */
function picksOf({ entries }) {
  /** @type {Map<string, Pick>} */
  const picks = new Map();
  let joined = 0;
  for (const entry of entries) {
    const id = picks.has(entry.shot_id) ? entry.stored_id : entry.shot_id; // two entries may be in one shot of today
    const same = picks.get(id);
    if (same) {
      joined += 1;
      same.in_frame = Math.min(same.in_frame, entry.in_frame);
      same.out_frame = Math.max(same.out_frame, entry.out_frame);
      same.note = [same.note, entry.note].filter(Boolean).join("; ");
    } else picks.set(id, { hit: { ...hitOf(entry), shot_id: id }, in_frame: entry.in_frame, out_frame: entry.out_frame, origin: originOf(entry), note: entry.note });
  }
  const recut = entries.filter((one) => one.is_recut).length;
  const missing = entries.filter((one) => one.missing_reason).length;
  const notes = [
    recut && `${counted(recut, "shot")} cut differently since: the frames are kept.`,
    missing && `${counted(missing, "shot")} missing: marked below, and kept in the collection.`,
    joined && `${counted(joined, "more range")} of the same shot: joined, because the tray holds a shot once.`,
  ].filter((note) => typeof note === "string");
  return { picks: [...picks.values()], notes };
}

/** The shot of an entry; one that is missing has its id and its frames only. @param {CollectionItem} entry @returns {PageShot} */
function hitOf({ shot, stored_id, in_frame, out_frame }) {
  return shot ?? { shot_id: stored_id, video_id: stored_id.split(":")[0], show: "Missing shot", title: "", start_frame: in_frame, end_frame: out_frame,
    fps: "24/1", start_s: 0, end_s: 0, start_timecode: "", poster: "/page/icon.svg", proxy: "" };
}

/** @param {CollectionItem} entry @returns {Pick["origin"]} */
function originOf({ query, score, relevance, encoder_id, index_version, matched, dialogue_version, line_ids }) {
  if (query === null) return null;
  return { query, score: score ?? undefined, relevance: relevance ?? undefined, encoder_id: encoder_id ?? undefined, index_version: index_version ?? undefined,
    matched: matched.filter((one) => one === "visual" || one === "dialogue" || one === "written"), dialogue_version, line_ids };
}
