// Composed queries: a second shot after the first, and conditions of which all or any must hold. The panel edits a
// draft; chips under the search box show the current conditions.
import { MAX_WITHIN } from "./address.js";
import { removable } from "./chips.js";
import { byId, el, focusIn, icon, iconButton } from "./dom.js";
import { popup } from "./popup.js";
/** @import {Page} from "./app.js" */
/** @import {Condition, Kind, Query} from "./address.js" */
/** @import {Changes} from "./types.d.ts" */

/** @type {{kind: Kind, name: string, hint: string}[]} */
const KINDS = [
  { kind: "look", name: "looks like", hint: "a close-up of a face" },
  { kind: "say", name: "says", hint: "words, or \"exact words\"" },
  { kind: "write", name: "has the text", hint: "words, \"exact words\", or * for any" },
  { kind: "hear", name: "sounds", hint: "speech, loud, quiet or silent" },
  { kind: "probe", name: "probe", hint: "closeup>=0.5" },
];

/** @param {Kind} kind */
const textsOf = (kind) => KINDS.find((one) => one.kind === kind) ?? KINDS[0];

/** @typedef {"all"|"any"} Side */

export class Refine {
  panel = byId("refine-panel", HTMLElement);
  button = byId("refine", HTMLButtonElement);
  chips = byId("conditions", HTMLElement);
  probes = el("datalist", { id: "probe-names" });
  /** @type {{all: Condition[], any: Condition[], next: {text: string, within: number}}} */
  draft = { all: [], any: [], next: { text: "", within: 3 } };

  /** @param {Page} page */
  constructor(page) {
    this.page = page;
    this.popup = popup(this.button, this.panel, () => this.begin());
    document.body.append(this.probes);
  }

  toggle() {
    this.button.click();
  }

  /** @param {string[]} names */
  setProbes(names) {
    this.probes.replaceChildren(...names.map((name) => el("option", { value: `${name}>=0.5` })));
  }

  /** @param {Query} query */
  show(query) {
    const chips = [
      ...(query.then ? [this.chip("then", `${query.then.text} within ${query.then.within}`, { then: null })] : []),
      ...this.conditionChips("all", "and", query.all), ...this.conditionChips("any", "or", query.any),
      ...query.where.map((one) => this.chip("probe", one, { where: query.where.filter((other) => other !== one) })),
    ];
    this.chips.replaceChildren(...chips);
    this.chips.hidden = !chips.length;
    this.button.classList.toggle("on", chips.length > 0);
  }

  /** @param {Side} side @param {string} word @param {Condition[]} conditions */
  conditionChips(side, word, conditions) {
    return conditions.map((one) => {
      const value = one.relevance === null ? one.value : `${one.value} ≥ ${Math.round(one.relevance * 100)} %`;
      return this.chip(`${word} ${textsOf(one.kind).name}`, value, { [side]: conditions.filter((other) => other !== one) });
    });
  }

  /** @param {string} word @param {string} value @param {Changes} without the changes that remove it */
  chip(word, value, without) {
    return el("li", {}, removable(word, value, () => this.page.change(without)));
  }

  begin() {
    const { query } = this.page;
    this.draft = { all: query.all.map((one) => ({ ...one })), any: query.any.map((one) => ({ ...one })),
      next: query.then ? { ...query.then } : { text: "", within: 3 } };
    this.draw();
  }

  draw() {
    const { next } = this.draft;
    const form = el("form", {},
      this.conditions("all", "All of these must hold"),
      this.conditions("any", "Any one of these is enough"),
      el("fieldset", {}, el("legend", {}, "Then, soon after"),
        el("div", { class: "row" },
          el("input", { type: "text", value: next.text, placeholder: "a horse rides away", "aria-label": "The shot that follows", maxlength: 2000,
            oninput: (event) => { next.text = typed(event); } }),
          el("label", { class: "narrow" }, "within", el("input", { type: "number", min: 1, max: MAX_WITHIN, value: String(next.within), "aria-label": "Within how many shots",
            oninput: (event) => { next.within = Math.min(Math.max(Math.trunc(Number(typed(event))) || 3, 1), MAX_WITHIN); } }), "shots"))),
      el("div", { class: "row end-row" },
        el("button", { type: "button", class: "quiet", onclick: () => this.apply({ all: [], any: [], then: null, where: [] }) }, "Clear all"),
        el("button", { class: "primary" }, "Search")));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = next.text.trim();
      this.apply({ all: filled(this.draft.all), any: filled(this.draft.any), then: text ? { text, within: next.within } : null });
    });
    this.panel.replaceChildren(form);
  }

  /** @param {Changes} changes */
  apply(changes) {
    this.popup.close();
    this.page.change({ text: this.page.typed(), ...changes });
  }

  /** @param {Side} side @param {string} title */
  conditions(side, title) {
    const list = this.draft[side];
    const add = (/** @type {Kind} */ kind) => {
      list.push({ kind, value: "", relevance: null });
      this.draw();
      focusIn(this.panel, `[data-row="${side}-${list.length - 1}"] input`);
    };
    return el("fieldset", {}, el("legend", {}, title),
      ...list.map((one, at) => this.row(side, one, at)),
      el("div", { class: "row adders" }, ...KINDS.map(({ kind, name }) =>
        el("button", { type: "button", class: "quiet", onclick: () => add(kind) }, icon("add"), name))));
  }

  /** @param {Side} side @param {Condition} one @param {number} at */
  row(side, one, at) {
    const remove = () => {
      this.draft[side].splice(at, 1);
      this.draw();
      focusIn(this.panel, "input, button");
    };
    const { name, hint } = textsOf(one.kind);
    return el("div", { class: "row", "data-row": `${side}-${at}` }, el("span", { class: "kind" }, name),
      el("input", { type: "text", value: one.value, placeholder: hint, "aria-label": name, maxlength: 2000,
        list: one.kind === "probe" ? "probe-names" : undefined, oninput: (event) => { one.value = typed(event); } }),
      one.kind === "look" && el("label", { class: "narrow" }, "≥", el("input", { type: "number", min: 0, max: 100, step: 1,
        value: one.relevance === null ? "" : String(Math.round(one.relevance * 100)), placeholder: "auto",
        title: "Empty: more than shots are by chance", "aria-label": "Relevance at least, percent",
        oninput: (event) => { one.relevance = percent(typed(event)); } }), "%"),
      iconButton("close", "Remove this condition", { onclick: remove }));
  }
}

/** The text of the field that an event is from. @param {Event} event */
const typed = ({ target }) => (target instanceof HTMLInputElement ? target.value : "");

/** The conditions that have a value. @param {Condition[]} conditions */
function filled(conditions) {
  return conditions.map((one) => ({ ...one, value: one.value.trim() })).filter((one) => one.value);
}

/** @param {string} text @returns {number|null} 0 to 1; null for an empty field */
function percent(text) {
  return text.trim() === "" ? null : Math.min(Math.max(Number(text) || 0, 0), 100) / 100;
}
