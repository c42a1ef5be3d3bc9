"""Decoded sound of one track as one line of samples by number, counted from the first frame on."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any, Literal

import av
import numpy as np
import numpy.typing as npt

from ops.core.media import SoundTrack

logger = logging.getLogger(__name__)

Samples = npt.NDArray[Any]
"""float32 (-1 to 1) or int32 (full scale), (channels, samples)."""
MAX_DRIFT_S = Fraction(1, 40)
"""Time stamps jitter; a distance above this is a real gap or overlap. A lost frame of AAC (21 ms at 48 kHz) or less
moves the sound after it by itself, until the next gap."""
MAX_CORRECTION_S = 60
"""A clock that goes back further than this was wrong before: sound with the wrong time is dropped."""


class SoundConverter:
    """Converts decoded frames to arrays of one form: ``rate`` Hz, ``layout`` (empty: as it is), float or whole numbers.

    The format may change within a broadcast recording. Frames become packed samples first: PyAV 18.1 reads past the
    eighth plane of a planar frame.
    """

    def __init__(self, rate: int, layout: str = "", kind: Literal["flt", "s32"] = "flt") -> None:
        self.rate, self.layout, self.kind = rate, layout, kind
        self._resampler: av.AudioResampler | None = None
        self._form: tuple[str, str, int] | None = None

    def convert(self, frame: av.AudioFrame) -> Iterator[Samples]:
        """Yield the frame's samples, maybe fewer and some of the frame before; none if the frame cannot be converted.

        Channels stay as they are if the way to mix them into ``layout`` is unknown.
        """
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        frame.pts = None
        for layout in dict.fromkeys((self.layout or frame.layout.name, frame.layout.name)):
            if form != self._form:
                self._resampler = av.AudioResampler(format=self.kind, layout=layout, rate=self.rate)
            assert self._resampler is not None
            try:
                pieces = self._resampler.resample(frame)
            except av.FFmpegError as error:
                self._form = None
                logger.debug("%s sound of %s cannot be made %s: %s", *form[:2], layout, error)
                continue
            self._form = form
            for piece in pieces:
                yield piece.to_ndarray().reshape(-1, piece.layout.nb_channels).T
            return


class StereoConverter(SoundConverter):
    """Converts decoded frames to float stereo: mono in both channels, surround sound mixed down as FFmpeg does.

    Channels that the file does not name are mixed in equal parts, without ``silent`` ones, which would dilute them.
    """

    def __init__(self, rate: int, silent: Sequence[int] = ()) -> None:
        super().__init__(rate)
        self._silent = set(silent)

    def convert(self, frame: av.AudioFrame) -> Iterator[Samples]:
        channels = frame.layout.nb_channels
        self.layout = "stereo" if channels > 2 and not is_unnamed(frame.layout.name) else ""
        for samples_CN in super().convert(frame):
            # Float files may hold any values; no encoder takes NaN or infinity.
            samples_CN = np.nan_to_num(samples_CN, posinf=1, neginf=-1).clip(-1, 1)
            if samples_CN.shape[0] == 2:
                yield samples_CN
                continue
            audible = [at for at in range(samples_CN.shape[0]) if at not in self._silent] or slice(None)
            yield np.repeat(samples_CN[audible].mean(axis=0, keepdims=True, dtype=np.float32), 2, axis=0)


def is_unnamed(layout: str) -> bool:
    """Return whether a layout is only a number of channels, as FFmpeg writes it."""
    return layout.endswith(" channels")


class SoundLine:
    """The sound of one track by sample number from the first frame on; gaps are silence, overlaps are dropped."""

    def __init__(self, converter: SoundConverter, channels: int) -> None:
        self._converter, self._channels = converter, channels
        self._type = np.float32 if converter.kind == "flt" else np.int32
        self._pieces: deque[tuple[int, Samples]] = deque()
        self._end: int | None = None

    @property
    def rate(self) -> int:
        return self._converter.rate

    @property
    def end(self) -> int:
        """The number of the sample after the last one received."""
        return max(self._end or 0, 0)

    def add(self, time_s: Fraction | None, frame: av.AudioFrame) -> None:
        """Append a decoded piece whose first sample is due at ``time_s``, or after the sound before it if None."""
        start = (self._end or 0) if time_s is None else round(time_s * self.rate)
        for piece in self._converter.convert(frame):
            self._append(start, self._fit_channels(piece))
            assert self._end is not None
            start = self._end

    def _fit_channels(self, samples_CN: Samples) -> Samples:
        """Add silent channels, or drop the last ones, if a track changes its number of channels on the way."""
        if samples_CN.shape[0] == self._channels:
            return samples_CN
        result_CN = np.zeros((self._channels, samples_CN.shape[1]), self._type)
        channels = min(self._channels, samples_CN.shape[0])
        result_CN[:channels] = samples_CN[:channels]
        return result_CN

    def _append(self, start: int, samples_CN: Samples) -> None:
        if self._end is None:
            self._end = start
        drift = start - self._end
        if drift > MAX_DRIFT_S * self.rate:
            self._end = start  # the gap is silence: no piece holds it
        elif -drift > MAX_CORRECTION_S * self.rate:
            self._end = start
            while self._pieces and self._pieces[-1][0] >= start:
                self._pieces.pop()
        elif -drift > MAX_DRIFT_S * self.rate:
            samples_CN = samples_CN[:, min(-drift, samples_CN.shape[1]) :]
        if samples_CN.shape[1] and self._end + samples_CN.shape[1] > 0:
            self._pieces.append((self._end, samples_CN))
        self._end += samples_CN.shape[1]

    def take(self, start: int, end: int) -> Samples:
        """Return samples of ``[start, end)``, silence in the gaps."""
        result_CN = np.zeros((self._channels, max(end - start, 0)), self._type)
        for at, samples_CN in self._pieces:
            if at >= end:
                break
            low, high = max(at, start), min(at + samples_CN.shape[1], end)
            if low < high:
                result_CN[:, low - start : high - start] = samples_CN[:, low - at : high - at]
        return result_CN

    def forget(self, before: int) -> None:
        """Drop the sound before sample ``before``."""
        while self._pieces and self._pieces[0][0] + self._pieces[0][1].shape[1] <= before:
            self._pieces.popleft()


class SoundMix:
    """The sound of a video in stereo: that of the heard tracks in equal parts, so that it cannot clip."""

    def __init__(self, tracks: Sequence[SoundTrack], rate: int) -> None:
        self.rate = rate
        self._lines = {
            track.stream: SoundLine(StereoConverter(rate, track.silent_channels), channels=2) for track in tracks
        }

    @property
    def end(self) -> int:
        """The number of the sample up to which all tracks are complete."""
        return min((line.end for line in self._lines.values()), default=0)

    @property
    def last(self) -> int:
        """The number of the sample after the last one received on any track."""
        return max((line.end for line in self._lines.values()), default=0)

    def add(self, stream: int, time_s: Fraction | None, frame: av.AudioFrame) -> None:
        """Append a decoded piece of the track ``stream`` as :meth:`SoundLine.add` does."""
        self._lines[stream].add(time_s, frame)

    def take(self, start: int, end: int) -> Samples:
        """Return samples of ``[start, end)``, float32 (2, samples), silence in the gaps."""
        parts = [line.take(start, end) for line in self._lines.values()]
        if len(parts) == 1:
            return parts[0]
        mixed_CN = np.zeros((2, max(end - start, 0)), np.float32)
        for part in parts:
            mixed_CN += part / np.float32(len(parts))
        return mixed_CN

    def forget(self, before: int) -> None:
        """Drop the sound before sample ``before``."""
        for line in self._lines.values():
            line.forget(before)
