// The row under the search box: which shows, by picture or by dialogue, how relevant at least, and how it is laid out.
import { counted, el } from "./dom.js";
import { popup } from "./popup.js";

export class Filters {
  /** @param {HTMLElement} row @param {{change: (changes: object) => void, adjust: (changes: object) => void}} page */
  constructor(row, page) {
    this.page = page;
    this.find = (id) => row.querySelector(`#${id}`);
    this.shows = [];
    this.query = null;
    popup(this.find("shows"), this.find("shows-panel"), () => this.drawShows());
    popup(this.find("view"), this.find("view-panel"));
    this.find("shows-filter").addEventListener("input", () => this.drawShows());
    for (const radio of row.querySelectorAll("input[name=dialogue]")) {
      radio.addEventListener("change", () => page.change({ dialogue: radio.value }));
    }
    for (const name of ["fold", "titles", "blank", "exact"]) {
      const box = this.find(`show-${name}`);
      box.addEventListener("change", () => page.change({ [name]: box.checked }));
    }
    this.find("shows-none").addEventListener("click", () => page.change({ shows: [] }));
    this.find("group").addEventListener("click", () => page.adjust({ group: !this.query.group }));
    const slider = this.find("relevance");
    slider.addEventListener("input", () => page.adjust({ min: Number(slider.value) / 100 }));
    this.find("show-hidden").addEventListener("click", () => page.adjust({ min: 0 }));
    this.find("relevance-auto").addEventListener("click", () => page.adjust({ min: null }));
  }

  /** @param {import("./address.js").Query} query @param {string[]} probes names of the probes there are */
  show(query) {
    this.query = query;
    const label = query.shows.length === 0 ? "All shows"
      : query.shows.length === 1 ? query.shows[0] : counted(query.shows.length, "show");
    this.find("shows-label").textContent = label;
    this.find("shows").classList.toggle("on", query.shows.length > 0);
    this.find(`dialogue-${query.dialogue}`).checked = true;
    for (const name of ["fold", "titles", "blank", "exact"]) this.find(`show-${name}`).checked = query[name];
    const unusual = !query.fold || query.titles || query.blank || query.exact;
    this.find("view").classList.toggle("on", unusual);
    this.find("group").setAttribute("aria-pressed", String(query.group));
    if (!this.find("shows-panel").hidden) this.drawShows();
  }

  /** @param {number} limit in force @param {{shown: number, hidden: number}} counts @param {boolean} more to come */
  showRelevance(limit, counts, more) {
    const slider = this.find("relevance");
    slider.value = String(Math.round(limit * 100));
    slider.setAttribute("aria-valuetext", `${Math.round(limit * 100)} percent and more`);
    slider.style.setProperty("--part", String(limit));
    this.find("relevance-value").textContent = `${Math.round(limit * 100)} %`;
    const button = this.find("show-hidden");
    button.textContent = counts.hidden ? `${counts.hidden}${more ? "+" : ""} hidden` : "none hidden";
    button.disabled = !counts.hidden;
    button.title = counts.hidden ? "Show them" : "";
    this.find("relevance-auto").hidden = this.query.min === null;
  }

  /** @param {boolean} there whether there are results to narrow */
  setActive(there) {
    this.find("relevance-group").hidden = !there;
  }

  /** @param {{show: string, shots: number, videos: number, pending: number}[]} shows from the service */
  setShows(shows) {
    this.shows = shows;
    if (!this.find("shows-panel").hidden) this.drawShows();
  }

  drawShows() {
    const wanted = this.find("shows-filter").value.toLowerCase();
    this.find("shows-filter").hidden = this.shows.length < 9;
    const missing = this.query.shows.filter((name) => !this.shows.some((one) => one.show === name))
      .map((show) => ({ show, shots: 0 }));
    const listed = [...missing, ...this.shows].filter((one) => one.show.toLowerCase().includes(wanted));
    const list = this.find("shows-list");
    this.find("shows-none").disabled = !this.query.shows.length;
    const drawn = JSON.stringify(listed);
    if (drawn === this.drawn) { // rows stay: a click may be under way on one of them
      for (const box of list.querySelectorAll("input")) box.checked = this.query.shows.includes(box.dataset.show);
      return;
    }
    this.drawn = drawn;
    list.replaceChildren(...listed.map((one) => this.showRow(one)));
    if (!listed.length) list.append(el("p", { class: "muted" }, "No show has that name."));
  }

  showRow(one) {
    const box = el("input", { type: "checkbox", checked: this.query.shows.includes(one.show), "data-show": one.show,
      onchange: () => this.page.change({ shows: box.checked
        ? [...this.query.shows, one.show] : this.query.shows.filter((name) => name !== one.show) }) });
    const note = one.pending ? `${counted(one.pending, "video")} still being processed` : counted(one.videos ?? 0, "video");
    return el("label", { class: "menu-check", title: note }, box, el("span", { class: "grow" }, one.show),
      el("span", { class: "count" }, one.shots.toLocaleString("en")));
  }
}
