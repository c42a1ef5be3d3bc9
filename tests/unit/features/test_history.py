"""Features as they were served at each earlier moment, after recomputations, removals and returns."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

import feature_repo.history
from feature_repo.names import embedding_view
from ops import features
from ops.core import history
from ops.core.errors import LakeError
from ops.core.history import compact_history, forget_versions, list_history_files
from ops.core.settings import Settings, load_settings
from ops.videos.catalogue import drop_rows
from tests.builders.lakes import COMPUTED, DIM, ENCODER, FILMED, shot_rows, vector_rows, video_id

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
VECTORS = f"shot_embeddings/{ENCODER}"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home with registered features, whose lakes the tests replace."""
    settings = load_settings(home=tmp_path_factory.mktemp("home"))
    features.apply_features(settings, ENCODER, DIM)
    return settings


@pytest.fixture
def home(registry: Settings) -> Settings:
    for folder in ("lake", "history"):
        registry.store.delete_tree(folder)
    return registry


def read_as_of(settings: Settings, ids: list[str], moments: list[datetime], feature: str) -> dict[datetime, list[Any]]:
    pairs = [(moment, id_) for moment in moments for id_ in ids]
    frame = pd.DataFrame({"shot_id": [id_ for _, id_ in pairs], "event_timestamp": [moment for moment, _ in pairs]})
    frame = frame.astype({"event_timestamp": "datetime64[us, UTC]"})
    values = features.historical_features(settings, frame, [feature])[feature.split(":")[1]]
    served: dict[datetime, list[Any]] = {}
    for (moment, _), value in zip(pairs, values, strict=True):
        served.setdefault(moment, []).append(None if pd.isna(value) else value)
    return served


def tick() -> datetime:
    """A moment later than all rows so far, and before all that follow."""
    time.sleep(0.002)
    now = datetime.now(UTC)
    time.sleep(0.002)
    return now


def test_reader_and_writer_name_the_same_folder() -> None:
    assert (feature_repo.history.HISTORY, feature_repo.history.REMOVAL) == (history.HISTORY, history.REMOVAL)


def test_each_moment_gives_the_version_that_was_served_then(home: Settings) -> None:
    ids = [row["shot_id"] for row in shot_rows(0)]
    for day in (1, 5, 9):
        rows = vector_rows(0, seed=day, created_timestamp=COMPUTED + day * DAY)
        home.lake.write(VECTORS, video_id(0), rows)
    moments = [COMPUTED, COMPUTED + 2 * DAY, COMPUTED + 5 * DAY - timedelta(microseconds=1), COMPUTED + 20 * DAY]
    served = read_as_of(home, ids, moments, f"{embedding_view(ENCODER)}:vector_hash")
    truth = [None, 1, 1, 9]
    for moment, seed in zip(moments, truth, strict=True):
        expected = [None] * 4 if seed is None else [row["vector_hash"] for row in vector_rows(0, seed=seed)]
        assert served[moment] == expected


def test_a_new_cut_ends_the_old_shots_and_begins_the_new_ones(home: Settings) -> None:
    old = shot_rows(0)
    new = [row | {"created_timestamp": COMPUTED + DAY, "detector": "other"} for row in shot_rows(0, 2)]
    new.append(new[1] | {"shot_id": f"{video_id(0)}:55", "start_frame": 55, "index": 2})
    for rows in (old, new):
        home.lake.write("shots", video_id(0), rows)
    ids = [old[1]["shot_id"], old[3]["shot_id"], new[2]["shot_id"]]
    moments = [COMPUTED + HOUR, COMPUTED + DAY + HOUR]
    assert read_as_of(home, ids, moments, "shot_metadata:detector") == {
        moments[0]: ["test", "test", None],
        moments[1]: ["other", None, "other"],
    }
    table = pq.read_table(home.lake.path("shots"))
    assert table["shot_id"].to_pylist() == [row["shot_id"] for row in new]  # the lake has current rows only


@pytest.mark.parametrize("seed", range(3))
def test_any_course_of_changes_is_read_back(registry: Settings, tmp_path: Path, seed: int) -> None:
    """Two videos in one bucket, random changes with clocks that are behind, ahead of nothing, or equal."""
    settings = registry.model_copy(update={"partitions": "bucket:1"})
    for folder in ("lake", "history"):
        settings.store.delete_tree(folder)
    dice = random.Random(seed)
    ids = [row["shot_id"] for number in (0, 1) for row in shot_rows(number, 3)]
    state: dict[str, str | None] = dict.fromkeys(ids)
    truth: dict[datetime, list[str | None]] = {}
    was_there = set[int]()
    for step in range(12):
        number, count = dice.randrange(2), dice.randrange(4)
        # a clock that is behind cannot be seen at a row's first version, only from the second one on
        behind = dice.choice([timedelta(0), HOUR, DAY]) if number in was_there and count == 3 else timedelta(0)
        filmed = FILMED - dice.choice([timedelta(0), 40 * DAY])
        rows = shot_rows(number, count, transition=f"step {step}", event_timestamp=filmed)
        stamped = [row | {"created_timestamp": datetime.now(UTC) - behind} for row in rows]
        was_there = (was_there - {number}) | ({number} if count == 3 else set())
        settings.lake.update("shots", "bucket-00000", video_id(number), stamped)
        state |= {id_: None for id_ in ids if id_.startswith(video_id(number))}
        state |= {row["shot_id"]: f"step {step}" for row in rows}
        truth[tick()] = list(state.values())
        if step == 7:
            compact_history(settings.store)
    assert read_as_of(settings, ids, list(truth), "shot_metadata:transition") == truth
    before = read_as_of(settings, ids, list(truth), "shot_metadata:transition")
    assert compact_history(settings.store)[1] == len(list_history_files(settings.store)) == 1
    assert read_as_of(settings, ids, list(truth), "shot_metadata:transition") == before

    settings.lake.update("shots", "bucket-00000", video_id(0), [], keep_versions=False)
    assert forget_versions(settings.store, {video_id(0): "bucket-00000"}) > 0
    other = read_as_of(settings, ids, list(truth), "shot_metadata:transition")
    assert other == {moment: [None] * 3 + values[3:] for moment, values in truth.items()}
    for key in settings.store.list():
        assert key.endswith(".json") or video_id(0) not in str(pq.read_table(settings.store.path(key)).to_pylist())


def test_a_second_version_at_the_same_moment_is_later(home: Settings) -> None:
    for name in ("first", "second"):
        home.lake.write("shots", video_id(0), shot_rows(0, transition=name))
    (shot, *_) = shot_rows(0)
    served = read_as_of(home, [shot["shot_id"]], [COMPUTED, tick()], "shot_metadata:transition")
    assert list(served.values()) == [["first"], ["second"]]


def test_the_same_rows_again_leave_no_version(home: Settings) -> None:
    rows = shot_rows(0)
    home.lake.write("shots", video_id(0), rows)
    assert not home.lake.write("shots", video_id(0), [row | {"created_timestamp": COMPUTED + DAY} for row in rows])
    assert list_history_files(home.store) == []


def test_a_removed_video_that_returns_is_unknown_in_between(home: Settings) -> None:
    ids = [row["shot_id"] for row in shot_rows(0)]
    home.lake.write(VECTORS, video_id(0), vector_rows(0))
    before = tick()
    drop_rows(home, VECTORS, video_id(0))
    between = tick()
    home.lake.write(VECTORS, video_id(0), vector_rows(0, created_timestamp=datetime.now(UTC)))
    after = tick()
    served = read_as_of(home, ids, [before, between, after], f"{embedding_view(ENCODER)}:vector_hash")
    known = [row["vector_hash"] for row in vector_rows(0)]
    assert served == {before: known, between: [None] * 4, after: known}


def test_a_kill_between_history_and_lake_changes_nothing(home: Settings) -> None:
    """The history of a removal exists, but the row is still in the lake."""
    home.lake.write("shots", video_id(0), shot_rows(0))
    old = home.lake.read("shots", [video_id(0)])
    history.write_versions(home.store, "shots", video_id(0), old, old.slice(0, 0), COMPUTED + DAY)
    (shot, *_) = shot_rows(0)
    served = read_as_of(home, [shot["shot_id"]], [COMPUTED, COMPUTED + 2 * DAY], "shot_metadata:transition")
    assert list(served.values()) == [["start"], ["start"]]


def test_vectors_of_an_encoder_that_was_dropped_stay_readable(home: Settings) -> None:
    ids = [row["shot_id"] for row in shot_rows(0)]
    home.lake.write(VECTORS, video_id(0), vector_rows(0))
    home.lake.delete_table(VECTORS)
    assert home.lake.list_partitions(VECTORS) == []
    served = read_as_of(home, ids, [COMPUTED + HOUR, tick()], f"{embedding_view(ENCODER)}:vector_hash")
    assert list(served.values()) == [[row["vector_hash"] for row in vector_rows(0)], [None] * 4]


def test_forget_deletes_a_damaged_file_of_the_partition(home: Settings, caplog: pytest.LogCaptureFixture) -> None:
    for number in (0, 1):
        for name in ("first", "second"):
            home.lake.write("shots", video_id(number), shot_rows(number, transition=name))
    damaged, kept = sorted(list_history_files(home.store), key=lambda key: video_id(1) in key)
    home.store.write_bytes(damaged, b"no parquet")
    with pytest.raises(LakeError, match="is damaged"):
        home.store.write_bytes(damaged.replace(".parquet", "-2.parquet"), b"nor this")
        compact_history(home.store)
    forget_versions(home.store, {video_id(0): video_id(0)})
    assert list_history_files(home.store) == [kept]
    assert "is damaged" in caplog.text


def test_the_command_compacts_and_reports(home: Settings) -> None:
    for name in ("first", "second", "third", "fourth"):
        home.lake.write("shots", video_id(0), shot_rows(0, transition=name))
    command = [sys.executable, "-m", "ops.cli", "compact"]
    done = subprocess.run(command, env={"NEEDLE_HOME": str(home.home)}, capture_output=True, text=True, check=True)
    assert done.stdout == "history of features: 3 files, now 1\n"
