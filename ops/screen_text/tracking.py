"""Follow texts over the sampled frames of a shot, and find text that is the same in the whole video.

Pure functions. A text is the same in two samples if it stays in its place or moves with the picture, and reads alike.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Literal

from ops.screen_text.counters import Reading, is_counter, is_running, may_be_counter, mend_digits
from ops.screen_text.reader import Box, SeenText

TextKind = Literal["text", "timecode", "constant"]

ALIKE = 0.75
"""Share of equal characters from which two recognised texts are one: a recogniser confuses some in each frame."""
SAME_PLACE = 0.5
"""Overlap (intersection over union) of the boxes of one text that does not move."""
NEAR = 0.3
"""Distance of the centres, in picture widths, up to which a text may move from one sample to the next."""
CONSTANT_SHARE, CONSTANT_SHOTS = 0.5, 4
"""A text at one place in this share of the video's shots, and in at least this number, is part of the channel."""


@dataclass(frozen=True, kw_only=True)
class TextRun:
    """A text in frames ``[start_frame, end_frame)``; text, box and confidence are those of its best sample.

    ``changes``: its digits differ between samples, as in a timecode or a counter.
    """

    text: str
    box: Box
    confidence: float
    start_frame: int
    end_frame: int
    changes: bool = False

    @property
    def kind(self) -> TextKind:
        """Return the kind that its own frames show."""
        return "timecode" if self.changes else "text"


@dataclass
class _Open:
    """A run that later samples may continue: the indexes of its first and last sample, and each text with its index."""

    first: int
    last: int
    seen: list[SeenText]
    numbers: list[int]


def follow_texts(
    samples: Sequence[tuple[int, Sequence[SeenText]]], start_frame: int, end_frame: int, rate: float
) -> list[TextRun]:
    """Return the texts of a shot ``[start_frame, end_frame)`` from its samples ``(frame, texts)``, ascending.

    A text begins and ends half-way between a sample with it and one without it. It may be missing in one sample.
    ``rate`` is in frames per second. Numbers at one place that advance with time are one text, in whatever form they
    were read.
    """
    frames = [frame for frame, _ in samples]

    def find_middle(number: int) -> int:
        """Return the frame between a sample and the next one; the ends of the shot outside."""
        if number < 0:
            return start_frame
        return end_frame if number + 1 >= len(frames) else (frames[number] + frames[number + 1] + 1) // 2

    sampled_texts = [list(texts) for _, texts in samples]
    numbers = [[text for text in texts if may_be_counter(text.text)] for texts in sampled_texts]
    counters = [run for run in _join_samples(numbers, _measure_closeness) if _is_running(run, frames, rate)]
    counted = {id(text) for run in counters for text in run.seen}
    rest = [[text for text in texts if id(text) not in counted] for texts in sampled_texts]
    runs = [_close(run, find_middle) for run in _join_samples(rest, _measure_likeness)]
    return [*(replace(_close(run, find_middle), changes=True) for run in counters), *runs]


def _join_samples(samples: Sequence[Sequence[SeenText]], measure: Callable[[SeenText, SeenText], float]) -> list[_Open]:
    """Return the runs of texts for which ``measure`` is above 0 from one sample to the next, or the one after."""
    runs: list[_Open] = []
    for number, texts in enumerate(samples):
        open_runs = [run for run in runs if run.last >= number - 2]
        for text in texts:
            best = max(
                (run for run in open_runs if run.last < number),
                key=lambda run: measure(run.seen[-1], text),
                default=None,
            )
            if best is not None and measure(best.seen[-1], text) > 0:
                best.last = number
                best.seen.append(text)
                best.numbers.append(number)
            else:
                runs.append(_Open(first=number, last=number, seen=[text], numbers=[number]))
    return runs


def _measure_closeness(old: SeenText, new: SeenText) -> float:
    overlap = measure_overlap(old.box, new.box)
    return overlap if overlap >= SAME_PLACE else 0.0


def _is_running(run: _Open, frames: Sequence[int], rate: float) -> bool:
    times = [frames[number] / rate for number in run.numbers]
    readings = [Reading(text=each.text, start_s=at, end_s=at) for each, at in zip(run.seen, times, strict=True)]
    return is_running(readings, rate)


def _close(run: _Open, find_middle: Callable[[int], int]) -> TextRun:
    counts = Counter(each.text for each in run.seen)
    best = max(run.seen, key=lambda each: (counts[each.text], each.confidence))
    return TextRun(
        text=best.text,
        box=best.box,
        confidence=max(each.confidence for each in run.seen if each.text == best.text),
        start_frame=find_middle(run.first - 1),
        end_frame=find_middle(run.last),
        changes=len({mend_digits(text) for text in counts}) > 1 and all(is_counter(each.text) for each in run.seen),
    )


def _measure_likeness(old: SeenText, new: SeenText) -> float:
    """Return 0 for two texts, and more the more surely they are one."""
    overlap, distance = measure_overlap(old.box, new.box), _measure_distance(old.box, new.box)
    if overlap >= SAME_PLACE and is_counter(old.text) and is_counter(new.text):
        return 1 + overlap
    if overlap < SAME_PLACE and distance > NEAR:
        return 0.0
    alike = measure_alike(old.text, new.text)
    return alike + overlap if alike >= ALIKE else 0.0


def measure_alike(old: str, new: str) -> float:
    """Return the share of equal characters of two texts, without differences of case, accents and blanks."""
    old, new = fold_text(old), fold_text(new)
    return 1.0 if old == new else SequenceMatcher(None, old, new, autojunk=False).ratio()


def fold_text(text: str) -> str:
    """Return the letters and digits of a text, without case and accents."""
    text_folded = unicodedata.normalize("NFKD", text).casefold()
    return "".join(sign for sign in text_folded if sign.isalnum())


def measure_overlap(old: Box, new: Box) -> float:
    """Return the intersection of two boxes over their union, 0 to 1."""
    width = min(old[2], new[2]) - max(old[0], new[0])
    height = min(old[3], new[3]) - max(old[1], new[1])
    if width <= 0 or height <= 0:
        return 0.0
    common = width * height
    return common / (_measure_area(old) + _measure_area(new) - common)


def _measure_area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _measure_distance(old: Box, new: Box) -> float:
    across = (old[0] + old[2] - new[0] - new[2]) / 2
    down = (old[1] + old[3] - new[1] - new[3]) / 2
    return float((across**2 + down**2) ** 0.5)


@dataclass(frozen=True, kw_only=True)
class PlacedText:
    """A text of a video as :func:`find_kinds` compares it; ``kind`` is that of its own frames.

    ``start_s`` and ``end_s`` are seconds of the video, ``rate`` is in frames per second.
    """

    shot_id: str
    text: str
    box: Box
    kind: TextKind
    start_s: float
    end_s: float
    rate: float


@dataclass
class _Place:
    first: PlacedText
    shots: set[str]
    members: list[int]


def find_kinds(texts: Sequence[PlacedText], shots: int) -> list[TextKind]:
    """Return the kind of each text of a video; ``shots`` is the number of its shots.

    Timecodes and counters are those that change, or that stand in one place in several shots; prices and scores only
    if they advance with time. A ``constant`` text is the same in one place in half of the shots, and in at least four:
    the logo of a channel, a copyright line.
    """
    kinds: list[TextKind] = [each.kind for each in texts]
    places: list[_Place] = []
    for number, each in enumerate(texts):
        place = next((place for place in places if _is_same(place.first, each)), None)
        if place is None:
            places.append(_Place(first=each, shots={each.shot_id}, members=[number]))
        else:
            place.shots.add(each.shot_id)
            place.members.append(number)
    for place in places:
        kind = _judge_place(place, texts, shots)
        for number in place.members if kind else ():
            kinds[number] = kind or "text"
    return kinds


def _judge_place(place: _Place, texts: Sequence[PlacedText], shots: int) -> TextKind | None:
    members = [texts[number] for number in place.members]
    if may_be_counter(place.first.text):
        counters = [each for each in members if is_counter(each.text)]
        several = len({each.shot_id for each in counters}) >= 3 and len({each.text for each in counters}) > 1
        readings = [Reading(text=each.text, start_s=each.start_s, end_s=each.end_s) for each in members]
        changes = any(each.kind == "timecode" for each in members)
        if several or changes or is_running(readings, place.first.rate):
            return "timecode"
        if is_counter(place.first.text) or any(measure_alike(place.first.text, each.text) < ALIKE for each in members):
            return None
    least_shots = max(CONSTANT_SHOTS, CONSTANT_SHARE * shots)
    return "constant" if len(place.shots) >= least_shots else None


def _is_same(one: PlacedText, other: PlacedText) -> bool:
    if measure_overlap(one.box, other.box) < SAME_PLACE:
        return False
    if may_be_counter(one.text) and may_be_counter(other.text):
        return True
    return measure_alike(one.text, other.text) >= ALIKE
