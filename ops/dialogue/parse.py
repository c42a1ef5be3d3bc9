"""Cues of a subtitle file, each with the line of the file where it begins.

Text of ``.ass`` and ``.ssa`` is read by pysubs2, one event at a time, so that a broken one costs no other. It
reads ``.srt`` and ``.vtt`` too, but as one stream: it drops the sign of negative times, takes notes and names of
cues for dialogue and a last line that is a number for a counter, and tells no line numbers. So files of these
are divided here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby, takewhile

from ops.core.errors import MediaError
from ops.dialogue.plain import plain_text

MOST_CUES = 100_000
"""Cues of one file that are read: a film of three hours has some 3,000."""
MOST_LINES = 1_000_000
"""Lines of a file, blank ones too: ten for each of the cues that are read."""

_STAMP = r"(-?)\s*(?:(\d{1,4})\s*:)?\s*(\d{1,3})\s*:\s*(\d{1,3})(?:\s*[.,]\s*(\d{1,6}))?"
_TIMES = re.compile(rf"\s*{_STAMP}\s*-{{1,2}}>\s*{_STAMP}")
_LONGEST_TIMES = 400
_ARROW = "->"
_NO_CUES = ("NOTE", "STYLE", "REGION", "WEBVTT")
_EVENT = re.compile(r"\s*Dialogue\s*:", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Cue:
    """Plain text with its times in seconds as the source has them; ``line`` is 1-based, 0 for tracks."""

    line: int
    start_s: float
    end_s: float
    text: str


@dataclass(kw_only=True)
class Parsed:
    """Cues in the order of the file; ``problems`` are ``(line, what)``; ``empty`` counts cues without any text."""

    cues: list[Cue] = field(default_factory=list)
    problems: list[tuple[int, str]] = field(default_factory=list)
    empty: int = 0

    def add(self, line: int, start_s: float, end_s: float, raw: str, kind: str) -> None:
        """Append a cue from its marked-up text."""
        text, cut = plain_text(raw, kind)
        if cut:
            self.problems.append((line, f"the text has {len(raw):,} signs: the first {len(text):,} are kept"))
        if text:
            self.cues.append(Cue(line=line, start_s=start_s, end_s=end_s, text=text))
        else:
            self.empty += 1


def parse(text: str, suffix: str) -> Parsed:
    """The cues of a file whose name ends with ``suffix``: srt, vtt, ass or ssa.

    The content decides where it is another of these. Takes time in proportion to the length of the text. Raises
    ``MediaError`` where there is no cue in it, or where it has more than a million lines.
    """
    result = Parsed()
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if (count := text.count("\n") + 1) > MOST_LINES:
        raise MediaError(f"it has {count:,} lines, and at most {MOST_LINES:,} are read: it is no film's subtitles")
    lines = text.split("\n")
    events = suffix in ("ass", "ssa") or "[events]" in text[:100_000].lower()
    if events:
        _parse_events(lines, "ssa" if suffix == "ssa" else "ass", result)
    if not events or not (result.cues or result.problems):
        _parse_cues(lines, "vtt" if text.lstrip().startswith("WEBVTT") else "srt", result)
    if not result.cues and not result.problems:
        nothing = "its cues hold no text" if result.empty else "no line of it tells a time"
        raise MediaError(f"it holds no subtitles: {nothing}")
    return result


def _parse_cues(lines: list[str], kind: str, result: Parsed) -> None:
    for number, times, block in _blocks(lines, kind, result):
        if len(result.cues) >= MOST_CUES:
            result.problems.append((number, f"more than {MOST_CUES:,} cues: the rest is left out"))
            return
        match = _TIMES.match(times)
        if match is None:
            result.problems.append((number, f"not readable as times: {times.strip()[:80]!r}; its text is left out"))
            continue
        start_s, end_s = _seconds(match.groups()[:5]), _seconds(match.groups()[5:])
        result.add(number, start_s, end_s, "\n".join(block), kind)


def _blocks(lines: list[str], kind: str, result: Parsed) -> Iterator[tuple[int, str, list[str]]]:
    """``(line number of the times, the times, the lines of text)`` of each cue."""
    starts = [number for number, line in enumerate(lines) if _is_times(line)]
    ends = [*starts[1:], len(lines)]
    if not starts:
        return
    _note_loose(lines, 0, starts[0], kind, result)
    for start, end in zip(starts, ends, strict=True):
        body = lines[start + 1 : end]
        if kind == "vtt":
            # A blank line ends a cue; notes, styles and the name of the next cue stand after it.
            said = list(takewhile(str.strip, body))
            _note_loose(lines, start + 1 + len(said), end, kind, result)
        else:
            said = body if end == len(lines) else _without_counter(body)
        yield start + 1, lines[start], said


def _is_times(line: str) -> bool:
    return len(line) <= _LONGEST_TIMES and _ARROW in line and bool(re.search(r"\d\s*-{1,2}>", line))


def _without_counter(body: list[str]) -> list[str]:
    """The text of a cue that another one follows: the number above the times of that one is no text."""
    counter = next((place for place in reversed(range(len(body))) if body[place].strip()), None)
    if counter is None or not re.fullmatch(r"\s*\d+\s*", body[counter]):
        return body
    # Directly above the times, as it should be, or after a blank line, as some write it.
    is_counter = counter in (0, len(body) - 1) or not body[counter - 1].strip()
    return body[:counter] if is_counter else body


def _note_loose(lines: list[str], start: int, end: int, kind: str, result: Parsed) -> None:
    """Tell of text that stands between cues and is neither a note nor the name or number of the next cue."""
    for is_blank, numbers in groupby(range(start, end), lambda number: not lines[number].strip()):
        if is_blank:
            continue
        block = list(numbers)
        first = lines[block[0]].strip().lstrip("\ufeff")
        is_name = end < len(lines) and block == [end - 1]
        if not is_name and not (kind == "vtt" and first.startswith(_NO_CUES)):
            result.problems.append((block[0] + 1, f"text that belongs to no time is left out: {first[:60]!r}"))


def _seconds(groups: tuple[str | None, ...]) -> float:
    sign, hours, minutes, seconds, fraction = groups
    whole = int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)
    return (-1 if sign else 1) * (whole + (float(f"0.{fraction}") if fraction else 0.0))


def _parse_events(lines: list[str], kind: str, result: Parsed) -> None:
    from pysubs2 import SSAFile

    for number, line in enumerate(lines, 1):
        if not _EVENT.match(line):
            continue
        if len(result.cues) >= MOST_CUES:
            result.problems.append((number, f"more than {MOST_CUES:,} cues: the rest is left out"))
            return
        try:
            event = SSAFile.from_string(f"[Events]\nDialogue:{line.partition(':')[2]}", format_=kind)[0]
        except (ValueError, TypeError) as error:
            result.problems.append((number, f"not readable as an event ({error}); its text is left out"))
            continue
        result.add(number, event.start / 1000, event.end / 1000, event.text, "ass")
