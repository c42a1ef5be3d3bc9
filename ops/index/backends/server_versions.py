"""Versions on a Qdrant server or cluster: one collection for each, and aliases that switch atomically.

For the index called ``E``, such as an encoder's id, of the catalogue ``C`` the server has the collections
``needle-C--E-<version>``. The aliases are ``needle-C--E`` (the current version), ``needle-C--E--previous-1`` and so on.
A catalogue's name has no double hyphen, so no two of them have a name in common.

A collection without one of these aliases is not a version: it is being built, or its publisher was killed. A publisher
holds a lease on it, in the collection's metadata, and renews it. The next publisher deletes collections whose lease has
run out or is its own. The lease is longer than any pause of a publisher, and than the difference of two clocks.
"""

from __future__ import annotations

import hashlib
import re
import time
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from ops.core.errors import IndexUnavailableError, VectorIndexError
from ops.core.qdrant_options import QdrantOptions
from ops.index import tuning
from ops.index.backends.uploads import upload, wait_until_green
from ops.index.points import Base, Manifest, VideoDigests, require_rows

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

Item = TypeVar("Item")
Store = TypeVar("Store")


class CollectionVersions(ABC, Generic[Item, Store]):
    """Versions of the index called ``name`` on a server; subclasses define the points and the queries.

    ``holder`` names the publisher in leases: it must be another one for each that can publish at the same time.
    ``clock`` returns Unix time.
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
    ) -> None:
        self.client = client
        self.address = address
        self.alias = f"needle-{catalogue}--{_build_name(name)}"
        self._holder = holder
        self._clock = clock
        self._renew_at = 0.0
        self.options = options or QdrantOptions()
        self._known: tuple[float, str | None] = (-ALIASES_S, None)

    def current(self) -> str | None:
        """See :class:`ops.index.points.Versions`. The server is asked once in ``ALIASES_S``."""
        asked_at, version = self._known
        return self._read_current() if time.monotonic() - asked_at >= ALIASES_S else version

    def has(self, version: str) -> bool:
        return version in self._read_aliases().values()

    def read_videos(self, version: str) -> VideoDigests | None:
        return None  # a collection is built whole

    def build(
        self,
        manifest: Manifest,
        points: Iterable[Item],
        *,
        videos: VideoDigests | None = None,
        base: Base | None = None,
    ) -> None:
        self._drop_unaliased()
        name = self._name_collection(manifest["version"])
        self._require_free(name)
        with self.map_errors():
            metadata = {**manifest, LEASE: self._extend_lease()}
            self.client.create_collection(
                name,
                **self._build_config(manifest),
                shard_number=self.options.shards,
                replication_factor=self.options.replicas,
                write_consistency_factor=self.options.consistency,
                on_disk_payload=self.options.on_disk or None,
                metadata=metadata,
            )
            for field, schema in self._build_payload_indexes(manifest):
                self.client.create_payload_index(name, field, schema, wait=True)
        upload(
            self.client,
            name,
            map(self._build_struct, points),
            parallel=self.options.uploads,
            run=self._run,
            on_batch=lambda: self._renew_lease(name),
        )
        with self.map_errors():
            count = self.client.count(name, exact=True).count
        require_rows(manifest, count)
        wait_until_green(self.client, name, self._run_and_renew(name))

    def switch(self, version: str) -> None:
        if self._read_current() != version:
            self._replace_aliases([version, *(name for name in self._list_versions() if name != version)])
            with self.map_errors():  # once it is replaced, anybody may delete it
                self.client.update_collection(self._name_collection(version), metadata={LEASE: {"until": 0}})
        self._drop_unaliased()

    def drop_old(self) -> None:
        if current := self._read_current():
            self._replace_aliases([current])
        self._drop_unaliased()

    def drop_all(self) -> None:
        if self._read_aliases():
            self._replace_aliases([])
        self._drop_unaliased()

    def open(self, version: str) -> Store:
        with self.map_errors():
            if not self.client.collection_exists(self._name_collection(version)):
                message = f"version {version} of the index on {self.address} is gone: open the current one"
                raise VectorIndexError(message)
            manifest = self.client.get_collection(self._name_collection(version)).config.metadata
        fields = {key: value for key, value in dict(manifest or {}).items() if key != LEASE}
        return self._store(self._name_collection(version), cast(Manifest, fields))

    @abstractmethod
    def _build_config(self, manifest: Manifest) -> dict[str, Any]:
        """Return the arguments of ``create_collection`` for vectors and optimisation."""

    @abstractmethod
    def _build_payload_indexes(self, manifest: Manifest) -> list[tuple[str, Any]]:
        """Return ``(field, schema)`` of each payload index."""

    @abstractmethod
    def _build_struct(self, point: Item) -> models.PointStruct:
        """Convert the point to the client's type."""

    @abstractmethod
    def _store(self, collection: str, manifest: Manifest) -> Store:
        """Open the version."""

    def _name_collection(self, version: str) -> str:
        return f"{self.alias}-{version}"

    def _list_slots(self) -> list[str]:
        return [self.alias, *(f"{self.alias}--previous-{number}" for number in range(1, tuning.KEPT + 1))]

    def _read_current(self) -> str | None:
        return self._read_aliases().get(self.alias)

    def _read_aliases(self) -> dict[str, str]:
        """Return the version by alias, for the aliases of this index."""
        with self.map_errors():
            aliases = self.client.get_aliases().aliases
        asked_at = time.monotonic()
        prefix = f"{self.alias}-"
        slots = self._list_slots()
        versions = {
            item.alias_name: item.collection_name.removeprefix(prefix) for item in aliases if item.alias_name in slots
        }
        self._known = (asked_at, versions.get(self.alias))
        return versions

    def _list_versions(self) -> list[str]:
        aliases = self._read_aliases()
        return [aliases[slot] for slot in self._list_slots() if slot in aliases]

    def _replace_aliases(self, versions: Sequence[str]) -> None:
        from qdrant_client import models

        operations: list[Any] = [
            models.DeleteAliasOperation(delete_alias=models.DeleteAlias(alias_name=name))
            for name in self._read_aliases()
        ]
        for slot, version in zip(self._list_slots(), versions, strict=False):
            create = models.CreateAlias(alias_name=slot, collection_name=self._name_collection(version))
            operations.append(models.CreateAliasOperation(create_alias=create))
        with self.map_errors():
            self.client.update_collection_aliases(operations)  # one request: the server applies all or none
        self._known = (-ALIASES_S, None)

    def _drop_unaliased(self) -> None:
        alias_targets = {self._name_collection(version) for version in self._read_aliases().values()}
        pattern = re.compile(rf"{re.escape(self.alias)}-{VERSION_PATTERN}")
        with self.map_errors():
            for item in self.client.get_collections().collections:
                is_version = item.name in alias_targets or not pattern.fullmatch(item.name)
                if not is_version and not self._find_other_holder(item.name):
                    self.client.delete_collection(item.name)

    def _renew_lease(self, name: str) -> None:
        if self._clock() >= self._renew_at:
            with self.map_errors():
                self.client.update_collection(name, metadata={LEASE: self._extend_lease()})

    def _run(self, call: Callable[[], Any]) -> Any:
        with self.map_errors():
            return call()

    def _run_and_renew(self, name: str) -> Callable[[Callable[[], Any]], Any]:
        def run(call: Callable[[], Any]) -> Any:
            self._renew_lease(name)
            return self._run(call)

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

    def _require_free(self, name: str) -> None:
        """Raise ``IndexUnavailableError`` if another publisher is building the same version."""
        with self.map_errors():
            holder = self._find_other_holder(name)
        if holder is not None:
            raise IndexUnavailableError(
                f"{holder} is building the same version of the index on {self.address}: run the same again when it has "
                f"ended, or {LEASE_S // 60} minutes after it was killed"
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
