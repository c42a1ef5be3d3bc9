"""Source footage in an object store: list, read and fetch objects through fsspec."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ops.core.errors import StorageError

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


@dataclass(frozen=True, kw_only=True)
class StoredObject:
    """One object: full ``uri``, size, and a ``stamp`` that changes with its content (the etag)."""

    uri: str
    bytes: int
    stamp: str


def is_remote(path: str) -> bool:
    """Return whether ``path`` names an object store rather than a local file."""
    return "://" in path and not path.startswith("file://")


def list_objects(uri: str) -> list[StoredObject]:
    """List the object at ``uri``, or all objects below it, sorted; empty if there are none.

    Raises ``StorageError`` if the store cannot be reached: never returns an empty list then.
    """
    scheme = urlsplit(uri).scheme
    try:
        with _map_errors(uri):
            infos: dict[str, dict[str, Any]] = _open_filesystem(uri).find(uri.rstrip("/"), detail=True)
    except FileNotFoundError as error:
        raise StorageError(f"{uri}: the store has no such bucket") from error
    objects = [
        StoredObject(uri=f"{scheme}://{path.lstrip('/')}", bytes=int(info["size"] or 0), stamp=_make_stamp(info))
        for path, info in infos.items()
        if info["type"] == "file" and not path.endswith("/")
    ]
    return sorted(objects, key=lambda item: item.uri)


def list_folder(uri: str) -> tuple[list[StoredObject], list[str]]:
    """List objects directly below ``uri``, and the folders there, both sorted."""
    scheme = urlsplit(uri).scheme
    with _map_errors(uri):
        infos: list[dict[str, Any]] = _open_filesystem(uri).ls(uri, detail=True)
    entries = [(f"{scheme}://{info['name'].strip('/')}", info) for info in infos]
    objects = [
        StoredObject(uri=name, bytes=int(info["size"] or 0), stamp=_make_stamp(info))
        for name, info in entries
        if info["type"] == "file"
    ]
    folders = sorted(name for name, info in entries if info["type"] == "directory")
    return sorted(objects, key=lambda item: item.uri), folders


@contextmanager
def open_object(uri: str) -> Iterator[Any]:
    """Open an object as a file that can seek and fetches only the parts that are read, a megabyte at a time."""
    with _map_errors(uri), _open_filesystem(uri).open(uri, "rb", block_size=1 << 20, cache_type="readahead") as file:
        yield file


def read_object(uri: str, most: int | None = None) -> bytes:
    """Read all bytes of a small object, or the first ``most``. Raises ``FileNotFoundError`` or ``StorageError``."""
    with _map_errors(uri):
        return bytes(_open_filesystem(uri).cat_file(uri, end=most))


def hash_object(uri: str) -> str:
    """Return SHA-256 of an object's bytes as hex, streamed."""
    import hashlib

    digest = hashlib.sha256()
    with _map_errors(uri), _open_filesystem(uri).open(uri, "rb", block_size=8 << 20, cache_type="readahead") as file:
        while chunk := file.read(8 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def fetch_object(uri: str, target: Path) -> None:
    """Copy an object to the local path ``target``."""
    with _map_errors(uri):
        _open_filesystem(uri).get_file(uri, str(target))


def _make_stamp(info: dict[str, Any]) -> str:
    for name in ("ETag", "etag", "md5Hash", "LastModified", "mtime", "created"):
        if info.get(name):
            return str(info[name]).strip('"')
    return ""


def _open_filesystem(uri: str) -> AbstractFileSystem:
    import fsspec

    scheme = urlsplit(uri).scheme
    try:
        # Without the listings cache, which would hide footage that arrived since the last listing.
        return fsspec.filesystem(scheme, use_listings_cache=False)
    except (ImportError, ValueError) as error:
        raise StorageError(f"cannot read {uri!r}: {error}") from error


@contextmanager
def _map_errors(uri: str) -> Iterator[None]:
    from aiohttp import ClientError as ConnectionLost
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except FileNotFoundError:
        raise
    except PermissionError as error:
        raise StorageError(f"{uri}: the store refused access: check the credentials and the bucket's policy") from error
    except (OSError, BotoCoreError, ClientError, ConnectionLost) as error:
        raise StorageError(f"{uri}: the store cannot be read: {error}") from error
