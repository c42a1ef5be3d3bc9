"""Turn cues into lines: times corrected, sources joined, stable ids."""

from __future__ import annotations

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from ops.core.plural import plural
from ops.dialogue.cues import Cue, Parsed, list_languages

SAME_START_S = 0.5
"""Two sources of one language with equal text this close together give one line."""
LEAST_S = 0.1
LONGEST_S = 120.0
"""A cue that lasts longer was given a wrong end."""
MOST_NOTES = 20


@dataclass(frozen=True, kw_only=True)
class DialogueLine:
    """One spoken line: seconds from the first frame, ``0 <= start_s < end_s``.

    ``certainty``, 0 to 1, is that of recognised words; ``None`` for subtitles.
    """

    start_s: float
    end_s: float
    text: str
    language: str
    source: str
    certainty: float | None = None

    def make_line_id(self, video_id: str) -> str:
        """Return an id from the line's content: the same line keeps it, whatever is inserted before or next to it."""
        content = f"{self.source} {self.start_s:.3f} {self.end_s:.3f} {self.text}"
        digest = hashlib.blake2b(content.encode(), digest_size=8).hexdigest()
        return f"{video_id}:{self.language or 'und'}:{digest}"


def build_lines(
    document: Parsed, *, length_s: float, shift_s: float = 0.0, language: str, source: str
) -> tuple[list[DialogueLine], list[str]]:
    """Return ``(lines, notes)`` of one source, by start; every cue is a line or is named in a note.

    ``shift_s`` is subtracted from all times: the time of the first frame after the source's zero. If a cue ends before
    it starts, its times are swapped. A cue that begins before the video is cut there; a cue wholly before it is left
    out. A line past the end of the video, ``length_s`` long, is kept, and named. Notes do not quote what is said: they
    are in logs and in Dagster's records, which outlast a video that is forgotten.
    """
    # A language inside the file counts if the name gives none, or if it holds several.
    is_named = bool(language) and len(list_languages(document.cues)) < 2
    lines, notes = [], [_name_line(line, what) for line, what in document.problems]
    if document.empty:
        notes.append(f"{plural(document.empty, 'cue holds', 'cues hold')} no text (empty, drawings or effects)")
    for cue in document.cues:
        start, end, what = _mend(cue.start_s - shift_s, cue.end_s - shift_s, length_s)
        if what:
            notes.append(_name_line(cue.line, what) if cue.line else f"cue at {cue.start_s:.1f} s: {what}")
        if end > 0:
            line_language = language if is_named or not cue.language else cue.language
            lines.append(
                DialogueLine(
                    start_s=round(start, 3), end_s=round(end, 3), text=cue.text, language=line_language, source=source
                )
            )
    lines.sort(key=lambda line: (line.start_s, line.end_s, line.text))
    return lines, notes


def merge_lines(sources: Iterable[Sequence[DialogueLine]]) -> list[DialogueLine]:
    """Return the lines of all sources by start, each once: of equal ones that of the earlier source counts.

    Lines are equal if they have the same words at the same time (within half a second) in the same language; an unknown
    language may be any. An equal line with a known language passes it on.
    """
    by_text: dict[str, _KnownLines] = {}
    for lines in sources:
        # Within one source only an exact repetition is dropped: speakers do repeat themselves.
        new_lines: dict[str, list[DialogueLine]] = {}
        for line in dict.fromkeys(lines):
            key = " ".join(line.text.casefold().split())
            if key not in by_text or not by_text[key].has(line):
                new_lines.setdefault(key, []).append(line)
        for key, new in new_lines.items():
            by_text.setdefault(key, _KnownLines()).add(new)
    every = [line for known_lines in by_text.values() for line in known_lines.list_lines()]
    return sorted(every, key=lambda line: (line.start_s, line.end_s, line.language, line.text))


class _KnownLines:
    """Lines of the same words, by language and by start, so that files with ten thousand repetitions are not slow."""

    def __init__(self) -> None:
        self._by_language: dict[str, list[DialogueLine]] = {}

    def add(self, lines: Iterable[DialogueLine]) -> None:
        for line in lines:
            self._by_language.setdefault(_select_base(line.language), []).append(line)
        for lines_of_language in self._by_language.values():
            lines_of_language.sort(key=_start)

    def has(self, line: DialogueLine) -> bool:
        """Return whether the line exists already; an existing line without a language takes that of ``line``."""
        base = _select_base(line.language)
        for language in (base, "") if base else tuple(self._by_language):
            candidates = self._by_language.get(language, [])
            at = bisect_left(candidates, line.start_s - SAME_START_S, key=_start)
            while at < len(candidates) and candidates[at].start_s <= line.start_s + SAME_START_S:
                if _is_same(candidates[at], line):
                    if line.language and not candidates[at].language:
                        candidates[at] = replace(candidates[at], language=line.language)
                    return True
                at += 1
        return False

    def list_lines(self) -> Iterable[DialogueLine]:
        return chain.from_iterable(self._by_language.values())


def _select_base(language: str) -> str:
    return language.partition("-")[0]


def _start(line: DialogueLine) -> float:
    return line.start_s


def limit_notes(notes: Sequence[str]) -> list[str]:
    """Return the first notes, and how many more there are."""
    more = len(notes) - MOST_NOTES
    return [*notes[:MOST_NOTES], *([f"and {more} more"] if more > 0 else [])]


def _is_same(one: DialogueLine, other: DialogueLine) -> bool:
    languages = {_select_base(one.language), _select_base(other.language)} - {""}
    return len(languages) < 2 and abs(one.start_s - other.start_s) <= SAME_START_S


def _mend(start: float, end: float, length_s: float) -> tuple[float, float, str]:
    what = ""
    if end < start:
        start, end, what = end, start, "it ended before it started, so its times were swapped"
    if end <= 0 and start < 0:
        return start, end, "it is before the start of the film and is left out"
    if start < 0:
        start, what = 0.0, "it starts before the film does, and was cut there"
    if end - start > LONGEST_S:
        end, what = start + LONGEST_S, f"it lasts longer than {LONGEST_S:.0f} seconds, and was cut there"
    end = max(end, start + LEAST_S)
    if start >= length_s:
        what = f"it is said at {start:.1f} s, after the end of the film ({length_s:.1f} s): it belongs to no shot"
    return start, end, what


def _name_line(line: int, what: str) -> str:
    return f"line {line}: {what}" if line else what


def build_cue(start_s: float, end_s: float | None, text: str) -> Cue:
    """Return a cue of a track or of speech, which have no line numbers; without an end it lasts three seconds."""
    return Cue(line=0, start_s=start_s, end_s=start_s + 3.0 if end_s is None else end_s, text=text)
