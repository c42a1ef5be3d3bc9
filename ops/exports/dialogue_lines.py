"""The spoken lines that matched a clip: read from the lake, and as text for an export."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ops.core.settings import Settings
from ops.core.types import parse_shot_id

MAX_LINE = 500
"""Maximum number of characters of one line in an export."""
_COLUMNS = ("line_id", "text", "start_frame", "end_frame", "language", "source")


def read_lines(settings: Settings, matches: Iterable[tuple[str, Sequence[str]]]) -> dict[str, Mapping[str, Any]]:
    """Rows of ``dialogue`` by line id. ``matches`` are shot ids, each with the ids of its matched lines.

    Lines that no longer exist are not in the result.
    """
    names: dict[str, set[str]] = {}
    for shot_id, line_ids in matches:
        if line_ids and (id_parts := parse_shot_id(shot_id)):
            names.setdefault(settings.resolve_partition(id_parts[0]), set()).update(line_ids)
    return {
        row["line_id"]: row
        for partition, ids in sorted(names.items())
        for row in settings.lake.read("dialogue", [partition], _COLUMNS).to_pylist()
        if row["line_id"] in ids
    }


def format_line(line: Mapping[str, Any], timecode: Callable[[int], str]) -> str:
    """A line for people: first and last timecode, the words, their source and language."""
    text = " ".join(line["text"].split())
    short = text if len(text) <= MAX_LINE else f"{text[: MAX_LINE - 1]}\u2026"
    origin = ", ".join(filter(None, (line["source"], line["language"])))
    return f'{timecode(line["start_frame"])} - {timecode(line["end_frame"])} "{short}" ({origin})'
