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
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote
from uuid import uuid4

from ops.core.storage import ObjectStore

LEASE_S = 60.0
PAUSE_S = (0.05, 0.1, 0.2, 0.5, 1.0)
"""Seconds between two tries; the last one for all later ones."""


@contextmanager
def hold_lease(store: ObjectStore, name: str, *, lease_s: float = LEASE_S) -> Iterator[None]:
    """Hold the lease called ``name`` for the block, which must take less than ``lease_s``; wait for another holder."""
    key = f"locks/{quote(name, safe='')}.json"
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
