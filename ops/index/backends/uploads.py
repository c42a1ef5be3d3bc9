"""Upload points to a Qdrant server: in requests below its limit, several at a time, tried again if it is busy."""

from __future__ import annotations

import logging
import random
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from ops.core.errors import IndexUnavailableError
from ops.index import tuning

if TYPE_CHECKING:
    from qdrant_client import QdrantClient, models

log = logging.getLogger(__name__)

# Qdrant refuses bodies above 32 MB (service.max_request_size_mb); a request is at most half of that.
REQUEST_BYTES = 16_000_000
# A number of a vector takes at most this much as JSON, such as "-0.012345678901234567, "; by gRPC 4.
NUMBER_BYTES = 24
POINT_BYTES = 600
"""Bytes of a point without its vector and without texts."""
ATTEMPTS = 5
FIRST_PAUSE_S = 0.5
GREEN_TIMEOUT_S = 4 * 3600
GREEN_PAUSE_S = 1.0

Call = Callable[[], Any]


def split_by_size(
    points: Iterable[models.PointStruct], most_bytes: int = REQUEST_BYTES, most_points: int = tuning.BATCH
) -> Iterator[list[models.PointStruct]]:
    """Yield the points in lists whose requests stay below ``most_bytes``; a single larger point is alone."""
    batch: list[models.PointStruct] = []
    batch_bytes = 0
    for point in points:
        size = estimate_bytes(point)
        if batch and (batch_bytes + size > most_bytes or len(batch) >= most_points):
            yield batch
            batch, batch_bytes = [], 0
        batch.append(point)
        batch_bytes += size
    if batch:
        yield batch


def estimate_bytes(point: models.PointStruct) -> int:
    """Return an upper bound of the bytes of a point in a request."""
    numbers = len(point.vector) if isinstance(point.vector, list) else 0
    return POINT_BYTES + NUMBER_BYTES * numbers + _count_text_bytes(point.payload)


def _count_text_bytes(value: object) -> int:
    """Return the bytes of texts in a payload as JSON, where any character may be escaped as six or twelve bytes."""
    if isinstance(value, str):
        return len(value) + 2 if value.isascii() and value.isprintable() else 12 * len(value) + 2
    if isinstance(value, dict):
        return sum(_count_text_bytes(key) + _count_text_bytes(each) + 2 for key, each in value.items())
    if isinstance(value, (list, tuple)):
        return sum(_count_text_bytes(each) + 1 for each in value)
    return NUMBER_BYTES


def upload(
    client: QdrantClient,
    collection: str,
    points: Iterable[models.PointStruct],
    *,
    parallel: int,
    run: Callable[[Call], Any],
    on_batch: Callable[[], None],
) -> None:
    """Upload points, ``parallel`` requests at a time. ``run`` makes a call with mapped errors; see :func:`retry`.

    ``on_batch`` is called after each request, in the thread of the caller.
    """

    def send(batch: Sequence[models.PointStruct]) -> None:
        retry(lambda: run(lambda: client.upsert(collection, batch, wait=True)))

    pending: deque[Future[None]] = deque()
    with ThreadPoolExecutor(parallel, thread_name_prefix="upload") as pool:
        try:
            for batch in split_by_size(points, most_points=tuning.BATCH):
                pending.append(pool.submit(send, batch))
                if len(pending) >= parallel:
                    pending.popleft().result()
                on_batch()
            while pending:
                pending.popleft().result()
        finally:
            for each in pending:
                each.cancel()


def retry(call: Call, pause: Callable[[float], None] = time.sleep) -> Any:
    """Return the result of a call; it is tried again, with longer pauses, if the server did not answer or is busy."""
    for attempt in range(ATTEMPTS):
        try:
            return call()
        except IndexUnavailableError as error:
            if attempt == ATTEMPTS - 1:
                raise
            seconds = FIRST_PAUSE_S * 2**attempt * (1 + random.random() / 4)
            log.warning("%s; trying again in %.1f s", error, seconds)
            pause(seconds)
    raise AssertionError("the loop returns or raises")


def wait_until_green(
    client: QdrantClient, collection: str, run: Callable[[Call], Any], pause: Callable[[float], None] = time.sleep
) -> None:
    """Wait until a collection is optimised: before, a search may scan, or miss the graph.

    Raises ``IndexUnavailableError`` if the server reports an error, or is not done after four hours.
    """
    seconds = 0.0
    while (info := retry(lambda: run(lambda: client.get_collection(collection)))).status != "green":
        if info.status == "red" or seconds >= GREEN_TIMEOUT_S:
            raise IndexUnavailableError(
                f"the server does not finish the index {collection}: its status is {info.status}, "
                f"{info.optimizer_status}; look at its log, and run the same again"
            )
        pause(GREEN_PAUSE_S)
        seconds += GREEN_PAUSE_S
