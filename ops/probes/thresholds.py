"""Choose the lowest score that counts as yes: by the probe's policy, on held-out scores."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ops.probes.folds import Truths

Scores = NDArray[np.float64]


def choose_threshold(policy: str, scores_N: Scores, truths_N: Truths) -> float:
    """Return the lowest score that counts as yes: best F1, the lowest with a precision, or a number; 0.5 without data.

    If no score reaches the precision, it is the highest score.
    """
    if (number := parse_threshold(policy, -1.0)) >= 0 or not truths_N.any():
        return max(number, 0.0) if number >= 0 else 0.5
    best, least = 0.0, float(policy.removeprefix("precision>=")) if policy != "f1" else 0.0
    best_threshold = float(scores_N.max())
    for threshold, precision, recall in compute_curve(scores_N, truths_N):
        if policy == "f1":
            f1 = 2 * precision * recall / max(precision + recall, 1e-9)
            best, best_threshold = (f1, threshold) if f1 > best else (best, best_threshold)
        elif precision >= least:
            best_threshold = min(best_threshold, threshold)
    return round(best_threshold, 6)


def parse_threshold(policy: str, otherwise: float) -> float:
    """Return the number in a policy, or ``otherwise`` if the policy is not a number."""
    return float(policy) if policy[:1] in "0123456789." else otherwise


def compute_curve(scores_N: Scores, truths_N: Truths) -> tuple[tuple[float, float, float], ...]:
    """Return ``(score, precision, recall)`` for each score as the threshold, highest first."""
    points = []
    for score in sorted(set(np.round(scores_N, 6).tolist()), reverse=True):
        is_selected = np.round(scores_N, 6) >= score
        right = int((is_selected & truths_N).sum())
        points.append((score, round(right / int(is_selected.sum()), 6), round(right / int(truths_N.sum()), 6)))
    return tuple(points)
