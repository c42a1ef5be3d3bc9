// People: a button in the row of filters, and a panel with the faces of the catalogue, to filter by, name and merge.
import { changePerson, peopleOf, personFaces } from "./api.js";
import { byId, counted, el } from "./dom.js";
import { FaceLikeness, pictureOf } from "./facelike.js";
import { popup } from "./popup.js";
import { who } from "./who.js";
/**
 * @import {Page} from "./app.js"
 * @import {PeopleAnswer, PersonChangeBody, PersonEntry} from "./service.d.ts"
 */

const MOST_SHOWN = 200;
const TYPED = /(^|\s)-?person:("[^"]*"|\S+)/gu;

/** The filter for a person, as it is typed. @param {PersonEntry} person */
function filterFor(person) {
  const name = person.name || person.person_id;
  return /^[\p{L}\p{N}_-]+$/u.test(name) ? `person:${name}` : `person:"${name.replaceAll('"', "")}"`;
}

/** @param {PersonEntry} one */
const titleOf = (one) => one.name || "this person";

export class People {
  button = byId("people", HTMLButtonElement);
  panel = byId("people-panel", HTMLElement);
  message = el("p", { role: "status", tabindex: -1 });
  list = el("ul", { class: "plain people-list" });
  /** @type {PersonEntry[]} */
  people = [];
  /** Ids of people whose faces are shown. @type {Set<string>} */
  opened = new Set();

  /** @param {Page} page */
  constructor(page) {
    this.page = page;
    document.head.append(el("link", { rel: "stylesheet", href: "/page/people.css" }));
    this.likeness = new FaceLikeness(this);
    this.panel.append(this.message, this.likeness.place, this.list);
    this.popup = popup(this.button, this.panel, () => { this.load(); });
    page.on("catalogue", () => { this.load(); });
  }

  /** @param {string} text @param {boolean} [bad] */
  showMessage(text, bad = false) {
    this.message.classList.toggle("wrong", bad);
    this.message.textContent = text;
  }

  load() {
    return this.ask(async () => this.show(await peopleOf()));
  }

  /** @param {() => Promise<void>} act */
  async ask(act) {
    try {
      await act();
    } catch (error) {
      this.showMessage(error instanceof Error ? error.message : String(error), true);
    }
  }

  /** @param {PeopleAnswer} answer */
  show(answer) {
    this.people = answer.people;
    this.button.hidden = !this.people.length;
    const more = this.people.length - MOST_SHOWN;
    this.showMessage(more > 0 ? `${counted(more, "person", "people")} with fewer shots are not shown.` : "");
    if (!this.panel.hidden) this.list.replaceChildren(...this.people.slice(0, MOST_SHOWN).map((one) => this.row(one)));
  }

  /** @param {PersonEntry} one */
  row(one) {
    const title = one.name || "No name yet";
    const shows = one.shows.map((each) => `${each.show}: ${each.shots}`).join("\n");
    const name = el("input", { type: "text", maxlength: 120, value: one.name, "aria-label": `Name of ${title}`, placeholder: "Name" });
    const form = el("form", { class: "row", "data-needs": "label" }, name, el("button", { class: "quiet" }, "Save"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.change(() => this.post(one.person_id, { action: "name", name: name.value }));
    });
    const faces = el("ul", { class: "faces", hidden: true });
    const all = el("button", { type: "button", class: "quiet", "aria-expanded": "false", onclick: () => { this.toggle(one, faces, all); } }, "Faces");
    if (this.opened.has(one.person_id)) this.toggle(one, faces, all);
    return el("li", {},
      el("div", { class: "row" },
        el("button", { type: "button", class: "face", title: `Only shots with ${title}\n${shows}`, "aria-label": `Only the ${counted(one.shots, "shot")} with ${title}`,
          onclick: () => { this.filter(one); } },
        el("img", { src: pictureOf(one.face_id), alt: "", width: 56, height: 56, loading: "lazy" })),
        el("div", { class: "grow" }, el("strong", { class: "title" }, title),
          el("p", { class: "muted" }, `${counted(one.shots, "shot")} in ${one.shows.map((each) => each.show).slice(0, 3).join(", ")}`), form),
        el("div", { class: "acts" }, all, this.merging(one))),
      faces);
  }

  /** Choose who is the same, then merge: a menu alone would merge at each arrow key. @param {PersonEntry} one */
  merging(one) {
    const others = this.people.filter((each) => each.person_id !== one.person_id && each.name);
    const choice = el("select", { "aria-label": `Who ${one.name || "this"} also is` },
      el("option", { value: "" }, "Same as…"), ...others.map((each) => el("option", { value: each.person_id }, each.name)));
    const form = el("form", { class: "acts", "data-needs": "label" }, choice, el("button", { class: "quiet" }, "Merge"));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const other = others.find((each) => each.person_id === choice.value);
      if (!other) return;
      this.change(() => this.post(other.person_id, { action: "merge", other_id: one.person_id }),
        `${one.name || "A person without a name"} and ${titleOf(other)} are one person now.`,
        () => this.post(other.person_id, { action: "unmerge", other_id: one.person_id }), one.person_id);
    });
    return others.length > 0 && form;
  }

  /** Show or hide the faces of a person. @param {PersonEntry} one @param {HTMLElement} list @param {HTMLElement} button */
  toggle(one, list, button) {
    list.hidden = !list.hidden;
    button.setAttribute("aria-expanded", String(!list.hidden));
    if (list.hidden) this.opened.delete(one.person_id);
    else this.opened.add(one.person_id);
    if (list.hidden) return;
    this.ask(async () => {
      const { faces } = await personFaces(one.person_id);
      list.replaceChildren(...faces.map((face) => el("li", {},
        el("img", { src: pictureOf(face.face_id), alt: `${face.show}, frame ${face.frame}`, width: 72, height: 72, loading: "lazy" }),
        el("button", { type: "button", class: "quiet", "aria-label": `More faces like that of frame ${face.frame}`,
          onclick: () => { this.likeness.findFace(face.face_id, one); } }, "More like it"),
        el("button", { type: "button", class: "quiet", "data-needs": "label", "aria-label": `Frame ${face.frame} is not this person`,
          onclick: () => { this.takeAway(one, "reject", face.face_id); } }, "Not them"),
        faces.length > 1 && el("button", { type: "button", class: "quiet", "data-needs": "label", "aria-label": `Frame ${face.frame} is another person`,
          onclick: () => { this.takeAway(one, "split", face.face_id); } }, "Another"))));
    });
  }

  /** @param {string} personId @param {Omit<PersonChangeBody, "author">} change */
  post(personId, change) {
    return changePerson(personId, { ...change, author: who() });
  }

  /** @param {PersonEntry} one @param {"reject"|"split"} action @param {string} faceId */
  takeAway(one, action, faceId) {
    const text = `A face was taken away from ${titleOf(one)}.`;
    this.change(() => this.post(one.person_id, { action, faces: [faceId] }), text,
      () => this.post(one.person_id, { action: "assign", faces: [faceId] }));
  }

  /**
   * Make a change, and offer to undo it.
   * @param {() => Promise<PeopleAnswer>} act @param {string} [text] @param {() => Promise<PeopleAnswer>} [undo]
   * @param {string} [merged] id of a person who is another one now
   */
  change(act, text = "", undo = undefined, merged = "") {
    return this.ask(async () => {
      const before = this.people;
      this.show(await act());
      await this.likeness.refresh();
      if (!undo) return;
      const faceless = before.filter((one) => one.name && one.person_id !== merged && !this.people.some((each) => each.person_id === one.person_id));
      this.showMessage([text, ...faceless.map((one) => `${one.name} has no face left.`), ""].join(" "));
      const button = el("button", { type: "button", class: "quiet", onclick: () => {
        this.change(undo).then(() => {
          if (this.message.textContent === "") this.showMessage("Undone.");
          this.message.focus();
        });
      } }, "Undo");
      this.message.append(button);
      button.focus({ preventScroll: true });
    });
  }

  /** Show a face in its shot. @param {string} shotId @param {number} frame */
  open(shotId, frame) {
    this.popup.close();
    this.page.openShot(shotId, frame);
  }

  /** @param {PersonEntry} one */
  filter(one) {
    this.popup.close();
    this.page.change({ text: `${this.page.typed().replace(TYPED, " ").trim()} ${filterFor(one)}`.trim() });
  }
}
