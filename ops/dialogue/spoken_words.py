"""Cut recognised words into lines: at ends of sentences and at pauses, with the times of the words themselves.

Pure. A recogniser's own segments begin with the silence or the music before a line: on the trailer of Sintel (tiny.en,
28 November 2026) a line spoken from 18.8 to 19.9 s was a segment from 14.3 to 20.0 s, over three more shots.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

PAUSE_S = 0.8
"""A pause between two words that ends a line."""
SHORT_PAUSE_S = 0.3
"""A pause after a comma that ends a line, if the line is long."""
LONG_SIGNS = 60
"""Characters from which a line is long; twice as many end it at any word."""
LONGEST_WORD_S = 0.7
"""A longer word at the beginning or the end of a line has silence or music in it, and is cut to this."""
LEAST_CERTAINTY = 0.4
"""Mean certainty of a line's words below which the line was invented, as over music without a voice."""
UNSURE = 0.6
"""Mean certainty of a line's words below which it is marked as unsure."""
_END = re.compile(r"[.?!…。？！؟।]+[\"'”’»)\]]*$")
_ABBREVIATION = re.compile(r"^(?:mr|mrs|ms|dr|st|prof|sr|jr|vs|no|[a-z])\.$", re.IGNORECASE)
_COMMA = re.compile(r"[,;:、，；]$")


@dataclass(frozen=True, kw_only=True)
class HeardWord:
    """A recognised word with its times in seconds, and its certainty, 0 to 1. Its blanks are those of the script."""

    text: str
    start_s: float
    end_s: float
    certainty: float


@dataclass(frozen=True, kw_only=True)
class HeardLine:
    """A line of recognised words; ``certainty`` is the mean of its words, 0 to 1."""

    text: str
    start_s: float
    end_s: float
    certainty: float


def cut_lines(words: Iterable[HeardWord]) -> list[HeardLine]:
    """Return the lines of the words, which are in order. Lines that were invented are left out."""
    lines = [_build_line(part) for part in _split(list(words))]
    return [line for line in lines if line.text and line.certainty >= LEAST_CERTAINTY]


def _split(words: Sequence[HeardWord]) -> Iterator[list[HeardWord]]:
    line: list[HeardWord] = []
    for word in words:
        if line and _ends_line(line, word):
            yield line
            line = []
        line.append(word)
    if line:
        yield line


def _ends_line(line: Sequence[HeardWord], word: HeardWord) -> bool:
    """Return True if the line is complete before the word."""
    last, pause_s = line[-1].text.strip(), word.start_s - line[-1].end_s
    if pause_s >= PAUSE_S or (_END.search(last) and not _ABBREVIATION.match(last)):
        return True
    signs = sum(len(each.text) for each in line)
    if signs >= 2 * LONG_SIGNS:
        return True
    return signs >= LONG_SIGNS and (pause_s >= SHORT_PAUSE_S or bool(_COMMA.search(last)))


def _build_line(words: Sequence[HeardWord]) -> HeardLine:
    first, last = words[0], words[-1]
    start_s = max(first.start_s, first.end_s - LONGEST_WORD_S)
    end_s = max(min(last.end_s, last.start_s + LONGEST_WORD_S), start_s)
    return HeardLine(
        text=" ".join("".join(word.text for word in words).split()),
        start_s=start_s,
        end_s=end_s,
        certainty=sum(word.certainty for word in words) / len(words),
    )
