"""Shots and their vectors on a Qdrant server or cluster.

Collections, aliases and leases are those of :mod:`ops.index.backends.server_versions`. A new version that changes a few
videos is the next generation of the same collection (:mod:`ops.index.backends.server_generations`): only the points of
these videos are written.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ops.core.qdrant_options import QdrantOptions
from ops.core.tables import compute_digest
from ops.index import tuning
from ops.index.backends.server_generations import (
    LIVE,
    SINCE,
    UNTIL,
    Generations,
    build_generation_indexes,
    build_validity,
)
from ops.index.backends.server_growth import GrowingCollections
from ops.index.backends.server_versions import Place
from ops.index.points import (
    BLANK,
    HASH_KEY,
    LOT_KEY,
    MARKS_KEY,
    Manifest,
    Payload,
    StoredPoint,
    VideoDigest,
    VideoDigests,
    Wanted,
    decode_point_id,
    encode_point_id,
    hash_text,
)

if TYPE_CHECKING:
    from qdrant_client import models

log = logging.getLogger(__name__)


class ServerVersions(GrowingCollections[StoredPoint, "ServerStore"]):
    """Versions of one encoder's index on a server."""

    def _digest_points(self, generations: Generations, since: int) -> VideoDigests:
        sums: dict[str, tuple[int, int]] = {}
        for record in generations.scroll_written(since, [HASH_KEY]):
            shot_id, _ = decode_point_id(str(record.id))
            video_id = shot_id.partition(":")[0]
            rows, total = sums.get(video_id, (0, 0))
            sums[video_id] = rows + 1, total + hash_text(f"{shot_id}\x00{record.payload[HASH_KEY]}")
        return {
            video_id: VideoDigest(rows=rows, content=0, digest=total % (1 << 128))
            for video_id, (rows, total) in sums.items()
        }

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
        return [*fields, (LOT_KEY, integer), *build_generation_indexes()]

    def _build_struct(self, point: StoredPoint, generation: int) -> models.PointStruct:
        from qdrant_client import models

        return models.PointStruct(
            id=str(encode_point_id(point.shot_id, generation)),
            vector=_list_vector(point),
            payload={**point.payload, SINCE: generation, UNTIL: LIVE},
        )

    def _store(self, place: Place, manifest: Manifest) -> ServerStore:
        return ServerStore(self, place, manifest)


class ServerStore:
    """One version: the points of a generation, which never change.

    Every method raises ``VectorIndexError`` once the version is not kept any more.
    """

    def __init__(self, versions: ServerVersions, place: Place, manifest: Manifest) -> None:
        self._versions = versions
        self._client = versions.client
        self._place = place
        self._name_collection = place.collection
        self._manifest = manifest
        self._since: dict[str, int] = {}
        """The generation that wrote each video, for videos that were asked for and are in this version."""

    def manifest(self) -> Manifest:
        return self._manifest

    def counts(self, key: str) -> dict[str, int]:
        self._versions.require(self._place.version)
        everything, limit = self._build_filter(Wanted()), max(1, self._manifest["rows"])
        with self._versions.map_errors():
            answer = self._client.facet(self._name_collection, key, everything, limit=limit, exact=True)
        return {str(hit.value): hit.count for hit in answer.hits}

    def query(self, vector: Sequence[float], depth: int, conditions: Wanted, *, exact: bool) -> list[tuple[str, float]]:
        from qdrant_client import models

        self._versions.require(self._place.version)
        codes = models.QuantizationSearchParams(ignore=exact, rescore=True, oversampling=tuning.oversampling(depth))
        with self._versions.map_errors():
            answer = self._client.query_points(
                self._name_collection,
                query=list(vector),
                limit=depth,
                query_filter=self._build_filter(conditions),
                search_params=models.SearchParams(hnsw_ef=max(tuning.HNSW_EF, depth), exact=exact, quantization=codes),
                with_payload=False,
            )
        hits = []
        for point in answer.points:
            shot_id, since = decode_point_id(str(point.id))
            self._since[shot_id.partition(":")[0]] = since
            hits.append((shot_id, float(point.score)))
        return hits

    def fetch(self, shot_ids: Sequence[str], *, vectors: bool) -> list[StoredPoint]:
        self._versions.require(self._place.version)
        points: list[StoredPoint] = []
        for start in range(0, len(shot_ids), tuning.BATCH):
            ids = self._list_point_ids(shot_ids[start : start + tuning.BATCH])
            with self._versions.map_errors():
                records = self._client.retrieve(self._name_collection, ids, with_payload=True, with_vectors=vectors)
            points.extend(map(_parse_record, records))
        return points

    def scroll(self, conditions: Wanted, *, vectors: bool) -> Iterator[StoredPoint]:
        offset: Any = None
        condition = self._build_filter(conditions)
        while True:
            self._versions.require(self._place.version)
            with self._versions.map_errors():
                records, offset = self._client.scroll(
                    self._name_collection,
                    scroll_filter=condition,
                    limit=tuning.BATCH,
                    offset=offset,
                    with_payload=True,
                    with_vectors=vectors,
                )
            yield from map(_parse_record, records)
            if offset is None:
                return

    def compute_digest(self) -> str:
        return compute_digest(
            (point.shot_id, point.payload[HASH_KEY]) for point in self.scroll(Wanted(), vectors=False)
        )

    def close(self) -> None:
        """Do nothing: the client belongs to its creator."""

    def _list_point_ids(self, shot_ids: Sequence[str]) -> list[str]:
        video_ids = {shot_id.partition(":")[0] for shot_id in shot_ids}
        if missing := video_ids - self._since.keys():
            generations = self._versions.open_generations(self._place.collection)
            generation_by_id = generations.find_generations(missing, self._place.generation)
            self._since |= generation_by_id
        pairs = ((shot_id, self._since.get(shot_id.partition(":")[0])) for shot_id in shot_ids)
        return [str(encode_point_id(shot_id, since)) for shot_id, since in pairs if since is not None]

    def _build_filter(self, conditions: Wanted) -> models.Filter:
        from qdrant_client import models

        must: list[Any] = [
            models.FieldCondition(key=key, match=models.MatchAny(any=list(values)))
            for key, values in (("show", conditions.shows), ("video_id", conditions.videos))
            if values
        ]
        if conditions.sampled:
            lots = models.Range(lt=tuning.limit_lots(self._manifest["rows"]))
            must.append(models.FieldCondition(key=LOT_KEY, range=lots))
        blank: list[Any] = []
        if conditions.exclude_blank:
            blank.append(models.FieldCondition(key=MARKS_KEY, match=models.MatchAny(any=[BLANK])))
        return models.Filter(must=[*must, *build_validity(self._place.generation)], must_not=blank or None)


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
    payload = {key: value for key, value in (record.payload or {}).items() if key not in (SINCE, UNTIL)}
    return StoredPoint(shot_id=decode_point_id(str(record.id))[0], payload=cast(Payload, payload), vector=vector)
