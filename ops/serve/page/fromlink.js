// Shots that a link brings from another page, such as a report: /?tray=ID,ID puts them into the tray, once.
import { Problem, shot } from "./api.js";
import { counted } from "./dom.js";
/** @import {Page} from "./app.js" */

const MOST_BROUGHT = 200;
const SHOT_ID = /^[0-9a-f]{16}:\d{1,12}$/;

/** Put the shots of the address into the tray, and take them out of the address. @param {Page} page */
export async function takeFromLink(page) {
  const address = new URL(location.href);
  const asked = [...new Set((address.searchParams.get("tray") ?? "").split(",").filter((id) => SHOT_ID.test(id)))];
  if (!asked.length) return;
  address.searchParams.delete("tray");
  history.replaceState(history.state, "", address);
  const found = await Promise.all(asked.slice(0, MOST_BROUGHT).map((id) => shot(id).catch((error) => {
    if (!(error instanceof Problem)) throw error;
    return null; // it is no longer in the catalogue, or the service refused
  })));
  const shots = found.filter((one) => one !== null);
  for (const one of shots) page.selection.put(one, null);
  const missing = asked.length - shots.length;
  page.showMessage(`${counted(shots.length, "shot")} of the link ${shots.length === 1 ? "is" : "are"} in the tray${missing ? `; ${missing} could not be read` : ""}.`, missing > 0);
}
