"""Listings of local folders: the files below one, with a stamp for each.

Stands alone because an ingest lists the same folders at every step, and a table of ten thousand videos has a file for
each. Within :func:`remember_listings` a folder is listed again only if its own time of change is another one: files of
the store are never changed in place, but replaced, which changes the folder.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

TEMPORARY = ".tmp-"
"""Prefix of the names of unfinished files; the process id follows."""
REMEMBERED_NS = 15 * 10**9
"""Nanoseconds for which a listing is remembered: a file that somebody changes in place is seen after them."""
SETTLED_NS = 10**9
"""A folder that changed this shortly before it was listed may change again within one tick of the clock."""


class ObjectStat(NamedTuple):
    """``size`` in bytes, and a ``stamp`` that changes whenever the object is written again."""

    size: int
    stamp: str


class FolderListing(NamedTuple):
    """Files and folders directly in a folder that was changed last and listed at these times (Unix, nanoseconds)."""

    changed_ns: int
    listed_ns: int
    files: Mapping[str, ObjectStat]
    folders: tuple[str, ...]


_memories: list[dict[str, FolderListing]] = []


@contextmanager
def remember_listings() -> Iterator[None]:
    """Within the block, folders that did not change are not listed again for ``REMEMBERED_NS``."""
    memory: dict[str, FolderListing] = {}
    _memories.append(memory)
    try:
        yield
    finally:
        _memories[:] = [each for each in _memories if each is not memory]  # equal ones are other blocks'


def convert_stat(info: os.stat_result) -> ObjectStat:
    """Return the stamp of a file: time of change, size and number on the disk."""
    return ObjectStat(info.st_size, f"{info.st_mtime_ns:x}-{info.st_size:x}-{info.st_ino:x}")


def list_stats(folder: str, prefix: str) -> Iterator[tuple[str, ObjectStat]]:
    """Yield key and stat of every finished file below a folder; ``prefix`` begins its keys. As :func:`walk`."""
    try:
        listing = _list_folder(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    for name, stat in listing.files.items():
        yield f"{prefix}{name}", stat
    for name in listing.folders:
        yield from list_stats(f"{folder}/{name}", f"{prefix}{name}/")


def walk(folder: str, prefix: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield key and entry of every finished file below a folder; ``prefix`` begins its keys.

    Links to folders are left out. With one call of the system for each folder: a lake has some files for each video.
    """
    try:
        with os.scandir(folder) as scan:
            entries = list(scan)
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from walk(entry.path, f"{prefix}{entry.name}/")
        elif _is_finished_file(entry):
            yield f"{prefix}{entry.name}", entry


def _list_folder(folder: str) -> FolderListing:
    memory = _memories[-1] if _memories else None
    now, changed_ns = time.time_ns(), os.stat(folder).st_mtime_ns
    listing_before = memory.get(folder) if memory is not None else None
    if listing_before and listing_before.changed_ns == changed_ns and now - listing_before.listed_ns < REMEMBERED_NS:
        return listing_before
    files: dict[str, ObjectStat] = {}
    folders: list[str] = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.name)
            elif _is_finished_file(entry):
                try:
                    files[entry.name] = convert_stat(entry.stat())
                except FileNotFoundError:
                    continue  # deleted meanwhile
    listing = FolderListing(changed_ns, now, files, tuple(folders))
    if memory is not None and now - changed_ns >= SETTLED_NS:
        memory[folder] = listing
    return listing


def _is_finished_file(entry: os.DirEntry[str]) -> bool:
    return not entry.name.startswith(TEMPORARY) and not (entry.is_symlink() and entry.is_dir())
