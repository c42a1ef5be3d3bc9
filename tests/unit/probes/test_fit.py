"""Fitting: what it finds, what it may not see, and what it says when it does not know."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ops.evaluation.classification import compute_average_precision, compute_brier
from ops.probes import fit
from ops.probes.definitions import ProbeDefinition
from ops.probes.fit import LabelledShot, name_version, score_held_out
from ops.probes.folds import ShotPlace, group_shots, split_folds
from ops.probes.linear import FEW, LinearProbe, fit_calibration, fit_linear, sigmoid
from ops.probes.thresholds import choose_threshold
from ops.probes.versions import ProbeVersion
from ops.probes.zero_shot import CatalogueTextScores, build_zero_shot, encode_queries

DEFINITION = ProbeDefinition(label="closeup", queries=("a face",))


def shots_of(
    count: int = 60, *, gap: float = 3.0, shows: int = 1, seed: int = 0, dim: int = 16
) -> tuple[list[LabelledShot], NDArray[np.float32]]:
    """Shots of one direction, a third of them yes, and the direction."""
    random = np.random.default_rng(seed)
    way = random.normal(size=dim)
    way /= np.linalg.norm(way)
    found = []
    for number in range(count):
        truth = number % 3 == 0
        vector = (random.normal(size=dim) + gap * truth * way).astype(np.float32)
        place = ShotPlace(show=f"show {number % shows}", video_id="v", start_frame=number * 24)
        found.append(
            LabelledShot(
                shot_id=f"v:{number * 24}",
                place=place,
                truth=truth,
                vector=vector / np.linalg.norm(vector),
                vector_hash=str(number),
            )
        )
    return found, way.astype(np.float32)


def fit_version(shots: list[LabelledShot], way: NDArray[np.float32]) -> ProbeVersion:
    return fit.fit_version(DEFINITION, "e", shots, way, created_at="2026-05-01")


def arrays(shots: list[LabelledShot]) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.int64]]:
    truths = np.array([shot.truth for shot in shots])
    return np.stack([shot.vector for shot in shots]), truths, group_shots([shot.place for shot in shots], truths)[0]


def test_it_tells_new_shots_apart_and_its_figures_say_how_well() -> None:
    shots, way = shots_of(90)
    version = fit_version(shots, way)
    fresh, _ = shots_of(600)
    vectors, truths, _ = arrays(fresh[90:])
    truly = compute_average_precision(version.linear.scores(vectors), truths)
    told = version.metrics["average_precision"]
    assert truly > 0.8
    assert told.low - 0.05 <= truly <= told.high + 0.05


def test_probabilities_are_calibrated_on_shots_it_never_saw() -> None:
    shots, way = shots_of(200, gap=2.0)
    version = fit_version(shots, way)
    vectors, truths, _ = arrays(shots_of(2000, gap=2.0)[0][200:])
    scores = version.linear.scores(vectors)
    assert abs(scores.mean() - truths.mean()) < 0.06
    assert compute_brier(scores, truths) < truths.mean() * (1 - truths.mean()) * 0.8


def test_labels_without_meaning_are_told_as_such() -> None:
    shots, way = shots_of(90, gap=0.0)
    version = fit_version(shots, way)
    area = version.metrics["roc_auc"]
    assert area.low < 0.5 < area.high + 0.1
    scores = version.linear.scores(arrays(shots_of(500, gap=0.0)[0])[0])
    assert scores.std() < 0.2


def test_the_same_input_gives_the_same_numbers_in_any_order() -> None:
    shots, way = shots_of(40)
    one, two = fit_version(shots, way), fit_version(shots[::-1], way)
    assert one == two


@pytest.mark.parametrize("change", ["label", "vector", "encoder", "queries", "fewer"])
def test_the_version_is_named_by_everything_it_depends_on(change: str) -> None:
    from dataclasses import replace

    shots, _ = shots_of(20)
    name = name_version(DEFINITION, "e", shots)
    other = {
        "label": lambda: name_version(DEFINITION, "e", [replace(shots[0], truth=not shots[0].truth), *shots[1:]]),
        "vector": lambda: name_version(DEFINITION, "e", [replace(shots[0], vector_hash="new"), *shots[1:]]),
        "encoder": lambda: name_version(DEFINITION, "f", shots),
        "queries": lambda: name_version(ProbeDefinition(label="closeup", queries=("two",)), "e", shots),
        "fewer": lambda: name_version(DEFINITION, "e", shots[1:]),
    }[change]()
    assert len(name) == 12 and other != name


def test_everything_is_plain_json() -> None:
    from dataclasses import asdict

    shots, way = shots_of(30)
    json.dumps(asdict(fit_version(shots, way)), allow_nan=False)


def test_few_labels_lean_on_the_words_and_many_do_not() -> None:
    few, way = shots_of(30)
    many, _ = shots_of(3 * FEW)
    assert fit_version(few, way).text_weight > 0
    assert fit_version(many, way).text_weight == 0


def test_the_figures_are_those_of_the_recipe_that_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the cut-off each fold has fewer labels than the whole; it must not fall back to the text score."""
    shots, way = shots_of(3 * FEW)
    weights = []

    def record(*given: Any) -> LinearProbe:
        probe = fit_linear(*given)
        weights.append(probe.text_weight)
        return probe

    monkeypatch.setattr(fit, "fit_linear", record)
    version = fit_version(shots, way)
    assert len(weights) == 6 and set(weights) == {version.text_weight} == {0.0}


def test_wrong_words_do_not_change_figures_if_the_version_does_not_use_them() -> None:
    shots, way = shots_of(3 * FEW)
    right, wrong = fit_version(shots, way), fit_version(shots, -way)
    assert right.held_out == wrong.held_out
    assert right.metrics["average_precision"] == wrong.metrics["average_precision"]


def test_figures_rank_within_folds_and_name_the_fold_of_each_shot() -> None:
    shots, way = shots_of(90, gap=6.0, shows=4)
    version = fit_version(shots, way)
    assert version.folds.keys() == version.held_out.keys()
    by_show = {shot.place.show: version.folds[shot.shot_id] for shot in shots if shot.shot_id in version.folds}
    assert all(version.folds[shot.shot_id] == by_show[shot.place.show] for shot in shots)
    assert version.metrics["roc_auc"].value > 0.97


def test_words_that_fit_help_where_labels_are_few() -> None:
    with_words, without = [], []
    test = arrays(shots_of(900, gap=1.2)[0][300:])
    for seed in range(8):
        shots, way = shots_of(300, gap=1.2)
        picked = np.random.default_rng(seed).permutation(300)[:15]
        vectors, truths, groups = (each[picked] for each in arrays(shots))
        wrong = np.random.default_rng(seed).normal(size=16).astype(np.float32)
        with_words.append(compute_average_precision(fit_linear(vectors, truths, groups, way).scores(test[0]), test[1]))
        without.append(compute_average_precision(fit_linear(vectors, truths, groups, wrong).scores(test[0]), test[1]))
    assert np.mean(with_words) > np.mean(without) + 0.03


def test_folding_changes_no_score() -> None:
    """The one vector gives what standardising, adding the text score and fitting step by step gives."""
    from sklearn.linear_model import LogisticRegression

    shots, way = shots_of(40)
    vectors, truths, groups = arrays(shots)
    probe = fit_linear(vectors, truths, groups, way)
    features = (vectors - vectors.mean(0)) / ((vectors.std(0) + 1e-6) * 4)  # 4: the root of 16 dimensions
    said = vectors @ way
    features = np.column_stack([features, (said - said.mean()) / said.std() * probe.text_weight])
    model = LogisticRegression(C=probe.strength, class_weight="balanced", max_iter=5000, tol=1e-8)
    margins = model.fit(features, truths).decision_function(features)
    assert np.corrcoef(margins, probe.margins(vectors))[0, 1] > 0.99999


def test_shows_are_held_out_whole_where_there_are_several() -> None:
    shots, _ = shots_of(60, shows=4)
    vectors, truths, _ = arrays(shots)
    groups, splits = group_shots([shot.place for shot in shots], truths)
    assert splits == "show"
    for train, test in split_folds(vectors, truths, groups):
        assert not {shots[at].place.show for at in train} & {shots[at].place.show for at in test}


def test_one_show_is_held_out_by_stretches() -> None:
    shots, _ = shots_of(60)
    groups, splits = group_shots([shot.place for shot in shots], np.array([shot.truth for shot in shots]))
    assert splits == "stretch"
    assert np.all(np.diff(groups) >= 0) and len(np.unique(groups)) == 10


def test_a_label_of_one_scene_is_still_held_out() -> None:
    shots, way = shots_of(40)
    truths = np.array([12 <= number < 16 for number in range(40)])
    groups, splits = group_shots([shot.place for shot in shots], truths)
    assert splits == "stretch" and len(np.unique(groups)) == 20
    assert np.isfinite(score_held_out(arrays(shots)[0], truths, groups, way, 0.5)[0]).any()


def test_the_same_picture_is_never_on_both_sides() -> None:
    shots, _ = shots_of(60)
    vectors, truths, groups = arrays(shots)
    vectors[30] = vectors[3]  # the film cuts back
    for train, test in split_folds(vectors, truths, groups):
        cosines = vectors[train] @ vectors[test].T
        assert cosines.max() < 0.999


def test_a_ranking_is_never_turned_round() -> None:
    margins = np.array([3.0, 2.0, 1.0, -1.0, -2.0, -3.0])
    slope, offset = fit_calibration(margins, np.array([False, False, False, True, True, True]))
    assert slope > 0
    assert sigmoid(slope * margins + offset).std() < 0.01


def test_thresholds_follow_their_policy() -> None:
    scores, truths = np.array([0.9, 0.8, 0.6, 0.4, 0.2]), np.array([True, True, False, True, False])
    assert choose_threshold("f1", scores, truths) == 0.4
    assert choose_threshold("precision>=0.9", scores, truths) == 0.8
    assert choose_threshold("precision>=0.7", scores, truths) == 0.4
    assert choose_threshold("0.33", scores, truths) == 0.33
    assert choose_threshold("f1", scores, np.zeros(5, bool)) == 0.5


def test_a_precision_that_is_never_reached_asks_for_the_best() -> None:
    assert choose_threshold("precision>=0.9", np.array([0.9, 0.2]), np.array([False, True])) == 0.9


def test_the_words_alone_are_a_probe_too() -> None:
    shots, way = shots_of(300)
    said = np.stack([shot.vector for shot in shots]) @ way
    scores = CatalogueTextScores(mean=float(said.mean()), spread=float(said.std()), digest="d")
    version = build_zero_shot(DEFINITION, "e", way, scores, created_at="now")
    found = version.linear.scores(np.stack([shot.vector for shot in shots]))
    assert np.array_equal(np.argsort(found), np.argsort(said))
    at_two = version.linear.scores(((said.mean() + 2 * said.std()) * way)[None].astype(np.float32))
    assert at_two[0] == pytest.approx(0.5, abs=1e-4)


def test_several_queries_meet_in_the_middle() -> None:
    text = encode_queries(lambda texts: np.eye(3, dtype=np.float32)[: len(texts)], ["a", "b"])
    assert text == pytest.approx([0.7071, 0.7071, 0], abs=1e-4)


def test_scores_of_huge_margins_are_numbers() -> None:
    probe = LinearProbe(weights=np.array([1e4]), bias=0.0, strength=1.0, text_weight=0.0)
    assert probe.scores(np.array([[1.0], [-1.0]], np.float32)).tolist() == [1.0, 0.0]
