"""Points of a collection on a server by generation: it grows by videos, and readers keep what they opened.

A point has ``since``, the generation that wrote it, and ``until``, the one that replaced or removed it. Generation G
has the points with ``since`` <= G < ``until``. So nothing that is written for the next generation is visible before the
aliases name it, however many requests and shards it needs. In one generation all points of a video have the same
``since``.

The collection ``<collection>--videos`` has a point without a vector for each video: its digests, ``since`` and
``until``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ops.core.types import make_shot_id
from ops.index import tuning
from ops.index.backends.server_versions import RECORDS_SUFFIX
from ops.index.backends.uploads import retry, upload
from ops.index.points import (
    VideoDigest,
    VideoDigests,
    encode_point_id,
    split_into_batches,
)

if TYPE_CHECKING:
    from qdrant_client import QdrantClient, models

SINCE, UNTIL = "since", "until"
LIVE = (1 << 53) - 1
"""``until`` of points that were not replaced: the largest integer that JSON and ranges keep exactly."""


def build_validity(generation: int) -> list[models.FieldCondition]:
    """Return the conditions for the points of a generation."""
    from qdrant_client import models

    return [
        models.FieldCondition(key=SINCE, range=models.Range(lte=generation)),
        models.FieldCondition(key=UNTIL, range=models.Range(gt=generation)),
    ]


def build_generation_indexes() -> list[tuple[str, Any]]:
    """Return ``(field, schema)`` of the payload indexes for :func:`build_validity`."""
    from qdrant_client import models

    integer = models.IntegerIndexParams(type=models.IntegerIndexType.INTEGER, lookup=False, range=True)
    return [(SINCE, integer), (UNTIL, integer)]


class Generations:
    """Writes and reads generations of one collection. ``run`` makes a request with mapped errors."""

    def __init__(self, client: QdrantClient, collection: str, run: Callable[[Callable[[], Any]], Any]) -> None:
        self._client = client
        self._run = run
        self._points = collection
        self._records = f"{collection}{RECORDS_SUFFIX}"

    def create_records(self, layout: Mapping[str, Any]) -> None:
        """Create the collection of videos. One of a killed publisher is replaced."""
        from qdrant_client import models

        keyword = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, enable_hnsw=False)
        self._ask(lambda: self._client.delete_collection(self._records))
        self._ask(lambda: self._client.create_collection(self._records, vectors_config={}, **layout))
        for field, schema in (("video_id", keyword), *build_generation_indexes()):
            self._ask(partial(self._client.create_payload_index, self._records, field, schema))

    def write_records(self, generation: int, videos: VideoDigests) -> None:
        """Add the videos that a generation has written."""
        structs = (_build_record(video_id, generation, digest) for video_id, digest in videos.items())
        upload(self._client, self._records, structs, parallel=1, run=self._run, on_batch=lambda: None)

    def read_videos(self, generation: int) -> dict[str, VideoDigest]:
        """Return the videos of a generation; empty if the collection of videos is missing."""
        if not self._ask(lambda: self._client.collection_exists(self._records)):
            return {}
        records = self._scroll(self._records, build_validity(generation), True)
        return {record.payload["video_id"]: _parse_record(record.payload) for record in records}

    def find_generations(self, video_ids: Collection[str], generation: int) -> dict[str, int]:
        """Return, for the videos of a generation among the given ones, the generation that wrote their points."""
        from qdrant_client import models

        generation_by_id: dict[str, int] = {}
        for some in split_into_batches(video_ids, tuning.BATCH):
            condition = models.FieldCondition(key="video_id", match=models.MatchAny(any=some))
            records = self._scroll(self._records, [condition, *build_validity(generation)], True)
            generation_by_id |= {record.payload["video_id"]: record.payload[SINCE] for record in records}
        return generation_by_id

    def end(self, video_ids: Iterable[str], generation: int) -> None:
        """Remove videos from a generation and later ones; earlier generations keep their points."""
        from qdrant_client import models

        for some in split_into_batches(sorted(video_ids), tuning.BATCH):
            conditions = [
                models.FieldCondition(key="video_id", match=models.MatchAny(any=some)),
                models.FieldCondition(key=SINCE, range=models.Range(lt=generation)),
                models.FieldCondition(key=UNTIL, range=models.Range(gt=generation)),
            ]
            self._set_until(generation, conditions)

    def restore(self, generation: int) -> None:
        """Undo all that was written for generations after this one."""
        from qdrant_client import models

        self._delete([models.FieldCondition(key=SINCE, range=models.Range(gt=generation))])
        self._set_until(LIVE, [models.FieldCondition(key=UNTIL, range=models.Range(gt=generation, lt=LIVE))])

    def purge(self, generation: int) -> None:
        """Delete the points that neither this generation nor a later one has."""
        from qdrant_client import models

        self._delete([models.FieldCondition(key=UNTIL, range=models.Range(lte=generation))])

    def count(self, generation: int) -> int:
        """Return the number of points of a generation."""
        from qdrant_client import models

        valid = models.Filter(must=[*build_validity(generation)])
        return int(self._ask(lambda: self._client.count(self._points, valid, exact=True)).count)

    def scroll_written(self, since: int, payload: bool | list[str]) -> Iterator[Any]:
        """Yield the points that a generation wrote, with the given fields of their payload (True for all)."""
        from qdrant_client import models

        condition = models.FieldCondition(key=SINCE, range=models.Range(gte=since, lte=since))
        return self._scroll(self._points, [condition], payload)

    def _scroll(self, collection: str, must: list[Any], payload: bool | list[str]) -> Iterator[Any]:
        from qdrant_client import models

        condition, offset = models.Filter(must=must), None
        while True:
            records, offset = self._ask(
                partial(
                    self._client.scroll,
                    collection,
                    condition,
                    limit=tuning.BATCH,
                    offset=offset,
                    with_payload=payload,
                    with_vectors=False,
                )
            )
            yield from records
            if offset is None:
                return

    def _set_until(self, generation: int, must: list[Any]) -> None:
        from qdrant_client import models

        condition = models.Filter(must=must)
        for name in (self._points, self._records):
            self._ask(partial(self._client.set_payload, name, {UNTIL: generation}, condition, wait=True))

    def _delete(self, must: list[Any]) -> None:
        from qdrant_client import models

        selector = models.FilterSelector(filter=models.Filter(must=must))
        for name in (self._points, self._records):
            self._ask(partial(self._client.delete, name, selector, wait=True))

    def _ask(self, call: Callable[[], Any]) -> Any:
        return retry(lambda: self._run(call))


def _build_record(video_id: str, generation: int, digest: VideoDigest) -> models.PointStruct:
    from qdrant_client import models

    payload = {
        "video_id": video_id,
        "rows": digest.rows,
        "content": f"{digest.content:x}",
        "digest": f"{digest.digest:x}",
        SINCE: generation,
        UNTIL: LIVE,
    }
    point_id = encode_point_id(make_shot_id(video_id, 0), generation)
    return models.PointStruct(id=str(point_id), vector={}, payload=payload)


def _parse_record(payload: Mapping[str, Any]) -> VideoDigest:
    return VideoDigest(rows=payload["rows"], content=int(payload["content"], 16), digest=int(payload["digest"], 16))
