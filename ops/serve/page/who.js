// The name under which this browser's user labels and corrects: that of the token, or the one that was entered.
import { tokenName } from "./account.js";
import { el, keep, recall } from "./dom.js";

const KEY = "needle.annotator";
const LONGEST = 100;

/** @returns {string} "page" until a name was entered */
export function who() {
  if (tokenName()) return tokenName();
  const name = recall(KEY);
  return (typeof name === "string" && name.trim().slice(0, LONGEST)) || "page";
}

/** @param {string} name */
export const setWho = (name) => keep(KEY, name.trim());

/** A field for the name; fixed if the token has one. @param {string} id @param {(name: string) => void} entered */
export function whoField(id, entered) {
  const field = el("input", { type: "text", id, maxlength: LONGEST, autocomplete: "off", placeholder: "your name",
    onchange: () => { entered(field.value); } });
  const show = () => {
    if (!tokenName() && !field.readOnly && field.isConnected) return; // the person may be typing in it
    field.value = who() === "page" ? "" : who();
    field.readOnly = Boolean(tokenName());
    field.title = tokenName() ? "The name of your token" : "";
  };
  document.addEventListener("account", show);
  show();
  return field;
}
