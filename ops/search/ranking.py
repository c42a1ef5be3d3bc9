"""From what was asked to one vector, and which shots are copies of an example.

Pure functions: everything that can be wrong about ranking, without index, lake or encoder.
"""

from __future__ import annotations

from collections.abc import Sequence

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
        raise UsageError("say what to look for: a text, or an example of it; what is not wanted is not enough")
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


def duplicates(vectors: NDArray[np.float32], examples: Sequence[NDArray[np.float32]]) -> NDArray[np.bool_]:
    """Which of the unit vectors (N, D) show the same pictures as any of the examples (D,): bool (N,)."""
    if not len(vectors) or not examples:
        return np.zeros(len(vectors), np.bool_)
    same: NDArray[np.bool_] = (vectors @ np.stack(list(examples)).T).max(axis=1) >= DUPLICATE
    return same
