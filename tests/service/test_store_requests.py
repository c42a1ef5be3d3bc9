"""Requests that an S3 store needs: one for each thing that is asked."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from ops.core.storage import ObjectStore


class RequestLog(logging.Handler):
    """The HTTP methods of the requests that the server logs."""

    def __init__(self) -> None:
        super().__init__()
        self.methods: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        match = re.search(r"(HEAD|GET|PUT|POST|DELETE) /", record.getMessage())
        assert match, record.getMessage()
        self.methods.append(match[1])


@contextmanager
def count_requests() -> Iterator[list[str]]:
    """The HTTP methods of the requests in the block."""
    log, logger = RequestLog(), logging.getLogger("werkzeug")
    logger.addHandler(log)
    try:
        yield log.methods
    finally:
        logger.removeHandler(log)


@pytest.mark.parametrize("folder", ["", "/needle", "/a/deep prefix"])
def test_each_question_is_one_request(bucket: str, folder: str) -> None:
    store = ObjectStore(bucket + folder)
    store.write_bytes("lake/videos/a.parquet", b"one")
    store.write_bytes("lake/videos/[b]*.parquet", b"two")
    store.write_bytes("lakeside/c.parquet", b"three")
    keys = ["lake/videos/[b]*.parquet", "lake/videos/a.parquet"]
    with count_requests() as requests:
        assert store.read_bytes("lake/videos/a.parquet") == b"one"
        assert requests == ["GET"]
        assert store.list("lake") == sorted(keys) and sorted(store.stats("lake")) == sorted(keys)
        assert requests[1:] == ["GET"] * 2
        assert store.list("nothing") == store.list("lake/videos/a.parquet") == []
        assert store.stats("nothing") == {}
        assert requests[3:] == ["GET"] * 3
        assert store.exists(keys[0]) and not store.exists("lake") and not store.exists("lake/nothing")
        assert store.stat("lake/videos/a.parquet") == store.stats("lake")["lake/videos/a.parquet"]
        assert requests[6:] == ["HEAD"] * 4 + ["GET"]
        store.delete("lake/nothing")
        assert requests[11:] == ["DELETE"]
    assert store.list() == sorted([*keys, "lakeside/c.parquet"])
    store.delete_tree("lake")
    store.delete_tree("lake")
    assert store.list() == ["lakeside/c.parquet"]
    with pytest.raises(FileNotFoundError):
        store.read_bytes("lake/videos/a.parquet")
