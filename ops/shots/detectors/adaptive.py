"""PySceneDetect's AdaptiveDetector behind the detector interface."""

from __future__ import annotations

from scenedetect.detectors import AdaptiveDetector

from ops.shots.detector import Boundary, DetectorFrame
from ops.shots.detectors.content_scores import FastContentScore, make_timecode
from ops.shots.thresholds import ADAPTIVE, AdaptiveThresholds


class _Adaptive(FastContentScore, AdaptiveDetector):  # type: ignore[misc]
    pass


class AdaptiveShotDetector:
    """Cuts with an HSV change that stands out from that of the two frames on each side. Hard cuts only."""

    def __init__(self, thresholds: AdaptiveThresholds = ADAPTIVE) -> None:
        self._detector = _Adaptive(
            adaptive_threshold=thresholds.ratio,
            min_scene_len=thresholds.min_length,
            min_content_val=thresholds.min_content,
        )
        self.max_delay: int = self._detector.event_buffer_length
        self._count = 0
        self._is_finished = False

    @property
    def decided(self) -> int:
        return self._count if self._is_finished else max(self._count - self.max_delay, 0)

    def push(self, detector_frame: DetectorFrame) -> list[Boundary]:
        cuts = self._detector.process_frame(make_timecode(self._count), detector_frame.tiny)
        self._count += 1
        return [Boundary(cut.frame_num) for cut in cuts if cut.frame_num > 0]

    def finish(self) -> list[Boundary]:
        self._is_finished = True
        return []
