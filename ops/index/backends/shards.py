"""Immutable versions of an embedded index, in a folder.

::

    <folder>/versions/<version>/manifest.json
                                videos.json     digests of its videos, for an index that grows by videos
                                shard/
    <folder>/current -> versions/<version>
    <folder>/building-*/        the work of a publisher; left over only by a kill
    <folder>/locks/             one file per version, locked shared by its readers

Nothing is written after the rename that makes a version visible, except that its parts may be replaced by others with
the same content (``shard/parts.json``). Versions share the files of parts by hard links.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import tempfile
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Generic, TypeVar

from ops.core.errors import VectorIndexError, make_home_error
from ops.index import tuning
from ops.index.points import Base, Manifest, VideoDigest, VideoDigests, require_rows

VIDEOS = "videos.json"
PARTS = "parts.json"
"""The list of a version's parts, in ``shard/``; replaced atomically."""
REPAIR = "`needle doctor --repair` builds it again"

Item = TypeVar("Item")
Store = TypeVar("Store")


class ShardVersions(ABC, Generic[Item, Store]):
    """Versions below ``folder``; subclasses define the points and the queries of a shard."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._link = str(folder / "current")  # a search reads it several times, and joining a path takes longer

    def current(self) -> str | None:
        try:
            return os.path.basename(os.readlink(self._link))
        except FileNotFoundError:
            return None
        except OSError as error:
            if error.errno != errno.EINVAL:  # it is a file or a folder
                raise
            raise VectorIndexError(f"{self._link} is not a link to a version: {REPAIR}") from error

    def has(self, version: str) -> bool:
        return (self._path(version) / "manifest.json").exists()

    def read_videos(self, version: str) -> VideoDigests | None:
        try:
            content = json.loads((self._path(version) / VIDEOS).read_text())
            return {
                name: VideoDigest(rows=rows, content=int(content_sum, 16), digest=int(digest, 16))
                for name, (rows, content_sum, digest) in content.items()
            }
        except (OSError, ValueError, TypeError, AttributeError):
            return None

    def build(
        self,
        manifest: Manifest,
        points: Iterable[Item],
        *,
        videos: VideoDigests | None = None,
        base: Base | None = None,
    ) -> None:
        self._sweep()
        self.folder.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix="building-", dir=self.folder))
        building.chmod(0o755)
        try:
            require_rows(manifest, self._write(building / "shard", manifest, points, videos or {}, base))
            rows = {name: (each.rows, f"{each.content:x}", f"{each.digest:x}") for name, each in (videos or {}).items()}
            (building / VIDEOS).write_text(json.dumps(rows))
            with (building / "manifest.json").open("w") as handle:
                json.dump(dict(manifest), handle, indent=1, sort_keys=True)
                handle.flush()
                os.fsync(handle.fileno())
            target = self._path(manifest["version"])
            target.parent.mkdir(exist_ok=True)
            shutil.rmtree(target, ignore_errors=True)  # without a manifest it is not a version
            building.rename(target)
            _sync_folder(target.parent)
        finally:
            shutil.rmtree(building, ignore_errors=True)

    def switch(self, version: str) -> None:
        if self.current() != version:
            link = self.folder / ".current-new"
            link.unlink(missing_ok=True)
            link.symlink_to(Path("versions") / version)
            link.replace(self.folder / "current")
            os.utime(self._path(version))  # the time of the last switch to it: the order of deletion
            _sync_folder(self.folder)
        self._drop_old(version, keep=tuning.KEPT)

    def drop_old(self) -> None:
        if current := self.current():
            self._drop_old(current, keep=0, even_read=True)

    def drop_all(self) -> None:
        (self.folder / "current").unlink(missing_ok=True)  # first, so that a half-deleted version is never current
        shutil.rmtree(self.folder, ignore_errors=True)

    def open(self, version: str) -> Store:
        descriptor = self._hold(version)
        try:
            return self._store(self._path(version), descriptor)
        except VectorIndexError:
            os.close(descriptor)
            raise

    @abstractmethod
    def _write(
        self, path: Path, manifest: Manifest, points: Iterable[Item], videos: VideoDigests, base: Base | None
    ) -> int:
        """Write a shard that no other process uses yet; return the number of its points."""

    @abstractmethod
    def _store(self, path: Path, lock_fd: int) -> Store:
        """Open the version in ``path``; see :class:`OpenShard`."""

    def _path(self, version: str) -> Path:
        return self.folder / "versions" / version

    def _hold(self, version: str) -> int:
        """Return a descriptor of the version's lock file, locked shared: only :meth:`drop_old` deletes it then.

        Raises ``VectorIndexError`` if the version is gone, ``StorageError`` if it has no lock file and none can be
        created.
        """
        if not self._path(version).is_dir():
            raise VectorIndexError(f"version {version} of the index {self.folder} is gone: open the current one")
        lock = self.folder / "locks" / version
        try:
            lock.parent.mkdir(exist_ok=True)
            # Opened for reading, which suffices for a shared lock: the home may be on a disk that may only be read.
            descriptor = os.open(lock, os.O_RDONLY | os.O_CREAT, 0o644)
        except FileNotFoundError:  # the index was dropped meanwhile
            raise
        except OSError as error:
            raise make_home_error(lock, error) from error
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        return descriptor

    def _sweep(self) -> None:
        """Delete leftovers of killed publishers; the caller is the only publisher."""
        for folder in self.folder.glob("building-*"):
            shutil.rmtree(folder, ignore_errors=True)

    def _drop_old(self, current: str, keep: int, *, even_read: bool = False) -> None:
        """Delete versions but ``current`` and the newest ``keep``, those in use only if ``even_read``.

        Then their readers go on with the files that they have opened, and the service keeps the version before open.
        """
        folders = [path for path in (self.folder / "versions").iterdir() if path.name != current]
        folders.sort(key=lambda path: (path.stat().st_mtime_ns, path.name), reverse=True)
        for path in folders[keep:]:
            lock = self.folder / "locks" / path.name
            lock.parent.mkdir(exist_ok=True)
            with lock.open("a") as handle:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    if not even_read:
                        continue  # a process reads it; the next publisher tries again
                (path / "manifest.json").unlink(missing_ok=True)  # first, so that a kill leaves no half version
                shutil.rmtree(path)
                lock.unlink()


class OpenShard:
    """One version. Its files are opened by the first query that needs them.

    ``lock_fd`` is the descriptor of the version's lock file, which the store closes.
    """

    def __init__(self, path: Path, lock_fd: int) -> None:
        self._path = path
        self._is_closed = False
        try:
            self._manifest: Manifest = json.loads((path / "manifest.json").read_text())
        except (OSError, ValueError) as error:
            raise VectorIndexError(f"the index {path} has no manifest that can be read: {error}; {REPAIR}") from error
        self._release = weakref.finalize(self, os.close, lock_fd)

    def manifest(self) -> Manifest:
        return self._manifest

    def require_open(self) -> None:
        """Raise ``VectorIndexError`` if the version was closed."""
        if self._is_closed:
            raise VectorIndexError("this index was closed: open it again")

    def close(self) -> None:
        self._is_closed = True
        self.__dict__.pop("parts", None)  # both engines cache their open parts there
        self._release()

    def _map_errors(self) -> mapped:
        return mapped(f"the index {self._path} cannot be read")


def link_file(source: Path, target: Path) -> None:
    """Make ``target`` the same file, or a copy on a filesystem without hard links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


class mapped:  # noqa: N801 - reads as a verb in a with statement
    """Map the engine's errors to the project's: bare ``Exception``, and ``ValueError`` or ``TypeError`` for arguments;
    and files of a version that was deleted meanwhile.

    A class, because an ``except Exception`` would also catch every other error, and this does not.
    """

    def __init__(self, trouble: str) -> None:
        self._trouble = trouble

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if kind in (Exception, ValueError, TypeError, OverflowError, FileNotFoundError):
            raise VectorIndexError(f"{self._trouble}: {error}; {REPAIR}") from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
