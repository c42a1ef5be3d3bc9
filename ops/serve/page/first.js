// The first search. Runs as soon as the address can be read, before the rest of the page has loaded: results need two
// round trips, one for this code and one for the answer.
import { bodyOf, isSearch, readAddress } from "./address.js";
import { searchFirst } from "./api.js";

const query = readAddress(location.search);

/** The answer to the address's query; null if it has none. A failure is reported when the page awaits it. */
export const firstAnswer = isSearch(query) ? searchFirst(bodyOf(query)) : null;
firstAnswer?.catch(() => {});
