// The name under which this browser's user labels and corrects.
import { keep, recall } from "./dom.js";

const KEY = "needle.annotator";
const LONGEST = 100;

/** @returns {string} "page" until a name was entered */
export function who() {
  const name = recall(KEY);
  return (typeof name === "string" && name.trim().slice(0, LONGEST)) || "page";
}

/** @param {string} name */
export const setWho = (name) => keep(KEY, name.trim());
