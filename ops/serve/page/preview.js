// Posters that move: one muted video plays over the poster under the pointer, and the pointer scrubs through it.
import { calm, el } from "./dom.js";

const DWELL_MS = 90; // a pointer that only passes by loads nothing
const REST_MS = 450; // when a scrubbing pointer rests, the shot plays on

/** @typedef {{box: HTMLElement, video: HTMLVideoElement, line: HTMLElement, rest: number, run: boolean}} Preview */

/** @type {Preview|null} */
let playing = null;

/** Make a poster move. @param {HTMLElement} box the poster's box @param {string} proxy address of the shot's video */
export function addPreview(box, proxy) {
  let timer = 0;
  box.addEventListener("pointerenter", (event) => {
    if (event.pointerType === "touch") return;
    timer = setTimeout(() => startPreview(box, proxy, !calm()), DWELL_MS);
  });
  box.addEventListener("pointermove", (event) => {
    if (event.pointerType !== "touch" && playing?.box === box) scrub(playing, event.clientX);
  });
  box.addEventListener("pointerleave", () => {
    clearTimeout(timer);
    if (playing?.box === box) stopPreview();
  });
}

/** Play over a poster without a pointer, or stop it again. @param {HTMLElement} box @param {string} proxy */
export function togglePreview(box, proxy) {
  if (playing?.box !== box) startPreview(box, proxy, true);
  else stopPreview();
}

/** End the preview that plays, wherever it is. */
export function stopPreview() {
  if (!playing) return;
  clearTimeout(playing.rest);
  playing.video.removeAttribute("src");
  playing.video.load(); // closes the connection
  playing.video.remove();
  playing.line.remove();
  playing.box.classList.remove("moving");
  playing = null;
}

/** @param {HTMLElement} box @param {string} proxy @param {boolean} run */
function startPreview(box, proxy, run) {
  stopPreview();
  const video = el("video", { class: "preview", src: proxy, preload: "auto", muted: true, loop: true,
    playsinline: true, tabindex: -1, "aria-hidden": "true" });
  const line = el("span", { class: "preview-line", "aria-hidden": "true" });
  /** @type {Preview} */
  const mine = { box, video, line, rest: 0, run };
  playing = mine;
  video.addEventListener("loadeddata", () => box.classList.add("moving"), { once: true });
  video.addEventListener("timeupdate", () => { if (playing === mine) showPosition(mine); });
  box.append(video, line);
  if (run) resume(mine);
}

/** @param {Preview} preview @param {number} x of the pointer */
function scrub(preview, x) {
  const { box, video } = preview;
  if (!(video.duration > 0)) return;
  const edges = box.getBoundingClientRect();
  const part = Math.min(Math.max((x - edges.left) / edges.width, 0), 1);
  video.pause();
  video.currentTime = part * Math.max(video.duration - 0.02, 0);
  showPosition(preview);
  clearTimeout(preview.rest);
  if (preview.run) preview.rest = setTimeout(() => { if (playing === preview) resume(preview); }, REST_MS);
}

/** @param {Preview} preview */
function resume(preview) {
  preview.video.play().catch(() => {}); // removed before it could start: nothing to do
}

/** @param {Preview} preview */
function showPosition({ video, line }) {
  if (video.duration > 0) line.style.transform = `scaleX(${video.currentTime / video.duration})`;
}
