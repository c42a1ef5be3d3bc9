// The Labels panel: each probe that has scored the catalogue is a facet with a count and a slider, and each label,
// known or new, a way to label shots.
import { allows } from "./account.js";
import { Problem, probes } from "./api.js";
import { byId, counted, el } from "./dom.js";
import { popup } from "./popup.js";
/** @import {Page} from "./app.js" */
/** @import {Query} from "./address.js" */
/** @import {ProbeAnswer} from "./service.d.ts" */

const WHERE = /^\s*([a-z][a-z0-9_]*)\s*>=\s*(\d*\.?\d+)\s*$/;

/** The label of a text: small letters, digits and _. @param {string} text */
export function labelName(text) {
  return text.toLowerCase().normalize("NFKD").replace(/[^a-z0-9]+/g, "_").replace(/^[0-9_]+|_+$/g, "").slice(0, 63);
}

/** The least score of a filter until one is chosen. @param {ProbeAnswer} probe */
export function usualBound(probe) {
  return Math.floor((probe.threshold ?? 0.5) * 100) / 100;
}

/** The conditions with one probe's least score set, or without it (null). @param {string[]} where @param {string} label @param {number|null} bound */
export function bounded(where, label, bound) {
  const others = where.filter((one) => WHERE.exec(one)?.[1] !== label);
  return bound === null ? others : [...others, `${label}>=${bound}`];
}

/** @typedef {{whole: HTMLElement, show: (query: Query) => void}} Row the facet of one label */

export class Facets {
  button = byId("labels", HTMLButtonElement);
  panel = byId("labels-panel", HTMLElement);
  list = el("div", { class: "menu-list" });
  status = el("p", { class: "muted", role: "status" });
  /** by label @type {Map<string, Row>} */
  rows = new Map();

  /** @param {Page} page */
  constructor(page) {
    this.page = page;
    this.panel.append(this.list, this.status, this.newLabel());
    this.popup = popup(this.button, this.panel, () => this.load());
  }

  toggle() {
    this.button.click();
  }

  /** @param {string[]} names of the probes that have scored shots: there may be new ones */
  setProbes(names) {
    if (!this.panel.hidden && names.some((name) => !this.rows.has(name))) this.load();
  }

  /** @param {Query} query */
  show(query) {
    this.button.classList.toggle("on", query.where.length > 0 || Boolean(query.label));
    for (const row of this.rows.values()) row.show(query);
  }

  async load() {
    try {
      const found = (await probes()).probes;
      this.rows = new Map(found.map((one) => [one.label, this.row(one)]));
      this.list.replaceChildren(...[...this.rows.values()].map((row) => row.whole));
      this.status.textContent = found.length ? "" : allows("label") ? "No label yet. Name one, search for first examples, and answer yes or no." : "No label yet.";
      this.show(this.page.query);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.status.textContent = error.message;
    }
  }

  /** @param {ProbeAnswer} probe @returns {Row} */
  row(probe) {
    const label = el("button", { type: "button", class: "quiet", "data-needs": "label", "aria-label": `Label shots as ${probe.label}`,
      onclick: () => this.begin(probe.label) }, "Label");
    const { yes, no } = probe.labels;
    const title = [probe.description, `${yes} yes, ${no} no`].filter(Boolean).join(" · ");
    if (!probe.scored) {
      const whole = el("div", { class: "facet" }, el("div", { class: "row" },
        el("span", { class: "grow name", title }, probe.label), el("span", { class: "muted" }, "not fitted yet"), label));
      return { whole, show: () => {} };
    }
    const bound = () => Number(slider.value) / 100;
    const apply = (/** @type {boolean} */ on) => {
      this.page.change({ text: this.page.typed(), where: bounded(this.page.query.where, probe.label, on ? bound() : null) });
    };
    const box = el("input", { type: "checkbox", onchange: () => { apply(box.checked); } });
    const slider = el("input", { type: "range", class: "slider", min: 0, max: 100, step: 1, value: String(Math.round(usualBound(probe) * 100)),
      "aria-label": `${probe.label}: score at least`, oninput: () => { showBound(); }, onchange: () => { apply(true); } });
    const count = el("span", { class: "count" });
    const output = el("output", {});
    const showBound = () => {
      count.textContent = (probe.at_least[Number(slider.value)] ?? 0).toLocaleString("en");
      count.title = `${counted(probe.at_least[Number(slider.value)] ?? 0, "shot")} of the catalogue with at least this score`;
      output.textContent = `≥ ${bound().toFixed(2)}`;
      slider.style.setProperty("--part", String(bound()));
      slider.setAttribute("aria-valuetext", `${bound().toFixed(2)}, ${count.textContent} shots`);
    };
    showBound();
    const whole = el("div", { class: "facet" },
      el("div", { class: "row" }, el("label", { class: "menu-check grow", title }, box, el("span", { class: "grow name" }, probe.label), count), label),
      el("div", { class: "row facet-slider" }, slider, output));
    return { whole, show: (query) => {
      const mine = query.where.map((one) => WHERE.exec(one)).find((found) => found?.[1] === probe.label);
      box.checked = Boolean(mine);
      if (mine && document.activeElement !== slider) slider.value = String(Math.round(Number(mine[2]) * 100));
      whole.classList.toggle("on", Boolean(mine));
      showBound();
    } };
  }

  newLabel() {
    const field = el("input", { type: "text", id: "new-label", maxlength: 80, placeholder: "a label, such as close-up", "aria-label": "New label",
      autocomplete: "off", autocapitalize: "off", spellcheck: "false", "aria-describedby": "new-label-told" });
    const told = el("p", { id: "new-label-told", class: "muted" });
    field.addEventListener("input", () => {
      const name = labelName(field.value);
      told.textContent = name && name !== field.value ? `kept as ${name}` : "";
    });
    const form = el("form", { class: "new-label", "data-needs": "label" }, el("div", { class: "row" }, field, el("button", { class: "primary" }, "Label shots")), told);
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const name = labelName(field.value);
      if (!name) {
        told.textContent = "A label needs a letter.";
        field.focus();
        return;
      }
      field.value = "";
      told.textContent = "";
      this.begin(name);
    });
    return form;
  }

  /** Label shots. @param {string} label */
  begin(label) {
    this.popup.close();
    this.page.choose(label);
  }
}
