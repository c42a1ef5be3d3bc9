"""Qdrant Edge: Qdrant's engine inside this process, with shots and their vectors.

Folders, versions and locks are those of :mod:`ops.index.backends.shards`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from ops.index import tuning
from ops.index.backends.shards import OpenShard, ShardVersions, mapped
from ops.index.points import (
    BLANK,
    MARKS_KEY,
    SAMPLED,
    Manifest,
    Payload,
    StoredPoint,
    Wanted,
    decode_point_id,
    encode_point_id,
    split_into_batches,
)


class EdgeStore(OpenShard):
    """One version of an encoder's index."""

    def counts(self, key: str) -> dict[str, int]:
        import qdrant_edge

        request = qdrant_edge.FacetRequest(key=key, limit=max(1, self._manifest["rows"]), exact=True)
        with self._map_errors():
            return {str(hit.value): int(hit.count) for hit in self._shard.facet(request)}

    def query(self, vector: Sequence[float], depth: int, conditions: Wanted, *, exact: bool) -> list[tuple[str, float]]:
        import qdrant_edge

        codes = qdrant_edge.QuantizationSearchParams(
            ignore=exact, rescore=True, oversampling=tuning.oversampling(depth)
        )
        request = qdrant_edge.QueryRequest(
            query=qdrant_edge.Query.Nearest(list(vector)),
            limit=depth,
            filter=_build_filter(conditions),
            params=qdrant_edge.SearchParams(hnsw_ef=max(tuning.HNSW_EF, depth), exact=exact, quantization=codes),
            with_payload=False,
            with_vector=False,
        )
        with self._map_errors():
            return [(decode_point_id(point.id), float(point.score)) for point in self._shard.query(request)]

    def fetch(self, shot_ids: Sequence[str], *, vectors: bool) -> list[StoredPoint]:
        points: list[StoredPoint] = []
        for start in range(0, len(shot_ids), tuning.BATCH):
            ids = [encode_point_id(shot_id) for shot_id in shot_ids[start : start + tuning.BATCH]]
            with self._map_errors():
                points.extend(map(_parse_record, self._shard.retrieve(ids, with_payload=True, with_vector=vectors)))
        return points

    def scroll(self, conditions: Wanted, *, vectors: bool) -> Iterator[StoredPoint]:
        import qdrant_edge

        offset = None
        while True:
            request = qdrant_edge.ScrollRequest(
                offset=offset,
                limit=tuning.BATCH,
                filter=_build_filter(conditions),
                with_payload=True,
                with_vector=vectors,
            )
            with self._map_errors():
                points, offset = self._shard.scroll(request)
            yield from map(_parse_record, points)
            if offset is None:
                return


class EdgeVersions(ShardVersions[StoredPoint, EdgeStore]):
    """Versions of one encoder's index below ``folder`` (``<home>/index/<encoder_id>``)."""

    def _write(self, path: Path, manifest: Manifest, points: Iterable[StoredPoint]) -> int:
        return _write_shard(path, manifest["dim"], points)

    def _store(self, path: Path, lock_fd: int, opening: Path) -> EdgeStore:
        return EdgeStore(path, lock_fd, opening)


def _write_shard(path: Path, dim: int, points: Iterable[StoredPoint]) -> int:
    """Write a shard that no other process uses yet; return the number of its points."""
    import qdrant_edge

    path.mkdir()
    with mapped(f"the index cannot be written to {path}"):
        shard = qdrant_edge.EdgeShard.create(str(path), _build_config(dim))
        for name, schema in _build_payload_indexes():
            shard.update(qdrant_edge.UpdateOperation.create_field_index(name, schema))
    for batch in split_into_batches(points, tuning.BATCH):
        with mapped(f"the index cannot be written to {path}"):
            shard.update(qdrant_edge.UpdateOperation.upsert_points([_build_point(point) for point in batch]))
    with mapped(f"the index cannot be optimised in {path}"):
        shard.optimize()
        shard.flush()
        count = int(shard.count(qdrant_edge.CountRequest(exact=True)))
        shard.close()
    return count


def _build_config(dim: int) -> Any:
    import qdrant_edge

    return qdrant_edge.EdgeConfig(
        # Dot, not Cosine: for unit vectors it is the cosine, and the engine keeps their bits unchanged.
        vectors=qdrant_edge.EdgeVectorParams(size=dim, distance=qdrant_edge.Distance.Dot),
        hnsw_config=qdrant_edge.HnswIndexConfig(
            m=tuning.HNSW_M,
            ef_construct=tuning.HNSW_EF_CONSTRUCT,
            full_scan_threshold=tuning.SCAN_KB,
            payload_m=tuning.PAYLOAD_M,
        ),
        quantization_config=qdrant_edge.ScalarQuantizationConfig(
            type=qdrant_edge.ScalarType.Int8, quantile=tuning.QUANTILE, memory=qdrant_edge.Memory.Pinned
        ),
        optimizers=qdrant_edge.EdgeOptimizersConfig(indexing_threshold=tuning.SCAN_KB, default_segment_number=1),
        # The default reads payloads from disk at random: one page fault per hit, which waits for other processes.
        payload_memory=qdrant_edge.Memory.Cached,
        # A version is built in a folder that is deleted after a kill: a log would only cost time.
        wal_enabled=False,
        # A version is one segment: a second thread would only wait for the first.
        max_search_threads=1,
    )


def _build_payload_indexes() -> list[tuple[str, Any]]:
    import qdrant_edge

    # Only shows get graph edges of their own: for other fields they would cost a second graph and gain nothing.
    return [
        ("show", qdrant_edge.KeywordIndexParams(enable_hnsw=True)),
        ("video_id", qdrant_edge.KeywordIndexParams(enable_hnsw=False)),
        (MARKS_KEY, qdrant_edge.KeywordIndexParams(enable_hnsw=False)),
    ]


def _build_point(point: StoredPoint) -> Any:
    import qdrant_edge

    vector = point.vector.tolist() if point.vector is not None else []
    return qdrant_edge.Point(id=encode_point_id(point.shot_id), vector=vector, payload=dict(point.payload))


def _parse_record(record: Any) -> StoredPoint:
    vector = None if record.vector is None else np.asarray(record.vector, np.float32)
    return StoredPoint(
        shot_id=decode_point_id(record.id), payload=cast(Payload, dict(record.payload or {})), vector=vector
    )


def _build_filter(conditions: Wanted) -> Any:
    import qdrant_edge as edge

    must: list[Any] = [
        edge.FieldCondition(key=key, match=edge.MatchAny(list(values)))
        for key, values in (("show", conditions.shows), ("video_id", conditions.videos))
        if values
    ]
    if conditions.sampled:
        must.append(edge.FieldCondition(key=MARKS_KEY, match=edge.MatchAny([SAMPLED])))
    blank: list[Any] = []
    if conditions.exclude_blank:
        blank.append(edge.FieldCondition(key=MARKS_KEY, match=edge.MatchAny([BLANK])))
    return edge.Filter(must=must or None, must_not=blank or None) if must or blank else None
