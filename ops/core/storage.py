"""The object store: where proxies, posters and the lake lie, on disk or under ``s3://``, by fsspec.

Every write is atomic: a reader sees the old object or the new one, never half of one.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote, unquote, urlsplit

from ops.core.errors import StorageError
from ops.core.locks import is_alive

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


_UNFINISHED = ".tmp-"
"""Names of files that are being written begin so; then comes the number of the process."""


@dataclass(frozen=True, kw_only=True)
class ObjectStat:
    """``size`` in bytes, and a ``stamp`` that changes whenever the object is written anew."""

    size: int
    stamp: str


class ObjectStore:
    """Objects by key under one root, a folder or a ``scheme://bucket/prefix`` that fsspec knows.

    Keys are relative, with ``/``; a key that climbs out of the root is refused. Foreign errors
    become ``StorageError`` with the key in the message; a missing object is ``FileNotFoundError``.
    Picklable, so that worker processes can have it.
    """

    def __init__(self, root: str) -> None:
        self.is_local = "://" not in root or root.startswith("file://")
        self.root = local_path_of(root) if self.is_local else root.rstrip("/")

    def __repr__(self) -> str:
        return f"ObjectStore({self.root!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {"is_local": self.is_local, "root": self.root}

    @cached_property
    def _fs(self) -> AbstractFileSystem:
        import fsspec

        scheme = "file" if self.is_local else urlsplit(self.root).scheme
        try:
            # use_listings_cache: another process may write, and a stale listing would lose its rows.
            return fsspec.filesystem(scheme, use_listings_cache=False)
        except (ImportError, ValueError) as error:
            raise StorageError(f"cannot use {self.root!r} as an object store: {error}") from error

    def path(self, key: str) -> str:
        """The store's own path of ``key``: absolute, with scheme where it is not local."""
        parts = key.split("/")
        if key.startswith("/") or ".." in parts or "\x00" in key:
            raise StorageError(f"{key!r} is not a key below the object store")
        return f"{self.root}/{key}" if key else self.root

    def uri(self, key: str) -> str:
        """URI of ``key``: ``file:///...`` (percent-encoded) or ``s3://...``."""
        return f"file://{quote(self.path(key))}" if self.is_local else self.path(key)

    def exists(self, key: str) -> bool:
        if self.is_local:
            return os.path.exists(self.path(key))
        with self._mapped(key):
            return bool(self._fs.exists(self.path(key)))

    def read_bytes(self, key: str) -> bytes:
        with self._mapped(key):
            if self.is_local:
                return Path(self.path(key)).read_bytes()
            return bytes(self._fs.cat_file(self.path(key)))

    def stat(self, key: str) -> ObjectStat | None:
        """Size and stamp of the object, without reading it; ``None`` where there is none."""
        with self._mapped(key):
            try:
                return _local_stat(self.path(key)) if self.is_local else _remote_stat(self._fs.info(self.path(key)))
            except FileNotFoundError:
                return None

    def stats(self, prefix: str) -> dict[str, ObjectStat]:
        """:meth:`stat` of every object below ``prefix``, by key; on a remote store with one listing for all."""
        if self.is_local:
            found = {key: self.stat(key) for key in self.list(prefix)}
            return {key: stat for key, stat in found.items() if stat}  # a file may go between the two
        with self._mapped(prefix):
            if not self._fs.exists(self.path(prefix)):
                return {}
            base = self._fs._strip_protocol(self.root)
            infos = self._fs.find(self.path(prefix), detail=True).items()
            return {os.path.relpath(path, base): _remote_stat(info) for path, info in infos}

    @contextmanager
    def open(self, key: str) -> Iterator[BinaryIO]:
        """The object as a file for reading, from which a part can be had without the rest."""
        with self._mapped(key), open(self.path(key), "rb") if self.is_local else self._fs.open(self.path(key)) as file:
            yield file

    def write_bytes(self, key: str, data: bytes) -> None:
        """Write one object, atomically and durably."""
        with self._mapped(key), self._into_bucket():
            if not self.is_local:
                self._fs.pipe_file(self.path(key), data)
                return
            with atomic_path(Path(self.path(key))) as temporary:
                temporary.write_bytes(data)

    def put_file(self, source: Path, key: str) -> None:
        """Move a finished local file into the store; ``source`` is gone afterwards."""
        with self._mapped(key), self._into_bucket():
            if not self.is_local:
                self._fs.put_file(str(source), self.path(key))
                source.unlink()
                return
            with atomic_path(Path(self.path(key))) as temporary:
                shutil.move(source, temporary)

    def delete(self, key: str) -> None:
        """Delete one object; a missing one is fine."""
        with self._mapped(key):
            if self.is_local:
                Path(self.path(key)).unlink(missing_ok=True)
            elif self._fs.exists(self.path(key)):
                self._fs.rm_file(self.path(key))

    def delete_tree(self, prefix: str) -> None:
        """Delete every object below ``prefix``; a missing one is fine."""
        if not prefix:
            raise StorageError("refusing to delete the whole object store")
        with self._mapped(prefix):
            if self.is_local:
                if os.path.isdir(self.path(prefix)):
                    shutil.rmtree(self.path(prefix))
            elif self._fs.exists(self.path(prefix)):
                self._fs.rm(self.path(prefix), recursive=True)

    def list(self, prefix: str = "") -> list[str]:
        """All keys below ``prefix``, sorted; empty where there is nothing. Unfinished writes are left out."""
        root = self.path(prefix)
        with self._mapped(prefix):
            if self.is_local:
                found = [os.path.join(folder, name) for folder, _, names in os.walk(root) for name in names]
                base = self.root
            else:
                if not self._fs.exists(root):
                    return []
                found = self._fs.find(root)
                base = self._fs._strip_protocol(self.root)
        keys = (os.path.relpath(path, base) for path in found)
        return sorted(key for key in keys if not os.path.basename(key).startswith(_UNFINISHED))

    def delete_unfinished(self, prefix: str) -> None:
        """Delete what processes of this machine were writing below ``prefix`` when they were killed.

        On a local store only: others have no unfinished objects.
        """
        if not self.is_local:
            return
        with self._mapped(prefix):
            for path in Path(self.path(prefix)).rglob(f"{_UNFINISHED}*"):
                writer = path.name.removeprefix(_UNFINISHED).partition("-")[0]
                if writer.isdigit() and not is_alive(int(writer)):
                    path.unlink(missing_ok=True)

    @contextmanager
    def as_local_file(self, key: str, scratch: Path) -> Iterator[Path]:
        """A local path with the object's bytes: the file itself, or a copy in ``scratch`` that goes afterwards."""
        if self.is_local:
            path = Path(self.path(key))
            if not path.exists():
                raise FileNotFoundError(path)
            yield path
            return
        scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            copy = Path(folder) / os.path.basename(key)
            with self._mapped(key):
                self._fs.get_file(self.path(key), str(copy))
            yield copy

    @contextmanager
    def _into_bucket(self) -> Iterator[None]:
        """Writing finds a missing bucket, not a missing object."""
        try:
            yield
        except FileNotFoundError as error:
            raise StorageError(f"object store {self.root}: no such bucket or folder") from error

    @contextmanager
    def _mapped(self, key: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except _store_errors(self.is_local) as error:
            text = getattr(error, "strerror", None) or error
            raise StorageError(f"object store {self.root}: {key!r}: {text}") from error


def _local_stat(path: str) -> ObjectStat:
    found = os.stat(path)
    return ObjectStat(size=found.st_size, stamp=f"{found.st_mtime_ns:x}-{found.st_size:x}-{found.st_ino:x}")


def _remote_stat(info: dict[str, Any]) -> ObjectStat:
    stamp = f"{info.get('ETag') or info.get('LastModified')}-{info['size']}"
    return ObjectStat(size=int(info["size"]), stamp=stamp)


def _store_errors(is_local: bool) -> tuple[type[BaseException], ...]:
    """OSError, and what an S3 client raises beside it, such as missing credentials."""
    if is_local:
        return (OSError,)
    from botocore.exceptions import BotoCoreError, ClientError

    return OSError, BotoCoreError, ClientError


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """A temporary path beside ``target`` that takes its place, durably, when the block ends well.

    Raises ``OSError`` that names ``target`` where no file can be made beside it.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    prefix = f"{_UNFINISHED}{os.getpid()}-"
    try:
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=prefix, suffix=target.suffix)
    except OSError as error:  # which names the temporary file, of which nobody has heard
        raise OSError(error.errno, error.strerror, str(target)) from error
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    """The process's umask; the system tells it only in exchange for a new one."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def local_path_of(uri: str) -> str:
    """The path of a ``file://`` URI or of a plain path, absolute and without ``..``.

    Links stay in it, but where a ``..`` follows one and leads out of where that leads.
    """
    path = os.path.expanduser(unquote(urlsplit(uri).path) if uri.startswith("file://") else uri)
    plain = os.path.abspath(path)
    return plain if os.path.realpath(plain) == os.path.realpath(path) else os.path.realpath(path)
