"""Writing to a Qdrant server: limits of requests, retries, settings of collections, and the switch when it is done."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from qdrant_client import models

from ops.core.errors import IndexUnavailableError, SettingsError, VectorIndexError
from ops.core.qdrant_options import QdrantOptions, parse_qdrant_options
from ops.core.settings import load_settings
from ops.index import tuning
from ops.index.backends import server_versions, uploads
from ops.index.backends.server import ServerVersions
from ops.index.index import open_versions
from ops.index.publishing import publish_to
from tests.builders.strict_server import MAX_REQUEST_BYTES, StrictServer
from tests.builders.vectors import clustered, rows_of

pytestmark = [
    pytest.mark.filterwarnings("ignore:Local mode performs exact:UserWarning"),
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect:UserWarning"),
]

ENCODER = "strict"
ROWS = rows_of(clustered(120, 8, per_cluster=20))


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(uploads, "GREEN_PAUSE_S", 0.001)


@pytest.fixture
def server() -> Iterator[StrictServer]:
    server = StrictServer()
    yield server
    server.close()


def make_points(count: int, dim: int, text: str) -> list[models.PointStruct]:
    """Points whose JSON is as long as it gets: numbers with all digits."""
    vectors = (-np.random.default_rng(1).random((count, dim)) * 1e-5).astype(np.float32).tolist()
    return [models.PointStruct(id=at, vector=vector, payload={"show": text}) for at, vector in enumerate(vectors)]


@pytest.mark.parametrize(("dim", "text"), [(8, "a"), (512, "\u0001" * 3000), (1664, "名" * 2000), (65_536, "a")])
def test_requests_stay_below_the_limit_at_any_dimension(dim: int, text: str) -> None:
    points = make_points(40 if dim > 10_000 else 300, dim, text)
    batches = list(uploads.split_by_size(points))
    assert [point.id for batch in batches for point in batch] == [point.id for point in points]
    for batch in batches:
        body = models.PointsList(points=batch).model_dump_json().encode()
        assert len(body) <= sum(map(uploads.estimate_bytes, batch)) <= uploads.REQUEST_BYTES < MAX_REQUEST_BYTES


def test_a_busy_server_is_tried_again_and_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "BATCH", 10)
    server = StrictServer(busy=3)
    versions = ServerVersions(server, ENCODER)
    publish_to(versions, ENCODER, ROWS)
    with open_versions(versions, ENCODER) as index:
        assert index.count() == len(ROWS) and index.digest() == index.manifest_digest
    server.close()


def test_a_server_that_stays_busy_is_reported_and_the_version_is_not_published() -> None:
    server = StrictServer(busy=1000)
    versions = ServerVersions(server, ENCODER)
    with pytest.raises(IndexUnavailableError, match="cannot be used"):
        publish_to(versions, ENCODER, ROWS)
    assert versions.current() is None and len(server.request_bytes) == uploads.ATTEMPTS
    server.close()


def test_the_switch_waits_until_the_collection_is_optimised() -> None:
    server = StrictServer(yellow=5)
    publish_to(ServerVersions(server, ENCODER), ENCODER, ROWS)
    assert server.green_at_switch
    server.close()


def test_a_collection_that_never_gets_green_is_not_published(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "GREEN_TIMEOUT_S", 0.01)
    server = StrictServer(yellow=10**6)
    versions = ServerVersions(server, ENCODER)
    with pytest.raises(IndexUnavailableError, match="does not finish the index"):
        publish_to(versions, ENCODER, ROWS)
    assert versions.current() is None
    server.close()


def test_options_reach_the_collection() -> None:
    server = StrictServer(nodes=3)
    options = parse_qdrant_options("shards=6, replicas=3, consistency=2, on_disk=yes, uploads=2")
    publish_to(ServerVersions(server, ENCODER, options=options), ENCODER, ROWS)
    made = server.creation
    assert (made["shard_number"], made["replication_factor"], made["write_consistency_factor"]) == (6, 3, 2)
    assert made["vectors"]["on_disk"] and made["hnsw_config"]["on_disk"] and made["on_disk_payload"]
    assert made["quantization_config"]["scalar"]["always_ram"]
    server.close()


def test_by_default_the_server_decides(server: StrictServer) -> None:
    publish_to(ServerVersions(server, ENCODER, options=QdrantOptions(quantisation="none")), ENCODER, ROWS)
    assert not {"shard_number", "replication_factor", "quantization_config"} & server.creation.keys()


def test_what_the_server_refuses_is_an_error_with_its_reason(server: StrictServer) -> None:
    versions = ServerVersions(server, ENCODER, options=QdrantOptions(replicas=2, consistency=2))
    with pytest.raises(VectorIndexError, match="write consistency 2 cannot be reached"):
        publish_to(versions, ENCODER, ROWS)


def test_aliases_are_asked_once_per_interval(server: StrictServer, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_to(ServerVersions(server, ENCODER), ENCODER, ROWS)
    versions = ServerVersions(server, ENCODER)
    before = server.alias_looks
    with monkeypatch.context() as patch, open_versions(versions, ENCODER) as index:
        patch.setattr(server_versions, "ALIASES_S", 600.0)  # longer than any machine needs for 20 queries
        for row in ROWS[:20]:
            assert index.is_current() and index.search(row.vector, limit=1)
    assert server.alias_looks - before <= 2
    other = publish_to(ServerVersions(server, ENCODER), ENCODER, ROWS[:50])
    versions._known_places = (float("-inf"), ())  # the interval is over
    assert versions.current() == other


@pytest.mark.parametrize("text", ["shards", "shards=0", "size=3", "replicas=1,consistency=2", "shards=1,shards=2"])
def test_options_that_cannot_be_are_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEEDLE_QDRANT_OPTIONS", text)
    with pytest.raises(SettingsError, match="NEEDLE_QDRANT_OPTIONS"):
        load_settings()
