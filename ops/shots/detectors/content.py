"""PySceneDetect's ContentDetector behind the detector interface."""

from __future__ import annotations

from scenedetect.detectors import ContentDetector

from ops.shots.detector import Boundary, Glimpse
from ops.shots.detectors.content_scores import FastContentScore, make_timecode
from ops.shots.thresholds import CONTENT, ContentThresholds


class _Content(FastContentScore, ContentDetector):  # type: ignore[misc]
    pass


class ContentShotDetector:
    """Cuts with an HSV change above a fixed threshold; bursts of them are merged into one. Hard cuts only."""

    def __init__(self, thresholds: ContentThresholds = CONTENT) -> None:
        self._detector = _Content(threshold=thresholds.change, min_scene_len=thresholds.min_length)
        self.max_delay = thresholds.min_length + 1
        self._pushed = 0
        self._finished = False
        self._early: list[Boundary] = []

    @property
    def decided(self) -> int:
        return self._pushed if self._finished else max(self._pushed - self.max_delay, 0)

    def push(self, glimpse: Glimpse) -> list[Boundary]:
        cuts = self._detector.process_frame(make_timecode(self._pushed), glimpse.tiny)
        self._pushed += 1
        # A plain cut is reported at once, but while cuts are being merged an earlier one may still follow.
        self._early += [Boundary(cut.frame_num) for cut in cuts if cut.frame_num > 0]
        return self._settle()

    def finish(self) -> list[Boundary]:
        self._finished = True
        if not self._pushed:
            return []
        cuts = self._detector.post_process(make_timecode(self._pushed - 1))
        self._early += [Boundary(cut.frame_num) for cut in cuts if cut.frame_num > 0]
        return self._settle()

    def _settle(self) -> list[Boundary]:
        settled = [boundary for boundary in self._early if boundary.frame < self.decided]
        self._early = [boundary for boundary in self._early if boundary.frame >= self.decided]
        return settled
