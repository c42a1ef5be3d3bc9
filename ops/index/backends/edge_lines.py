"""Spoken lines in Qdrant Edge: BM25 and phrases by the engine's own text indexes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

from ops.index import tuning
from ops.index.backends.shards import OpenShard, ShardVersions, mapped, require_room
from ops.index.line_points import WORDS_KEY, LinePayload, LinePoint, WantedLines, line_point_id, name_terms_field
from ops.index.points import Base, Manifest, VideoDigests, split_into_batches

_UNUSED_VECTOR = "none"
"""A shard must have a vector; a sparse one that no point has uses no space."""
_SHARD_BYTES, _LINE_BYTES = 64 << 20, 4096
"""Space that a shard needs at most: measured 43 MB without lines and 540 bytes a line (qdrant-edge-py, 2026-11-29)."""


class EdgeLines(OpenShard):
    """One version of the lines."""

    def rank(self, field: str, terms: str, depth: int, conditions: WantedLines) -> list[tuple[float, LinePayload]]:
        import qdrant_edge

        request = qdrant_edge.QueryRequest(
            query=qdrant_edge.TextQuery(field, terms), limit=depth, filter=_build_filter(conditions), with_payload=True
        )
        with self._map_errors():
            return [
                (float(point.score), cast(LinePayload, dict(point.payload))) for point in self._shard.query(request)
            ]

    def scroll(self) -> Iterator[LinePayload]:
        import qdrant_edge

        offset = None
        while True:
            request = qdrant_edge.ScrollRequest(offset=offset, limit=tuning.BATCH, with_payload=True)
            with self._map_errors():
                points, offset = self._shard.scroll(request)
            yield from (cast(LinePayload, dict(point.payload)) for point in points)
            if offset is None:
                return


class EdgeLineVersions(ShardVersions[LinePoint, EdgeLines]):
    """Versions of the lines below ``folder`` (``<home>/index/dialogue``)."""

    def _write(
        self, path: Path, manifest: Manifest, points: Iterable[LinePoint], videos: VideoDigests, base: Base | None
    ) -> int:
        import qdrant_edge

        path.mkdir()
        require_room(path, _SHARD_BYTES + manifest["rows"] * _LINE_BYTES)
        with mapped(f"the index of lines cannot be written to {path}"):
            shard = qdrant_edge.EdgeShard.create(str(path), _build_config())
            for name, schema in _build_payload_indexes(manifest["stemmers"]):
                shard.update(qdrant_edge.UpdateOperation.create_field_index(name, schema))
        for batch in split_into_batches(points, tuning.BATCH):
            upsert = [
                qdrant_edge.Point(id=line_point_id(point.line_id), vector={}, payload=dict(point.payload))
                for point in batch
            ]
            with mapped(f"the index of lines cannot be written to {path}"):
                shard.update(qdrant_edge.UpdateOperation.upsert_points(upsert))
        with mapped(f"the index of lines cannot be optimised in {path}"):
            shard.optimize()
            shard.flush()
            count = int(shard.count(qdrant_edge.CountRequest(exact=True)))
            shard.close()
        return count

    def _store(self, path: Path, lock_fd: int, opening: Path) -> EdgeLines:
        return EdgeLines(path, lock_fd, opening)


def _build_config() -> Any:
    import qdrant_edge

    return qdrant_edge.EdgeConfig(
        sparse_vectors={_UNUSED_VECTOR: qdrant_edge.EdgeSparseVectorParams()},
        optimizers=qdrant_edge.EdgeOptimizersConfig(default_segment_number=1),
        payload_memory=qdrant_edge.Memory.Cached,
        # As for shots: a version is built in a folder that is deleted after a kill, and is one segment.
        wal_enabled=False,
        max_search_threads=1,
    )


def _build_payload_indexes(stemmers: Iterable[str]) -> list[tuple[str, Any]]:
    import qdrant_edge as edge

    terms = edge.TextIndexParams(tokenizer=edge.TokenizerType.Word, lowercase=True, scoring=True, enable_hnsw=False)
    words = edge.TextIndexParams(
        tokenizer=edge.TokenizerType.Word, lowercase=True, phrase_matching=True, enable_hnsw=False
    )
    keywords = [(name, edge.KeywordIndexParams(enable_hnsw=False)) for name in ("show", "video_id")]
    return [*keywords, (WORDS_KEY, words), *((name_terms_field(stemmer), terms) for stemmer in stemmers)]


def _build_filter(conditions: WantedLines) -> Any:
    import qdrant_edge as edge

    must: list[Any] = [
        edge.FieldCondition(key=key, match=edge.MatchAny(list(values)))
        for key, values in (("show", conditions.shows), ("video_id", conditions.videos))
        if values
    ]
    must += [
        edge.Filter(should=[edge.FieldCondition(key=WORDS_KEY, match=edge.MatchPhrase(each)) for each in spellings])
        for spellings in conditions.phrases
    ]
    return edge.Filter(must=must) if must else None
