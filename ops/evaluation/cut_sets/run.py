"""Run a detector on a public test set: counts at each tolerance, pooled and by video, with published figures."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from operator import add
from pathlib import Path
from typing import TypedDict

from ops.core.errors import MediaError, UsageError
from ops.core.plural import plural
from ops.core.types import Progress
from ops.evaluation.clip_cuts import (
    INTERVALS,
    METRICS,
    CutEvaluation,
    SetAsideClip,
    compare_clip,
    estimate_interval_over_clips,
)
from ops.evaluation.cut_sets.layouts import SETS, CutSetData, SetVideo, load_set
from ops.evaluation.cut_sets.protocol import (
    TOLERANCES,
    Transition,
    convert_boundaries,
    is_hard,
    match_transitions,
    score_kind,
)
from ops.evaluation.cut_sets.published import BY_KIND, PUBLISHED, REMARKS, PublishedF1
from ops.evaluation.cuts import CutScore, ShotAnnotation
from ops.shots.cutting import TimedFrame
from ops.shots.detectors.choice import load_detector
from ops.shots.pictures import make_detector_frame
from ops.shots.reading import read_proxy_frames
from ops.videos.film_errors import convert_film_errors
from ops.videos.probe import probe

PROTOCOL = (
    "A transition is (last frame of a shot, first frame of the next one). Two match if they overlap after each is "
    "widened by half of the tolerance on both sides, each at most once (Baraldi et al.; TransNet V2 and AutoShot use "
    "tolerance 2). Counts of all videos are added; the mean is over videos that have a transition or a detection. "
    "Detected gradual transitions are one place, their middle."
)
KIND_PROTOCOL = (
    "By kind, by the rule of ClipShots: a transition is found if a detection of its kind shares a frame with it, ends "
    "included."
)


@dataclass(frozen=True, kw_only=True)
class DetectedClip:
    """A detector's boundaries of a clip, ``(first frame of a shot, whether it is gradual)``, and its frames' times."""

    fps: Fraction
    times_s: tuple[float, ...]
    boundaries: tuple[tuple[int, bool], ...]


class PublishedFigure(TypedDict):
    """A published F1 of a method, with its source."""

    method: str
    f1_percent: float
    source: str
    remark: str


class CutCounts(TypedDict):
    """F1 and counts of one video."""

    f1: float
    right: int
    false: int
    missed: int


class PooledFigures(TypedDict):
    """Pooled shares of several videos with their 95 % intervals, counts, and the mean F1 of single videos."""

    f1: float
    precision: float
    recall: float
    f1_interval: list[float] | None
    precision_interval: list[float] | None
    recall_interval: list[float] | None
    right: int
    false: int
    missed: int
    mean_f1: float
    videos_counted: int


class KindFigures(PooledFigures):
    """Figures of one kind of transition."""

    published: list[PublishedFigure]


class KindsDocument(TypedDict, total=False):
    """Figures by kind, by the rule of ClipShots; empty for other sets."""

    protocol: str
    cut: KindFigures
    gradual: KindFigures


class BenchmarkDocument(TypedDict):
    """The document that ``needle benchmark`` prints."""

    benchmark: str
    title: str
    data: str
    form: str
    detector: str
    videos: int
    frames: int
    transitions: dict[str, int]
    protocol: str
    intervals: str
    results: dict[str, PooledFigures]
    recall_by_kind: dict[str, dict[str, int]]
    published: list[PublishedFigure]
    published_remark: str
    by_kind: KindsDocument
    by_video: dict[str, dict[str, CutCounts]]
    notes: list[str]
    set_aside: list[dict[str, str]]


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """The document that ``needle benchmark`` prints, and its faults for a page."""

    document: BenchmarkDocument
    cuts: CutEvaluation


@dataclass(frozen=True, kw_only=True)
class _VideoResult:
    """The detections on one video of the set."""

    video: SetVideo
    clip: DetectedClip
    detected: tuple[Transition, ...]

    @property
    def annotated(self) -> list[Transition]:
        return self.video.annotated.transitions

    def score(self, tolerance: int) -> CutScore:
        return match_transitions(self.detected, self.annotated, tolerance=tolerance).score


def detect_boundaries(path: Path, detector: str) -> DetectedClip:
    """Run a fresh detector over a clip. Raises ``MediaError`` if the clip cannot be read."""
    info = probe(path)
    cutter = load_detector(detector, info.fps)
    times_s: list[float] = []
    boundaries: list[tuple[int, bool]] = []
    with closing(read_proxy_frames(path, info, threads=1)) as items:  # type: ignore[type-var]
        for item in items:
            if isinstance(item, TimedFrame):
                times_s.append(float(item.time_s))
                boundaries += [
                    (each.frame, each.transition == "gradual") for each in cutter.push(make_detector_frame(item.frame))
                ]
    boundaries += [(each.frame, each.transition == "gradual") for each in cutter.finish()]
    return DetectedClip(fps=info.fps, times_s=tuple(times_s), boundaries=tuple(sorted(boundaries)))


def run_cut_set(name: str, folder: Path, detector: str, progress: Progress) -> Benchmark:
    """Measure ``detector`` on the test set ``name`` in ``folder``.

    A video is skipped if it is missing or cannot be read, or if its length differs from its annotation's. Raises
    ``UsageError`` if the folder holds no usable video of that set.
    """
    data = load_set(name, folder)
    progress.start("clips", len(data.videos), "clips")
    for clip in data.set_aside:
        progress.set_aside("clips", clip.name, clip.reason)
    results: list[_VideoResult] = []
    for video in data.videos:
        try:
            results.append(_measure(video, detector, needs_length=data.needs_length))
        except (MediaError, UsageError) as error:
            data.set_aside.append(SetAsideClip(name=video.name, reason=str(error)))
            progress.set_aside("clips", video.name, str(error))
        progress.advance("clips")
    if not results:
        reasons = [f"{clip.name}: {clip.reason}" for clip in data.set_aside[:10]]
        raise UsageError("\n".join(["no video of the set can be measured:", *reasons]))
    progress.finish("clips")
    return Benchmark(
        document=_build_document(name, folder, detector, data, results), cuts=_collect_faults(detector, data, results)
    )


def _measure(video: SetVideo, detector: str, *, needs_length: bool) -> _VideoResult:
    with convert_film_errors(video.name, "measuring it"):
        clip = detect_boundaries(video.path, detector)
    frames, annotated_frames = len(clip.times_s), video.annotated.frames
    if needs_length and annotated_frames is not None and annotated_frames != frames:
        raise UsageError(
            f"it has {frames} frames, its annotation is of {annotated_frames}: "
            "left out, as the authors of TransNet V2 do"
        )
    return _VideoResult(video=video, clip=clip, detected=tuple(convert_boundaries(clip.boundaries)))


def _build_document(
    name: str, folder: Path, detector: str, data: CutSetData, results: Sequence[_VideoResult]
) -> BenchmarkDocument:
    transitions = [each for item in results for each in item.annotated]
    return {
        "benchmark": name,
        "title": SETS[name].title,
        "data": str(folder),
        "form": data.form,
        "detector": detector,
        "videos": len(results),
        "frames": sum(len(item.clip.times_s) for item in results),
        "transitions": {
            "hard": sum(map(is_hard, transitions)),
            "gradual": sum(not is_hard(item) for item in transitions),
        },
        "protocol": PROTOCOL,
        "intervals": INTERVALS,
        "results": {
            f"tolerance_{item}": _collect_figures([each.score(item) for each in results]) for item in TOLERANCES
        },
        "recall_by_kind": _count_by_kind(results),
        "published": [_describe_published(item) for item in PUBLISHED[name]],
        "published_remark": REMARKS[name],
        "by_kind": _score_by_kind(results) if name == "clipshots" else {},
        "by_video": {item.video.name: _describe_video(item) for item in results},
        "notes": [*data.notes, *(note for item in results for note in _list_notes(item))],
        "set_aside": [{"clip": item.name, "reason": item.reason} for item in data.set_aside],
    }


def _collect_figures(scores: Sequence[CutScore]) -> PooledFigures:
    total = reduce(add, scores)
    f1_scores = [score.f1 for score in scores if score.right + score.false + score.missed]
    f1, precision, recall = (estimate_interval_over_clips(scores, metric) for metric in METRICS)
    return {
        "f1": total.f1,
        "precision": total.precision,
        "recall": total.recall,
        "f1_interval": list(f1) if f1 else None,
        "precision_interval": list(precision) if precision else None,
        "recall_interval": list(recall) if recall else None,
        "right": total.right,
        "false": total.false,
        "missed": total.missed,
        "mean_f1": sum(f1_scores) / len(f1_scores) if f1_scores else 1.0,
        "videos_counted": len(f1_scores),
    }


def _count_by_kind(results: Sequence[_VideoResult]) -> dict[str, dict[str, int]]:
    """Number of hard and gradual transitions found, at tolerance 2: precision has no kind by this protocol."""
    counts = {kind: {"annotated": 0, "found": 0} for kind in ("hard", "gradual")}
    for result in results:
        misses = set(match_transitions(result.detected, result.annotated, tolerance=TOLERANCES[-1]).missed)
        for at, transition in enumerate(result.annotated):
            kind = counts["hard" if is_hard(transition) else "gradual"]
            kind["annotated"] += 1
            kind["found"] += at not in misses
    return counts


def _score_by_kind(results: Sequence[_VideoResult]) -> KindsDocument:
    return {
        "protocol": KIND_PROTOCOL,
        "cut": _score_kind_in_all(results, is_cut=True),
        "gradual": _score_kind_in_all(results, is_cut=False),
    }


def _score_kind_in_all(results: Sequence[_VideoResult], *, is_cut: bool) -> KindFigures:
    scores = [
        score_kind(
            [(frame - 1, frame) for frame, is_gradual in result.clip.boundaries if is_gradual != is_cut],
            [each for each in result.annotated if is_hard(each) == is_cut],
        )
        for result in results
    ]
    published_figures = [_describe_published(result) for result in BY_KIND["cut" if is_cut else "gradual"]]
    return {**_collect_figures(scores), "published": published_figures}


def _describe_published(figure: PublishedF1) -> PublishedFigure:
    return {"method": figure.method, "f1_percent": figure.f1, "source": figure.source, "remark": figure.remark}


def _describe_video(result: _VideoResult) -> dict[str, CutCounts]:
    return {
        f"tolerance_{tolerance}": {
            "f1": score.f1,
            "right": score.right,
            "false": score.false,
            "missed": score.missed,
        }
        for tolerance in TOLERANCES
        for score in [result.score(tolerance)]
    }


def _list_notes(result: _VideoResult) -> list[str]:
    frames = len(result.clip.times_s)
    beyond = sum(first >= frames for _, first in result.annotated)
    notes = [f"{result.video.name}: {note}" for note in result.video.annotated.notes]
    if beyond:
        transitions = plural(beyond, "transition is", "transitions are")
        notes.append(f"{result.video.name}: {transitions} behind its last frame ({frames - 1}): missed")
    return notes


def _collect_faults(detector: str, data: CutSetData, results: Sequence[_VideoResult]) -> CutEvaluation:
    """The set as annotated clips, for a page of faults: by kind, ±2 frames, as ``needle evaluate`` counts them."""
    clips = [
        compare_clip(
            name=result.video.name,
            path=result.video.path,
            fps=result.clip.fps,
            times_s=result.clip.times_s,
            boundaries=result.clip.boundaries,
            annotation=ShotAnnotation(
                hard=tuple(first for last, first in result.annotated if is_hard((last, first))),
                gradual=tuple((last + 1, first) for last, first in result.annotated if not is_hard((last, first))),
            ),
        )
        for result in results
    ]
    return CutEvaluation(detector=detector, clips=tuple(clips), set_aside=tuple(data.set_aside))
