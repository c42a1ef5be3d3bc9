"""Decoded pieces of a video's sound, with their times from the first frame on.

Stands alone because speech recognition and the measurement of loudness hear the same pieces at the same times.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import av
from av.audio.frame import AudioFrame
from av.container import InputContainer

from ops.core.errors import MediaError
from ops.core.media import SoundTrack
from ops.videos.clock import MAX_SOUND_STEP_S
from ops.videos.container import demux, open_container
from ops.videos.fact_log import FactLog
from ops.videos.reader import Sound, read_media
from ops.videos.sound_tracks import choose_sound, decode_sound
from ops.videos.tracks import choose_video_track

Piece = tuple[int, Fraction | None, AudioFrame]
"""A decoded piece of sound: the index of its track, and its time from the first frame on, if that is known."""

Result = TypeVar("Result")


class _JumpError(Exception):
    """The clock of the sound jumps: only frames show when the sound after the jump is due."""


def collect_pieces(
    path: Path,
    tracks: Sequence[SoundTrack],
    collect: Callable[[Iterator[Piece]], Result],
    on_damage: Callable[[av.Packet[Any]], None] = lambda packet: None,
) -> Result:
    """Return ``collect(pieces)`` of the tracks.

    If the clock of the container jumps, ``collect`` is called again with pieces by the clock of the frames, which are
    decoded for it. ``on_damage`` gets each packet of sound that cannot be decoded.
    """
    try:
        return collect(_read_pieces(path, tracks, on_damage))
    except _JumpError:
        return collect(_read_pieces_with_frames(path, tracks))


def select_tracks(path: Path) -> Sequence[SoundTrack]:
    """Return the tracks that represent the video. Raises ``MediaError`` if none can be decoded."""
    with open_container(path) as container:
        choice = choose_sound(path, container, float(container.duration or 0) / av.time_base, FactLog())
    if choice.stream is None:
        raise MediaError("it has no sound that can be decoded")
    return choice.heard


def _read_pieces(
    path: Path, tracks: Sequence[SoundTrack], on_damage: Callable[[av.Packet[Any]], None]
) -> Iterator[Piece]:
    """Yield pieces by the clock of the container, without decoding frames. Raises ``_JumpError``."""
    indices = {track.stream for track in tracks}
    until_s: dict[int, Fraction] = {}
    with open_container(path) as container:
        zero_s = _find_zero(container)
        streams = [stream for stream in container.streams.audio if stream.index in indices]
        may_jump = not {"mpegts", "mpeg"}.isdisjoint(container.format.name.split(","))
        for packet in demux(container, streams):
            for frame in decode_sound(packet, on_damage):
                stream, time_s = packet.stream.index, _read_time(frame, zero_s)
                if time_s is not None:
                    if may_jump and abs(time_s - until_s.get(stream, time_s)) > MAX_SOUND_STEP_S:
                        raise _JumpError
                    until_s[stream] = time_s + Fraction(frame.samples, frame.sample_rate or 1)
                yield stream, time_s, frame


def _read_pieces_with_frames(path: Path, tracks: Sequence[SoundTrack]) -> Iterator[Piece]:
    """Yield pieces by the clock of the frames, which are decoded for it."""
    with closing(read_media(path, audio=[track.stream for track in tracks])) as items:  # type: ignore[type-var]
        for item in items:
            if isinstance(item, Sound):
                yield item.stream, item.time_s, item.frame


def _read_time(frame: AudioFrame, zero_s: Fraction) -> Fraction | None:
    if frame.pts is None or frame.time_base is None:
        return None
    return frame.pts * Fraction(frame.time_base) - zero_s


def _find_zero(container: InputContainer) -> Fraction:
    if not container.streams.video:
        return Fraction(0)
    video = choose_video_track(container)
    if video.start_time is None or video.time_base is None:
        return Fraction(0)
    return video.start_time * Fraction(video.time_base)
