"""Events of ``.ass`` and ``.ssa`` files, by the order of fields that the file itself gives.

Stands alone because this is the only form of subtitles whose columns are named in the file.
"""

from __future__ import annotations

import re

from ops.core.plural import plural
from ops.dialogue.cues import Parsed

_SECTION = re.compile(r"\s*\[([^\]]+)\]\s*$")
_EVENT = re.compile(r"\s*Dialogue\s*:", re.IGNORECASE)
_FORMAT = re.compile(r"\s*Format\s*:", re.IGNORECASE)
_USUAL = ("layer", "start", "end", "style", "name", "marginl", "marginr", "marginv", "effect", "text")
_NEEDED_FIELDS = frozenset(("start", "end", "text"))
_TIME = re.compile(r"\s*(-?)\s*(?:(\d+)\s*:)?\s*(\d+)\s*:\s*(\d+)(?:\s*[.:,;]\s*(\d{1,6}))?\s*$")


def parse_events(text: str, lines: list[str], result: Parsed) -> None:
    """Parse events in any order of fields; an unreadable one costs no other. Comments are not dialogue."""
    fields: tuple[str, ...] = _USUAL
    section = "events"
    for number, line in enumerate(lines, 1):
        if match := _SECTION.match(line[:200]):
            section = match[1].strip().lower()
        elif section == "events" and _FORMAT.match(line):
            fields = _split_fields(line, number, result)
        elif _EVENT.match(line):
            if result.is_full(number):
                return
            _add_event(line, number, fields, result)


def _split_fields(line: str, number: int, result: Parsed) -> tuple[str, ...]:
    fields = tuple(name.strip().lower() for name in line.partition(":")[2].split(","))
    if set(fields) >= _NEEDED_FIELDS:
        return fields
    order = line.strip()[:80]
    result.problems.append((number, f"not readable as the order of fields: {order!r}; the usual one counts"))
    return _USUAL


def _add_event(line: str, number: int, fields: tuple[str, ...], result: Parsed) -> None:
    before = fields.index("text")
    after = len(fields) - before - 1
    # Only the text may hold commas, wherever its field is.
    head = line.partition(":")[2].split(",", before)
    tail = head[-1].rsplit(",", after) if after else head[-1:]
    values = [*head[:-1], *tail]
    if len(values) < len(fields):
        result.problems.append(
            (
                number,
                f"{plural(len(fields), 'field is', 'fields are')} expected, and it has {len(values)}; it is left out",
            )
        )
        return
    event = dict(zip(fields, values, strict=True))
    start, end = _parse_seconds(event["start"]), _parse_seconds(event["end"])
    if start is None or end is None:
        times = f"{event['start'].strip()[:40]!r} and {event['end'].strip()[:40]!r}"
        result.problems.append((number, f"not readable as times: {times}; its text is left out"))
        return
    result.add(number, start, end, event["text"], "ass")


def _parse_seconds(value: str) -> float | None:
    match = _TIME.match(value[:60])
    if match is None:
        return None
    sign, hours, minutes, seconds, fraction = match.groups()
    total = int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds)
    return (-1 if sign else 1) * (total + (float(f"0.{fraction}") if fraction else 0.0))
