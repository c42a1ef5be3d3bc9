// The row under the search box: shows, picture or dialogue, least relevance, and layout.
import { emptyQuery } from "./address.js";
import { byId, counted, el } from "./dom.js";
import { popup } from "./popup.js";
/** @import {Query} from "./address.js" */
/** @import {Show} from "./service.d.ts" */
/** @import {ListedShow, PageActions} from "./types.d.ts" */

const ANY_TEXT = /(^|\s)text:\*(?=\s|$)/;

/** Whether a search asks for any writing. @param {string} text */
function hasText(text) {
  return ANY_TEXT.test(text);
}

/** The text of a search that asks for any writing, or no more. @param {string} text @param {boolean} on */
function withText(text, on) {
  return (on ? `${text} text:*` : text.replace(ANY_TEXT, " ")).trim();
}

const SOUND = /(^|\s)sound:(quiet|loud|silent|speech)(?=\s|$)/i;

/** The kind of sound that a search asks for; empty without one. @param {string} text */
function soundOf(text) {
  return SOUND.exec(text)?.[2].toLowerCase() ?? "";
}

/** The text of a search that asks for a kind of sound, or for none. @param {string} text @param {string} kind */
function withSound(text, kind) {
  const rest = text.replace(SOUND, " ").trim();
  return (kind ? `${rest} sound:${kind}` : rest).trim();
}

const INCLUDED = /** @type {const} */ (["fold", "titles", "blank", "exact"]);
const DIALOGUE = /** @type {const} */ (["auto", "off", "only"]);

export class Filters {
  query = emptyQuery();
  /** @type {Show[]} */
  shows = [];
  drawn = "";
  showsButton = byId("shows", HTMLButtonElement);
  showsPanel = byId("shows-panel", HTMLElement);
  showsFilter = byId("shows-filter", HTMLInputElement);
  showsList = byId("shows-list", HTMLElement);
  showsNone = byId("shows-none", HTMLButtonElement);
  view = byId("view", HTMLButtonElement);
  group = byId("group", HTMLButtonElement);
  written = byId("written", HTMLButtonElement);
  sound = byId("sound", HTMLSelectElement);
  slider = byId("relevance", HTMLInputElement);
  showHidden = byId("show-hidden", HTMLButtonElement);

  /** @param {PageActions} page */
  constructor(page) {
    this.page = page;
    popup(this.showsButton, this.showsPanel, () => this.drawShows());
    popup(this.view, byId("view-panel", HTMLElement));
    this.showsFilter.addEventListener("input", () => this.drawShows());
    for (const dialogue of DIALOGUE) {
      byId(`dialogue-${dialogue}`, HTMLInputElement).addEventListener("change", () => page.change({ dialogue }));
    }
    for (const name of INCLUDED) {
      const box = byId(`show-${name}`, HTMLInputElement);
      box.addEventListener("change", () => page.change({ [name]: box.checked }));
    }
    this.showsNone.addEventListener("click", () => page.change({ shows: [] }));
    this.written.addEventListener("click", () => page.change({ text: withText(page.typed(), !hasText(page.typed())) }));
    this.sound.addEventListener("change", () => page.change({ text: withSound(page.typed(), this.sound.value) }));
    this.group.addEventListener("click", () => page.adjust({ group: !this.query.group }));
    this.slider.addEventListener("input", () => page.adjust({ min: Number(this.slider.value) / 100 }));
    this.showHidden.addEventListener("click", () => page.adjust({ min: null }));
  }

  /** @param {Query} query */
  show(query) {
    this.query = query;
    const label = query.shows.length === 0 ? "All shows"
      : query.shows.length === 1 ? query.shows[0] : counted(query.shows.length, "show");
    byId("shows-label", HTMLElement).textContent = label;
    this.showsButton.classList.toggle("on", query.shows.length > 0);
    byId(`dialogue-${query.dialogue}`, HTMLInputElement).checked = true;
    for (const name of INCLUDED) byId(`show-${name}`, HTMLInputElement).checked = query[name];
    const unusual = !query.fold || query.titles || query.blank || query.exact;
    this.view.classList.toggle("on", unusual);
    this.group.setAttribute("aria-pressed", String(query.group));
    this.written.setAttribute("aria-pressed", String(hasText(query.text)));
    this.sound.value = soundOf(query.text);
    this.sound.classList.toggle("on", this.sound.value !== "");
    if (!this.showsPanel.hidden) this.drawShows();
  }

  /** @param {number} limit least relevance @param {{shown: number, hidden: number}} counts @param {boolean} more to come */
  showRelevance(limit, counts, more) {
    this.slider.value = String(Math.round(limit * 100));
    this.slider.setAttribute("aria-valuetext", `${Math.round(limit * 100)} percent and more`);
    this.slider.style.setProperty("--part", String(limit));
    byId("relevance-value", HTMLElement).textContent = `${Math.round(limit * 100)} %`;
    this.showHidden.textContent = counts.hidden ? `${counts.hidden}${more ? "+" : ""} hidden` : "none hidden";
    this.showHidden.disabled = !counts.hidden;
    this.showHidden.title = counts.hidden ? "Show them" : "";
  }

  /** @param {boolean} there whether there are results to narrow */
  setActive(there) {
    byId("relevance-group", HTMLElement).hidden = !there;
  }

  /** @param {Show[]} shows from the service */
  setShows(shows) {
    this.shows = shows;
    if (!this.showsPanel.hidden) this.drawShows();
  }

  /** @param {number} shots with writing in the picture */
  setWritten(shots) {
    this.written.hidden = !shots && !hasText(this.query.text);
    this.written.title = `Only the ${counted(shots, "shot")} with writing in the picture`;
  }

  /** @param {Record<string, number>} shots by their kind of sound */
  setSound(shots) {
    const known = Object.values(shots).some(Boolean);
    this.sound.hidden = !known && !soundOf(this.query.text);
    for (const option of this.sound.options) {
      const count = shots[option.value] ?? 0;
      option.disabled = option.value !== "" && !count;
      option.textContent = option.value && known
        ? `${option.dataset.name} (${count.toLocaleString("en")})` : option.dataset.name ?? "";
    }
  }

  drawShows() {
    const wanted = this.showsFilter.value.toLowerCase();
    this.showsFilter.hidden = this.shows.length < 9;
    const missing = this.query.shows.filter((name) => !this.shows.some((one) => one.show === name))
      .map((show) => ({ show, shots: 0 }));
    const listed = [...missing, ...this.shows].filter((one) => one.show.toLowerCase().includes(wanted));
    this.showsNone.disabled = !this.query.shows.length;
    const drawn = JSON.stringify(listed);
    if (drawn === this.drawn) { // rows stay: one of them may be being clicked
      for (const box of this.showsList.querySelectorAll("input")) box.checked = this.query.shows.includes(box.dataset.show ?? "");
      return;
    }
    this.drawn = drawn;
    this.showsList.replaceChildren(...listed.map((one) => this.showRow(one)));
    if (!listed.length) this.showsList.append(el("p", { class: "muted" }, "No show has that name."));
  }

  /** @param {ListedShow} one */
  showRow(one) {
    const box = el("input", { type: "checkbox", checked: this.query.shows.includes(one.show), "data-show": one.show,
      onchange: () => { this.page.change({ shows: box.checked
        ? [...this.query.shows, one.show] : this.query.shows.filter((name) => name !== one.show) }); } });
    const note = one.pending ? `${counted(one.pending, "video")} still being processed` : counted(one.videos ?? 0, "video");
    return el("label", { class: "menu-check", title: note }, box, el("span", { class: "grow" }, one.show),
      el("span", { class: "count" }, one.shots.toLocaleString("en")));
  }
}
