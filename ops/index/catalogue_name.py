"""The catalogue's name, which is in every collection and alias on a Qdrant server.

Two catalogues on one server would otherwise replace each other's indexes, because both call theirs after the encoder.
The name is pinned in the object store (``catalogue.json``), so that every home on that store publishes to the same
indexes. The pin has the store's address too: the copy of a store is another catalogue, but has the same file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from uuid import uuid4

from ops.core.errors import SettingsError, StorageError
from ops.core.locks import lock_exclusively
from ops.core.settings import Settings
from ops.core.storage import ObjectStore
from ops.core.store_leases import hold_lease

KEY = "catalogue.json"
TURN_S = 300.0
"""Longer than the requests of a turn take, each with its timeout."""
NO_NAME = "not-pinned"
"""Name for reading before anything was published: nothing is published under it."""


@dataclass(frozen=True)
class _Pin:
    name: str
    storage: str


def read_catalogue_name(settings: Settings) -> str:
    """Return the name of the catalogue; writes nothing. ``NO_NAME`` before it is pinned.

    Raises ``SettingsError`` if ``NEEDLE_CATALOGUE`` is another one, or if the store was copied or moved.
    """
    try:
        pin = _read_pin(settings.storage_uri)
    except FileNotFoundError:
        return settings.catalogue or NO_NAME
    if settings.catalogue == pin.name or (not settings.catalogue and pin.storage == settings.storage_uri):
        return pin.name
    if pin.storage == settings.storage_uri:
        raise SettingsError(
            f"NEEDLE_CATALOGUE = {settings.catalogue!r}, but the catalogue in {settings.storage_uri} is called "
            f"{pin.name!r}, and so are its indexes on the Qdrant server: set it back, or leave it out"
        )
    if settings.catalogue:
        return settings.catalogue
    raise SettingsError(
        f"the catalogue in {settings.storage_uri} is a copy of the one in {pin.storage}, or was moved from there: set "
        f"NEEDLE_CATALOGUE to a new name if the other one is still in use, or to {pin.name!r} if not"
    )


def pin_catalogue_name(settings: Settings) -> str:
    """As :func:`read_catalogue_name`; the first publisher pins ``NEEDLE_CATALOGUE``, or a random name."""
    with lock_exclusively(settings.home / "locks" / "catalogue.lock"):
        version = _read_version(settings)
        name = read_catalogue_name(settings)
        name = uuid4().hex[:8] if name == NO_NAME else name
        if not _is_pinned(settings, name):
            pin = _Pin(name=name, storage=settings.storage_uri)
            settings.store.write_if(KEY, json.dumps(asdict(pin), indent=2).encode(), version)
            _read_pin.cache_clear()
    return read_catalogue_name(settings)  # another home may have written it at the same moment


@contextmanager
def take_turns(settings: Settings) -> Iterator[None]:
    """Exclude the publishers of other homes on the same store for some requests to the server.

    Publishers of this home have a lock. Nothing is excluded in a store without conditional writes.
    """
    if settings.store.has_conditions:
        with hold_lease(settings.store, "qdrant", lease_s=TURN_S):
            yield
    else:
        yield


def _read_version(settings: Settings) -> str | None:
    try:
        return settings.store.read_version(KEY)[1]
    except FileNotFoundError:
        return None


def _is_pinned(settings: Settings, name: str) -> bool:
    try:
        return _read_pin(settings.storage_uri).name == name
    except FileNotFoundError:
        return False


@lru_cache(maxsize=16)
def _read_pin(storage: str) -> _Pin:
    """Read the pin once. Raises ``FileNotFoundError`` if there is none, which is not remembered."""
    data = ObjectStore(storage).read_bytes(KEY)
    try:
        content = json.loads(data)
        return _Pin(name=str(content["name"]), storage=str(content["storage"]))
    except (ValueError, KeyError, TypeError) as error:
        raise StorageError(
            f"{ObjectStore(storage).path(KEY)} is damaged: write the catalogue's name into it, as in "
            f'{{"name": "...", "storage": "{storage}"}}'
        ) from error
