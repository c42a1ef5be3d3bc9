// Composed queries: what comes after, and conditions of which all or any must hold. The panel edits a draft; what is
// in force stands as chips under the search box.
import { MAX_WITHIN } from "./address.js";
import { el, icon, iconButton } from "./dom.js";
import { popup } from "./popup.js";

const KINDS = { look: "looks like", say: "says", probe: "probe" };
const HINTS = { look: "a close-up of a face", say: "words, or \"exact words\"", probe: "closeup>=0.5" };

export class Refine {
  /** @param {any} page */
  constructor(page) {
    this.page = page;
    this.panel = document.getElementById("refine-panel");
    this.button = document.getElementById("refine");
    this.chips = document.getElementById("conditions");
    this.probes = el("datalist", { id: "probe-names" });
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

  /** @param {import("./address.js").Query} query */
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

  conditionChips(side, word, conditions) {
    return conditions.map((one) => {
      const value = one.kind === "look" ? `${one.value} ≥ ${Math.round(one.relevance * 100)} %` : one.value;
      return this.chip(`${word} ${KINDS[one.kind]}`, value, { [side]: conditions.filter((other) => other !== one) });
    });
  }

  chip(word, value, without) {
    return el("li", {}, el("button", { type: "button", class: "chip", "aria-label": `${word} ${value}: remove`, title: "Remove",
      onclick: () => this.page.change(without) }, el("span", { class: "muted" }, word), value, icon("close")));
  }

  begin() {
    const { query } = this.page;
    this.draft = { all: query.all.map((one) => ({ ...one })), any: query.any.map((one) => ({ ...one })),
      then: query.then ? { ...query.then } : { text: "", within: 3 } };
    this.draw();
  }

  draw() {
    const { then } = this.draft;
    const form = el("form", {},
      this.conditions("all", "All of these must hold"),
      this.conditions("any", "Any one of these is enough"),
      el("fieldset", {}, el("legend", {}, "Then, soon after"),
        el("div", { class: "row" },
          el("input", { type: "text", value: then.text, placeholder: "a horse rides away", "aria-label": "What comes then", maxlength: 2000,
            oninput: (event) => { then.text = event.target.value; } }),
          el("label", { class: "narrow" }, "within", el("input", { type: "number", min: 1, max: MAX_WITHIN, value: String(then.within), "aria-label": "Within how many shots",
            oninput: (event) => { then.within = Math.min(Math.max(Math.trunc(Number(event.target.value)) || 3, 1), MAX_WITHIN); } }), "shots"))),
      el("div", { class: "row end-row" },
        el("button", { type: "button", class: "quiet", onclick: () => this.apply({ all: [], any: [], then: null, where: [] }) }, "Clear all"),
        el("button", { class: "primary" }, "Search")));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const filled = (list) => list.filter((one) => one.value.trim()).map((one) => ({ ...one, value: one.value.trim() }));
      this.apply({ all: filled(this.draft.all), any: filled(this.draft.any),
        then: then.text.trim() ? { text: then.text.trim(), within: then.within } : null });
    });
    this.panel.replaceChildren(form);
  }

  apply(changes) {
    const text = document.getElementById("q").value;
    this.popup.close();
    this.page.change({ text, ...changes });
  }

  conditions(side, title) {
    const list = this.draft[side];
    const add = (kind) => {
      list.push({ kind, value: "", relevance: 0.5 });
      this.draw();
      this.panel.querySelector(`[data-row="${side}-${list.length - 1}"] input`).focus();
    };
    return el("fieldset", {}, el("legend", {}, title),
      ...list.map((one, at) => this.row(side, one, at)),
      el("div", { class: "row adders" }, ...Object.entries(KINDS).map(([kind, name]) =>
        el("button", { type: "button", class: "quiet", onclick: () => add(kind) }, icon("add"), name))));
  }

  row(side, one, at) {
    const remove = () => {
      this.draft[side].splice(at, 1);
      this.draw();
      this.panel.querySelector("input, button").focus();
    };
    return el("div", { class: "row", "data-row": `${side}-${at}` }, el("span", { class: "kind" }, KINDS[one.kind]),
      el("input", { type: "text", value: one.value, placeholder: HINTS[one.kind], "aria-label": KINDS[one.kind], maxlength: 2000,
        list: one.kind === "probe" ? "probe-names" : undefined, oninput: (event) => { one.value = event.target.value; } }),
      one.kind === "look" && el("label", { class: "narrow" }, "≥", el("input", { type: "number", min: 0, max: 100, step: 1,
        value: String(Math.round(one.relevance * 100)), "aria-label": "Relevance at least, percent",
        oninput: (event) => { one.relevance = Math.min(Math.max(Number(event.target.value) || 0, 0), 100) / 100; } }), "%"),
      iconButton("close", "Remove this condition", { onclick: remove }));
  }
}
