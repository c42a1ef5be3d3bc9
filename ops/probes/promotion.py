"""Decide which version of a probe scores the catalogue: by comparison, by a person, or with an upgraded encoder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime

import numpy as np

from ops.core.errors import UsageError
from ops.core.plural import plural
from ops.core.settings import Settings
from ops.embeddings.build import name_table as vectors_table
from ops.embeddings.registry import EncoderRegistry
from ops.evaluation.classification import Interval, build_interval, compute_average_precision, draw_resamples
from ops.probes.fit import LabelledShot
from ops.probes.fold_ranks import rank_within_folds
from ops.probes.folds import Groups
from ops.probes.scores import kept_scores_table, scores_table
from ops.probes.state import ProbeState, Verdict, change_state, read_state
from ops.probes.versions import ProbeVersion, list_fitted_probes, read_version, state_key

SEED = 4
CHANCE = 0.5  # area under the ROC curve of scores without information


def find_reason_against(
    new: ProbeVersion, old: ProbeVersion, old_scores: Mapping[str, float], groups: Mapping[str, int]
) -> str:
    """Return why ``new`` is worse than ``old``, with figures; empty if it is not worse, or if that cannot be measured.

    - The text score alone never replaces a fit on the same vectors.
    - A fit that ranks unseen labels no better than chance never replaces the text score.
    - Otherwise ``new`` is worse if the 95 % interval of the difference in average precision on the present labels,
      drawn pairwise over whole groups, is below zero.
    - It is also worse if the interval of its area under the ROC curve is below that of ``old`` on the labels of its
      time. That happens if contradictory labels were added; this figure does not depend on the share of yes, which
      changes with new labels.

    ``old_scores`` are from fits without the shot; ``groups`` are those of the present labels, by shot.
    """
    if new.kind == "zero_shot" and old.kind == "logistic" and new.encoder_id == old.encoder_id:
        return f"it is the words alone: of the {plural(old.yes + old.no, 'label')} it had, {len(groups)} are left"
    if reason := compare_on_same_labels(new, old_scores, groups):
        return reason
    now, then = new.metrics.get("roc_auc"), old.metrics.get("roc_auc")
    if now and old.kind == "zero_shot" and now.value <= CHANCE:
        return (
            f"it ranks labels it has not seen no better than chance (ROC area {now.value:.3f}, {now.low:.3f} to "
            f"{now.high:.3f}): the words alone stay until there are more labels"
        )
    if now and then and now.high < then.low:
        return (
            f"it separates yes from no less well (ROC area {now.value:.3f}, {now.low:.3f} to {now.high:.3f}) than the "
            f"version before on the labels of its time ({then.value:.3f}, {then.low:.3f} to {then.high:.3f}): "
            "check the labels that were added since"
        )
    return ""


def compare_on_same_labels(new: ProbeVersion, old_scores: Mapping[str, float], groups: Mapping[str, int]) -> str:
    """Return why ``new`` is worse than ``old_scores`` on the labels held out of both; empty if it may be chance."""
    shared_ids = [shot for shot in new.held_out if shot in old_scores]
    truths = np.array([new.truths[shot] for shot in shared_ids], bool)
    if len(set(truths.tolist())) < 2:
        return ""
    # Both by ranks within the folds of the new fit: pooled scores of separate fits would count against it.
    folds = np.array([new.folds.get(shot, 0) for shot in shared_ids], np.int64)
    scores = [
        rank_within_folds(np.array([each[shot] for shot in shared_ids]), truths, folds)
        for each in (new.held_out, old_scores)
    ]
    gain = measure_gain(scores[0], scores[1], truths, np.array([groups[shot] for shot in shared_ids], np.int64))
    if gain.high >= 0:
        return ""
    return (
        f"average precision on the same {plural(len(shared_ids), 'label')} changes by {gain.value:+z.3f} "
        f"({gain.low:+z.3f} to {gain.high:+z.3f})"
    )


def score_unseen(old: ProbeVersion, encoder_id: str, shots: list[LabelledShot]) -> dict[str, float]:
    """Return an earlier version's scores of shots with vectors of ``encoder_id``, without those it was fitted on.

    For shots of its fit these are its held-out scores; for others its own, if it reads the same encoder's vectors.
    """
    scores = dict(old.held_out)
    fresh = [shot for shot in shots if shot.shot_id not in old.truths]
    if fresh and old.encoder_id == encoder_id:
        new_scores = old.linear.scores(np.stack([shot.vector for shot in fresh]))
        scores |= {shot.shot_id: float(score) for shot, score in zip(fresh, new_scores, strict=True)}
    return scores


def measure_gain(
    new_N: np.ndarray[tuple[int], np.dtype[np.float64]],
    old_N: np.ndarray[tuple[int], np.dtype[np.float64]],
    truths_N: np.ndarray[tuple[int], np.dtype[np.bool_]],
    groups_N: Groups | Sequence[int],
) -> Interval:
    """Return the gain in average precision of ``new`` over ``old`` on the same shots, with its 95 % interval."""
    draws = [
        compute_average_precision(new_N[rows], truths_N[rows]) - compute_average_precision(old_N[rows], truths_N[rows])
        for rows in draw_resamples(groups_N, seed=SEED, rounds=500)
    ]
    value = compute_average_precision(new_N, truths_N) - compute_average_precision(old_N, truths_N)
    return build_interval(value, draws)


def promote(settings: Settings, encoder_id: str, label: str, version: str, now: datetime) -> ProbeState:
    """Let a version score the catalogue by a person's decision; ``encoder_id`` is the live encoder.

    Raises ``NotFoundError`` if the version does not exist, ``UsageError`` if it reads another encoder's vectors.
    """
    fitted_on = read_version(settings, label, version).encoder_id
    if fitted_on != encoder_id:
        raise UsageError(
            f"version {version} of {label} was fitted on the vectors of {fitted_on}, and {encoder_id} is live now: "
            f"`needle probe fit {label}` fits the labels on the live one's vectors, and "
            f"{_explain_return(settings, fitted_on)}"
        )

    def change(state: ProbeState) -> ProbeState:
        if state.promoted == version:
            return state
        verdict = Verdict(
            version=version,
            over=state.promoted,
            promoted=True,
            reason="a person decided",
            by="person",
            at=now.isoformat(timespec="seconds"),
        )
        return ProbeState(promoted=version, latest=state.latest, verdicts=(*state.verdicts, verdict))

    return change_state(settings, label, change)


def _explain_return(settings: Settings, encoder_id: str) -> str:
    previous = EncoderRegistry(settings.home).read_state().previous
    if previous and previous.encoder_id == encoder_id:
        return "`needle upgrade --rollback` makes the other live again, with its probes"
    if settings.lake.list_partitions(vectors_table(encoder_id)):
        return f"`needle upgrade --encoder {encoder_id}` makes the other live"
    return "the catalogue has no vectors of the other any more"


def keep_state(settings: Settings, label: str, encoder_id: str) -> None:
    """Store the live state as that of ``encoder_id``, the live encoder, before another one replaces it."""
    with settings.lake.hold_lock(f"probe-{label}"):
        content = json.dumps(asdict(read_state(settings, label)), ensure_ascii=False, indent=1)
        settings.store.write_bytes(state_key(label, encoder_id), content.encode())


def keep_scores(settings: Settings, encoder_id: str, label: str) -> None:
    """Copy a probe's scores to the table that keeps them for an encoder; the caller holds the work lock."""
    kept_table, lake = kept_scores_table(encoder_id, label), settings.lake
    names = lake.list_partitions(scores_table(label))
    for partition in names:
        lake.write(kept_table, partition, lake.read(scores_table(label), [partition]))
    for stale in set(lake.list_partitions(kept_table)) - set(names):
        lake.delete(kept_table, stale)


def drop_states(settings: Settings, encoder_id: str) -> None:
    """Delete the states of all probes for an encoder that was removed; their versions stay."""
    for label in list_fitted_probes(settings):
        settings.store.delete(state_key(label, encoder_id))
