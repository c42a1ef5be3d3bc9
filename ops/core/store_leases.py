"""One writer at a time for one thing, across all homes on one bucket.

A lease is an object that only one writer can create. It is held for moments: to read a file of the lake, change its
rows and write it. A holder that was killed leaves it behind; whoever has seen the same lease for ``LEASE_S`` seconds
takes it over, so clocks of machines need not agree. Stores without conditional writes have no leases: there, homes on
one store are not safe.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import quote, unquote
from uuid import uuid4

from ops.core.locks import is_alive
from ops.core.storage import ObjectStore

LEASE_S = 60.0
_FOLDER = "locks"
PAUSE_S = (0.05, 0.1, 0.2, 0.5, 1.0)
"""Seconds between two tries; the last one for all later ones."""


@contextmanager
def hold_lease(store: ObjectStore, name: str, *, lease_s: float = LEASE_S) -> Iterator[None]:
    """Hold the lease called ``name`` for the block, which must take less than ``lease_s``; wait for another holder."""
    key = f"{_FOLDER}/{quote(name, safe='')}.json"
    holder = {"machine": socket.gethostname(), "process": os.getpid(), "lease": uuid4().hex}
    content = json.dumps(holder).encode()
    _acquire(store, key, content, lease_s)
    try:
        yield
    finally:
        _release(store, key, content)


def _acquire(store: ObjectStore, key: str, content: bytes, lease_s: float) -> None:
    tries, holder, since = 0, "", time.monotonic()
    while not store.write_if(key, content, None):
        try:
            _, version = store.read_version(key)
        except FileNotFoundError:
            continue  # released meanwhile
        if version != holder:
            holder, since = version, time.monotonic()
        elif time.monotonic() - since >= lease_s and store.write_if(key, content, version):
            return
        time.sleep(PAUSE_S[min(tries, len(PAUSE_S) - 1)])
        tries += 1


def _release(store: ObjectStore, key: str, content: bytes) -> None:
    """Delete the lease, unless another holder has taken it over."""
    try:
        if store.read_bytes(key) == content:
            store.delete(key)
    except FileNotFoundError:
        pass


@dataclass(frozen=True, kw_only=True)
class Lease:
    """A lease as it was read: its object, what the holder wrote, and the version of that."""

    key: str
    content: bytes
    version: str

    @property
    def name(self) -> str:
        """Return the name with which the lease was taken."""
        return unquote(self.key.removeprefix(f"{_FOLDER}/").removesuffix(".json"))

    def has_dead_holder(self) -> bool:
        """Return True if a process of this machine held it that does not run any more."""
        try:
            holder = json.loads(self.content)
            return bool(holder["machine"] == socket.gethostname()) and not is_alive(int(holder["process"]))
        except (ValueError, KeyError, TypeError):
            return False


def find_stale_leases(store: ObjectStore, *, lease_s: float = LEASE_S) -> list[Lease]:
    """Return the leases whose holders have ended.

    A holder on another machine has ended if it keeps its lease for ``lease_s``: this waits, if there is one.
    """
    if store.is_local:
        return []
    leases = set(_list_leases(store))
    stale = {lease for lease in leases if lease.has_dead_holder()}
    active, until = leases - stale, time.monotonic() + lease_s
    while active and time.monotonic() < until:
        time.sleep(min(PAUSE_S[-1], lease_s))
        active &= set(_list_leases(store))
    return sorted(stale | active, key=lambda lease: lease.key)


def end_leases(store: ObjectStore, leases: Iterable[Lease]) -> None:
    """Delete leases, unless another holder has taken them over meanwhile."""
    for lease in leases:
        if store.write_if(lease.key, lease.content, lease.version):
            _release(store, lease.key, lease.content)


def _list_leases(store: ObjectStore) -> Iterator[Lease]:
    for key in store.list(_FOLDER):
        try:
            content, version = store.read_version(key)
        except FileNotFoundError:
            continue  # released meanwhile
        yield Lease(key=key, content=content, version=version)
