"""An S3 server that errs, stalls, or sends half a body: each read and write is whole, or a clear error."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import s3fs

from ops.core.errors import StorageError
from ops.core.storage import ObjectStore
from ops.core.tables import Lake
from tests.builders.faulty_store import Fault, FaultyStore
from tests.builders.lakes import shot_rows, video_id, video_row

ROUNDS = 8


@pytest.fixture
def faulty(bucket: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyStore]:
    """A proxy before the server of ``bucket``, which clients of this process find instead."""
    with FaultyStore(target=os.environ["AWS_ENDPOINT_URL"], stall_s=0.2, seed=1).serve() as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        s3fs.S3FileSystem.clear_instance_cache()
        yield proxy


@pytest.mark.parametrize("fault", ["error", "stall", "half"])
def test_a_store_that_fails_now_and_then_loses_and_doubles_nothing(
    bucket: str, faulty: FaultyStore, fault: Fault
) -> None:
    store = ObjectStore(bucket)
    lake = Lake(store)
    faulty.share, faulty.faults = 0.3, (fault,)
    failures = 0
    for number in range(ROUNDS):
        for _ in range(10):  # a command that failed is run again
            try:
                lake.update("videos", "bucket-00000", video_id(number), [video_row(number)])
                lake.update("shots", "bucket-00000", video_id(number), shot_rows(number))
                assert len(lake.read("shots", ["bucket-00000"])) == len(shot_rows(0)) * (number + 1)
                break
            except StorageError as error:
                failures += 1
                assert "object store" in str(error)
    faulty.share = 0
    assert sorted(row["video_id"] for row in lake.read("videos").to_pylist()) == sorted(map(video_id, range(ROUNDS)))
    assert len(lake.read("shots")) == ROUNDS * len(shot_rows(0))
    assert faulty.counts.get(fault, 0) > 3, "the faults were drawn"
    assert store.list("locks") == []


@pytest.mark.parametrize("fault", ["error", "stall", "half"])
def test_a_store_that_always_fails_is_an_error_of_the_store(bucket: str, faulty: FaultyStore, fault: Fault) -> None:
    store = ObjectStore(bucket)
    store.write_bytes("a", b"whole" * 1000)
    faulty.share, faulty.faults = 1.0, (fault,)
    with pytest.raises(StorageError, match="object store"):
        store.read_bytes("a")
    faulty.share = 0
    assert store.read_bytes("a") == b"whole" * 1000
