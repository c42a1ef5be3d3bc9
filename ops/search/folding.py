"""Put shots with the same pictures under the best of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from ops.search.candidates import Candidate

Vector = NDArray[np.float32]

# Two shots show the same pictures where the distance of their vectors (1 - cosine) is at most this share of
# that of two shots taken at random: an encoder that sees all pictures alike needs a stricter bound. Measured on
# Big Buck Bunny (starter encoder, 22 November 2026), 40 of the 61 pairs with a cosine above 0.85 looked at:
# down to 0.92, which is this share, each is one camera set-up cut into; below, other set-ups begin.
SAME_SHARE = 0.1


def same_pictures(random_cosine: float) -> float:
    """Least cosine of two shots with the same pictures, where two at random have ``random_cosine``."""
    return 1 - SAME_SHARE * (1 - random_cosine)


def fold(
    candidates: list[Candidate], vectors_of: Callable[[Sequence[str]], dict[str, Vector]], threshold: float
) -> list[Candidate]:
    """The candidates, best first, without those that a better one already shows; that one names them.

    ``vectors_of`` gives unit vectors (D,) by shot id; a shot without one is kept. ``threshold`` is the least
    cosine of the same pictures. What is kept of the first n does not depend on what comes after them.
    """
    if len(candidates) < 2:
        return candidates
    vectors = vectors_of([each.shot_id for each in candidates])
    kept: list[Candidate] = []
    leaders: list[Candidate] = []
    shown = np.zeros((0, 0), np.float32)
    for candidate in candidates:
        vector = vectors.get(candidate.shot_id)
        if vector is None:
            kept.append(candidate)
            continue
        if leaders:
            cosines = shown[: len(leaders)] @ vector
            same = np.flatnonzero(cosines >= threshold)
            if len(same):
                leader = leaders[int(same[0])]
                leader.folded += (candidate.shot_id,)
                continue
        shown = _with(shown, len(leaders), vector)
        candidate.folded = ()
        leaders.append(candidate)
        kept.append(candidate)
    return kept


def _with(rows: NDArray[np.float32], count: int, vector: Vector) -> NDArray[np.float32]:
    """``rows`` (N, D) with ``vector`` at ``count``, grown by doubling."""
    if count >= len(rows):
        grown = np.zeros((max(64, 2 * len(rows)), len(vector)), np.float32)
        if count:
            grown[:count] = rows[:count]
        rows = grown
    rows[count] = vector
    return rows
