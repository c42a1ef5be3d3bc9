// The player: one shot, frame by frame, with marks, its lines, its neighbours, and where it came from.
import { Problem, shot as readShot } from "./api.js";
import { details } from "./details.js";
import { calm, el, icon, iconButton, isTyping, lengthOf, ownTitle } from "./dom.js";
import { handlesOf, MOST_HANDLES, withHandles } from "./exporting.js";
import { GONE } from "./refused.js";
import { rangeOf } from "./selection.js";
import { Shuttle } from "./shuttle.js";
import { fullScreenButton, Sound, toggleFullScreen } from "./stage.js";
import { rateOf, timecodeIn } from "./timecode.js";
import { Timeline } from "./timeline.js";

export class Player {
  /** @param {any} page */
  constructor(page) {
    this.page = page;
    this.shot = null;
    this.full = null;
    this.marks = { in_frame: 0, out_frame: 1 };
    this.build();
    this.shuttle = new Shuttle(this.video);
    this.shuttle.addEventListener("frame", () => this.showFrame());
    this.shuttle.addEventListener("speed", () => this.showSpeed());
    page.selection.addEventListener("change", () => this.shot && this.showMarks());
    page.addEventListener("catalogue", () => this.full && this.showDetails());
    document.body.append(this.dialog);
  }

  build() {
    this.video = el("video", { class: "stage-video", playsinline: true, preload: "auto", tabindex: -1 });
    this.video.addEventListener("click", () => this.shuttle.toggle());
    this.video.addEventListener("error", () => {
      if (this.video.hasAttribute("src")) this.note.textContent = "This preview cannot be played. Was its video forgotten?";
    });
    this.timeline = new Timeline((frame) => { this.shuttle.pause(); this.standAt(frame); });
    this.title = el("h2", { id: "player-title" });
    this.place = el("p", { class: "muted" });
    this.note = el("p", { class: "wrong", role: "alert" });
    this.now = el("output", { class: "now", "aria-label": "Timecode" });
    this.number = el("span", { class: "muted number" });
    this.speed = el("span", { class: "speed", role: "status" });
    this.span = el("div", { class: "span" });
    this.lines = el("div", { class: "player-lines" });
    this.from = el("div", {});
    this.handles = el("input", { type: "number", id: "player-handles", min: 0, max: MOST_HANDLES, step: 1,
      onchange: () => this.page.selection.set({ handles: handlesOf(this.handles.value) }) });
    this.take = el("button", { type: "button", class: "primary", title: "x", onclick: () => this.putIntoTray() });
    this.extra = el("div", { class: "keys-group", hidden: true }); // for who labels
    this.playButton = iconButton("play", "Play", { key: "Space", onclick: () => this.shuttle.toggle() });
    this.playButton.firstChild.classList.add("play");
    this.playButton.append(icon("pause"));
    this.playButton.lastChild.classList.add("pause");
    this.sound = new Sound(this.video);
    this.main = el("div", { class: "player-main" },
      el("div", { class: "stage" }, this.video, this.speed),
      this.timeline.bar,
      el("div", { class: "readout" }, this.now, this.number, this.span),
      this.transport(), this.note);
    this.closeButton = iconButton("close", "Close", { key: "Esc", onclick: () => this.page.closeShot() });
    this.dialog = el("dialog", { class: "player", "aria-labelledby": "player-title" },
      el("header", {}, el("div", { class: "grow" }, this.title, this.place),
        el("div", { class: "stage-tools" }, this.sound.button, this.sound.slider, fullScreenButton(this.main, "f"),
          iconButton("film", "The whole film", { key: "w", onclick: () => this.openFilm() }),
          iconButton("link", "Copy the link to this shot", { onclick: () => this.copyLink() })),
        this.closeButton),
      this.main,
      el("aside", { "aria-label": "About this shot", tabindex: 0 }, this.lines, this.from));
    this.dialog.addEventListener("cancel", (event) => {
      event.preventDefault();
      if (document.fullscreenElement) document.exitFullscreen();
      else this.page.closeShot();
    });
    this.dialog.addEventListener("keydown", (event) => this.key(event));
  }

  transport() {
    const button = (sign, label, key, act) => iconButton(sign, label, { key, onclick: act });
    const text = (label, title, key, act) => el("button", { type: "button", title: `${title} (${key})`, onclick: act }, label);
    this.previous = button("previous", "Previous shot of the film", "[", () => this.neighbour("previous"));
    this.next = button("next", "Next shot of the film", "]", () => this.neighbour("next"));
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
        this.handlesLabel = el("label", { class: "handles", for: "player-handles" }, "Handles", this.handles)),
      el("div", { class: "keys-group end-group" },
        el("button", { type: "button", title: "m", onclick: () => this.example("like") }, "More like this"),
        el("button", { type: "button", title: "n", onclick: () => this.example("unlike") }, "Less"),
        this.take), this.extra);
  }

  /** @param {string} shotId @param {object|null} hit what is known of it already @param {number} [frame] source frame */
  async open(shotId, hit, frame) {
    if (this.shot?.shot_id === shotId && this.dialog.open) return;
    this.wanted = shotId;
    this.note.textContent = "";
    this.full = null;
    delete this.dialog.dataset.shot;
    if (!hit) this.disarm();
    if (!this.dialog.open) this.dialog.showModal();
    if (hit) this.showShot(hit, frame);
    try {
      const full = await readShot(shotId);
      if (this.wanted !== shotId) return;
      this.full = full;
      if (hit) this.refresh();
      else this.showShot(full, frame);
      if (full.frame_times) this.shuttle.setTimes(full.frame_times, full.end_s - full.start_s);
      this.showDetails();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      if (this.wanted !== shotId) return;
      if (hit && error.status !== 404) this.note.textContent = error.message;
      else this.showNothing(error.status === 404 ? GONE : error.message);
    }
  }

  /** No shot: nothing that keys and buttons could act on. What stood there stays until it is known what comes. */
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
    this.wanted = "";
    this.shot = null;
    this.page.played = null;
    this.shuttle.unload();
    if (this.dialog.open) this.dialog.close();
  }

  showShot(hit, frame = hit.match?.start_frame ?? hit.start_frame) {
    this.shot = hit;
    this.dialog.classList.remove("waiting", "no-shot");
    const pick = this.page.selection.find(hit.shot_id) ?? {};
    this.marks = {
      in_frame: pick.in_frame ?? rangeOf(hit).start_frame,
      out_frame: pick.out_frame ?? rangeOf(hit).end_frame,
    };
    this.title.textContent = hit.show;
    this.place.textContent = [ownTitle(hit), `shot of ${lengthOf(hit.end_s - hit.start_s)}`,
      typeof hit.relevance === "number" ? `relevance ${Math.round(hit.relevance * 100)} %` : ""].filter(Boolean).join(" · ");
    this.from.replaceChildren();
    this.video.poster = hit.poster;
    this.shuttle.load(hit.proxy, rateOf(hit.fps), hit.end_frame - hit.start_frame, frame - hit.start_frame, !calm());
    this.refresh();
    this.page.played = { shot: hit, place: this.extra };
    this.page.say("played");
  }

  /** What depends on the full answer: neighbours, and all lines. */
  refresh() {
    this.sound.setPresent(this.full?.video?.has_audio !== false);
    this.previous.disabled = !this.full?.previous;
    this.next.disabled = !this.full?.next;
    const lines = (this.full ?? this.shot).lines ?? [];
    this.lines.replaceChildren(...(lines.length ? [el("h3", {}, "Dialogue")] : []), ...lines.map((line) =>
      el("button", { type: "button", class: "line", onclick: () => this.standAt(line.start_frame) },
        el("span", { class: "said" }, line.text),
        el("span", { class: "timecode" }, `${line.start_timecode} · ${line.source}`))));
    const probes = (this.full ?? this.shot).probes ?? [];
    if (probes.length) {
      this.lines.append(el("h3", {}, "Probes"), el("div", { class: "labels" }, ...probes.map((one) =>
        el("span", { class: "label" }, `${one.probe} ${Math.round(one.score * 100)}`))));
    }
    this.showMarks();
  }

  showDetails() {
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
    const { in_frame, out_frame } = this.marks;
    const { handles, format } = this.page.selection;
    const ends = withHandles(this.marks, handles, this.filmFrames());
    this.handles.value = String(handles);
    this.handlesLabel.title = "Frames more on each side of a clip. Only a zip has them cut; the tray tells what each format does.";
    this.timeline.show({ ...this.shot, lines: (this.full ?? this.shot).lines }, this.marks, ends);
    const rate = rateOf(this.shot.fps);
    const { edges } = this.shuttle;
    const [first, last] = [in_frame, out_frame].map((frame) => edges?.[frame - this.shot.start_frame]);
    const seconds = last - first || ((out_frame - in_frame) * rate.den) / rate.num;
    const part = (name, value) => el("span", {}, el("span", { class: "muted" }, `${name} `), value);
    this.span.replaceChildren(part("in", timecodeIn(this.shot, in_frame, edges)),
      part("out", timecodeIn(this.shot, out_frame - 1, edges)),
      part("length", `${lengthOf(seconds)} · ${out_frame - in_frame} f`),
      ...(handles ? [part(format === "zip" ? "with handles" : "with handles (zip only)", `${ends.tail - ends.head} f`)] : []));
    const pick = this.page.selection.find(this.shot.shot_id);
    const same = pick && pick.in_frame === in_frame && pick.out_frame === out_frame;
    this.take.textContent = !pick ? "Add to tray" : same ? "In the tray" : "Update in tray";
    this.take.disabled = Boolean(same);
    this.showFrame();
  }

  standAt(frame) {
    if (this.shot) this.shuttle.seek(frame - this.shot.start_frame);
  }

  /** Length of the shot's film, once it is known. */
  filmFrames() {
    return this.full?.video?.frames ?? this.page.selection.find(this.shot.shot_id)?.hit.film_frames ?? null;
  }

  /** @param {"in"|"out"|"clear"} which the out mark takes in the frame that is shown */
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

  example(side) {
    if (this.shot) this.page.example(side, this.shot.shot_id);
  }

  neighbour(which) {
    if (this.full?.[which]) this.page.openShot(this.full[which]);
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
      this.note.textContent = `The browser does not let us copy. The link: ${location.href}`;
    }
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target) || !this.shot) return;
    if (event.key === " " && event.target.matches("button:focus-visible")) return;
    if (event.target.matches("input[type=range]") && /^(Arrow|Home|End|Page)/.test(event.key)) return;
    const act = this.actionOf(event);
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  }

  actionOf({ key, shiftKey }) {
    const many = shiftKey ? 10 : 1;
    const { shuttle } = this;
    return {
      " ": () => shuttle.toggle(), k: () => shuttle.pause(), j: () => shuttle.shuttle(-1), l: () => shuttle.shuttle(1),
      ArrowLeft: () => shuttle.step(-many), ArrowRight: () => shuttle.step(many),
      Home: () => shuttle.step(-shuttle.frame), End: () => shuttle.step(shuttle.frames),
      ArrowUp: () => this.result(-1), ArrowDown: () => this.result(1),
      i: () => this.mark("in"), o: () => this.mark("out"), c: () => this.mark("clear"),
      I: () => this.standAt(this.marks.in_frame), O: () => this.standAt(this.marks.out_frame - 1),
      v: () => this.sound.toggle(), "-": () => this.sound.quieter(), "+": () => this.sound.louder(), "=": () => this.sound.louder(),
      f: () => toggleFullScreen(this.main), w: () => this.openFilm(),
      x: () => this.putIntoTray(), m: () => this.example("like"), n: () => this.example("unlike"),
      "[": () => this.neighbour("previous"), "]": () => this.neighbour("next"),
    }[key];
  }
}
