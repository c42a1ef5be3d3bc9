"""Recognise clocks, timecodes and counters that run in the picture, also if digits or separators are misread.

Pure. Stands alone because the form decides nothing: "2,07" is a price, "0:23" a score, "1914" a year, and all are a
counter that was read with another separator or none. A text is a counter if its values advance, or count down, as fast
as the video plays.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

_DIGITS = "0-9OoQDIl|ZSBG"
_MISREAD = str.maketrans("OoQDIl|ZSBG", "00001112586")
_MARK = r"[:;.,·•：'’]"
_SAME_MARKS = str.maketrans(";·•：'’,", "::::::.")
_LOOSE = re.compile(
    rf"(?P<before>(?:[^\d:;.,]{{0,7}}[^\w:;.,]|[^\W\d_]{{2,8}}[:.#]?\s?|#)?)"
    rf"(?P<body>[{_DIGITS}]{{1,4}}(?:\s?{_MARK}\s?[{_DIGITS}]{{2,4}}|\s[{_DIGITS}]{{2}}){{1,3}}|[{_DIGITS}]{{2,9}})"
    r"(?:[^\w:;.,]\D{0,3})?"
)
# A time at the end of a text; a label, "CAM 1", or a date before it.
_TIME = rf"[{_DIGITS}]{{1,2}}(?:\s?{_MARK}\s?[{_DIGITS}]{{2}}){{1,3}}(?:\s?[AaPp]\.?[Mm]\.?)?"
_ENDING = re.compile(rf"(?P<rest>.*\S)(?:\s|(?<![{_DIGITS}{_MARK[1:]}))(?P<time>{_TIME})", re.DOTALL)
_LABEL = re.compile(
    rf"[^\W\d_]{{1,8}}[.#:]?\s?[{_DIGITS}]{{0,3}}\W{{0,3}}|(?:[{_DIGITS}]{{1,4}}\W){{2}}[{_DIGITS}]{{1,4}}\W{{0,2}}T?"
)
# "12h34m10s", and "T-50".
_UNITS = re.compile(r"(?:(\d{1,2})\s?h\s?)?(\d{1,2})\s?(?:m|min)\s?(\d{1,2})\s?s(?:ec)?", re.IGNORECASE)
_SECONDS = re.compile(r"(?:T\s?)?[-–+]?\s?(\d{1,3})")

LEAST_VALUES, LEAST_MINUTES = 3, 6
"""Different values that must follow each other: two prices may differ by the seconds between them. A clock of minutes
needs more, because its values are less exact."""
LEAST_TIMES = 2
"""Different values that are enough with hours, minutes and seconds: two such texts rarely fit by chance."""
LEAST_NUMBERS, FEW_DIGITS = 4, 4
"""Different values that a number without separators needs, if it has at most this number of digits: a year, an age."""
TIMECODE_GROUPS = 4
"""Hours, minutes, seconds and frames: little else has this form."""
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
    """A reading as a time: it changes each ``step_s`` seconds. ``least_values`` show that it runs."""

    number: int
    least_values: int
    value_s: float
    step_s: float
    start_s: float
    end_s: float


def is_timecode(text: str) -> bool:
    """Return True if a text has the form of a whole timecode: hours, minutes, seconds and frames."""
    groups, marks = _list_groups(text), _find_marks(text)
    return len(groups) == len(marks) + 1 == TIMECODE_GROUPS and all(int(group) < 60 for group in groups[1:3])


def may_be_counter(text: str) -> bool:
    """Return True if a text may be a counter with misread digits or separators; prices and scores are such texts."""
    return bool(_list_groups(text))


def mend_digits(text: str) -> str:
    """Return the text with the digits for which a recogniser takes some letters: "I1559" becomes "11559"."""
    return text.translate(_MISREAD)


def is_running(readings: Sequence[Reading], rate: float) -> bool:
    """Return True if the values of the readings advance or count down with time; ``rate`` is in frames per second."""
    return any(mark_running(readings, rate))


def mark_running(readings: Sequence[Reading], rate: float) -> list[bool]:
    """Return for each reading whether it belongs to a counter that runs at its place; ``rate`` is in frames per second.

    Most readings must fit a counter. Others belong to it if they may be misread: they have its form, and are short.
    """
    by_clock: dict[str, list[_ClockTime]] = {}
    for number, reading in enumerate(readings):
        for clock, value_s, step_s in _list_values(reading.text, rate):
            time = _ClockTime(
                number=number,
                least_values=_count_least(reading.text, step_s),
                value_s=value_s,
                step_s=step_s,
                start_s=reading.start_s,
                end_s=reading.end_s,
            )
            by_clock.setdefault(clock, []).append(time)
    agreeing = max(
        (
            _fit_clock(times, len(readings), direction * speed)
            for times in by_clock.values()
            for speed in SPEEDS
            for direction in (1, -1)
        ),
        key=len,
        default=set(),
    )
    pieces = mark_pieces(readings, [readings[number].text for number in agreeing])
    return [number in agreeing or is_piece for number, is_piece in enumerate(pieces)]


def mark_pieces(readings: Sequence[Reading], clocks: Sequence[str]) -> list[bool]:
    """Return for each reading whether it has the form of a clock, and is too short to show that it stands still.

    A reading stands still if it is there again later.
    """
    spans: dict[str, tuple[float, float]] = {}
    for each in readings:
        start_s, end_s = spans.get(each.text, (each.start_s, each.end_s))
        spans[each.text] = (min(start_s, each.start_s), max(end_s, each.end_s))
    short = {text for text, (start_s, end_s) in spans.items() if end_s - start_s <= 1 + LONGEST_S}
    forms = mark_forms([each.text for each in readings], clocks)
    return [has_form and each.text in short for each, has_form in zip(readings, forms, strict=True)]


def mark_forms(texts: Sequence[str], clocks: Sequence[str]) -> list[bool]:
    """Return for each text whether it has as many groups of digits as one of the clocks, and the same separators."""
    forms = {find_form(clock) for clock in clocks}
    return [find_form(text) in forms for text in texts] if forms else [False] * len(texts)


def find_form(text: str) -> tuple[int, str]:
    """Return the number of groups of digits of a text, and its separators; a recogniser takes ":" for ";"."""
    return len(_list_groups(text)), _find_marks(text).translate(_SAME_MARKS)


def split_time(text: str) -> tuple[str, str]:
    """Return the words of a text before the time at its end, and the time; the whole text and "" without both."""
    match = _ENDING.fullmatch(text)
    return (match["rest"], match["time"]) if match else (text, "")


def _list_groups(text: str) -> list[str]:
    """Return the groups of digits of a text in the form of a counter, with misread digits mended; empty if it is none.

    Without separators, or if some are lost, the groups are pairs of digits from the right.
    """
    body = _find_body(text)
    groups = re.findall(r"\d+", mend_digits(body))
    if len(groups) == 1 or any(len(group) == 4 for group in groups[1:]):
        digits = "".join(groups)
        first = len(digits) % 2
        groups = [*([digits[:first]] if first else []), *(digits[at : at + 2] for at in range(first, len(digits), 2))]
    return groups


@lru_cache(maxsize=1024)
def _find_body(text: str) -> str:
    """Return the digits of a text in the form of a counter, with their separators; empty if it is none.

    A date or a short label may stand before a time. An amount of money is not a counter.
    """
    rest, time = split_time(text)
    if time and _LABEL.fullmatch(rest):
        text = time
    if units := _UNITS.fullmatch(text):
        return ":".join(part for part in units.groups() if part)
    match = _LOOSE.fullmatch(text)
    if match is None or any(unicodedata.category(sign) == "Sc" for sign in match["before"]):
        return ""
    return match["body"] if any(sign.isdecimal() for sign in match["body"]) else ""


def _find_marks(text: str) -> str:
    return "".join(re.findall(_MARK, _find_body(text)))


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
    if mend_digits(_find_body(text)).isdecimal():
        yield "number of frames", int("".join(groups)) / rate, 1 / rate
    if match := _SECONDS.fullmatch(mend_digits(text)):
        yield "number of seconds", float(match[1]), 1.0


def _add_up(numbers: Sequence[int]) -> float:
    """Return the seconds of hours, minutes and seconds, or of the last of these."""
    return float(list(accumulate(numbers, lambda total, number: 60 * total + number))[-1])


def _fit_clock(times: Sequence[_ClockTime], readings: int, speed: float) -> set[int]:
    """Return the numbers of the readings that fit one clock; empty if they are too few.

    ``speed`` is negative if the clock counts down.
    """
    began_s = min(time.start_s for time in times)
    spans = [
        (*_find_zero(time, speed, began_s), time)
        for time in times
        if time.end_s - time.start_s <= time.step_s + LONGEST_S
    ]
    zero_s = _find_deepest([span[:2] for span in spans])
    agreeing = [time for low_s, high_s, time in spans if low_s <= zero_s <= high_s]
    if len(agreeing) < (readings if len(agreeing) < LEAST_AGREEING else AGREEING * readings):
        return set()
    least_values = max((time.least_values for time in agreeing), default=1)
    is_enough = len({time.value_s for time in agreeing}) >= least_values
    return {time.number for time in agreeing} if is_enough else set()


def _count_least(text: str, step_s: float) -> int:
    """Return how many different values show that a clock runs, if this is one of them."""
    marks = len(_find_marks(text))
    if step_s >= 60:
        return LEAST_MINUTES
    if not marks and len("".join(_list_groups(text))) <= FEW_DIGITS:
        return LEAST_NUMBERS
    return LEAST_TIMES if marks > 1 else LEAST_VALUES


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
