"""The sound of a video in the form that speech recognisers need: 16 kHz, one channel, from the first frame on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import MediaError
from ops.core.media import SPEECH_RATE, SoundTrack
from ops.videos.sound_line import SoundMix
from ops.videos.sound_pieces import Piece, collect_pieces, select_tracks

LONGEST_S = 6 * 3600
"""Longest sound that is read: all of it is held in memory, 230 MB an hour."""
BLOCK = 60 * SPEECH_RATE
MAX_LAG = 30 * SPEECH_RATE
"""How far one of several tracks may be behind the others in the file before it counts as silent there."""


@dataclass(frozen=True, kw_only=True)
class SoundRequest:
    """The arguments of :func:`read_speech_sound`, and the NumPy file that receives the samples."""

    path: Path
    tracks: tuple[SoundTrack, ...]
    target: Path


def read_speech_sound(path: Path, tracks: Sequence[SoundTrack] = ()) -> NDArray[np.float32]:
    """Return samples float32 (N,), -1 to 1, at 16 kHz, from the first frame on. Damaged pieces are silence.

    Sample 0 sounds with the first frame. ``tracks`` are the tracks to read (``MediaInfo.heard_tracks``); several are
    mixed. If empty, they are chosen here. Raises ``MediaError`` if the file has no sound that can be decoded.
    """
    heard_tracks = tracks or select_tracks(path)
    return collect_pieces(path, heard_tracks, lambda pieces: _collect(pieces, heard_tracks))


def write_speech_sound(request: SoundRequest) -> None:
    """Write the samples of :func:`read_speech_sound` to a file: for another process, several hours of them."""
    np.save(request.target, read_speech_sound(request.path, request.tracks))


def _collect(pieces: Iterator[Piece], tracks: Sequence[SoundTrack]) -> NDArray[np.float32]:
    mix = SoundMix(tracks, SPEECH_RATE)
    blocks: list[NDArray[np.float32]] = []
    end = 0
    for stream, time_s, frame in pieces:
        mix.add(stream, time_s, frame)
        ready = min(max(mix.end, mix.last - MAX_LAG), LONGEST_S * SPEECH_RATE)
        if ready - end >= BLOCK:
            blocks.append(mix.take(end, ready).mean(axis=0))
            mix.forget(ready)
            end = ready
        if end >= LONGEST_S * SPEECH_RATE:
            break
    blocks.append(mix.take(end, min(mix.last, LONGEST_S * SPEECH_RATE)).mean(axis=0))
    if not any(len(block) for block in blocks):
        raise MediaError("its sound cannot be decoded")
    return np.concatenate(blocks)
