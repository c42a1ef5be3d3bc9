"""How well shot boundaries were found: precision, recall and F1 of hard cuts and of gradual transitions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class CutScore:
    """Counts of one film or of several together: ``score_a + score_b`` pools them.

    ``right`` annotated cuts were found, ``false`` detections are no cut, ``missed`` cuts were not found.
    """

    right: int
    false: int
    missed: int

    @property
    def precision(self) -> float:
        """Share of the detections that are right, 0-1; 1 where nothing was detected."""
        found = self.right + self.false
        return self.right / found if found else 1.0

    @property
    def recall(self) -> float:
        """Share of the annotated cuts that were found, 0-1; 1 where there is none."""
        annotated = self.right + self.missed
        return self.right / annotated if annotated else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, 0-1; 1 where there is nothing to find and nothing was found."""
        total = 2 * self.right + self.false + self.missed
        return 2 * self.right / total if total else 1.0

    def __add__(self, other: CutScore) -> CutScore:
        return CutScore(
            right=self.right + other.right, false=self.false + other.false, missed=self.missed + other.missed
        )


@dataclass(frozen=True, kw_only=True)
class ShotAnnotation:
    """Annotated boundaries of one film, frames from 0; ranges are inclusive.

    ``gradual`` are transitions that begin a shot, ``neutral`` ranges and ``optional`` cuts count neither way.
    """

    hard: tuple[int, ...]
    gradual: tuple[tuple[int, int], ...]
    neutral: tuple[tuple[int, int], ...] = ()
    optional: tuple[int, ...] = ()
    frames: int | None = None

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> ShotAnnotation:
        """From a ``.shots.json``. With ``shot_starts`` only ranges that hold one of them begin a shot.

        Raises ``KeyError``, ``TypeError`` or ``ValueError`` for a document of another form.
        """
        ranges = [(int(first), int(last)) for first, last, *_ in document["gradual"]]
        starts = document.get("shot_starts")
        counted = [
            (first, last) for first, last in ranges if starts is None or any(first <= at <= last for at in starts)
        ]
        return cls(
            hard=tuple(map(int, document["hard_cuts"])),
            gradual=tuple(counted),
            neutral=tuple(each for each in ranges if each not in counted),
            optional=tuple(map(int, document.get("optional_cuts", ()))),
            frames=int(document["frames_annotated"]),
        )


@dataclass(frozen=True, kw_only=True)
class BoundaryScore:
    """Hard cuts and gradual transitions of one film or of several: ``score_a + score_b`` pools them."""

    hard: CutScore
    gradual: CutScore

    def __add__(self, other: BoundaryScore) -> BoundaryScore:
        return BoundaryScore(hard=self.hard + other.hard, gradual=self.gradual + other.gradual)


def score_boundaries(
    detected: Iterable[tuple[int, bool]], annotation: ShotAnnotation, *, tolerance: int = 2
) -> BoundaryScore:
    """Compare boundaries, ``(first frame of a shot, whether it is called gradual)``, with an annotation.

    A boundary counts once: for a hard cut, else for a gradual transition, else as false of its own kind.
    """
    boundaries = sorted(detected)
    ranges = [*annotation.gradual, *annotation.neutral, *((cut, cut) for cut in annotation.optional)]
    hard_or_found = [
        frame
        for frame, is_gradual in boundaries
        if not is_gradual or any(abs(frame - cut) <= tolerance for cut in annotation.hard)
    ]
    return BoundaryScore(
        hard=score_cuts(hard_or_found, annotation.hard, gradual=ranges, frames=annotation.frames, tolerance=tolerance),
        gradual=score_gradual(
            boundaries,
            annotation.gradual,
            hard=annotation.hard,
            neutral=[*annotation.neutral, *((cut, cut) for cut in annotation.optional)],
            frames=annotation.frames,
            tolerance=tolerance,
        ),
    )


def score_cuts(
    detected: Iterable[int],
    annotated: Iterable[int],
    *,
    gradual: Sequence[tuple[int, int]] = (),
    frames: int | None = None,
    tolerance: int = 2,
) -> CutScore:
    """Compare first frames of shots with annotated hard cuts.

    One detection counts for one cut, at most ``tolerance`` frames away; the matching finds as many as can be
    found. Frame 0 is no cut. Detections in a ``gradual`` range (inclusive, widened by the tolerance) that match no
    hard cut count neither way, nor do those at or after ``frames``, where the annotation ends.
    """
    cuts = sorted(set(annotated) - {0})
    found = sorted({cut for cut in detected if cut > 0 and (frames is None or cut < frames)})
    extra: list[int] = []
    right = place = 0
    # Both ascending and all intervals equally long: taking the earliest open cut is a largest matching.
    for cut in found:
        while place < len(cuts) and cuts[place] < cut - tolerance:
            place += 1
        if place < len(cuts) and cuts[place] <= cut + tolerance:
            right += 1
            place += 1
        else:
            extra.append(cut)
    false = sum(not any(first - tolerance <= cut <= last + tolerance for first, last in gradual) for cut in extra)
    return CutScore(right=right, false=false, missed=len(cuts) - right)


def score_gradual(
    detected: Iterable[tuple[int, bool]],
    ranges: Sequence[tuple[int, int]],
    *,
    hard: Iterable[int] = (),
    neutral: Sequence[tuple[int, int]] = (),
    frames: int | None = None,
    tolerance: int = 2,
) -> CutScore:
    """Compare detected boundaries with annotated gradual transitions.

    ``detected`` are ``(first frame of a shot, whether the detector calls it gradual)``. A boundary of either kind in
    one of ``ranges`` (inclusive, widened by the tolerance) finds that transition; each further one in it is false, and
    so is one called gradual that is in no range, beside none of the ``hard`` cuts, and in no ``neutral`` range.
    Boundaries at or after ``frames``, where the annotation ends, are not counted.
    """
    cuts = sorted(set(hard))
    found: set[tuple[int, int]] = set()
    false = 0
    for frame, is_gradual in sorted(detected):
        if frame <= 0 or (frames is not None and frame >= frames) or any(abs(frame - cut) <= tolerance for cut in cuts):
            continue
        inside = [each for each in ranges if each[0] - tolerance <= frame <= each[1] + tolerance]
        if fresh := [each for each in inside if each not in found]:
            found.add(fresh[0])
        elif inside:
            false += 1
        elif is_gradual:
            false += not any(first - tolerance <= frame <= last + tolerance for first, last in neutral)
    return CutScore(right=len(found), false=false, missed=len(ranges) - len(found))
