"""Whether a new version of a probe may take its predecessor's place; pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ops.core.plural import plural
from ops.evaluation.classification import Interval, average_precision, interval_of, resamples
from ops.probes.fit import LabelledShot
from ops.probes.folds import Groups
from ops.probes.versions import ProbeVersion

SEED = 4
CHANCE = 0.5  # area under the ROC curve of scores that tell nothing


def reason_against(
    new: ProbeVersion, old: ProbeVersion, old_scores: Mapping[str, float], groups: Mapping[str, int]
) -> str:
    """Why ``new`` is worse than ``old``, with figures; empty where it is not, or where nothing can tell.

    The words alone never replace what was learnt from labels on the same vectors, and what ranks labels that it has
    not seen no better than chance never replaces the words. Else there are two ways to be worse, each by more than
    chance: on the present labels, the 95 % interval of the difference in
    average precision, drawn pairwise over whole groups, lies below zero; or the interval of the area under the ROC
    curve lies below the one that ``old`` had on the labels of its time, as it does when labels that contradict the
    pictures came in (this figure does not depend on the share of yes, which changes as labels come). ``old_scores``
    are of fits that had not seen the shot; ``groups`` are those of the present labels, by shot.
    """
    if new.kind == "zero_shot" and old.kind == "logistic" and new.encoder_id == old.encoder_id:
        return f"it is the words alone: of the {plural(old.yes + old.no, 'label')} it had, {len(groups)} are left"
    if found := worse_on_the_same(new, old_scores, groups):
        return found
    now, then = new.metrics.get("roc_auc"), old.metrics.get("roc_auc")
    if now and old.kind == "zero_shot" and now.value <= CHANCE:
        return (
            f"it ranks labels it has not seen no better than chance (ROC area {now.value:.3f}, {now.low:.3f} to "
            f"{now.high:.3f}): the words alone stay until there are more labels"
        )
    if now and then and now.high < then.low:
        return (
            f"it tells yes from no less well (ROC area {now.value:.3f}, {now.low:.3f} to {now.high:.3f}) than the "
            f"version before on the labels of its time ({then.value:.3f}, {then.low:.3f} to {then.high:.3f}): "
            "look at the labels that came since"
        )
    return ""


def worse_on_the_same(new: ProbeVersion, old_scores: Mapping[str, float], groups: Mapping[str, int]) -> str:
    """Why ``new`` is worse than ``old_scores`` on the labels held out of both; empty where it may be chance."""
    shared = [shot for shot in new.held_out if shot in old_scores]
    truths = np.array([new.truths[shot] for shot in shared], bool)
    if len(set(truths.tolist())) < 2:
        return ""
    scores = [np.array([of[shot] for shot in shared]) for of in (new.held_out, old_scores)]
    gain = paired_gain(scores[0], scores[1], truths, np.array([groups[shot] for shot in shared], np.int64))
    if gain.high >= 0:
        return ""
    return (
        f"average precision on the same {plural(len(shared), 'label')} changes by {gain.value:+.3f} "
        f"({gain.low:+.3f} to {gain.high:+.3f})"
    )


def scores_unseen(old: ProbeVersion, encoder_id: str, shots: list[LabelledShot]) -> dict[str, float]:
    """What an earlier version says of shots with vectors of ``encoder_id`` without having learnt from them.

    Of those it was fitted on, its held-out scores; of others its own, where it reads the same encoder's vectors.
    """
    scores = dict(old.held_out)
    fresh = [shot for shot in shots if shot.shot_id not in old.truths]
    if fresh and old.encoder_id == encoder_id:
        found = old.linear.scores(np.stack([shot.vector for shot in fresh]))
        scores |= {shot.shot_id: float(score) for shot, score in zip(fresh, found, strict=True)}
    return scores


def paired_gain(
    new_N: np.ndarray[tuple[int], np.dtype[np.float64]],
    old_N: np.ndarray[tuple[int], np.dtype[np.float64]],
    truths_N: np.ndarray[tuple[int], np.dtype[np.bool_]],
    groups_N: Groups | Sequence[int],
) -> Interval:
    """Gain in average precision of ``new`` over ``old`` on the same shots, with its 95 % interval."""
    draws = [
        average_precision(new_N[rows], truths_N[rows]) - average_precision(old_N[rows], truths_N[rows])
        for rows in resamples(groups_N, seed=SEED, rounds=500)
    ]
    value = average_precision(new_N, truths_N) - average_precision(old_N, truths_N)
    return interval_of(value, draws)
