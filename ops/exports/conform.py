"""Checks of lists with one frame rate (EDL, ALE, markers), which systems conform by reel and timecode."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from ops.core.errors import UsageError
from ops.core.plural import plural
from ops.core.time import parse_timecode
from ops.exports.clip import Clip
from ops.exports.format import format_rate, group_by_rate
from ops.exports.names import join_lines

MAX_RATE = 60
LIST_RATES = (*(Fraction(base * 1000, 1001) for base in (24, 30, 60)), *map(Fraction, (24, 25, 30, 50, 60)))
"""Rates of CMX 3600 systems and their successors."""
MAX_LISTED = 3
"""Maximum number of videos, or events, in a message."""


def require_one_rate(clips: Sequence[Clip], kind: str) -> Fraction:
    """The one rate of the selection. ``kind`` is the format with its article, for messages: "an EDL".

    Raises ``UsageError`` if the selection has several rates, or one that is too high.
    """
    groups = group_by_rate(clips)
    if len(groups) > 1:
        listing = ", ".join(f"{format_rate(rate)} ({_describe_films(group)})" for rate, group in groups.items())
        raise UsageError(
            f"{kind} has one frame rate, and the selection has {listing}: export the videos of each rate "
            "separately, or all as OpenTimelineIO (otio), Final Cut Pro XML (fcpxml) or Premiere XML (xmeml)"
        )
    rate = next(iter(groups))
    if rate > MAX_RATE:
        raise UsageError(f"{kind} counts at most {MAX_RATE} frames per second, not {format_rate(rate)}: export as otio")
    return rate


def require_one_count(clips: Sequence[Clip], kind: str) -> None:
    """Raise ``UsageError`` if the selection mixes drop-frame timecode with non-drop."""
    drop = {clip.film.path: clip.film.is_drop for clip in clips}
    if len(set(drop.values())) > 1:
        one, other = (next(path for path, value in drop.items() if value is way) for way in (True, False))
        raise UsageError(
            f"{kind} counts drop-frame or not: {one} has drop-frame timecode and {other} has not; export them on their "
            "own, or all as otio, fcpxml or xmeml"
        )


def _describe_films(clips: Sequence[Clip]) -> str:
    """The number of clips and the names of their videos, for a choice by the user; the first few of many."""
    names = list(dict.fromkeys(join_lines(clip.film.name) for clip in clips))
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return f"{plural(len(clips), 'clip')} of {', '.join(names[:MAX_LISTED])}{more}"


def warn_over_midnight(clips: Sequence[Clip], kind: str, row: str) -> tuple[str, ...]:
    """Warn of clips over midnight: a timecode has no day, so their end seems to be before their begin."""
    over = []
    for number, clip in enumerate(clips, start=1):
        film = clip.film
        day = parse_timecode("23:59:59;00" if film.is_drop else "23:59:59:00", film.rate) + round(film.rate)
        first = film.start + clip.source_in
        if first // day != (first + clip.length) // day:
            over.append(number)
    if not over:
        return ()
    listing = ", ".join(map(str, over[:MAX_LISTED]))
    listing += f" and {len(over) - MAX_LISTED} more" if len(over) > MAX_LISTED else ""
    return (
        f"{row}{'' if len(over) == 1 else 's'} {listing}: the source's timecode runs over midnight, and {kind} has no "
        "day, so many systems refuse it; end the clip before, or export as otio, fcpxml or xmeml",
    )


def warn_rates(clips: Sequence[Clip], kind: str) -> tuple[str, ...]:
    """Warn of a rate that only some systems support in such a list."""
    rate = clips[0].film.rate
    if rate in LIST_RATES:
        return ()
    return (
        f"not every system reads {kind} at {format_rate(rate)} frames per second; export as otio if yours does not",
    )
