"""PySceneDetect's ContentDetector behind the detector interface."""

from __future__ import annotations

from scenedetect.detectors import ContentDetector

from ops.shots.detector import Boundary, DetectorFrame
from ops.shots.detectors.content_scores import FastContentScore, make_timecode
from ops.shots.thresholds import CONTENT, ContentThresholds


class _Content(FastContentScore, ContentDetector):  # type: ignore[misc]
    pass


class ContentShotDetector:
    """Cuts with an HSV change above a fixed threshold; bursts of them are merged into one. Hard cuts only."""

    def __init__(self, thresholds: ContentThresholds = CONTENT) -> None:
        self._detector = _Content(threshold=thresholds.change, min_scene_len=thresholds.min_length)
        self.max_delay = thresholds.min_length + 1
        self._count = 0
        self._is_finished = False
        self._early: list[Boundary] = []

    @property
    def decided(self) -> int:
        return self._count if self._is_finished else max(self._count - self.max_delay, 0)

    def push(self, detector_frame: DetectorFrame) -> list[Boundary]:
        cuts = self._detector.process_frame(make_timecode(self._count), detector_frame.tiny)
        self._count += 1
        # A plain cut is reported at once, but while cuts are being merged an earlier one may still follow.
        self._early += [Boundary(cut.frame_num) for cut in cuts if cut.frame_num > 0]
        return self._settle()

    def finish(self) -> list[Boundary]:
        self._is_finished = True
        if not self._count:
            return []
        cuts = self._detector.post_process(make_timecode(self._count - 1))
        self._early += [Boundary(cut.frame_num) for cut in cuts if cut.frame_num > 0]
        return self._settle()

    def _settle(self) -> list[Boundary]:
        boundaries = [boundary for boundary in self._early if boundary.frame < self.decided]
        self._early = [boundary for boundary in self._early if boundary.frame >= self.decided]
        return boundaries
