"""How well hard cuts were found: precision, recall and F1 at a tolerance, gradual transitions neutral."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass


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
