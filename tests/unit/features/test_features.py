"""The feature store over true lakes: what was known when, what is online, and what is gone.

One process and module-wide homes, because importing Feast takes seconds.
"""

from __future__ import annotations

import hashlib
import multiprocessing
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from feature_repo.names import embedding_view
from ops import features
from ops.core.errors import FeatureStoreError, LakeError
from ops.core.schemas import find_schema
from ops.core.settings import Settings, load_settings
from ops.core.types import SilentProgress
from ops.features import online
from ops.features.config import locate_file, open_database
from ops.features.online import remove_online
from tests.builders.lakes import COMPUTED, DIM, ENCODER, FILMED, fill, shot_rows, vector_rows, video_id, video_row

NOW = datetime(2026, 3, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Three films of four shots, applied; only read by the tests that share it."""
    settings = load_settings(home=tmp_path_factory.mktemp("home with [brackets] and 'quotes'"))
    fill(settings)
    assert features.apply_features(settings, ENCODER, DIM)
    return settings


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    """An applied home of the test's own, with an empty lake."""
    settings = load_settings(home=tmp_path / "home")
    features.apply_features(settings, ENCODER, DIM)
    return settings


def table(rows: list[dict[str, Any]], name: str = "shots") -> pa.Table:
    return pa.Table.from_pylist(rows, find_schema(name))


def asked(ids: list[str], moment: datetime = NOW, key: str = "shot_id") -> pd.DataFrame:
    frame = pd.DataFrame({key: ids, "event_timestamp": [moment] * len(ids)})
    return frame.astype({"event_timestamp": "datetime64[us, UTC]"})


def hashes(settings: Settings) -> dict[str, tuple[str, int]]:
    files = [path for path in (settings.home / "feast").rglob("*") if path.is_file()]
    return {path.name: (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns) for path in files}


@contextmanager
def nothing_written(settings: Settings) -> Iterator[None]:
    before = hashes(settings)
    yield
    assert hashes(settings) == before


# --- applying


def test_applying_again_writes_nothing(catalogue: Settings) -> None:
    with nothing_written(catalogue):
        assert not features.apply_features(catalogue, ENCODER, DIM)


def test_a_second_run_loads_no_feast(catalogue: Settings) -> None:
    """Seconds of import would be most of a run that has nothing to do."""
    rows = table(shot_rows(0))
    features.write_online(catalogue, "shot_metadata", rows)
    code = f"""
import sys
from ops import features
from ops.core.settings import load_settings
settings = load_settings(home={str(catalogue.home)!r})
assert not features.apply_features(settings, {ENCODER!r}, {DIM})
assert not features.write_online(settings, "shot_metadata", settings.lake.read("shots", [{video_id(0)!r}]))
assert "feast" not in sys.modules
"""
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_what_another_hand_changed_is_put_right(home: Settings) -> None:
    with sqlite3.connect(home.home / "feast" / "online.db") as database:
        database.execute("DROP TABLE needle_shot_metadata")
    (home.home / "feast" / "registry.db").write_bytes(b"")
    assert features.apply_features(home, ENCODER, DIM)
    with nothing_written(home):
        assert not features.apply_features(home, ENCODER, DIM)
    assert features.write_online(home, "shot_metadata", table(shot_rows(0))) == 4


def test_a_write_that_was_killed_half_way_is_finished(home: Settings) -> None:
    """Stamps are stored before the values, so a kill leaves new stamps beside old values."""
    old, new = shot_rows(0), shot_rows(0, show="new", created_timestamp=COMPUTED + HOUR)
    features.write_online(home, "shot_metadata", table(old))
    with open_database(home) as database:
        online._select_current(database, "shot_metadata", "shot_id", table(new))
    assert features.write_online(home, "shot_metadata", table(old)) == 0
    assert features.write_online(home, "shot_metadata", table(new)) == 4
    found = features.online_features(home, [new[0]["shot_id"]], ["shot_metadata:show"])
    assert found[0]["show"] == "new"


def test_a_new_encoder_gets_its_own_view_and_keeps_the_old_one(home: Settings) -> None:
    assert features.apply_features(home, "second", 4)
    with nothing_written(home):
        assert not features.apply_features(home, "second", 4)
    for encoder, dim in ((ENCODER, DIM), ("second", 4)):
        home.lake.write(f"shot_embeddings/{encoder}", video_id(0), _resized(vector_rows(0), dim))
    home.lake.write("shots", video_id(0), shot_rows(0))
    ids = [row["shot_id"] for row in shot_rows(0)]
    current = features.historical_features(home, asked(ids), "shot_classifier_v1")
    earlier = features.historical_features(home, asked(ids), [f"{embedding_view(ENCODER)}:embedding"])
    assert [len(vector) for vector in current["embedding"]] == [4] * 4
    assert [len(vector) for vector in earlier["embedding"]] == [DIM] * 4


def test_a_lost_online_database_is_made_again(home: Settings) -> None:
    (home.home / "feast" / "online.db").unlink()
    assert features.apply_features(home, ENCODER, DIM)
    assert features.write_online(home, "shot_metadata", table(shot_rows(0))) == 4


def test_a_damaged_online_database_is_named_with_the_way_out(home: Settings) -> None:
    online = home.home / "feast" / "online.db"
    online.write_bytes(b"no database" * 1000)
    for act in (
        lambda: features.has_current_features(home, [video_id(0)]),
        lambda: features.apply_features(home, ENCODER, DIM),
        lambda: features.write_online(home, "shot_metadata", table(shot_rows(0))),
        lambda: features.online_features(home, ["x"], "shot_facets_v1"),
    ):
        with pytest.raises(FeatureStoreError, match=r"online\.db is damaged, delete it and `needle ingest` all"):
            act()


def test_a_damaged_registry_is_named_with_the_way_out(home: Settings) -> None:
    registry = home.home / "feast" / "registry.db"
    registry.write_bytes(b"no registry" * 1000)
    with pytest.raises(FeatureStoreError, match=r"registry\.db is damaged: delete it and `needle ingest` all"):
        features.apply_features(home, ENCODER, DIM)
    registry.unlink()
    assert features.apply_features(home, ENCODER, DIM)


@pytest.mark.parametrize("bad", ["", "a:b", "a@v1", "../x", "a/b", "a b"])
def test_an_encoder_id_that_feast_cannot_carry_is_refused(tmp_path: Path, bad: str) -> None:
    with pytest.raises(FeatureStoreError, match="cannot be an encoder id"):
        features.apply_features(load_settings(home=tmp_path), bad, DIM)


def test_before_anything_is_applied_the_message_says_what_to_do(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path / "nothing")
    for act in (
        lambda: features.online_features(settings, ["x"], "shot_facets_v1"),
        lambda: features.historical_features(settings, asked(["x"]), "shot_classifier_v1"),
        lambda: features.write_online(settings, "shot_metadata", table(shot_rows(0))),
    ):
        with pytest.raises(FeatureStoreError, match="needle ingest"):
            act()
    assert features.forget_features(settings, [video_id(0)]) == 0
    assert not (tmp_path / "nothing").exists()


def test_two_encoders_cannot_share_a_view(home: Settings) -> None:
    with pytest.raises(FeatureStoreError, match="another encoder has the view"):
        features.apply_features(home, ENCODER.replace("-", "_"), DIM)


# --- the past


def test_training_set_has_vectors_and_facts_in_the_order_asked(catalogue: Settings) -> None:
    ids = [row["shot_id"] for number in (2, 0, 1) for row in shot_rows(number)]
    ids = [*reversed(ids), ids[3]]  # any order, and one twice
    rows = asked(ids).assign(label=[number % 2 == 0 for number in range(len(ids))])
    rows.index = pd.Index(range(100, 100 + len(ids)))
    found = features.historical_features(catalogue, rows, "shot_classifier_v1")
    pd.testing.assert_frame_equal(found[list(rows.columns)], rows)
    vectors = {row["shot_id"]: row for number in range(3) for row in vector_rows(number)}
    facts = {row["shot_id"]: row for number in range(3) for row in shot_rows(number)}
    for row in found.to_dict("records"):
        np.testing.assert_array_equal(row["embedding"], np.float32(vectors[row["shot_id"]]["embedding"]))
        assert np.isclose(np.linalg.norm(row["embedding"]), 1.0)
        for name in ("video_id", "show", "index", "start_frame", "is_blank", "poster_uri"):
            assert row[name] == facts[row["shot_id"]][name]


def test_before_the_rows_were_computed_nothing_was_known(catalogue: Settings) -> None:
    shot = shot_rows(0)[0]["shot_id"]
    for moment, known in (
        (FILMED - HOUR, False),
        (FILMED + HOUR, False),  # the footage was there, the row was not
        (COMPUTED - timedelta(microseconds=1), False),
        (COMPUTED, True),
        (NOW, True),
    ):
        found = features.historical_features(catalogue, asked([shot], moment), "shot_classifier_v1")
        assert (found["show"].notna().item(), found["embedding"].notna().item()) == (known, known), moment


def test_recomputed_rows_do_not_leak_into_the_past(home: Settings) -> None:
    """Two partitions hold two computations of one shot, as a lake that keeps history would."""
    later = COMPUTED + 24 * HOUR
    first, second = vector_rows(0, seed=1), vector_rows(0, seed=2, created_timestamp=later)
    home.lake.write(f"shot_embeddings/{ENCODER}", "first", first)
    home.lake.write(f"shot_embeddings/{ENCODER}", "second", second)
    ids = [row["shot_id"] for row in first]
    for moment, expected in ((later - HOUR, first), (later, second), (NOW, second)):
        found = features.historical_features(home, asked(ids, moment), [f"{embedding_view(ENCODER)}:vector_hash"])
        assert list(found["vector_hash"]) == [row["vector_hash"] for row in expected]


def test_one_answer_joins_each_row_at_its_own_moment(catalogue: Settings) -> None:
    shot = shot_rows(1)[1]["shot_id"]
    rows = pd.concat([asked([shot], COMPUTED - HOUR), asked([shot], NOW), asked(["no such shot"], NOW)])
    found = features.historical_features(catalogue, rows.reset_index(drop=True), ["shot_metadata:index"])
    assert found["index"].tolist() == [pd.NA, 1, pd.NA]


def test_videos_join_by_their_own_key_and_keep_nulls(catalogue: Settings) -> None:
    wanted = [f"video_metadata:{name}" for name in ("title", "season", "bytes", "has_audio", "available_at")]
    found = features.historical_features(catalogue, asked([video_id(1)], key="video_id"), wanted)
    assert found["title"].item() == "Film 1"
    assert found["season"].item() is pd.NA
    assert found["bytes"].item() == 5_000_000_001
    assert found["available_at"].item() == pd.Timestamp(FILMED)


def test_an_empty_lake_and_empty_partitions_know_nothing(home: Settings) -> None:
    shot = shot_rows(0)[0]["shot_id"]
    assert features.historical_features(home, asked([shot]), "shot_classifier_v1")["embedding"].isna().all()
    for name in ("shots", f"shot_embeddings/{ENCODER}"):
        home.lake.write(name, "empty", [])
    assert features.historical_features(home, asked([shot]), "shot_classifier_v1")["show"].isna().all()
    home.lake.write("shots", video_id(0), shot_rows(0))
    assert features.historical_features(home, asked([shot]), "shot_classifier_v1")["show"].tolist() == ["show 0"]


def test_a_partition_that_is_being_written_is_not_read(catalogue: Settings) -> None:
    half = Path(catalogue.lake.path("shots")) / ".tmp-half.parquet"
    half.write_bytes(b"PAR1 and no more")
    try:
        found = features.historical_features(catalogue, asked([shot_rows(0)[0]["shot_id"]]), "shot_classifier_v1")
    finally:
        half.unlink()
    assert found["show"].tolist() == ["show 0"]


def test_the_lake_refuses_what_ruins_a_point_in_time_join(home: Settings) -> None:
    bad = vector_rows(0)
    bad[1]["embedding"][0] = float("nan")
    with pytest.raises(LakeError, match="NaN"):
        home.lake.write(f"shot_embeddings/{ENCODER}", video_id(0), bad)
    tied = shot_rows(0) + shot_rows(0)
    with pytest.raises(LakeError, match="not unique"):
        home.lake.write("shots", video_id(0), tied)


def test_naive_or_missing_moments_are_refused(catalogue: Settings) -> None:
    rows = asked([shot_rows(0)[0]["shot_id"]])
    for bad in (rows.drop(columns="event_timestamp"), rows.assign(event_timestamp=datetime(2026, 3, 1))):
        with pytest.raises(FeatureStoreError, match="time zone"):
            features.historical_features(catalogue, bad, "shot_classifier_v1")
    with pytest.raises(FeatureStoreError, match="no entity rows"):
        features.historical_features(catalogue, rows.iloc[:0], "shot_classifier_v1")


def test_foreign_errors_are_mapped(catalogue: Settings) -> None:
    with pytest.raises(FeatureStoreError, match="no_such_service"):
        features.historical_features(catalogue, asked(["x"]), "no_such_service")
    with pytest.raises(FeatureStoreError, match="no_such_view"):
        features.online_features(catalogue, ["x"], ["no_such_view:show"])
    with pytest.raises(FeatureStoreError, match="offline only"):
        features.online_features(catalogue, ["x"], [f"{embedding_view(ENCODER)}:embedding"])


# --- online


def test_online_reads_give_each_id_its_row_and_null_where_unknown(home: Settings) -> None:
    rows = shot_rows(0, 1000)
    assert features.write_online(home, "shot_metadata", table(rows)) == 1000
    ids = [row["shot_id"] for row in reversed(rows)] + ["0" * 16 + ":7"]
    found = features.online_features(home, ids, "shot_facets_v1")
    assert [row["shot_id"] for row in found] == ids
    assert found[-1]["show"] is None
    for row, expected in zip(found[:-1], reversed(rows), strict=True):
        assert {name: row[name] for name in ("index", "start_frame", "end_s", "is_blank", "transition")} == {
            name: expected[name] for name in ("index", "start_frame", "end_s", "is_blank", "transition")
        }
    assert features.online_features(home, [], "shot_facets_v1") == []


def test_writing_the_same_rows_again_writes_nothing(home: Settings) -> None:
    shots, videos = table(shot_rows(0)), table([video_row(0)], "videos")
    assert features.write_online(home, "shot_metadata", shots) == 4
    assert features.write_online(home, "video_metadata", videos) == 1
    with nothing_written(home):
        assert features.write_online(home, "shot_metadata", shots) == 0
        assert features.write_online(home, "video_metadata", videos) == 0
        assert features.write_online(home, "shot_metadata", shots.slice(0, 0)) == 0
    found = features.online_features(home, [video_id(0)], ["video_metadata:season", "video_metadata:bytes"])
    assert found == [{"video_id": video_id(0), "season": None, "bytes": 5_000_000_000}]


def test_only_changed_rows_are_written(home: Settings) -> None:
    features.write_online(home, "shot_metadata", table(shot_rows(0)))
    changed = shot_rows(0)
    changed[2] |= {"mean_luma": 3.0, "created_timestamp": COMPUTED + HOUR}
    assert features.write_online(home, "shot_metadata", table(changed)) == 1
    found = features.online_features(home, [row["shot_id"] for row in changed], ["shot_metadata:mean_luma"])
    assert [row["mean_luma"] for row in found] == [100.25, 101.25, 3.0, 103.25]


@pytest.mark.parametrize("step", [timedelta(microseconds=1), timedelta(days=1)])
def test_an_older_row_never_replaces_a_newer_one(home: Settings, step: timedelta) -> None:
    new = shot_rows(0, 1, show="new", created_timestamp=COMPUTED + step)
    features.write_online(home, "shot_metadata", table(new))
    with nothing_written(home):
        assert features.write_online(home, "shot_metadata", table(shot_rows(0, 1, show="old"))) == 0
    assert features.online_features(home, [new[0]["shot_id"]], ["shot_metadata:show"])[0]["show"] == "new"


def test_equal_values_with_a_newer_stamp_still_hold_off_what_lies_between(home: Settings) -> None:
    for created in (COMPUTED, COMPUTED + 2 * HOUR):
        features.write_online(home, "shot_metadata", table(shot_rows(0, 1, created_timestamp=created)))
    between = shot_rows(0, 1, show="between", created_timestamp=COMPUTED + HOUR)
    assert features.write_online(home, "shot_metadata", table(between)) == 0


def test_rows_that_cannot_be_ordered_are_refused(home: Settings) -> None:
    with pytest.raises(FeatureStoreError, match="repeat a shot_id"):
        features.write_online(home, "shot_metadata", table(shot_rows(0, 1) * 2))
    with pytest.raises(FeatureStoreError, match="needs is_blank"):
        features.write_online(home, "shot_metadata", table(shot_rows(0)).drop_columns("is_blank"))
    with pytest.raises(FeatureStoreError, match="offline only"):
        features.write_online(home, embedding_view(ENCODER), table(vector_rows(0), f"shot_embeddings/{ENCODER}"))


def test_two_processes_write_at_once_and_the_newest_wins(home: Settings) -> None:
    """Each process writes its own shots and, twenty times over, one shot that both write."""
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=_write_turns, args=(str(home.home), turn, 10)) for turn in (0, 1)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
    assert [writer.exitcode for writer in writers] == [0, 0]
    ids = [row["shot_id"] for number in range(21) for row in shot_rows(number, 5)]
    found = features.online_features(home, ids, ["shot_metadata:show", "shot_metadata:index"])
    shared = shot_rows(20, 5)[0]["shot_id"]
    assert {row["show"] for row in found if row["shot_id"] == shared} == {"turn 19"}
    own = [row for row in found if not row["shot_id"].startswith(video_id(20))]
    assert [row["index"] for row in own] == [index for _ in range(20) for index in range(5)]


def _write_turns(home: str, turn: int, rounds: int) -> None:
    settings = load_settings(home=home)
    for number in range(rounds):
        stamp = 2 * number + turn
        features.apply_features(settings, ENCODER, DIM)
        features.write_online(settings, "shot_metadata", table(shot_rows(stamp, 5)))
        shared = shot_rows(20, 1, show=f"turn {stamp}", created_timestamp=COMPUTED + timedelta(microseconds=stamp))
        features.write_online(settings, "shot_metadata", table(shared))


# --- the step of the pipeline


def test_building_twice_writes_once_and_follows_a_new_cut(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path)
    fill(settings)
    partitions = [video_id(number) for number in range(3)]

    def build() -> tuple[int, str, int]:
        report = features.build_features(settings, ENCODER, partitions, SilentProgress())
        return report.changed, report.data_version, report.details["rows_written_online"]

    first = build()
    assert first[0] == 1
    assert first[2] == 15
    with nothing_written(settings):
        assert build() == (0, first[1], 0)
    assert not features.apply_features(settings, ENCODER, DIM)  # the vectors told their length
    settings.lake.write("shots", video_id(1), shot_rows(1, 2, created_timestamp=COMPUTED + HOUR))
    again = build()
    assert again[0] == 1
    assert again[1] != first[1]
    ids = [row["shot_id"] for number in (0, 1) for row in shot_rows(number)]
    found = features.online_features(settings, ids, ["shot_metadata:show"])
    assert [row["show"] is None for row in found] == [False] * 6 + [True] * 2
    with nothing_written(settings):
        assert build() == (0, again[1], 0)


def test_building_an_empty_catalogue_registers_its_features(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path)
    report = features.build_features(settings, ENCODER, [], SilentProgress())
    assert report.details == {"videos": 0, "shots": 0, "rows_written_online": 0}
    assert features.online_features(settings, ["x"], "shot_facets_v1")[0]["show"] is None


# --- forgetting


def test_forgetting_leaves_no_trace_in_any_file(home: Settings) -> None:
    for number in range(3):
        # an earlier version of each row, which must go too
        features.write_online(home, "shot_metadata", table(shot_rows(number, 200, show=f"secret {number} before")))
        now = {"show": f"secret {number} after", "created_timestamp": COMPUTED + HOUR}
        features.write_online(home, "shot_metadata", table(shot_rows(number, 200, **now)))
        features.write_online(home, "video_metadata", table([video_row(number, title=f"secret {number}")], "videos"))
    assert features.forget_features(home, [video_id(1)]) > 0
    data = b"".join(path.read_bytes() for path in (home.home / "feast").iterdir())
    assert video_id(1).encode() not in data
    assert b"secret 1" not in data
    assert b"secret 0 after" in data  # the search above can find what is there
    kept = [row["shot_id"] for number in (0, 2) for row in shot_rows(number, 200)]
    assert all(row["show"] for row in features.online_features(home, kept, "shot_facets_v1"))
    gone = features.online_features(home, [row["shot_id"] for row in shot_rows(1, 200)], "shot_facets_v1")
    assert all(row["show"] is None for row in gone)
    with nothing_written(home):
        assert features.forget_features(home, [video_id(1)]) == 0


def test_the_store_is_rewritten_once_for_all_that_was_removed_before(home: Settings) -> None:
    for number in range(5):
        before = shot_rows(number, 200, show=f"secret {number} before")
        features.write_online(home, "shot_metadata", table(before))
        now = {"show": f"secret {number} after", "created_timestamp": COMPUTED + HOUR}
        features.write_online(home, "shot_metadata", table(shot_rows(number, 200, **now)))
    size = locate_file(home).stat().st_size
    assert remove_online(home, [video_id(1)]) > 0
    assert remove_online(home, (), [row["shot_id"] for row in shot_rows(2, 100)]) > 0
    assert locate_file(home).stat().st_size >= size  # out of date, not forgotten: no rewrite
    gone = features.online_features(home, [shot_rows(1)[0]["shot_id"]], ["shot_metadata:show"])
    assert gone[0]["show"] is None
    assert features.forget_features(home, [video_id(3), video_id(4)]) > 0
    assert locate_file(home).stat().st_size < size / 2
    data = b"".join(path.read_bytes() for path in (home.home / "feast").iterdir())
    for number in (1, 3, 4):
        assert video_id(number).encode() not in data and f"secret {number}".encode() not in data
    assert b"secret 0 after" in data


def test_rows_that_were_removed_before_leave_no_trace_when_nothing_is_left_to_forget(home: Settings) -> None:
    features.write_online(home, "shot_metadata", table(shot_rows(1, 200, show="secret 1")))
    remove_online(home, [video_id(1)])
    assert features.forget_features(home, [video_id(1)]) == 0
    data = b"".join(path.read_bytes() for path in (home.home / "feast").iterdir())
    assert b"secret 1" not in data and video_id(1).encode() not in data
    with nothing_written(home):
        features.forget_features(home, [video_id(1)])


def test_single_shots_can_be_forgotten_and_come_back(home: Settings) -> None:
    rows = shot_rows(0, 11)
    features.write_online(home, "shot_metadata", table(rows))
    gone = [rows[1]["shot_id"], rows[5]["shot_id"]]
    assert features.forget_features(home, (), gone) > 0
    found = features.online_features(home, [row["shot_id"] for row in rows], ["shot_metadata:show"])
    assert [row["shot_id"] for row in found if row["show"] is None] == gone
    assert features.write_online(home, "shot_metadata", table(rows)) == 2


def _resized(rows: list[dict[str, Any]], dim: int) -> list[dict[str, Any]]:
    for row in rows:
        vector = np.float32(row["embedding"][:dim])
        row["embedding"] = (vector / np.linalg.norm(vector)).tolist()
    return rows
