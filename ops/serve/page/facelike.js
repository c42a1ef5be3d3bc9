// Faces like a face, or like the one in a picture that is chosen or dropped: a list in the panel of people.
import { facesLike, facesLikePicture } from "./api.js";
import { el } from "./dom.js";
/**
 * @import {FaceLike, FacesLikeAnswer, PersonEntry} from "./service.d.ts"
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
  results = el("section", { hidden: true, "aria-label": "Faces like one" },
    el("div", { class: "row" }, this.heading, el("button", { type: "button", class: "quiet", onclick: () => { this.close(); } }, "Close")), this.list);
  place = el("div", { class: "face-likeness" }, el("div", { class: "row" }, this.choose, this.hint, this.input), this.results);

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

  /** @param {Blob} picture */
  findPicture(picture) {
    return this.ask("Most like your picture", () => facesLikePicture(picture));
  }

  /** @param {string} faceId */
  findFace(faceId) {
    return this.ask("Most like this face", () => facesLike(faceId));
  }

  /** @param {string} title @param {() => Promise<FacesLikeAnswer>} find */
  ask(title, find) {
    this.people.showMessage("Looking for faces…");
    this.results.hidden = true; // faces of an earlier picture must not stand below the error of this one
    return this.people.ask(async () => {
      const { faces } = await find();
      this.people.showMessage("");
      this.heading.textContent = faces.length ? title : "No clear faces are stored";
      this.list.replaceChildren(...faces.map((face) => this.item(face)));
      this.results.hidden = false;
      this.people.panel.scrollTop = 0;
      this.heading.focus();
    });
  }

  close() {
    this.results.hidden = true;
    this.choose.focus();
  }

  /** @param {FaceLike} face */
  item(face) {
    const person = this.people.people.find((one) => one.person_id === face.person_id);
    const name = person ? person.name || "No name yet" : "Nobody";
    const where = `${face.show}, frame ${face.frame}`;
    return el("li", { class: face.is_near ? "" : "weak" },
      el("button", { type: "button", class: "shown-face", title: where, "aria-label": `Open ${where}`, onclick: () => { this.people.open(face.shot_id, face.frame); } },
        el("img", { src: pictureOf(face.face_id), alt: "", width: 72, height: 72, loading: "lazy" })),
      this.nameOf(person, name),
      el("span", { class: "muted" }, face.is_near ? "alike" : "less alike"));
  }

  /** @param {PersonEntry|undefined} person @param {string} name */
  nameOf(person, name) {
    if (!person) return el("span", { class: "muted" }, name);
    return el("button", { type: "button", class: "quiet", "aria-label": `Only shots with ${name}`, onclick: () => { this.people.filter(person); } }, name);
  }
}
