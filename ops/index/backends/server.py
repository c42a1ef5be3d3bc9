"""Shots and their vectors on a Qdrant server or cluster.

Collections, aliases and leases are those of :mod:`ops.index.backends.server_versions`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ops.core.qdrant_options import QdrantOptions
from ops.index import tuning
from ops.index.backends.server_versions import CollectionVersions
from ops.index.points import (
    BLANK,
    LOT_KEY,
    MARKS_KEY,
    Manifest,
    Payload,
    StoredPoint,
    Wanted,
    decode_point_id,
    encode_point_id,
)

if TYPE_CHECKING:
    from qdrant_client import models


class ServerVersions(CollectionVersions[StoredPoint, "ServerStore"]):
    """Versions of one encoder's index on a server."""

    def _build_config(self, manifest: Manifest) -> dict[str, Any]:
        return _build_config(manifest["dim"], self.options)

    def _build_payload_indexes(self, manifest: Manifest) -> list[tuple[str, Any]]:
        from qdrant_client import models

        keyword = models.KeywordIndexType.KEYWORD
        # Only shows get graph edges of their own: for other fields they would cost a second graph and gain nothing.
        fields: list[tuple[str, Any]] = [
            (name, models.KeywordIndexParams(type=keyword, enable_hnsw=name == "show"))
            for name in ("show", "video_id", MARKS_KEY)
        ]
        integer = models.IntegerIndexParams(type=models.IntegerIndexType.INTEGER, lookup=False, range=True)
        return [*fields, (LOT_KEY, integer)]

    def _build_struct(self, point: StoredPoint) -> models.PointStruct:
        from qdrant_client import models

        return models.PointStruct(
            id=str(encode_point_id(point.shot_id)), vector=_list_vector(point), payload=dict(point.payload)
        )

    def _store(self, collection: str, manifest: Manifest) -> ServerStore:
        return ServerStore(self, collection, manifest)


class ServerStore:
    """One version: a collection that is never written again."""

    def __init__(self, versions: ServerVersions, collection: str, manifest: Manifest) -> None:
        self._versions = versions
        self._client = versions.client
        self._name_collection = collection
        self._manifest = manifest

    def manifest(self) -> Manifest:
        return self._manifest

    def counts(self, key: str) -> dict[str, int]:
        with self._versions.map_errors():
            answer = self._client.facet(self._name_collection, key, limit=max(1, self._manifest["rows"]), exact=True)
        return {str(hit.value): hit.count for hit in answer.hits}

    def query(self, vector: Sequence[float], depth: int, conditions: Wanted, *, exact: bool) -> list[tuple[str, float]]:
        from qdrant_client import models

        codes = models.QuantizationSearchParams(ignore=exact, rescore=True, oversampling=tuning.oversampling(depth))
        with self._versions.map_errors():
            answer = self._client.query_points(
                self._name_collection,
                query=list(vector),
                limit=depth,
                query_filter=_build_filter(conditions, self._manifest["rows"]),
                search_params=models.SearchParams(hnsw_ef=max(tuning.HNSW_EF, depth), exact=exact, quantization=codes),
                with_payload=False,
            )
        return [(decode_point_id(str(point.id)), float(point.score)) for point in answer.points]

    def fetch(self, shot_ids: Sequence[str], *, vectors: bool) -> list[StoredPoint]:
        points: list[StoredPoint] = []
        for start in range(0, len(shot_ids), tuning.BATCH):
            ids = [str(encode_point_id(shot_id)) for shot_id in shot_ids[start : start + tuning.BATCH]]
            with self._versions.map_errors():
                records = self._client.retrieve(self._name_collection, ids, with_payload=True, with_vectors=vectors)
            points.extend(map(_parse_record, records))
        return points

    def scroll(self, conditions: Wanted, *, vectors: bool) -> Iterator[StoredPoint]:
        offset: Any = None
        while True:
            with self._versions.map_errors():
                records, offset = self._client.scroll(
                    self._name_collection,
                    scroll_filter=_build_filter(conditions, self._manifest["rows"]),
                    limit=tuning.BATCH,
                    offset=offset,
                    with_payload=True,
                    with_vectors=vectors,
                )
            yield from map(_parse_record, records)
            if offset is None:
                return

    def close(self) -> None:
        """Do nothing: the client belongs to its creator."""


def _build_config(dim: int, options: QdrantOptions) -> dict[str, Any]:
    from qdrant_client import models

    on_disk = options.on_disk or None
    codes = models.ScalarQuantizationConfig(type=models.ScalarType.INT8, quantile=tuning.QUANTILE, always_ram=True)
    return {
        # Dot, not Cosine: for unit vectors it is the cosine, and the engine keeps their bits unchanged.
        "vectors_config": models.VectorParams(size=dim, distance=models.Distance.DOT, on_disk=on_disk),
        "hnsw_config": models.HnswConfigDiff(
            m=tuning.HNSW_M,
            ef_construct=tuning.HNSW_EF_CONSTRUCT,
            full_scan_threshold=tuning.SCAN_KB,
            payload_m=tuning.PAYLOAD_M,
            on_disk=on_disk,
        ),
        "quantization_config": models.ScalarQuantization(scalar=codes) if options.quantisation == "int8" else None,
        "optimizers_config": models.OptimizersConfigDiff(indexing_threshold=tuning.INDEX_KB),
    }


def _list_vector(point: StoredPoint) -> list[float]:
    values: list[float] = [] if point.vector is None else point.vector.tolist()
    return values


def _parse_record(record: Any) -> StoredPoint:
    vector = None if record.vector is None else np.asarray(record.vector, np.float32)
    return StoredPoint(
        shot_id=decode_point_id(str(record.id)), payload=cast(Payload, dict(record.payload or {})), vector=vector
    )


def _build_filter(conditions: Wanted, rows: int) -> Any:
    from qdrant_client import models

    must: list[Any] = [
        models.FieldCondition(key=key, match=models.MatchAny(any=list(values)))
        for key, values in (("show", conditions.shows), ("video_id", conditions.videos))
        if values
    ]
    if conditions.sampled:
        must.append(models.FieldCondition(key=LOT_KEY, range=models.Range(lt=tuning.limit_lots(rows))))
    blank: list[Any] = []
    if conditions.exclude_blank:
        blank.append(models.FieldCondition(key=MARKS_KEY, match=models.MatchAny(any=[BLANK])))
    return models.Filter(must=must or None, must_not=blank or None) if must or blank else None
