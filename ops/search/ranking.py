"""From what was asked to one vector, and from a cosine to a relevance that people can compare.

Pure functions: everything that can be wrong about ranking, without index, lake or encoder.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import UsageError

# Rocchio's weights of query, wanted and unwanted examples (J. J. Rocchio, "Relevance feedback in information
# retrieval", 1971). Manning, Raghavan and Schuetze, "Introduction to Information Retrieval" (2008), section
# 9.1.1, give 1 / 0.75 / 0.15 for long lists of judged documents; here examples are few and chosen by hand,
# so a wanted one counts as much as the words, and an unwanted one half as much.
TEXT_WEIGHT = 1.0
LIKE_WEIGHT = 1.0
UNLIKE_WEIGHT = 0.5

# A sum shorter than this points nowhere in particular: its parts cancel out.
SHORTEST = 1e-3

# Cosine from which two shots count as the same pictures (a copy, another encode of the same film).
DUPLICATE = 0.995

# 1.4826 times the median absolute deviation estimates the standard deviation of a normal distribution
# (P. J. Rousseeuw and C. Croux, "Alternatives to the median absolute deviation", 1993).
MAD_TO_SIGMA = 1.4826

# What is believed of the spread of scores before any is seen, and how many scores that belief is worth:
# keeps the relevance sane where the catalogue has one, two or five shots, or all scores are the same.
PRIOR_SIGMA = 0.05
PRIOR_WEIGHT = 10

# Robust z-score that counts as "half relevant": of unrelated shots one in 740 reaches it by chance.
HALF_RELEVANT = 3.0


def combine(
    text: NDArray[np.float32] | None,
    like: Sequence[NDArray[np.float32]],
    unlike: Sequence[NDArray[np.float32]],
) -> NDArray[np.float32]:
    """One unit vector, float32 (D,), for a query of unit vectors (D,).

    ``TEXT_WEIGHT * text + LIKE_WEIGHT * mean(like) - UNLIKE_WEIGHT * mean(unlike)``, made unit length again;
    parts that are not there count nothing. Raises ``UsageError`` without text and ``like``, and where the
    parts cancel out.
    """
    if text is None and not like:
        raise UsageError(
            "say what to look for: a text, or --like with a shot or an image (--unlike alone is not enough)"
        )
    parts = [] if text is None else [TEXT_WEIGHT * text.astype(np.float64)]
    if like:
        parts.append(LIKE_WEIGHT * np.mean(np.asarray(like, np.float64), axis=0))
    if unlike:
        parts.append(-UNLIKE_WEIGHT * np.mean(np.asarray(unlike, np.float64), axis=0))
    total = np.sum(parts, axis=0)
    length = float(np.linalg.norm(total))
    if not length > SHORTEST:
        raise UsageError("the examples of this query cancel each other out: take one of them away")
    return np.asarray(total / length, np.float32)


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How the whole catalogue scores for one query: the scale on which its hits are judged.

    ``relevance(score) = 1 / (1 + exp(HALF_RELEVANT - z))`` with ``z = (score - median) / sigma``. So 0.05 is
    a shot in the middle of the catalogue, 0.5 one that stands out by three sigmas, 0.88 by five. It rises
    with the score, and means the same for every query, whatever its own scores are like (a long sentence
    and a picture have quite different cosines).
    """

    median: float
    sigma: float

    @classmethod
    def of(cls, scores: NDArray[np.float32]) -> Calibration:
        """From the scores, float (S,), of a sample of the catalogue; S may be 0.

        ``sigma`` is pulled towards ``PRIOR_SIGMA`` as if that had been seen in ``PRIOR_WEIGHT`` shots
        already; with thousands of shots only the catalogue's own spread counts.
        """
        if not len(scores):
            return cls(median=0.0, sigma=PRIOR_SIGMA)
        median = float(np.median(scores))
        seen = MAD_TO_SIGMA * float(np.median(np.abs(scores.astype(np.float64) - median)))
        variance = (len(scores) * seen**2 + PRIOR_WEIGHT * PRIOR_SIGMA**2) / (len(scores) + PRIOR_WEIGHT)
        return cls(median=median, sigma=math.sqrt(variance))

    def relevance(self, score: float) -> float:
        """0 to 1, never falling while ``score`` rises."""
        z = (score - self.median) / self.sigma
        return 0.5 * (1 + math.tanh((z - HALF_RELEVANT) / 2))  # the logistic function, without overflow


def duplicates(vectors: NDArray[np.float32], examples: Sequence[NDArray[np.float32]]) -> NDArray[np.bool_]:
    """Which of the unit vectors (N, D) show the same pictures as any of the examples (D,): bool (N,)."""
    if not len(vectors) or not examples:
        return np.zeros(len(vectors), np.bool_)
    same: NDArray[np.bool_] = (vectors @ np.stack(list(examples)).T).max(axis=1) >= DUPLICATE
    return same
