"""Spoken lines on a Qdrant server or cluster: the same text indexes as in the embedded engine.

``TextQuery`` needs a server that has BM25 over text indexes; an older one rejects the index, with a message that names
this.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

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
from ops.index.line_points import (
    WORDS_KEY,
    LinePayload,
    LinePoint,
    WantedLines,
    make_point_id,
    name_terms_field,
    parse_row,
)
from ops.index.line_sums import LineSums
from ops.index.points import Manifest, VideoDigests
from ops.index.words import split_words

if TYPE_CHECKING:
    from qdrant_client import models


class ServerLineVersions(GrowingCollections[LinePoint, "ServerLines"]):
    """Versions of the lines on a server."""

    def _digest_points(self, generations: Generations, since: int) -> VideoDigests:
        records = generations.scroll_written(since, True)
        return LineSums(parse_row(cast(LinePayload, record.payload)) for record in records).videos

    def _extend_indexes(self, place: Place, manifest: Manifest) -> None:
        with self.map_errors():
            known_fields = self.client.get_collection(place.collection).payload_schema
            for field, schema in self._build_payload_indexes(manifest):
                if field not in known_fields:
                    self.client.create_payload_index(place.collection, field, schema, wait=True)

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
        words = (WORDS_KEY, text(phrase_matching=True))
        return [("show", keyword), ("video_id", keyword), words, *terms, *build_generation_indexes()]

    def _build_struct(self, point: LinePoint, generation: int) -> models.PointStruct:
        from qdrant_client import models

        words = {WORDS_KEY: point.words, name_terms_field(point.stemmer): point.terms}
        return models.PointStruct(
            id=str(make_point_id(point.line_id, generation)),
            vector={},
            payload={**point.payload, **words, SINCE: generation, UNTIL: LIVE},
        )

    def _store(self, place: Place, manifest: Manifest) -> ServerLines:
        return ServerLines(self, place, manifest)


class ServerLines:
    """One version: the lines of a generation, which never change.

    The weights of words also count the lines of earlier generations that are still stored.
    Every query raises ``VectorIndexError`` once the version is not kept any more.
    """

    def __init__(self, versions: ServerLineVersions, place: Place, manifest: Manifest) -> None:
        self._versions = versions
        self._place = place
        self._manifest = manifest

    def manifest(self) -> Manifest:
        return self._manifest

    def list_stemmers(self) -> Sequence[str]:
        return self._manifest["stemmers"]

    def rank(self, stemmer: str, terms: str, depth: int, conditions: WantedLines) -> list[tuple[float, LinePayload]]:
        from qdrant_client import models

        self._versions.require(self._place.version)
        with self._versions.map_errors():
            answer = self._versions.client.query_points(
                self._place.collection,
                query=models.TextQuery(text=terms),
                using=name_terms_field(stemmer),
                limit=depth,
                query_filter=self._build_filter(conditions),
                with_payload=True,
            )
        return [(float(point.score), cast(LinePayload, dict(point.payload or {}))) for point in answer.points]

    def scroll(self) -> Iterator[LinePayload]:
        offset: Any = None
        condition = self._build_filter(WantedLines())
        while True:
            self._versions.require(self._place.version)
            with self._versions.map_errors():
                records, offset = self._versions.client.scroll(
                    self._place.collection, condition, limit=tuning.BATCH, offset=offset, with_payload=True
                )
            yield from (cast(LinePayload, dict(record.payload or {})) for record in records)
            if offset is None:
                return

    def count_words(self) -> Mapping[str, int]:
        return Counter(word for payload in self.scroll() for word in set(split_words(payload["text"])))

    def list_shot_ids(self) -> frozenset[str]:
        return frozenset(shot_id for payload in self.scroll() for shot_id in payload["shot_ids"])

    def close(self) -> None:
        """Do nothing: the client belongs to its creator."""

    def _build_filter(self, conditions: WantedLines) -> models.Filter:
        from qdrant_client import models

        must: list[Any] = [
            models.FieldCondition(key=key, match=models.MatchAny(any=list(values)))
            for key, values in (("show", conditions.shows), ("video_id", conditions.videos))
            if values
        ]
        must += [
            models.Filter(
                should=[
                    models.FieldCondition(key=WORDS_KEY, match=models.MatchPhrase(phrase=each)) for each in spellings
                ]
            )
            for spellings in conditions.phrases
        ]
        return models.Filter(must=[*must, *build_validity(self._place.generation)])
