"""The sound of a film as recognisers of speech want it: 16 kHz, one channel, from the first picture on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from numpy.typing import NDArray

from ops.core.errors import MediaError
from ops.videos.container import open_container
from ops.videos.reader import audio_stream_of

RATE = 16_000
LONGEST_S = 6 * 3600
"""Sound beyond this is left out: it is held in memory whole, 230 MB an hour."""
MAX_DRIFT_S = 0.05
"""Time stamps jitter; a distance above this is a real gap, which becomes silence, or overlap, which is dropped."""


def sound_for_speech(path: Path) -> NDArray[np.float32]:
    """Samples float32 (N,), -1 to 1, at 16 kHz; sample 0 sounds with the first picture. Damaged pieces are silence.

    Raises ``MediaError`` where the file has no sound that can be decoded.
    """
    pieces: list[NDArray[np.float32]] = []
    end = 0
    with open_container(path) as container:
        for start, samples in _pieces(container):
            at = end if abs(start - end) <= MAX_DRIFT_S * RATE else start
            if at > end:
                pieces.append(np.zeros(at - end, np.float32))
                end = at
            fresh = samples[max(end - at, 0) :]
            pieces.append(fresh)
            end += len(fresh)
            if end >= LONGEST_S * RATE:
                break
    if not pieces:
        raise MediaError("its sound cannot be decoded")
    return np.concatenate(pieces)


def _pieces(container: InputContainer) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """``(number of the first sample from the first picture on, samples)``; what sounds before that is left out."""
    stream = audio_stream_of(container)
    if stream is None:
        raise MediaError("it has no sound that can be decoded")
    zero = _zero_s(container)
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
    source: tuple[str, str, int] | None = None
    for packet in container.demux(stream):
        for frame in _decoded(packet):
            form = (frame.format.name, frame.layout.name, frame.sample_rate)
            if source not in (None, form):  # the format may change within a broadcast recording
                resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
            source = form
            start = round((float((frame.pts or 0) * (frame.time_base or 0)) - zero) * RATE)
            frame.pts = None
            for piece in resampler.resample(frame):
                samples = piece.to_ndarray().reshape(-1).astype(np.float32, copy=False)
                yield (start, samples) if start >= 0 else (0, samples[-start:])
                start += len(samples)


def _decoded(packet: av.Packet[AudioStream]) -> list[AudioFrame]:
    try:
        return list(packet.decode())
    except av.FFmpegError:
        return []


def _zero_s(container: InputContainer) -> float:
    video = next(iter(container.streams.video), None)
    if video is None or video.start_time is None or video.time_base is None:
        return 0.0
    return float(video.start_time * video.time_base)
