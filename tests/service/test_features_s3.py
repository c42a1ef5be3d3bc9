"""Point-in-time joins over a lake under ``s3://``, against an S3 protocol server on loopback."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import pytest

from ops import features
from ops.core.settings import Settings, load_settings
from tests.lakes import COMPUTED, DIM, ENCODER, fill, shot_rows, vector_rows, video_id


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty bucket; AWS settings come from the environment, as they do for users."""
    import fsspec
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    fsspec.filesystem("s3", use_listings_cache=False, skip_instance_cache=True).mkdir("needle-features")
    yield "s3://needle-features/some prefix"
    server.stop()


def test_a_lake_on_s3_answers_as_one_on_disk(tmp_path: pytest.TempPathFactory, bucket: str) -> None:
    answers = []
    for name, storage in (("disk", ""), ("s3", bucket)):
        settings = load_settings(home=f"{tmp_path}/{name}", storage=storage)
        assert features.apply_features(settings, ENCODER, DIM)
        assert not features.apply_features(settings, ENCODER, DIM)
        assert _training_set(settings)["embedding"].isna().all()  # no table yet
        fill(settings)
        settings.lake.write("shots", "empty", [])
        first = _training_set(settings)
        settings.lake.write("shots", settings.partition_of(video_id(2)), [])  # listings are not remembered
        answers.append([first, _training_set(settings)])
        assert features.write_online(settings, "shot_metadata", settings.lake.read("shots")) == 8
    for ours, theirs in zip(*answers, strict=True):
        pd.testing.assert_frame_equal(
            ours.drop(columns="embedding"),
            theirs.drop(columns="embedding"),
        )
        assert [list(vector) for vector in ours["embedding"].dropna()] == [
            list(vector) for vector in theirs["embedding"].dropna()
        ]
    first, second = answers[1]
    assert first["vector_hash"].dropna().tolist() == [
        row["vector_hash"] for number in range(3) for row in vector_rows(number)
    ]
    assert first["show"].notna().tolist() == [True] * 12 + [False]
    assert second["show"].notna().tolist() == [True] * 8 + [False] * 5


def _training_set(settings: Settings) -> pd.DataFrame:
    """The twelve shots now, and the first of them before it was computed."""
    ids = [row["shot_id"] for number in range(3) for row in shot_rows(number)]
    moments = [pd.Timestamp(COMPUTED) + pd.Timedelta(days=1)] * len(ids) + [
        pd.Timestamp(COMPUTED) - pd.Timedelta(hours=1)
    ]
    rows = pd.DataFrame({"shot_id": [*ids, ids[0]], "event_timestamp": moments})
    return features.historical_features(settings, rows, "shot_classifier_v1")
