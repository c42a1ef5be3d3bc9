"""CMX3600 edit decision lists (SMPTE ST 258 dialect): the format that every editing and grading system reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

from ops.core.errors import UsageError
from ops.core.plural import plural
from ops.core.time import make_timecode, parse_timecode
from ops.exports.clip import Clip
from ops.exports.film import Film
from ops.exports.format import (
    ExportContext,
    ExportFormat,
    ExportOutcome,
    choose_clock,
    choose_short_reels,
    collect_warnings,
    format_rate,
    group_by_rate,
)
from ops.exports.formats.json import flatten_value
from ops.exports.names import join_lines, shorten_reel

MAX_RATE = 60
EDL_RATES = (*(Fraction(base * 1000, 1001) for base in (24, 30, 60)), *map(Fraction, (24, 25, 30, 50, 60)))
"""Rates of CMX 3600 systems and their successors."""
MAX_EVENTS = 999
MAX_CHANNELS = 4
TOLD = 3
"""Maximum number of videos, or events, in a message."""


class EdlFormat(ExportFormat):
    """One cut per event, on one video track with its sound, in record time from 01:00:00:00.

    An EDL counts in one rate, drop-frame or not, for source and record alike. A selection that mixes them is refused,
    because any system would place its clips wrongly. Reels have eight characters, from the file's own reel name if it
    has one. The whole name, the file's name and path and the provenance follow as comments.
    """

    name = "edl"
    label = "EDL (CMX 3600)"
    suffix = ".edl"
    media_type = "text/plain; charset=utf-8"
    position = 10
    handles_note = "EDL events keep in and out as marked; handles stand in a comment. Only a zip has handles cut."

    def write(self, clips: Sequence[Clip], target: Path, context: ExportContext) -> ExportOutcome:
        text = "\n".join(_format_lines(clips, _require_one_rate(clips), context.title)) + "\n"
        target.write_text(text, encoding="utf-8")
        warnings = collect_warnings(context.settings, clips) + _warn_over_midnight(clips) + _warn_rates(clips)
        warnings += _warn_ambiguous(clips) + _warn_shortened(clips) + _warn_sound(clips)
        if len(clips) > MAX_EVENTS:
            warnings += (f"{len(clips)} events: CMX3600 systems of old stop at {MAX_EVENTS}",)
        return ExportOutcome(warnings=warnings)


def _require_one_rate(clips: Sequence[Clip]) -> Fraction:
    """The one rate of the selection.

    Raises ``UsageError`` if it has several, mixes drop-frame with non-drop, or is too high.
    """
    groups = group_by_rate(clips)
    if len(groups) > 1:
        listing = ", ".join(f"{format_rate(rate)} ({_describe_films(group)})" for rate, group in groups.items())
        raise UsageError(
            f"an EDL has one frame rate, and the selection has {listing}: export the films of each rate on "
            "their own, or all as otio, fcpxml or xmeml"
        )
    rate = next(iter(groups))
    if rate > MAX_RATE:
        raise UsageError(f"an EDL counts at most {MAX_RATE} frames per second, not {format_rate(rate)}: export as otio")
    drop = {clip.film.path: clip.film.is_drop for clip in clips}
    if len(set(drop.values())) > 1:
        one, other = (next(path for path, value in drop.items() if value is way) for way in (True, False))
        raise UsageError(
            f"an EDL counts drop-frame or not: {one} has drop-frame timecode and {other} has not; export them on their "
            "own, or all as otio, fcpxml or xmeml"
        )
    return rate


def _describe_films(clips: Sequence[Clip]) -> str:
    """The number of clips and the names of their videos, for a choice by the user; the first few of many."""
    names = list(dict.fromkeys(join_lines(clip.film.name) for clip in clips))
    more = f" and {len(names) - TOLD} more" if len(names) > TOLD else ""
    return f"{plural(len(clips), 'clip')} of {', '.join(names[:TOLD])}{more}"


def _warn_over_midnight(clips: Sequence[Clip]) -> tuple[str, ...]:
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
    listing = ", ".join(map(str, over[:TOLD])) + (f" and {len(over) - TOLD} more" if len(over) > TOLD else "")
    return (
        f"event{'' if len(over) == 1 else 's'} {listing}: the source's timecode runs over midnight, and an EDL has no "
        "day, so many systems refuse it; end the clip before, or export as otio, fcpxml or xmeml",
    )


def _warn_rates(clips: Sequence[Clip]) -> tuple[str, ...]:
    rate = clips[0].film.rate
    if rate in EDL_RATES:
        return ()
    return (
        f"not every system reads an EDL at {format_rate(rate)} frames per second; export as otio if yours does not",
    )


def _warn_ambiguous(clips: Sequence[Clip]) -> tuple[str, ...]:
    """Videos that a conform by reel and timecode would confuse: the same reel, the same timecode.

    Videos without their own reel name count as one reel: the name that an EDL gives them is in no file.
    """
    films = {clip.film.video_id: clip.film for clip in clips}.values()
    by_reel: dict[str, list[Film]] = {}
    for film in films:
        by_reel.setdefault(film.reel and shorten_reel(film.reel), []).append(film)
    warnings = []
    for reel, group in sorted(by_reel.items()):
        mixed = _find_overlapping(group)
        if mixed:
            names = ", ".join(f"{join_lines(film.name)} from {film.format_timecode(0)}" for film in mixed[:TOLD])
            more = f" and {len(mixed) - TOLD} more" if len(mixed) > TOLD else ""
            why = f"all are of reel {reel}" if reel else "the files have no reel name"
            warnings.append(
                f"{names}{more}: cannot be distinguished by timecode, and {why}; relink them by the file names in the "
                "EDL's comments, or export as otio, fcpxml or xmeml"
            )
    return tuple(warnings)


def _find_overlapping(films: Sequence[Film]) -> list[Film]:
    """Videos of which a part has the same timecode as a part of another, in order of timecode."""
    ordered = sorted(films, key=lambda film: (film.start, film.name))
    overlapping: dict[str, Film] = {}
    reach = ordered[0]
    for film in ordered[1:]:
        if film.start < reach.start + reach.length:
            overlapping |= {reach.video_id: reach, film.video_id: film}
        reach = max(reach, film, key=lambda each: each.start + each.length)
    return list(overlapping.values())


def _warn_shortened(clips: Sequence[Clip]) -> tuple[str, ...]:
    """Reel names that an EDL cannot hold unchanged."""
    films = {clip.film.video_id: clip.film for clip in clips}.values()
    short = choose_short_reels(films)
    names = dict.fromkeys(
        f"{join_lines(film.reel)} is {short[film.video_id]}"
        for film in films
        if film.reel and film.reel.upper() != short[film.video_id]
    )
    if not names:
        return ()
    more = f" and {len(names) - TOLD} more" if len(names) > TOLD else ""
    return (
        f"reel names of an EDL have eight letters and digits: {', '.join([*names][:TOLD])}{more}; the whole names are "
        "in its comments (REEL NAME)",
    )


def _format_lines(clips: Sequence[Clip], rate: Fraction, title: str) -> Iterator[str]:
    is_drop, record = choose_clock(rate, clips)
    yield f"TITLE: {join_lines(title)[:70]}"
    yield "FCM: DROP FRAME" if is_drop else "FCM: NON-DROP FRAME"
    zero = "00:00:00;00" if is_drop else "00:00:00:00"
    reels = choose_short_reels(clip.film for clip in clips)
    for number, clip in enumerate(clips, start=1):
        film = clip.film
        source = film.start + clip.source_in
        times = (source, source + clip.length, record, record + clip.length)
        codes = " ".join(make_timecode(frame, rate, zero) for frame in times)
        record += clip.length
        yield ""
        yield f"{number:03d}  {reels[film.video_id]:<8} {_choose_channels(clip):<5} C        {codes}"
        yield from _format_more_channels(clip)
        yield f"* FROM CLIP NAME: {join_lines(film.name)}"
        yield f"* SOURCE FILE: {join_lines(film.path)}"
        if film.reel:
            yield f"* REEL NAME: {join_lines(film.reel)}"
        yield f"* NEEDLE FRAMES: {clip.in_frame} TO {clip.out_frame} OF {film.frames}"
        if clip.handles:
            yield f"* NEEDLE HANDLES: {clip.head_frame} TO {clip.tail_frame}"
        comments = {"show": film.show, "title": film.title} | clip.describe_origin()
        for name, value in comments.items():
            if value is not None:
                yield f"* NEEDLE {join_lines(name).upper()}: {join_lines(str(flatten_value(value)))}"


def _choose_channels(clip: Clip) -> str:
    """Video alone, with one channel of sound, or with two; the third and fourth are on a separate line."""
    channels = len(clip.film.sound_channels)
    return "V" if not channels else "B" if channels == 1 else "AA/V"


def _format_more_channels(clip: Clip) -> Iterator[str]:
    """Extra lines of an event: channels 3 and 4 in CMX 3600 syntax, and the number of channels if there are more."""
    channels = len(clip.film.sound_channels)
    if channels > 2:
        yield "AUD   3     4" if channels > 3 else "AUD   3"
    if channels > MAX_CHANNELS:
        yield f"* NEEDLE SOUND CHANNELS: {channels}"


def _warn_sound(clips: Sequence[Clip]) -> tuple[str, ...]:
    films = {clip.film.video_id: clip.film for clip in clips}.values()
    return tuple(
        f"{film.path}: it has {len(film.sound_channels)} sound channels and an EDL names {MAX_CHANNELS}; export as "
        "fcpxml, xmeml or otio to keep the others"
        for film in films
        if len(film.sound_channels) > MAX_CHANNELS
    )


FORMAT = EdlFormat()
