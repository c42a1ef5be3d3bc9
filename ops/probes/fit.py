"""Fit one probe from its labels and vectors: the numbers, and how good they are on what was held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ops.evaluation import classification
from ops.evaluation.classification import Interval
from ops.probes.definitions import ProbeDefinition
from ops.probes.folds import Groups, Place, Truths, Vectors, groups_of, held_out
from ops.probes.linear import fit_linear
from ops.probes.names import name_made_of
from ops.probes.recipe import RECIPE
from ops.probes.thresholds import Scores, curve_of, threshold_of
from ops.probes.versions import ProbeVersion

# Fewer of a kind cannot be split into two sides with something to learn from on each.
LEAST = 3
_SEED = 4


@dataclass(frozen=True, kw_only=True)
class LabelledShot:
    """A shot with an answer and its unit vector (D,)."""

    shot_id: str
    place: Place
    truth: bool
    vector: NDArray[np.float32]
    vector_hash: str


def version_name(definition: ProbeDefinition, encoder_id: str, shots: Sequence[LabelledShot]) -> str:
    """12 hex digits, made of everything that a fit depends on: the same input has the same name."""
    rows = sorted((shot.shot_id, shot.truth, shot.vector_hash, shot.place.show) for shot in shots)
    return name_made_of([RECIPE, definition.queries, definition.threshold, encoder_id, rows])


def fit_version(
    definition: ProbeDefinition,
    encoder_id: str,
    shots: Sequence[LabelledShot],
    text_D: NDArray[np.float32],
    created_at: str,
) -> ProbeVersion:
    """Fit on labelled shots (at least three of each answer) and measure on held-out groups.

    Each fold's own fit chooses its strength and calibration without the fold, so figures are of what a probe does on
    shots it has never seen. Deterministic: the same input gives the same numbers.
    """
    shots = sorted(shots, key=lambda shot: shot.shot_id)
    vectors = np.stack([shot.vector for shot in shots])
    truths = np.array([shot.truth for shot in shots], bool)
    groups, splits = groups_of([shot.place for shot in shots], truths)
    final = fit_linear(vectors, truths, groups, text_D)
    scores = held_out_scores(vectors, truths, groups, text_D)
    seen = np.isfinite(scores)
    both = len(np.unique(truths[seen])) == 2
    threshold = threshold_of(definition.threshold, scores[seen], truths[seen])
    measured = _measure(scores[seen], vectors[seen] @ text_D, truths[seen], groups[seen]) if both else {}
    return ProbeVersion(
        label=definition.label,
        version=version_name(definition, encoder_id, shots),
        kind="logistic",
        recipe=RECIPE,
        encoder_id=encoder_id,
        queries=definition.queries,
        policy=definition.threshold,
        created_at=created_at,
        weights=tuple(final.weights.tolist()),
        bias=final.bias,
        threshold=threshold,
        yes=int(truths.sum()),
        no=int((~truths).sum()),
        splits=splits,
        strength=final.strength,
        text_weight=final.text_weight,
        metrics=measured,
        curve=curve_of(scores[seen], truths[seen]) if both else (),
        held_out={shots[at].shot_id: round(float(scores[at]), 6) for at in np.flatnonzero(seen)},
        truths={shot.shot_id: shot.truth for shot in shots},
    )


def held_out_scores(vectors_ND: Vectors, truths_N: Truths, groups_N: Groups, text_D: NDArray[np.float32]) -> Scores:
    """Probabilities (N,) from fits that had not seen the shot's group; NaN where none could be made."""
    scores = np.full(len(truths_N), np.nan)
    for train, test in held_out(vectors_ND, truths_N, groups_N):
        probe = fit_linear(vectors_ND[train], truths_N[train], groups_N[train], text_D)
        scores[test] = probe.scores(vectors_ND[test])
    return scores


def _measure(scores_N: Scores, text_N: NDArray[np.float32], truths_N: Truths, groups_N: Groups) -> dict[str, Interval]:
    ten = min(10, max(1, int(truths_N.sum())))
    metrics = {
        "average_precision": classification.average_precision,
        "roc_auc": classification.roc_auc,
        f"precision_at_{ten}": classification.precision_at(ten),
        "brier": classification.brier,
        "calibration_error": classification.calibration_error,
    }
    figures = classification.intervals(metrics, scores_N, truths_N, groups_N, seed=_SEED)
    # What the words alone would do on the same shots.
    words = {"text_average_precision": classification.average_precision}
    return figures | classification.intervals(words, text_N.astype(np.float64), truths_N, groups_N, seed=_SEED)
