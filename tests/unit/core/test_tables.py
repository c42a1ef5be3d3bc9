from __future__ import annotations

import pickle
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.core.errors import DamagedTableError, LakeError
from ops.core.schemas import find_schema
from ops.core.storage import ObjectStore
from ops.core.tables import Lake, compute_digest, find_key_ranges, list_bucket_keys, resolve_partition
from tests.builders.lakes import shot_rows, video_row

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
VIDEO, OTHER = "0" * 16, "f" * 16


def embedding(shot_id: str = f"{VIDEO}:0", **changes: Any) -> dict[str, Any]:
    row = {
        "shot_id": shot_id,
        "video_id": shot_id.split(":")[0],
        "show": "a",
        "embedding": [0.0, 1.0],
        "vector_hash": "x",
        "frames_used": 8,
        "input_hash": "y",
        "event_timestamp": NOW,
        "created_timestamp": NOW,
    }
    return row | changes


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(ObjectStore(str(tmp_path / "store")), tmp_path / "locks")


TABLE = "shot_embeddings/e"


def test_writing_the_same_rows_again_writes_nothing(lake: Lake) -> None:
    assert lake.write(TABLE, "p", [embedding()])
    assert not lake.write(TABLE, "p", [embedding(created_timestamp=NOW + timedelta(days=1))])
    assert lake.read(TABLE).to_pylist() == [embedding()]


def test_a_changed_row_gets_the_new_stamp_and_the_others_keep_theirs(lake: Lake) -> None:
    later = NOW + timedelta(days=1)
    lake.write(TABLE, "p", [embedding(f"{VIDEO}:0"), embedding(f"{VIDEO}:9")])
    rows = [
        embedding(f"{VIDEO}:0", created_timestamp=later),
        embedding(f"{VIDEO}:9", show="b", created_timestamp=later),
    ]
    assert lake.write(TABLE, "p", rows)
    assert [row["created_timestamp"] for row in lake.read(TABLE).to_pylist()] == [NOW, later]


def test_an_empty_partition_has_the_full_schema(lake: Lake) -> None:
    assert lake.write(TABLE, "p", [])
    assert lake.list_partitions(TABLE) == ["p"]
    assert lake.read(TABLE).schema.equals(find_schema(TABLE))


def test_update_replaces_the_rows_of_one_video_only(lake: Lake) -> None:
    lake.update(TABLE, "bucket-00000", VIDEO, [embedding(f"{VIDEO}:0"), embedding(f"{VIDEO}:5")])
    lake.update(TABLE, "bucket-00000", OTHER, [embedding(f"{OTHER}:0")])
    assert lake.update(TABLE, "bucket-00000", VIDEO, [embedding(f"{VIDEO}:7")])
    assert sorted(lake.read(TABLE)["shot_id"].to_pylist()) == [f"{VIDEO}:7", f"{OTHER}:0"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([embedding(), embedding()], "not unique"),
        ([embedding(embedding=[float("nan"), 1.0])], "NaN"),
        ([embedding(shot_id=f"{VIDEO}:0", event_timestamp=None)], "event_timestamp"),
        ([embedding(frames_used="many")], "do not fit"),
    ],
)
def test_rows_that_break_the_table_are_refused(lake: Lake, rows: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(LakeError, match=message):
        lake.write(TABLE, "p", rows)
    assert lake.list_partitions(TABLE) == []


def _damaged_bytes(whole: bytes, how: str) -> bytes:
    if how == "flipped":  # one bit in the middle of a page
        at = len(whole) // 4
        return whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
    return {"text": b"not parquet", "empty": b"", "truncated": whole[: len(whole) // 2]}[how]


@pytest.mark.parametrize("how", ["text", "empty", "truncated", "flipped"])
def test_a_damaged_file_is_named_and_left_out_of_the_whole_table(
    lake: Lake, how: str, caplog: pytest.LogCaptureFixture
) -> None:
    for partition in "pq":
        lake.write(TABLE, partition, [embedding()])
    path = Path(lake.path(TABLE)) / "p.parquet"
    path.write_bytes(_damaged_bytes(path.read_bytes(), how))
    with pytest.raises(DamagedTableError, match=r"p\.parquet is damaged") as caught:
        lake.read(TABLE, ["p"])
    assert (caught.value.table, caught.value.partition) == (TABLE, "p")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    assert len(lake.read(TABLE)) == 1 and "p.parquet is damaged" in caplog.text
    assert [error.partition for error in lake.find_damage()] == ["p"]
    assert Path(lake.put_away(TABLE, "p")).exists() and lake.list_partitions(TABLE) == ["q"] and not lake.find_damage()


@pytest.mark.parametrize(
    ("table", "rows", "fault"),
    [
        (TABLE, [embedding(embedding=[3.0, 4.0])], "not of unit length"),
        (TABLE, [embedding(), embedding(shot_id=f"{VIDEO}:5", embedding=[1.0])], "several sizes"),
        (TABLE, [embedding(f"{OTHER}:0", video_id=OTHER)], "rows of another video"),
        ("shots", shot_rows(0, 2, video_id=VIDEO, end_frame=0), "ends before it begins"),
        ("videos", [video_row(0, video_id=VIDEO, fps_den=0)], "fps_den is 0"),
        ("videos", [video_row(0, video_id=VIDEO, path=None)], "no path"),
        ("videos", [video_row(0, video_id=VIDEO, path="a\0b")], "NUL"),
        ("videos", [video_row(0, video_id=VIDEO, state="lost")], "'lost' is not a state"),
        ("videos", [video_row(0, video_id=VIDEO, event_timestamp=datetime(1, 1, 1, tzinfo=UTC))], "in the year 1"),
        (TABLE, [embedding(f"{OTHER}:0", video_id=VIDEO)], "is not one of its video"),
        (TABLE, [embedding(f"{VIDEO}:one")], "is not one of its video"),
        ("shots", shot_rows(0, 1, shot_id=f"{VIDEO}:0", video_id=VIDEO, is_blank=None), "no is_blank"),
    ],
)
def test_rows_that_nobody_could_have_stored_are_damage(
    lake: Lake, table: str, rows: list[dict[str, Any]], fault: str
) -> None:
    lake.write(table, VIDEO, rows)
    with pytest.raises(DamagedTableError, match=fault):
        lake.read(table, [VIDEO])


def test_text_that_is_not_utf8_is_damage(lake: Lake) -> None:
    lake.write("videos", VIDEO, [video_row(0, video_id=VIDEO, title="title")])
    path = Path(lake.path("videos")) / f"{VIDEO}.parquet"
    whole = pq.read_table(path)
    column = pa.array([b"\xff\xfe"], pa.binary())
    broken = pa.Array.from_buffers(pa.string(), 1, column.buffers())
    pq.write_table(whole.set_column(whole.schema.get_field_index("title"), "title", broken), path)
    with pytest.raises(DamagedTableError, match="UTF8"):
        lake.read("videos", [VIDEO])


@given(st.lists(st.tuples(st.text(max_size=4), st.text(max_size=4)), max_size=20, unique=True), st.randoms())
def test_the_digest_knows_no_order_but_every_row(pairs: list[tuple[str, str]], chance: random.Random) -> None:
    shuffled = pairs[:]
    chance.shuffle(shuffled)
    assert compute_digest(shuffled) == compute_digest(pairs)
    assert compute_digest([*pairs, ("extra", "row")]) != compute_digest(pairs)
    if pairs:
        assert compute_digest(pairs[1:]) != compute_digest(pairs)


def test_one_key_function_for_videos_and_buckets() -> None:
    assert resolve_partition(VIDEO, "video") == VIDEO
    ids = [f"{number:016x}" for number in range(1000)]
    keys = [resolve_partition(video_id, "bucket:7") for video_id in ids]
    assert set(keys) == set(list_bucket_keys(7))
    assert [resolve_partition(video_id, "bucket:7") for video_id in ids] == keys


@given(st.sets(st.integers(0, 30)))
def test_ranges_cover_exactly_the_wanted_keys(wanted: set[int]) -> None:
    ordered = [f"k{number}" for number in range(31)]
    ranges = find_key_ranges([f"k{number}" for number in wanted], ordered)
    covered = [key for first, last in ranges for key in ordered[ordered.index(first) : ordered.index(last) + 1]]
    assert sorted(covered) == sorted(f"k{number}" for number in wanted)
    assert len(covered) == len(set(covered))
    gaps = sum(1 for number in wanted if number + 1 not in wanted)
    assert len(ranges) == gaps


def test_an_unknown_partition_is_named() -> None:
    with pytest.raises(LakeError, match="nope"):
        find_key_ranges(["nope"], ["a"])
