"""TransNetV2 over the whole video: the most thorough detector, at several times the cost of decoding."""

from __future__ import annotations

from ops.shots.detector import Boundary, DetectorFrame, TinyImage
from ops.shots.detectors.transnet_model import (
    CUDA_WINDOWS,
    Scores,
    choose_windows_per_call,
    make_small_rgb,
    predict_windows,
)
from ops.shots.thresholds import TRANSNETV2, TransNetThresholds


class TransNetDetector:
    """Windows of 100 frames of which the middle 50 count, as in the paper (Soucek and Lokoc 2020).

    If a window extends beyond the video, the first or the last image is repeated. A run of frames above the threshold
    is one transition: the new shot begins after a short run, and in the middle of a long one. ``windows`` go to the
    network in one call, by default as many as suit the device; boundaries do not depend on it.
    """

    def __init__(self, thresholds: TransNetThresholds = TRANSNETV2, windows: int | None = None) -> None:
        self._thresholds = thresholds
        self._margin = (thresholds.window - thresholds.kept) // 2
        self._together = windows
        self.max_delay = thresholds.window + thresholds.kept * (windows or CUDA_WINDOWS)
        self._window: list[TinyImage] = []
        self._count = self._score_count = 0
        self._run: list[int] = []
        self._is_gradual = False
        self._is_finished = False

    @property
    def decided(self) -> int:
        if self._is_finished:
            return self._count
        # A run that goes on may still place its boundary anywhere after its first frame; a very long one is cut off.
        return self._run[0] + 1 if self._run else self._score_count

    def push(self, detector_frame: DetectorFrame) -> list[Boundary]:
        small = make_small_rgb(detector_frame.tiny)
        if not self._count:
            self._window = [small] * self._margin
        self._window.append(small)
        self._count += 1
        together = self._together = self._together or choose_windows_per_call()
        is_full = len(self._window) == self._thresholds.window + self._thresholds.kept * (together - 1)
        return self._score(together) if is_full else []

    def finish(self) -> list[Boundary]:
        boundaries: list[Boundary] = []
        while self._score_count < self._count:
            self._window += [self._window[-1]] * (self._thresholds.window - len(self._window))
            boundaries += self._score(1)
        boundaries += self._end_run()
        self._is_finished = True
        return [boundary for boundary in boundaries if boundary.frame < self._count]

    def _score(self, windows: int) -> list[Boundary]:
        """Run the network on the next windows, and process the middle of each."""
        starts = range(0, windows * self._thresholds.kept, self._thresholds.kept)
        images = [self._window[start : start + self._thresholds.window] for start in starts]
        self._window = self._window[windows * self._thresholds.kept :]
        return [boundary for scores in predict_windows(images) for boundary in self._take(*scores)]

    def _take(self, last_T: Scores, any_T: Scores) -> list[Boundary]:
        boundaries: list[Boundary] = []
        count = min(self._thresholds.kept, self._count - self._score_count)
        for offset in range(self._margin, self._margin + count):
            if last_T[offset] > self._thresholds.probability:
                self._run.append(self._score_count)
                around = any_T[max(offset - 4, 0) : offset + 5] > self._thresholds.probability
                self._is_gradual |= bool(around.sum() >= self._thresholds.gradual_length)
                if len(self._run) >= self._thresholds.kept:
                    boundaries += self._end_run()
            else:
                boundaries += self._end_run()
            self._score_count += 1
        return boundaries

    def _end_run(self) -> list[Boundary]:
        if not self._run:
            return []
        run, gradual = self._run, self._is_gradual
        self._run, self._is_gradual = [], False
        if gradual:
            return [Boundary((run[0] + run[-1]) // 2 + 1, "gradual")]
        return [Boundary(run[-1] + 1)]
