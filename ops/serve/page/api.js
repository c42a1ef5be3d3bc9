// The service's HTTP API. Failures become a Problem with the message of the service. Types of answers and bodies are
// written from the service's OpenAPI document (service.d.ts).
/**
 * @import {CollectionAnswer, CollectionChangeBody, CollectionsAnswer, FacesLikeAnswer, NewCollectionBody} from "./service.d.ts"
 * @import {NewPersonBody, PeopleAnswer, PersonAnswer, PersonChangeBody} from "./service.d.ts"
 * @import {SavedSearchBody, SavedSearchesAnswer} from "./service.d.ts"
 * @import {CorrectedAnswer, CorrectionBody, CorrectionsAnswer, ExportBody, ExportFormatEntry, ExportFormatsAnswer,
 *   ExportProgressAnswer, FeedsAnswer, FilmAnswer, FitBody, ImageAnswer, JudgedAnswer, LabelAnswer, LabelBody,
 *   ProbeAnswer, ProbesAnswer, SamplesAnswer, SearchAnswer, SearchBody, SessionAnswer, ShotAnswer, ShowPostersAnswer, ShowsAnswer,
 *   TranscriptAnswer, VideosAnswer} from "./service.d.ts"
 */
import { isAbort } from "./dom.js";

const CARD_AREA = 36_000; // of a window, for each card that is in it
const MOST_POSTERS = 64; // of one answer

/** The error that the service answered (application/problem+json), or that it could not be reached. */
export class Problem extends Error {
  /** @param {number} status 0: no answer came @param {string} title @param {string} detail */
  constructor(status, title, detail) {
    super(detail || title);
    this.name = "Problem";
    this.status = status;
    this.title = title;
    this.detail = detail;
  }
}

/** @param {SearchBody} body @param {AbortSignal} [signal] @returns {Promise<SearchAnswer>} */
export const search = (body, signal) => postJson("/api/search", body, signal);

/** The first page of an answer, with the small posters that the window has room for. @param {SearchBody} body @param {AbortSignal} [signal] */
export const searchFirst = (body, signal) =>
  search({ ...body, posters: Math.min(Math.ceil((innerWidth * innerHeight) / CARD_AREA), MOST_POSTERS) }, signal);

/** @returns {Promise<ShowsAnswer>} the catalogue: shows, totals, versions, probes */
export const shows = () => json("/api/shows");

/** Posters of shows, spread over their videos. @param {string[]} names @param {number} count @returns {Promise<ShowPostersAnswer>} */
export const showPosters = (names, count) =>
  json(`/api/shows/posters?${new URLSearchParams([...names.map((name) => ["show", name]), ["count", String(count)]])}`);

/**
 * A page of a list of videos with their facts and posters.
 * @param {{show?: string, order?: "name"|"newest", offset?: number, limit?: number, posters?: number}} asked @returns {Promise<VideosAnswer>}
 */
export const videos = (asked) => json(`/api/videos?${new URLSearchParams(Object.entries(asked).map(([name, value]) => [name, String(value)]))}`);

/** @returns {Promise<SamplesAnswer>} searches that this catalogue answers */
export const samples = () => json("/api/samples");

/** One shot and where it came from. @param {string} id @param {AbortSignal} [signal] @returns {Promise<ShotAnswer>} */
export const shot = (id, signal) => json(`/api/shots/${encodeURIComponent(id)}`, { signal });

/** A whole video: its shots in order, and the corrections of its cuts. @param {string} id @returns {Promise<FilmAnswer>} */
export const film = (id) => json(`/api/videos/${encodeURIComponent(id)}`);

/** Every line of dialogue of a video. @param {string} id @returns {Promise<TranscriptAnswer>} */
export const transcript = (id) => json(`/api/videos/${encodeURIComponent(id)}/dialogue`);

/** Corrections of a video's cuts, and the changes of the next ingest. @param {string} id @returns {Promise<CorrectionsAnswer>} */
export const filmCorrections = (id) => json(`/api/videos/${encodeURIComponent(id)}/corrections`);

/**
 * Add a correction.
 * @param {string} id @param {CorrectionBody} body @returns {Promise<CorrectedAnswer>} all of them, and the labels that it concerns
 */
export const correct = (id, body) => postJson(`/api/videos/${encodeURIComponent(id)}/corrections`, body);

/** @returns {Promise<ProbesAnswer>} every label with its probe */
export const probes = () => json("/api/probes");

/** One label and its probe. @param {string} label @returns {Promise<ProbeAnswer>} */
export const probe = (label) => json(`/api/probes/${encodeURIComponent(label)}`);

/**
 * Shots to label next.
 * @param {string} label @param {{count: number, seed: number, skip: string[]}} asked @returns {Promise<FeedsAnswer>}
 */
export function feeds(label, { count, seed, skip }) {
  const given = new URLSearchParams({ count: String(count), seed: String(seed) });
  for (const id of skip) given.append("skip", id);
  return json(`/api/probes/${encodeURIComponent(label)}/feeds?${given}`);
}

/** Begin to fit. @param {string} label @param {FitBody} body for a new probe @returns {Promise<ProbeAnswer>} */
export const fit = (label, body) => postJson(`/api/probes/${encodeURIComponent(label)}/fit`, body);

/** @param {LabelBody} body @returns {Promise<LabelAnswer>} the counts of the label now, and these shots */
export const saveLabel = (body) => postJson("/api/labels", body);

/** People's answers for shots. @param {string} label @param {Record<string, string|string[]>} asked @returns {Promise<JudgedAnswer>} */
export function judged(label, asked) {
  const given = new URLSearchParams();
  for (const [name, values] of Object.entries(asked)) for (const value of [values].flat()) given.append(name, value);
  return json(`/api/labels/${encodeURIComponent(label)}?${given}`);
}

/** @returns {Promise<CollectionsAnswer>} every collection, the last changed first */
export const collections = () => json("/api/collections");

/** One collection with its shots. @param {string} id @returns {Promise<CollectionAnswer>} */
export const collection = (id) => json(`/api/collections/${encodeURIComponent(id)}`);

/** @param {NewCollectionBody} body @returns {Promise<CollectionAnswer>} */
export const createCollection = (body) => postJson("/api/collections", body);

/** Rename it, or replace its shots. @param {string} id @param {CollectionChangeBody} body @returns {Promise<CollectionAnswer>} */
export const changeCollection = (id, body) => json(`/api/collections/${encodeURIComponent(id)}`, { ...jsonBody(body), method: "PATCH" });

/** @param {string} id @param {{version: string, author: string}} given @returns {Promise<CollectionsAnswer>} the others */
export const deleteCollection = (id, given) => json(`/api/collections/${encodeURIComponent(id)}?${new URLSearchParams(given)}`, { method: "DELETE" });

/** @returns {Promise<PeopleAnswer>} the people of the catalogue */
export const peopleOf = () => json("/api/people");

/** @param {string} id @returns {Promise<PersonAnswer>} their faces */
export const personFaces = (id) => json(`/api/people/${encodeURIComponent(id)}`);

/** A person of faces that have none. @param {NewPersonBody} body @returns {Promise<PeopleAnswer>} all people after it */
export const createPerson = (body) => postJson("/api/people", body);

/** @param {string} id @param {PersonChangeBody} body @returns {Promise<PeopleAnswer>} all people after the change */
export const changePerson = (id, body) => postJson(`/api/people/${encodeURIComponent(id)}`, body);

/** @param {string} faceId @returns {Promise<FacesLikeAnswer>} the clear faces most like it */
export const facesLike = (faceId) => json(`/api/faces/${encodeURIComponent(faceId)}/similar`);

/** @param {Blob} picture @param {number} [face] from the left @returns {Promise<FacesLikeAnswer>} the clear faces most like it, or like the clearest; it is not kept */
export const facesLikePicture = (picture, face) => json(`/api/faces/similar${face ? `?face=${face}` : ""}`, { method: "POST", body: formOf(picture) });

/** @returns {Promise<SavedSearchesAnswer>} every saved search, with its new matches */
export const savedSearches = () => json("/api/searches");

/** @param {SavedSearchBody} body @returns {Promise<SavedSearchesAnswer>} */
export const saveSearch = (body) => postJson("/api/searches", body);

/** Count the new matches as seen. @param {string} id @returns {Promise<SavedSearchesAnswer>} */
export const markSeen = (id) => postJson(`/api/searches/${encodeURIComponent(id)}/seen`, {});

/** @param {string} id @param {string} author @returns {Promise<SavedSearchesAnswer>} the others */
export const deleteSearch = (id, author) => json(`/api/searches/${encodeURIComponent(id)}?${new URLSearchParams({ author })}`, { method: "DELETE" });

/** @param {Blob} picture @returns {Promise<string>} "image:<hash>" */
export async function keepImage(picture) {
  /** @type {ImageAnswer} */
  const kept = await json("/api/images", { method: "POST", body: formOf(picture) });
  return kept.image;
}

/** @param {Blob} picture */
function formOf(picture) {
  const form = new FormData();
  form.append("file", picture, "picture");
  return form;
}

/**
 * @typedef {object} ExportReport the contents of an exported file, and the shots that are missing in it
 * @property {number} clips
 * @property {{shot_id: string, path: string, reason: string}[]} missing  the first few of them
 * @property {number} missing_count
 * @property {string[]} warnings
 */
/**
 * @param {Omit<ExportBody, "format"> & {format: string}} body @param {AbortSignal} [signal]
 * @returns {Promise<{file: Blob, name: string, report: ExportReport|null}>} the exported file, and the service's report
 */
export async function exportFile(body, signal) {
  const response = await call("/api/export", jsonBody(body, signal));
  const { headers } = response;
  try {
    return { file: await response.blob(), name: fileName(headers.get("content-disposition")), report: reportOf(headers.get("needle-export")) };
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new Problem(0, "The file did not arrive", "The connection broke before the whole file was here. Try again.");
  }
}

/** @returns {Promise<ExportFormatEntry[]>} the formats in which files can be exported */
export async function exportFormats() {
  /** @type {ExportFormatsAnswer} */
  const answer = await json("/api/export/formats");
  return answer.formats;
}

/** The progress of an export. @param {string} key @param {AbortSignal} signal @returns {Promise<ExportProgressAnswer>} */
export const exportProgress = (key, signal) => json(`/api/exports/${key}`, { signal });

/** @param {string|null} header @returns {ExportReport|null} */
function reportOf(header) {
  try {
    return { clips: 0, missing: [], missing_count: 0, warnings: [], ...JSON.parse(header ?? "") };
  } catch {
    return null;
  }
}

/** @returns {Promise<SessionAnswer>} who is signed in */
export const session = () => json("/api/session");

/** Sign out: the browser forgets its session. @returns {Promise<SessionAnswer>} */
export const signOut = () => json("/api/session", { method: "DELETE" });

let signIns = 0; // a call that was refused before the last of these is sent again without asking

/** Exchange a token for the page's cookie. @param {string} token @returns {Promise<string>} why it did not work, "" if it did */
async function signIn(token) {
  try {
    await answerOf("/api/session", jsonBody({ token }));
    signIns += 1;
    document.dispatchEvent(new Event("signedin"));
    return "";
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return error.status === 401 || error.status === 403 ? "The service does not know this token." : error.message;
  }
}

/** Address of the picture of an example in a query. @param {string} example shot id or image:<hash> */
export function examplePicture(example) {
  const image = /^image:([0-9a-f]+)$/.exec(example);
  return image ? `/media/images/${image[1]}.jpg` : `/media/shots/${encodeURIComponent(example)}/poster.jpg?size=small`;
}

/** @param {unknown} body @param {AbortSignal} [signal] @returns {RequestInit} */
function jsonBody(body, signal) {
  return { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body), signal: signal ?? null };
}

/** @param {string} path @param {unknown} body @param {AbortSignal} [signal] */
const postJson = (path, body, signal) => json(path, jsonBody(body, signal));

/** @param {string} path @param {RequestInit} [options] */
async function json(path, options) {
  const response = await call(path, options);
  try {
    return await response.json();
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new Problem(response.status, "The answer cannot be read", `${path}: ${error instanceof Error ? error.message : error}`);
  }
}

/** Asks for a token after every 401. @param {string} path @param {RequestInit} [options] */
async function call(path, options) {
  for (;;) {
    const before = signIns;
    try {
      return await answerOf(path, options);
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 401) throw error;
      if (signIns !== before) continue;
      const { askForToken } = await import("./session.js");
      await askForToken(signIn);
    }
  }
}

/** @param {string} path @param {RequestInit} [options] */
async function answerOf(path, options) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...options });
  } catch (error) {
    if (isAbort(error)) throw error;
    throw new Problem(0, "Needle does not answer", "Is Needle still running? Start it with `needle serve`, then try again.");
  }
  if (response.ok) return response;
  throw await problemOf(response);
}

/** @param {Response} response */
async function problemOf(response) {
  try {
    const { title, detail } = await response.json();
    return new Problem(response.status, String(title ?? response.statusText), String(detail ?? ""));
  } catch {
    return new Problem(response.status, response.statusText || `Status ${response.status}`, "");
  }
}

/** @param {string|null} disposition */
function fileName(disposition) {
  const encoded = /filename\*=utf-8''([^;]+)/i.exec(disposition ?? "");
  if (encoded) return decodeURIComponent(encoded[1]);
  return /filename="?([^";]+)"?/i.exec(disposition ?? "")?.[1] ?? "needle-export";
}
