"""What every engine of the index must do: the scan in the process, and a server through its client.

The client's in-memory mode stands for the server; ``make contract QDRANT_URL=http://...`` runs the suite against a real
one, in collections called ``needle-contract--...``, which it deletes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from ops.core.errors import VectorIndexError
from ops.core.tables import compute_digest
from ops.index.backends.scan import ScanVersions
from ops.index.backends.server import ServerVersions
from ops.index.backends.server_versions import connect
from ops.index.index import VectorIndex, open_versions
from ops.index.points import IndexRow, Versions
from ops.index.publishing import publish_to
from tests.builders.vectors import SHOWS, clustered, exact_ranking, rows_of

# What the client says of its in-memory mode, which only stands for a server here.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Local mode performs exact:UserWarning"),
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect:UserWarning"),
]

DIM = 24
ROWS = rows_of(clustered(300, DIM, per_cluster=20))
ENCODER = "contract-encoder"


@pytest.fixture(params=["scan", "server"])
def versions(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Versions]:
    if request.param == "scan":
        yield ScanVersions(tmp_path / "index")
        return
    from qdrant_client import QdrantClient

    url = os.environ.get("NEEDLE_TEST_QDRANT_URL")
    client = connect(url, os.environ.get("NEEDLE_TEST_QDRANT_API_KEY", "")) if url else QdrantClient(":memory:")
    versions = ServerVersions(client, ENCODER, catalogue="contract")
    versions.drop_all()
    yield versions
    versions.drop_all()
    client.close()


@pytest.fixture
def index(versions: Versions) -> Iterator[VectorIndex]:
    publish_to(versions, ENCODER, ROWS)
    opened = open_versions(versions, ENCODER)
    yield opened
    opened.close()


def wanted_digest(rows: list[IndexRow]) -> str:
    return compute_digest((row.shot_id, row.vector_hash) for row in rows)


def query() -> np.ndarray:
    return clustered(300, DIM, per_cluster=20)[17] + np.float32(0.1)


def test_search_ranks_as_an_exact_scan_does(index: VectorIndex) -> None:
    for exact in (False, True):
        hits = index.search(query(), limit=20, exact=exact)
        assert [hit.shot_id for hit in hits] == exact_ranking(ROWS, query())[:20]
    by_id = {row.shot_id: row for row in ROWS}
    unit = query() / np.linalg.norm(query())
    for hit in hits:
        assert hit.score == pytest.approx(float(by_id[hit.shot_id].vector @ unit), abs=1e-5)
        assert hit.payload == by_id[hit.shot_id].payload
    bare = index.search(query(), limit=20, exact=True, with_payload=False)
    assert [(hit.shot_id, hit.score) for hit in bare] == [(hit.shot_id, hit.score) for hit in hits]
    assert bare[0].payload == {}


def test_the_filter_decides_before_the_search(index: VectorIndex) -> None:
    far = [row for row in ROWS if row.payload["show"] == SHOWS[1]]
    hits = index.search(query(), limit=300, shows=[SHOWS[1]])
    assert [hit.shot_id for hit in hits] == exact_ranking(far, query())
    two = index.search(query(), limit=300, shows=SHOWS[:2])
    assert {hit.payload["show"] for hit in two} == set(SHOWS[:2]) and len(two) == 60
    assert index.search(query(), limit=5, shows=["no such show"]) == []


def test_videos_and_blank_shots_can_be_filtered(index: VectorIndex) -> None:
    video = ROWS[50].payload["video_id"]
    assert {hit.payload["video_id"] for hit in index.search(query(), limit=50, videos=[video])} == {video}
    lit = index.search(query(), limit=50, videos=[video], exclude_blank=True)
    assert len(lit) == 9 and not any(hit.payload["is_blank"] for hit in lit)


def test_pages_join_to_the_whole_list(index: VectorIndex) -> None:
    whole = [hit.shot_id for hit in index.search(query(), limit=300)]
    pages = [hit.shot_id for start in range(0, 300, 7) for hit in index.search(query(), limit=7, offset=start)]
    assert pages == whole and len(set(whole)) == 300
    assert index.search(query(), limit=7, offset=300) == []


def test_ties_are_in_the_order_of_shot_ids_even_across_pages(versions: Versions) -> None:
    twins = [replace(row, vector=ROWS[0].vector) for row in ROWS]
    publish_to(versions, ENCODER, twins)
    index = open_versions(versions, ENCODER)
    pages = [hit.shot_id for start in range(0, 300, 30) for hit in index.search(query(), limit=30, offset=start)]
    assert pages == sorted(row.shot_id for row in ROWS)
    index.close()


def test_vectors_come_back_bit_for_bit(index: VectorIndex) -> None:
    stored = index.vectors([row.shot_id for row in ROWS])
    assert all(np.array_equal(stored[row.shot_id], row.vector) for row in ROWS)
    assert index.vectors(["0123456789abcdef:7"]) == {}
    assert index.count() == 300


def test_digest_is_read_back_and_equals_the_lakes(index: VectorIndex) -> None:
    assert index.digest() == wanted_digest(ROWS)


def test_the_engine_counts_shots_by_show_and_video(index: VectorIndex) -> None:
    assert index.counts("show") == dict.fromkeys(SHOWS, 30)
    assert index.counts("video_id") == {row.payload["video_id"]: 10 for row in ROWS}
    assert index.manifest_digest == index.digest()


def test_old_versions_can_be_dropped_at_once(versions: Versions) -> None:
    names = [publish_to(versions, ENCODER, ROWS[: 10 * count]) for count in range(1, 4)]
    versions.drop_old()
    assert [versions.has(name) for name in names] == [False, False, True] and versions.current() == names[-1]


def test_an_index_that_is_dropped_leaves_nothing_and_can_be_built_again(versions: Versions, index: VectorIndex) -> None:
    publish_to(versions, ENCODER, ROWS[:50])
    versions.drop_all()
    assert versions.current() is None and not versions.has(index.version)
    versions.drop_all()
    with pytest.raises(VectorIndexError, match="no index for the encoder"):
        open_versions(versions, ENCODER)
    assert publish_to(versions, ENCODER, ROWS) == index.version
    with open_versions(versions, ENCODER) as again:
        assert again.count() == len(ROWS)


def test_check_passes_on_the_same_rows_and_names_what_differs(index: VectorIndex) -> None:
    good = index.check(wanted_digest(ROWS), iter(ROWS))
    assert good.passed and good.compared == 100 and good.worst_difference == 0 and good.rows == 300
    more = [*ROWS, replace(ROWS[0], shot_id="ffffffffffffffff:0")]
    assert "other rows than the lake" in index.check(wanted_digest(more), iter(more)).problems[0]
    # The ids and hashes agree and the vectors do not: only reading back finds it.
    turned = [replace(row, vector=-row.vector) for row in ROWS]
    assert "vectors read back differ" in index.check(wanted_digest(ROWS), iter(turned)).problems[0]


def test_sample_leaves_blank_shots_out_and_scores_are_cosines(index: VectorIndex) -> None:
    assert index.sample.shape == (270, DIM) and index.sample.dtype == np.float32
    lit = np.stack([row.vector for row in ROWS if not row.payload["is_blank"]])
    expected = np.sort(lit @ (query() / np.linalg.norm(query())))
    np.testing.assert_allclose(np.sort(index.sample_scores(query())), expected, atol=1e-5)


def test_publishing_the_same_rows_is_a_no_op_in_any_order(versions: Versions) -> None:
    told: list[int] = []
    first = publish_to(versions, ENCODER, ROWS, on_progress=told.append)
    assert sum(told) == 300
    assert publish_to(versions, ENCODER, lambda: iter(ROWS[::-1]), on_progress=told.append) == first
    assert publish_to(versions, ENCODER, iter(ROWS), on_progress=told.append) == first
    assert sum(told) == 300, "no row was written again"


def test_another_payload_is_another_version(versions: Versions) -> None:
    first = publish_to(versions, ENCODER, ROWS)
    moved = [replace(ROWS[0], payload={**ROWS[0].payload, "show": "Renamed"}), *ROWS[1:]]
    assert publish_to(versions, ENCODER, moved) != first
    index = open_versions(versions, ENCODER)
    assert [hit.shot_id for hit in index.search(query(), limit=5, shows=["Renamed"])] == [ROWS[0].shot_id]
    index.close()


def test_a_reader_keeps_its_version_and_is_told_of_newer_ones(index: VectorIndex, versions: Versions) -> None:
    before = index.search(query(), limit=10)
    publish_to(versions, ENCODER, ROWS[:100])
    assert not index.is_current()
    assert index.search(query(), limit=10) == before
    with open_versions(versions, ENCODER) as newer:
        assert newer.is_current() and newer.count() == 100


def test_going_back_to_a_kept_version_only_switches(versions: Versions) -> None:
    first = publish_to(versions, ENCODER, ROWS)
    publish_to(versions, ENCODER, ROWS[:100])
    told: list[int] = []
    assert publish_to(versions, ENCODER, ROWS, on_progress=told.append) == first == versions.current()
    assert not told


def test_the_current_version_and_two_older_ones_are_kept(versions: Versions) -> None:
    names = [publish_to(versions, ENCODER, ROWS[: 10 * count]) for count in range(1, 6)]
    assert [versions.has(name) for name in names] == [False, False, True, True, True]
    assert versions.current() == names[-1]
    with pytest.raises(VectorIndexError, match="is gone"):
        versions.open(names[0])


def test_a_failed_build_leaves_the_current_version_and_no_other(versions: Versions) -> None:
    first = publish_to(versions, ENCODER, ROWS)

    class StopError(Exception):
        pass

    passes = []

    def rows() -> Iterator[IndexRow]:
        passes.append(1)
        yield from ROWS[:150]
        if len(passes) == 2:
            raise StopError
        yield from ()

    with pytest.raises(StopError):
        publish_to(versions, ENCODER, rows)
    assert versions.current() == first
    passes.append(3)
    assert open_versions(versions, ENCODER).count() == 300
    again = publish_to(versions, ENCODER, rows)
    assert versions.current() == again and open_versions(versions, ENCODER).count() == 150


def test_rows_that_change_meanwhile_are_read_again(versions: Versions) -> None:
    passes: list[int] = []

    def rows() -> Iterator[IndexRow]:
        passes.append(1)
        return iter(ROWS[: 50 if len(passes) == 1 else 60])

    publish_to(versions, ENCODER, rows)
    assert len(passes) == 4 and open_versions(versions, ENCODER).count() == 60


def test_rows_that_never_stand_still_are_refused(versions: Versions) -> None:
    passes: list[int] = []

    def rows() -> Iterator[IndexRow]:
        passes.append(1)
        return iter(ROWS[: len(passes)])

    with pytest.raises(VectorIndexError, match="changed during each"):
        publish_to(versions, ENCODER, rows)
    assert versions.current() is None


def test_an_empty_catalogue_is_a_version_like_any_other(versions: Versions) -> None:
    publish_to(versions, ENCODER, ROWS[:5])
    publish_to(versions, ENCODER, [])
    index = open_versions(versions, ENCODER)
    assert index.count() == 0 and not index.counts("show") and index.search(query(), limit=5) == []
    assert index.check(wanted_digest([]), []).passed and len(index.sample_scores(query())) == 0
    index.close()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"vector": ROWS[0].vector[:-1].copy()}, "vector of shape"),
        ({"vector": ROWS[0].vector * np.float32(2)}, "unit length"),
        ({"vector": ROWS[0].vector * np.float32("nan")}, "unit length"),
        ({"shot_id": "not a shot"}, "is not a shot id"),
        ({"shot_id": ROWS[1].shot_id}, "appears twice"),
    ],
)
def test_rows_that_cannot_be_right_are_refused(versions: Versions, change: dict[str, object], message: str) -> None:
    with pytest.raises(VectorIndexError, match=message):
        publish_to(versions, ENCODER, [*ROWS[1:20], replace(ROWS[0], **change)])  # type: ignore[arg-type]
    assert versions.current() is None


def test_a_query_that_does_not_fit_is_refused(index: VectorIndex) -> None:
    for vector in (np.zeros(DIM, np.float32), np.full(DIM, np.nan, np.float32), np.ones(DIM + 1, np.float32)):
        with pytest.raises(VectorIndexError):
            index.search(vector, limit=5)
    for paging in ({"limit": 0}, {"limit": 3, "offset": -1}):
        with pytest.raises(VectorIndexError, match="limit is at least 1"):
            index.search(query(), **paging)


def test_before_the_first_version_the_error_tells_what_to_do(versions: Versions) -> None:
    assert versions.current() is None and not versions.has("v1-0-0000000000000000")
    with pytest.raises(VectorIndexError, match="run `needle ingest"):
        open_versions(versions, ENCODER)
