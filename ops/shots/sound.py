"""The film's sound as one line of samples, cut where the shots are cut, in bounded memory."""

from __future__ import annotations

from collections import deque
from fractions import Fraction

import av
import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]
"""float32 (2, samples), -1 to 1."""

RATE = 48_000
LAYOUT = "stereo"
"""One form for all proxies: it is settled before the first piece of sound is decoded, and every player takes it."""
MAX_DRIFT_S = Fraction(1, 20)
"""Time stamps jitter; a distance above this is a real gap or overlap."""
MAX_GAP_S = 60


class SoundLine:
    """Sound of one film, 48 kHz stereo, by sample number from the first picture on; gaps are silence, overlaps drop."""

    def __init__(self) -> None:
        self._resampler: av.AudioResampler | None = None
        self._source: tuple[str, str, int] | None = None
        self._pieces: deque[tuple[int, Samples]] = deque()
        self._end: int | None = None

    @property
    def end(self) -> int:
        """Samples from the first picture on that are here or gone already."""
        return self._end or 0

    def add(self, time_s: Fraction, frame: av.AudioFrame) -> None:
        """Append a decoded piece whose first sample is due at ``time_s``."""
        source = (frame.format.name, frame.layout.name, frame.sample_rate)
        if source != self._source:
            # The format may change within a broadcast recording.
            self._resampler = av.AudioResampler(format="fltp", layout=LAYOUT, rate=RATE)
            self._source = source
        assert self._resampler is not None
        frame.pts = None
        start = round(time_s * RATE)
        for piece in self._resampler.resample(frame):
            self._append(start, np.asarray(piece.to_ndarray(), np.float32))
            start = self.end

    def _append(self, start: int, samples: Samples) -> None:
        if self._end is None:
            self._end = min(start, 0)
        drift = start - self._end
        if drift > MAX_GAP_S * RATE:
            self._end = start
        elif drift > MAX_DRIFT_S * RATE:
            self._put(np.zeros((samples.shape[0], drift), np.float32))
        elif -drift > MAX_DRIFT_S * RATE:
            samples = samples[:, min(-drift, samples.shape[1]) :]
        self._put(samples)

    def _put(self, samples: Samples) -> None:
        assert self._end is not None
        if samples.shape[1] and self._end + samples.shape[1] > 0:
            self._pieces.append((self._end, samples))
        self._end += samples.shape[1]

    def take(self, start: int, end: int) -> Samples:
        """Samples of ``[start, end)``, silence where there are none; what lies before ``start`` is let go."""
        result = np.zeros((2, max(end - start, 0)), np.float32)
        while self._pieces and self._pieces[0][0] + self._pieces[0][1].shape[1] <= start:
            self._pieces.popleft()
        for at, samples in self._pieces:
            if at >= end:
                break
            low, high = max(at, start), min(at + samples.shape[1], end)
            result[:, low - start : high - start] = samples[:, low - at : high - at]
        return result
