"""Advanced Authoring Format (AAF), which Avid Media Composer and Resolve read: sequences that link to the sources.

Written with pyaaf2 and not with OpenTimelineIO's adapter (2.0), which marks every 23.976 timecode as drop-frame, names
reels after clips, and holds one frame rate.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from ops.core.errors import UsageError
from ops.exports.clip import Clip
from ops.exports.clip_markers import COLOUR, MAX_COMMENT, describe_marker, shorten
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
from ops.exports.names import build_file_url, join_lines

PICTURE_SLOT = 1
EVENT_SLOT = 1000
"""The slot of the markers; Avid numbers it from 1000 on."""
TIMECODE_SLOT = 900
Mob = Any
"""pyaaf2 has no types."""


class AafFormat(ExportFormat):
    """One sequence per frame rate. Each clip goes to a master clip, its file and its tape, as Avid chains them.

    Master clips have the file's name; tapes have the reel name of the file, and its start timecode with drop-frame or
    not. Ids follow from the content of the file, so that two exports share their master clips. Sound is one track per
    channel. Markers span their clips.
    """

    name = "aaf"
    label = "Avid (AAF)"
    suffix = ".aaf"
    media_type = "application/octet-stream"
    position = 47
    summary = "holds sequences for Avid"

    def write(self, clips: Sequence[Clip], target: Path, context: ExportContext) -> ExportOutcome:
        aaf2 = _import_library()
        groups = group_by_rate(clips)
        with aaf2.open(str(target), "w") as file:
            document = _Document(file=file, reels=choose_source_reels(clips), context=context)
            context.progress.start("export", len(clips), "clips")
            for rate, group in groups.items():
                name = context.title if len(groups) == 1 else f"{context.title} ({format_rate(rate)})"
                _add_sequence(document, name, rate, group)
            context.progress.finish("export")
        warnings = collect_warnings(context.settings, clips) + _warn_sound(clips)
        if len(groups) > 1:
            warnings += (f"{len(groups)} frame rates: one sequence for each of {', '.join(map(format_rate, groups))}",)
        return ExportOutcome(warnings=warnings)


def _import_library() -> Any:
    """pyaaf2. Raises ``UsageError`` if it is missing, as in an environment of an earlier version."""
    try:
        import aaf2
    except ModuleNotFoundError as error:
        raise UsageError("an AAF needs the package pyaaf2: run `pip install pyaaf2`, or export as xmeml") from error
    return aaf2


@dataclass
class _Document:
    """The open file, the reel names, and the master clips so far by video id."""

    file: Any
    reels: dict[str, str]
    context: ExportContext
    masters: dict[str, Mob] = field(default_factory=dict)


def _add_sequence(document: _Document, name: str, rate: Fraction, clips: Sequence[Clip]) -> None:
    create = document.file.create
    is_drop, start = choose_clock(rate, clips)
    length = sum(clip.length for clip in clips)
    sequence = create.CompositionMob(name)
    sequence.usage = "Usage_TopLevel"
    document.file.content.mobs.append(sequence)
    _add_timecode(sequence, create, TIMECODE_SLOT, rate, start=start, length=length, is_drop=is_drop)
    for channel in range(1 + max(len(clip.film.sound_channels) for clip in clips)):
        kind = "sound" if channel else "picture"
        components = [
            _require_master(document, clip.film).create_source_clip(
                PICTURE_SLOT + channel, start=clip.source_in, length=clip.length, media_kind=kind
            )
            if channel <= len(clip.film.sound_channels)
            else create.Filler(kind, clip.length)
            for clip in clips
        ]
        track = create.Sequence(media_kind=kind)
        track.components.value = components
        track.length = length
        _add_slot(sequence, PICTURE_SLOT + channel, rate, track, channel)
    _add_markers(document, sequence, rate, clips)


def _require_master(document: _Document, film: Film) -> Mob:
    """The master clip of a video; its file and its tape are written with it, once."""
    if film.video_id not in document.masters:
        document.masters[film.video_id] = _add_master(document, film)
    return document.masters[film.video_id]


def _add_master(document: _Document, film: Film) -> Mob:
    create, mobs, rate = document.file.create, document.file.content.mobs, film.rate
    tape, source, master = create.SourceMob(), create.SourceMob(), create.MasterMob()
    tape.name = join_lines(document.reels[film.video_id])
    source.name = master.name = join_lines(film.name) or film.video_id
    tape.descriptor = create.TapeDescriptor()
    source.descriptor = _build_descriptor(create, film)
    for role, mob in (("tape", tape), ("file", source), ("master", master)):
        mob.mob_id = _make_mob_id(role, film, document.reels[film.video_id])
        mobs.append(mob)
    for name, value in (("Show", film.show), ("Title", film.title), ("Needle video id", film.video_id)):
        master.comments[name] = shorten(join_lines(value), MAX_COMMENT)
    for channel in range(1 + len(film.sound_channels)):
        kind, slot_id = "sound" if channel else "picture", PICTURE_SLOT + channel
        _add_slot(tape, slot_id, rate, create.SourceClip(0, film.length, media_kind=kind), channel)
        _add_slot(source, slot_id, rate, tape.create_source_clip(slot_id, 0, film.length), channel)
        _add_slot(master, slot_id, rate, source.create_source_clip(slot_id, 0, film.length), channel)
    _add_timecode(tape, create, TIMECODE_SLOT, rate, start=film.start, length=film.length, is_drop=film.is_drop)
    return master


def _add_slot(mob: Mob, slot_id: int, rate: Fraction, segment: Any, channel: int) -> None:
    """A track of a mob: picture if ``channel`` is 0, otherwise that channel of the sound."""
    slot = mob.create_timeline_slot(rate, slot_id)
    slot.name = f"A{channel}" if channel else "V1"
    slot["PhysicalTrackNumber"].value = channel or 1
    slot.segment = segment


def _add_timecode(
    mob: Mob, create: Any, slot_id: int, rate: Fraction, *, start: int, length: int, is_drop: bool
) -> None:
    slot = mob.create_timeline_slot(rate, slot_id)
    slot.name = "TC1"
    slot["PhysicalTrackNumber"].value = 1
    slot.segment = create.Timecode(round(rate), drop=is_drop, length=length)
    slot.segment.start = start


def _make_mob_id(role: str, film: Film, reel: str) -> Any:
    """A UMID (SMPTE ST 330) that depends on the content and the place on tape alone."""
    from aaf2.mobid import MobID

    key = "\n".join((role, film.content_hash, reel, str(film.rate), str(film.start), str(film.is_drop)))
    identifier = MobID.new()
    identifier.material = uuid.UUID(bytes=hashlib.sha256(key.encode("utf-8", "replace")).digest()[:16], version=5)
    return identifier


def _build_descriptor(create: Any, film: Film) -> Any:
    """The file: its URL, picture and sound. The codec is not named; a system reads it from the file."""
    picture = create.CDCIDescriptor()
    picture["StoredWidth"].value, picture["StoredHeight"].value = film.width, film.height
    picture["ImageAspectRatio"].value = f"{film.width}/{film.height}"
    picture["FrameLayout"].value = "FullFrame" if film.field_order == "progressive" else "MixedFields"
    picture["VideoLineMap"].value = [42, 0]
    picture["ComponentWidth"].value, picture["HorizontalSubsampling"].value = 8, 2
    descriptors = [picture, *(_build_sound(create, film) for _ in range(min(len(film.sound_channels), 1)))]
    for descriptor in descriptors:
        descriptor["Length"].value = film.length
        descriptor["SampleRate"].value = film.rate
    whole = picture
    if len(descriptors) > 1:
        whole = create.MultipleDescriptor()
        whole["Length"].value, whole["SampleRate"].value = film.length, film.rate
        whole["FileDescriptors"].value = descriptors
    locator = create.NetworkLocator()
    locator["URLString"].value = build_file_url(film.path)
    whole["Locator"].append(locator)
    return whole


def _build_sound(create: Any, film: Film) -> Any:
    samples = film.sound_tracks[0].sample_rate if film.sound_tracks else 48_000
    channels = len(film.sound_channels)
    sound = create.PCMDescriptor()
    sound["AudioSamplingRate"].value = samples
    sound["Channels"].value = channels
    sound["QuantizationBits"].value = 16
    sound["BlockAlign"].value = 2 * channels
    sound["AverageBPS"].value = 2 * channels * samples
    return sound


def _add_markers(document: _Document, sequence: Mob, rate: Fraction, clips: Sequence[Clip]) -> None:
    """A marker over each clip on the picture track, with the attributes that Avid gives its own."""
    create = document.file.create
    slot = create.EventMobSlot()
    slot.slot_id, slot.name = EVENT_SLOT, "Markers"
    slot.edit_rate = rate
    slot["PhysicalTrackNumber"].value = 1
    events = create.Sequence(media_kind="DescriptiveMetadata")
    at, markers = 0, []
    for clip in clips:
        document.context.stop.check()
        markers.append(_build_marker(create, clip, at))
        at += clip.length
        document.context.progress.advance("export")
    events.components.value = markers
    slot.segment = events
    sequence.slots.append(slot)


def _build_marker(create: Any, clip: Clip, at: int) -> Any:
    text = describe_marker(clip)
    comment = f"{text.name}; {text.comment}"
    marker = create.DescriptiveMarker()
    marker.length = clip.length
    marker["Position"].value = at
    marker["Comment"].value = comment
    marker["DescribedSlots"].value = {PICTURE_SLOT}
    attributes = {"COLOR": COLOUR, "COM": comment, "USER": "Needle", "LENGTH": clip.length}
    for name, value in attributes.items():
        marker["CommentMarkerAttributeList"].append(create.TaggedValue(f"_ATN_CRM_{name}", value))
    return marker


def _warn_sound(clips: Sequence[Clip]) -> tuple[str, ...]:
    """Videos with sound that is off in the other timelines: an AAF has no switch for it."""
    films = {clip.film.video_id: clip.film for clip in clips}.values()
    return tuple(
        f"{film.path}: every sound track is on in an AAF; proxies have track {film.heard_summary}, so mute the others"
        for film in films
        if not all(film.is_heard(track) for track in film.sound_channels)
    )


FORMAT = AafFormat()
