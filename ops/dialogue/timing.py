"""The timing of subtitles in a video: a shift and a stretch set by the user, and a proposal from recognised speech.

Stands alone because a proposal fits words that are partly misrecognised. It can be wrong itself, so it is only
reported, with the number of words that agree with it.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from statistics import median

from ops.core.errors import UsageError
from ops.core.plural import plural
from ops.core.settings import Settings
from ops.dialogue.cues import Cue
from ops.dialogue.lines import DialogueLine

TABLE = "subtitle_timings"
MOST_SHIFT_S = 86_400.0
MOST_STRETCH = 2.0
"""Factor by which subtitles may be stretched, or, as 1 / factor, compressed."""

NEAR_S = 0.8
"""If speech model and subtitles are in step, their times of a word are at most this far apart."""
LEAST_ANCHORS = 6
LEAST_SHARE = 0.5
"""Share of the anchors that must agree with a proposal."""
LEAST_SPAN_S = 60.0
"""A stretch does not show in words that are closer together."""
LEAST_OFF_S = 0.3
"""A smaller difference is in step."""
_RATES = (24000 / 1001, 24.0, 25.0, 30000 / 1001, 30.0)
_RATIOS = tuple(sorted({one / other for one in _RATES for other in _RATES}, key=lambda ratio: abs(ratio - 1)))
_AS_GOOD = 0.95
"""A ratio of two frame rates is taken if it has at least this share of the best factor's agreeing anchors."""
_MOST_WORDS = 3


@dataclass(frozen=True, kw_only=True)
class SubtitleTiming:
    """The times of subtitles in their video: ``stretch`` times their own time, plus ``shift_s``."""

    shift_s: float = 0.0
    stretch: float = 1.0

    def __post_init__(self) -> None:
        if not abs(self.shift_s) <= MOST_SHIFT_S:
            raise UsageError(f"shift = {self.shift_s}: give seconds, at most {MOST_SHIFT_S:,.0f} in either direction")
        if not 1 / MOST_STRETCH <= self.stretch <= MOST_STRETCH:
            raise UsageError(f"stretch = {self.stretch}: give a factor between {1 / MOST_STRETCH} and {MOST_STRETCH}")

    @property
    def is_plain(self) -> bool:
        """Whether subtitles are shown at their own times."""
        return self.shift_s == 0 and self.stretch == 1

    def apply(self, seconds: float) -> float:
        """Return seconds in the video of a time in the subtitles."""
        return seconds * self.stretch + self.shift_s

    def retime(self, cues: Iterable[Cue]) -> list[Cue]:
        """Return the cues at their times in the video."""
        return [replace(cue, start_s=self.apply(cue.start_s), end_s=self.apply(cue.end_s)) for cue in cues]


PLAIN = SubtitleTiming()


@dataclass(frozen=True, kw_only=True)
class TimingProposal:
    """A timing that fits recognised speech: ``agreeing`` of ``anchors`` words are within ``NEAR_S`` of it."""

    timing: SubtitleTiming
    agreeing: int
    anchors: int

    @property
    def confidence(self) -> float:
        """Share of the anchors that agree, 0 to 1."""
        return self.agreeing / self.anchors

    def note(self, path: str) -> str:
        """Return the proposal as a sentence, with the command that sets it."""
        timing = self.timing
        options = f"--shift {timing.shift_s:.2f}"
        options += f" --stretch {timing.stretch:.6f}" if timing.stretch != 1 else ""
        return (
            f"its times do not agree with recognised speech: {self.agreeing} of "
            f"{plural(self.anchors, 'phrase fits', 'phrases fit')} "
            f"`needle dialogue {path!r} {options}`"
        )


def read_timing(settings: Settings, video_id: str) -> SubtitleTiming:
    """Return the timing that is set for the subtitles of a video; the plain one if none is."""
    return read_timings(settings, settings.resolve_partition(video_id)).get(video_id, PLAIN)


def read_timings(settings: Settings, partition: str) -> dict[str, SubtitleTiming]:
    """Return the timings of the videos of a partition that have one, by id."""
    rows = settings.lake.read(TABLE, [partition]).to_pylist()
    return {row["video_id"]: SubtitleTiming(shift_s=row["shift_s"], stretch=row["stretch"]) for row in rows}


def set_timing(settings: Settings, video_id: str, timing: SubtitleTiming, now: datetime) -> bool:
    """Keep the timing with the video, whatever is ingested later; return whether it changed."""
    if read_timing(settings, video_id) == timing:
        return False
    row = {"video_id": video_id, "event_timestamp": now, "created_timestamp": now} | vars(timing)
    return settings.lake.update(TABLE, settings.resolve_partition(video_id), video_id, [] if timing.is_plain else [row])


def propose_timing(
    spoken_lines: Sequence[DialogueLine], subtitles: Sequence[DialogueLine], current: SubtitleTiming = PLAIN
) -> TimingProposal | None:
    """Return the timing by which subtitles agree with recognised speech; ``None`` if no change is needed or provable.

    Anchors are phrases of up to three words that each side has once. The candidates are all factors between two frame
    rates, and the median slope between anchors (Theil-Sen). The factor with the most anchors at one distance counts.
    ``current`` is the timing that the subtitles have already; the proposal replaces it.
    """
    pairs = _find_anchors(_list_words(spoken_lines), _list_words(subtitles))
    if len(pairs) < LEAST_ANCHORS:
        return None
    is_long = pairs[-1][0] - pairs[0][0] >= LEAST_SPAN_S
    fits = [(*_find_densest(pairs, ratio), ratio) for ratio in (_RATIOS if is_long else (1.0,))]
    # Of equally good ones the first: the factor that changes least.
    best = max(fits, key=lambda fit: fit[0])
    if is_long:
        slope = min(max(_compute_slope(pairs), 1 / MOST_STRETCH), MOST_STRETCH)
        free = (*_find_densest(pairs, slope), slope)
        best = free if best[0] < _AS_GOOD * free[0] else best
    agreeing, shift_s, stretch = best
    if agreeing < max(LEAST_ANCHORS, LEAST_SHARE * len(pairs)):
        return None
    ends = [time * stretch + shift_s - time for time in (pairs[0][0], pairs[-1][0])]
    if max(map(abs, ends)) < LEAST_OFF_S:
        return None
    shift = stretch * current.shift_s + shift_s
    try:
        timing = SubtitleTiming(shift_s=round(shift, 3), stretch=round(stretch * current.stretch, 6))
    except UsageError:
        return None
    return TimingProposal(timing=timing, agreeing=agreeing, anchors=len(pairs))


def _list_words(lines: Sequence[DialogueLine]) -> list[tuple[str, float]]:
    """Return words with their start times, by the share of the line's characters before them."""
    words = []
    for line in lines:
        at, pace = 0, (line.end_s - line.start_s) / max(len(line.text), 1)
        for part in line.text.split():
            word = "".join(sign for sign in part.casefold() if sign.isalnum())
            if word:
                words.append((word, line.start_s + at * pace))
            at += len(part) + 1
    return words


def _find_anchors(
    spoken_words: Sequence[tuple[str, float]], subtitle_words: Sequence[tuple[str, float]]
) -> list[tuple[float, float]]:
    """Return ``(time in subtitles, time in speech)`` of the longest phrases unique on each side, by time.

    Shorter phrases are used only if the longer ones are too few.
    """
    pairs: dict[float, float] = {}
    for length in range(_MOST_WORDS, 0, -1):
        once, other = _select_unique(spoken_words, length), _select_unique(subtitle_words, length)
        pairs = {other[phrase]: once[phrase] for phrase in other if phrase in once} | pairs
        if len(pairs) >= 4 * LEAST_ANCHORS:
            break
    return sorted(pairs.items())


def _select_unique(words: Sequence[tuple[str, float]], length: int) -> dict[tuple[str, ...], float]:
    phrases = [
        (tuple(word for word, _ in words[at : at + length]), words[at][1]) for at in range(len(words) - length + 1)
    ]
    counts = Counter(phrase for phrase, _ in phrases)
    return {phrase: time for phrase, time in phrases if counts[phrase] == 1}


def _find_densest(pairs: Sequence[tuple[float, float]], stretch: float) -> tuple[int, float]:
    """Return how many stretched pairs agree on a shift within ``NEAR_S`` on both sides, and their median shift."""
    shifts = sorted(speech_time - subtitle_time * stretch for subtitle_time, speech_time in pairs)
    best, first = (0, 0), 0
    for last, shift in enumerate(shifts):
        while shift - shifts[first] > 2 * NEAR_S:
            first += 1
        best = max(best, (last - first + 1, -first))
    count, first = best[0], -best[1]
    return count, median(shifts[first : first + count])


def _compute_slope(pairs: Sequence[tuple[float, float]]) -> float:
    """Return the median of the slopes between pairs that are half of all pairs apart."""
    half = len(pairs) // 2
    slopes = [
        (later[1] - one[1]) / (later[0] - one[0])
        for one, later in zip(pairs, itertools.islice(pairs, half, None), strict=False)
        if later[0] > one[0]
    ]
    return median(slopes) if slopes else 1.0
