// "Where this came from": the way of a hit from the source file to the index, and how much of its show is searchable.
import { counted, el, lengthOf } from "./dom.js";
/** @import {Dialogue, Run, ShotAnswer} from "./service.d.ts" */
/** @import {Catalogue} from "./types.d.ts" */

/** @typedef {Node|string|number|null|undefined} Value of a row; rows without a value are left out */

/** @param {ShotAnswer} shot @param {Catalogue|null} catalogue @param {string[]} chosen shows that the search is limited to */
export function details(shot, catalogue, chosen) {
  const { provenance: from, video } = shot;
  const { source } = from;
  return el("div", { class: "details" },
    group("Source", [
      ["file", path(source.path)],
      ["content", source.content_hash && code(`${source.content_hash.slice(0, 20)}…`, source.content_hash)],
      ["size", source.bytes && size(source.bytes)],
      ["picture", video.width && `${video.width} × ${video.height}, ${video.codec}${video.has_audio ? ", with sound" : ", no sound"}`],
      ["rate", rate(shot.fps)],
      ["frames", `${shot.start_frame}–${shot.end_frame - 1} of ${video.frames ?? "?"}`],
      ["starts at", video.start_timecode],
      ["episode", [video.season && `season ${video.season}`, video.episode && `episode ${video.episode}`].filter(Boolean).join(", ")],
    ]),
    group("How it was found", [
      ["shot", code(shot.shot_id)],
      ["detector", from.detector],
      ["cut", when(from.shot_computed_at)],
      ["encoder", code(from.encoder_id)],
      ["vector", from.vector_hash && code(`${from.vector_hash.slice(0, 12)}…`, from.vector_hash)],
      ["frames used", from.frames_used],
      ["embedded", when(from.embedding_computed_at)],
      ["index", code(from.index_version)],
      ["indexed", when(from.indexed_at)],
      ["searchable since", when(from.searchable_since)],
    ]),
    dialogue(from.dialogue),
    runs(from.runs),
    from.feature_views.length > 0 && group("Feature views", [["in Feast", from.feature_views.join(", ")]]),
    coverage(catalogue, chosen.length ? chosen : [shot.show]));
}

/** Each file or track with its lines, or why it cannot be used, and the hash of the file. @param {Dialogue} of */
function dialogue({ sources, dialogue_version, read_at }) {
  /** @type {[string, Value][]} */
  const rows = sources.map((one) => [one.source === "asr" ? "speech" : one.source, el("span", {}, path(one.path), " · ",
    [one.language_tag ?? one.language, one.reason ?? counted(one.lines, "line")].filter(Boolean).join(" · "), " ",
    one.source === "sidecar" && code(`${one.content_hash.slice(0, 12)}…`, one.content_hash))]);
  return rows.length > 0 && group("Dialogue", [...rows, ["read", when(read_at)], ["index of lines", code(dialogue_version)]]);
}

/** @param {Run[]} all */
function runs(all) {
  return all.length > 0 && group("Dagster", all.map((run) => [run.asset,
    el("span", {}, code(run.run_id.slice(0, 8), run.run_id), run.at ? ` ${stamp(run.at)}` : "")]));
}

/** @param {Catalogue|null} catalogue @param {string[]} chosen */
function coverage(catalogue, chosen) {
  const rows = (catalogue?.shows ?? []).filter((one) => chosen.includes(one.show));
  return rows.length > 0 && group("Coverage", rows.map((one) => [one.show, el("span", {}, [
    `${counted(one.ready, "video")} searchable`, lengthOf(one.footage_s),
    one.pending ? `${one.pending} still being processed` : "nothing waiting",
    one.set_aside ? `${one.set_aside} set aside` : "",
    one.searchable_since ? "since " : "",
  ].filter(Boolean).join(" · "), when(one.searchable_since))]));
}

/** @param {string} title @param {[name: string, value: Value][]} rows */
function group(title, rows) {
  const filled = rows.filter(([, value]) => value !== undefined && value !== null && value !== "" && value !== 0);
  return filled.length > 0 && el("section", {}, el("h3", {}, title),
    el("dl", {}, ...filled.flatMap(([name, value]) => [el("dt", {}, ...breakable(name)),
      el("dd", {}, ...(value instanceof Node ? [value] : breakable(String(value))))])));
}

/** Text that breaks between words; a word longer than a line breaks after a `_` or `/`. @param {string} text */
const breakable = (text) => text.split(/(\s+)/).map((word) => (/[_/]./.test(word) ? el("span", { class: "word" },
  ...word.split(/(?<=[_/])/).flatMap((part) => [part, el("wbr")]).slice(0, -1)) : word));

/** @param {string|null} text @param {string|null} title */
const code = (text, title = text) => text && el("code", { title }, ...breakable(text));
/** @param {string} text */
const path = (text) => text && el("span", { class: "path" }, ...breakable(text));

/** "2026-11-22 16:42" in the browser's time zone. @param {string} time with its zone */
export function stamp(time) {
  const [year, month, day, hour, minute] = ((at) => [at.getFullYear(), at.getMonth() + 1, at.getDate(), at.getHours(),
    at.getMinutes()])(new Date(time)).map((part) => String(part).padStart(2, "0"));
  return `${year}-${month}-${day} ${hour}:${minute}`;
}

/** @param {string|null} time */
const when = (time) => time && el("time", { datetime: time }, stamp(time));

/** @param {number} bytes */
function size(bytes) {
  const steps = ["B", "KB", "MB", "GB", "TB"];
  const step = Math.min(Math.floor(Math.log10(bytes) / 3), 4);
  return `${(bytes / 1000 ** step).toFixed(step ? 1 : 0)} ${steps[step]}`;
}

/** @param {string} fps */
function rate(fps) {
  const [num, den = "1"] = fps.split("/");
  return den === "1" ? `${num} fps` : `${(Number(num) / Number(den)).toFixed(3)} fps (${fps})`;
}
