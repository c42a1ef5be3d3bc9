// Saved searches: a button in the head of the page with the number of new matches, and a panel that saves, opens and
// deletes searches and shows what is new for each.
import { bodyOf, describe, emptyQuery, isSearch, writeAddress } from "./address.js";
import { deleteSearch, markSeen, Problem, saveSearch, savedSearches } from "./api.js";
import { byId, counted, el, focusIn, inside, smallAddress } from "./dom.js";
import { popup } from "./popup.js";
import { who } from "./who.js";
/**
 * @import {Condition, Query} from "./address.js"
 * @import {Page} from "./app.js"
 * @import {SavedSearchEntry, SavedSearchesAnswer, SearchFields} from "./service.d.ts"
 */

const MOST_NAME = 120; // characters, as many as the service takes
const NONE = "No saved searches yet. Search, then save the search here.";

export class SavedSearches {
  /** how often a change was asked for or answered: a list that was asked for before is out of date */
  changes = 0;
  button = byId("saved-button", HTMLButtonElement);
  count = inside(this.button, ".count", HTMLElement);
  panel = byId("saved-panel", HTMLElement);
  message = el("p", { role: "status" });
  list = el("ul", { class: "plain saved-list" });
  name = el("input", { type: "text", maxlength: MOST_NAME, required: true, "aria-label": "Name of this search", placeholder: "Name" });
  form = el("form", { class: "row", "data-needs": "label" }, this.name, el("button", { class: "primary" }, "Save this search"));

  /** @param {Page} page */
  constructor(page) {
    this.page = page;
    document.head.append(el("link", { rel: "stylesheet", href: "/page/savedsearches.css" }));
    this.panel.append(this.form, this.message, this.list);
    this.popup = popup(this.button, this.panel, () => { this.prepare(); });
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.change(async () => {
        this.show(await saveSearch({ name: this.name.value, search: bodyOf(page.query), author: who() }));
        this.message.textContent = "Saved. Matches in footage that comes are counted here.";
      });
    });
    page.on("catalogue", () => { this.load(); });
  }

  /** The name of the search that is on the screen, if there is one; and what is new. */
  prepare() {
    this.form.hidden = !isSearch(this.page.query);
    this.name.value = describe(this.page.query).slice(0, MOST_NAME);
    return this.load();
  }

  load() {
    const { changes } = this;
    return this.ask(async () => {
      const answer = await savedSearches();
      if (changes === this.changes) this.show(answer);
    });
  }

  /** @param {SavedSearchesAnswer} answer */
  show(answer) {
    const { new_matches: found, searches } = answer;
    this.count.textContent = found ? String(found) : "";
    this.button.setAttribute("aria-label", found ? `Saved searches, ${counted(found, "new match", "new matches")}` : "Saved searches");
    if (!searches.length) this.message.textContent = NONE;
    else if (this.message.textContent === NONE || this.message.classList.contains("wrong")) this.message.textContent = "";
    this.message.classList.remove("wrong");
    this.list.replaceChildren(...searches.map((one) => this.row(one)));
  }

  /** @param {SavedSearchEntry} one */
  row(one) {
    const query = queryOf(one.search);
    const address = writeAddress(query);
    const found = one.new_matches;
    return el("li", {},
      el("div", { class: "row" },
        el("a", { class: "grow title", href: address, onclick: (event) => { event.preventDefault(); this.popup.close(); this.page.open(address); } }, one.name),
        found > 0 && el("button", { type: "button", class: "quiet", "data-needs": "label", "aria-label": `Mark the new matches of ${one.name} as seen`,
          onclick: () => this.changeList(() => markSeen(one.search_id)) }, "Seen"),
        el("button", { type: "button", class: "quiet", "data-needs": "label", "aria-label": `Delete the search ${one.name}`,
          onclick: () => this.changeList(() => deleteSearch(one.search_id, who())) }, "Delete")),
      el("p", { class: "muted" }, [describe(query), `by ${one.author}`, found && counted(found, "new match", "new matches")].filter(Boolean).join(" · ")),
      one.problem && el("p", { class: "wrong" }, one.problem),
      one.matches.length > 0 && el("ul", { class: "saved-matches" }, ...one.matches.map(({ shot, relevance }) => el("li", {},
        el("button", { type: "button", "aria-label": `Open ${shot.show}, ${shot.start_timecode}`, onclick: () => { this.popup.close(); this.page.openShot({ ...shot, relevance }); } },
          el("img", { src: smallAddress(shot.poster), alt: "", width: 96, height: 54, loading: "lazy" }))))));
  }

  /** @param {() => Promise<SavedSearchesAnswer>} request */
  changeList(request) {
    return this.change(async () => {
      this.message.textContent = "";
      this.show(await request());
      if (!focusIn(this.list, "a")) this.button.focus();
    });
  }

  /** @param {() => Promise<void>} run */
  change(run) {
    this.changes += 1;
    return this.ask(run).finally(() => { this.changes += 1; });
  }

  /** @param {() => Promise<void>} run */
  async ask(run) {
    try {
      await run();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.message.textContent = error.message;
      this.message.classList.add("wrong");
    }
  }
}

/** The query of a stored search. @param {SearchFields} search @returns {Query} */
function queryOf(search) {
  const { text, like, by, unlike, literal, shows, where, dialogue, fold, include_blank, include_titles, exact, then, all, any } = search;
  return { ...emptyQuery(), text: text ?? "", like: [...like ?? []], by: by ?? "look", unlike: [...unlike ?? []], literal: [...literal ?? []], shows: [...shows ?? []], where: [...where ?? []],
    dialogue: dialogue ?? "auto", fold: fold ?? true, blank: include_blank ?? false, titles: include_titles ?? false, exact: exact ?? false,
    then: then?.text ? { text: then.text, within: then.within ?? 3 } : null, all: conditionsOf(all), any: conditionsOf(any) };
}

/** @param {SearchFields["all"]} conditions @returns {Condition[]} */
function conditionsOf(conditions) {
  return (conditions ?? []).map((one) => {
    if ("dialogue" in one) return { kind: "say", value: one.dialogue, relevance: null };
    if ("written" in one) return { kind: "write", value: one.written, relevance: null };
    if ("sound" in one) return { kind: "hear", value: one.sound, relevance: null };
    if ("probe" in one) return { kind: "probe", value: one.probe, relevance: null };
    return { kind: "look", value: one.text, relevance: one.relevance ?? null };
  });
}
