"""How papers on shot boundary detection compare detections with an annotation, and their definition of a match.

A transition is the pair (last frame of the shot before, first frame of the shot after), 0-based: a hard cut if the two
are consecutive, else gradual. A list of shots with inclusive ends gives the transitions between neighbours.

Two transitions match if they overlap after each was widened by half of the tolerance on both sides. One pass in
ascending order pairs each at most once. With tolerance 0 only transitions with a common boundary between two frames
match; with tolerance 2 hard cuts may be two frames apart.

This is the rule of the evaluation script of Baraldi, Grana and Cucchiara (imagelab.ing.unimore.it, with the RAI and BBC
sets). M. Gygli (github.com/gyglim/shot-detection-evaluation), TransNet V2 (Soucek and Lokoc 2020, arXiv:2008.04838;
``training/metrics_utils.py`` in its repository, tolerance 2 by default) and AutoShot (Zhu et al. 2023,
arXiv:2304.06116; ``utils.py``) use it. This is a new implementation from the description there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ops.evaluation.cuts import CutScore

Transition = tuple[int, int]
TOLERANCES = (0, 2)


def list_transitions(shots: Sequence[tuple[int, int]]) -> list[Transition]:
    """The transitions between consecutive shots, ``(first frame, last frame)`` inclusive."""
    return [(before[1], behind[0]) for before, behind in pairwise(shots)]


def is_hard(transition: Transition) -> bool:
    """Whether the two shots have no frame between them."""
    return transition[1] - transition[0] <= 1


def convert_boundaries(boundaries: Sequence[tuple[int, bool]]) -> list[Transition]:
    """A detector's boundaries, ``(first frame of a shot, ...)``, as transitions.

    A gradual one is a hard cut in its middle here, because our detectors report one frame. With tolerance 0 it matches
    an annotated transition that contains that position.
    """
    return [(frame - 1, frame) for frame, _ in sorted(boundaries)]


@dataclass(frozen=True, kw_only=True)
class TransitionMatch:
    """Indices into the detected transitions that are ``false``, and into the annotated ones that are ``missed``."""

    right: int
    false: tuple[int, ...]
    missed: tuple[int, ...]

    @property
    def score(self) -> CutScore:
        """The counts."""
        return CutScore(right=self.right, false=len(self.false), missed=len(self.missed))


def match_transitions(
    detections: Sequence[Transition], annotations: Sequence[Transition], *, tolerance: int
) -> TransitionMatch:
    """Pair ascending ``detections`` with ascending ``annotations`` by the rule above."""
    right, false, misses = 0, [], []
    detected_at = annotated_at = 0
    while detected_at < len(detections) and annotated_at < len(annotations):
        low, high = _widen(detections[detected_at], tolerance)
        first, last = _widen(annotations[annotated_at], tolerance)
        if high < first:
            false.append(detected_at)
            detected_at += 1
        elif low > last:
            misses.append(annotated_at)
            annotated_at += 1
        else:
            right, detected_at, annotated_at = right + 1, detected_at + 1, annotated_at + 1
    false += range(detected_at, len(detections))
    misses += range(annotated_at, len(annotations))
    return TransitionMatch(right=right, false=tuple(false), missed=tuple(misses))


def _widen(transition: Transition, tolerance: int) -> tuple[int, int]:
    """In half frames: a hard cut is the one position between its two frames, at tolerance 0."""
    return 2 * transition[0] + 1 - tolerance, 2 * transition[1] - 1 + tolerance


def score_kind(detections: Sequence[Transition], annotations: Sequence[Transition]) -> CutScore:
    """Counts of one kind of transition by the rule of ClipShots.

    Tang et al. 2018, arXiv:1808.04234; ``tools/evaluate.py`` in its repository. An annotated transition is found if any
    detection of its kind shares a frame with it, both ends included. Precision is the share of found ones among all
    detections of that kind.
    """
    ends = sorted(detections)
    right = sum(any(low <= last and high >= first for low, high in ends) for first, last in annotations)
    return CutScore(right=right, false=max(len(ends) - right, 0), missed=len(annotations) - right)
