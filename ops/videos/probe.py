"""Describe a media file: the only module that fills in the record :class:`ops.core.media.MediaInfo`.

Each area of facts has a module of its own that adds to the same :class:`FactLog`: the video track (``tracks.py``), rate
and times (``timing.py``), how frames are shown (``display.py``), timecode and reel (``timecodes.py``), sound tracks
(``sound_tracks.py``). A description reads headers and a bounded part of the packets (``sample.py``). It decodes a few
frames, however long the video is.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from av.container import InputContainer
from av.video.stream import VideoStream

from ops.core.errors import MediaError
from ops.core.media import MediaInfo
from ops.core.plural import plural
from ops.videos.boxes import is_encrypted
from ops.videos.container import open_container, prepare_decoder, require_file
from ops.videos.display import read_display
from ops.videos.fact_log import FactLog
from ops.videos.length import IndexTable, find_length, read_table
from ops.videos.sample import HeadSample, read_sample
from ops.videos.sound_tracks import choose_sound
from ops.videos.timecodes import read_timecode
from ops.videos.timing import IRREGULAR_SHARE, IRREGULAR_SHARE_AVI, FrameRate, RateClaim, find_rate, format_rate
from ops.videos.tracks import choose_video_track


def probe(path: Path) -> MediaInfo:
    """Open ``path``, decode its first frames, and describe it, with the evidence for each fact.

    ``width`` and ``height`` are as shown. ``codec`` is the codec's plain name (h264, hevc, av1, ...).
    ``start_timecode`` keeps the ``;`` of drop-frame counting, and is 00:00:00:00 if the file has none. Raises
    ``MediaError`` for unusable files.
    """
    require_file(path)
    log = FactLog()
    with open_container(path) as container:
        if "mov" in container.format.name and is_encrypted(path):  # decoders make pictures of noise from it
            raise MediaError("it is encrypted (DRM), and needs a player that has its key: ingest a copy that is not")
        stream = choose_video_track(container, log)
        prepare_decoder(stream)
        table = read_table(stream, container.format.name)
        sample = read_sample(container, stream)
        rate = _find_rate(container, stream, table, sample, log)
        frames, duration = find_length(path, container, stream, table, sample, rate, log)
        display = read_display(path, stream.index, log)
        timecode = read_timecode(
            path, container, stream, sample.first_frame, rate.fps, log, variable_rate=rate.is_variable
        )
        sound = choose_sound(path, container, float(duration), log)
        return MediaInfo(
            fps=rate.fps,
            frames=frames,
            codec=stream.codec_context.codec.canonical_name,
            has_audio=sound.stream is not None,
            sound_tracks=sound.tracks,
            sound_stream=sound.stream,
            mixed_streams=sound.mixed,
            start_timecode=timecode.label,
            timecode=timecode.start,
            reel=timecode.reel,
            video_stream=stream.index,
            variable_rate=rate.is_variable,
            duration_s=float(duration),
            facts=log.facts,
            notes=log.notes,
            **vars(display),
        )


def _find_rate(
    container: InputContainer, stream: VideoStream, table: IndexTable | None, sample: HeadSample, log: FactLog
) -> FrameRate:
    """Return the rate by presentation times of the first frames, and by decoding times of all if there is a table."""
    tick, claims = Fraction(stream.time_base or 1), _read_claims(container, stream)
    # A frame without a time leaves a step of two frames, which is not a jump of the clock.
    share = IRREGULAR_SHARE_AVI if container.format.name == "avi" else IRREGULAR_SHARE
    rate = find_rate(sample.times, tick, claims, irregular_share=share + sample.untimed / max(sample.packets, 1))
    rate = replace(rate, irregular=max(rate.irregular - sample.untimed, 0))
    if table and not rate.is_variable and len(table.decode_times) > sample.packets:
        rate = _confirm_rate(rate, table, sample, tick, claims)
    contradictions = list(rate.contradictions)
    if sample.is_field_coded:
        contradictions.append("each field is a packet of its own")
    value = f"{'about ' if rate.is_variable else ''}{format_rate(rate.fps)} frames per second"
    log.add("frame rate", value, rate.evidence, contradictions=contradictions, note=_write_rate_note(rate))
    return rate


def _confirm_rate(
    rate: FrameRate, table: IndexTable, sample: HeadSample, tick: Fraction, claims: Sequence[RateClaim]
) -> FrameRate:
    """Compare the rate of the first frames with decoding times of all: they vary if presentation times do."""
    if sample.is_field_coded and sample.frame_count * 2 != sample.packets:
        return rate  # of some frames both fields are listed, of others the whole
    times = table.decode_times[:: 2 if sample.is_field_coded else 1]
    if any(one >= other for one, other in itertools.pairwise(times)):
        return rate  # several edits, each with hidden frames before it
    of_all = find_rate(times, tick, [RateClaim(rate=rate.fps, source="the first pictures", is_written=True), *claims])
    return replace(rate, irregular=of_all.irregular) if of_all.fps == rate.fps else of_all


def _write_rate_note(rate: FrameRate) -> str:
    if rate.is_variable:
        return f"its frame rate varies; {format_rate(rate.fps)} frames per second is the mean"
    if rate.is_telecined:
        return (
            f"its pictures are film at {format_rate(rate.fps)}, shown for two and three fields in turn (soft telecine)"
        )
    if rate.contradictions:
        claims = "; ".join(rate.contradictions)
        return f"its frame rate is {format_rate(rate.fps)} by the times of its pictures, not as it claims ({claims})"
    if rate.irregular:
        often = "once" if rate.irregular == 1 else f"{plural(rate.irregular, 'time')}"
        why = "where pictures are missing or shown longer"
        return f"its clock jumps {often}, {why}; its rate stays {format_rate(rate.fps)}"
    return ""


WRITES_RATE = frozenset(
    {"matroska", "avi", "flv", "mxf", "mxf_opatom", "gxf", "dv", "nut", "swf", "ivf", "yuv4mpegpipe"}
)
"""Containers whose header names a rate; for the others FFmpeg computes one from times."""


def _read_claims(container: InputContainer, stream: VideoStream) -> list[RateClaim]:
    names = set(container.format.name.split(","))
    claims = []
    if rate := stream.codec_context.framerate:
        claims.append(RateClaim(rate=Fraction(rate), source="codec parameters", is_written=True))
    for average, source in ((stream.average_rate, "container"), (stream.base_rate, "FFmpeg's guess")):
        if average:
            is_written = source == "container" and not WRITES_RATE.isdisjoint(names)
            claims.append(RateClaim(rate=Fraction(average), source=source, is_written=is_written))
    return claims
