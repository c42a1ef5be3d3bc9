"""Final Cut Pro 7 XML (xmeml 4), which Premiere, Resolve and Avid's importers read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from xml.etree.ElementTree import Element

from ops.core.time import make_timecode
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

OUTPUTS = 2
"""Output channels of a sequence, left and right, to which the tracks go in turn."""


class XmemlFormat(ExportFormat):
    """One sequence per frame rate, because a sequence has one; each video is one ``file`` element, later named by id.

    ``in`` and ``out`` count from the video's first frame, ``out`` is the frame after the last. Sound is one track per
    channel, linked to the video track and off if it is not in the proxies. Facts are the clip's log note, query and
    score its comments. The marker of a clip spans its range.
    """

    name = "xmeml"
    label = "Premiere, FCP 7 XML"
    suffix = ".xml"
    media_type = "application/xml"
    position = 40

    def write(self, clips: Sequence[Clip], target: Path, context: ExportContext) -> ExportOutcome:
        root = Element("xmeml", version="4")
        project = add(root, "project")
        add(project, "name", context.title)
        children = add(project, "children")
        groups = group_by_rate(clips)
        document = _Document(choose_source_reels(clips))
        for number, (rate, group) in enumerate(groups.items(), start=1):
            name = context.title if len(groups) == 1 else f"{context.title} ({format_rate(rate)})"
            _add_sequence(children, document, f"sequence-{number}", name, rate, group)
        write_xml(root, target, "xmeml")
        warnings = collect_warnings(context.settings, clips)
        if len(groups) > 1:
            warnings += (f"{len(groups)} frame rates: one sequence for each of {', '.join(map(format_rate, groups))}",)
        return ExportOutcome(warnings=warnings)


@dataclass
class _Document:
    """Reel names, the ids of the files written so far, and the number of clip items."""

    reels: dict[str, str]
    files: dict[str, str] = field(default_factory=dict)
    items: int = 0

    def count_item(self) -> str:
        self.items += 1
        return f"clipitem-{self.items}"


def _count_channels(film: Film) -> int:
    return len(film.sound_channels)


def _add_rate(parent: Element, rate: Fraction) -> None:
    """``timebase`` is whole frames; ``ntsc`` means that they run at 1000/1001 of it."""
    element = add(parent, "rate")
    add(element, "timebase", round(rate))
    add(element, "ntsc", "TRUE" if rate.denominator == 1001 else "FALSE")


def _add_timecode(parent: Element, rate: Fraction, start: int, *, is_drop: bool, reel: str = "") -> None:
    element = add(parent, "timecode")
    _add_rate(element, rate)
    add(element, "string", make_timecode(start, rate, "00:00:00;00" if is_drop else "00:00:00:00"))
    add(element, "frame", start)
    add(element, "displayformat", "DF" if is_drop else "NDF")
    if reel:
        add(add(element, "reel"), "name", reel)


def _add_picture(parent: Element, rate: Fraction, film: Film) -> None:
    """Frame properties: size as shown, square pixels, whole frames."""
    sample = add(parent, "samplecharacteristics")
    _add_rate(sample, rate)
    add(sample, "width", film.width)
    add(sample, "height", film.height)
    add(sample, "anamorphic", "FALSE")
    add(sample, "pixelaspectratio", "square")
    add(sample, "fielddominance", "none" if film.field_order == "progressive" else film.field_order)


def _add_sequence(
    parent: Element, document: _Document, identifier: str, name: str, rate: Fraction, clips: Sequence[Clip]
) -> None:
    is_drop, start = choose_clock(rate, clips)
    sequence = add(parent, "sequence", id=identifier)
    add(sequence, "name", name)
    add(sequence, "duration", sum(clip.length for clip in clips))
    _add_rate(sequence, rate)
    _add_timecode(sequence, rate, start, is_drop=is_drop)
    media = add(sequence, "media")
    video = add(media, "video")
    _add_picture(add(video, "format"), rate, clips[0].film)
    tracks = [add(video, "track")]
    channels = max(_count_channels(clip.film) for clip in clips)
    if channels:
        audio = add(media, "audio")
        add(audio, "numOutputChannels", OUTPUTS)
        tracks += [add(audio, "track") for _ in range(channels)]
    at, counts = 0, [0] * len(tracks)
    for clip in clips:
        clip_tracks = range(1 + _count_channels(clip.film))
        links = []
        for track in clip_tracks:
            counts[track] += 1
            links.append((document.count_item(), track, counts[track]))
        for identifier, track, _ in links:
            _add_item(tracks[track], document, clip, identifier, at, track, links)
        at += clip.length
    for number, track_element in enumerate(tracks):
        add(track_element, "enabled", "TRUE")
        add(track_element, "locked", "FALSE")
        if number:
            add(track_element, "outputchannelindex", (number - 1) % OUTPUTS + 1)


def _add_item(
    track: Element,
    document: _Document,
    clip: Clip,
    identifier: str,
    at: int,
    channel: int,
    links: Sequence[tuple[str, int, int]],
) -> None:
    """A clip on a track: the video for ``channel`` 0, otherwise that channel of the sound."""
    film = clip.film
    item = add(track, "clipitem", id=identifier)
    add(item, "name", join_lines(film.name))
    is_on = not channel or film.is_heard(film.sound_channels[channel - 1])
    add(item, "enabled", "TRUE" if is_on else "FALSE")
    add(item, "duration", film.length)
    _add_rate(item, film.rate)
    add(item, "start", at)
    add(item, "end", at + clip.length)
    add(item, "in", clip.source_in)
    add(item, "out", clip.source_out)
    _add_file(item, document, film)
    if channel:
        source = add(item, "sourcetrack")
        add(source, "mediatype", "audio")
        add(source, "trackindex", channel)
    else:
        _add_marker(item, clip)
        _add_facts(item, clip)
    for other, number, index in links if len(links) > 1 else ():
        link = add(item, "link")
        add(link, "linkclipref", other)
        add(link, "mediatype", "audio" if number else "video")
        add(link, "trackindex", number or 1)
        add(link, "clipindex", index)


def _add_file(item: Element, document: _Document, film: Film) -> None:
    if film.video_id in document.files:
        add(item, "file", id=document.files[film.video_id])
        return
    document.files[film.video_id] = f"file-{len(document.files) + 1}"
    file = add(item, "file", id=document.files[film.video_id])
    add(file, "name", join_lines(film.name))
    add(file, "pathurl", build_file_url(film.path, host="localhost"))
    _add_rate(file, film.rate)
    add(file, "duration", film.length)
    _add_timecode(file, film.rate, film.start, is_drop=film.is_drop, reel=document.reels[film.video_id])
    media = add(file, "media")
    video = add(media, "video")
    add(video, "duration", film.length)
    _add_picture(video, film.rate, film)
    if film.has_audio:
        audio = add(media, "audio")
        if film.sound_tracks:
            sample = add(audio, "samplecharacteristics")
            add(sample, "depth", 16)
            add(sample, "samplerate", film.sound_tracks[0].sample_rate)
        add(audio, "channelcount", _count_channels(film))


def _add_marker(item: Element, clip: Clip) -> None:
    """The marker of a clip, in frames from the first of its file; ``out`` is the frame after the last."""
    text = describe_marker(clip)
    marker = add(item, "marker")
    add(marker, "comment", text.comment)
    add(marker, "name", text.name)
    add(marker, "in", clip.source_in)
    add(marker, "out", clip.source_out)


def _add_facts(item: Element, clip: Clip) -> None:
    facts = {
        name: join_lines(str(flatten_value(value))) for name, value in clip.list_facts().items() if value is not None
    }
    logging = add(item, "logginginfo")
    add(logging, "description", facts.get("title", ""))
    add(logging, "lognote", "; ".join(f"{name}: {value}" for name, value in facts.items()))
    comments = add(item, "comments")
    for number, name in enumerate(("query", "relevance", "shot_id", "encoder_id"), start=1):
        if name in facts:
            add(comments, f"mastercomment{number}", f"{name}: {facts[name]}")


FORMAT = XmemlFormat()
