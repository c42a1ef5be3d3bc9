// One show: its videos with posters and facts, as links to their films. More are fetched before the end is reached.
import { Problem, videos } from "./api.js";
import { counted, dayOf, el, icon, lengthOf, loadStyle, pageLink } from "./dom.js";
import { showAddress, videoCard, walk } from "./posters.js";
/**
 * @import {Page} from "./app.js"
 * @import {Catalogue} from "./types.d.ts"
 */

const PAGE = 48; // videos

export class ShowView {
  name = "";
  version = "";
  /** videos in the page, and in the show */
  count = 0;
  total = 0;
  fetching = false;
  title = el("h1", {});
  facts = el("p", { class: "muted" });
  list = el("ul", { class: "videos" });
  end = el("div", { class: "end", "aria-hidden": "true" });
  wrong = el("p", { class: "wrong", role: "alert" });
  back = el("p", {});
  whole = el("div", { class: "show-view" }, this.back, el("div", {}, this.title, this.facts), this.wrong, this.list, this.end);

  /** @param {Page} page */
  constructor(page) {
    this.page = page;
    this.style = loadStyle("around.css");
    walk(this.whole);
    this.watcher = new IntersectionObserver((seen) => {
      if (seen.some((one) => one.isIntersecting)) this.fetchMore();
    }, { rootMargin: "0px 0px 1200px 0px" });
  }

  /** Show a show; what is on the page stays if nothing has changed. @param {Catalogue|null} catalogue @param {string} name */
  async show(catalogue, name) {
    const { page } = this;
    const one = catalogue?.shows.find((each) => each.show === name);
    this.title.textContent = name;
    this.facts.textContent = !catalogue ? "\u00a0" : !one ? "No show has this name." : [counted(one.videos, "video"), counted(one.shots, "shot"), lengthOf(one.footage_s),
      one.pending ? `${one.pending} still being processed` : "", one.set_aside ? `${one.set_aside} set aside` : "",
      one.searchable_since ? `last new ${dayOf(one.searchable_since)}` : ""].filter(Boolean).join(" · ");
    this.back.replaceChildren(pageLink(showAddress(page, []), (address) => page.open(address), { class: "walk back-link" }, icon("stepback"), "All shows"));
    const version = JSON.stringify([catalogue?.index_version, one]);
    if (!catalogue || (this.name === name && this.version === version)) return;
    Object.assign(this, { name, version, count: 0, total: 0, fetching: false });
    this.list.replaceChildren();
    await this.style;
    this.fetchMore();
  }

  async fetchMore() {
    const { name, version, count } = this;
    if (this.fetching || (count && count >= this.total)) return;
    this.fetching = true;
    this.wrong.textContent = "";
    const isSame = () => name === this.name && version === this.version;
    try {
      const answer = await videos({ show: name, offset: count, limit: PAGE });
      if (!isSame()) return;
      this.list.append(...answer.videos.map((video) => videoCard(this.page, video, { shownShow: false, strip: true })));
      this.count = count + answer.videos.length;
      this.total = answer.videos.length ? answer.total : this.count;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (isSame()) this.wrong.textContent = error.message;
      return;
    } finally {
      if (isSame()) this.fetching = false;
    }
    this.watcher.unobserve(this.end);
    this.watcher.observe(this.end);
  }
}
