"""Objects of S3: each question is one request, and a write may name the version that it replaces.

Stands alone because ``s3fs`` asks two or three times where a file system would be asked, and has no conditional writes
but the creation of an object. Conditions keep the changes of several homes on one bucket: AWS S3 and compatible stores
have had ``If-None-Match`` and ``If-Match`` for writes since 2024.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ops.core.errors import StorageError

if TYPE_CHECKING:
    from s3fs import S3FileSystem

TRIES = 3
"""Of a read whose answer ends early."""
MOST_DELETED = 1000
"""Objects that one request deletes."""
_OVERTAKEN = {"PreconditionFailed", "ConditionalRequestConflict", "NoSuchKey", "404"}


Facts = dict[str, Any]
"""Size and ETag of an object, with other values that are not read."""

REMEMBERED_S = 15.0
"""Seconds for which a read of an object counts as a read of now, within :func:`remember_objects`."""
MOST_BYTES = 64 << 20


@dataclass(kw_only=True)
class _Memory:
    """Objects and listings by path, with the time when they were read; ``None`` for an object that does not exist."""

    objects: dict[str, tuple[float, tuple[bytes, str] | None]] = field(default_factory=dict)
    listings: dict[str, tuple[float, dict[str, Facts]]] = field(default_factory=dict)
    size: int = 0

    def read(self, path: str) -> tuple[bytes, str] | None:
        """Return an object, ``None`` if it does not exist. Raises ``KeyError`` if neither is known."""
        moment, content = self.objects.get(path, (-REMEMBERED_S, None))
        if time.monotonic() - moment < REMEMBERED_S:
            return content
        if (listing := self.find_listing(path)) is not None and strip_scheme(path) not in listing:
            return None
        raise KeyError(path)

    def find_listing(self, path: str) -> dict[str, Facts] | None:
        """Return a listing of a folder above ``path``, if one is known."""
        for prefix, (moment, listing) in self.listings.items():
            if path.startswith(prefix) and time.monotonic() - moment < REMEMBERED_S:
                return listing
        return None

    def put(self, path: str, content: tuple[bytes, str] | None) -> None:
        size = len(content[0]) if content else 0
        if self.size + size > MOST_BYTES:
            self.objects.clear()
            self.size = 0
        if size <= MOST_BYTES // 8:
            self.objects[path] = time.monotonic(), content
            self.size += size
        else:
            self.objects.pop(path, None)

    def change(self, path: str, content: tuple[bytes, str] | None) -> None:
        """Note that this process wrote or deleted an object."""
        self.put(path, content)
        for prefix, (_, listing) in self.listings.items():
            if path.startswith(prefix):
                listing.pop(strip_scheme(path), None)
                if content:
                    listing[strip_scheme(path)] = {"ETag": content[1], "size": len(content[0])}

    def drop(self, path: str) -> None:
        """Forget what is known of an object."""
        self.objects.pop(path, None)
        self.listings = {prefix: listing for prefix, listing in self.listings.items() if not path.startswith(prefix)}


def strip_scheme(path: str) -> str:
    """Return a path as listings have it."""
    return path.partition("://")[2]


_memories: list[_Memory] = []


@contextmanager
def remember_objects() -> Iterator[None]:
    """Within the block, what this process read, wrote or listed less than ``REMEMBERED_S`` ago is not read again.

    An ingest reads the rows of a video in every step. What another home writes in these seconds is seen a little
    later, or by the next ingest; writes are conditional, so it is never overwritten.
    """
    memory = _Memory()
    _memories.append(memory)
    try:
        yield
    finally:
        _memories.remove(memory)


def _get_memory() -> _Memory | None:
    return _memories[-1] if _memories else None


@dataclass(frozen=True)
class S3Objects:
    """The requests, by whole paths (``s3://bucket/key``). Errors are those of ``s3fs``."""

    files: S3FileSystem

    def read(self, path: str) -> tuple[bytes, str]:
        """Return the bytes of an object and its ETag. Raises ``FileNotFoundError``."""
        memory = _get_memory()
        if memory is None:
            return self._read(path)
        try:
            content = memory.read(path)
        except KeyError:
            try:
                content = self._read(path)
            except FileNotFoundError:
                content = None
            memory.put(path, content)
        if content is None:
            raise FileNotFoundError(path)
        return content

    def _read(self, path: str) -> tuple[bytes, str]:
        """Read an object; s3fs repeats requests that fail, but not those whose answer ends early."""
        from aiohttp import ClientPayloadError

        for _ in range(TRIES - 1):
            try:
                return self._read_once(path)
            except ClientPayloadError:
                continue
        return self._read_once(path)

    def _read_once(self, path: str) -> tuple[bytes, str]:
        from fsspec.asyn import sync

        bucket, key = self._split(path)
        answer = self.files.call_s3("get_object", Bucket=bucket, Key=key)
        body = answer["Body"]
        try:
            return bytes(sync(self.files.loop, body.read)), str(answer["ETag"])
        finally:
            body.close()

    def read_facts(self, path: str) -> Facts:
        """Return size and ETag of an object as a listing has them. Raises ``FileNotFoundError``."""
        memory = _get_memory()
        try:
            content = memory.read(path) if memory else None
            if memory and content is None:
                raise FileNotFoundError(path)
            if content:
                return {"ETag": content[1], "size": len(content[0])}
        except KeyError:
            pass
        bucket, key = self._split(path)
        head = self.files.call_s3("head_object", Bucket=bucket, Key=key)
        return {"ETag": head["ETag"], "size": head["ContentLength"]}

    def list(self, folder: str, name: str) -> dict[str, Facts]:
        """Return the facts of all objects below ``<folder>/<name>/``, by their paths without the scheme."""
        memory, prefix = _get_memory(), f"{folder}/{name}/"
        if memory and (listing := memory.find_listing(prefix)) is not None:
            start = strip_scheme(prefix)
            return {path: facts for path, facts in sorted(listing.items()) if path.startswith(start)}
        # Not find(prefix): below a path without objects it looks for an object of that name, by two more requests.
        facts_by_path: dict[str, Facts] = self.files.find(folder, prefix=f"{name}/", detail=True)
        if memory:
            memory.listings[prefix] = time.monotonic(), facts_by_path
        return dict(facts_by_path)

    def write(self, path: str, data: bytes) -> None:
        """Write an object."""
        self._put(path, data, {})

    def write_if(self, path: str, data: bytes, etag: str | None) -> bool:
        """Write an object if it still has this ETag, or if ``None`` if it does not exist.

        Returns false if another writer came first.
        """
        try:
            self._put(path, data, {"IfNoneMatch": "*"} if etag is None else {"IfMatch": etag})
        except OSError as error:
            if memory := _get_memory():
                memory.drop(path)
            response = getattr(error.__cause__, "response", None) or {}
            if response.get("Error", {}).get("Code") in _OVERTAKEN:
                return False
            raise
        return True

    def put_file(self, source: Path, path: str) -> None:
        """Write an object from a local file."""
        self.files.put_file(str(source), path)
        if memory := _get_memory():
            memory.drop(path)

    def delete(self, paths: Sequence[str]) -> None:
        """Delete objects of one bucket. Raises ``StorageError`` that names the first one that stays."""
        for part in _divide(paths):
            keys = [self._split(path) for path in part]
            if len(keys) == 1:
                self.files.call_s3("delete_object", Bucket=keys[0][0], Key=keys[0][1])
                answer: dict[str, Any] = {}
            else:
                objects = {"Objects": [{"Key": key} for _, key in keys], "Quiet": True}
                answer = self.files.call_s3("delete_objects", Bucket=keys[0][0], Delete=objects)
            if memory := _get_memory():
                for path in part:
                    memory.change(path, None)
            for error in answer.get("Errors", ()):
                raise StorageError(f"{error['Key']!r} cannot be deleted: {error['Message']}")

    def _put(self, path: str, data: bytes, condition: dict[str, str]) -> None:
        bucket, key = self._split(path)
        answer = self.files.call_s3("put_object", Bucket=bucket, Key=key, Body=data, **condition)
        if memory := _get_memory():
            memory.change(path, (data, str(answer["ETag"])))

    def _split(self, path: str) -> tuple[str, str]:
        bucket, key, _ = self.files.split_path(path)
        return str(bucket), str(key)


def _divide(paths: Sequence[str]) -> Iterator[Sequence[str]]:
    return (paths[start : start + MOST_DELETED] for start in range(0, len(paths), MOST_DELETED))
