"""Fit one probe from its labels and vectors: the numbers, and how good they are on what was held out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ops.evaluation import classification
from ops.evaluation.classification import Interval
from ops.probes.definitions import ProbeDefinition
from ops.probes.folds import Groups, Place, Truths, Vectors, groups_of, held_out
from ops.probes.linear import fit_linear
from ops.probes.recipe import RECIPE, ZERO_SHOT_RECIPE
from ops.probes.versions import ProbeVersion

# Fewer of a kind cannot be split into two sides with something to learn from on each.
LEAST = 3
SEED = 4
# Without labels nothing can be calibrated: a shot is a yes where its text score lies two standard deviations above
# the catalogue's mean, as one in forty does where scores are normal.
_YES_AT, _STEEPNESS = 2.0, 2.0

Scores = NDArray[np.float64]
TextEncoder = Callable[[Sequence[str]], NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True)
class LabelledShot:
    """A shot with an answer and its unit vector (D,)."""

    shot_id: str
    place: Place
    truth: bool
    vector: NDArray[np.float32]
    vector_hash: str


@dataclass(frozen=True, kw_only=True)
class CatalogueTextScores:
    """Mean and spread of the queries' text score over a whole catalogue; ``digest`` names its vectors."""

    mean: float
    spread: float
    digest: str


def version_name(definition: ProbeDefinition, encoder_id: str, shots: Sequence[LabelledShot]) -> str:
    """12 hex digits, made of everything that a fit depends on: the same input has the same name."""
    rows = sorted((shot.shot_id, shot.truth, shot.vector_hash, shot.place.show) for shot in shots)
    return _hashed([RECIPE, definition.queries, definition.threshold, encoder_id, rows])


def zero_shot_name(definition: ProbeDefinition, encoder_id: str, digest: str) -> str:
    """As :func:`version_name`, for the text score of a catalogue with that digest of vectors."""
    return _hashed([ZERO_SHOT_RECIPE, definition.queries, definition.threshold, encoder_id, digest])


def _hashed(content: list[Any]) -> str:
    return hashlib.blake2b(json.dumps(content).encode(), digest_size=6).hexdigest()


def text_direction(encode: TextEncoder, queries: Sequence[str]) -> NDArray[np.float32]:
    """Unit vector (D,) between the queries."""
    mean = encode(list(queries)).mean(axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-9), np.float32)


def zero_shot(
    definition: ProbeDefinition,
    encoder_id: str,
    text_D: NDArray[np.float32],
    scores: CatalogueTextScores,
    created_at: str,
) -> ProbeVersion:
    """The text score as a probe: a logistic curve over how far it lies from the catalogue's mean."""
    steep = _STEEPNESS / max(scores.spread, 1e-9)
    return ProbeVersion(
        label=definition.label,
        version=zero_shot_name(definition, encoder_id, scores.digest),
        kind="zero_shot",
        recipe=ZERO_SHOT_RECIPE,
        encoder_id=encoder_id,
        queries=definition.queries,
        policy=definition.threshold,
        created_at=created_at,
        weights=tuple((steep * text_D.astype(np.float64)).tolist()),
        bias=-steep * scores.mean - _STEEPNESS * _YES_AT,
        threshold=_fixed(definition.threshold, 0.5),
        text_weight=1.0,
    )


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
        curve=_curve(scores[seen], truths[seen]) if both else (),
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
    figures = classification.intervals(metrics, scores_N, truths_N, groups_N, seed=SEED)
    # What the words alone would do on the same shots.
    words = {"text_average_precision": classification.average_precision}
    return figures | classification.intervals(words, text_N.astype(np.float64), truths_N, groups_N, seed=SEED)


def threshold_of(policy: str, scores_N: Scores, truths_N: Truths) -> float:
    """The score from which on a probe says yes: best F1, the lowest with a precision, or a number; 0.5 without data.

    Where no score reaches the precision, it is the highest of all.
    """
    if (number := _fixed(policy, -1.0)) >= 0 or not truths_N.any():
        return max(number, 0.0) if number >= 0 else 0.5
    best, least = 0.0, float(policy.removeprefix("precision>=")) if policy != "f1" else 0.0
    found = float(scores_N.max())
    for threshold, precision, recall in _curve(scores_N, truths_N):
        if policy == "f1":
            f1 = 2 * precision * recall / max(precision + recall, 1e-9)
            best, found = (f1, threshold) if f1 > best else (best, found)
        elif precision >= least:
            found = min(found, threshold)
    return round(found, 6)


def _fixed(policy: str, otherwise: float) -> float:
    return float(policy) if policy[:1] in "0123456789." else otherwise


def _curve(scores_N: Scores, truths_N: Truths) -> tuple[tuple[float, float, float], ...]:
    """``(score, precision, recall)`` of what scores at least so much, best first."""
    points = []
    for score in sorted(set(np.round(scores_N, 6).tolist()), reverse=True):
        taken = np.round(scores_N, 6) >= score
        right = int((taken & truths_N).sum())
        points.append((score, round(right / int(taken.sum()), 6), round(right / int(truths_N.sum()), 6)))
    return tuple(points)
