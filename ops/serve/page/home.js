// The start page: ways to search, recent searches, what is new, and shows as strips of posters. A further section is one
// more entry of SECTIONS; each is filled by itself and hidden while it has nothing to show.
import { Problem, showPosters, videos } from "./api.js";
import { counted, dayOf, el, focusIn, icon, lengthOf, loadStyle, pageLink } from "./dom.js";
import { showAddress, still, videoCard, walk } from "./posters.js";
/**
 * @import {Page} from "./app.js"
 * @import {Show} from "./service.d.ts"
 * @import {Catalogue, Child} from "./types.d.ts"
 */

const NEW = 8; // videos
const STRIP = 6; // posters of a show
const AT_ONCE = 24; // shows whose posters are requested together

/**
 * @typedef {object} HomeContext
 * @property {Page} page
 * @property {Catalogue} catalogue
 * @property {string[]} shows     chosen shows; none: all
 * @property {{address: string, label: string}[]} recent  searches of this browser, the newest first
 */
/**
 * @typedef {object} HomeSection
 * @property {string} id
 * @property {string} title
 * @property {(context: HomeContext) => Promise<Child[]>|Child[]} fill  its contents; none: the section is hidden
 */

/** In their order on the page. @type {HomeSection[]} */
const SECTIONS = [
  { id: "recent", title: "Recent searches", fill: fillRecent },
  { id: "new", title: "New", fill: fillNew },
  { id: "shows", title: "Shows", fill: fillShows },
];

export class Home {
  size = el("p", { class: "start-size" }, "\u00a0");
  title = el("h1", {}, "Find any moment in your footage");
  ways = el("dl", { class: "ways" });
  parts = SECTIONS.map((section) => ({ section, place: el("section", { id: `home-${section.id}`, hidden: true, "aria-label": section.title }) }));
  whole = el("div", { class: "start" }, el("div", {}, this.title, this.size), this.ways, ...this.parts.map((part) => part.place));
  drawnState = "";

  /** @param {Page} page */
  constructor(page) {
    this.page = page;
    this.style = loadStyle("around.css");
    walk(this.whole);
  }

  /**
   * Show the start page; what is on it stays if nothing has changed.
   * @param {Catalogue|null} catalogue null until it is loaded @param {string[]} shows
   * @param {{address: string, label: string}[]} recent
   */
  async show(catalogue, shows, recent) {
    const totals = catalogue?.totals;
    this.title.textContent = shows.length ? counted(shows.length, "show") : "Find any moment in your footage";
    this.ways.hidden = shows.length > 0;
    this.size.textContent = !totals ? "\u00a0" : shows.length ? "A search looks through these shows only."
      : [lengthOf(totals.footage_s), counted(totals.shots, "shot"), counted(totals.videos, "video")].join(" · ");
    this.ways.replaceChildren(way("search", "Describe it", "who, where, and how it looks"),
      way("sound", "Quote it", catalogue && !catalogue.lines ? "no dialogue is indexed yet" : "“spoken words”"),
      way("image", "Show it", "drop or paste a picture anywhere"),
      way("refine", "Narrow it", catalogue?.shots_with_text ? "show:name text:word -word" : "show:name after:2024 -word"));
    if (!catalogue) return;
    const state = JSON.stringify([catalogue.index_version, catalogue.shows, shows, recent]);
    if (state === this.drawnState) return;
    this.drawnState = state;
    await this.style;
    const context = { page: this.page, catalogue, shows, recent };
    await Promise.all(this.parts.map(({ section, place }) => this.fill(section, place, context)));
  }

  /** @param {HomeSection} section @param {HTMLElement} place @param {HomeContext} context */
  async fill(section, place, context) {
    const { drawnState } = this;
    try {
      const contents = await section.fill(context);
      if (drawnState !== this.drawnState) return;
      const focused = place.contains(document.activeElement) ? document.activeElement?.getAttribute("href") : null;
      place.hidden = !contents.length;
      place.replaceChildren(el("h2", {}, section.title), ...contents.filter((one) => one instanceof Node));
      if (focused) focusIn(place, `a[href="${CSS.escape(focused)}"]`); // the catalogue may change under the keyboard
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      this.page.showMessage(`${section.title}: ${error.message}`, true, () => this.fill(section, place, context));
    }
  }
}

/** @param {HomeContext} context */
function fillRecent({ page, recent, shows }) {
  if (shows.length || !recent.length) return [];
  return [el("ul", { class: "recent-list" }, ...recent.slice(0, 8).map((one) =>
    el("li", {}, pageLink(one.address, (address) => page.open(address), { class: "walk" }, icon("clock"), el("span", {}, one.label)))))];
}

/** @param {HomeContext} context */
async function fillNew({ page, shows }) {
  if (shows.length) return [];
  const newest = await videos({ order: "newest", limit: NEW, posters: 3 });
  return newest.videos.length ? [el("ul", { class: "videos" }, ...newest.videos.map((video) =>
    videoCard(page, video, { shownShow: true, strip: false })))] : [];
}

/** @param {HomeContext} context */
function fillShows({ page, catalogue, shows }) {
  const listed = catalogue.shows.filter((one) => !shows.length || shows.includes(one.show));
  const strips = new Strips((problem) => page.showMessage(problem.message, true));
  return listed.length ? [el("ul", { class: "plain shows-list" }, ...listed.map((one) => el("li", {}, showRow(page, one, strips))))] : [];
}

/** @param {Page} page @param {Show} one @param {Strips} strips */
function showRow(page, one, strips) {
  const strip = el("span", { class: "strip", "aria-hidden": "true" });
  if (one.shots) strips.add(one.show, strip);
  const since = one.searchable_since ? `since ${dayOf(one.searchable_since)}` : "";
  const waiting = one.pending ? `${counted(one.pending, "video")} still being processed` : "";
  const aside = one.set_aside ? `${counted(one.set_aside, "video")} set aside` : "";
  return pageLink(showAddress(page, [one.show]), (address) => page.open(address), { class: "show-row walk" },
    el("span", { class: "show-text" }, el("span", { class: "title" }, one.show),
      el("span", { class: "muted" }, [counted(one.videos, "video"), counted(one.shots, "shot"), lengthOf(one.footage_s), waiting, aside, since].filter(Boolean).join(" · "))),
    strip);
}

/** Fills strips with posters when they come near the screen, several with one request. */
class Strips {
  /** @type {Map<Element, string>} */
  names = new Map();
  /** @type {Element[]} */
  due = [];

  /** @param {(problem: Problem) => void} fail */
  constructor(fail) {
    this.fail = fail;
    this.watcher = new IntersectionObserver((seen) => {
      const near = seen.filter((one) => one.isIntersecting).map((one) => one.target);
      for (const strip of near) this.watcher.unobserve(strip);
      if (near.length && !this.due.length) queueMicrotask(() => this.load());
      this.due.push(...near);
    }, { rootMargin: "600px 0px" });
  }

  /** @param {string} show @param {HTMLElement} strip */
  add(show, strip) {
    this.names.set(strip, show);
    this.watcher.observe(strip);
  }

  async load() {
    const due = this.due.splice(0, this.due.length);
    for (let at = 0; at < due.length; at += AT_ONCE) {
      const strips = new Map(due.slice(at, at + AT_ONCE).map((strip) => [this.names.get(strip) ?? "", strip]));
      try {
        const answer = await showPosters([...strips.keys()], STRIP);
        for (const one of answer.shows) strips.get(one.show)?.replaceChildren(...one.posters.map((poster) => still(poster)));
      } catch (error) {
        if (!(error instanceof Problem)) throw error;
        this.fail(error);
        return;
      }
    }
  }
}

/** @param {import("./dom.js").IconName} sign @param {string} title @param {string} example */
function way(sign, title, example) {
  return el("div", {}, el("dt", {}, icon(sign), title), el("dd", {}, example));
}
