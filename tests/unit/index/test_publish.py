"""The index of a home: zero writes, several processes, kills, broken files, and settings."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ops.core.errors import VectorIndexError
from ops.core.settings import Settings, load_settings
from ops.core.tables import compute_digest
from ops.index import tuning
from ops.index.backends.server import ServerVersions
from ops.index.backends.server_versions import connect
from ops.index.index import open_index, read_current_version
from ops.index.points import MAX_GENERATION, IndexRow, decode_point_id, encode_point_id
from ops.index.publishing import publish
from tests.builders.vectors import clustered, rows_of

DIM = 16
ROWS = rows_of(clustered(200, DIM, per_cluster=20))
ENCODER = "unit-encoder"
SPAWN = multiprocessing.get_context("spawn")


def state_of(folder: Path) -> dict[str, tuple[int, int, int]]:
    """(inode, size, time of last change) of everything below a folder."""
    return {
        str(path.relative_to(folder)): (stat.st_ino, stat.st_size, stat.st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if (stat := path.lstat())
    }


def test_a_second_publication_writes_nothing(settings: Settings) -> None:
    version = publish(settings, ENCODER, lambda: iter(ROWS))
    before = state_of(settings.home)
    assert publish(settings, ENCODER, lambda: iter(ROWS)) == version == read_current_version(settings, ENCODER)
    assert state_of(settings.home) == before


def test_the_name_depends_on_content_alone(settings: Settings, tmp_path: Path) -> None:
    other = load_settings(home=tmp_path / "other")
    assert publish(settings, ENCODER, ROWS) == publish(other, ENCODER, ROWS[::-1])
    assert read_current_version(other, "another-encoder") is None


def test_the_manifest_tells_what_the_version_is(settings: Settings) -> None:
    version = publish(settings, ENCODER, ROWS)
    folder = settings.home / "index" / ENCODER
    assert os.readlink(folder / "current") == f"versions/{version}"
    manifest = json.loads((folder / "current" / "manifest.json").read_text())
    assert manifest.pop("created").endswith("+00:00")
    assert manifest == {
        "schema": tuning.RECIPE,
        "version": version,
        "encoder_id": ENCODER,
        "dim": DIM,
        "rows": 200,
        "digest": compute_digest((row.shot_id, row.vector_hash) for row in ROWS),
    }


def test_a_version_that_is_read_is_not_dropped(settings: Settings) -> None:
    first = publish(settings, ENCODER, ROWS)
    with open_index(settings, ENCODER) as index:
        for count in (10, 20, 30, 40):
            publish(settings, ENCODER, ROWS[:count])
        assert index.digest() == compute_digest((row.shot_id, row.vector_hash) for row in ROWS)
        folder = settings.home / "index" / ENCODER / "versions"
        assert first in {path.name for path in folder.iterdir()}
    publish(settings, ENCODER, ROWS[:50])
    kept = {path.name for path in folder.iterdir()}
    assert first not in kept and len(kept) == 1 + tuning.KEPT
    with pytest.raises(VectorIndexError, match="closed"):
        index.search(ROWS[0].vector, limit=1)


def _read_in_a_loop(home: str, seconds: float, results: multiprocessing.Queue[str]) -> None:
    settings = load_settings(home=home)
    deadline = time.monotonic() + seconds
    seen = 0
    while time.monotonic() < deadline:
        with open_index(settings, ENCODER) as index:
            hits = index.search(ROWS[3].vector, limit=5)
            if hits[0].shot_id != ROWS[3].shot_id or len(hits) != 5:
                results.put(f"wrong hits in {index.version}")
                return
        seen += 1
    results.put("" if seen else "nothing was opened")


def test_readers_in_other_processes_survive_a_stream_of_versions(settings: Settings) -> None:
    publish(settings, ENCODER, ROWS)
    results: multiprocessing.Queue[str] = SPAWN.Queue()
    readers = [SPAWN.Process(target=_read_in_a_loop, args=(str(settings.home), 4.0, results)) for _ in range(3)]
    for reader in readers:
        reader.start()
    deadline = time.monotonic() + 6
    count = 10
    while time.monotonic() < deadline and any(reader.is_alive() for reader in readers):
        count = count + 1 if count < 190 else 10
        publish(settings, ENCODER, ROWS[:count])
        time.sleep(0.02)
    told = [results.get(timeout=180) for _ in readers]
    for reader in readers:
        reader.join(60)
    assert told == ["", "", ""]


def _publish(home: str, start: float, count: int) -> None:
    time.sleep(max(0.0, start - time.time()))
    publish(load_settings(home=home), ENCODER, ROWS[:count])


def test_publishers_wait_for_each_other(settings: Settings) -> None:
    start = time.time() + 3
    publishers = [SPAWN.Process(target=_publish, args=(str(settings.home), start, count)) for count in (200, 200, 120)]
    for publisher in publishers:
        publisher.start()
    for publisher in publishers:
        publisher.join(180)
    assert [publisher.exitcode for publisher in publishers] == [0, 0, 0]
    with open_index(settings, ENCODER) as index:
        assert index.count() in (120, 200)
    assert not list((settings.home / "index" / ENCODER).glob("building-*"))


def _publish_slowly(home: str, ready: str) -> None:
    def rows() -> Iterator[IndexRow]:
        yield from ROWS
        if passes:
            Path(ready).touch()
            time.sleep(60)
        passes.append(1)

    passes: list[int] = []
    publish(load_settings(home=home), ENCODER, rows)


def test_a_kill_costs_only_the_building_folder(settings: Settings, tmp_path: Path) -> None:
    first = publish(settings, ENCODER, ROWS[:50])
    ready = tmp_path / "ready"
    publisher = SPAWN.Process(target=_publish_slowly, args=(str(settings.home), str(ready)))
    publisher.start()
    deadline = time.monotonic() + 180
    while not ready.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert publisher.pid
    os.kill(publisher.pid, signal.SIGKILL)
    publisher.join(180)
    folder = settings.home / "index" / ENCODER
    assert list(folder.glob("building-*")), "it was killed while it built"
    assert read_current_version(settings, ENCODER) == first
    second = publish(settings, ENCODER, ROWS)
    assert read_current_version(settings, ENCODER) == second != first
    assert not list(folder.glob("building-*"))


@pytest.mark.parametrize("damage", ["truncated", "manifest gone", "shard gone"])
def test_a_broken_version_is_named_and_can_be_rebuilt(settings: Settings, damage: str) -> None:
    version = publish(settings, ENCODER, ROWS)
    folder = settings.home / "index" / ENCODER / "versions" / version
    if damage == "truncated":
        for path in folder.rglob("*.i8"):
            os.truncate(path, path.stat().st_size // 3)
    elif damage == "manifest gone":
        (folder / "manifest.json").unlink()
    else:
        (folder / "shard").rename(folder / "elsewhere")
    with pytest.raises(VectorIndexError, match="`needle doctor --repair` builds it again"):
        open_index(settings, ENCODER).search(ROWS[0].vector, limit=1)


def test_a_version_of_an_earlier_layout_does_not_count_and_is_replaced(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(settings, ENCODER, ROWS)
    monkeypatch.setattr(tuning, "RECIPE", tuning.RECIPE + 1)
    assert read_current_version(settings, ENCODER) is None
    with pytest.raises(VectorIndexError, match="run `needle ingest"):
        open_index(settings, ENCODER)
    version = publish(settings, ENCODER, ROWS)
    with open_index(settings, ENCODER) as index:
        assert index.version == version and index.count() == len(ROWS)


def test_asking_what_is_current_writes_nothing(settings: Settings) -> None:
    publish(settings, ENCODER, ROWS)
    open_index(settings, ENCODER).close()
    before = state_of(settings.home)
    with open_index(settings, ENCODER) as index:
        assert index.is_current() and index.count() == 200 and index.manifest_digest
    assert state_of(settings.home) == before


def test_point_ids_are_reversible_and_ordered_like_the_footage() -> None:
    ids = [
        encode_point_id(f"{video}:{frame}", generation)
        for video in ("0000000000000001", "ffffffffffffffff")
        for generation in (1, MAX_GENERATION)
        for frame in (0, 9, 10)
    ]
    assert ids == sorted(ids) and len(set(ids)) == 12
    last = [("ffffffffffffffff:9", MAX_GENERATION), ("ffffffffffffffff:10", MAX_GENERATION)]
    assert [decode_point_id(str(point_id)) for point_id in ids[-2:]] == last
    for text in ("", "film.mp4", "0123456789ABCDEF:1", "0123456789abcdef:-1", "0123456789abcdef:" + "9" * 30):
        with pytest.raises(VectorIndexError, match="is not a shot id"):
            encode_point_id(text)


@pytest.mark.parametrize("encoder_id", ["../escape", "a/b", ".hidden", "a\x00b"])
def test_an_encoder_id_cannot_leave_the_index_folder(settings: Settings, encoder_id: str) -> None:
    with pytest.raises(VectorIndexError, match="cannot name an index folder"):
        publish(settings, encoder_id, ROWS)


def test_a_server_that_is_not_there_is_an_index_error_without_the_key(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = load_settings(home=tmp_path, qdrant_url="http://127.0.0.1:9", qdrant_api_key="s3cret-key")
    with (
        caplog.at_level(logging.DEBUG),
        pytest.raises(VectorIndexError, match=r"127\.0\.0\.1:9.*NEEDLE_QDRANT_URL") as caught,
    ):
        open_index(settings, ENCODER)
    assert "s3cret-key" not in str(caught.value) + caplog.text
    connect("http://127.0.0.1:9", "").close()


def test_collections_of_odd_encoder_ids_are_told_apart() -> None:
    client = connect("http://127.0.0.1:9", "")
    names = [ServerVersions(client, encoder_id).alias for encoder_id in ("a/b", "a:b", "a-b")]
    client.close()
    assert len(set(names)) == 3 and names[2] == "needle-default--a-b"
    assert all(character not in name for name in names for character in '/:<>"|?*\\')


def test_importing_the_room_loads_neither_engine() -> None:
    import subprocess

    heavy = ("tantivy", "qdrant_client", "numkong", "torch")
    code = f"import sys, ops.index.index; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_search_from_several_threads(settings: Settings) -> None:
    from concurrent.futures import ThreadPoolExecutor

    publish(settings, ENCODER, ROWS)
    with open_index(settings, ENCODER) as index, ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda row: index.search(row.vector, limit=1)[0].shot_id, ROWS))
    assert found == [row.shot_id for row in ROWS]


def test_a_sample_of_a_larger_catalogue_and_its_recall(settings: Settings) -> None:
    generated = clustered(6_040, 32, per_cluster=100)
    vectors, queries = generated[:-40], generated[-40:]
    rows = rows_of(vectors)
    publish(settings, ENCODER, rows)
    with open_index(settings, ENCODER) as index:
        for exact in (False, True):
            right = [
                len({h.shot_id for h in index.search(q, limit=10, exact=exact)} & _best(rows, vectors, q))
                for q in queries
            ]
            assert np.mean(right) == 10
        assert index.sample.shape == (len(index.sample), 32) and 1700 <= len(index.sample) <= tuning.SAMPLE


def _best(rows: list[IndexRow], vectors: np.ndarray, query: np.ndarray) -> set[str]:
    return {rows[at].shot_id for at in np.argsort(-(vectors @ query))[:10]}
