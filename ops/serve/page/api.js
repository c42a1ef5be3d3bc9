// The service's HTTP interface. Failures become a Problem with the server's own words.

/** What the server said went wrong (application/problem+json), or that it could not be reached. */
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

/** @returns {Promise<any>} a search answer @param {object} body @param {AbortSignal} [signal] */
export const search = (body, signal) => postJson("/api/search", body, signal);

/** @returns {Promise<any>} the catalogue: shows, totals, versions, probes */
export const shows = () => json("/api/shows");

/** @returns {Promise<any>} one shot and where it came from @param {string} id */
export const shot = (id, signal) => json(`/api/shots/${encodeURIComponent(id)}`, { signal });

/** @returns {Promise<any>} a whole film: its shots in order, and the corrections of its cuts @param {string} id of the video */
export const film = (id) => json(`/api/videos/${encodeURIComponent(id)}`);

/** @returns {Promise<any>} corrections of a film's cuts, and what the next ingest changes @param {string} id */
export const filmCorrections = (id) => json(`/api/videos/${encodeURIComponent(id)}/corrections`);

/** @returns {Promise<any>} the same after another one, and labels that it concerns @param {string} id @param {object} body */
export const correct = (id, body) => postJson(`/api/videos/${encodeURIComponent(id)}/corrections`, body);

/** @returns {Promise<{probes: any[]}>} every label, and the probe that was made of it */
export const probes = () => json("/api/probes");

/** @returns {Promise<any>} one label and its probe @param {string} label */
export const probe = (label) => json(`/api/probes/${encodeURIComponent(label)}`);

/** @returns {Promise<any>} what to label next @param {string} label @param {{count: number, seed: number, skip: string[]}} asked */
export function feeds(label, { count, seed, skip }) {
  const given = new URLSearchParams({ count: String(count), seed: String(seed) });
  for (const id of skip) given.append("skip", id);
  return json(`/api/probes/${encodeURIComponent(label)}/feeds?${given}`);
}

/** Begin to fit. @param {string} label @param {{queries?: string[], description?: string}} body for a new probe */
export const fit = (label, body) => postJson(`/api/probes/${encodeURIComponent(label)}/fit`, body);

/** @returns {Promise<any>} how the label stands now @param {object} body of POST /api/labels */
export const saveLabel = (body) => postJson("/api/labels", body);

/** @returns {Promise<any>} what people said of shots @param {string} label @param {Record<string, string|string[]>} asked */
export function judged(label, asked) {
  const given = new URLSearchParams();
  for (const [name, values] of Object.entries(asked)) for (const value of [values].flat()) given.append(name, value);
  return json(`/api/labels/${encodeURIComponent(label)}?${given}`);
}

/** @param {Blob} picture @returns {Promise<string>} "image:<hash>" */
export async function keepImage(picture) {
  const form = new FormData();
  form.append("file", picture, "picture");
  return (await json("/api/images", { method: "POST", body: form })).image;
}

/**
 * @typedef {object} ExportReport what is in an exported file, and what is not
 * @property {number} clips
 * @property {{shot_id: string, path: string, reason: string}[]} missing  the first few of them
 * @property {number} missing_count
 * @property {string[]} warnings
 */
/**
 * @param {object} body @param {AbortSignal} [signal]
 * @returns {Promise<{file: Blob, name: string, report: ExportReport|null}>} the exported file, and what the service says of it
 */
export async function exportFile(body, signal) {
  const response = await call("/api/export", jsonBody(body, signal));
  const { headers } = response;
  try {
    return { file: await response.blob(), name: fileName(headers.get("content-disposition")), report: reportOf(headers.get("needle-export")) };
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "The file did not arrive", "The connection broke before the whole file was here. Try again.");
  }
}

/**
 * @typedef {object} ExportFormat
 * @property {string} format
 * @property {string} label
 * @property {string} suffix
 * @property {string} media_type
 * @property {string} handles_note what handles do in its files
 */
/** @returns {Promise<ExportFormat[]>} the formats that files can be exported in */
export const exportFormats = async () => (await json("/api/export/formats")).formats;

/** @returns {Promise<{running: boolean, done: number, total: number}>} how far an export is @param {string} key @param {AbortSignal} signal */
export const exportProgress = (key, signal) => json(`/api/exports/${key}`, { signal });

function reportOf(header) {
  try {
    return { missing: [], missing_count: 0, warnings: [], ...JSON.parse(header) };
  } catch {
    return null;
  }
}

let signedIn = 0; // how often: a call refused with what it was sent before is not asked about again

/** Exchange a token for the page's cookie. @param {string} token */
export async function signIn(token) {
  await answerOf("/api/session", jsonBody({ token }));
  signedIn += 1;
}

/** Address of the picture of an example in a query. @param {string} example shot id or image:<hash> */
export function examplePicture(example) {
  const image = /^image:([0-9a-f]+)$/.exec(example);
  return image ? `/media/images/${image[1]}.jpg` : `/media/shots/${encodeURIComponent(example)}/poster.jpg`;
}

function jsonBody(body, signal) {
  return { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body), signal };
}

const postJson = (path, body, signal) => json(path, jsonBody(body, signal));

async function json(path, options) {
  const response = await call(path, options);
  try {
    return await response.json();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(response.status, "The answer cannot be read", `${path}: ${error.message}`);
  }
}

/** Answers 401 by asking for the token, as often as the person tries. */
async function call(path, options) {
  for (;;) {
    const before = signedIn;
    try {
      return await answerOf(path, options);
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 401) throw error;
      if (signedIn !== before) continue;
      const { askForToken } = await import("./session.js");
      await askForToken();
    }
  }
}

async function answerOf(path, options) {
  let response;
  try {
    response = await fetch(path, { credentials: "same-origin", ...options });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, "Needle does not answer", "Is Needle still running? Start it with `needle serve`, then try again.");
  }
  if (response.ok) return response;
  throw await problemOf(response);
}

async function problemOf(response) {
  try {
    const told = await response.json();
    return new Problem(response.status, String(told.title ?? response.statusText), String(told.detail ?? ""));
  } catch {
    return new Problem(response.status, response.statusText || `Status ${response.status}`, "");
  }
}

function fileName(disposition) {
  const encoded = /filename\*=utf-8''([^;]+)/i.exec(disposition ?? "");
  if (encoded) return decodeURIComponent(encoded[1]);
  return /filename="?([^";]+)"?/i.exec(disposition ?? "")?.[1] ?? "needle-export";
}
