"""Follow texts over the sampled frames of a shot, and find text that is the same in the whole video.

Pure functions. A text is the same in two samples if it stays in its place or moves with the picture, and reads alike.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Literal

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
_TIMECODE = re.compile(r"\D{0,8}\d{1,2}[:;.,]\s?\d{2}[:;.,]\s?\d{2}(?:[:;.,]\s?\d{2,3})?\D{0,4}")
_COUNTER = re.compile(r"\W{0,3}(?:[A-Za-z]{1,6}[.:#]?\s?)?\d{3,9}\W{0,3}")


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
    """A run that later samples may continue: what was seen, and the indexes of its first and last sample."""

    first: int
    last: int
    seen: list[SeenText] = field(default_factory=list)


def follow_texts(samples: Sequence[tuple[int, Sequence[SeenText]]], start_frame: int, end_frame: int) -> list[TextRun]:
    """Return the texts of a shot ``[start_frame, end_frame)`` from its samples ``(frame, texts)``, ascending.

    A text begins and ends half-way between a sample with it and one without it. It may be missing in one sample.
    """
    runs: list[_Open] = []
    for number, (_, texts) in enumerate(samples):
        open_runs = [run for run in runs if run.last >= number - 2]
        for text in texts:
            best = max(
                (run for run in open_runs if run.last < number),
                key=lambda run: _measure_likeness(run.seen[-1], text),
                default=None,
            )
            if best is not None and _measure_likeness(best.seen[-1], text) > 0:
                best.last = number
                best.seen.append(text)
            else:
                runs.append(_Open(first=number, last=number, seen=[text]))
    frames = [frame for frame, _ in samples]

    def find_middle(number: int) -> int:
        """Return the frame between a sample and the next one; the ends of the shot outside."""
        if number < 0:
            return start_frame
        return end_frame if number + 1 >= len(frames) else (frames[number] + frames[number + 1] + 1) // 2

    return [_close(run, find_middle) for run in runs]


def _close(run: _Open, find_middle: Callable[[int], int]) -> TextRun:
    counts = Counter(each.text for each in run.seen)
    best = max(run.seen, key=lambda each: (counts[each.text], each.confidence))
    is_counter = all(_is_counter(each.text) for each in run.seen)
    return TextRun(
        text=best.text,
        box=best.box,
        confidence=max(each.confidence for each in run.seen if each.text == best.text),
        start_frame=find_middle(run.first - 1),
        end_frame=find_middle(run.last),
        changes=is_counter and len(counts) > 1,
    )


def _measure_likeness(old: SeenText, new: SeenText) -> float:
    """Return 0 for two texts, and more the more surely they are one."""
    overlap, distance = measure_overlap(old.box, new.box), _measure_distance(old.box, new.box)
    if overlap >= SAME_PLACE and _is_counter(old.text) and _is_counter(new.text):
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


def is_timecode(text: str) -> bool:
    """Return True if a text has the form of a timecode: three or four groups of digits."""
    return _TIMECODE.fullmatch(text) is not None


def _is_counter(text: str) -> bool:
    return is_timecode(text) or _COUNTER.fullmatch(text) is not None


@dataclass(frozen=True, kw_only=True)
class PlacedText:
    """A text of a video as :func:`find_kinds` compares it; ``kind`` is that of its own frames."""

    shot_id: str
    text: str
    box: Box
    kind: TextKind


@dataclass
class _Place:
    first: PlacedText
    shots: set[str]
    members: list[int]


def find_kinds(texts: Sequence[PlacedText], shots: int) -> list[TextKind]:
    """Return the kind of each text of a video; ``shots`` is the number of its shots.

    Timecodes and counters are those that change, or that stand in one place in several shots. A ``constant`` text is
    the same in one place in half of the shots, and in at least four: the logo of a channel, a copyright line.
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
    if _is_counter(place.first.text):
        several = len(place.shots) >= 3 and len({texts[number].text for number in place.members}) > 1
        changes = any(texts[number].kind == "timecode" for number in place.members)
        return "timecode" if several or changes else None
    least_shots = max(CONSTANT_SHOTS, CONSTANT_SHARE * shots)
    return "constant" if len(place.shots) >= least_shots else None


def _is_same(one: PlacedText, other: PlacedText) -> bool:
    if measure_overlap(one.box, other.box) < SAME_PLACE:
        return False
    if _is_counter(one.text) and _is_counter(other.text):
        return True
    return measure_alike(one.text, other.text) >= ALIKE
