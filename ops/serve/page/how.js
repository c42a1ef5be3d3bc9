// "How search works": adds searches that this catalogue answers to the text, each with its first shots.
import { emptyQuery, writeAddress } from "./address.js";
import { examplePicture, Problem, samples } from "./api.js";
import { byId, counted, el, smallAddress } from "./dom.js";
/** @import {SampleQuery} from "./service.d.ts" */

/** @param {SampleQuery} sample */
function sampleLink(sample) {
  const address = `/${writeAddress({ ...emptyQuery(), text: sample.text, like: sample.like })}`;
  const posters = sample.like.length ? sample.like.map(examplePicture) : sample.shots.map((shot) => smallAddress(shot.poster));
  return el("a", { class: "sample", href: address },
    el("span", { class: "words" }, sample.text || "Shots that look like this one"),
    el("span", { class: "posters" }, ...posters.map((poster) => el("img", { src: poster, alt: "", loading: "lazy" }))));
}

async function showSamples() {
  const state = byId("how-state", HTMLElement);
  try {
    const { samples: found } = await samples();
    for (const section of document.querySelectorAll("section[data-kind]")) {
      const own = found.filter((one) => section instanceof HTMLElement && one.kind === section.dataset.kind);
      if (own.length) section.append(el("div", { class: "samples" }, ...own.map(sampleLink)));
    }
    state.textContent = found.length ? `${counted(found.length, "search", "searches")} below find something in this catalogue. Try them.`
      : "Nothing was ingested yet, so there are no examples.";
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    state.textContent = `No examples: ${error.message}`;
  } finally {
    document.body.classList.add("ready");
  }
}

showSamples();
