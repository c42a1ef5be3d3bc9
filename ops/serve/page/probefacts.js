// The probe of a label: the version that scores, its figures with their intervals, the labels since, and a new fit.
import { allows, whyNot } from "./account.js";
import { Problem } from "./api.js";
import { stamp } from "./details.js";
import { counted, el, present } from "./dom.js";
import { bounded, usualBound } from "./facets.js";
/**
 * @import {Page} from "./app.js"
 * @import {Judging} from "./judging.js"
 * @import {Figure, ProbeAnswer} from "./service.d.ts"
 * @import {Child} from "./types.d.ts"
 */

/** @type {[key: string, name: string, meaning: string][]} */
const FIGURES = [
  ["average_precision", "Average precision", "how well yes comes before no, 1 is best"],
  ["text_average_precision", "the words alone", "average precision of the text score on the same shots"],
  ["precision_at_", "Precision at ", "the share of right answers among the shots with the highest scores"],
  ["roc_auc", "ROC area", "how often a yes scores above a no; 0.5 is chance"],
  ["calibration_error", "Calibration error", "how far its probabilities are from the truth, 0 is best"],
];
const LEAST = 3; // of each answer, for a fit

export class ProbeFacts {
  /** whether this person waits for a fit */
  isAwaited = false;
  drawn = "";
  label = "";
  words = el("input", { type: "text", id: "probe-words", maxlength: 500, autocomplete: "off" });
  head = el("div", { class: "facts-head" });
  figures = el("dl", { class: "figures" });
  action = el("div", { class: "facts-action" });
  whole = el("section", { class: "probe-facts", "aria-label": "The label and its probe" }, this.head, this.figures, this.action);

  /** @param {Page} page @param {Judging} judging */
  constructor(page, judging) {
    this.page = page;
    this.judging = judging;
    document.addEventListener("account", () => this.show());
  }

  show() {
    const { probe, isLoaded, label } = this.judging;
    const drawn = JSON.stringify([label, isLoaded, probe, allows("administer")]);
    if (drawn === this.drawn) return; // unchanged fields stay: the person may be typing in one
    this.drawn = drawn;
    if (label !== this.label) this.words.value = label.replaceAll("_", " ");
    this.label = label;
    if (!isLoaded) {
      this.whole.replaceChildren(el("p", { class: "muted" }, "Reading…"));
      return;
    }
    const { activeElement } = document;
    const held = activeElement && this.action.contains(activeElement) ? activeElement.id : "";
    this.whole.replaceChildren(this.head, this.figures, this.action);
    this.head.replaceChildren(...present(probe ? this.headOf(probe) : this.headOfNew(label)));
    this.figures.replaceChildren(...(probe ? figuresOf(probe.metrics) : []));
    this.figures.hidden = !this.figures.childElementCount;
    this.action.replaceChildren(...present(this.actionOf(probe)));
    if (held) document.getElementById(held)?.focus(); // drawn again, it keeps the focus
  }

  /** @param {string} label @returns {Child[]} */
  headOfNew(label) {
    return [el("p", {}, `No shot is labelled ${label} yet.`), el("p", { class: "muted" }, "Search above for first examples and answer yes or no under them; "
      + "or begin with words that describe it, and correct the shots that they find.")];
  }

  /** @param {ProbeAnswer} probe @returns {Child[]} */
  headOf(probe) {
    const { labels } = probe;
    const people = labels.people.length > 1 || labels.people.some((one) => one.annotator !== "page");
    return [
      probe.description && el("p", {}, probe.description),
      el("p", { class: "tally" }, el("span", { class: "tally-yes" }, `${labels.yes} yes`), el("span", { class: "tally-no" }, `${labels.no} no`),
        labels.conflicts > 0 && el("span", { class: "tally-conflict" }, `${labels.conflicts} in conflict`),
        labels.gone > 0 && el("span", { class: "muted" }, `${labels.gone} of shots that are gone`)),
      people && el("p", { class: "muted" }, labels.people.slice(0, 6).map((one) => `${one.annotator} ${one.yes} yes, ${one.no} no`).join(" · ")),
      el("p", {}, ...this.versionOf(probe)),
      probe.refused && el("p", { class: "wrong" }, `The last fit is not in use: ${probe.refused}. To use it anyway: `,
        el("code", {}, `needle probe promote ${probe.label} ${probe.latest}`)),
    ];
  }

  /** @param {ProbeAnswer} probe @returns {(Node|string)[]} */
  versionOf(probe) {
    if (!probe.promoted) return ["It has no probe that scores yet."];
    const version = el("code", {}, probe.promoted);
    const when = probe.fitted_at ? el("time", { datetime: probe.fitted_at }, stamp(probe.fitted_at)) : "";
    const scores = probe.scored_by === probe.promoted ? "scores" : "takes over once the catalogue is scored";
    const since = probe.labels.since ? `; ${counted(probe.labels.since, "label")} since` : "";
    if (probe.kind === "zero_shot") {
      return ["Version ", version, ` ${scores} by the words alone (${probe.queries.map((one) => `“${one}”`).join(", ")}), `, when, since, "."];
    }
    return ["Version ", version, ` ${scores}, fitted on ${probe.yes} yes and ${probe.no} no, `, when, since, "."];
  }

  /** @param {ProbeAnswer|null} probe @returns {Child[]} */
  actionOf(probe) {
    const state = probe?.fit.state ?? "idle";
    const { yes = 0, no = 0 } = probe?.labels ?? {};
    const missing = Math.max(LEAST - yes, 0) + Math.max(LEAST - no, 0);
    const isNew = !probe?.policy;
    const bound = probe?.scored ? usualBound(probe) : null;
    const chosen = bound === null ? 0 : probe?.at_least[Math.round(bound * 100)] ?? 0;
    const isUnfinished = Boolean(probe?.promoted && (probe.redefined || probe.scored_by !== probe.promoted || state === "failed"));
    const isFitted = !missing && !probe?.labels.since_fit && !isUnfinished;
    const words = isFitted ? `All ${counted(yes + no, "label")} are fitted` : missing ? "Begin with the words" : `Fit on ${counted(yes + no, "label")}`;
    const isIdle = !isFitted && state !== "running" && allows("administer");
    const fit = el("button", { id: "probe-fit", class: isFitted ? "quiet" : "primary", "aria-disabled": isIdle ? undefined : "true" }, state === "running" ? "Fitting…" : words);
    const form = el("form", { class: "fit", onsubmit: (event) => { event.preventDefault(); if (isIdle) this.fit(isNew); } },
      isNew && el("label", { class: "narrow", for: "probe-words" }, "Words", this.words),
      (isNew || !missing || !probe?.promoted || isUnfinished) && fit,
      !allows("administer") && el("p", { class: "muted" }, whyNot("administer", "A fit")),
      chosen > 0 && el("button", { type: "button", id: "probe-filter", title: `Shots that score at least ${bound}`,
        onclick: () => this.page.change({ where: bounded([], this.label, bound) }) }, `Filter by it: ${counted(chosen, "shot")}`));
    const command = el("code", {}, `needle probe fit ${this.judging.label}`);
    const toGo = missing > 0 && probe && el("p", { class: "muted" }, `A fit needs ${LEAST} of each: ${[yes < LEAST && `${LEAST - yes} more yes`, no < LEAST && `${LEAST - no} more no`].filter(Boolean).join(", ")}.`);
    return [
      state === "off" ? el("p", {}, "This service starts no fits: run ", command, ".") : form,
      toGo,
      state === "failed" && el("p", { class: "wrong", role: "alert" }, `The fit failed: ${probe?.fit.told}`),
      state !== "off" && el("p", { class: "muted" }, "New labels are also fitted automatically while ", el("code", {}, "needle dagster"), " runs, or by ", command, "."),
    ];
  }

  /** Begin a fit. @param {boolean} isNew whether the label has no probe yet */
  async fit(isNew) {
    const { judging } = this;
    try {
      this.isAwaited = true;
      await judging.fit(isNew ? { queries: [this.words.value.trim()].filter(Boolean) } : {});
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.isAwaited = false;
      judging.trouble(error.message);
    }
  }
}

/** @param {Record<string, Figure>} metrics */
function figuresOf(metrics) {
  return FIGURES.flatMap(([key, name, meaning]) => {
    const found = Object.entries(metrics).find(([metric]) => (key.endsWith("_") ? metric.startsWith(key) : metric === key));
    if (!found) return [];
    const [metric, figure] = found;
    const range = el("span", { class: "interval", "aria-hidden": "true" });
    for (const part of /** @type {const} */ (["low", "value", "high"])) range.style.setProperty(`--${part}`, String(Math.min(Math.max(figure[part], 0), 1)));
    return [el("dt", { title: meaning }, key.endsWith("_") ? `${name}${metric.slice(key.length)}` : name),
      el("dd", {}, range, el("strong", {}, figure.value.toFixed(2)), el("span", { class: "muted", title: "95 % interval, on held-out labels" },
        `${figure.low.toFixed(2)}–${figure.high.toFixed(2)}`))];
  });
}
