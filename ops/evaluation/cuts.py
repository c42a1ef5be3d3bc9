"""Quality of shot boundaries: precision, recall and F1 of hard cuts and of gradual transitions, and faults."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class CutScore:
    """Counts of one video or of several together: ``score_a + score_b`` pools them.

    ``right`` annotated cuts were found, ``false`` detections are not cuts, ``missed`` cuts were not found.
    """

    right: int
    false: int
    missed: int

    @property
    def precision(self) -> float:
        """Share of the detections that are right, 0-1; 1 if there are none."""
        detections = self.right + self.false
        return self.right / detections if detections else 1.0

    @property
    def recall(self) -> float:
        """Share of the annotated cuts that were found, 0-1; 1 if there are none."""
        annotations = self.right + self.missed
        return self.right / annotations if annotations else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, 0-1; 1 if there are neither cuts nor detections."""
        total = 2 * self.right + self.false + self.missed
        return 2 * self.right / total if total else 1.0

    def __add__(self, other: CutScore) -> CutScore:
        return CutScore(
            right=self.right + other.right, false=self.false + other.false, missed=self.missed + other.missed
        )


@dataclass(frozen=True, kw_only=True)
class ShotAnnotation:
    """Annotated boundaries of one video, frames from 0; ranges are inclusive.

    ``gradual`` are transitions that begin a shot. ``neutral`` ranges and ``optional`` cuts count neither way.
    """

    hard: tuple[int, ...]
    gradual: tuple[tuple[int, int], ...]
    neutral: tuple[tuple[int, int], ...] = ()
    optional: tuple[int, ...] = ()
    frames: int | None = None

    @classmethod
    def from_document(cls, document: Any) -> ShotAnnotation:
        """Read a ``.shots.json``. If it has ``shot_starts``, only ranges that hold one of them begin a shot.

        Raises ``KeyError``, ``TypeError`` or ``ValueError`` for a document of another form.
        """
        if not isinstance(document, Mapping):
            raise TypeError(f"it is a {type(document).__name__}, not an object")
        ranges = [_parse_frame_range(first, last) for first, last, *_ in document["gradual"]]
        starts = document.get("shot_starts")
        counted_ranges = [
            (first, last) for first, last in ranges if starts is None or any(first <= at <= last for at in starts)
        ]
        return cls(
            hard=tuple(map(_parse_frame, document["hard_cuts"])),
            gradual=tuple(counted_ranges),
            neutral=tuple(each for each in ranges if each not in counted_ranges),
            optional=tuple(map(_parse_frame, document.get("optional_cuts", ()))),
            frames=_parse_frame(document["frames_annotated"]),
        )


def _parse_frame(value: Any) -> int:
    """A frame number from JSON. Raises ``TypeError`` or ``ValueError`` if it is not an integer from 0 on."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is not a frame number")
    if not math.isfinite(value) or value < 0 or value != int(value):
        raise ValueError(f"{value!r} is not a frame number")
    return int(value)


def _parse_frame_range(first: Any, last: Any) -> tuple[int, int]:
    frames = _parse_frame(first), _parse_frame(last)
    if frames[0] > frames[1]:
        raise ValueError(f"the range {first} to {last} ends before it begins")
    return frames


FaultKind = Literal["false", "missed"]
TransitionKind = Literal["cut", "gradual"]


@dataclass(frozen=True, kw_only=True, order=True)
class Fault:
    """A boundary that was detected and is not one (``false``), or that was not detected (``missed``).

    ``first`` and ``last`` are frames, inclusive: the same frame, the first of a shot, except for a missed gradual
    transition. ``transition`` is the kind that it counts as.
    """

    first: int
    last: int
    kind: FaultKind
    transition: TransitionKind


@dataclass(frozen=True, kw_only=True)
class BoundaryScore:
    """Hard cuts and gradual transitions of one video or of several: ``score_a + score_b`` pools them."""

    hard: CutScore
    gradual: CutScore

    def __add__(self, other: BoundaryScore) -> BoundaryScore:
        return BoundaryScore(hard=self.hard + other.hard, gradual=self.gradual + other.gradual)


@dataclass(frozen=True, kw_only=True)
class BoundaryMatch:
    """The counts of one clip, and each fault in them, by frame."""

    score: BoundaryScore
    faults: tuple[Fault, ...]


def score_boundaries(
    detections: Iterable[tuple[int, bool]], annotation: ShotAnnotation, *, tolerance: int = 2
) -> BoundaryScore:
    """The counts of :func:`match_boundaries`."""
    return match_boundaries(detections, annotation, tolerance=tolerance).score


def match_boundaries(
    detections: Iterable[tuple[int, bool]], annotation: ShotAnnotation, *, tolerance: int = 2
) -> BoundaryMatch:
    """Compare boundaries, ``(first frame of a shot, whether it is detected as gradual)``, with an annotation.

    A boundary counts once: for a hard cut, else for a gradual transition, else as false of its own kind.
    """
    boundaries = sorted(detections)
    neutral = [*annotation.neutral, *((cut, cut) for cut in annotation.optional)]
    hard_or_found = [
        frame
        for frame, is_gradual in boundaries
        if not is_gradual or any(abs(frame - cut) <= tolerance for cut in annotation.hard)
    ]
    hard = _match_cuts(
        hard_or_found, annotation.hard, [*annotation.gradual, *neutral], frames=annotation.frames, tolerance=tolerance
    )
    gradual = _match_gradual(
        boundaries, annotation.gradual, annotation.hard, neutral, frames=annotation.frames, tolerance=tolerance
    )
    faults = [*hard.list_faults("cut"), *gradual.list_faults("gradual")]
    return BoundaryMatch(score=BoundaryScore(hard=hard.score, gradual=gradual.score), faults=tuple(sorted(faults)))


def score_cuts(
    detections: Iterable[int],
    annotations: Iterable[int],
    *,
    gradual: Sequence[tuple[int, int]] = (),
    frames: int | None = None,
    tolerance: int = 2,
) -> CutScore:
    """Compare first frames of shots with annotated hard cuts.

    One detection counts for one cut, at most ``tolerance`` frames away; the matching has the maximum size. Frame 0 is
    not a cut. A detection in a ``gradual`` range (inclusive, widened by the tolerance) that matches no hard cut counts
    neither way. The same holds for detections at or after ``frames``, the end of the annotation.
    """
    return _match_cuts(detections, annotations, gradual, frames=frames, tolerance=tolerance).score


def score_gradual(
    detections: Iterable[tuple[int, bool]],
    ranges: Sequence[tuple[int, int]],
    *,
    hard: Iterable[int] = (),
    neutral: Sequence[tuple[int, int]] = (),
    frames: int | None = None,
    tolerance: int = 2,
) -> CutScore:
    """Compare detected boundaries with annotated gradual transitions.

    ``detections`` are ``(first frame of a shot, whether the detector reports it as gradual)``. A boundary of either
    kind in one of ``ranges`` (inclusive, widened by the tolerance) finds that transition; each further one in it is
    false. A gradual boundary is also false if it is in no range, near none of the ``hard`` cuts, and in no
    ``neutral`` range. Boundaries at or after ``frames``, the end of the annotation, are not counted.
    """
    return _match_gradual(detections, ranges, hard, neutral, frames=frames, tolerance=tolerance).score


@dataclass(frozen=True, kw_only=True)
class _Matched:
    """Transitions of one kind: the number of found ones, the frames of false detections, the missed ranges."""

    right: int
    false: list[int]
    missed: list[tuple[int, int]]

    @property
    def score(self) -> CutScore:
        return CutScore(right=self.right, false=len(self.false), missed=len(self.missed))

    def list_faults(self, transition: TransitionKind) -> list[Fault]:
        false = [Fault(first=frame, last=frame, kind="false", transition=transition) for frame in self.false]
        misses = [Fault(first=first, last=last, kind="missed", transition=transition) for first, last in self.missed]
        return [*false, *misses]


def _match_cuts(
    detections: Iterable[int],
    annotations: Iterable[int],
    gradual: Sequence[tuple[int, int]],
    *,
    frames: int | None,
    tolerance: int,
) -> _Matched:
    cuts = sorted(set(annotations) - {0})
    detected_cuts = sorted({cut for cut in detections if cut > 0 and (frames is None or cut < frames)})
    extra: list[int] = []
    misses: list[tuple[int, int]] = []
    place = 0
    # Both ascending and all intervals equally long: taking the earliest open cut is a maximum matching.
    for cut in detected_cuts:
        while place < len(cuts) and cuts[place] < cut - tolerance:
            misses.append((cuts[place], cuts[place]))
            place += 1
        if place < len(cuts) and cuts[place] <= cut + tolerance:
            place += 1
        else:
            extra.append(cut)
    misses += [(cut, cut) for cut in cuts[place:]]
    false = [cut for cut in extra if not any(first - tolerance <= cut <= last + tolerance for first, last in gradual)]
    return _Matched(right=len(cuts) - len(misses), false=false, missed=misses)


def _match_gradual(
    detections: Iterable[tuple[int, bool]],
    ranges: Sequence[tuple[int, int]],
    hard: Iterable[int],
    neutral: Sequence[tuple[int, int]],
    *,
    frames: int | None,
    tolerance: int,
) -> _Matched:
    cuts = sorted(set(hard))
    matched_ranges: set[tuple[int, int]] = set()
    false: list[int] = []
    for frame, is_gradual in sorted(detections):
        if frame <= 0 or (frames is not None and frame >= frames) or any(abs(frame - cut) <= tolerance for cut in cuts):
            continue
        inside = [each for each in ranges if each[0] - tolerance <= frame <= each[1] + tolerance]
        if fresh := [each for each in inside if each not in matched_ranges]:
            matched_ranges.add(fresh[0])
        elif inside or (
            is_gradual and not any(first - tolerance <= frame <= last + tolerance for first, last in neutral)
        ):
            false.append(frame)
    return _Matched(
        right=len(matched_ranges), false=false, missed=[each for each in ranges if each not in matched_ranges]
    )
