"""Writing one clip for an editing system: near-lossless pictures and PCM in a QuickTime file, with its timecode."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt

from ops.core.media import MediaInfo
from ops.videos.clip_pictures import ClipPictures

Samples = npt.NDArray[np.int32]
"""int32 (channels, samples), full scale."""

FINE = Fraction(1, 90_000)
"""Ticks in which a film of variable rate is timed, seconds."""


class ClipWriter:
    """Encodes one clip as its pictures and samples come in.

    The file is QuickTime (``.mov``): pictures as in ``clip_pictures.py``, in the film's own size and pixel shape;
    sound as 24-bit PCM, which has no encoder delay; a timecode track that begins with ``timecode``, unless it is
    empty. At a constant rate each picture lasts one frame, else it lasts as long as in the film.
    """

    def __init__(self, path: Path, info: MediaInfo, timecode: str) -> None:
        self._info = info
        self._timecode = timecode
        self._tick = FINE if info.variable_rate else 1 / info.fps
        self._container = av.open(str(path), "w", format="mov", options={"movflags": "+faststart"})
        self._pictures: ClipPictures | None = None
        self._sound: av.AudioStream | None = None
        self._last = -1
        self._samples = 0
        self.frames = 0

    def begin(self, frame: av.VideoFrame, aspect: Fraction | None, sound: tuple[str, int] | None) -> None:
        """Set up the tracks for pictures like ``frame`` with pixels of ``aspect``; ``sound`` is layout and rate."""
        self._pictures = ClipPictures(self._container, self._info, frame, aspect, self._tick)
        if self._timecode:
            self._pictures.stream.metadata["timecode"] = self._timecode
        if sound:
            self._sound = self._container.add_stream("pcm_s24le", rate=sound[1], layout=sound[0])

    def add_frame(self, frame: av.VideoFrame, time_s: Fraction) -> None:
        """Encode the next picture, due ``time_s`` seconds after the first."""
        assert self._pictures is not None
        self._last = max(round(time_s / self._tick), self._last + 1)
        self._pictures.add(frame, self._last)
        self.frames += 1

    def add_samples(self, samples_CN: Samples) -> None:
        """Write the next samples."""
        if self._sound is None or not samples_CN.shape[1]:
            return
        packed = np.ascontiguousarray(samples_CN.T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, format="s32", layout=self._sound.layout.name)
        frame.sample_rate, frame.pts = self._sound.rate, self._samples
        frame.time_base = Fraction(1, self._sound.rate)
        self._samples += samples_CN.shape[1]
        self._container.mux(self._sound.encode(frame))

    def close(self, duration_s: Fraction) -> None:
        """Finish the file; the clip lasts ``duration_s``."""
        assert self._pictures is not None
        self._pictures.close(round(duration_s / self._tick))
        if self._sound is not None:
            self._container.mux(self._sound.encode(None))
        self._container.close()

    def abandon(self) -> None:
        """Close what was opened, of a clip that will not be finished."""
        self._container.close()
