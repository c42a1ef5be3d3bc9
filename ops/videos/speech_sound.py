"""The sound of a video in the form that speech recognisers need: 16 kHz, one channel, from the first frame on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.container import InputContainer
from numpy.typing import NDArray

from ops.core.errors import MediaError
from ops.core.media import SoundTrack
from ops.videos.clock import MAX_SOUND_STEP_S
from ops.videos.container import demux, open_container
from ops.videos.fact_log import FactLog
from ops.videos.reader import Sound, read_media
from ops.videos.sound_line import SoundMix
from ops.videos.sound_tracks import choose_sound, decode_sound
from ops.videos.tracks import choose_video_track

RATE = 16_000
LONGEST_S = 6 * 3600
"""Longest sound that is read: all of it is held in memory, 230 MB an hour."""
BLOCK = 60 * RATE
MAX_LAG = 30 * RATE
"""How far one of several tracks may be behind the others in the file before it counts as silent there."""

Piece = tuple[int, Fraction | None, AudioFrame]
"""A decoded piece of sound: the index of its track, and its time from the first frame on, if that is known."""


@dataclass(frozen=True, kw_only=True)
class SoundRequest:
    """The arguments of :func:`read_speech_sound`, and the NumPy file that receives the samples."""

    path: Path
    tracks: tuple[SoundTrack, ...]
    target: Path


class _JumpError(Exception):
    """The clock of the sound jumps: only frames show when the sound after the jump is due."""


def read_speech_sound(path: Path, tracks: Sequence[SoundTrack] = ()) -> NDArray[np.float32]:
    """Return samples float32 (N,), -1 to 1, at 16 kHz, from the first frame on. Damaged pieces are silence.

    Sample 0 sounds with the first frame. ``tracks`` are the tracks to read (``MediaInfo.heard_tracks``); several are
    mixed. If empty, they are chosen here. Raises ``MediaError`` if the file has no sound that can be decoded.
    """
    tracks = tracks or _select_tracks(path)
    try:
        return _collect(_read_pieces(path, tracks), tracks)
    except _JumpError:
        return _collect(_read_pieces_with_frames(path, tracks), tracks)


def write_speech_sound(request: SoundRequest) -> None:
    """Write the samples of :func:`read_speech_sound` to a file: for another process, several hours of them."""
    np.save(request.target, read_speech_sound(request.path, request.tracks))


def _collect(pieces: Iterator[Piece], tracks: Sequence[SoundTrack]) -> NDArray[np.float32]:
    mix = SoundMix(tracks, RATE)
    blocks: list[NDArray[np.float32]] = []
    end = 0
    for stream, time_s, frame in pieces:
        mix.add(stream, time_s, frame)
        ready = min(max(mix.end, mix.last - MAX_LAG), LONGEST_S * RATE)
        if ready - end >= BLOCK:
            blocks.append(mix.take(end, ready).mean(axis=0))
            mix.forget(ready)
            end = ready
        if end >= LONGEST_S * RATE:
            break
    blocks.append(mix.take(end, min(mix.last, LONGEST_S * RATE)).mean(axis=0))
    if not any(len(block) for block in blocks):
        raise MediaError("its sound cannot be decoded")
    return np.concatenate(blocks)


def _select_tracks(path: Path) -> Sequence[SoundTrack]:
    with open_container(path) as container:
        choice = choose_sound(path, container, float(container.duration or 0) / av.time_base, FactLog())
    if choice.stream is None:
        raise MediaError("it has no sound that can be decoded")
    return choice.heard


def _read_pieces(path: Path, tracks: Sequence[SoundTrack]) -> Iterator[Piece]:
    """Yield pieces by the clock of the container, without decoding frames. Raises ``_JumpError``."""
    indices = {track.stream for track in tracks}
    until_s: dict[int, Fraction] = {}
    with open_container(path) as container:
        zero_s = _find_zero(container)
        streams = [stream for stream in container.streams.audio if stream.index in indices]
        may_jump = not {"mpegts", "mpeg"}.isdisjoint(container.format.name.split(","))
        for packet in demux(container, streams):
            for frame in decode_sound(packet):
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
