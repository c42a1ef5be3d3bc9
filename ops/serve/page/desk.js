// Everything around the results: connects the search box, filters, refine panel, tray, player and keys to the page.
import { showAccount } from "./account.js";
import { isSearch } from "./address.js";
import { byId, counted, el, holdKeys, icon, present } from "./dom.js";
import { TextParts } from "./chips.js";
import { Facets } from "./facets.js";
import { Filters } from "./filters.js";
import { takeFromLink } from "./fromlink.js";
import { listenToKeys } from "./keys.js";
import { Likeness } from "./likeness.js";
import { QueryBar } from "./querybar.js";
import { Refine } from "./refine.js";
import { People } from "./people.js";
import { SavedSearches } from "./savedsearches.js";
import { allHidden, failed, loading, noFootage, nothing, unsaid } from "./states.js";
import { TrayPanel } from "./traypanel.js";

/**
 * @import {Opened, Page} from "./app.js"
 * @import {Query} from "./address.js"
 * @import {SearchAnswer} from "./service.d.ts"
 * @import {Changes, Message, PageActions} from "./types.d.ts"
 */

const SLOW_MS = 120; // an answer that comes sooner replaces the old one without a flicker
const THEMES = /** @type {const} */ ({
  auto: { label: "Theme: same as the system", sign: "auto" }, light: { label: "Theme: light", sign: "sun" }, dark: { label: "Theme: dark", sign: "moon" },
});

/** Build the page around its results. @param {Page} page */
export function furnish(page) {
  const desk = new Desk(page);
  page.on("query", () => desk.showQuery());
  page.on("answer", () => desk.showAnswer());
  page.on("catalogue", () => desk.showCatalogue());
  page.on("shot", (opened) => desk.showShot(opened));
  page.on("message", (message) => desk.showMessage(message));
  desk.showQuery();
  page.typed = () => desk.bar.input.value;
  if (!page.busy) desk.showAnswer();
  if (page.query.shot) desk.showShot(null);
  listenToKeys(page, desk);
  void takeFromLink(page);
  document.body.classList.add("ready");
}

export class Desk {
  state = byId("state", HTMLElement);
  notice = byId("notice", HTMLElement);
  status = byId("status", HTMLElement);
  why = byId("why", HTMLElement);
  /** loaded with the first label, film and shot @type {import("./labelling.js").Labelling|null} */
  labelling = null;
  /** @type {import("./film.js").FilmView|null} */
  film = null;
  /** the place of the start page and of a show, which are loaded with the first of them */
  around = el("div", {});
  /** @type {import("./home.js").Home|null} */
  home = null;
  /** @type {import("./showview.js").ShowView|null} */
  show = null;
  /** @type {import("./player.js").Player|null} */
  player = null;
  /** @type {SearchAnswer|null} */
  rememberedAnswer = null;
  slow = 0;

  /** @param {Page} page */
  constructor(page) {
    this.page = page;
    /** @type {PageActions} */
    const acts = { typed: () => page.typed(), change: (changes) => page.change(changes), adjust: (changes) => page.adjust(changes),
      open: (address) => page.open(address), showMessage: (text, bad) => page.showMessage(text, bad), enterResults: () => page.grid.enter() };
    this.acts = acts;
    this.bar = new QueryBar(byId("search", HTMLFormElement), acts);
    this.filters = new Filters(acts);
    this.parts = new TextParts(acts);
    this.refine = new Refine(page);
    this.likeness = new Likeness(acts);
    this.facets = new Facets(page);
    this.tray = new TrayPanel(page);
    this.saved = new SavedSearches(page);
    this.people = new People(page);
    this.theme();
    showAccount();
    const top = byId("top", HTMLElement);
    new ResizeObserver(() => document.body.style.setProperty("--top", `${top.offsetHeight}px`)).observe(top);
  }

  theme() {
    const button = byId("theme", HTMLButtonElement);
    const show = (/** @type {string} */ theme) => {
      const { label, sign } = theme === "light" || theme === "dark" ? THEMES[theme] : THEMES.auto;
      button.replaceChildren(icon(sign));
      button.setAttribute("aria-label", label);
      button.title = label;
    };
    button.addEventListener("click", () => show(globalThis.needleTheme.next()));
    show(globalThis.needleTheme.current());
  }

  showQuery() {
    const { page } = this;
    document.title = [page.query.film && "film", page.query.text, !isSearch(page.query) && page.query.shows.join(", "), page.query.label && `labelling ${page.query.label}`, "Needle"].filter(Boolean).join(" – ");
    this.bar.show(page.query);
    this.filters.show(page.query);
    this.refine.show(page.query);
    this.likeness.show(page.query);
    this.facets.show(page.query);
    this.showMessage(null);
    this.showLabelling(); // which may have a message, too
    this.showFilm();
    if (!page.query.shot) this.player?.close();
    clearTimeout(this.slow);
    if (page.busy) this.slow = setTimeout(() => this.showWaiting(), SLOW_MS);
  }

  /** The labelling view, or the thumbs on results; loaded with the first label. */
  async showLabelling() {
    if (this.labelling) return void this.labelling.show(this.page.query);
    if (!this.page.query.label) return undefined;
    const letGo = holdKeys(); // while labelling, n means no, and not "less like this"
    try {
      const { Labelling } = await import("./labelling.js");
      this.labelling ??= new Labelling(this.page);
    } catch (error) {
      this.page.showMessage("Labelling could not be loaded.", true, () => location.reload());
      throw error;
    } finally {
      this.labelling?.show(this.page.query);
      letGo();
    }
    return undefined;
  }

  /** The start page, or the videos of the one show that is chosen. */
  async showAround() {
    const { page } = this;
    const { query } = page;
    const isOne = query.shows.length === 1;
    if (isOne && !this.show) {
      const { ShowView } = await import("./showview.js");
      this.show ??= new ShowView(page);
    } else if (!isOne && !this.home) {
      const { Home } = await import("./home.js");
      this.home ??= new Home(page);
    }
    if (page.query !== query) return;
    const view = isOne ? this.show : this.home;
    if (!view) return;
    if (view.whole.parentNode !== this.around) this.around.replaceChildren(view.whole);
    if (isOne) this.show?.show(page.catalogue, query.shows[0]);
    else this.home?.show(page.catalogue, query.shows, this.bar.remembered());
  }

  /** The storyboard of a film; loaded with the first one. */
  async showFilm() {
    const { page } = this;
    if (!this.film && !page.query.film) return;
    if (!this.film) {
      const { FilmView } = await import("./film.js");
      this.film ??= new FilmView(page);
    }
    if (!page.query.film && page.list === this.film) page.list = this.labelling?.inView ? this.labelling.view : page.grid;
    this.film.show(page.query);
  }

  showWaiting() {
    if (!this.page.busy) return;
    this.page.results.classList.add("slow");
    if (!this.page.answer) this.state.replaceChildren(...loading());
  }

  showAnswer() {
    const { page } = this;
    clearTimeout(this.slow);
    if (!page.busy) page.results.classList.remove("slow");
    this.filters.setActive(Boolean(page.answer?.hits.length));
    const parts = this.stateOf();
    if (parts[0] !== this.around || this.around.parentNode !== this.state) this.state.replaceChildren(...parts); // else focus and place stay
    if (!page.busy) this.parts.show(page.answer);
    this.showStatus();
    if (page.answer?.hits.length && this.rememberedAnswer !== page.answer) {
      this.rememberedAnswer = page.answer;
      this.bar.remember(page.query);
    }
  }

  /** The message in place of results, or above them. */
  stateOf() {
    const { page } = this;
    const isEmpty = page.catalogue?.totals.shots === 0;
    if (isEmpty && !page.answer?.hits.length && (!page.problem || page.problem.status === 409)) return [noFootage(page.catalogue?.hint ?? "")];
    if (page.problem) return [failed(page.problem, () => { page.run(); page.loadCatalogue(); }, page.query, this.acts.change)];
    if (!isSearch(page.query) && page.query.label) return [];
    if (!isSearch(page.query) && narrows(page.query)) return [unsaid(() => this.bar.focus(), this.acts.change)];
    if (!isSearch(page.query)) {
      if (!page.query.film) this.showAround();
      return [this.around];
    }
    if (!page.answer) return [];
    if (!page.answer.hits.length) return [nothing(page.query, this.acts.change, page.answer.reading.parts ?? [])];
    const { shown, hidden } = page.grid.counts();
    return shown ? [] : [allHidden(hidden, () => page.adjust({ min: null }))];
  }

  showStatus() {
    const { page } = this;
    const { answer } = page;
    this.why.textContent = "";
    if (!answer) {
      this.status.textContent = "";
      return;
    }
    const counts = page.grid.counts();
    const open = page.hasMore() && !counts.hidden;
    this.status.textContent = `${counts.shown.toLocaleString("en")}${open ? "+" : ""} ${counts.shown === 1 ? "shot" : "shots"}`;
    this.status.title = `${answer.took_ms.toFixed(0)} ms in the service`;
    const unclear = answer.stands_out || !counts.shown ? [] : [el("strong", {}, "Nothing clearly matches: these shots are the nearest."), " "];
    this.why.replaceChildren(...unclear, ...readingOf(answer, page.query, this.acts.change));
    this.filters.showRelevance(page.limit(), counts, page.hasMore());
  }

  showCatalogue() {
    const { catalogue } = this.page;
    if (!catalogue) return;
    this.filters.setShows(catalogue.shows);
    this.filters.setWritten(catalogue.shots_with_text);
    this.filters.setSound(catalogue.shots_by_sound);
    this.refine.setProbes(catalogue.probes);
    this.facets.setProbes(catalogue.probes);
    const { totals } = catalogue;
    const parts = [counted(totals.shots, "shot"), counted(totals.videos, "video")];
    if (totals.pending) parts.push(`${counted(totals.pending, "video")} still being processed`);
    if (totals.set_aside) parts.push(`${totals.set_aside} set aside`);
    byId("foot", HTMLElement).replaceChildren(...present([el("span", {}, parts.join(" · ")),
      catalogue.encoder_id && el("span", { title: "encoder" }, catalogue.encoder_id),
      catalogue.index_version && el("span", { title: "index version" }, `index ${catalogue.index_version}`),
      el("a", { href: "/how" }, "How search works")]));
    if (!this.page.busy) this.showAnswer();
  }

  /** Open the player with the shot of the query, or close it. @param {Opened|null} opened */
  async showShot(opened) {
    const shotId = this.page.query.shot;
    if (!shotId) {
      const last = this.player?.shot?.shot_id;
      this.player?.close();
      if (last) this.page.list.focusShot(last);
      return;
    }
    const { Player } = await import("./player.js");
    const { stopPreview } = await import("./preview.js");
    stopPreview();
    this.player ??= new Player(this.page);
    if (this.page.query.shot !== shotId) return;
    const known = opened?.hit ?? this.page.list.shownHits().find((hit) => hit.shot_id === shotId) ?? null;
    this.player.open(shotId, known, opened?.frame);
  }

  /** Show a message above the results, or none. @param {Message|null} message */
  showMessage(message) {
    const { text, bad = false, again, dropped } = message ?? { text: "" };
    if (message && this.player?.dialog.open) this.player.note.textContent = text; // the line is under the dialog
    this.notice.hidden = !text;
    this.notice.classList.toggle("bad", bad);
    this.notice.replaceChildren(...(text ? [el("span", { class: "grow" }, text)] : []),
      ...(again ? [el("button", { type: "button", onclick: () => { this.showMessage(null); again(); } }, "Try again")] : []),
      ...(text ? [el("button", { type: "button", class: "icon-button", "aria-label": "Dismiss", onclick: () => { this.showMessage(null); dropped?.(); } }, icon("close"))] : []));
  }
}

/**
 * How the query was interpreted, in words, unless it is a plain description that was searched in pictures. If its words
 * are spoken too, a button that searches for them as spoken words: in quotes.
 * @param {SearchAnswer} answer @param {Query} query @param {(changes: Changes) => void} change
 */
function readingOf(answer, query, change) {
  const { visual, dialogue, why, said_in: lines, notes } = answer.reading;
  if (lines && query.text) {
    return [el("button", { type: "button", class: "quiet hint", title: why,
      onclick: () => change({ text: `"${query.text.trim()}"` }) }, lines === 1 ? "Spoken in 1 line too: show it" : `Spoken in ${lines} lines too: show them`),
    notes.length ? ` ${notes.join(". ")}` : ""];
  }
  const composed = query.then || query.all.length || query.any.length;
  if (!dialogue && !composed && query.dialogue !== "only") return [notes.join(". ")];
  const how = visual && dialogue ? "pictures and dialogue" : dialogue ? "dialogue" : visual ? "pictures" : "";
  return [[[how && `by ${how}`, why].filter(Boolean).join(": "), ...notes].join(". ")];
}

/** Whether the query has parts that would narrow a search. @param {Query} query */
function narrows(query) {
  return Boolean(query.unlike.length || query.then || query.where.length);
}
