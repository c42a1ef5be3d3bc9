"""From which score on a probe says yes: by its policy, on the scores of what was held out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ops.probes.folds import Truths

Scores = NDArray[np.float64]


def threshold_of(policy: str, scores_N: Scores, truths_N: Truths) -> float:
    """The score from which on a probe says yes: best F1, the lowest with a precision, or a number; 0.5 without data.

    Where no score reaches the precision, it is the highest of all.
    """
    if (number := fixed_threshold(policy, -1.0)) >= 0 or not truths_N.any():
        return max(number, 0.0) if number >= 0 else 0.5
    best, least = 0.0, float(policy.removeprefix("precision>=")) if policy != "f1" else 0.0
    found = float(scores_N.max())
    for threshold, precision, recall in curve_of(scores_N, truths_N):
        if policy == "f1":
            f1 = 2 * precision * recall / max(precision + recall, 1e-9)
            best, found = (f1, threshold) if f1 > best else (best, found)
        elif precision >= least:
            found = min(found, threshold)
    return round(found, 6)


def fixed_threshold(policy: str, otherwise: float) -> float:
    """The number that a policy is; ``otherwise`` where it is none."""
    return float(policy) if policy[:1] in "0123456789." else otherwise


def curve_of(scores_N: Scores, truths_N: Truths) -> tuple[tuple[float, float, float], ...]:
    """``(score, precision, recall)`` of what scores at least so much, best first."""
    points = []
    for score in sorted(set(np.round(scores_N, 6).tolist()), reverse=True):
        taken = np.round(scores_N, 6) >= score
        right = int((taken & truths_N).sum())
        points.append((score, round(right / int(taken.sum()), 6), round(right / int(truths_N.sum()), 6)))
    return tuple(points)
