"""Smaller formats: SubViewer and YouTube (.sbv), MicroDVD and MPL2, SAMI, and lyrics."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from itertools import takewhile

from ops.dialogue.cues import Parsed
from ops.videos.languages import parse_language

_TIME = r"(\d{1,4}):(\d{2}):(\d{2})[.:](\d{1,3})"
_PAIR = re.compile(rf"^[ \t]*{_TIME}[ \t]*,[ \t]*{_TIME}[ \t]*$", re.MULTILINE)
_BREAK = re.compile(r"\[br\]", re.IGNORECASE)

_FRAMES = re.compile(r"^[ \t]*(?:\{(\d+)\}\{(\d*)\}|\[(\d+)\]\[(\d*)\])(.*)$", re.MULTILINE)
_CODES = re.compile(r"\{[a-zA-Z]:[^{}]*\}")
_USUAL_FPS = Fraction(24000, 1001)
_DEFAULT_S = 3.0

# Lengths are bounded: patterns that look for an end which never comes are slow.
_SYNC = re.compile(r"<sync\b[^<>]{0,200}?\bstart\s{0,9}=\s{0,9}[\"']?(-?\d{1,12})[^<>]{0,200}>", re.IGNORECASE)
_PARAGRAPH = re.compile(r"<p\b(?:[^<>]{0,200}?\bclass\s{0,9}=\s{0,9}[\"']?([\w-]+))?[^<>]{0,200}>", re.IGNORECASE)
_CLASS = re.compile(r"\.([\w-]+)\s{0,9}\{[^{}]{0,500}?\blang\s{0,9}:\s{0,9}([\w-]+)", re.IGNORECASE)
_LINE_BREAK = re.compile(r"<br\s*/?>", re.IGNORECASE)
_TAG = re.compile(r"<!--.{0,300}?-->|</?[a-z][^<>]*>", re.IGNORECASE | re.DOTALL)

_LYRIC = re.compile(r"^\s*((?:\[\d{1,3}:\d{2}(?:[.:]\d{1,3})?\]\s*)+)(.*)$")
_STAMP = re.compile(r"\[(\d{1,3}):(\d{2})(?:[.:](\d{1,3}))?\]")
_WORD_STAMP = re.compile(r"<\d{1,3}:\d{2}(?:[.:]\d{1,3})?>")
_OFFSET = re.compile(r"\[offset:\s*([+-]?\d+)\s*\]", re.IGNORECASE)
_LONGEST_LYRIC_S = 10.0


def is_subviewer(head: str) -> bool:
    """Return whether a line holds only two times with a comma between them."""
    return bool(_PAIR.search(head))


def parse_subviewer(text: str, lines: list[str], result: Parsed) -> None:
    """Parse ``0:00:01.000,0:00:03.000``, text, an empty line."""
    starts = [number for number, line in enumerate(lines) if len(line) < 100 and _PAIR.match(line)]
    for start, end in zip(starts, [*starts[1:], len(lines)], strict=True):
        if result.is_full(start + 1):
            return
        match = _PAIR.match(lines[start])
        assert match
        cue_text = "\n".join(takewhile(str.strip, lines[start + 1 : end]))
        raw = _BREAK.sub("\n", cue_text)
        result.add(start + 1, _parse_clock(match.groups()[:4]), _parse_clock(match.groups()[4:]), raw, "srt")


def _parse_clock(groups: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, fraction = groups
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0) + float(f"0.{fraction or 0}")


def is_frames(head: str) -> bool:
    """Return whether lines begin with two numbers in braces (frames) or brackets (tenths of a second)."""
    return bool(_FRAMES.search(head))


def parse_frames(lines: list[str], result: Parsed, fps: Fraction | None) -> None:
    """Parse MicroDVD ``{25}{75}text|second row`` and MPL2 ``[10][30]text``.

    Frames count at the rate that the first line gives (``{1}{1}25``), or at that of the video.
    """
    rate, is_given = fps or _USUAL_FPS, False
    for number, line in enumerate(lines, 1):
        match = _FRAMES.match(line[:10_000])
        if match is None:
            if line.strip():
                result.problems.append((number, "text that belongs to no time is left out"))
            continue
        first, last, tenths, last_tenth, raw = match.groups()
        if first is not None and not result.cues and re.fullmatch(r"\s*\d{1,3}([.,]\d+)?\s*", raw) and int(first) <= 1:
            rate, is_given = Fraction(raw.strip().replace(",", ".")) or rate, True
            continue
        if result.is_full(number):
            return
        unit = 1 / float(rate) if first is not None else 0.1
        start = int(first or tenths or 0) * unit
        end_text = last if first is not None else last_tenth
        end = int(end_text) * unit if end_text else start + _DEFAULT_S
        rows = [row.removeprefix("/") if first is None else row for row in _CODES.sub("", raw).split("|")]
        result.add(number, start, end, "\n".join(rows), "srt")
        if first is not None and not is_given:
            is_given = True
            whose = "the rate of its video" if fps else "the usual rate of films"
            result.problems.append((number, f"its times are frames, counted at {whose}, {float(rate):.3f} a second"))


def is_sami(head: str) -> bool:
    """Return whether it is SAMI, which is HTML with times."""
    return bool(_SYNC.search(head))


def parse_sami(text: str, lines: list[str], result: Parsed) -> None:
    """Parse SAMI. A text lasts until the next time at which its class (a language) has any; a blank one ends it."""
    languages = {name.lower(): parse_language(tag) for name, tag in _CLASS.findall(text[:20_000])}
    open_cues: dict[str, tuple[int, float, str]] = {}
    for line, start, name, raw in _read_sami_texts(text):
        if result.is_full(line):
            return
        is_blank = not raw.replace("&nbsp;", " ").strip()
        # A blank text of no class ends the texts of all classes.
        for language in list(open_cues) if is_blank and not name else [name] if name in open_cues else []:
            began_line, start_s, before = open_cues.pop(language)
            result.add(began_line, start_s, start, before, "sami", languages.get(language, ""))
        if not is_blank:
            open_cues[name] = (line, start, raw)
    for name, (line, start, raw) in open_cues.items():
        result.add(line, start, start + _DEFAULT_S, raw, "sami", languages.get(name, ""))


def _read_sami_texts(text: str) -> Iterator[tuple[int, float, str, str]]:
    """Yield ``(line, seconds, class in lower case, text)`` in the order of the file."""
    syncs = list(_SYNC.finditer(text))
    line, counted_to = 1, 0
    for place, sync in enumerate(syncs):
        end = syncs[place + 1].start() if place + 1 < len(syncs) else len(text)
        line += text.count("\n", counted_to, sync.start())
        counted_to = sync.start()
        body = text[sync.end() : end]
        parts = _PARAGRAPH.split(body)
        # The text before the first paragraph, then pairs of a class and its text.
        pairs = [("", parts[0])] if len(parts) == 1 or parts[0].strip() else []
        pairs += list(zip((part or "" for part in parts[1::2]), parts[2::2], strict=True))
        for name, raw in pairs:
            plain = _TAG.sub("", _LINE_BREAK.sub("\0", raw).replace("\n", " ")).replace("\0", "\n")
            yield line, int(sync[1]) / 1000, name.lower(), plain


def is_lyrics(head: str) -> bool:
    """Return whether lines begin with ``[mm:ss.xx]``."""
    return any(_LYRIC.match(line[:200]) for line in head.split("\n", 200)[:200])


def parse_lyrics(text: str, lines: list[str], result: Parsed) -> None:
    """Parse lyrics. Each line lasts until the next one, ten seconds at most; several times before a line repeat it."""
    match = _OFFSET.search(text[:5000])
    offset = int(match[1]) / 1000 if match else 0.0
    times: list[tuple[float, int, str]] = []
    for number, line in enumerate(lines, 1):
        if lyric := _LYRIC.match(line[:10_000]):
            raw = _WORD_STAMP.sub("", lyric[2])
            for minutes, seconds, fraction in _STAMP.findall(lyric[1]):
                times.append((int(minutes) * 60 + int(seconds) + float(f"0.{fraction or 0}") - offset, number, raw))
    times.sort()
    for place, (start, number, raw) in enumerate(times):
        if result.is_full(number):
            return
        after = times[place + 1][0] if place + 1 < len(times) else start + _DEFAULT_S
        if raw.strip():
            result.add(number, start, min(after, start + _LONGEST_LYRIC_S), raw, "srt")
