// Signing in to a service that was started with tokens: asks for one until the service takes it.
import { el } from "./dom.js";

/** @typedef {(token: string) => Promise<string>} SignIn exchanges a token for a cookie: "", or why it did not work */

/** @type {Promise<void>|null} */
let asking = null;

/** Ask until a token is accepted. Calls that fail together wait for the same dialog. @param {SignIn} signIn @returns {Promise<void>} */
export function askForToken(signIn) {
  asking ??= signedIn(signIn).finally(() => { asking = null; });
  return asking;
}

/** @param {SignIn} signIn @returns {Promise<void>} */
function signedIn(signIn) {
  return new Promise((done) => { ask(signIn, done); });
}

/** @param {SignIn} signIn @param {() => void} done */
function ask(signIn, done) {
  const field = el("input", { type: "password", id: "token", autocomplete: "current-password", required: true,
    "aria-describedby": "token-wrong" });
  const wrong = el("p", { id: "token-wrong", class: "wrong", role: "alert" });
  const button = el("button", { class: "primary" }, "Sign in");
  const form = el("form", { method: "dialog" },
    el("h2", { id: "sign-in-title" }, "Sign in to Needle"),
    el("p", { class: "muted" }, "This service needs a token. Ask the person who runs it for one."),
    el("label", { for: "token" }, "Token"), field, wrong, button);
  const dialog = el("dialog", { class: "sign-in", "aria-labelledby": "sign-in-title",
    oncancel: (event) => event.preventDefault() }, form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      wrong.textContent = await signIn(field.value.trim());
      if (wrong.textContent) {
        field.select();
        return;
      }
      dialog.close();
      dialog.remove();
      done();
    } finally {
      button.disabled = false;
    }
  });
  document.body.append(dialog);
  dialog.showModal();
}
