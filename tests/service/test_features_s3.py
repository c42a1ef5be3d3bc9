"""Point-in-time joins over a lake under ``s3://``, against an S3 protocol server on loopback."""

from __future__ import annotations

import pandas as pd
import pytest

from ops import features
from ops.core.settings import Settings, load_settings
from tests.builders.lakes import COMPUTED, DIM, ENCODER, fill, shot_rows, vector_rows, video_id


def test_a_lake_on_s3_answers_as_one_on_disk(tmp_path: pytest.TempPathFactory, bucket: str) -> None:
    answers = []
    for name, storage in (("disk", ""), ("s3", f"{bucket}/some prefix")):
        settings = load_settings(home=f"{tmp_path}/{name}", storage=storage)
        assert features.apply_features(settings, ENCODER, DIM)
        assert not features.apply_features(settings, ENCODER, DIM)
        assert _training_set(settings)["embedding"].isna().all()  # no table yet
        fill(settings)
        settings.lake.write("shots", "empty", [])
        first = _training_set(settings)
        settings.lake.write("shots", settings.resolve_partition(video_id(2)), [])  # listings are not remembered
        now = pd.Timestamp.now(tz="UTC")
        answers.append([first, _training_set(settings, now).drop(columns="event_timestamp"), _training_set(settings)])
        assert features.write_online(settings, "shot_metadata", settings.lake.read("shots")) == 8
    for ours, theirs in zip(*answers, strict=True):
        pd.testing.assert_frame_equal(
            ours.drop(columns="embedding"),
            theirs.drop(columns="embedding"),
        )
        assert [list(vector) for vector in ours["embedding"].dropna()] == [
            list(vector) for vector in theirs["embedding"].dropna()
        ]
    first, second, as_before = answers[1]
    pd.testing.assert_frame_equal(first.drop(columns="embedding"), as_before.drop(columns="embedding"))  # history
    assert first["vector_hash"].dropna().tolist() == [
        row["vector_hash"] for number in range(3) for row in vector_rows(number)
    ]
    assert first["show"].notna().tolist() == [True] * 12 + [False]
    assert second["show"].notna().tolist() == [True] * 8 + [False] * 5


def _training_set(settings: Settings, moment: pd.Timestamp | None = None) -> pd.DataFrame:
    """The twelve shots a day after their computation, or at ``moment``, and the first of them before it."""
    ids = [row["shot_id"] for number in range(3) for row in shot_rows(number)]
    moment = (moment or pd.Timestamp(COMPUTED) + pd.Timedelta(days=1)).as_unit("us")
    moments = [moment] * len(ids) + [pd.Timestamp(COMPUTED) - pd.Timedelta(hours=1)]
    rows = pd.DataFrame({"shot_id": [*ids, ids[0]], "event_timestamp": moments})
    return features.historical_features(settings, rows, "shot_classifier_v1")
