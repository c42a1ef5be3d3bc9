// The first search. Runs as soon as the address can be read, before the rest of the page has loaded, so that
// results need two round trips: this code, and the answer.
import { bodyOf, isSearch, readAddress } from "./address.js";
import { search } from "./api.js";

const query = readAddress(location.search);

/** The answer to the address's query, or null where there is nothing to search for. Failures wait to be seen. */
export const firstAnswer = isSearch(query) ? search(bodyOf(query)) : null;
firstAnswer?.catch(() => {});
