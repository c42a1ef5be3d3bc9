"""Follow texts over the sampled frames of a shot, and find text that is the same in the whole video.

Pure functions. A text is the same in two samples if it stays in its place or moves with the picture, and reads alike.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from itertools import pairwise
from typing import Literal

from ops.screen_text.counters import (
    Reading,
    is_running,
    is_timecode,
    mark_forms,
    mark_pieces,
    mark_running,
    may_be_counter,
    mend_digits,
    split_time,
)
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
LEAST_CHANGES = 3
"""Different texts of one place and shot that may be a counter with misread digits: a score changes once."""


@dataclass(frozen=True, kw_only=True)
class TextRun:
    """A text in frames ``[start_frame, end_frame)``; text, box and confidence are those of its best sample.

    ``changes``: it is a counter that runs, as a timecode does.
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
    places = _join_samples(numbers, _measure_closeness)
    counters = [run for place in places for run in _find_counter(place, frames, rate)]
    counted = {id(text) for run in counters for text in run.seen}
    rest = [[text for text in texts if id(text) not in counted] for texts in sampled_texts]
    joined = _join_samples(rest, _measure_likeness)
    runs = [_close(run, find_middle) for each in joined for run in _divide(each, frames, rate)]
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


def _find_counter(place: _Open, frames: Sequence[int], rate: float) -> list[_Open]:
    """Return the run of a place's texts that are a counter, if one runs; two whole timecodes need not show more."""
    if len({mend_digits(each.text) for each in place.seen}) > 1 and all(is_timecode(each.text) for each in place.seen):
        return [place]
    is_part = mark_running(_list_readings(place, frames, rate), rate)
    if not any(is_part):
        return []
    parts = [at for at, part in enumerate(is_part) if part]
    counts = Counter(each.text for each in place.seen)
    # A text that is read once, while the counter runs, is misread.
    misread = [at for at in range(parts[0], parts[-1]) if counts[place.seen[at].text] == 1]
    return [_select(place, sorted({*parts, *misread}))]


def _list_readings(run: _Open, frames: Sequence[int], rate: float) -> list[Reading]:
    times = [frames[number] / rate for number in run.numbers]
    return [Reading(text=each.text, start_s=at, end_s=at) for each, at in zip(run.seen, times, strict=True)]


def _select(run: _Open, positions: Sequence[int]) -> _Open:
    """Return the part of a run with the texts at these positions, ascending."""
    numbers = [run.numbers[at] for at in positions]
    return _Open(first=numbers[0], last=numbers[-1], seen=[run.seen[at] for at in positions], numbers=numbers)


def _divide(run: _Open, frames: Sequence[int], rate: float) -> list[_Open]:
    """Return the parts of a run in which the digits stay: another score is another text.

    A time that runs at the end of a line does not make a difference.
    """
    texts = [each.text for each in run.seen]
    if len(set(texts)) == 1:
        return [run]
    lines = [split_time(text) for text in texts]
    if all(time for _, time in lines):
        readings = [
            replace(reading, text=time)
            for reading, (_, time) in zip(_list_readings(run, frames, rate), lines, strict=True)
        ]
        texts = [rest for rest, _ in lines] if is_running(readings, rate) else texts
    borders = [0, *_find_changes(texts), len(texts)]
    return [_select(run, range(start, end)) for start, end in pairwise(borders)]


def _find_changes(texts: Sequence[str]) -> list[int]:
    """Return the positions at which the digits differ from the text before.

    A text that is read once, between two with equal digits, is misread.
    """
    counts, kept_texts = Counter(texts), list(texts)
    for at in range(1, len(texts) - 1):
        before, text, after = kept_texts[at - 1 : at + 2]
        if counts[text] == 1 and differ_in_digits(before, text) and not differ_in_digits(before, after):
            kept_texts[at] = before
    pairs = enumerate(pairwise(kept_texts), start=1)
    return [at for at, (before, text) in pairs if differ_in_digits(before, text)]


def differ_in_digits(old: str, new: str) -> bool:
    """Return True if two texts differ in a digit that a recogniser does not take for a letter, as "0" for "O"."""
    if old == new or not any(sign.isdecimal() for sign in old + new):
        return False
    old_signs, new_signs = _list_signs(old), _list_signs(new)
    matcher = SequenceMatcher(None, [sign for sign, _ in old_signs], [sign for sign, _ in new_signs], autojunk=False)
    return any(
        is_digit
        for kind, start, end, new_start, new_end in matcher.get_opcodes()
        if kind != "equal"
        for _, is_digit in [*old_signs[start:end], *new_signs[new_start:new_end]]
    )


def _list_signs(text: str) -> list[tuple[str, bool]]:
    """Return the letters and digits of a text with misread digits mended, and whether each was read as a digit."""
    signs = unicodedata.normalize("NFKD", text)
    mended = [(mend_digits(sign).casefold(), sign.isdecimal()) for sign in signs]
    return [(sign, is_digit) for sign, is_digit in mended if sign.isalnum()]


def _close(run: _Open, find_middle: Callable[[int], int]) -> TextRun:
    counts = Counter(each.text for each in run.seen)
    best = max(run.seen, key=lambda each: (counts[each.text], each.confidence))
    return TextRun(
        text=best.text,
        box=best.box,
        confidence=max(each.confidence for each in run.seen if each.text == best.text),
        start_frame=find_middle(run.first - 1),
        end_frame=find_middle(run.last),
    )


def _measure_likeness(old: SeenText, new: SeenText) -> float:
    """Return 0 for two texts, and more the more surely they are one."""
    overlap, distance = measure_overlap(old.box, new.box), _measure_distance(old.box, new.box)
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

    Timecodes and counters are those that advance with time, in one shot or over several at one place. What stands at
    the place of a counter in other shots is a part of it if it fits, or has its form and may be misread. A ``constant``
    text is the same in one place in half of the shots, and in at least four: the logo of a channel, a copyright line.
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
        members = [texts[number] for number in place.members]
        for number, kind in zip(place.members, _judge_place(members, shots), strict=True):
            kinds[number] = kind
    return kinds


def _judge_place(members: Sequence[PlacedText], shots: int) -> list[TextKind]:
    """Return the kinds of the texts of one place."""
    counters = _find_counters(members)
    if any(counters):
        return ["timecode" if each else "text" for each in counters]
    least_shots = max(CONSTANT_SHOTS, CONSTANT_SHARE * shots)
    if len({each.shot_id for each in members}) >= least_shots:
        main = Counter(each.text for each in members).most_common(1)[0][0]
        is_main = [not differ_in_digits(main, each.text) for each in members]
        # A score that changes is not a logo. A change in a single shot is a misread digit.
        if all(any(pair) for pair in pairwise(is_main)) and is_main[0] and is_main[-1]:
            return ["constant" if each else "text" for each in is_main]
    return ["text"] * len(members)


def _find_counters(members: Sequence[PlacedText]) -> list[bool]:
    """Return for each text of one place whether it is a part of a counter."""
    runs = [each.kind == "timecode" for each in members]
    codes = [is_timecode(each.text) for each in members]
    if len({mend_digits(each.text) for each, is_code in zip(members, codes, strict=True) if is_code}) > 1:
        runs = [run or is_code for run, is_code in zip(runs, codes, strict=True)]
    readings = [Reading(text=each.text, start_s=each.start_s, end_s=each.end_s) for each in members]
    fits = mark_running(readings, members[0].rate)
    clocks = [each.text for each, run in zip(members, runs, strict=True) if run]
    pieces = mark_pieces(readings, clocks)
    # A counter with misread digits changes within its shot, a price stands still.
    changes = Counter(shot_id for shot_id, _ in {(each.shot_id, each.text) for each in members})
    alike = mark_forms([each.text for each in members], clocks)
    changing = [changes[each.shot_id] >= LEAST_CHANGES for each in members]
    misread = [is_alike and is_changing for is_alike, is_changing in zip(alike, changing, strict=True)]
    return [any(reasons) for reasons in zip(runs, fits, pieces, misread, strict=True)]


def _is_same(one: PlacedText, other: PlacedText) -> bool:
    if measure_overlap(one.box, other.box) < SAME_PLACE:
        return False
    if may_be_counter(one.text) and may_be_counter(other.text):
        return True
    return measure_alike(_blind(one.text), _blind(other.text)) >= ALIKE


def _blind(text: str) -> str:
    """Return the text with each number as 0: "2-0" and "10-9" are two texts of one place."""
    return re.sub(r"\d+", "0", text)
