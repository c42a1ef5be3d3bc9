"""Replays of labels: what they hold out, what they compare, and what they need."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ops.core.errors import UsageError
from ops.core.settings import Settings, load_settings
from ops.probes.simulation import CHOICES, LearningCurves, compute_learning_curves, load_replay, require_replayable
from tests.builders.labelled import fill_told_apart, judge, said, shot_ids
from tests.builders.lakes import ENCODER


def fill_with_labels(settings: Settings) -> None:
    fill_told_apart(settings)
    judge(settings, shot_ids())
    judge(settings, [(shot, True) for shot, _ in shot_ids()[:100]], label="always")


pytestmark = pytest.mark.home(fill=fill_with_labels)


@pytest.fixture(scope="module")
def curves(module_settings: Settings) -> LearningCurves:
    replay = load_replay(module_settings, ENCODER, "closeup", said, ["a close-up"], least=40)
    return compute_learning_curves(replay, seeds=3, batch=10, rounds=3)


def test_labels_help_and_the_words_begin(curves: LearningCurves) -> None:
    assert curves.counts == (0, 10, 20, 30)
    for choice in CHOICES:
        assert curves.precision[choice].shape == (3, 4)
        assert curves.precision[choice][:, -1].mean() > 0.75
    assert np.array_equal(curves.precision["feeds"][:, 0], curves.precision["random"][:, 0])
    assert np.array_equal(curves.words, curves.precision["feeds"][:, 0])
    assert len(set(curves.words)) > 1  # each seed holds out other film


def test_a_replay_is_repeatable_and_in_film_order(module_settings: Settings, curves: LearningCurves) -> None:
    replay = load_replay(module_settings, ENCODER, "closeup", said, ["a close-up"], least=40)
    places = [(place.show, place.video_id, place.start_frame) for place in replay.places]
    assert places == sorted(places) and len(places) == 120
    again = compute_learning_curves(replay, seeds=1, batch=10, rounds=3)
    assert np.array_equal(again.precision["feeds"][0], curves.precision["feeds"][0])


@pytest.mark.parametrize(
    ("label", "told"),
    [("always", "always: 100 yes and 0 no"), ("nobody", "nobody: 0 yes and 0 no; a replay needs 40")],
)
def test_too_few_labels_are_told_with_the_way_out(module_settings: Settings, label: str, told: str) -> None:
    with pytest.raises(UsageError, match=f"{told}.*needle probe suggest"):
        load_replay(module_settings, ENCODER, label, said, ["x"], least=40)


def test_what_is_missing_is_reported_before_a_replay_runs(module_settings: Settings) -> None:
    require_replayable(module_settings, ENCODER, [], least=60)
    require_replayable(module_settings, ENCODER, ["closeup"], least=120)
    with pytest.raises(UsageError, match=r"closeup: 40 yes and 80 no; a replay needs 121 labelled shots, 6 of each"):
        require_replayable(module_settings, ENCODER, [], least=121)
    with pytest.raises(UsageError, match=r"always: 100 yes and 0 no") as refusal:
        require_replayable(module_settings, ENCODER, ["closeup", "always"], least=60)
    assert "closeup:" not in str(refusal.value)


def test_a_home_without_labels_reports_how_many_are_needed(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no labels yet; a replay needs 60 labelled shots of one label, 6 of each"):
        require_replayable(load_settings(home=tmp_path), ENCODER, [], least=60)
