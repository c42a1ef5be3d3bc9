"""What probes say as features: views, services, point in time and online."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from ops import features
from ops.core.errors import FeatureStoreError
from ops.core.settings import Settings, load_settings
from ops.features.store import open_store
from tests.builders.lakes import COMPUTED, DIM, ENCODER, FILMED, fill, shot_rows, video_id

SCORED = datetime(2026, 2, 1, tzinfo=UTC)
SHOTS = [row["shot_id"] for row in shot_rows(0)]


def put_scores(settings: Settings, probe: str, scores: list[float], version: str = "v1", at: datetime = SCORED) -> None:
    rows = [
        {
            "shot_id": shot,
            "video_id": video_id(0),
            "score": score,
            "probe_version": version,
            "event_timestamp": FILMED,
            "created_timestamp": at,
        }
        for shot, score in zip(SHOTS, scores, strict=True)
    ]
    settings.lake.write(f"probe_scores/{probe}", settings.resolve_partition(video_id(0)), rows)


def fill_with_scores(settings: Settings) -> None:
    """A catalogue in which two probes have scored the first film."""
    fill(settings)
    assert features.apply_features(settings, ENCODER, DIM)
    for probe, scores in (("closeup", [0.9, 0.1, 0.5, 0.25]), ("wide", [0.0, 1.0, 0.5, 0.75])):
        put_scores(settings, probe, scores)
        assert features.publish_scores(settings, ENCODER, probe) == 4


pytestmark = pytest.mark.home(fill=fill_with_scores)


def asked(moment: datetime) -> pd.DataFrame:
    frame = pd.DataFrame({"shot_id": SHOTS, "event_timestamp": [moment] * 4})
    return frame.astype({"event_timestamp": "datetime64[us, UTC]"})


def test_every_probe_has_its_view_and_the_services_hold_them_all(module_settings: Settings) -> None:
    store = open_store(module_settings)
    views = {view.name: view for view in store.list_feature_views()}
    assert {name for name in views if name.startswith("probe_score__")} == {"probe_score__closeup", "probe_score__wide"}
    assert views["probe_score__closeup"].online
    names = {
        service.name: {part.name for part in service.feature_view_projections}
        for service in store.list_feature_services()
    }
    both = {"probe_score__closeup", "probe_score__wide"}
    assert names["shot_probes_v1"] == both
    assert both < names["shot_classifier_v2"]
    assert not both & names["shot_classifier_v1"]


def test_scores_are_online(module_settings: Settings) -> None:
    rows = features.online_features(module_settings, [*SHOTS, "0123456789abcdef:0"], ["probe_score__closeup:score"])
    assert [row["score"] for row in rows[:4]] == pytest.approx([0.9, 0.1, 0.5, 0.25])
    assert rows[4]["score"] is None
    several = features.online_features(module_settings, SHOTS[:1], ["probe_score__closeup:probe_version"])
    assert several[0]["probe_version"] == "v1"


def test_a_training_set_has_vectors_facts_and_scores_as_they_were_known(module_settings: Settings) -> None:
    later = features.historical_features(
        module_settings,
        asked(SCORED + timedelta(days=1)),
        ["probe_score__closeup:score", "probe_score__wide:probe_version", "shot_metadata:mean_luma"],
    )
    assert later["score"].tolist() == pytest.approx([0.9, 0.1, 0.5, 0.25])
    assert later["mean_luma"].notna().all() and set(later["probe_version"]) == {"v1"}
    before = features.historical_features(
        module_settings, asked(COMPUTED + timedelta(days=1)), ["probe_score__closeup:score", "shot_metadata:mean_luma"]
    )
    assert before["score"].isna().all()  # nobody had scored yet: nothing leaks into the past
    assert before["mean_luma"].notna().all()


def test_a_service_of_several_probes_is_read_by_full_names(module_settings: Settings) -> None:
    rows = features.online_features(module_settings, SHOTS, "shot_probes_v1", full_names=True)
    assert [row["probe_score__wide__score"] for row in rows] == pytest.approx([0.0, 1.0, 0.5, 0.75])
    frame = features.historical_features(
        module_settings, asked(SCORED + timedelta(days=1)), "shot_classifier_v2", full_names=True
    )
    assert frame["probe_score__closeup__score"].tolist() == pytest.approx([0.9, 0.1, 0.5, 0.25])
    assert frame["shot_metadata__mean_luma"].notna().all()
    with pytest.raises(FeatureStoreError, match="full_names=True"):
        features.historical_features(module_settings, asked(SCORED), "shot_classifier_v2")
    with pytest.raises(FeatureStoreError, match="full_names=True"):
        features.online_features(module_settings, SHOTS, "shot_probes_v1")


def test_publishing_again_writes_nothing_and_a_new_version_replaces(module_settings: Settings) -> None:
    assert features.publish_scores(module_settings, ENCODER, "closeup") == 0
    put_scores(module_settings, "wide", [0.5, 1.0, 0.5, 0.75], version="v1", at=SCORED + timedelta(minutes=1))
    assert not features.has_published_scores(module_settings, "wide")
    assert features.publish_scores(module_settings, ENCODER, "wide") == 1
    assert features.has_published_scores(module_settings, "wide")
    row = features.online_features(module_settings, SHOTS[:1], ["probe_score__wide:score"])[0]
    assert row["score"] == 0.5


def test_a_probe_without_scores_is_left_out(module_settings: Settings) -> None:
    assert features.publish_scores(module_settings, ENCODER, "nothing") == 0
    with pytest.raises(FeatureStoreError):
        features.online_features(module_settings, SHOTS, ["probe_score__nothing:score"])


def test_a_forgotten_film_leaves_no_score_online(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path / "home")
    fill(settings)
    put_scores(settings, "closeup", [0.9, 0.1, 0.5, 0.25])
    features.publish_scores(settings, ENCODER, "closeup")
    assert features.forget_features(settings, [video_id(0)]) > 0
    row = features.online_features(settings, SHOTS[:1], ["probe_score__closeup:score"])[0]
    assert row["score"] is None
