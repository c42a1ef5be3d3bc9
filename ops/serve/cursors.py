"""Opaque cursors: the start of the next page of a search, and the search and index to which it belongs.

Stands alone because a cursor comes back from outside: it is accepted only if it fits the query of its request.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from dataclasses import dataclass

from ops.core.errors import UsageError
from ops.search.schema import Query

MAX_OFFSET = 10_000


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """``offset`` hits (1 to 10,000) of the search were returned, on this version of index and dialogue."""

    offset: int
    index_version: str
    dialogue_version: str | None
    query: str

    def encode(self) -> str:
        """Return the cursor as a token."""
        fields = [self.offset, self.index_version, self.dialogue_version, self.query]
        return base64.urlsafe_b64encode(json.dumps(fields, separators=(",", ":")).encode()).decode().rstrip("=")


def read_cursor(text: str, query: str) -> Cursor:
    """Parse the cursor in ``text``, for the search whose :func:`hash_of_query` is ``query``.

    Raises ``UsageError`` if it is damaged or belongs to another search.
    """
    try:
        fields = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
        offset, index_version, dialogue_version, owner = fields
    except (binascii.Error, ValueError, TypeError, RecursionError) as error:
        raise UsageError("the cursor is damaged: search again without one") from error
    texts = (index_version, owner, "" if dialogue_version is None else dialogue_version)
    if type(offset) is not int or not 1 <= offset <= MAX_OFFSET or not all(type(part) is str for part in texts):
        raise UsageError("the cursor is damaged: search again without one")
    if owner != query:
        raise UsageError("the cursor belongs to another search: send it with the search that gave it")
    return Cursor(offset=offset, index_version=index_version, dialogue_version=dialogue_version, query=query)


def hash_of_query(query: Query) -> str:
    """Return the name of a search, the same for each page: 16 hex digits over all fields that decide the ranking."""
    fields = {key: value for key, value in query.document().items() if key not in ("limit", "offset")}
    return hashlib.blake2b(json.dumps(fields, sort_keys=True).encode(), digest_size=8).hexdigest()
