"""Spoken lines on a Qdrant server or cluster: the same text indexes as in the embedded engine.

``TextQuery`` needs a server that has BM25 over text indexes; an older one rejects the index, with a message that names
this.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from ops.index import tuning
from ops.index.backends.server_versions import CollectionVersions, Place
from ops.index.line_points import WORDS_KEY, LinePayload, LinePoint, WantedLines, line_point_id, name_terms_field
from ops.index.points import Manifest

if TYPE_CHECKING:
    from qdrant_client import models


class ServerLineVersions(CollectionVersions[LinePoint, "ServerLines"]):
    """Versions of the lines on a server."""

    def _build_config(self, manifest: Manifest) -> dict[str, Any]:
        return {"vectors_config": {}}

    def _build_payload_indexes(self, manifest: Manifest) -> list[tuple[str, Any]]:
        from qdrant_client import models

        def text(**options: Any) -> models.TextIndexParams:
            return models.TextIndexParams(
                type=models.TextIndexType.TEXT,
                tokenizer=models.TokenizerType.WORD,
                lowercase=True,
                enable_hnsw=False,
                **options,
            )

        keyword = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, enable_hnsw=False)
        terms = [(name_terms_field(name), text(scoring=True)) for name in manifest["stemmers"]]
        return [("show", keyword), ("video_id", keyword), (WORDS_KEY, text(phrase_matching=True)), *terms]

    def _build_struct(self, point: LinePoint, generation: int) -> models.PointStruct:
        from qdrant_client import models

        return models.PointStruct(id=str(line_point_id(point.line_id)), vector={}, payload=dict(point.payload))

    def _store(self, place: Place, manifest: Manifest) -> ServerLines:
        return ServerLines(self, place.collection, manifest)


class ServerLines:
    """One version: a collection that is never written again."""

    def __init__(self, versions: ServerLineVersions, collection: str, manifest: Manifest) -> None:
        self._versions = versions
        self._name_collection = collection
        self._manifest = manifest

    def manifest(self) -> Manifest:
        return self._manifest

    def rank(self, field: str, terms: str, depth: int, conditions: WantedLines) -> list[tuple[float, LinePayload]]:
        from qdrant_client import models

        with self._versions.map_errors():
            answer = self._versions.client.query_points(
                self._name_collection,
                query=models.TextQuery(text=terms),
                using=field,
                limit=depth,
                query_filter=_build_filter(conditions),
                with_payload=True,
            )
        return [(float(point.score), cast(LinePayload, dict(point.payload or {}))) for point in answer.points]

    def scroll(self) -> Iterator[LinePayload]:
        offset: Any = None
        while True:
            with self._versions.map_errors():
                records, offset = self._versions.client.scroll(
                    self._name_collection, limit=tuning.BATCH, offset=offset, with_payload=True
                )
            yield from (cast(LinePayload, dict(record.payload or {})) for record in records)
            if offset is None:
                return

    def close(self) -> None:
        """Do nothing: the client belongs to its creator."""


def _build_filter(conditions: WantedLines) -> Any:
    from qdrant_client import models

    must: list[Any] = [
        models.FieldCondition(key=key, match=models.MatchAny(any=list(values)))
        for key, values in (("show", conditions.shows), ("video_id", conditions.videos))
        if values
    ]
    must += [
        models.Filter(
            should=[models.FieldCondition(key=WORDS_KEY, match=models.MatchPhrase(phrase=each)) for each in spellings]
        )
        for spellings in conditions.phrases
    ]
    return models.Filter(must=must) if must else None
