"""CMX3600 edit decision lists (SMPTE ST 258 dialect): the format that every editing and grading system reads."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

from ops.core.time import make_timecode
from ops.exports.clip import Clip
from ops.exports.clip_markers import COLOUR, describe_marker
from ops.exports.conform import MAX_LISTED, require_one_count, require_one_rate, warn_over_midnight, warn_rates
from ops.exports.film import Film
from ops.exports.format import (
    ExportContext,
    ExportFormat,
    ExportOutcome,
    choose_clock,
    choose_short_reels,
    collect_warnings,
)
from ops.exports.formats.json import flatten_value
from ops.exports.names import join_lines, shorten_reel

MAX_EVENTS = 999
MAX_CHANNELS = 4


class EdlFormat(ExportFormat):
    """One cut per event, on one video track with its sound, in record time from 01:00:00:00.

    An EDL counts in one rate, drop-frame or not, for source and record alike. A selection that mixes them is refused,
    because any system would place its clips wrongly. Reels have eight characters, from the file's own reel name if it
    has one. The whole name, the file's name and path and the provenance follow as comments.

    Each event has its marker twice: for DaVinci Resolve (Import > Timeline Markers from EDL) and as a CMX locator.
    """

    name = "edl"
    label = "EDL (CMX 3600)"
    suffix = ".edl"
    media_type = "text/plain; charset=utf-8"
    position = 10
    has_one_rate = True
    handles_note = "EDL events keep in and out as marked; handles stand in a comment. Only a zip has handles cut."

    def write(self, clips: Sequence[Clip], target: Path, context: ExportContext) -> ExportOutcome:
        rate = require_one_rate(clips, "an EDL")
        require_one_count(clips, "an EDL")
        text = "\n".join(_format_lines(clips, rate, context.title)) + "\n"
        target.write_text(text, encoding="utf-8")
        warnings = collect_warnings(context.settings, clips) + warn_over_midnight(clips, "an EDL", "event")
        warnings += warn_rates(clips, "an EDL") + _warn_ambiguous(clips) + _warn_shortened(clips) + _warn_sound(clips)
        if len(clips) > MAX_EVENTS:
            warnings += (f"{len(clips)} events: CMX3600 systems of old stop at {MAX_EVENTS}",)
        return ExportOutcome(warnings=warnings)


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
        overlap = _find_overlapping(group)
        if overlap:
            names = ", ".join(
                f"{join_lines(film.name)} from {film.format_timecode(0)}" for film in overlap[:MAX_LISTED]
            )
            more = f" and {len(overlap) - MAX_LISTED} more" if len(overlap) > MAX_LISTED else ""
            why = f"all are of reel {reel}" if reel else "the files have no reel name"
            warnings.append(
                f"{names}{more}: cannot be distinguished by timecode, and {why}; relink them by the file names in the "
                "EDL's comments, or export as otio, fcpxml or xmeml"
            )
    return tuple(warnings)


def _find_overlapping(films: Sequence[Film]) -> list[Film]:
    """Videos of which a part has the same timecode as a part of another, in order of timecode."""
    films_by_start = sorted(films, key=lambda film: (film.start, film.name))
    overlapping: dict[str, Film] = {}
    reach = films_by_start[0]
    for film in films_by_start[1:]:
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
    more = f" and {len(names) - MAX_LISTED} more" if len(names) > MAX_LISTED else ""
    return (
        f"reel names of an EDL have eight letters and digits: {', '.join([*names][:MAX_LISTED])}{more}; the whole "
        "names are in its comments (REEL NAME)",
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
        codes = [make_timecode(frame, rate, zero) for frame in times]
        record += clip.length
        yield ""
        yield f"{number:03d}  {reels[film.video_id]:<8} {_choose_channels(clip):<5} C        {' '.join(codes)}"
        yield from _format_more_channels(clip)
        yield from _format_marker(clip, codes[2])
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


def _format_marker(clip: Clip, record: str) -> Iterator[str]:
    """The marker of an event as Resolve exports its own: comment, colour, name, frames. Then as a locator of CMX 3600.

    Resolve ends each field at a bar. A line that begins with neither an event number nor a keyword is a remark to any
    other reader, so the text has no bar and begins with a word.
    """
    marker = describe_marker(clip)
    comment, name = (text.replace("|", "/") for text in (marker.comment, marker.name))
    yield f"{comment} |C:ResolveColor{COLOUR} |M:{name} |D:{clip.length}"
    yield f"* LOC: {record} {COLOUR.upper():<7} {name}; {comment}"


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
