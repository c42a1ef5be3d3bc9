"""Cues: plain text with times, as a source has them, before any correction."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from ops.dialogue.markup import strip_markup

MOST_CUES = 100_000
"""Cues of one file that are read: a video of three hours has some 3,000."""
_MOST_ROWS = 8
_WORD_TIME = re.compile(r"<(?:(\d+):)?(\d{1,2}):(\d{2})[.,](\d{1,3})>")
_ROW_ENDS = {"ass": re.compile(r"\\N|\n")}
_NEWLINE = re.compile(r"\n")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of a cue as it is shown. ``words_s``: times at which its words begin, if the file gives these.

    ``begins_late`` is true if the first of these belongs to its first word; else that word begins with the cue.
    """

    text: str
    words_s: tuple[float, ...] = ()
    begins_late: bool = False


@dataclass(frozen=True, kw_only=True)
class Cue:
    """Plain text with its times in seconds as the source has them; ``line`` is 1-based, 0 for tracks.

    ``language`` is the language in the file itself, a BCP 47 tag or empty; ``rows`` are the rows of the text.
    """

    line: int
    start_s: float
    end_s: float
    text: str
    language: str = ""
    rows: tuple[Row, ...] = ()


@dataclass(kw_only=True)
class Parsed:
    """Cues in the order of the file; ``problems`` are ``(line, problem)``; ``empty`` counts cues without any text."""

    cues: list[Cue] = field(default_factory=list)
    problems: list[tuple[int, str]] = field(default_factory=list)
    empty: int = 0

    def add(self, line: int, start_s: float, end_s: float, raw: str, kind: str, language: str = "") -> None:
        """Append a cue from its marked-up text."""
        text, cut = strip_markup(raw, kind)
        if cut:
            self.problems.append((line, f"the text has {len(raw):,} signs: the first {len(text):,} are kept"))
        if not text:
            self.empty += 1
            return
        rows = () if cut else _split_rows(raw, kind)
        self.cues.append(Cue(line=line, start_s=start_s, end_s=end_s, text=text, language=language, rows=rows))

    def is_full(self, line: int) -> bool:
        """Return whether the limit of cues is reached; reported once, at the line at which the rest begins."""
        if len(self.cues) < MOST_CUES:
            return False
        self.problems.append((line, f"more than {MOST_CUES:,} cues: the rest is left out"))
        return True


def list_languages(cues: Sequence[Cue]) -> set[str]:
    """Return the languages that the file itself gives for its cues."""
    return {cue.language for cue in cues} - {""}


def _split_rows(raw: str, kind: str) -> tuple[Row, ...]:
    """Return the rows that hold text; none if there are more than captions have."""
    parts = _ROW_ENDS.get(kind, _NEWLINE).split(raw, _MOST_ROWS)
    if len(parts) > _MOST_ROWS:
        return ()
    rows = ((strip_markup(part, kind)[0], part) for part in parts)
    return tuple(
        Row(text=text, words_s=_read_word_times(part), begins_late=bool(_WORD_TIME.match(part.lstrip())))
        for text, part in rows
        if text
    )


def _read_word_times(part: str) -> tuple[float, ...]:
    return tuple(
        int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{fraction}")
        for hours, minutes, seconds, fraction in _WORD_TIME.findall(part)
    )
