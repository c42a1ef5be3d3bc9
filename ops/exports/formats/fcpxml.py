"""Final Cut Pro XML (FCPXML 1.10), for Final Cut Pro and DaVinci Resolve."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from xml.etree.ElementTree import Element

from ops.core.media import FieldOrder
from ops.exports.clip import Clip
from ops.exports.clip_markers import describe_marker
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
from ops.exports.formats.json import flatten_value
from ops.exports.names import build_file_url, join_lines
from ops.exports.xml import add, write_xml

VERSION = "1.10"
Form = tuple[Fraction, int, int, FieldOrder, str | None]
"""The key of a format: rate, width, height, field order, HDR colours."""
REEL_KEY = "com.apple.proapps.studio.reel"
AUDIO_RATES = {32_000: "32k", 44_100: "44.1k", 48_000: "48k", 88_200: "88.2k", 96_000: "96k", 176_400: "176.4k"} | {
    192_000: "192k"
}
"""Supported sound rates of a sequence, by samples per second."""


class FcpxmlFormat(ExportFormat):
    """One project per frame rate, in one event, because a sequence has one rate; each video is one asset.

    Times are exact fractions of seconds. An asset is the whole video from its start timecode on. An ``asset-clip`` is
    the marked range, so the handles remain available for trimming. If there are several sound tracks, each is a
    component. Facts are ``metadata`` with keys ``needle.*`` and, for people, the ``note``. Each clip has a marker at
    its first frame, and its range has the query as keyword.
    """

    name = "fcpxml"
    label = "Final Cut Pro XML"
    suffix = ".fcpxml"
    media_type = "application/xml"
    position = 30
    shared_suffixes = (".xml",)

    def write(self, clips: Sequence[Clip], target: Path, context: ExportContext) -> ExportOutcome:
        root = Element("fcpxml", version=VERSION)
        resources = add(root, "resources")
        event = add(add(root, "library"), "event", name=context.title)
        formats: dict[Form, str] = {}
        assets: dict[str, str] = {}
        reels = choose_source_reels(clips)
        groups = group_by_rate(clips)
        for rate, group in groups.items():
            for clip in group:
                film = clip.film
                form = _choose_form(rate, film)
                if form not in formats:
                    formats[form] = f"r{len(formats) + len(assets) + 1}"
                    _add_format(resources, formats[form], form)
                if film.video_id not in assets:
                    assets[film.video_id] = f"r{len(formats) + len(assets) + 1}"
                    _add_asset(resources, assets[film.video_id], film, formats[form], reels[film.video_id])
            name = context.title if len(groups) == 1 else f"{context.title} ({format_rate(rate)})"
            _add_project(event, name, rate, group, formats, assets)
        write_xml(root, target, "fcpxml")
        warnings = collect_warnings(context.settings, clips)
        if len(groups) > 1:
            warnings += (f"{len(groups)} frame rates: one project for each of {', '.join(map(format_rate, groups))}",)
        return ExportOutcome(warnings=warnings)


def format_seconds(frames: int, rate: Fraction) -> str:
    """``frames`` at ``rate`` in FCPXML's notation of time: ``1001/24000s``, or ``5s`` if it is an integer."""
    time_s = frames / rate
    return f"{time_s.numerator}s" if time_s.denominator == 1 else f"{time_s.numerator}/{time_s.denominator}s"


def _choose_form(rate: Fraction, film: Film) -> Form:
    return rate, film.width, film.height, film.field_order, film.colour_space


def _add_format(resources: Element, identifier: str, form: Form) -> None:
    rate, width, height, order, colour_space = form
    add(
        resources,
        "format",
        id=identifier,
        frameDuration=format_seconds(1, rate),
        fieldOrder=None if order == "progressive" else f"{order} first",
        width=width,
        height=height,
        colorSpace=colour_space,
    )


def _add_asset(resources: Element, identifier: str, film: Film, form: str, reel: str) -> None:
    sources, channels = _count_sound_sources(film)
    asset = add(
        resources,
        "asset",
        id=identifier,
        name=join_lines(film.name),
        start=format_seconds(film.start, film.rate),
        duration=format_seconds(film.length, film.rate),
        hasVideo=1,
        videoSources=1,
        format=form,
        hasAudio=1 if film.has_audio else None,
        audioSources=sources,
        audioChannels=channels,
        audioRate=film.sound_tracks[0].sample_rate if film.sound_tracks else None,
    )
    add(asset, "media-rep", kind="original-media", src=build_file_url(film.path))
    metadata = add(asset, "metadata")
    add(metadata, "md", key=REEL_KEY, value=reel)
    for name in ("show", "title", "video_id", "content_hash"):
        _add_fact(metadata, name, getattr(film, name))


def _count_sound_sources(film: Film) -> tuple[int | None, int | None]:
    """``(sources, channels of each)`` of an asset: its sound tracks, or its channels if tracks differ in number."""
    if not film.has_audio:
        return None, None
    counts = {track.channels for track in film.sound_tracks}
    if len(counts) > 1:
        return len(film.sound_channels), 1
    return max(len(film.sound_tracks), 1), next(iter(counts), None)


def _add_project(
    event: Element,
    name: str,
    rate: Fraction,
    clips: Sequence[Clip],
    formats: dict[Form, str],
    assets: dict[str, str],
) -> None:
    first = clips[0].film
    is_drop, start = choose_clock(rate, clips)
    has_audio = any(clip.film.has_audio for clip in clips)
    sequence = add(
        add(event, "project", name=name),
        "sequence",
        format=formats[_choose_form(rate, first)],
        duration=format_seconds(sum(clip.length for clip in clips), rate),
        tcStart=format_seconds(start, rate),
        tcFormat="DF" if is_drop else "NDF",
        audioLayout="stereo" if has_audio else None,
        audioRate=AUDIO_RATES.get(first.sound_tracks[0].sample_rate if first.sound_tracks else 48_000, "48k")
        if has_audio
        else None,
    )
    spine = add(sequence, "spine")
    offset = start
    for clip in clips:
        film = clip.film
        item = add(
            spine,
            "asset-clip",
            ref=assets[film.video_id],
            offset=format_seconds(offset, rate),
            name=join_lines(film.name),
            start=format_seconds(film.start + clip.source_in, rate),
            duration=format_seconds(clip.length, rate),
            format=formats[_choose_form(rate, film)],
            tcFormat="DF" if film.is_drop else "NDF",
            audioRole="dialogue" if film.has_audio else None,
        )
        offset += clip.length
        _add_facts(item, clip)


def _add_facts(item: Element, clip: Clip) -> None:
    facts = [(name, flatten_value(value)) for name, value in clip.list_facts().items() if value is not None]
    origin = set(clip.describe_origin())
    add(item, "note", "; ".join(f"{name}: {join_lines(str(value))}" for name, value in facts if name in origin))
    _add_marker(item, clip)
    _add_components(item, clip.film)
    metadata = add(item, "metadata")
    for name, value in facts:
        _add_fact(metadata, name, value)


def _add_marker(item: Element, clip: Clip) -> None:
    """A marker of one frame and a keyword over the range, both in the time of the source.

    Commas separate keywords, so the query has none.
    """
    marker, rate = describe_marker(clip), clip.film.rate
    start = format_seconds(clip.film.start + clip.source_in, rate)
    add(item, "marker", start=start, duration=format_seconds(1, rate), value=marker.name, note=marker.comment)
    keyword = " ".join(marker.name.replace(",", " ").split())
    if keyword:
        length = format_seconds(clip.length, rate)
        add(item, "keyword", start=start, duration=length, value=keyword, note=marker.comment)


def _add_components(item: Element, film: Film) -> None:
    """One component for each sound track, if there are several: its channels, on only if proxies have them."""
    first = 1
    for track in film.sound_tracks if len(film.sound_tracks) > 1 else ():
        channels = ", ".join(str(first + at) for at in range(track.channels))
        first += track.channels
        is_off = None if film.is_heard(track) else 0
        role = f"dialogue.dialogue-{track.number}"
        add(item, "audio-channel-source", srcCh=channels, role=role, enabled=is_off)


def _add_fact(metadata: Element, name: str, value: object) -> None:
    title = f"Needle {name.replace('_', ' ')}"
    add(metadata, "md", key=f"needle.{name}", value=value, type="string", displayName=title)


FORMAT = FcpxmlFormat()
