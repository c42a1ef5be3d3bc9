"""Recognise clocks, timecodes and counters that run in the picture, also if digits or separators are misread.

Pure. Stands alone because the form decides nothing: "2,07" is a price, "0:23" a score, and both are a clock that was
read with another separator. A text is a counter if its values advance, or count down, as fast as the video plays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

_TIMECODE = re.compile(r"\D{0,8}\d{1,2}[:;.,]\s?\d{2}[:;.,]\s?\d{2}(?:[:;.,]\s?\d{2,3})?\D{0,4}")
_COUNTER = re.compile(r"\W{0,3}(?:[A-Za-z]{1,6}[.:#]?\s?)?\d{3,9}\W{0,3}")
_DIGITS = "0-9OoQDIl|ZSBG"
_MISREAD = str.maketrans("OoQDIl|ZSBG", "00001112586")
_MARK = r"[:;.,·•：'’]"
_LOOSE = re.compile(
    rf"(?P<before>(?:[^\d:;.,]{{0,7}}[^\w:;.,]|[^\W\d_]{{2,8}}[:.#]?|#)?)"
    rf"(?P<body>[{_DIGITS}]{{1,4}}(?:\s?{_MARK}\s?[{_DIGITS}]{{2,4}}|\s[{_DIGITS}]{{2}}){{1,3}}|[{_DIGITS}]{{2,9}})"
    r"(?:[^\w:;.,]\D{0,3})?"
)

LEAST_VALUES, LEAST_MINUTES = 3, 6
"""Different values that must follow each other: two prices may differ by the seconds between them. A clock of minutes
needs more, because its values are less exact."""
AGREEING, LEAST_AGREEING = 0.75, 4
"""Share of the readings of one place that fit one clock: a recogniser confuses digits in the others. If only this
number or fewer fit, all must."""
SPEEDS = (1.0, 24 / 25, 25 / 24)
"""Speeds of a clock: films are played at 25 instead of 24 frames per second, and the other way round."""
SLACK_S, DRIFT = 0.3, 0.002
"""Allowed error of a reading: a part of a second, and a share of the time since the first one."""
LONGEST_S = 0.8
"""Seconds for which a value of a clock may seem to stay beyond its step. A shot with text has three looks or more, and
a longer one shows by itself if its clock runs."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A text at one place that is on screen in the seconds ``[start_s, end_s]`` of its video, or for a part of them."""

    text: str
    start_s: float
    end_s: float


@dataclass(frozen=True, kw_only=True)
class _ClockTime:
    """A reading as a time: it changes each ``step_s`` seconds."""

    value_s: float
    step_s: float
    start_s: float
    end_s: float


def is_timecode(text: str) -> bool:
    """Return True if a text has the form of a timecode: three or four groups of digits."""
    return _TIMECODE.fullmatch(text) is not None


def is_counter(text: str) -> bool:
    """Return True if a text has a form that little else has: a timecode, or a number of at least three digits."""
    return is_timecode(text) or _COUNTER.fullmatch(text) is not None


def may_be_counter(text: str) -> bool:
    """Return True if a text may be a counter with misread digits or separators; prices and scores are such texts."""
    return is_counter(text) or bool(_list_groups(text))


def mend_digits(text: str) -> str:
    """Return the text with the digits for which a recogniser takes some letters: "I1559" becomes "11559"."""
    return text.translate(_MISREAD)


def is_running(readings: Sequence[Reading], rate: float) -> bool:
    """Return True if the values of the readings advance or count down with time; ``rate`` is in frames per second."""
    by_clock: dict[str, list[_ClockTime]] = {}
    for reading in readings:
        for clock, value_s, step_s in _list_values(reading.text, rate):
            time = _ClockTime(value_s=value_s, step_s=step_s, start_s=reading.start_s, end_s=reading.end_s)
            by_clock.setdefault(clock, []).append(time)
    return any(
        _fit_clock(times, len(readings), direction * speed)
        for times in by_clock.values()
        for speed in SPEEDS
        for direction in (1, -1)
    )


def _list_groups(text: str) -> list[str]:
    """Return the groups of digits of a text in the form of a counter, with misread digits mended; empty if it is none.

    Without separators, or if some are lost, the groups are pairs of digits from the right.
    """
    match = _LOOSE.fullmatch(text)
    if match is None or not any(sign.isdecimal() for sign in match["body"]):
        return []
    groups = re.findall(r"\d+", mend_digits(match["body"]))
    if len(groups) == 1 or any(len(group) == 4 for group in groups[1:]):
        digits = "".join(groups)
        first = len(digits) % 2
        groups = [*([digits[:first]] if first else []), *(digits[at : at + 2] for at in range(first, len(digits), 2))]
    return groups


def _list_values(text: str, rate: float) -> Iterator[tuple[str, float, float]]:
    """Yield each clock that the text may be read from, with its value and the length of its step in seconds."""
    groups = _list_groups(text)
    if not groups:
        return
    numbers, last = list(map(int, groups)), groups[-1]
    is_base_60 = all(number < 60 for number in numbers[1:])
    if is_base_60 and len(numbers) in (2, 3):
        yield "seconds", _add_up(numbers), 1.0
    if is_base_60 and len(numbers) == 2:
        yield "minutes", 60 * _add_up(numbers), 60.0
    if len(numbers) > 1 and numbers[-1] <= rate + 1 and all(number < 60 for number in numbers[1:-1]):
        yield "frames", _add_up(numbers[:-1]) + numbers[-1] / rate, 1 / rate
    if len(numbers) > 1:
        parts = 10 ** len(last)
        yield "decimals", _add_up(numbers[:-1]) + numbers[-1] / parts, 1 / parts
    if mend_digits(text).strip().isdecimal():
        yield "number of frames", int("".join(groups)) / rate, 1 / rate


def _add_up(numbers: Sequence[int]) -> float:
    """Return the seconds of hours, minutes and seconds, or of the last of these."""
    return float(list(accumulate(numbers, lambda total, number: 60 * total + number))[-1])


def _fit_clock(times: Sequence[_ClockTime], readings: int, speed: float) -> bool:
    """Return True if enough of the times fit one clock, whose speed is negative if it counts down."""
    began_s = min(time.start_s for time in times)
    spans = [
        (*_find_zero(time, speed, began_s), time.value_s)
        for time in times
        if time.end_s - time.start_s <= time.step_s + LONGEST_S
    ]
    zero_s = _find_deepest([span[:2] for span in spans])
    agreeing = [value_s for low_s, high_s, value_s in spans if low_s <= zero_s <= high_s]
    if len(agreeing) < (readings if len(agreeing) < LEAST_AGREEING else AGREEING * readings):
        return False
    return len(set(agreeing)) >= (LEAST_VALUES if times[0].step_s < 60 else LEAST_MINUTES)


def _find_deepest(spans: Sequence[tuple[float, float]]) -> float:
    """Return a place in which most of the spans are."""
    borders = sorted([(low, -1) for low, _ in spans] + [(high, 1) for _, high in spans])
    depths = accumulate(-border for _, border in borders)
    return max(zip(depths, (place for place, _ in borders), strict=True), default=(0, 0.0))[1]


def _find_zero(time: _ClockTime, speed: float, began_s: float) -> tuple[float, float]:
    """Return the earliest and the latest value that the clock had at second 0 of the video."""
    slack_s = SLACK_S + DRIFT * (time.end_s - began_s)
    moved_s = (speed * time.start_s, speed * time.end_s)
    # A countdown may show the second that begins or the one that ends.
    low_s = time.value_s if speed > 0 else time.value_s - time.step_s
    return low_s - max(moved_s) - slack_s, time.value_s + time.step_s - min(moved_s) + slack_s
