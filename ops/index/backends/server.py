"""Shots and their vectors on a Qdrant server or cluster.

Collections, aliases and leases are those of :mod:`ops.index.backends.server_versions`. A new version that changes a few
videos is the next generation of the same collection (:mod:`ops.index.backends.server_generations`): only the points of
these videos are written.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ops.core.errors import VectorIndexError
from ops.core.qdrant_options import QdrantOptions
from ops.core.tables import compute_digest
from ops.index import tuning
from ops.index.backends import server_versions
from ops.index.backends.server_generations import (
    LIVE,
    SINCE,
    UNTIL,
    Generations,
    build_generation_indexes,
    build_validity,
)
from ops.index.backends.server_versions import VERSIONS, CollectionVersions, Place
from ops.index.backends.uploads import wait_until_green
from ops.index.plan import find_changed, sum_digests
from ops.index.points import (
    BLANK,
    HASH_KEY,
    LOT_KEY,
    MARKS_KEY,
    MAX_GENERATION,
    Base,
    BaseChangedError,
    Manifest,
    Payload,
    StoredPoint,
    VideoDigests,
    Wanted,
    decode_point_id,
    encode_point_id,
    require_rows,
)

if TYPE_CHECKING:
    from qdrant_client import models

log = logging.getLogger(__name__)


class ServerVersions(CollectionVersions[StoredPoint, "ServerStore"]):
    """Versions of one encoder's index on a server."""

    def read_videos(self, version: str) -> VideoDigests | None:
        place = self._find_place(version)
        if place is None or place.generation >= MAX_GENERATION:
            return None
        manifest = self.open(version).manifest()
        videos = self.open_generations(place.collection).read_videos(place.generation)
        if sum_digests(videos) != manifest["digest"]:
            log.warning("the videos of %s on %s do not add up: all points are written again", version, self.address)
            return None
        return videos

    def build(
        self,
        manifest: Manifest,
        points: Iterable[StoredPoint],
        *,
        videos: VideoDigests | None = None,
        base: Base | None = None,
    ) -> None:
        if base is None:
            super().build(manifest, points, videos=videos)
            return
        old = self.read_videos(base.version)
        place = self._find_place(base.version)
        if place is None or old is None or videos is None:
            raise BaseChangedError
        with ExitStack() as undo:
            self._take_lease(place.collection)
            undo.callback(self.release, place.collection)
            if self._list_places()[:1] != (place,):
                raise BaseChangedError
            new_place = self._begin_generation(place, manifest)
            self._hold_generations(place.collection).end(base.dropped, new_place.generation)
            videos_to_write = {name: videos[name] for name in find_changed(old, videos) if name in videos}
            self._write(new_place, manifest, points, videos_to_write)
            # Fewer new points than the server builds a graph for are scanned, and found, at once.
            if (
                4 * manifest.get("dim", 0) * sum(each.rows for each in videos_to_write.values())
                > 1024 * tuning.INDEX_KB
            ):
                wait_until_green(self.client, place.collection, self.run_and_renew(place.collection))
            self._built = new_place
            undo.pop_all()  # the switch ends the lease

    def drop_old(self) -> None:
        super().drop_old()
        time.sleep(server_versions.ALIASES_S)  # until all readers know
        for place in self._list_places()[:1]:
            generations = self.open_generations(place.collection)
            generations.purge(place.generation)
            with self.map_errors():
                is_free = self._find_other_holder(place.collection) is None
            if is_free:
                generations.restore(place.generation)

    def open_generations(self, collection: str) -> Generations:
        """Return the generations of a collection, for readers."""
        return Generations(self.client, collection, self.run)

    def _hold_generations(self, collection: str) -> Generations:
        """Return the generations of a collection, for the holder of its lease."""
        return Generations(self.client, collection, self.run_and_renew(collection))

    def _create(self, name: str, manifest: Manifest) -> None:
        super()._create(name, manifest)
        self._hold_generations(name).create_records(self._build_layout())

    def _begin_generation(self, place: Place, manifest: Manifest) -> Place:
        """Remove what killed publishers and dropped versions left in a collection; return the next generation."""
        places = self._list_places()
        newer = [each for each in places if each.collection == place.collection and each.generation > place.generation]
        if newer:  # an earlier version was made current again
            self._replace_aliases([each for each in places if each not in newer])
            time.sleep(server_versions.ALIASES_S)  # until all readers know
        older = [each for each in places if each.collection == place.collection and each not in newer]
        generations = self._hold_generations(place.collection)
        generations.restore(place.generation)
        generations.purge(min(each.generation for each in older))
        new_place = Place(version=manifest["version"], collection=place.collection, generation=place.generation + 1)
        with self.map_errors():
            versions = (self.client.get_collection(place.collection).config.metadata or {})[VERSIONS]
            manifests = {each.version: versions[each.version] for each in older} | {new_place.version: manifest}
            self.client.update_collection(place.collection, metadata={VERSIONS: manifests})
        return new_place

    def _write(self, place: Place, manifest: Manifest, points: Iterable[StoredPoint], videos: VideoDigests) -> None:
        """Write the points of ``videos``, and compare all that the server then has of them with the planned digests."""
        self._upload(place, points)
        generations = self._hold_generations(place.collection)
        require_rows(manifest, generations.count(place.generation))
        digests = generations.compute_digests(place.generation)
        digests_planned = {name: (each.rows, each.digest) for name, each in videos.items()}
        wrong = [
            name
            for name in sorted(digests_planned.keys() | digests.keys())
            if name not in digests or (digests[name].rows, digests[name].digest) != digests_planned.get(name)
        ]
        if wrong:
            raise VectorIndexError(
                f"video {wrong[0]} was written to the index on {self.address}, but other shots were read back "
                f"({len(wrong)} such videos): run the same again"
            )
        generations.write_records(place.generation, videos)

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
