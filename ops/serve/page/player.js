// The player: one shot, frame by frame, with marks, its lines, its neighbours, and where it came from.
import { Problem, shot as readShot } from "./api.js";
import { details } from "./details.js";
import { calm, el, icon, iconButton, inside, isTyping, lengthOf, ownTitle } from "./dom.js";
import { handlesOf, MOST_HANDLES, withHandles } from "./exporting.js";
import { findFollowing } from "./likeness.js";
import { GONE } from "./refused.js";
import { rangeOf } from "./selection.js";
import { Shuttle } from "./shuttle.js";
import { fullScreenButton, Sound, toggleFullScreen } from "./stage.js";
import { rateOf, timecodeIn } from "./timecode.js";
import { Timeline } from "./timeline.js";
/**
 * @import {Page} from "./app.js"
 * @import {IconName} from "./dom.js"
 * @import {ShotAnswer} from "./service.d.ts"
 * @import {PageShot} from "./types.d.ts"
 */

export class Player {
  /** @type {PageShot|null} */
  shot = null;
  /** the service's answer for the shot; null until it is here @type {ShotAnswer|null} */
  full = null;
  /** id of the shot to show */
  wantedShot = "";
  marks = { in_frame: 0, out_frame: 1 };
  video = el("video", { class: "stage-video", playsinline: true, preload: "auto", tabindex: -1 });
  shuttle = new Shuttle(this.video);
  timeline = new Timeline((frame) => { this.shuttle.pause(); this.standAt(frame); });
  title = el("h2", { id: "player-title" });
  place = el("p", { class: "muted" });
  note = el("p", { class: "wrong", role: "alert" });
  now = el("output", { class: "now", "aria-label": "Timecode" });
  number = el("span", { class: "muted number" });
  speed = el("span", { class: "speed", role: "status" });
  span = el("div", { class: "span" });
  lines = el("div", { class: "player-lines" });
  from = el("div", {});
  handles = el("input", { type: "number", id: "player-handles", min: 0, max: MOST_HANDLES, step: 1,
    onchange: () => { this.page.selection.set({ handles: handlesOf(this.handles.value) }); } });
  handlesLabel = el("label", { class: "handles", for: "player-handles",
    title: "Extra frames on each side of a clip. Only a zip has them cut; the tray shows the effect in each format." }, "Handles", this.handles);
  take = el("button", { type: "button", class: "primary", title: "x", onclick: () => { this.putIntoTray(); } });
  extra = el("div", { class: "keys-group", hidden: true }); // for labels
  playButton = iconButton("play", "Play", { key: "Space", onclick: () => { this.shuttle.toggle(); } });
  previous = iconButton("previous", "Previous shot of the film", { key: "[", onclick: () => { this.neighbour("previous"); } });
  next = iconButton("next", "Next shot of the film", { key: "]", onclick: () => { this.neighbour("next"); } });
  sound = new Sound(this.video);
  main = el("div", { class: "player-main" },
    el("div", { class: "stage" }, this.video, this.speed),
    this.timeline.bar,
    el("div", { class: "readout" }, this.now, this.number, this.span),
    this.transport(), this.note);
  closeButton = iconButton("close", "Close", { key: "Esc", onclick: () => { this.page.closeShot(); } });
  dialog = this.build();

  /** @param {Page} page */
  constructor(page) {
    this.page = page;
    this.shuttle.addEventListener("frame", () => this.showFrame());
    this.shuttle.addEventListener("speed", () => this.showSpeed());
    this.video.addEventListener("click", () => this.shuttle.toggle());
    this.video.addEventListener("error", () => {
      if (this.video.hasAttribute("src")) this.note.textContent = "This preview cannot be played. Was its video forgotten?";
    });
    page.selection.addEventListener("change", () => this.shot && this.showMarks());
    page.on("catalogue", () => this.full && this.showDetails());
    document.body.append(this.dialog);
  }

  /** @returns {HTMLDialogElement} */
  build() {
    inside(this.playButton, "svg", SVGElement).classList.add("play");
    const pause = icon("pause");
    pause.classList.add("pause");
    this.playButton.append(pause);
    const dialog = el("dialog", { class: "player", "aria-labelledby": "player-title" },
      el("header", {}, el("div", { class: "grow" }, this.title, this.place),
        el("div", { class: "stage-tools" }, this.sound.button, this.sound.slider, fullScreenButton(this.main, "f"),
          iconButton("film", "The whole film", { key: "w", onclick: () => this.openFilm() }),
          iconButton("link", "Copy the link to this shot", { onclick: () => this.copyLink() })),
        this.closeButton),
      this.main,
      el("aside", { "aria-label": "About this shot", tabindex: 0 }, this.lines, this.from));
    dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      if (document.fullscreenElement) document.exitFullscreen();
      else this.page.closeShot();
    });
    dialog.addEventListener("keydown", (event) => this.key(event));
    return dialog;
  }

  /** @returns {HTMLElement} */
  transport() {
    const button = (/** @type {IconName} */ sign, /** @type {string} */ label, /** @type {string} */ key, /** @type {() => void} */ act) =>
      iconButton(sign, label, { key, onclick: act });
    const text = (/** @type {string} */ label, /** @type {string} */ title, /** @type {string} */ key, /** @type {() => void} */ act) =>
      el("button", { type: "button", title: `${title} (${key})`, onclick: act }, label);
    return el("div", { class: "transport" },
      el("div", { class: "keys-group" }, this.previous,
        button("stepback", "One frame back", "←", () => this.shuttle.step(-1)),
        button("back", "Backwards", "j", () => this.shuttle.shuttle(-1)),
        this.playButton,
        button("forward", "Forwards", "l", () => this.shuttle.shuttle(1)),
        button("stepforward", "One frame on", "→", () => this.shuttle.step(1)),
        this.next),
      el("div", { class: "keys-group" },
        text("In", "Mark in", "i", () => this.mark("in")), text("Out", "Mark out", "o", () => this.mark("out")),
        text("Clear", "Whole shot", "c", () => this.mark("clear")),
        this.handlesLabel),
      el("div", { class: "keys-group end-group" },
        el("button", { type: "button", title: "m", onclick: () => this.example("like") }, "More like this"),
        text("What could follow", "Shots that begin as this one ends: match cuts", "e", () => this.follow()),
        el("button", { type: "button", title: "n", onclick: () => this.example("unlike") }, "Less"),
        this.take), this.extra);
  }

  /** @param {string} shotId @param {PageShot|null} hit the shot if it is known already @param {number} [frame] source frame */
  async open(shotId, hit, frame) {
    if (this.shot?.shot_id === shotId && this.dialog.open) return;
    this.wantedShot = shotId;
    this.note.textContent = "";
    this.full = null;
    delete this.dialog.dataset.shot;
    if (!hit) this.disarm();
    if (!this.dialog.open) this.dialog.showModal();
    if (hit) this.showShot(hit, frame);
    try {
      const full = await readShot(shotId);
      if (this.wantedShot !== shotId) return;
      this.full = full;
      if (hit) this.refresh();
      else this.showShot(full, frame);
      if (full.frame_times) this.shuttle.setTimes(full.frame_times, full.end_s - full.start_s);
      this.showDetails();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (this.wantedShot !== shotId) return;
      if (hit && error.status !== 404) this.note.textContent = error.message;
      else this.showNothing(error.status === 404 ? GONE : error.message);
    }
  }

  /** Without a shot, keys and buttons do nothing. The last shot stays on the screen until the next one is known. */
  disarm() {
    this.shot = null;
    this.page.played = null;
    this.shuttle.pause();
    this.dialog.classList.add("waiting");
    if (this.dialog.open && !this.dialog.matches(".no-shot")) return;
    this.title.textContent = "Opening…";
    this.place.textContent = "";
  }

  /** @param {string} why there is no shot */
  showNothing(why) {
    this.disarm();
    this.shuttle.unload();
    this.video.removeAttribute("poster");
    this.dialog.classList.add("no-shot");
    this.title.textContent = "This shot cannot be shown";
    this.place.textContent = "";
    this.lines.replaceChildren();
    this.from.replaceChildren();
    this.note.textContent = why;
    this.closeButton.focus();
  }

  close() {
    this.wantedShot = "";
    this.shot = null;
    this.page.played = null;
    this.shuttle.unload();
    if (this.dialog.open) this.dialog.close();
  }

  /** @param {PageShot} hit @param {number} frame */
  showShot(hit, frame = hit.match?.start_frame ?? hit.start_frame) {
    this.shot = hit;
    this.dialog.classList.remove("waiting", "no-shot");
    const pick = this.page.selection.find(hit.shot_id);
    const { start_frame, end_frame } = rangeOf(hit);
    this.marks = { in_frame: pick?.in_frame ?? start_frame, out_frame: pick?.out_frame ?? end_frame };
    this.title.textContent = hit.show;
    this.place.textContent = [ownTitle(hit), `shot of ${lengthOf(hit.end_s - hit.start_s)}`,
      typeof hit.relevance === "number" ? `relevance ${Math.round(hit.relevance * 100)} %` : ""].filter(Boolean).join(" · ");
    this.from.replaceChildren();
    this.video.poster = hit.poster;
    this.shuttle.load(hit.proxy, rateOf(hit.fps), hit.end_frame - hit.start_frame, frame - hit.start_frame, !calm());
    this.refresh();
    this.page.played = { shot: hit, place: this.extra };
    this.page.emit("played");
  }

  /** Show the parts that depend on the full answer: neighbours, and all lines. */
  refresh() {
    this.sound.setPresent(this.full?.video?.has_audio !== false);
    this.previous.disabled = !this.full?.previous;
    this.next.disabled = !this.full?.next;
    const lines = (this.full ?? this.shot)?.lines ?? [];
    this.lines.replaceChildren(...(lines.length ? [el("h3", {}, "Dialogue")] : []), ...lines.map((line) =>
      el("button", { type: "button", class: "line", onclick: () => this.standAt(line.start_frame) },
        el("span", { class: "said" }, line.text),
        el("span", { class: "timecode" }, `${line.start_timecode} · ${line.source}`))));
    const texts = (this.full ?? this.shot)?.texts ?? [];
    if (texts.length) {
      this.lines.append(el("h3", {}, "Written"), ...texts.map((text) =>
        el("button", { type: "button", class: "line", onclick: () => this.standAt(text.start_frame) },
          el("span", { class: "written" }, text.text), el("span", { class: "timecode" }, text.start_timecode))));
    }
    const probes = (this.full ?? this.shot)?.probes ?? [];
    if (probes.length) {
      this.lines.append(el("h3", {}, "Probes"), el("div", { class: "labels" }, ...probes.map((one) =>
        el("span", { class: "label" }, `${one.probe} ${Math.round(one.score * 100)}`))));
    }
    this.showMarks();
  }

  showDetails() {
    if (!this.full) return;
    this.dialog.dataset.shot = this.full.shot_id;
    this.from.replaceChildren(el("h3", { class: "details-title" }, "Where this came from"),
      details(this.full, this.page.catalogue, this.page.query.shows));
  }

  showFrame() {
    if (!this.shot) return;
    const frame = this.shot.start_frame + this.shuttle.frame;
    this.now.textContent = timecodeIn(this.shot, frame, this.shuttle.edges);
    this.number.textContent = `frame ${frame}`;
    this.timeline.stand(frame);
  }

  showSpeed() {
    const { speed } = this.shuttle;
    this.speed.textContent = speed && speed !== 1 ? `${speed} ×` : "";
    this.playButton.setAttribute("aria-label", speed ? "Pause" : "Play");
    this.dialog.classList.toggle("running", speed !== 0);
  }

  showMarks() {
    const { shot } = this;
    if (!shot) return;
    const { in_frame, out_frame } = this.marks;
    const { handles, format } = this.page.selection;
    const ends = withHandles(this.marks, handles, this.filmFrames());
    this.handles.value = String(handles);
    this.timeline.show({ ...shot, lines: (this.full ?? shot).lines }, this.marks, ends);
    const rate = rateOf(shot.fps);
    const { edges } = this.shuttle;
    const [first, last] = [in_frame, out_frame].map((frame) => edges?.[frame - shot.start_frame] ?? NaN);
    const seconds = last - first || ((out_frame - in_frame) * rate.den) / rate.num;
    const part = (/** @type {string} */ name, /** @type {string} */ value) => el("span", {}, el("span", { class: "muted" }, `${name} `), value);
    this.span.replaceChildren(part("in", timecodeIn(shot, in_frame, edges)),
      part("out", timecodeIn(shot, out_frame - 1, edges)),
      part("length", `${lengthOf(seconds)} · ${out_frame - in_frame} f`),
      ...(handles ? [part(format === "zip" ? "with handles" : "with handles (zip only)", `${ends.tail - ends.head} f`)] : []));
    const pick = this.page.selection.find(shot.shot_id);
    const same = pick && pick.in_frame === in_frame && pick.out_frame === out_frame;
    this.take.textContent = !pick ? "Add to tray" : same ? "In the tray" : "Update in tray";
    this.take.disabled = Boolean(same);
    this.showFrame();
  }

  /** @param {number} frame source frame */
  standAt(frame) {
    if (this.shot) this.shuttle.seek(frame - this.shot.start_frame);
  }

  /** Length of the shot's video, if it is known. */
  filmFrames() {
    const pick = this.shot && this.page.selection.find(this.shot.shot_id);
    return this.full?.video.frames ?? pick?.hit.film_frames ?? null;
  }

  /** @param {"in"|"out"|"clear"} which the out mark includes the current frame */
  mark(which) {
    if (!this.shot) return;
    const frame = this.shot.start_frame + this.shuttle.frame;
    const { start_frame, end_frame } = this.shot;
    if (which === "clear") this.marks = { in_frame: start_frame, out_frame: end_frame };
    if (which === "in") this.marks = { in_frame: frame, out_frame: this.marks.out_frame > frame ? this.marks.out_frame : end_frame };
    if (which === "out") this.marks = { in_frame: this.marks.in_frame <= frame ? this.marks.in_frame : start_frame, out_frame: frame + 1 };
    this.showMarks();
  }

  putIntoTray() {
    if (!this.shot) return;
    const { in_frame, out_frame } = this.marks;
    this.page.selection.put({ ...this.shot, film_frames: this.filmFrames() ?? undefined }, this.page.originOf(this.shot), in_frame, out_frame);
  }

  /** @param {"like"|"unlike"} side */
  example(side) {
    if (this.shot) this.page.example(side, this.shot.shot_id);
  }

  follow() {
    if (this.shot) findFollowing(this.page, this.shot.shot_id);
  }

  /** @param {"previous"|"next"} which */
  neighbour(which) {
    const shotId = this.full?.[which];
    if (shotId) this.page.openShot(shotId);
  }

  openFilm() {
    if (this.shot) this.page.openFilm(this.shot.video_id, this.shot.start_frame + this.shuttle.frame);
  }

  /** The result before or after this one. @param {number} way */
  result(way) {
    const hits = this.page.list.shownHits();
    const at = hits.findIndex((hit) => hit.shot_id === this.shot?.shot_id);
    const hit = hits[at + way];
    if (at >= 0 && hit) this.page.openShot(hit);
  }

  async copyLink() {
    try {
      await navigator.clipboard.writeText(location.href);
      this.speed.textContent = "link copied";
    } catch {
      this.note.textContent = `The browser does not allow copying. The link: ${location.href}`;
    }
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    const { key, target } = event;
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(target) || !this.shot) return;
    if (key === " " && target instanceof Element && target.matches("button:focus-visible")) return;
    if (target instanceof HTMLInputElement && target.type === "range" && /^(Arrow|Home|End|Page)/.test(key)) return;
    const act = this.actionOf(event);
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  /** @param {KeyboardEvent} event */
  actionOf({ key, shiftKey }) {
    const many = shiftKey ? 10 : 1;
    const { shuttle } = this;
    /** @type {Record<string, (() => void)|undefined>} */
    const actions = {
      " ": () => shuttle.toggle(), k: () => shuttle.pause(), j: () => shuttle.shuttle(-1), l: () => shuttle.shuttle(1),
      ArrowLeft: () => shuttle.step(-many), ArrowRight: () => shuttle.step(many),
      Home: () => shuttle.step(-shuttle.frame), End: () => shuttle.step(shuttle.frames),
      ArrowUp: () => this.result(-1), ArrowDown: () => this.result(1),
      i: () => this.mark("in"), o: () => this.mark("out"), c: () => this.mark("clear"),
      I: () => this.standAt(this.marks.in_frame), O: () => this.standAt(this.marks.out_frame - 1),
      v: () => this.sound.toggle(), "-": () => this.sound.quieter(), "+": () => this.sound.louder(), "=": () => this.sound.louder(),
      f: () => toggleFullScreen(this.main), w: () => this.openFilm(),
      x: () => this.putIntoTray(), m: () => this.example("like"), n: () => this.example("unlike"), e: () => this.follow(),
      "[": () => this.neighbour("previous"), "]": () => this.neighbour("next"),
    };
    return actions[key];
  }
}
