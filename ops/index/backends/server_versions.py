"""Versions on a Qdrant server or cluster: points of a collection, and aliases that switch atomically.

For the index called ``E``, such as an encoder's id, of the catalogue ``C`` the server has collections called
``needle-C--E-<version>``, after the version for which they were created. A version is a generation of a collection. Its
alias names it: ``needle-C--E--<slot>-<generation>-<version>``. The version of slot 0 is current, those of the
slots 1 and 2 were current before. All aliases are replaced in one request. A catalogue's name has no double hyphen, so
no two of them have a name in common.

A collection without an alias has no version: it is being built, or its publisher was killed. A publisher holds a lease
on the collection that it writes to, in the collection's metadata, and renews it. The next publisher deletes collections
whose lease has run out or is its own. The lease is longer than any pause of a publisher, and than the difference of two
clocks.
"""

from __future__ import annotations

import hashlib
import re
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from ops.core.errors import IndexUnavailableError, VectorIndexError
from ops.core.qdrant_options import QdrantOptions
from ops.index import tuning
from ops.index.backends.uploads import retry, upload, wait_until_green
from ops.index.points import Base, HasManifest, Manifest, VideoDigests, require_rows

if TYPE_CHECKING:
    from qdrant_client import QdrantClient, models

TIMEOUT_S = 60
GRPC_PORT = 6334
ALIASES_S = 0.5
"""Seconds for which a reader keeps the answer that names the current version."""
LEASE = "lease"
LEASE_S = 900
RENEW_S = 60


def connect(url: str, api_key: str, grpc_port: int = 0) -> QdrantClient:
    """Create a client of the server at ``url``, without a request. The key appears in no message.

    With a ``grpc_port``, points and queries are sent by gRPC.
    """
    from qdrant_client import QdrantClient

    with _map_errors(f"{url!r} is not the address of a Qdrant server"), warnings.catch_warnings():
        # `needle doctor` reports it once; a warning at each start would hide others.
        warnings.filterwarnings("ignore", message="Api key is used with an insecure connection")
        return QdrantClient(
            url=url,
            api_key=api_key or None,
            timeout=TIMEOUT_S,
            check_compatibility=False,
            prefer_grpc=grpc_port > 0,
            grpc_port=grpc_port or GRPC_PORT,
        )


@lru_cache(maxsize=4)
def reuse_client(url: str, api_key: str, grpc_port: int = 0) -> QdrantClient:
    """Return one client for each server: it holds the connections."""
    return connect(url, api_key, grpc_port)


VERSION_PATTERN = r"v\d+-\d+-[0-9a-f]{16}"
VERSIONS = "versions"
"""Key of the collection's metadata that has the manifest of each version."""
RECORDS_SUFFIX = "--videos"
"""What the name of a collection with facts about another one's videos adds to that one's."""

Item = TypeVar("Item")
Store = TypeVar("Store", bound=HasManifest)


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a version is: the points of ``collection`` that are valid in ``generation``."""

    version: str
    collection: str
    generation: int


class CollectionVersions(ABC, Generic[Item, Store]):
    """Versions of the index called ``name`` on a server; subclasses define the points and the queries.

    ``holder`` names the publisher in leases: it must be another one for each that can publish at the same time.
    ``clock`` returns Unix time. A server cannot compare and set, so the lease on a collection that is there is taken
    within ``take_turns()``, which excludes the other publishers of the catalogue; a new one is created with its lease.
    """

    def __init__(
        self,
        client: QdrantClient,
        name: str,
        address: str = "the Qdrant server",
        *,
        catalogue: str = "default",
        holder: str = "",
        clock: Callable[[], float] = time.time,
        options: QdrantOptions | None = None,
        take_turns: Callable[[], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self.client = client
        self.address = address
        self.alias = f"needle-{catalogue}--{_build_name(name)}"
        self._holder = holder
        self._clock = clock
        self._take_turns = take_turns
        self._renew_at = 0.0
        self.options = options or QdrantOptions()
        self._known_places: tuple[float, tuple[Place, ...]] = (-ALIASES_S, ())
        self._new_place: Place | None = None
        self._alias_pattern = re.compile(rf"{re.escape(self.alias)}--(\d+)-(\d+)-({VERSION_PATTERN})")

    def current(self) -> str | None:
        """See :class:`ops.index.points.Versions`. The server is asked once in ``ALIASES_S``."""
        places = self._list_recent_places()
        return places[0].version if places else None

    def has(self, version: str) -> bool:
        return self._find_place(version) is not None

    def require(self, version: str) -> None:
        """Raise ``VectorIndexError`` if a version is not kept any more. The server is asked once in ``ALIASES_S``."""
        if version not in {place.version for place in self._list_recent_places()}:
            raise self._make_gone_error(version)

    def build(
        self,
        manifest: Manifest,
        points: Iterable[Item],
        *,
        videos: VideoDigests | None = None,
        base: Base | None = None,
    ) -> None:
        self._drop_unaliased()
        name = self._choose_collection(manifest["version"])
        self._require_free(name)
        self._create(name, manifest)
        place = Place(version=manifest["version"], collection=name, generation=1)
        self._write(place, manifest, points, videos or {})
        wait_until_green(self.client, name, self.run_and_renew(name))
        self._new_place = place

    def switch(self, version: str) -> None:
        places = self._list_places()
        place = self._new_place if self._new_place and self._new_place.version == version else self._find_place(version)
        if place is None:
            raise self._make_gone_error(version)
        if not places or places[0].version != version:
            self._replace_aliases([place, *(each for each in places if each.version != version)])
            self.release(place.collection)
        self._drop_unaliased()

    def drop_old(self) -> None:
        if places := self._list_places():
            self._replace_aliases(places[:1])
        self._drop_unaliased()

    def drop_all(self) -> None:
        if self._list_places():
            self._replace_aliases([])
        self._drop_unaliased()

    def open(self, version: str) -> Store:
        place = self._find_place(version)
        if place is None:
            raise self._make_gone_error(version)
        with self.map_errors():
            metadata = dict(self.client.get_collection(place.collection).config.metadata or {})
        return self._store(place, cast(Manifest, metadata[VERSIONS][version]))

    @abstractmethod
    def _build_config(self, manifest: Manifest) -> dict[str, Any]:
        """Return the arguments of ``create_collection`` for vectors and optimisation."""

    @abstractmethod
    def _build_payload_indexes(self, manifest: Manifest) -> list[tuple[str, Any]]:
        """Return ``(field, schema)`` of each payload index."""

    @abstractmethod
    def _build_struct(self, point: Item, generation: int) -> models.PointStruct:
        """Convert the point to the client's type."""

    @abstractmethod
    def _store(self, place: Place, manifest: Manifest) -> Store:
        """Open the version."""

    def _create(self, name: str, manifest: Manifest) -> None:
        """Create an empty collection, with a lease."""
        with self.map_errors():
            self.client.create_collection(
                name,
                **self._build_config(manifest),
                **self._build_layout(),
                metadata={VERSIONS: {manifest["version"]: manifest}, LEASE: self._extend_lease()},
            )
            for field, schema in self._build_payload_indexes(manifest):
                self.client.create_payload_index(name, field, schema, wait=True)

    def _build_layout(self) -> dict[str, Any]:
        """Return the arguments of ``create_collection`` for shards and replicas."""
        return {
            "shard_number": self.options.shards,
            "replication_factor": self.options.replicas,
            "write_consistency_factor": self.options.consistency,
            "on_disk_payload": self.options.on_disk or None,
        }

    def _write(self, place: Place, manifest: Manifest, points: Iterable[Item], videos: VideoDigests) -> None:
        """Write points of a generation, and ensure that the server has them all."""
        self._upload(place, points)
        with self.map_errors():
            count = self.client.count(place.collection, exact=True).count
        require_rows(manifest, count)

    def _upload(self, place: Place, points: Iterable[Item]) -> None:
        upload(
            self.client,
            place.collection,
            (self._build_struct(point, place.generation) for point in points),
            parallel=self.options.uploads,
            run=self.run,
            on_batch=lambda: self._renew_lease(place.collection),
        )

    def _choose_collection(self, version: str) -> str:
        """Return a name that no stored version uses: a collection created for this one may have grown since."""
        used_names = {place.collection for place in self._list_places()}
        names = (f"{self.alias}-{version}{suffix}" for suffix in ("", *(f"-{number}" for number in range(2, 9))))
        return next(name for name in names if name not in used_names)

    def _make_gone_error(self, version: str) -> VectorIndexError:
        return VectorIndexError(f"version {version} of the index on {self.address} is gone: open the current one")

    def _find_place(self, version: str) -> Place | None:
        return next((place for place in self._list_places() if place.version == version), None)

    def _list_recent_places(self) -> tuple[Place, ...]:
        asked_at, places = self._known_places
        return self._list_places() if time.monotonic() - asked_at >= ALIASES_S else places

    def _list_places(self) -> tuple[Place, ...]:
        """Return the stored versions, the current one first."""
        numbered_places: list[tuple[int, Place]] = []
        for alias, collection in self._list_aliases():
            if match := self._alias_pattern.fullmatch(alias):
                slot, generation, version = int(match[1]), int(match[2]), match[3]
                numbered_places.append((slot, Place(version=version, collection=collection, generation=generation)))
        places = tuple(place for _, place in sorted(numbered_places, key=lambda each: each[0]))
        self._known_places = (time.monotonic(), places)
        return places

    def _list_aliases(self) -> list[tuple[str, str]]:
        with self.map_errors():
            aliases = self.client.get_aliases().aliases
        return [(item.alias_name, item.collection_name) for item in aliases]

    def _replace_aliases(self, places: Sequence[Place]) -> None:
        from qdrant_client import models

        operations: list[Any] = [
            models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=alias))
            for alias, _ in self._list_aliases()
            if self._alias_pattern.fullmatch(alias)
        ]
        for slot, place in enumerate(places[: tuning.KEPT + 1]):
            name = f"{self.alias}--{slot}-{place.generation}-{place.version}"
            create = models.CreateAlias(alias_name=name, collection_name=place.collection)
            operations.append(models.CreateAliasOperation(create_alias=create))
        with self.map_errors():
            self.client.update_collection_aliases(operations)  # one request: the server applies all or none
        self._known_places = (-ALIASES_S, ())

    def _drop_unaliased(self) -> None:
        used_names = {place.collection for place in self._list_places()}
        pattern = re.compile(rf"({re.escape(self.alias)}-{VERSION_PATTERN}(?:-\d)?)(?:{RECORDS_SUFFIX})?")
        with self.map_errors():
            names = {item.name: pattern.fullmatch(item.name) for item in self.client.get_collections().collections}
            collections = {name: match[1] for name, match in names.items() if match and match[1] not in used_names}
            free = [name for name, collection in collections.items() if not self._find_other_holder(collection)]
        # Again, after the leases: a publisher ends its own when the aliases name its collection.
        used_names = {place.collection for place in self._list_places()} if free else used_names
        with self.map_errors():
            for name in free:
                if collections[name] not in used_names:
                    self.client.delete_collection(name)

    def _renew_lease(self, name: str) -> None:
        if self._clock() >= self._renew_at:
            with self.map_errors():
                self.client.update_collection(name, metadata={LEASE: self._extend_lease()})

    def release(self, name: str) -> None:
        """End the lease on a collection."""
        with self.map_errors():
            self.client.update_collection(name, metadata={LEASE: {"until": 0}})

    def run(self, call: Callable[[], Any]) -> Any:
        """Make a request with mapped errors."""
        with self.map_errors():
            return call()

    def run_and_renew(self, name: str) -> Callable[[Callable[[], Any]], Any]:
        """Return a function that makes a request, and renews the lease if it is time."""

        def run(call: Callable[[], Any]) -> Any:
            self._renew_lease(name)
            return self.run(call)

        return run

    def _extend_lease(self) -> dict[str, str | float]:
        now = self._clock()
        self._renew_at = now + RENEW_S
        return {"holder": self._holder, "until": now + LEASE_S}

    def _find_other_holder(self, name: str) -> str | None:
        """Return who else holds a lease on a collection; ``None`` if it is free, ours, or was deleted meanwhile."""
        if not self.client.collection_exists(name):
            return None
        lease = (self.client.get_collection(name).config.metadata or {}).get(LEASE) or {}
        is_free = lease.get("holder") == self._holder or float(lease.get("until", 0)) <= self._clock()
        return None if is_free else str(lease.get("holder"))

    def _take_lease(self, name: str) -> None:
        """Take the lease on a collection; wait some seconds for another publisher to end."""

        def take() -> None:
            with self._take_turns():
                self._require_free(name)
                with self.map_errors():
                    self.client.update_collection(name, metadata={LEASE: self._extend_lease()})

        retry(take)
        self._require_free(name)  # in a store without conditional writes there are no turns

    def _require_free(self, name: str) -> None:
        """Raise ``IndexUnavailableError`` if another publisher is building the same version."""
        with self.map_errors():
            holder = self._find_other_holder(name)
        if holder is not None:
            raise IndexUnavailableError(
                f"{holder} is building the same version of the index on {self.address}, or continues the same one: run "
                f"the same again when it has ended, or {LEASE_S // 60} minutes after it was killed"
            )

    @contextmanager
    def map_errors(self) -> Iterator[None]:
        with _map_errors(f"the index on {self.address} cannot be used"):
            yield


def _build_name(encoder_id: str) -> str:
    """Return a valid collection name for the encoder's id; a hash keeps it unique if characters were replaced."""
    plain = re.sub(r"[^A-Za-z0-9._-]", "-", encoder_id)
    return plain if plain == encoder_id else f"{plain}-{hashlib.sha256(encoder_id.encode()).hexdigest()[:8]}"


@contextmanager
def _map_errors(trouble: str) -> Iterator[None]:
    """Map the client's errors to the project's. Its in-memory mode raises ValueError for a missing collection."""
    from qdrant_client.common.client_exceptions import QdrantException
    from qdrant_client.http.exceptions import ApiException

    try:
        yield
    except (ApiException, QdrantException, ValueError, OSError) as error:
        kind = IndexUnavailableError if _is_transient(error) else VectorIndexError
        raise kind(
            f"{trouble}: {error}; check NEEDLE_QDRANT_URL and NEEDLE_QDRANT_API_KEY with `needle doctor`"
        ) from error


def _is_transient(error: Exception) -> bool:
    """Return whether the same request may succeed later: no connection, a fault of the server, too many requests."""
    from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
    from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

    if isinstance(error, UnexpectedResponse):
        return error.status_code is not None and (error.status_code >= 500 or error.status_code == 429)
    return isinstance(error, (ResponseHandlingException, ResourceExhaustedResponse, OSError))
