// Everything around the results: wires the search box, filters, refine panel, tray, player and keys to the page.
import { isSearch } from "./address.js";
import { counted, el, holdKeys, icon } from "./dom.js";
import { Facets } from "./facets.js";
import { Filters } from "./filters.js";
import { listenToKeys } from "./keys.js";
import { QueryBar } from "./querybar.js";
import { Refine } from "./refine.js";
import { allHidden, failed, loading, noFootage, nothing, start, unsaid } from "./states.js";
import { TrayPanel } from "./traypanel.js";

const SLOW_MS = 120; // an answer that comes sooner replaces the old one without a flicker

/** @param {any} page the Page of app.js */
export function furnish(page) {
  const desk = new Desk(page);
  page.addEventListener("query", () => desk.showQuery());
  page.addEventListener("answer", () => desk.showAnswer());
  page.addEventListener("catalogue", () => desk.showCatalogue());
  page.addEventListener("shot", (event) => desk.showShot(event.detail));
  page.addEventListener("tell", (event) => desk.tell(event.detail));
  desk.showQuery();
  page.typed = () => desk.bar.input.value;
  if (!page.busy) desk.showAnswer();
  if (page.query.shot) desk.showShot(null);
  listenToKeys(page, desk);
  document.body.classList.add("ready");
}

class Desk {
  constructor(page) {
    this.page = page;
    this.state = document.getElementById("state");
    this.notice = document.getElementById("notice");
    this.status = document.getElementById("status");
    this.why = document.getElementById("why");
    const acts = { change: (changes) => page.change(changes), adjust: (changes) => page.adjust(changes),
      open: (address) => page.open(address), tell: (text, bad) => page.tell(text, bad) };
    this.acts = acts;
    this.bar = new QueryBar(document.getElementById("search"), acts);
    this.filters = new Filters(document.getElementById("filters"), acts);
    this.refine = new Refine(page);
    this.facets = new Facets(page);
    this.tray = new TrayPanel(page);
    this.theme();
    const top = document.getElementById("top");
    new ResizeObserver(() => document.body.style.setProperty("--top", `${top.offsetHeight}px`)).observe(top);
  }

  theme() {
    const button = document.getElementById("theme");
    const show = (theme) => {
      const label = { auto: "Theme: as the system", light: "Theme: light", dark: "Theme: dark" }[theme];
      button.replaceChildren(icon({ auto: "auto", light: "sun", dark: "moon" }[theme]));
      button.setAttribute("aria-label", label);
      button.title = label;
    };
    button.addEventListener("click", () => show(globalThis.needleTheme.next()));
    show(globalThis.needleTheme.current());
  }

  showQuery() {
    const { page } = this;
    document.title = [page.query.film && "film", page.query.text, page.query.label && `labelling ${page.query.label}`, "Needle"].filter(Boolean).join(" – ");
    this.bar.show(page.query);
    this.filters.show(page.query);
    this.refine.show(page.query);
    this.facets.show(page.query);
    this.tell(null);
    this.showLabelling(); // which may have something to tell still
    this.showFilm();
    if (!page.query.shot) this.player?.close();
    clearTimeout(this.slow);
    if (page.busy) this.slow = setTimeout(() => this.showWaiting(), SLOW_MS);
  }

  /** The labelling view, or the thumbs on results; loaded when somebody labels. */
  async showLabelling() {
    if (this.labelling) return void this.labelling.show(this.page.query);
    if (!this.page.query.label) return undefined;
    const letGo = holdKeys(); // there, n is no, and not "less like this"
    try {
      const { Labelling } = await import("./labelling.js");
      this.labelling ??= new Labelling(this.page);
    } catch (error) {
      this.page.tell("Labelling could not be loaded.", true, () => location.reload());
      throw error;
    } finally {
      this.labelling?.show(this.page.query);
      letGo();
    }
    return undefined;
  }

  /** The storyboard of a film; loaded when somebody opens one. */
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
    if (!this.page.busy || this.page.answer) return;
    this.state.replaceChildren(...loading());
  }

  showAnswer() {
    const { page } = this;
    clearTimeout(this.slow);
    this.filters.setActive(Boolean(page.answer?.hits.length));
    this.state.replaceChildren(...this.stateOf().filter(Boolean));
    this.showStatus();
    if (page.answer?.hits.length && this.rememberedAnswer !== page.answer) {
      this.rememberedAnswer = page.answer;
      this.bar.remember(page.query);
    }
  }

  /** What stands where results would, or above them. */
  stateOf() {
    const { page } = this;
    const empty = page.catalogue && !page.catalogue.totals?.shots;
    if (empty && !page.answer?.hits.length && (!page.problem || page.problem.status === 409)) return [noFootage(page.catalogue.hint ?? "")];
    if (page.problem) return [failed(page.problem, () => { page.run(); page.loadCatalogue(); }, page.query, this.acts.change)];
    if (!isSearch(page.query) && page.query.label) return [];
    if (!isSearch(page.query) && narrows(page.query)) return [unsaid(() => this.bar.focus(), this.acts.change)];
    if (!isSearch(page.query)) return [start(page.catalogue, this.bar.remembered(), this.acts)];
    if (!page.answer) return [];
    if (!page.answer.hits.length) return [nothing(page.query, this.acts.change)];
    const { shown, hidden } = page.grid.counts();
    return shown ? [] : [allHidden(hidden, () => page.adjust({ min: 0 }))];
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
    this.status.title = `${answer.took_ms?.toFixed?.(0) ?? "?"} ms in the service`;
    this.why.replaceChildren(...readingOf(answer, page.query, this.acts.change));
    this.filters.showRelevance(page.limit(), counts, page.hasMore());
  }

  showCatalogue() {
    const { catalogue } = this.page;
    this.filters.setShows(catalogue.shows ?? []);
    this.refine.setProbes(catalogue.probes ?? []);
    this.facets.setProbes(catalogue.probes ?? []);
    const { totals = {} } = catalogue;
    const parts = [counted(totals.shots ?? 0, "shot"), counted(totals.videos ?? 0, "video")];
    if (totals.pending) parts.push(`${counted(totals.pending, "video")} still being processed`);
    if (totals.set_aside) parts.push(`${totals.set_aside} set aside`);
    const foot = document.getElementById("foot");
    foot.replaceChildren(el("span", {}, parts.join(" · ")),
      catalogue.encoder_id && el("span", { title: "encoder" }, catalogue.encoder_id),
      catalogue.index_version && el("span", { title: "index version" }, `index ${catalogue.index_version}`));
    if (!this.page.busy) this.showAnswer();
  }

  async showShot(given) {
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
    const known = given?.hit ?? this.page.list.shownHits().find((hit) => hit.shot_id === shotId) ?? null;
    this.player.open(shotId, known, given?.frame);
  }

  /** @param {{text: string, bad?: boolean, again?: () => void, dropped?: () => void}|null} said */
  tell(said) {
    if (said && this.player?.dialog.open) this.player.note.textContent = said.text; // the line lies under the dialog
    this.notice.hidden = !said?.text;
    this.notice.classList.toggle("bad", Boolean(said?.bad));
    this.notice.replaceChildren(...(said?.text ? [el("span", { class: "grow" }, said.text)] : []),
      ...(said?.again ? [el("button", { type: "button", onclick: () => { this.tell(null); said.again(); } }, "Try again")] : []),
      ...(said?.text ? [el("button", { type: "button", class: "icon-button", "aria-label": "Dismiss", onclick: () => { this.tell(null); said.dropped?.(); } }, icon("close"))] : []));
  }
}

/**
 * How the query was understood, in words; that a plain description was looked for in pictures goes without saying.
 * Where its words are said too, a button that asks for them as spoken words: in quotes.
 */
function readingOf(answer, query, change) {
  const { visual, dialogue, why, said_in: lines, notes } = answer.reading;
  if (lines && query.text) {
    return [el("button", { type: "button", class: "quiet hint", title: why,
      onclick: () => change({ text: `"${query.text.trim()}"` }) }, lines === 1 ? "Said in 1 line too: find it" : `Said in ${lines} lines too: find them`),
    notes.length ? ` ${notes.join(". ")}` : ""];
  }
  const composed = query.then || query.all.length || query.any.length;
  if (!dialogue && !composed && query.dialogue !== "only") return [notes.join(". ")];
  const how = visual && dialogue ? "pictures and dialogue" : dialogue ? "dialogue" : visual ? "pictures" : "";
  return [[[how && `by ${how}`, why].filter(Boolean).join(": "), ...notes].join(". ")];
}

/** Whether there is something that would narrow a search. @param {import("./address.js").Query} query */
function narrows(query) {
  return Boolean(query.unlike.length || query.then || query.where.length);
}
