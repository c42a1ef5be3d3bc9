"""An index on a Qdrant server grows by videos, and readers keep the version that they opened."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from qdrant_client import models

from ops.core.errors import IndexUnavailableError, VectorIndexError
from ops.core.tables import compute_digest
from ops.index import tuning
from ops.index.backends import server_versions, uploads
from ops.index.backends.server import ServerVersions
from ops.index.index import VectorIndex, open_versions
from ops.index.points import IndexRow, decode_point_id
from ops.index.publishing import publish_to
from tests.builders.strict_server import StrictServer
from tests.builders.vectors import SHOWS, clustered, rows_of

pytestmark = [
    pytest.mark.filterwarnings("ignore:Local mode performs exact:UserWarning"),
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect:UserWarning"),
]

ENCODER = "growing"
ROWS = rows_of(clustered(200, 8, per_cluster=20))  # 20 videos of ten shots
QUERY = ROWS[7].vector + np.float32(0.1)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(uploads, "GREEN_PAUSE_S", 0.001)
    monkeypatch.setattr(server_versions, "ALIASES_S", 0.0)


@pytest.fixture
def server() -> Iterator[StrictServer]:
    server = StrictServer()
    yield server
    server.close()


def list_collections(server: StrictServer) -> list[str]:
    return sorted(item.name for item in server.get_collections().collections)


def require_rows(index: VectorIndex, rows: list[IndexRow]) -> None:
    """The index has these rows and no others, by each way of reading it."""
    assert index.count() == len(rows)
    assert index.digest() == index.manifest_digest == compute_digest((row.shot_id, row.vector_hash) for row in rows)
    hits = index.search(QUERY, limit=300)
    # Scores that differ in the last bits only may be in another order than in a scan of other blocks.
    score_by_id = {row.shot_id: float(row.vector @ QUERY / np.linalg.norm(QUERY)) for row in rows}
    assert [hit.score for hit in hits] == pytest.approx(sorted(score_by_id.values(), reverse=True), abs=1e-5)
    assert {hit.shot_id: hit.score for hit in hits} == pytest.approx(score_by_id, abs=1e-5)
    payloads = {row.shot_id: row.payload for row in rows}
    assert {hit.shot_id: hit.payload for hit in hits} == payloads
    show = [row for row in rows if row.payload["show"] == SHOWS[1]]
    assert {hit.shot_id for hit in index.search(QUERY, limit=300, shows=[SHOWS[1]])} == {row.shot_id for row in show}
    assert set(index.counts("video_id")) == {row.payload["video_id"] for row in rows}
    vectors = index.vectors([row.shot_id for row in ROWS])
    assert set(vectors) == set(payloads)
    assert all(np.array_equal(vectors[row.shot_id], row.vector) for row in rows)


def change(rows: list[IndexRow]) -> list[IndexRow]:
    """Rows of one video after another cut, with other vectors."""
    return [replace(row, vector=ROWS[at + 190].vector, vector_hash=f"changed {at}") for at, row in enumerate(rows[:7])]


def test_one_more_video_writes_its_own_points_only(server: StrictServer) -> None:
    versions = ServerVersions(server, ENCODER)
    publish_to(versions, ENCODER, ROWS[:150])
    (collection, records) = list_collections(server)
    assert records == f"{collection}--videos"
    written: list[int] = []
    for count in (160, 170, 180):
        server.points.clear()
        publish_to(versions, ENCODER, ROWS[:count], on_progress=written.append)
        assert {decode_point_id(point.id)[0] for point in server.points} == {
            row.shot_id for row in ROWS[count - 10 : count]
        }
        with open_versions(versions, ENCODER) as index:
            require_rows(index, ROWS[:count])
    assert sum(written) == 30 and list_collections(server) == [collection, records]


def test_changed_and_removed_videos_take_the_place_of_the_old_ones_at_the_switch(server: StrictServer) -> None:
    versions = ServerVersions(server, ENCODER)
    publish_to(versions, ENCODER, ROWS)
    moved = [replace(row, payload={**row.payload, "show": SHOWS[1]}) for row in ROWS[20:30]]
    rows = [*change(ROWS[:10]), *ROWS[10:20], *moved, *ROWS[30:180]]
    with open_versions(versions, ENCODER) as before:
        server.points.clear()
        publish_to(versions, ENCODER, rows)
        assert len(server.points) == 17
        require_rows(before, ROWS)
    with open_versions(versions, ENCODER) as index:
        require_rows(index, rows)


def test_readers_never_see_half_a_video(server: StrictServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "BATCH", 3)
    versions = ServerVersions(server, ENCODER)
    publish_to(versions, ENCODER, ROWS[:100])
    old, rows = ROWS[:100], [*change(ROWS[:10]), *ROWS[20:110]]
    looks: list[int] = []

    def look(point: models.PointStruct) -> models.PointStruct:
        with open_versions(ServerVersions(server, ENCODER), ENCODER) as index:
            found = {hit.shot_id for hit in index.search(QUERY, limit=300, with_payload=False)}
        assert found == {row.shot_id for row in old}
        looks.append(1)
        return point

    server.spoil = look
    publish_to(versions, ENCODER, rows)
    assert len(looks) == 17
    with open_versions(versions, ENCODER) as index:
        require_rows(index, rows)


@given(steps=st.lists(st.sets(st.integers(0, 5)), min_size=2, max_size=6), forget_after=st.integers(0, 5))
@hypothesis_settings(max_examples=15, deadline=None)
def test_any_series_of_catalogues_ends_in_the_last_one(steps: list[set[int]], forget_after: int) -> None:
    """Kept versions, to which a series often goes back, stay what they were."""
    server = StrictServer()
    versions = ServerVersions(server, ENCODER)
    contents: dict[str, list[IndexRow]] = {}
    for number, videos in enumerate(steps):
        rows = [row for at, row in enumerate(ROWS[:60]) if at // 10 in videos]
        contents[publish_to(versions, ENCODER, rows)] = rows
        if number == forget_after:
            versions.drop_old()
        for version, expected in contents.items():
            if versions.has(version):
                with VectorIndex(versions, version) as index:
                    require_rows(index, expected)
    server.close()


def interrupt(versions: ServerVersions, rows: list[IndexRow], error: type[BaseException]) -> None:
    """Begin a version that continues the current one, and stop after three points."""
    passes: list[int] = []

    def read() -> Iterator[IndexRow]:
        passes.append(1)
        for at, row in enumerate(rows):
            if len(passes) == 2 and at == 3:
                raise error
            yield row

    with pytest.raises(error):
        publish_to(versions, ENCODER, read)


def test_what_an_interrupted_publisher_wrote_is_undone(server: StrictServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "BATCH", 1)
    versions = ServerVersions(server, ENCODER)
    publish_to(versions, ENCODER, ROWS[:100])
    interrupt(versions, [*change(ROWS[:10]), *ROWS[20:100]], KeyboardInterrupt)
    with open_versions(versions, ENCODER) as index:
        require_rows(index, ROWS[:100])
    rows = [*ROWS[:50], *ROWS[60:110]]
    publish_to(versions, ENCODER, rows)
    with open_versions(versions, ENCODER) as index:
        require_rows(index, rows)
    versions.drop_old()
    (collection, _) = list_collections(server)
    assert server.count(collection).count == len(rows)


def test_a_killed_publisher_keeps_its_lease_and_others_wait_until_it_ends(server: StrictServer) -> None:
    clock = [1_800_000_000.0]
    killed, other = (
        ServerVersions(server, ENCODER, holder=name, clock=lambda: clock[0]) for name in ("killed", "other")
    )
    publish_to(killed, ENCODER, ROWS[:100])
    (collection, _) = list_collections(server)
    server.update_collection(collection, metadata={"lease": killed._extend_lease()})  # as a kill leaves it
    with pytest.raises(IndexUnavailableError, match="killed is building the same version"):
        publish_to(other, ENCODER, ROWS[:110])
    clock[0] += server_versions.LEASE_S
    publish_to(other, ENCODER, ROWS[:110])
    with open_versions(killed, ENCODER) as index:
        require_rows(index, ROWS[:110])


def test_a_publisher_that_waited_for_another_one_continues_its_version(server: StrictServer) -> None:
    first, second = (ServerVersions(server, ENCODER, holder=name) for name in ("first", "second"))
    publish_to(first, ENCODER, ROWS[:100])
    take_lease, ended = second._take_lease, []

    def wait(name: str) -> None:
        if not ended:
            ended.append(publish_to(first, ENCODER, ROWS[:110]))
        take_lease(name)

    second._take_lease = wait  # type: ignore[method-assign]
    server.points.clear()
    publish_to(second, ENCODER, ROWS[:120])
    assert len(server.points) == 20
    with open_versions(first, ENCODER) as index:
        require_rows(index, ROWS[:120])


def test_of_two_publishers_that_look_at_the_same_moment_one_takes_the_lease(
    server: StrictServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one looks after the first one has looked, and before that one writes; it writes last."""
    monkeypatch.setattr(server_versions, "retry", lambda call: call())
    turn = threading.Lock()
    first, second = (ServerVersions(server, ENCODER, holder=name, take_turns=lambda: turn) for name in ("a", "b"))
    publish_to(first, ENCODER, ROWS[:100])
    (collection, _) = list_collections(server)
    has_looked, may_write, holders = threading.Event(), threading.Event(), []

    def take(versions: ServerVersions) -> None:
        with suppress(IndexUnavailableError):
            versions._take_lease(collection)
            holders.append(versions)

    other = threading.Thread(target=take, args=(second,))
    require_free = {versions: versions._require_free for versions in (first, second)}

    def look_first(name: str) -> None:
        require_free[first](name)
        if not other.ident:
            other.start()
            has_looked.wait(1)

    def look_second(name: str) -> None:
        require_free[second](name)
        has_looked.set()
        may_write.wait(10)

    first._require_free, second._require_free = look_first, look_second  # type: ignore[method-assign]
    take(first)
    may_write.set()
    other.join()
    assert holders == [first]


def test_a_version_that_becomes_current_meanwhile_is_not_deleted(
    server: StrictServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another home publishes to a new collection while this one looks for what is left over."""
    first, second = (ServerVersions(server, ENCODER, holder=name) for name in ("first", "second"))
    publish_to(first, ENCODER, ROWS[:50])
    get_collections = server.get_collections

    def publish_meanwhile() -> models.CollectionsResponse:
        monkeypatch.setattr(server, "get_collections", get_collections)
        publish_to(first, ENCODER, ROWS[100:])
        return get_collections()

    monkeypatch.setattr(server, "get_collections", publish_meanwhile)
    second._drop_unaliased()
    with open_versions(second, ENCODER) as index:
        require_rows(index, ROWS[100:])


def test_vectors_of_forgotten_videos_leave_the_server(server: StrictServer) -> None:
    versions = ServerVersions(server, ENCODER)
    publish_to(versions, ENCODER, ROWS)
    publish_to(versions, ENCODER, ROWS[10:])
    (collection, records) = list_collections(server)
    assert server.count(collection).count == len(ROWS)
    versions.drop_old()
    assert server.count(collection).count == len(ROWS) - 10 and server.count(records).count == 19
    with open_versions(versions, ENCODER) as index:
        require_rows(index, ROWS[10:])


def test_points_of_dropped_versions_are_deleted_by_and_by(server: StrictServer) -> None:
    versions = ServerVersions(server, ENCODER)
    for turn in range(8):
        changed = [replace(row, vector_hash=f"turn {turn}") for row in ROWS[:10]]
        publish_to(versions, ENCODER, [*changed, *ROWS[10:]])
    (collection, _) = list_collections(server)
    assert server.count(collection).count <= len(ROWS) + 10 * (tuning.KEPT + 1)
    manifests = (server.get_collection(collection).config.metadata or {})["versions"]
    assert len(manifests) <= tuning.KEPT + 2


def test_a_reader_of_a_deleted_version_is_told(server: StrictServer) -> None:
    versions = ServerVersions(server, ENCODER)
    publish_to(versions, ENCODER, ROWS)
    with open_versions(versions, ENCODER) as index:
        publish_to(versions, ENCODER, ROWS[:190])
        versions.drop_old()
        for read in (lambda: index.search(QUERY, limit=3), index.digest, lambda: index.counts("show")):
            with pytest.raises(VectorIndexError, match="is gone"):
                read()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda point: point.model_copy(update={"payload": {**point.payload, "vector_hash": "x"}}), "read back"),
        (lambda point: point.model_copy(update={"id": "00000000-0000-0001-0000-010000000000"}), "appears twice"),
    ],
)
def test_a_server_that_stores_other_points_is_found_before_the_switch(
    server: StrictServer, spoil: object, message: str
) -> None:
    versions = ServerVersions(server, ENCODER)
    publish_to(versions, ENCODER, ROWS[:100])
    server.spoil = spoil  # type: ignore[assignment]
    with pytest.raises(VectorIndexError, match=message):
        publish_to(versions, ENCODER, ROWS[:110])
    server.spoil = lambda point: point
    with open_versions(versions, ENCODER) as index:
        require_rows(index, ROWS[:100])
    publish_to(versions, ENCODER, ROWS[:110])
    with open_versions(versions, ENCODER) as index:
        require_rows(index, ROWS[:110])


def test_without_the_records_of_videos_everything_is_written_again(
    server: StrictServer, caplog: pytest.LogCaptureFixture
) -> None:
    versions = ServerVersions(server, ENCODER)
    publish_to(versions, ENCODER, ROWS[:100])
    server.delete_collection(list_collections(server)[1])
    server.points.clear()
    publish_to(versions, ENCODER, ROWS[:110])
    assert len(server.points) == 110 and "do not add up" in caplog.text
    with open_versions(versions, ENCODER) as index:
        require_rows(index, ROWS[:110])
    server.delete_collection(list_collections(server)[1])
