"""Rolling captions: each row is shown again with the next one, and here becomes one cue, from its first word on.

Stands alone because rolling captions are a window over a text, not a list of lines. Video sites write each row twice or
three times, live captioning scrolls two or three rows. Without this step each row would be found, counted and tied to
shots as often as it is shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from ops.dialogue.cues import Cue, Row

LONGEST_GAP_S = 0.5
"""A window that has been empty for longer starts again,"""
LONGEST_PAUSE_S = 60.0
"""but captions with the times of words show the row before again when speech goes on after a pause."""
LEAST_SCROLLS = 3
"""Successive cues that must repeat the end of the one before: with fewer, a speaker repeats the words."""
SHARE_OF_FILE = 0.3
"""From this share of cues that repeat the one before, all of them count as rolling."""
LEAST_WORD_S = 0.3


@dataclass(kw_only=True)
class _Piece:
    """Rows that appear together, while they are in the window."""

    cue: Cue
    start_s: float
    end_s: float
    rows: list[str] = field(default_factory=list)

    def make_cue(self) -> Cue:
        return replace(self.cue, start_s=self.start_s, end_s=self.end_s, text=" ".join(self.rows))


@dataclass(frozen=True, kw_only=True)
class _WindowStep:
    """How one cue follows another: ``shift`` rows have gone, and the rest are at the top of the window."""

    shift: int
    is_scroll: bool


def unroll(cues: Sequence[Cue]) -> list[Cue]:
    """Return the cues with every row of rolling captions once; others unchanged, in order of time if any rolls."""
    ordered_cues = sorted(cues, key=lambda cue: (cue.start_s, cue.end_s))
    steps = [_find_step(before, cue) for before, cue in pairwise(ordered_cues)]
    scrolls = sum(step is not None and step.is_scroll for step in steps)
    # In a short file every cue must repeat the one before.
    least = LEAST_SCROLLS if scrolls < len(steps) else LEAST_SCROLLS - 1
    is_whole_file = scrolls >= least and scrolls >= SHARE_OF_FILE * len(steps)
    has_words = any(row.words_s for cue in cues for row in cue.rows)
    if not scrolls and not (has_words and any(steps)):
        return list(cues)
    result: list[Cue] = []
    start = 0
    for place in range(len(ordered_cues)):
        if place < len(steps) and steps[place] is not None:
            continue
        run, run_steps = ordered_cues[start : place + 1], [step for step in steps[start:place] if step]
        rolls = is_whole_file or _is_rolling(run, run_steps)
        result += _unroll_run(run, run_steps) if rolls and run_steps else run
        start = place + 1
    return result


def _is_rolling(run: Sequence[Cue], steps: Sequence[_WindowStep]) -> bool:
    if any(row.words_s for cue in run for row in cue.rows):
        return True
    return sum(step.is_scroll for step in steps) >= LEAST_SCROLLS


def _find_step(before: Cue, cue: Cue) -> _WindowStep | None:
    """Return how the window moves from one cue to the next; ``None`` if the next one is another window."""
    longest = LONGEST_PAUSE_S if any(row.words_s for row in cue.rows) else LONGEST_GAP_S
    if not before.rows or not cue.rows or cue.start_s - before.end_s > longest or before.language != cue.language:
        return None
    old, new = [_strip_row(row) for row in before.rows], [_strip_row(row) for row in cue.rows]
    for shift in range(len(old)):
        tail = old[shift:]
        if len(tail) <= len(new) and tail[:-1] == new[: len(tail) - 1] and _is_continued(tail[-1], new[len(tail) - 1]):
            return _WindowStep(shift=shift, is_scroll=old != new)
    return None


def _strip_row(row: Row) -> str:
    return row.text.casefold()


def _is_continued(old: str, new: str) -> bool:
    """Return whether a row is the same or longer at its end: captions of live speech appear word by word."""
    return new == old or new.startswith(old)


def _unroll_run(run: Sequence[Cue], steps: Sequence[_WindowStep]) -> list[Cue]:
    pieces: list[_Piece] = []
    window: list[tuple[_Piece, int]] = []
    for place, cue in enumerate(run):
        if place:
            window = window[steps[place - 1].shift :]
            piece, row = window[-1]
            if piece.rows[row] != cue.rows[len(window) - 1].text:
                piece.rows[row] = cue.rows[len(window) - 1].text
                piece.end_s = max(piece.end_s, cue.end_s)
        new = cue.rows[len(window) :]
        if new:
            start, end = _compute_times(cue, new)
            piece = _Piece(cue=cue, start_s=start, end_s=end, rows=[row.text for row in new])
            pieces.append(piece)
            window += [(piece, row) for row in range(len(new))]
    return [piece.make_cue() for piece in pieces]


def _compute_times(cue: Cue, rows: Sequence[Row]) -> tuple[float, float]:
    """Return the time span of the words in rows: by the times of the words, or else the time of the cue."""
    words = [time for row in rows for time in row.words_s if cue.start_s <= time <= cue.end_s]
    if not words:
        return cue.start_s, cue.end_s
    start = words[0] if rows[0].begins_late else cue.start_s
    pace = (words[-1] - start) / len(words)
    return start, min(cue.end_s, words[-1] + max(pace, LEAST_WORD_S))
