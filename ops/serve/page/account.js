// Who is signed in, and what their role allows: the button in the head of the page, and `allows` for other modules.
// Controls with data-needs="label" or "administer" are hidden from roles without that right (panels.css).
import { session, signOut } from "./api.js";
import { byId, el, icon } from "./dom.js";
import { popup } from "./popup.js";
/** @import {SessionAnswer} from "./service.d.ts" */

/** @typedef {NonNullable<SessionAnswer["role"]>} Role */

/** Roles, each with the rights of those before it. @type {Role[]} */
const ROLES = ["look", "label", "administer"];
const RIGHTS = {
  look: "You can search, watch and export.",
  label: "You can search, watch, export, label shots, correct cuts and keep collections.",
  administer: "You can use everything.",
};

/** null until it is loaded @type {SessionAnswer|null} */
let current = null;

/** The name of the token, under which answers are stored; "" if there is none. */
export const tokenName = () => current?.name ?? "";

/** Whether the role allows something; true until the role is known: the service decides. @param {Role} needed */
export function allows(needed) {
  return !current?.role || ROLES.indexOf(current.role) >= ROLES.indexOf(needed);
}

/** Why the role does not allow something. @param {Role} needed @param {string} act such as "Labelling" */
export function whyNot(needed, act) {
  return `${act} needs the role “${needed}”; yours is “${current?.role ?? "unknown"}”. Ask the person who runs this service.`;
}

/** Show who is signed in, now and after each sign-in. */
export function showAccount() {
  const button = el("button", { id: "account", type: "button", hidden: true });
  const panel = el("div", { id: "account-panel", class: "menu account-panel", role: "group", "aria-label": "Signed in" });
  byId("theme", HTMLElement).before(el("div", { class: "popup-place" }, button, panel));
  popup(button, panel);
  const load = async () => {
    current = await session().catch(() => null); // without it, the service still refuses
    show(button, panel);
    document.dispatchEvent(new Event("account"));
  };
  document.addEventListener("signedin", load);
  return load();
}

/** @param {HTMLButtonElement} button @param {HTMLElement} panel */
function show(button, panel) {
  const role = current?.needed ? current.role : null;
  document.documentElement.dataset.role = role ?? "";
  button.hidden = !role;
  if (!role) return;
  const name = tokenName() || "Signed in";
  button.replaceChildren(icon("person"), el("span", {}, name));
  button.setAttribute("aria-label", `Signed in as ${tokenName() || "a token without a name"}, role ${role}`);
  button.title = `${name} · ${role}`;
  panel.replaceChildren(
    el("p", {}, el("strong", {}, name), ` · role ${role}`), el("p", { class: "muted" }, RIGHTS[role]),
    el("button", { type: "button", onclick: async () => { await signOut(); location.reload(); } }, "Sign out"));
}
