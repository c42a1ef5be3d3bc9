"""Dates in the text of a query: values of ``after:`` and ``before:``, and dates in plain words.

All days are UTC days. A date may be a year, a month, a week or a day, and stands for the half-open range of its days.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

Days = tuple[date, date]
"""First day, and the day after the last."""

_MONTHS_TEXT = "january february march april may june july august september october november december"
_MONTHS = _MONTHS_TEXT.split()
_MONTH = "|".join(f"{name}|{name[:3]}" for name in _MONTHS)
_WEEK = re.compile(r"(\d{4})-?w(\d{1,2})")
_ISO = re.compile(r"(\d{4})(?:[-/.](\d{1,2})(?:[-/.](\d{1,2}))?)?")
_WORDED = re.compile(
    rf"(?:(\d{{1,2}})(?:st|nd|rd|th)? (?:of )?)?({_MONTH})\.?(?: (\d{{1,2}})(?:st|nd|rd|th)?,?)? (\d{{4}})",
    re.IGNORECASE,
)
_DATE = rf"\d{{4}}-\d{{1,2}}(?:-\d{{1,2}})?|{_WORDED.pattern.replace('(', '(?:').replace('(?:?:', '(?:')}|\d{{4}}"
_PHRASE = re.compile(
    rf"\b(?:(after|since|before|until|till|from|in|on)\s+)?({_DATE}|today|yesterday)(?![\w-])", re.IGNORECASE
)
_FIRST_YEAR, _LAST_YEAR = 1888, 2199
# Dates in names of files: 2024-05-31, 2024_05_31, 20240531.
_IN_NAME = re.compile(r"(?<!\d)((?:19|20)\d\d)([-_.]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])(?!\d)")


@dataclass(frozen=True, kw_only=True)
class DatePhrase:
    """``text[start:end]`` is a date in words: the days from ``first`` (or any) until before ``end_day`` (or any).

    ``is_asked``: a word such as "after" makes it a condition; a year alone may also describe what is seen.
    """

    start: int
    end: int
    first: date | None
    end_day: date | None
    is_asked: bool


def parse_date(text: str, today: date) -> Days | None:
    """Return the days of a year, month, week or day (``2024``, ``2024-05``, ``2024-W22``, ``31 May 2024``, ``today``).

    ``None`` for any other text, and for days that no calendar has.
    """
    text = " ".join(text.split()).lower()
    if text in ("today", "yesterday"):
        first = today - timedelta(days=text == "yesterday")
        return first, first + timedelta(days=1)
    if iso := _ISO.fullmatch(text):
        return _days(int(iso[1]), int(iso[2] or 0), int(iso[3] or 0))
    if week := _WEEK.fullmatch(text):
        return _week(int(week[1]), int(week[2]))
    if match := _WORDED.fullmatch(text):
        month = next(at for at, name in enumerate(_MONTHS, start=1) if name.startswith(match[2][:3].lower()))
        return _days(int(match[4]), month, int(match[1] or match[3] or 0))
    return None


def find_dates(text: str, today: date) -> Iterator[DatePhrase]:
    """Yield dates in plain words: "after May 2024", "since 2020", "in 2019", "2024-05-31"."""
    for match in _PHRASE.finditer(text):
        days = parse_date(match[2], today)
        if days is None:
            continue
        word = (match[1] or "").lower()
        first: date | None = days[0]
        last: date | None = days[1]
        if word in ("since", "from"):
            last = None
        elif word == "after":
            first, last = days[1], None
        elif word == "before":
            first, last = None, days[0]
        elif word in ("until", "till"):
            first = None
        is_asked = word in ("after", "since", "before", "until", "till") or not match[2].isdigit()
        yield DatePhrase(start=match.start(), end=match.end(), first=first, end_day=last, is_asked=is_asked)


def read_date(path: str) -> date | None:
    """Return the last date in a path, such as that of ``2024-05-31 beach.mp4`` or ``VID_20240531_101500.mp4``."""
    for match in reversed(list(_IN_NAME.finditer(path))):
        if days := _days(int(match[1]), int(match[3]), int(match[4])):
            return days[0]
    return None


def looks_like_date(text: str) -> bool:
    """Return True if a text has the form of a date, even if no calendar has it (``2024-02-30``)."""
    normal_text = " ".join(text.split()).lower()
    return any(form.fullmatch(normal_text) for form in (_ISO, _WEEK, _WORDED))


def _week(year: int, number: int) -> Days | None:
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        return None
    try:
        first = date.fromisocalendar(year, number, 1)
    except ValueError:
        return None
    return first, first + timedelta(days=7)


def _days(year: int, month: int, day: int) -> Days | None:
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        return None
    try:
        first = date(year, month or 1, day or 1)
    except ValueError:
        return None
    if day:
        return first, first + timedelta(days=1)
    if month:
        return first, date(year + month // 12, month % 12 + 1, 1)
    return first, date(year + 1, 1, 1)
