// Faces like a face, or like the one in a picture that is chosen or dropped: a list in the panel of people.
import { createPerson, facesLike, facesLikePicture } from "./api.js";
import { el, present } from "./dom.js";
import { who } from "./who.js";
/**
 * @import {ComparedPicture, FaceLike, FacesLikeAnswer, PersonEntry} from "./service.d.ts"
 * @import {People} from "./people.js"
 */

/** @param {string} faceId */
export const pictureOf = (faceId) => `/media/faces/${encodeURIComponent(faceId)}.jpg`;

export class FaceLikeness {
  input = el("input", { type: "file", accept: "image/*", hidden: true });
  choose = el("button", { type: "button", class: "quiet", onclick: () => { this.input.click(); } }, "Find by a picture…");
  hint = el("span", { class: "muted" }, "or drop one here");
  list = el("ul", { class: "faces", "aria-label": "Faces, the most alike first" });
  heading = el("strong", { tabindex: -1 });
  note = el("p", { class: "row muted" });
  names = el("datalist", { id: "people-names" });
  name = el("input", { type: "text", maxlength: 120, list: "people-names", "aria-label": "Who they are", placeholder: "Who are they?" });
  naming = el("div", { class: "row", "data-needs": "label" }, this.name, this.names);
  results = el("section", { hidden: true, "aria-label": "Faces like one" },
    el("div", { class: "row" }, this.heading, el("button", { type: "button", class: "quiet", onclick: () => { this.close(); } }, "Close")),
    this.note, this.naming, this.list);
  place = el("div", { class: "face-likeness" }, el("div", { class: "row" }, this.choose, this.hint, this.input), this.results);
  /** The person whose face was compared, if it has one. @type {PersonEntry|undefined} */
  person = undefined;
  /** @type {(() => Promise<FacesLikeAnswer>)|undefined} */
  find = undefined;

  /** @param {People} people */
  constructor(people) {
    this.people = people;
    this.input.addEventListener("change", () => {
      const [file] = this.input.files ?? [];
      this.input.value = "";
      if (file) this.findPicture(file);
    });
    people.panel.addEventListener("drop", (event) => {
      const file = [...event.dataTransfer?.files ?? []].find((one) => one.type.startsWith("image/"));
      if (!file) return;
      event.preventDefault(); // so it is no search by the whole picture
      this.findPicture(file);
    });
  }

  /** @param {Blob} picture @param {number} [face] its number, from the left */
  findPicture(picture, face) {
    return this.ask("Most like your picture", undefined, () => facesLikePicture(picture, face), picture);
  }

  /** @param {string} faceId @param {PersonEntry} person */
  findFace(faceId, person) {
    return this.ask("Most like this face", person, () => facesLike(faceId));
  }

  /** @param {string} title @param {PersonEntry|undefined} person @param {() => Promise<FacesLikeAnswer>} find @param {Blob} [picture] */
  ask(title, person, find, picture) {
    this.people.showMessage("Looking for faces…");
    this.results.hidden = true; // faces of an earlier picture must not stand below the error of this one
    return this.people.ask(async () => {
      const answer = await find();
      this.people.showMessage("");
      this.find = find;
      this.person = person;
      this.naming.hidden = Boolean(person);
      this.heading.textContent = answer.faces.length ? title : "No clear faces are stored";
      this.note.replaceChildren(...picture && answer.picture ? this.noteOf(picture, answer.picture) : []);
      this.show(answer);
      this.results.hidden = false;
      this.people.panel.scrollTop = 0;
      this.heading.focus();
    });
  }

  /** Which of several faces of a picture was compared. @param {Blob} picture @param {ComparedPicture} compared */
  noteOf(picture, { faces, used, usable }) {
    if (faces === 1) return [];
    const next = usable[(usable.indexOf(used) + 1) % usable.length];
    return present([`Your picture has ${faces} faces. This is face ${used} from the left.`,
      next !== used && el("button", { type: "button", class: "quiet", onclick: () => { this.findPicture(picture, next); } }, `Use face ${next}`)]);
  }

  /** Ask again after a change, if faces are shown. */
  async refresh() {
    if (!this.results.hidden && this.find) this.show(await this.find());
  }

  /** @param {FacesLikeAnswer} answer */
  show({ faces }) {
    this.names.replaceChildren(...this.people.people.filter((one) => one.name).map((one) => el("option", { value: one.name })));
    this.list.replaceChildren(...faces.map((face) => this.item(face)));
  }

  close() {
    this.results.hidden = true;
    this.choose.focus();
  }

  /** @param {FaceLike} face */
  item(face) {
    const person = this.people.people.find((one) => one.person_id === face.person_id);
    const name = person ? person.name || "No name yet" : "No person";
    const where = `${face.show}, frame ${face.frame}`;
    return el("li", { class: face.is_near ? "" : "weak" },
      el("button", { type: "button", class: "shown-face", title: where, "aria-label": `Open ${where}`, onclick: () => { this.people.open(face.shot_id, face.frame); } },
        el("img", { src: pictureOf(face.face_id), alt: "", width: 72, height: 72, loading: "lazy" })),
      this.nameOf(person, name),
      el("span", { class: "muted" }, face.is_near ? "alike" : "less alike"),
      (this.person ? face.person_id !== this.person.person_id : !person?.name) && el("button", { type: "button", class: "quiet", "data-needs": "label",
        "aria-label": `${where} is them`, onclick: () => { this.give(face); } }, "It’s them"));
  }

  /** @param {PersonEntry|undefined} person @param {string} name */
  nameOf(person, name) {
    if (!person) return el("span", { class: "muted" }, name);
    return el("button", { type: "button", class: "quiet", "aria-label": `Only shots with ${name}`, onclick: () => { this.people.filter(person); } }, name);
  }

  /** Give a face to the person whose face was compared, or who is named above the list and may be new. @param {FaceLike} face */
  give(face) {
    const name = this.person ? this.person.name : this.name.value.trim().replaceAll(/\s+/gu, " ");
    const person = this.person ?? this.people.people.find((one) => one.name.toLowerCase() === name.toLowerCase());
    if (!this.person && !name) {
      this.people.showMessage("Type who they are first.", true);
      this.name.focus();
      return;
    }
    const faces = [face.face_id];
    const former = face.person_id;
    if (former && !person) { // a new name for the person whose face it is
      const rename = (/** @type {string} */ to) => () => this.people.post(former, { action: "name", name: to });
      this.people.change(rename(name), `This person is ${name} now.`, rename(""));
      return;
    }
    const idNow = () => person?.person_id ?? this.people.people.find((one) => one.name === name)?.person_id ?? "";
    const undo = () => former ? this.people.post(former, { action: "assign", faces }) : this.people.post(idNow(), { action: "reject", faces });
    const act = () => person ? this.people.post(person.person_id, { action: "assign", faces }) : createPerson({ name, faces, author: who() });
    this.people.change(act, `The face is ${name || "this person"} now.`, undo);
  }
}
