// The tray: the selected shots in the editor's order, with ins, outs and total length, and their export.
import { exportFormats, Problem, shot as readShot } from "./api.js";
import { CollectionBar } from "./collections.js";
import { allInside, byId, counted, el, focusIn, iconButton, inside, isAbort, lengthOf, smallAddress } from "./dom.js";
import { exportResults, exportSelection, handlesOf, MOST_HANDLES, MOST_HITS, textOf } from "./exporting.js";
import { outside, refusedPick, whyMissing } from "./refused.js";
import { MOST_NOTE } from "./selection.js";
import { frameIn, rateOf, timecodeIn } from "./timecode.js";
/**
 * @import {ExportReport} from "./api.js"
 * @import {Page} from "./app.js"
 * @import {OnProgress} from "./exporting.js"
 * @import {Pick} from "./selection.js"
 * @import {ExportFormatEntry} from "./service.d.ts"
 * @import {PageShot} from "./types.d.ts"
 */

export class TrayPanel {
  /** why shots are not in the last export, by shot id @type {Map<string, string>} */
  refused = new Map();
  /** from the service; empty until they are loaded @type {ExportFormatEntry[]} */
  formats = [];
  listed = "";
  /** by shot id, kept while they show the same: what is being typed or dragged stays @type {Map<string, {item: HTMLElement, drawn: string}>} */
  rows = new Map();
  isLoading = false;
  busy = false;
  stop = new AbortController();
  button = byId("tray-button", HTMLButtonElement);
  panel = byId("tray", HTMLElement);
  summary = el("p", { class: "tray-summary" });
  list = el("ol", { class: "picks" });
  empty = el("p", { class: "muted tray-empty" }, "Nothing selected yet. Press ", el("kbd", {}, "x"),
    " on a shot, or its tick. The order here is the order in the timeline.");
  progress = el("p", { class: "progress", role: "status" });
  report = el("div", { class: "told", role: "status" });
  undo = el("div", { class: "row" });
  format = el("select", { id: "export-format", onchange: () => { this.selection.set({ format: this.format.value }); } });
  title = el("input", { type: "text", id: "export-title", maxlength: 120, onchange: () => { this.selection.set({ title: this.title.value }); } });
  handles = el("input", { type: "number", id: "export-handles", min: 0, max: MOST_HANDLES, "aria-describedby": "handles-note",
    onchange: () => {
      this.selection.set({ handles: handlesOf(this.handles.value) });
      this.handles.value = String(this.selection.handles);
    } });
  handlesNote = el("p", { class: "muted handles-note", id: "handles-note" });
  rateNote = el("p", { class: "wrong", role: "status", hidden: true });
  send = el("button", { type: "button", class: "primary", onclick: () => { this.export((signal, onProgress) => exportSelection(this.selection, signal, onProgress)); } }, "Export");
  takeOut = el("button", { type: "button", onclick: () => { this.removeRefused(); } });
  whole = el("button", { type: "button", class: "quiet", onclick: () => { this.export((signal, onProgress) => exportResults(this.page, signal, onProgress)); } });
  cancel = el("button", { type: "button", hidden: true, onclick: () => { this.stop.abort(); } }, "Cancel");
  clear = el("button", { type: "button", class: "quiet", onclick: () => { this.clearAll(); } }, "Clear");

  /** @param {Page} page */
  constructor(page) {
    this.page = page;
    this.selection = page.selection;
    this.collections = new CollectionBar(this);
    this.build();
    this.button.addEventListener("click", () => this.toggle());
    this.selection.addEventListener("change", () => this.draw());
    page.on("answer", () => this.showWhole());
    page.on("catalogue", () => this.loadFormats());
    this.panel.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.toggle(false);
    });
    this.draw();
    this.collections.openLink();
  }

  build() {
    this.panel.append(
      el("header", {}, el("h2", { class: "grow" }, "Tray"), this.clear, iconButton("close", "Close the tray", { key: "t", onclick: () => this.toggle(false) })),
      this.collections.place, this.empty, this.list,
      el("footer", {}, this.summary,
        el("div", { class: "export-fields" },
          el("label", { for: "export-title" }, "Title"), this.title,
          el("label", { for: "export-format" }, "Format"), this.format,
          el("label", { for: "export-handles" }, "Handles"), el("span", { class: "row" }, this.handles, el("span", { class: "muted" }, "frames each side"))),
        this.handlesNote, this.rateNote,
        el("div", { class: "row acts" }, this.send, this.cancel, this.takeOut, this.whole), this.progress, this.report, this.undo));
  }

  /** @param {boolean} [open] */
  toggle(open = Boolean(this.panel.hidden)) {
    const focused = this.panel.contains(document.activeElement);
    this.panel.hidden = !open;
    document.body.classList.toggle("with-tray", open);
    this.button.setAttribute("aria-expanded", String(open));
    if (open) this.loadFormats();
    if (open) this.focusList();
    else if (focused) this.button.focus();
  }

  /** Focus the first shot, or, without shots, the format. */
  focusList() {
    if (!focusIn(this.list, ".grip")) this.format.focus();
  }

  draw() {
    const { picks } = this.selection;
    const focused = this.list.contains(document.activeElement) ? document.activeElement : null;
    const shotId = focused?.closest(".pick")?.getAttribute("data-shot");
    const control = focused?.getAttribute("data-control");
    this.drawRows();
    if (shotId && control) focusIn(this.list, `[data-shot="${CSS.escape(shotId)}"] [data-control=${control}]`);
    const seconds = picks.reduce((sum, pick) => sum + secondsOfPick(pick), 0);
    const { handles } = this.selection;
    this.summary.textContent = picks.length ? `${counted(picks.length, "shot")}, ${exactLength(picks, seconds)}` : "";
    inside(this.button, ".count", HTMLElement).textContent = picks.length ? String(picks.length) : "";
    this.button.setAttribute("aria-label", picks.length ? `Tray, ${counted(picks.length, "shot")}, ${lengthOf(seconds)}` : "Tray");
    this.empty.hidden = picks.length > 0;
    this.clear.hidden = !picks.length;
    this.send.disabled = !picks.length || this.busy;
    this.cancel.hidden = !this.busy;
    const { length } = this.refusedPicks();
    this.takeOut.hidden = this.busy || !length;
    this.takeOut.textContent = length === 1 ? "Take out the one marked" : `Take out the ${length} marked`;
    this.showFormats();
    showStored(this.title, this.selection.title);
    showStored(this.handles, String(handles));
    const entry = this.formats.find(({ format }) => format === this.format.value);
    this.handlesNote.textContent = (handles && entry?.handles_note) || "";
    this.showRates(entry);
    this.showWhole();
  }

  drawRows() {
    this.rows = new Map(this.selection.picks.map((pick, at) => {
      const { shot_id: shotId } = pick.hit;
      const drawn = JSON.stringify([at, pick.in_frame, pick.out_frame, pick.note, this.refused.get(shotId)]);
      const known = this.rows.get(shotId);
      return [shotId, known?.drawn === drawn ? known : { item: this.row(pick, at), drawn }];
    }));
    const items = new Set([...this.rows.values()].map(({ item }) => item));
    for (const old of allInside(this.list, ":scope > .pick")) if (!items.has(old)) old.remove();
    [...items].forEach((item, at) => {
      if (this.list.children[at] !== item) this.list.insertBefore(item, this.list.children[at] ?? null);
    });
  }

  /** Warn before the export if the format refuses several frame rates. @param {ExportFormatEntry|undefined} entry */
  showRates(entry) {
    const rates = new Set(this.selection.picks.map(({ hit }) => hit.fps));
    const others = this.formats.filter((one) => !one.has_one_rate).map(({ label }) => label);
    const warning = entry?.has_one_rate && rates.size > 1
      ? `${entry.label} has one frame rate, and the tray has ${rates.size}: choose another format (${others.slice(0, 3).join(", ")}), or export each rate on its own.` : "";
    if (this.rateNote.textContent !== warning) this.rateNote.textContent = warning;
    this.rateNote.hidden = !warning;
  }

  /** Until the list is loaded, the last chosen format is the only one. The first replaces a format that does not exist any more. */
  showFormats() {
    const listed = this.formats.length ? this.formats : [{ format: this.selection.format, label: this.selection.format }];
    if (this.listed !== JSON.stringify(listed)) {
      this.listed = JSON.stringify(listed);
      this.format.replaceChildren(...listed.map(({ format, label }) => el("option", { value: format }, label)));
    }
    this.format.value = this.selection.format;
    if (!this.format.value) this.format.value = listed[0].format;
  }

  /** Load the list of formats, once; a failure is reported and the next call tries again. */
  async loadFormats() {
    if (this.formats.length || this.isLoading) return;
    this.isLoading = true;
    try {
      this.formats = await exportFormats();
      this.draw();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.showMessage(`The list of formats did not load: ${error.message}`, true);
    } finally {
      this.isLoading = false;
    }
  }

  showWhole() {
    const wanted = this.page.answer ? this.page.grid.results().length : 0;
    this.whole.hidden = !wanted || this.busy;
    const isAll = wanted <= MOST_HITS && this.page.answer && this.page.isWhole();
    const { shown } = this.page.grid.counts();
    this.whole.textContent = isAll ? `Export the ${counted(wanted, wanted < shown ? "likely result" : "result")}` : `Export up to ${MOST_HITS} results`;
  }

  /** @param {Pick} pick @param {number} at its index */
  row(pick, at) {
    const { hit } = pick;
    const name = `${hit.show}, ${hit.start_timecode}`;
    const grip = iconButton("grip", `Move ${name}, number ${at + 1}`, { class: "icon-button grip", "data-control": "grip",
      title: "Drag, or arrow keys", onkeydown: (event) => this.gripKey(event, hit.shot_id) });
    grip.addEventListener("pointerdown", (event) => this.drag(event, hit.shot_id));
    const why = this.refused.get(hit.shot_id);
    const item = el("li", { class: why ? "pick refused" : "pick", "data-shot": hit.shot_id }, grip,
      el("button", { type: "button", class: "pick-picture", "aria-label": `Open ${name}`, onclick: () => this.page.openShot({ ...hit }) },
        el("img", { src: smallAddress(hit.poster), alt: "", width: 96, height: 54, loading: "lazy" })),
      el("div", { class: "pick-facts" }, el("span", { class: "title" }, hit.show),
        el("div", { class: "pick-marks" }, this.mark(pick, "in"), "–", this.mark(pick, "out")),
        el("span", { class: "muted" }, `${lengthOf(secondsOfPick(pick))} · ${pick.out_frame - pick.in_frame} f`), this.note(pick, name),
        why && el("span", { class: "wrong" }, why)),
      iconButton("close", `Take out ${name}`, { "data-control": "remove", onclick: () => this.selection.remove(hit.shot_id) }));
    return item;
  }

  /** A field with the note for the marker of a clip. @param {Pick} pick @param {string} name of the shot */
  note({ hit, note }, name) {
    const field = el("input", { type: "text", class: "pick-note", value: note ?? "", placeholder: "Note", maxlength: MOST_NOTE,
      "aria-label": `Note for ${name}`, "data-control": "note" });
    field.addEventListener("change", () => this.selection.setNote(hit.shot_id, field.value));
    return field;
  }

  /** A field with a timecode; out is the last frame of the clip. @param {Pick} pick @param {"in"|"out"} which */
  mark(pick, which) {
    const { hit } = pick;
    const shown = which === "in" ? pick.in_frame : pick.out_frame - 1;
    const field = el("input", { type: "text", class: "timecode", value: timecodeIn(hit, shown), "aria-label": which === "in" ? "In" : "Out",
      "data-control": which, spellcheck: "false", disabled: !hit.start_timecode });
    field.addEventListener("change", async () => {
      try {
        const frame = frameIn(hit, field.value.trim());
        const [first, end] = which === "in" ? [frame, pick.out_frame] : [pick.in_frame, frame + 1];
        const wrong = outside(hit, first, end, await this.filmFrames(hit, end));
        if (wrong) throw new RangeError(wrong);
        this.showMessage("");
        this.refused.delete(hit.shot_id);
        this.selection.put(hit, pick.origin, first, end);
      } catch (error) {
        if (!(error instanceof RangeError || error instanceof Problem)) throw error;
        this.showMessage(error.message, true);
        field.value = timecodeIn(hit, shown);
      }
    });
    return field;
  }

  /** Frames of a shot's video; requested only for a frame after the shot. @param {PageShot} hit @param {number} frame */
  async filmFrames(hit, frame) {
    if (frame <= hit.end_frame || hit.film_frames) return hit.film_frames ?? null;
    const { video } = await readShot(hit.shot_id);
    if (video.frames !== null) this.selection.learn(hit.video_id, video.frames);
    return video.frames;
  }

  /** @param {KeyboardEvent} event @param {string} shotId */
  gripKey(event, shotId) {
    const at = this.selection.picks.findIndex((pick) => pick.hit.shot_id === shotId);
    if (event.key === "ArrowUp") this.selection.move(at, at - 1);
    else if (event.key === "ArrowDown") this.selection.move(at, at + 1);
    else if (event.key === "Delete" || event.key === "Backspace") {
      this.selection.remove(shotId);
      const row = this.list.children[Math.min(at, this.list.children.length - 1)];
      if (!row || !focusIn(row, ".grip")) this.format.focus();
    } else return;
    event.preventDefault();
    const now = this.selection.picks.findIndex((pick) => pick.hit.shot_id === shotId);
    if (now >= 0) this.showMessage(`Number ${now + 1} of ${this.selection.picks.length}`);
  }

  /**
   * Drag a row. Pointer events, because touch has no others for that. Rows stay in their places until the drop.
   * @param {PointerEvent} event @param {string} shotId
   */
  drag(event, shotId) {
    const grip = event.currentTarget;
    const item = grip instanceof HTMLElement ? grip.closest(".pick") : null;
    if (!(grip instanceof HTMLElement) || !item) return;
    const others = allInside(this.list, ":scope > .pick").filter((other) => other !== item);
    let to = -1;
    grip.setPointerCapture(event.pointerId);
    item.classList.add("dragged");
    const clear = () => others.forEach((other) => other.classList.remove("drop-before", "drop-after"));
    const move = (/** @type {PointerEvent} */ { clientY }) => {
      const middles = others.map((other) => other.getBoundingClientRect().top + other.offsetHeight / 2);
      to = middles.filter((middle) => middle < clientY).length;
      clear();
      (others[to] ?? others.at(-1))?.classList.add(others[to] ? "drop-before" : "drop-after");
    };
    const drop = () => {
      grip.removeEventListener("pointermove", move);
      item.classList.remove("dragged");
      clear();
      if (to >= 0) this.selection.move(this.selection.picks.findIndex((pick) => pick.hit.shot_id === shotId), to);
    };
    grip.addEventListener("pointermove", move);
    grip.addEventListener("lostpointercapture", drop, { once: true });
  }

  refusedPicks() {
    return this.selection.picks.filter((pick) => this.refused.has(pick.hit.shot_id));
  }

  removeRefused() {
    const picks = this.refusedPicks();
    this.refused.clear();
    for (const { hit } of picks) this.selection.remove(hit.shot_id);
    this.showMessage(`Took out ${counted(picks.length, "shot")}.`);
    this.focusList();
  }

  /** @param {string} shotId */
  nameOf(shotId) {
    const hit = this.selection.find(shotId)?.hit;
    return hit ? `${hit.show}, ${hit.start_timecode}` : "";
  }

  /** @param {(signal: AbortSignal, onProgress: OnProgress) => Promise<ExportReport|null>} make returns the service's report */
  async export(make) {
    if (this.busy) return;
    const focused = this.panel.contains(document.activeElement);
    this.stop = new AbortController();
    this.busy = true;
    this.refused.clear();
    this.showMessage("");
    this.showProgress("Exporting…");
    this.draw();
    if (focused) this.cancel.focus();
    try {
      const report = await make(this.stop.signal, (done, total) => this.showProgress(`Exporting: ${done.toLocaleString("en")} of ${counted(total, "shot")}…`));
      for (const one of report?.missing ?? []) this.refused.set(one.shot_id, whyMissing(one));
      const { text, bad, more } = textOf(report, (shotId) => this.nameOf(shotId));
      this.showMessage(text, bad, more);
    } catch (error) {
      this.failed(error);
    } finally {
      const cancelling = document.activeElement === this.cancel;
      this.busy = false;
      this.showProgress("");
      this.draw();
      if (cancelling) (this.send.disabled ? this.format : this.send).focus();
    }
  }

  /** Report that nothing was exported. @param {unknown} error */
  failed(error) {
    if (isAbort(error)) return this.showMessage("Export cancelled.");
    if (!(error instanceof Problem)) throw error;
    const pick = refusedPick(this.selection.picks, error.message);
    if (!pick) return this.showMessage(error.message, true);
    const shotId = pick.hit.shot_id;
    this.refused.set(shotId, whyMissing({ shot_id: shotId, path: "", reason: error.message }));
    return this.showMessage("Nothing was exported.", true, [`${this.nameOf(shotId)}: ${this.refused.get(shotId)}`]);
  }

  clearAll() {
    const { picks, collection } = this.selection;
    this.refused.clear();
    this.selection.clear();
    this.showMessage("The tray is empty.");
    this.undo.replaceChildren(el("button", { type: "button", onclick: () => {
      this.showMessage("");
      this.undo.replaceChildren();
      this.selection.restore(picks, collection);
      this.focusList();
    } }, `Bring back ${counted(picks.length, "shot")}`));
    focusIn(this.undo, "button");
  }

  /** Show the progress; an unchanged text is not announced again. @param {string} text */
  showProgress(text) {
    if (this.progress.textContent !== text) this.progress.textContent = text;
  }

  /** @param {string} text @param {boolean} bad @param {string[]} more points of a list below it */
  showMessage(text, bad = false, more = []) {
    if (this.selection.picks.length) this.undo.replaceChildren(); // the undo of an emptied tray stays with every message
    this.report.replaceChildren(...(text ? [text] : []), ...(more.length ? [el("ul", {}, ...more.map((one) => el("li", {}, one)))] : []));
    this.report.classList.toggle("wrong", bad);
  }
}

/** Show a stored value in a field, unless another one is being typed in it. @param {HTMLInputElement} field @param {string} value */
function showStored(field, value) {
  if (field === document.activeElement && field.defaultValue === value) return;
  field.value = value;
  field.defaultValue = value;
}

/** @param {Pick} pick */
function secondsOfPick({ hit, in_frame, out_frame }) {
  const rate = rateOf(hit.fps);
  return ((out_frame - in_frame) * rate.den) / rate.num;
}

/** Length with frames if all picks have one rate; mixed rates have only seconds in common. @param {Pick[]} picks @param {number} seconds */
function exactLength(picks, seconds) {
  const rates = new Set(picks.map((pick) => pick.hit.fps));
  if (rates.size > 1) return `${lengthOf(seconds)} (several rates)`;
  return `${lengthOf(seconds)} · ${picks.reduce((sum, pick) => sum + pick.out_frame - pick.in_frame, 0)} frames`;
}
