"""Rules for shot vectors; pure functions.

Stands alone, like the checks of ``shots`` and ``dialogue``: what stored vectors must be, apart from how they are made.
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from ops.core.types import CheckOutcome

LENGTH_TOLERANCE = 1e-3
"""Maximum deviation of a float32 vector's length from 1; the rounding of 512 squares stays far below."""


def check_unit_vectors(vectors_ND: NDArray[np.float32]) -> CheckOutcome:
    """Vectors (N, D) hold no NaN or infinity, have length 1, and are not all the same."""
    if not len(vectors_ND):
        return CheckOutcome(name="unit_vectors", passed=True, details={"vectors": 0})
    finite = bool(np.isfinite(vectors_ND).all())
    off = float(np.abs(np.linalg.norm(vectors_ND, axis=1) - 1).max()) if finite else float("inf")
    distinct = len(vectors_ND) < 10 or bool(np.ptp(vectors_ND, axis=0).max() > 0)
    return CheckOutcome(
        name="unit_vectors",
        passed=finite and off <= LENGTH_TOLERANCE and distinct,
        details={"vectors": len(vectors_ND), "finite": finite, "largest_length_error": str(off), "distinct": distinct},
    )


def complete(
    shot_ids: Collection[str], embedded_ids: Collection[str], set_aside_ids: Collection[str] = ()
) -> CheckOutcome:
    """Every shot has a vector or a reason for its absence, and every vector has a shot."""
    missing = set(shot_ids) - set(embedded_ids) - set(set_aside_ids)
    stray = set(embedded_ids) - set(shot_ids)
    return CheckOutcome(
        name="complete",
        passed=not missing and not stray,
        details={
            "shots": len(shot_ids),
            "set_aside": len(set_aside_ids),
            "without_vector": sorted(missing)[:20],
            "without_shot": sorted(stray)[:20],
        },
    )
