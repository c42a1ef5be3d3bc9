"""Fit one probe from its labels and vectors, and measure it on held-out groups."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ops.core.plural import plural
from ops.evaluation import classification
from ops.evaluation.classification import Interval, build_interval, draw_resamples
from ops.probes.annotations import ResolvedLabel
from ops.probes.definitions import ProbeDefinition
from ops.probes.fold_ranks import Folds, measure_fold_area, rank_within_folds
from ops.probes.folds import Groups, ShotPlace, Truths, Vectors, group_shots, split_folds
from ops.probes.linear import choose_text_weight, fit_linear
from ops.probes.thresholds import Scores, choose_threshold, compute_curve
from ops.probes.versions import ProbeVersion, hash_inputs

RECIPE = "logistic-2"
"""The name of this way to make a probe; change it with the way."""

# Fewer labels of a kind cannot be split into two sides with something to fit on each.
LEAST = 3
_SEED = 4
_ROUNDS = 500


@dataclass(frozen=True, kw_only=True)
class LabelCoverage:
    """Labelled shots that a fit can use (``yes``, ``no``), and counts of the others.

    Depends on the labels of today, not on those of a version's fit. ``conflicts`` are shots whose annotators differ
    (the latest answer counts), ``gone`` left the catalogue, ``missing`` have no vector.
    """

    yes: int
    no: int
    conflicts: int
    gone: int
    missing: int

    @classmethod
    def measure(cls, labels: Iterable[ResolvedLabel], embedded_ids: Container[str] | None) -> LabelCoverage:
        """Measure one label; ``embedded_ids`` are ids of shots with a vector, ``None`` if all have one."""
        each = list(labels)
        present = [one for one in each if not one.missing_reason]
        values = [one.value for one in present if embedded_ids is None or one.latest.shot_id in embedded_ids]
        return cls(
            yes=sum(values),
            no=len(values) - sum(values),
            conflicts=sum(one.in_conflict for one in each),
            gone=len(each) - len(present),
            missing=len(present) - len(values),
        )

    @property
    def left_out(self) -> int:
        """Labelled shots that no fit can use."""
        return self.gone + self.missing

    def notes(self, label: str, queries: Sequence[str], encoder_id: str) -> list[str]:
        """Return a sentence for each problem, with a way to solve it; empty if every label is used.

        ``queries`` are the probe's queries if their text score is used, otherwise empty.
        """
        notes = []
        if min(self.yes, self.no) < LEAST:
            words = f"; with fewer, the probe is the text score of {', '.join(map(repr, queries))}" if queries else ""
            more = f"`needle probe suggest {label}` lists shots to label"
            notes.append(f"{self.yes} yes and {self.no} no: a fit needs {LEAST} of each{words}; {more}")
        if self.conflicts:
            rule = f"the latest counts: `needle label {label}` shows them"
            notes.append(f"{plural(self.conflicts, 'shot is', 'shots are')} labelled both ways; {rule}")
        if self.gone:
            labels = plural(self.gone, "label is of a shot that is", "labels are of shots that are")
            notes.append(f"{labels} gone; kept and not used")
        if self.missing:
            shots = plural(self.missing, "labelled shot is", "labelled shots are")
            notes.append(f"{shots} not embedded by {encoder_id} yet: `needle ingest` embeds them")
        return notes


@dataclass(frozen=True, kw_only=True)
class LabelledShot:
    """A labelled shot with its unit vector (D,)."""

    shot_id: str
    place: ShotPlace
    truth: bool
    vector: NDArray[np.float32]
    vector_hash: str


def name_version(definition: ProbeDefinition, encoder_id: str, shots: Sequence[LabelledShot]) -> str:
    """Return 12 hex digits of all inputs of a fit: the same inputs make the same name."""
    rows = sorted((shot.shot_id, shot.truth, shot.vector_hash, shot.place.show) for shot in shots)
    return hash_inputs([RECIPE, definition.queries, definition.threshold, encoder_id, rows])


def fit_version(
    definition: ProbeDefinition,
    encoder_id: str,
    shots: Sequence[LabelledShot],
    text_D: NDArray[np.float32],
    created_at: str,
) -> ProbeVersion:
    """Fit on labelled shots (at least three of each answer) and measure on held-out groups.

    The fit of each fold chooses its strength and calibration without the fold, so the figures hold for unseen shots.
    The text weight is that of the version itself: the figures are those of the recipe that scores the catalogue.
    Deterministic: the same input gives the same numbers.
    """
    shots = sorted(shots, key=lambda shot: shot.shot_id)
    vectors = np.stack([shot.vector for shot in shots])
    truths = np.array([shot.truth for shot in shots], bool)
    groups, splits = group_shots([shot.place for shot in shots], truths)
    weight = choose_text_weight(truths)
    final = fit_linear(vectors, truths, groups, text_D, weight)
    scores, folds = score_held_out(vectors, truths, groups, text_D, weight)
    has_score = np.isfinite(scores)
    both = len(np.unique(truths[has_score])) == 2
    threshold = choose_threshold(definition.threshold, scores[has_score], truths[has_score])
    text_scores = (vectors[has_score] @ text_D).astype(np.float64)
    figures = (
        _measure(scores[has_score], text_scores, truths[has_score], groups[has_score], folds[has_score]) if both else {}
    )
    return ProbeVersion(
        label=definition.label,
        version=name_version(definition, encoder_id, shots),
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
        metrics=figures,
        curve=compute_curve(scores[has_score], truths[has_score]) if both else (),
        held_out={shots[at].shot_id: round(float(scores[at]), 6) for at in np.flatnonzero(has_score)},
        folds={shots[at].shot_id: int(folds[at]) for at in np.flatnonzero(has_score)},
        truths={shot.shot_id: shot.truth for shot in shots},
    )


def score_held_out(
    vectors_ND: Vectors, truths_N: Truths, groups_N: Groups, text_D: NDArray[np.float32], text_weight: float
) -> tuple[Scores, Folds]:
    """Return probabilities (N,) from fits without the shot's group, and the fold (N,) of each shot.

    A shot that no fold holds out has NaN and fold -1.
    """
    scores, folds = np.full(len(truths_N), np.nan), np.full(len(truths_N), -1, np.int64)
    for number, (train, test) in enumerate(split_folds(vectors_ND, truths_N, groups_N)):
        probe = fit_linear(vectors_ND[train], truths_N[train], groups_N[train], text_D, text_weight)
        scores[test], folds[test] = probe.scores(vectors_ND[test]), number
    return scores, folds


def _measure(
    scores_N: Scores, text_N: Scores, truths_N: Truths, groups_N: Groups, folds_N: Folds
) -> dict[str, Interval]:
    """Measure rankings by ranks within folds, and probabilities as they are; the text score on the same shots."""
    ten = min(10, max(1, int(truths_N.sum())))
    ranking = {
        "average_precision": classification.compute_average_precision,
        f"precision_at_{ten}": classification.build_precision_at(ten),
    }
    probability = {"brier": classification.compute_brier, "calibration_error": classification.compute_calibration_error}
    ranks = rank_within_folds(scores_N, truths_N, folds_N)
    figures = classification.estimate_intervals(ranking, ranks, truths_N, groups_N, seed=_SEED)
    figures |= classification.estimate_intervals(probability, scores_N, truths_N, groups_N, seed=_SEED)
    areas = [
        measure_fold_area(scores_N[rows], truths_N[rows], folds_N[rows])
        for rows in draw_resamples(groups_N, seed=_SEED, rounds=_ROUNDS)
    ]
    figures["roc_auc"] = build_interval(measure_fold_area(scores_N, truths_N, folds_N), areas)
    words = {"text_average_precision": classification.compute_average_precision}
    text_ranks = rank_within_folds(text_N, truths_N, folds_N)
    return figures | classification.estimate_intervals(words, text_ranks, truths_N, groups_N, seed=_SEED)
