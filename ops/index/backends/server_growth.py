"""Versions on a server that grow by videos: a new version is the next generation of the current one's collection.

Collections, aliases and leases are those of :mod:`ops.index.backends.server_versions`, generations those of
:mod:`ops.index.backends.server_generations`. Only the points of changed videos are written.
"""

from __future__ import annotations

import logging
import time
from abc import abstractmethod
from collections.abc import Iterable
from contextlib import ExitStack

from ops.core.errors import VectorIndexError
from ops.index import tuning
from ops.index.backends import server_versions
from ops.index.backends.server_generations import Generations
from ops.index.backends.server_versions import VERSIONS, CollectionVersions, Item, Place, Store
from ops.index.backends.uploads import wait_until_green
from ops.index.plan import find_changed, sum_digests
from ops.index.points import MAX_GENERATION, Base, BaseChangedError, Manifest, VideoDigests, require_rows

log = logging.getLogger(__name__)


class GrowingCollections(CollectionVersions[Item, Store]):
    """Versions of one index on a server; subclasses define the points, their digests, and the queries."""

    @abstractmethod
    def _digest_points(self, generations: Generations, since: int) -> VideoDigests:
        """Return the digests of the videos that a generation wrote, from points read back; ``content`` is 0."""

    def _extend_indexes(self, place: Place, manifest: Manifest) -> None:
        """Add payload indexes that the points of a new generation need."""

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
        points: Iterable[Item],
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
            self._hold_generations(place.collection).end(base.dropped_videos, new_place.generation)
            videos_to_write = {name: videos[name] for name in find_changed(old, videos) if name in videos}
            self._write(new_place, manifest, points, videos_to_write)
            # Fewer new points than the server builds a graph for are scanned, and found, at once.
            if (
                4 * manifest.get("dim", 0) * sum(each.rows for each in videos_to_write.values())
                > 1024 * tuning.INDEX_KB
            ):
                wait_until_green(self.client, place.collection, self.run_and_renew(place.collection))
            self._new_place = new_place
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
        self._extend_indexes(new_place, manifest)
        return new_place

    def _write(self, place: Place, manifest: Manifest, points: Iterable[Item], videos: VideoDigests) -> None:
        """Write the points of ``videos``, and compare all that the server then has of them with the planned digests."""
        self._upload(place, points)
        generations = self._hold_generations(place.collection)
        require_rows(manifest, generations.count(place.generation))
        digests = self._digest_points(generations, place.generation)
        digests_planned = {name: (each.rows, each.digest) for name, each in videos.items()}
        wrong = [
            name
            for name in sorted(digests_planned.keys() | digests.keys())
            if name not in digests or (digests[name].rows, digests[name].digest) != digests_planned.get(name)
        ]
        if wrong:
            raise VectorIndexError(
                f"video {wrong[0]} was written to the index on {self.address}, but something else was read back "
                f"({len(wrong)} such videos): run the same again"
            )
        generations.write_records(place.generation, videos)
