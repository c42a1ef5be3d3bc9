// Posters of videos and shows, as links, and the arrow keys that move between them. For the start page and shows.
import { counted, dayOf, el, lengthOf, ownTitle, pageLink, showPoster } from "./dom.js";
import { emptyQuery, writeAddress } from "./address.js";
import { neighbour } from "./grid.js";
/**
 * @import {Page} from "./app.js"
 * @import {Poster, VideoEntry} from "./service.d.ts"
 */

const WIDTH = 300; // of a poster, at most

/** A picture that may be missing. @param {Poster} poster @param {boolean} [soon] on the screen at once */
export function still({ poster }, soon = false) {
  const image = el("img", { alt: "", loading: soon ? "eager" : "lazy", decoding: "async", width: 320, height: 180,
    onerror: () => { image.classList.add("gone"); } });
  showPoster(image, poster, WIDTH);
  return image;
}

/** The address of a film; shows, filters and words of the query stay. @param {Page} page @param {string} videoId @param {number|null} [frame] */
export function filmAddress(page, videoId, frame = null) {
  return writeAddress({ ...page.query, shot: "", film: videoId, frame });
}

/** The address of a show, or of all: the query's settings stay, its words do not. @param {Page} page @param {string[]} shows */
export function showAddress(page, shows) {
  const { dialogue, fold, blank, titles, exact, group } = page.query;
  return writeAddress({ ...emptyQuery(), dialogue, fold, blank, titles, exact, group, shows });
}

/**
 * A video: its posters and its facts. Without shots there is no film to open.
 * @param {Page} page @param {VideoEntry} video @param {{shownShow: boolean, strip: boolean}} look whether the show is named, and all posters are shown
 */
export function videoCard(page, video, { shownShow, strip }) {
  const { posters } = video;
  const first = posters[Math.floor(posters.length / 2)];
  const open = (/** @type {number|null} */ frame) => () => page.openFilm(video.video_id, frame);
  const name = nameOf(video, shownShow);
  const picture = el("span", { class: "poster" }, first ? still(first) : null,
    video.seconds > 0 && el("span", { class: "length" }, lengthOf(video.seconds)));
  const text = el("span", { class: "video-name", title: video.path }, name);
  const head = first ? pageLink(filmAddress(page, video.video_id), open(null), { class: "video-link walk" }, picture, text)
    : el("div", { class: "video-link" }, picture, text);
  return el("li", { class: "video", "data-video": video.video_id }, head,
    strip && posters.length > 1 && el("div", { class: "video-strip" }, ...posters.map((one) =>
      pageLink(filmAddress(page, video.video_id, one.start_frame), open(one.start_frame),
        { tabindex: -1, "aria-label": `Open ${name} at ${lengthOf(one.start_s)}`, title: `at ${lengthOf(one.start_s)}` }, still(one)))),
    el("p", { class: "video-facts muted" }, factsOf(video, strip)),
    video.state === "set_aside" && el("p", { class: "video-facts wrong" }, `Set aside: ${video.reason}`));
}

/** @param {VideoEntry} video @param {boolean} shownShow */
function nameOf(video, shownShow) {
  const { show, season, episode } = video;
  const number = [season !== null && `S${season}`, episode !== null && `E${episode}`].filter(Boolean).join(" ");
  const own = ownTitle(video);
  return [shownShow || !(own || number) ? show : "", number, own].filter(Boolean).join(" · ");
}

/** @param {VideoEntry} video @param {boolean} all of the facts, or only size and date */
function factsOf(video, all) {
  const { fps, width, height, codec, has_audio, start_timecode } = video;
  const [num, den] = (fps ?? "").split("/").map(Number);
  const picture = [width && height ? `${width}×${height}` : "", num && den ? `${Number((num / den).toFixed(3))} fps` : "", codec ?? "",
    has_audio === false ? "no sound" : "", start_timecode && !/^[0:;]+$/.test(start_timecode) ? `starts ${start_timecode}` : ""];
  const since = video.searchable_since ? `since ${dayOf(video.searchable_since)}` : "";
  const state = video.state === "pending" ? "still being processed" : "";
  return [video.shots ? counted(video.shots, "shot") : "", ...(all ? picture : []), state, since].filter(Boolean).join(" · ");
}

/** Let arrow keys move between the links of a place. @param {HTMLElement} place */
export function walk(place) {
  place.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const links = [...place.querySelectorAll("a.walk")].filter((one) => one instanceof HTMLElement);
    const at = links.findIndex((one) => one === document.activeElement);
    if (at < 0) return;
    /** @type {Record<string, () => HTMLElement|undefined>} */
    const ways = { ArrowRight: () => links[at + 1], ArrowLeft: () => links[at - 1], Home: () => links[0], End: () => links.at(-1),
      ArrowDown: () => neighbour(links, at, true), ArrowUp: () => neighbour(links, at, false) };
    const way = ways[event.key];
    if (!way) return;
    event.preventDefault();
    way()?.focus();
  });
}
