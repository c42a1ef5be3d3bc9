"""OpenTimelineIO: one timeline with all clips, even if their rates differ, and provenance as metadata."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import opentimelineio as otio

from ops.exports.clip import Clip
from ops.exports.clip_markers import COLOUR, describe_marker
from ops.exports.film import Film
from ops.exports.format import (
    ExportContext,
    ExportFormat,
    ExportOutcome,
    choose_clock,
    choose_source_reels,
    collect_warnings,
    format_rate,
    group_by_rate,
)
from ops.exports.formats.json import format_json
from ops.exports.names import build_file_url, join_lines, strip_xml_text


class OtioFormat(ExportFormat):
    """A video track, and as many sound tracks as the video with the most. Each clip counts at its own video's rate.

    ``source_range`` is the marked range and the media's ``available_range`` the whole video, both from the video's
    start timecode on. ``metadata["needle"]`` of a clip holds all facts; the handles are its ``head_frame`` and
    ``tail_frame``.
    """

    name = "otio"
    label = "OpenTimelineIO"
    suffix = ".otio"
    media_type = "application/vnd.opentimelineio+json"
    position = 20

    def write(self, clips: Sequence[Clip], target: Path, context: ExportContext) -> ExportOutcome:
        rates = group_by_rate(clips)
        main = Counter(clip.film.rate for clip in clips).most_common(1)[0][0]
        _, start = choose_clock(main, rates[main])
        timeline = otio.schema.Timeline(
            name=context.title,
            global_start_time=_build_time(start, main),
            metadata={"needle": {"format": "needle-clips", "version": 1}},
        )
        reels = choose_source_reels(clips)
        picture = otio.schema.Track(name="V1", kind=otio.schema.TrackKind.Video)
        picture.extend(_build_clip(clip, at, reels) for at, clip in enumerate(clips, start=1))
        for item, clip in zip(picture, clips, strict=True):
            item.markers.append(_build_marker(clip))
        timeline.tracks.append(picture)
        for number in range(max(_count_sound_tracks(clip.film) for clip in clips)):
            sound = otio.schema.Track(name=f"A{number + 1}", kind=otio.schema.TrackKind.Audio)
            sound.extend(
                _build_sound(clip, at, reels, number) if number < _count_sound_tracks(clip.film) else _build_gap(clip)
                for at, clip in enumerate(clips, start=1)
            )
            timeline.tracks.append(sound)
        target.write_text(otio.adapters.write_to_string(timeline, "otio_json") + "\n", encoding="utf-8")
        warnings = collect_warnings(context.settings, clips)
        if len(rates) > 1:
            listing = ", ".join(map(format_rate, rates))
            warnings += (f"films of {listing} frames per second in one timeline: it runs at {format_rate(main)}",)
        return ExportOutcome(warnings=warnings)


def _build_time(frames: int, rate: Fraction) -> Any:
    return otio.opentime.RationalTime(frames, float(rate))


def _build_range(start: int, length: int, rate: Fraction) -> Any:
    return otio.opentime.TimeRange(_build_time(start, rate), _build_time(length, rate))


def _build_media(film: Film, reel: str) -> Any:
    return otio.schema.ExternalReference(
        target_url=build_file_url(film.path),
        available_range=_build_range(film.start, film.length, film.rate),
        metadata={"needle": {"content_hash": film.content_hash, "bytes": film.bytes, "reel": reel}},
    )


def _build_clip(clip: Clip, number: int, reels: dict[str, str]) -> Any:
    film, reel = clip.film, reels[clip.film.video_id]
    media = _build_media(film, reel)
    media.name = join_lines(film.name)
    return otio.schema.Clip(
        name=join_lines(film.name),
        media_reference=media,
        source_range=_build_range(film.start + clip.source_in, clip.length, film.rate),
        metadata={"needle": {"number": number, **_convert_facts(clip)}, "cmx_3600": {"reel": reel}},
    )


def _build_marker(clip: Clip) -> Any:
    """A marker over the range of a clip, in the time of the source."""
    marker, film = describe_marker(clip), clip.film
    return otio.schema.Marker(
        name=strip_xml_text(marker.name),
        comment=strip_xml_text(marker.comment),
        color=COLOUR.upper(),
        marked_range=_build_range(film.start + clip.source_in, clip.length, film.rate),
    )


def _count_sound_tracks(film: Film) -> int:
    return max(len(film.sound_tracks), 1) if film.has_audio else 0


def _build_sound(clip: Clip, number: int, reels: dict[str, str], track: int) -> Any:
    """The clip on a sound track: the video's track with this index, disabled if it is not in the proxies."""
    item = _build_clip(clip, number, reels)
    if clip.film.sound_tracks:
        sound_track = clip.film.sound_tracks[track]
        item.enabled = clip.film.is_heard(sound_track)
        item.metadata["needle"]["sound_track"] = {
            "number": sound_track.number,
            "codec": sound_track.codec,
            "channels": sound_track.channels,
            "layout": sound_track.layout,
            "sample_rate": sound_track.sample_rate,
            "language": strip_xml_text(sound_track.language),
            "title": strip_xml_text(sound_track.title),
        }
    return item


def _build_gap(clip: Clip) -> Any:
    return otio.schema.Gap(source_range=_build_range(0, clip.length, clip.film.rate))


def _convert_facts(clip: Clip) -> dict[str, object]:
    """The facts in types that the library supports: 64-bit integers, no foreign objects, no NUL in text."""
    facts: dict[str, object] = {}
    for name, value in clip.list_facts().items():
        fits = isinstance(value, str | float | bool | None) or (isinstance(value, int) and abs(value) < 2**63)
        text = value if fits else format_json(value)
        facts[strip_xml_text(name)] = strip_xml_text(text) if isinstance(text, str) else text
    return facts


FORMAT = OtioFormat()
