"""The object store of proxies, posters and the lake, on disk or under ``s3://``, through fsspec.

Every write is atomic: a reader gets the old object or the new one, never a part of one.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote, unquote, urlsplit

from ops.core.errors import NO_ROOM, NOT_PERMITTED, StorageError, StoreUnavailableError
from ops.core.listings import TEMPORARY, ObjectStat, convert_stat, list_stats, walk
from ops.core.locks import is_alive

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

    from ops.core.s3_objects import S3Objects


_TRANSIENT = {errno.EBUSY, errno.ETIMEDOUT, errno.ESTALE, errno.EHOSTUNREACH, errno.ENETUNREACH}


class ObjectStore:
    """Objects by key under one root, a folder or a ``scheme://bucket/prefix`` that fsspec supports.

    Keys are relative, with ``/``; a key that leads out of the root is refused. Foreign errors become ``StorageError``
    with the key in the message; a missing object raises ``FileNotFoundError``. Picklable, for worker processes.
    """

    def __init__(self, root: str) -> None:
        self.is_local = "://" not in root or root.startswith("file://")
        self.root = resolve_local_path(root) if self.is_local else root.rstrip("/")

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

    @cached_property
    def _s3(self) -> S3Objects | None:
        """The requests of S3; ``None`` for other stores."""
        if self.is_local or urlsplit(self.root).scheme not in ("s3", "s3a"):
            return None
        from ops.core.s3_objects import S3Objects

        return S3Objects(self._fs)

    @property
    def has_conditions(self) -> bool:
        """Whether :meth:`write_if` compares versions: only on S3."""
        return self._s3 is not None

    def path(self, key: str) -> str:
        """The store's own path of ``key``: absolute, with the scheme if the store is remote."""
        parts = key.split("/")
        if key.startswith("/") or ".." in parts or "\x00" in key:
            raise StorageError(f"{key!r} is not a key below the object store")
        return f"{self.root}/{key}" if key else self.root

    def uri(self, key: str) -> str:
        """URI of ``key``: ``file:///...`` (percent-encoded) or ``s3://...``."""
        return f"file://{quote(self.path(key))}" if self.is_local else self.path(key)

    def locate(self, path: str) -> str:
        """URI of an object that a row of the lake names: by its key, or in rows of earlier versions by a whole URI.

        Such a URI may name the place of a store before it was copied, so only its key counts (three parts:
        ``posters/<video>/<frames>.jpg``).
        """
        return self.uri("/".join(path.split("/")[-3:]))

    def exists(self, key: str) -> bool:
        if self.is_local:
            return os.path.exists(self.path(key))
        return self.stat(key) is not None

    def read_bytes(self, key: str) -> bytes:
        with self._map_errors(key):
            if self.is_local:
                return Path(self.path(key)).read_bytes()
            if self._s3:
                return self._s3.read(self.path(key))[0]
            return bytes(self._fs.cat_file(self.path(key)))

    def read_version(self, key: str) -> tuple[bytes, str]:
        """The bytes of an object, and the version for :meth:`write_if`; empty if the store has no conditions."""
        if not self._s3:
            return self.read_bytes(key), ""
        with self._map_errors(key):
            return self._s3.read(self.path(key))

    def write_if(self, key: str, data: bytes, version: str | None) -> bool:
        """Write an object if it still is the ``version`` that was read, or ``None``: if it does not exist.

        Returns false, and writes nothing, if another writer came first. Only S3 compares versions; in other stores a
        lock must exclude other writers.
        """
        if not self._s3:
            self.write_bytes(key, data)
            return True
        with self._map_errors(key), self._report_missing_bucket():
            return self._s3.write_if(self.path(key), data, version)

    def stat(self, key: str) -> ObjectStat | None:
        """Size and stamp of the object, without reading it; ``None`` if it does not exist."""
        with self._map_errors(key):
            try:
                return _read_local_stat(self.path(key)) if self.is_local else _parse_remote_stat(self._read_info(key))
            except FileNotFoundError:
                return None

    def stats(self, prefix: str) -> dict[str, ObjectStat]:
        """:meth:`stat` of every object below ``prefix``, by key; a remote store needs one listing for all."""
        with self._map_errors(prefix):
            if self.is_local:
                return dict(list_stats(self.path(prefix), f"{prefix}/" if prefix else ""))
            return {key: _parse_remote_stat(info) for key, info in self._find(prefix).items()}

    def stat_folders(self, prefix: str) -> dict[str, str]:
        """A stamp of each folder directly below ``prefix`` of a local store, by name.

        It changes when a file of the folder is created, deleted or replaced, not when one is changed in place.
        """
        with self._map_errors(prefix):
            try:
                with os.scandir(self.path(prefix)) as entries:
                    stats = ((entry.name, entry.stat()) for entry in entries if entry.is_dir())
                    return {name: f"{stat.st_mtime_ns:x}-{stat.st_ino:x}" for name, stat in stats}
            except FileNotFoundError:
                return {}

    @contextmanager
    def open(self, key: str) -> Iterator[BinaryIO]:
        """Open the object as a file for reading; a part can be read without the rest."""
        with (
            self._map_errors(key),
            open(self.path(key), "rb") if self.is_local else self._fs.open(self.path(key)) as file,
        ):
            yield file

    def write_bytes(self, key: str, data: bytes) -> None:
        """Write one object, atomically and durably."""
        with self._map_errors(key), self._report_missing_bucket():
            if not self.is_local:
                if self._s3:
                    self._s3.write(self.path(key), data)
                else:
                    self._fs.pipe_file(self.path(key), data)
                return
            with self._replace_locally(key) as temporary:
                temporary.write_bytes(data)

    def put_file(self, source: Path, key: str) -> None:
        """Move a finished local file into the store; ``source`` does not exist afterwards."""
        with self._map_errors(key), self._report_missing_bucket():
            if not self.is_local:
                if self._s3:
                    self._s3.put_file(source, self.path(key))
                else:
                    self._fs.put_file(str(source), self.path(key))
                source.unlink()
                return
            with self._replace_locally(key) as temporary:
                shutil.move(source, temporary)

    @contextmanager
    def _replace_locally(self, key: str) -> Iterator[Path]:
        """Write as :func:`write_atomically`; empty folders in the place of the object, not listed, are deleted."""
        target = Path(self.path(key))
        if target.is_dir() and not target.is_symlink():
            for folder, _, _ in os.walk(target, topdown=False):
                with suppress(OSError):  # not empty: the write reports it
                    os.rmdir(folder)
        with write_atomically(target) as temporary:
            yield temporary

    def delete(self, key: str) -> None:
        """Delete one object; do nothing if it is missing."""
        with self._map_errors(key):
            if self.is_local:
                Path(self.path(key)).unlink(missing_ok=True)
            elif self._s3:
                self._s3.delete([self.path(key)])
            else:
                with suppress(FileNotFoundError):
                    self._fs.rm_file(self.path(key))

    def delete_tree(self, prefix: str) -> None:
        """Delete every object below ``prefix``; do nothing if there is none."""
        if not prefix:
            raise StorageError("refusing to delete the whole object store")
        with self._map_errors(prefix):
            if self.is_local:
                if os.path.isdir(self.path(prefix)):
                    shutil.rmtree(self.path(prefix))
            elif self._s3:
                self._s3.delete([self.path(key) for key in self._find(prefix)])
            else:
                for key in self._find(prefix):
                    self._fs.rm_file(self.path(key))

    def list(self, prefix: str = "") -> list[str]:
        """All keys below ``prefix``, sorted; empty if there are none. Unfinished writes are excluded."""
        with self._map_errors(prefix):
            if self.is_local:
                return sorted(key for key, _ in walk(self.path(prefix), f"{prefix}/" if prefix else ""))
            return sorted(self._find(prefix))

    def _read_info(self, key: str) -> dict[str, Any]:
        """Facts of an object of a remote store. Raises ``FileNotFoundError``."""
        return self._s3.read_facts(self.path(key)) if self._s3 else dict(self._fs.info(self.path(key)))

    def _find(self, prefix: str) -> dict[str, dict[str, Any]]:
        """Key and facts of every object below ``prefix`` of a remote store."""
        base = self._fs._strip_protocol(self.root).rstrip("/")
        facts: Mapping[str, dict[str, Any]]
        with self._report_missing_bucket():
            if self._s3 and prefix:
                folder, _, name = prefix.rpartition("/")
                facts = self._s3.list(self.path(folder), name)
            else:
                facts = self._fs.find(self.path(prefix), detail=True)
        keys = ((path[len(base) + 1 :], info) for path, info in facts.items())
        return {key: info for key, info in keys if not key.rpartition("/")[2].startswith(TEMPORARY)}

    def delete_unfinished(self, prefix: str) -> None:
        """Delete unfinished files below ``prefix`` of killed processes of this machine.

        On a local store only: others have no unfinished objects.
        """
        if not self.is_local:
            return
        with self._map_errors(prefix):
            delete_unfinished_files(Path(self.path(prefix)))

    @contextmanager
    def fetch_local_file(self, key: str, scratch: Path) -> Iterator[Path]:
        """A local path with the object's bytes: the file itself, or a copy in ``scratch`` for the block."""
        if self.is_local:
            path = Path(self.path(key))
            if not path.exists():
                raise FileNotFoundError(path)
            yield path
            return
        scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            copy = Path(folder) / os.path.basename(key)
            with self._map_errors(key):
                self._fs.get_file(self.path(key), str(copy))
            yield copy

    @contextmanager
    def _report_missing_bucket(self) -> Iterator[None]:
        """Of a write or a listing, FileNotFoundError means that the bucket is missing, not an object."""
        try:
            yield
        except FileNotFoundError as error:
            raise StorageError(
                f"object store {self.root}: no such bucket or folder: create it, or set NEEDLE_STORAGE to another one"
            ) from error

    @contextmanager
    def _map_errors(self, key: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except _store_errors(self.is_local) as error:
            text = getattr(error, "strerror", None) or error
            kind = StoreUnavailableError if _is_transient(error) else StorageError
            if self.is_local and isinstance(error, PermissionError):
                text = f"{text}: {NOT_PERMITTED}"
            raise kind(f"object store {self.root}: {key!r}: {text}") from error


def _read_local_stat(path: str) -> ObjectStat:
    return convert_stat(os.stat(path))


def delete_unfinished_files(folder: Path) -> None:
    """Delete files of :func:`write_atomically` below a folder that killed processes of this machine left."""
    for path in folder.rglob(f"{TEMPORARY}*"):
        writer = path.name.removeprefix(TEMPORARY).partition("-")[0]
        if writer.isdigit() and not is_alive(int(writer)):
            path.unlink(missing_ok=True)


def _parse_remote_stat(info: dict[str, Any]) -> ObjectStat:
    stamp = f"{info.get('ETag') or info.get('LastModified')}-{info['size']}"
    return ObjectStat(size=int(info["size"]), stamp=stamp)


def _store_errors(is_local: bool) -> tuple[type[BaseException], ...]:
    """OSError, and the other errors that an S3 client raises, such as missing credentials or an incomplete answer."""
    if is_local:
        return (OSError,)
    from aiohttp import ClientError as ConnectionLost
    from botocore.exceptions import BotoCoreError, ClientError

    return OSError, BotoCoreError, ClientError, ConnectionLost


def _is_transient(error: BaseException) -> bool:
    """Return whether the same request may succeed later: no connection, a timeout, or too many requests.

    s3fs raises ``OSError`` with these numbers for the answers ServiceUnavailable, SlowDown and RequestTimeout.
    """
    if isinstance(error, OSError):
        return isinstance(error, (ConnectionError, TimeoutError)) or error.errno in _TRANSIENT
    from aiohttp import ClientError as ConnectionLost  # only a remote store raises other errors than OSError
    from botocore.exceptions import HTTPClientError

    return isinstance(error, (HTTPClientError, ConnectionLost))


@contextmanager
def write_atomically(target: Path, mode: int | None = None) -> Iterator[Path]:
    """A temporary path in the folder of ``target``; it replaces ``target`` durably if the block succeeds.

    ``mode`` is the mode of the file, by default as the umask allows. The temporary file is readable by its owner only.

    Raises ``OSError`` that names ``target`` if the folder does not accept new files, or the disk has no room for the
    content (:data:`ops.core.errors.NO_ROOM`).
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    prefix = f"{TEMPORARY}{os.getpid()}-"
    try:
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=prefix, suffix=target.suffix)
    except OSError as error:  # it names the temporary file, which the user does not know
        raise OSError(error.errno, error.strerror, str(target)) from error
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as handle:
            os.fsync(handle.fileno())
        temporary.chmod(0o666 & ~read_umask() if mode is None else mode)
        temporary.replace(target)
    except OSError as error:  # the system names no file if a write to an open one, or its fsync, fails
        if error.errno in NO_ROOM and error.filename in (None, name):
            raise OSError(error.errno, error.strerror, str(target)) from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


def read_umask() -> int:
    """The process's umask; the system returns it only in exchange for a new one."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def resolve_local_path(uri: str) -> str:
    """The path of a ``file://`` URI or of a plain path, absolute and without ``..``.

    Links stay in it, unless a ``..`` follows a link and leads out of its target; then all links are resolved.
    """
    path = os.path.expanduser(unquote(urlsplit(uri).path) if uri.startswith("file://") else uri)
    plain = os.path.abspath(path)
    return plain if os.path.realpath(plain) == os.path.realpath(path) else os.path.realpath(path)
