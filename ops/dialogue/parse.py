"""Cues of a subtitle file, each with the number of its first line in the file.

The content decides the format of a file, its name only if the content is ambiguous. pysubs2 reads most of these formats
too, but as one stream, with these faults:

- it drops the sign of negative times;
- it takes notes and names of cues for dialogue, and a last line that is a number for a counter;
- it needs the fields of an ASS file in one order;
- it gives no line numbers.

So files are divided here, and pysubs2 reads the tags of ASS.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import groupby, takewhile

from ops.core.errors import MediaError
from ops.dialogue.cues import Cue, Parsed
from ops.dialogue.events import parse_events
from ops.dialogue.formats import (
    is_frames,
    is_lyrics,
    is_sami,
    is_subviewer,
    parse_frames,
    parse_lyrics,
    parse_sami,
    parse_subviewer,
)
from ops.dialogue.rolling import unroll
from ops.dialogue.ttml import is_ttml, parse_ttml
from ops.videos.languages import parse_language

__all__ = ["MOST_LINES", "Cue", "Parsed", "parse"]

MOST_LINES = 1_000_000
"""Lines of a file, blank ones too: ten for each of the cues that are read."""

_STAMP = r"(-?)\s*(?:(\d{1,4})\s*:)?\s*(\d{1,3})\s*:\s*(\d{1,3})(?:\s*[.,;]\s*(\d{1,6})|:(\d{3}))?"
_TIMES = re.compile(rf"\s*{_STAMP}\s*(?:-{{1,3}}>|[–—]>|→)\s*{_STAMP}")
_LONGEST_TIMES = 400
_ARROWS = re.compile(r"\d[ \t]{0,20}(?:-{1,3}>|[–—]>|→)")
_NO_CUES = ("NOTE", "STYLE", "REGION", "WEBVTT")
_VTT_LANGUAGE = re.compile(r"Language:\s*([A-Za-z0-9-]+)\s*$", re.MULTILINE)
_HEAD = 100_000


def parse(text: str, suffix: str, fps: Fraction | None = None) -> Parsed:
    """Return the cues of a file whose name ends with ``suffix``; ``fps`` is its video's rate, for times in frames.

    Rows of rolling captions are cues, each once. Takes time in proportion to the length of the text. Raises
    ``MediaError`` if it has neither a cue nor a problem to report, or more than a million lines.
    """
    result = Parsed()
    # Files that were put together have byte order marks inside.
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\ufeff", "")
    if (count := text.count("\n") + 1) > MOST_LINES:
        raise MediaError(
            f"it has {count:,} lines, and at most {MOST_LINES:,} are read: these are not the subtitles of a film"
        )
    lines = text.split("\n")
    _choose_reader(text[:_HEAD], suffix, fps)(text, lines, result)
    if not (result.cues or result.problems):
        _parse_cues(text, lines, result)
    if not result.cues and not result.problems:
        nothing = "its cues hold no text" if result.empty else "no line of it has a time"
        raise MediaError(f"it holds no subtitles: {nothing}")
    result.cues = unroll(result.cues)
    return result


def _choose_reader(head: str, suffix: str, fps: Fraction | None) -> Callable[[str, list[str], Parsed], None]:
    if is_ttml(head):
        return parse_ttml
    if is_sami(head):
        return parse_sami
    if suffix in ("ass", "ssa") or "[events]" in head.lower():
        return parse_events
    if _ARROWS.search(head):
        return _parse_cues
    if is_subviewer(head):
        return parse_subviewer
    if is_frames(head):
        return lambda text, lines, result: parse_frames(lines, result, fps)
    return parse_lyrics if is_lyrics(head) else _parse_cues


def _parse_cues(text: str, lines: list[str], result: Parsed) -> None:
    """Parse SubRip and WebVTT."""
    is_vtt = text.lstrip().startswith("WEBVTT")
    language = ""
    if is_vtt and (match := _VTT_LANGUAGE.search(text.lstrip().partition("\n\n")[0][:2000])):
        language = parse_language(match[1])
    kind = "vtt" if is_vtt else "srt"
    for number, times, block in _split_blocks(lines, kind, result):
        if result.is_full(number):
            return
        match = _TIMES.match(times)
        if match is None:
            result.problems.append((number, f"not readable as times: {times.strip()[:80]!r}; its text is left out"))
            continue
        start_s, end_s = _parse_seconds(match.groups()[:6]), _parse_seconds(match.groups()[6:])
        result.add(number, start_s, end_s, "\n".join(block), kind, language)


def _split_blocks(lines: list[str], kind: str, result: Parsed) -> Iterator[tuple[int, str, list[str]]]:
    """Yield ``(line number of the times, the times, the lines of text)`` of each cue."""
    starts = [number for number, line in enumerate(lines) if _is_times(line)]
    ends = [*starts[1:], len(lines)]
    if not starts:
        return
    _note_loose(lines, 0, starts[0], kind, result)
    for start, end in zip(starts, ends, strict=True):
        body = lines[start + 1 : end]
        is_last = end == len(lines)
        if kind == "vtt":
            # An empty line ends a cue, a line of blanks does not; notes, styles and the name of the next cue follow.
            text = list(takewhile(bool, body))
            _note_loose(lines, start + 1 + len(text), end, kind, result)
            if len(text) == len(body) and not is_last:
                text = _drop_counter(text)
        else:
            text = body if is_last else _drop_counter(body)
        yield start + 1, lines[start], text


def _is_times(line: str) -> bool:
    return len(line) <= _LONGEST_TIMES and (">" in line or "→" in line) and bool(_ARROWS.search(line))


def _drop_counter(body: list[str]) -> list[str]:
    """Return the text of a cue without the number of the next cue, which is above that cue's times."""
    counter = next((place for place in reversed(range(len(body))) if body[place].strip()), None)
    if counter is None or not re.fullmatch(r"\s*\d+\s*", body[counter]):
        return body
    # Directly above the times, as it should be, or after a blank line, as some files have it.
    is_counter = counter in (0, len(body) - 1) or not body[counter - 1].strip()
    return body[:counter] if is_counter else body


def _note_loose(lines: list[str], start: int, end: int, kind: str, result: Parsed) -> None:
    """Report text between cues that is neither a note nor the name or number of the next cue."""
    for is_blank, numbers in groupby(range(start, end), lambda number: not lines[number].strip()):
        if is_blank:
            continue
        block = list(numbers)
        first = lines[block[0]].strip()
        is_name = end < len(lines) and block == [end - 1]
        if not is_name and not (kind == "vtt" and first.startswith(_NO_CUES)):
            result.problems.append((block[0] + 1, "text that belongs to no time is left out"))


def _parse_seconds(groups: tuple[str | None, ...]) -> float:
    sign, hours, minutes, seconds, fraction, milliseconds = groups
    total = int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)
    parts = fraction or milliseconds
    return (-1 if sign else 1) * (total + (float(f"0.{parts}") if parts else 0.0))
