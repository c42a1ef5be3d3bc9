"""Annotated clips decoded once, and the fit of the weights of a hard cut on any of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import reduce
from itertools import chain
from operator import add
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from ops.evaluation.cuts import BoundaryScore, ShotAnnotation, score_boundaries
from ops.shots.detector import Boundary, DetectorFrame, TinyImage
from ops.shots.detectors.auto import AutoDetector
from ops.shots.detectors.hard_cuts import CutFeatures, HardCuts
from ops.shots.detectors.likeness import HEIGHT, WIDTH
from ops.shots.detectors.recent import RecentFrames
from ops.shots.detectors.transnet_model import Scores, predict_transitions
from ops.shots.pictures import make_detector_frame
from ops.shots.scaling import FrameScaler
from ops.shots.thresholds import AUTO, AutoThresholds
from ops.videos.probe import probe
from ops.videos.reader import DecodedFrame, read_media
from tests.quality.logistic import fit_logistic

NEAR = 2
"""Frames beside an annotated boundary that the fit leaves out."""

Features = npt.NDArray[np.float64]
Truths = npt.NDArray[np.float64]


@dataclass
class Clip:
    """One decoded clip; the network's answers are kept, so that other thresholds cost little."""

    fps: Fraction
    annotation: ShotAnnotation
    smalls: list[TinyImage] = field(default_factory=list)
    tinies: list[TinyImage] = field(default_factory=list)
    answers: dict[int, tuple[Scores, Scores]] = field(default_factory=dict)

    def add(self, detector_frame: DetectorFrame) -> None:
        """Keep the images of the next frame, the larger one at the size of a likeness."""
        self.smalls.append(detector_frame.small)
        tiny = cv2.resize(detector_frame.tiny, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
        self.tinies.append(np.asarray(tiny, np.uint8))

    def detector_frames(self) -> Iterable[DetectorFrame]:
        return (_pair_images(small, tiny) for small, tiny in zip(self.smalls, self.tinies, strict=True))

    def network(self, window: list[TinyImage]) -> tuple[Scores, Scores]:
        key = hash(b"".join(picture.tobytes() for picture in window))
        if key not in self.answers:
            self.answers[key] = predict_transitions(window)
        return self.answers[key]

    def find(self, thresholds: AutoThresholds = AUTO) -> list[Boundary]:
        detector = AutoDetector(thresholds, self.fps, self.network)
        found = [boundary for detector_frame in self.detector_frames() for boundary in detector.push(detector_frame)]
        return found + detector.finish()

    def score(self, thresholds: AutoThresholds = AUTO) -> BoundaryScore:
        return score_boundaries(
            [(boundary.frame, boundary.transition == "gradual") for boundary in self.find(thresholds)], self.annotation
        )

    def candidates(self, thresholds: AutoThresholds = AUTO) -> tuple[Features, Truths]:
        """Features (N, 4) of the candidates for a hard cut, and whether each is one (N,), 0 or 1.

        Candidates beside an annotated cut or in a gradual transition are neither.
        """
        frames = RecentFrames(len(self.smalls) + 1, thresholds.gradual.blank_deviation)
        for detector_frame in self.detector_frames():
            frames.append(detector_frame)
        judge = HardCuts(thresholds, self.fps)
        end = min(frames.count, self.annotation.frames or frames.count)
        kept = [at for at in range(1, end) if judge.is_candidate(at, frames) and not self._is_unclear(at)]
        features = [judge.measure_features(at, frames) for at in kept]
        features_NF = np.array(features, np.float64).reshape(-1, len(CutFeatures._fields))
        return features_NF, np.array([at in self.annotation.hard for at in kept], np.float64)

    def _is_unclear(self, frame: int) -> bool:
        if frame in self.annotation.hard:
            return False
        ranges = [*self.annotation.gradual, *self.annotation.neutral]
        cuts = (*self.annotation.hard, *self.annotation.optional)
        ranges += [(cut, cut) for cut in cuts]
        return any(first - NEAR <= frame <= last + NEAR for first, last in ranges)


def _pair_images(small: TinyImage, tiny: TinyImage) -> DetectorFrame:
    return DetectorFrame(small, lambda: tiny)


def decode_clip(path: Path, annotation: ShotAnnotation) -> Clip:
    """The clip's frames as ``segment_video`` shows them to the detector."""
    info = probe(path)
    scaler, clip = FrameScaler(info), Clip(info.fps, annotation)
    frames = (frame for item in read_media(path) if isinstance(item, DecodedFrame) for frame in scaler.push(item.frame))
    for frame in chain(frames, scaler.finish()):
        clip.add(make_detector_frame(frame))
    return clip


class RecordingDetector(AutoDetector):
    """The shipped detector; it keeps the images of its frames in ``clip``, which has no annotation yet."""

    def __init__(self, fps: Fraction) -> None:
        super().__init__(fps=fps)
        self.clip = Clip(fps, ShotAnnotation(hard=(), gradual=()))

    def push(self, detector_frame: DetectorFrame) -> list[Boundary]:
        self.clip.add(detector_frame)
        return super().push(detector_frame)


def read_annotations(footage: Path) -> dict[str, ShotAnnotation]:
    """The annotation of every annotated clip of a folder, by file name."""
    return {
        path.name.removesuffix(".shots.json"): ShotAnnotation.from_document(json.loads(path.read_text()))
        for path in sorted(footage.glob("*.shots.json"))
    }


def decode_clips(footage: Path) -> dict[str, Clip]:
    """Every annotated clip of a folder by file name."""
    return {name: decode_clip(footage / name, annotation) for name, annotation in read_annotations(footage).items()}


def pooled(scores: Iterable[BoundaryScore]) -> BoundaryScore:
    return reduce(add, scores)


def fit_weights(candidates: Sequence[tuple[Features, Truths]]) -> tuple[tuple[float, float, float, float], float]:
    """Weights and bias of a hard cut: logistic regression."""
    features_NF = np.concatenate([features for features, _ in candidates])
    weights_F, bias = fit_logistic(features_NF, np.concatenate([truths for _, truths in candidates]))
    contrast, likeness, step, texture = weights_F.round(3).tolist()
    return (contrast, likeness, step, texture), round(bias, 3)


def fit_thresholds(candidates: Sequence[tuple[Features, Truths]]) -> AutoThresholds:
    """The shipped thresholds with weights fitted on other candidates."""
    weights, bias = fit_weights(candidates)
    return replace(AUTO, cut_weights=weights, cut_bias=bias)
