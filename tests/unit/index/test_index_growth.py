"""An index grows by the points of the videos that changed; its answers are those of an index that is built whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ops.core.errors import DamagedTableError, VectorIndexError
from ops.core.settings import Settings
from ops.core.tables import compute_digest
from ops.core.types import SilentProgress
from ops.index import tuning
from ops.index.backends import scan
from ops.index.backends.scan import ScanVersions
from ops.index.build import build_index, check_index, index_is_current
from ops.index.index import VectorIndex, open_index, open_versions
from ops.index.points import IndexRow, Wanted
from ops.index.publishing import merge_index, publish, publish_to
from tests.builders.lakes import ENCODER as LAKE_ENCODER
from tests.builders.lakes import fill, shot_rows, vector_rows, video_id, video_row
from tests.builders.vectors import SHOWS, clustered, exact_ranking, rows_of

DIM = 24
ROWS = rows_of(clustered(400, DIM, per_cluster=20))  # 40 videos of ten shots
ENCODER = "growing"
QUERY = ROWS[7].vector + np.float32(0.1)


def list_segments(versions: ScanVersions) -> list[Path]:
    shard = versions.folder / "current" / "shard"
    return sorted(path for path in shard.iterdir() if path.is_dir())


def require_rows(index: VectorIndex, rows: list[IndexRow]) -> None:
    """The index has these rows and no others, by each way of reading it."""
    assert index.count() == len(rows)
    assert index.digest() == index.manifest_digest == compute_digest((row.shot_id, row.vector_hash) for row in rows)
    ranking = exact_ranking(rows, QUERY)
    for exact in (False, True):
        assert [hit.shot_id for hit in index.search(QUERY, limit=len(rows), exact=exact)] == ranking
    assert [hit.shot_id for hit in index.search(QUERY, limit=10)] == ranking[:10]
    show = [row for row in rows if row.payload["show"] == SHOWS[1]]
    hits = index.search(QUERY, limit=len(rows), shows=[SHOWS[1]])
    assert [hit.shot_id for hit in hits] == exact_ranking(show, QUERY)
    videos = {row.payload["video_id"] for row in rows}
    assert set(index.counts("video_id")) == videos
    vectors = index.vectors([row.shot_id for row in ROWS])
    assert set(vectors) == {row.shot_id for row in rows}
    assert all(np.array_equal(vectors[row.shot_id], row.vector) for row in rows)
    lit = [row for row in rows if not row.payload["is_blank"]]
    assert np.array_equal(index.sample, np.stack([row.vector for row in sorted(lit, key=lambda row: row.shot_id)]))


def test_points_are_the_same_in_files_of_many_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "BATCH", 7)
    versions = ScanVersions(tmp_path / "index")
    publish_to(versions, ENCODER, ROWS[:395])
    publish_to(versions, ENCODER, ROWS)
    with open_versions(versions, ENCODER) as index:
        require_rows(index, ROWS)
        segment = index._points.parts[0].segment  # type: ignore[attr-defined]
        assert len(segment._chunks) > 50
        for rows in ([], [0], [6, 7], [3, 20, 21, 300], list(range(segment.count))):
            points = segment.read_points(np.array(rows, np.int64), vectors=True)
            assert [point.shot_id for point in points] == segment.list_ids(np.array(rows, np.int64))


@pytest.mark.parametrize("cores", [1, 2, 3, 64])
def test_threads_of_a_scan_find_what_one_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cores: int) -> None:
    """Two segments, one with dropped points, and equal vectors on both sides of a border."""
    monkeypatch.setattr(scan, "count_cores", lambda: cores)
    monkeypatch.setattr(tuning, "CHUNK", 16)
    monkeypatch.setattr(tuning, "CHUNKS_A_THREAD", 1)
    rows = [replace(row, vector=ROWS[5].vector) if at in (5, 150, 290, 380) else row for at, row in enumerate(ROWS)]
    versions = ScanVersions(tmp_path / "index")
    publish_to(versions, ENCODER, rows[:300])
    publish_to(versions, ENCODER, rows[20:])
    with open_versions(versions, ENCODER) as index:
        require_rows(index, rows[20:])


def test_one_more_video_writes_its_own_points_only(tmp_path: Path) -> None:
    versions = ScanVersions(tmp_path / "index")
    publish_to(versions, ENCODER, ROWS[:300])
    (first,) = list_segments(versions)
    inode = (first / "vectors.f32").stat().st_ino
    written: list[int] = []
    for count in (310, 320):
        publish_to(versions, ENCODER, ROWS[:count], on_progress=written.append)
        with open_versions(versions, ENCODER) as index:
            require_rows(index, ROWS[:count])
    assert sum(written) == 20
    big, small = list_segments(versions)
    assert (big / "vectors.f32").stat().st_ino == inode
    assert (small / "vectors.f32").stat().st_size == 20 * DIM * 4  # the two small segments were merged


def test_changed_and_removed_videos_are_hidden_until_a_merge(tmp_path: Path) -> None:
    versions = ScanVersions(tmp_path / "index")
    publish_to(versions, ENCODER, ROWS)
    moved = [replace(row, payload={**row.payload, "show": SHOWS[1]}) for row in ROWS[:10]]
    fresh = [replace(ROWS[at], vector=ROWS[at + 100].vector, vector_hash=f"new {at}") for at in range(10, 15)]
    rows = [*moved, *fresh, *ROWS[20:380]]  # the second video is shorter, too, and the last two are gone
    publish_to(versions, ENCODER, rows)
    with open_versions(versions, ENCODER) as index:
        require_rows(index, rows)
        assert len(list_segments(versions)) == 2
        version = versions.current()
        assert version and versions.merge(version) and versions.current() == version
        require_rows(index, rows)  # it has the merged files open still
    (segment,) = list_segments(versions)
    assert (segment / "vectors.f32").stat().st_size == len(rows) * DIM * 4
    with open_versions(versions, ENCODER) as index:
        require_rows(index, rows)
    assert not versions.merge(version)


def test_dropping_old_versions_removes_the_vectors_of_removed_videos(tmp_path: Path) -> None:
    versions = ScanVersions(tmp_path / "index")
    publish_to(versions, ENCODER, ROWS)
    publish_to(versions, ENCODER, ROWS[10:])
    secret = ROWS[3].vector.tobytes()
    files = [path for path in versions.folder.rglob("*.f32") if secret in path.read_bytes()]
    assert len(files) == 2  # the old version, and the new one by a hard link
    old = next(name.name for name in (versions.folder / "versions").iterdir() if name.name != versions.current())
    with closing(versions.open(old)) as reader:
        versions.drop_old()
        with pytest.raises(VectorIndexError):
            reader.query(ROWS[3].vector.tolist(), 5, Wanted(), exact=False)
    assert not [path for path in versions.folder.rglob("*.f32") if secret in path.read_bytes()]
    with open_versions(versions, ENCODER) as index:
        require_rows(index, ROWS[10:])


def test_the_number_of_segments_grows_by_the_logarithm(tmp_path: Path) -> None:
    versions = ScanVersions(tmp_path / "index")
    for count in range(200, 400, 10):
        publish_to(versions, ENCODER, ROWS[:count])
        assert len(list_segments(versions)) <= 6
    with open_versions(versions, ENCODER) as index:
        require_rows(index, ROWS[:390])


def test_large_merges_wait_for_the_schedule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "MERGE_POINTS", 15)
    versions = ScanVersions(tmp_path / "index")
    for count in (200, 210, 220, 230):
        publish_to(versions, ENCODER, ROWS[:count])
    assert len(list_segments(versions)) == 4


@given(steps=st.lists(st.sets(st.integers(0, 11)), min_size=2, max_size=5), merge_after=st.integers(0, 5))
@hypothesis_settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_series_of_catalogues_ends_in_the_last_one(
    steps: list[set[int]], merge_after: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    versions = ScanVersions(tmp_path_factory.mktemp("series") / "index")
    for number, videos in enumerate(steps):
        rows = [row for at, row in enumerate(ROWS[:120]) if at // 10 in videos]
        version = publish_to(versions, ENCODER, rows)
        if number == merge_after:
            versions.merge(version)
        with open_versions(versions, ENCODER) as index:
            assert index.digest() == compute_digest((row.shot_id, row.vector_hash) for row in rows)
            assert [hit.shot_id for hit in index.search(QUERY, limit=120)] == exact_ranking(rows, QUERY) if rows else 1


def test_a_killed_merge_and_a_killed_update_leave_the_old_state(settings: Settings) -> None:
    version = publish(settings, ENCODER, ROWS[:300])
    shard = settings.home / "index" / ENCODER / "versions" / version / "shard"
    (shard / "000009").mkdir()
    (shard / "000009" / "vectors.f32").write_bytes(b"half")  # as a killed merge leaves it

    def stop() -> Iterator[IndexRow]:
        passes.append(1)
        yield from ROWS[:305]
        if len(passes) == 2:
            raise KeyboardInterrupt

    passes: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        publish(settings, ENCODER, stop)
    with open_index(settings, ENCODER) as index:
        require_rows(index, ROWS[:300])
    publish(settings, ENCODER, ROWS[:310])
    assert merge_index(settings, ENCODER)
    with open_index(settings, ENCODER) as index:
        require_rows(index, ROWS[:310])
    assert not list((settings.home / "index" / ENCODER).glob("building-*"))


@pytest.mark.parametrize("outliers", [0, 3])
def test_exact_is_exact_for_vectors_that_codes_describe_badly(tmp_path: Path, outliers: int) -> None:
    """Some encoders have a few components that are much larger than the others."""
    vectors = np.random.default_rng(1).standard_normal((3000, 64)).astype(np.float32)
    vectors[:, :outliers] *= 60
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = rows_of(vectors)
    versions = ScanVersions(tmp_path / "index")
    publish_to(versions, ENCODER, rows)
    query = np.random.default_rng(2).standard_normal(64).astype(np.float32)
    query[:outliers] = 0
    with open_versions(versions, ENCODER) as index:
        found = [hit.shot_id for hit in index.search(query, limit=10, exact=True)]
        assert found == exact_ranking(rows, query)[:10]
        recall = len(set(found) & {hit.shot_id for hit in index.search(query, limit=10)})
        assert recall >= (10 if not outliers else 5)


def fill_lake(settings: Settings) -> None:
    fill(settings)
    build_index(settings, LAKE_ENCODER, SilentProgress())


@pytest.mark.home(fill=fill_lake)
def test_a_partition_that_did_not_change_is_not_read_again(settings: Settings) -> None:
    path = Path(settings.lake.path(f"shot_embeddings/{LAKE_ENCODER}/{video_id(0)}.parquet"))
    before, stat = path.read_bytes(), path.stat()
    path.write_bytes(b"x" * len(before))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert index_is_current(settings, LAKE_ENCODER)
    settings.lake.write("videos", video_id(7), [video_row(7)])
    settings.lake.write("shots", video_id(7), shot_rows(7))
    settings.lake.write(f"shot_embeddings/{LAKE_ENCODER}", video_id(7), vector_rows(7))
    assert not index_is_current(settings, LAKE_ENCODER)
    report = build_index(settings, LAKE_ENCODER, SilentProgress())
    assert report.changed and report.rows == 4 * 4
    assert build_index(settings, LAKE_ENCODER, SilentProgress()).changed == 0
    (settings.home / "cache" / "index" / f"{LAKE_ENCODER}.json").unlink()
    with pytest.raises(DamagedTableError):
        index_is_current(settings, LAKE_ENCODER)
    path.write_bytes(before)
    assert check_index(settings, LAKE_ENCODER).passed
