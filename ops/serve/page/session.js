// Signing in where the service was started with tokens: asks for one, trades it for a cookie, and lets the call go on.
import { Problem, signIn } from "./api.js";
import { el } from "./dom.js";

let asking = null;

/** Ask until a token is taken. Calls that fail together wait for the same dialog. @returns {Promise<void>} */
export function askForToken() {
  asking ??= new Promise((done) => ask(done)).finally(() => { asking = null; });
  return asking;
}

function ask(done) {
  const field = el("input", { type: "password", id: "token", autocomplete: "current-password", required: true,
    "aria-describedby": "token-wrong" });
  const wrong = el("p", { id: "token-wrong", class: "wrong", role: "alert" });
  const button = el("button", { class: "primary" }, "Sign in");
  const form = el("form", { method: "dialog" },
    el("h2", { id: "sign-in-title" }, "Sign in to Needle"),
    el("p", { class: "muted" }, "This service needs a token. Whoever runs it set it as NEEDLE_TOKENS."),
    el("label", { for: "token" }, "Token"), field, wrong, button);
  const dialog = el("dialog", { class: "sign-in", "aria-labelledby": "sign-in-title",
    oncancel: (event) => event.preventDefault() }, form);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      await signIn(field.value.trim());
      dialog.close();
      dialog.remove();
      done();
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      wrong.textContent = error.status === 401 || error.status === 403 ? "This token is not known here." : error.message;
      field.select();
    } finally {
      button.disabled = false;
    }
  });
  document.body.append(dialog);
  dialog.showModal();
}
