"""The marker of a clip: the query that found it, its score, and the editor's note, as text for any format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ops.exports.clip import Clip
from ops.exports.names import join_lines

MAX_NAME = 200
MAX_COMMENT = 2_000
COLOUR = "Blue"
"""The colour of markers, by a name that Resolve, Avid and OpenTimelineIO have."""


@dataclass(frozen=True, kw_only=True)
class Marker:
    """A marker over the whole range of a clip. Both texts are one line, without control characters.

    ``name`` is never empty. ``comment`` begins with a word, never with a digit: an EDL would take that for an event.
    """

    name: str
    comment: str


def describe_marker(clip: Clip) -> Marker:
    """The marker of a clip. It is named after the query, otherwise the note, the title or the file.

    The comment has the score, relevance, note, spoken lines and shot id, as far as they are known.
    """
    origin = clip.describe_origin()
    names = (origin["query"], origin["note"], clip.film.title, clip.film.name, clip.shot_id)
    texts = (join_lines(str(each)) for each in names if each is not None)
    name = next((text for text in texts if text), "marker")
    return Marker(name=shorten(name, MAX_NAME), comment=shorten("; ".join(_list_comments(origin)), MAX_COMMENT))


def _list_comments(origin: dict[str, object]) -> Iterator[str]:
    for name in ("score", "relevance"):
        value = origin[name]
        if value is not None:
            yield f"{name} {round(value, 4) if isinstance(value, float) else join_lines(str(value))}"
    for name in ("note", "dialogue"):
        value = origin.get(name)
        if value is not None and (text := join_lines(str(value))):
            yield f"{name}: {text}"
    yield f"shot {join_lines(str(origin['shot_id']))}"


def shorten(text: str, limit: int) -> str:
    """``text``, or its beginning and an ellipsis if it is longer than ``limit`` characters."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
