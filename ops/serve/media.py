"""Objects of the store as HTTP answers: whole or in part, cached by browsers, with at most one chunk in memory.

A separate implementation, because Starlette's file answers support local files only and do not compare
``If-None-Match``.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Send

from ops.core.storage import ObjectStore
from ops.serve.problems import ProblemError

PIECE = 256 * 1024
FOR_EVER = "max-age=31536000, immutable"
_RANGE = re.compile(r"^bytes=([0-9]{0,18})-([0-9]{0,18})$")


@dataclass(frozen=True, kw_only=True)
class Stored:
    """An object in its current state: ``size`` bytes, and an ``etag`` that changes with them.

    ``content`` is all of it if it is small and was requested.
    """

    store: ObjectStore
    key: str
    size: int
    etag: str
    content: bytes | None = None


def look_up(request: Request, store: ObjectStore, key: str) -> Stored:
    """Return the object as far as ``request`` needs it at once. Raises ``ProblemError`` 404 if it is missing.

    A poster is read here, in the thread that looks for its shot: a page shows thirty at once, and each further change
    of threads costs as much as reading it.
    """
    status = store.stat(key)
    if status is None:
        raise _make_missing_error()
    etag = _make_etag(status.stamp.encode())
    is_read = request.method == "GET" and status.size <= PIECE and "if-none-match" not in request.headers
    try:
        content = store.read_bytes(key) if is_read else None
    except FileNotFoundError:  # deleted in the meantime
        raise _make_missing_error() from None
    if content is not None and len(content) != status.size:
        content = None  # replaced in the meantime: sent as it is when it is opened, and no more than was announced
    return Stored(store=store, key=key, size=status.size, etag=etag, content=content)


def send_media(
    request: Request, entry: Stored, media_type: str, *, version_is_right: bool, is_private: bool
) -> Response:
    """Return the object, or the part that ``Range`` requests (RFC 9110, one range; several get the whole).

    ``version_is_right``: the address names exactly this content, so that clients never need to revalidate it.
    """
    scope = "private" if is_private else "public"
    headers = {
        "etag": entry.etag,
        "accept-ranges": "bytes",
        "cache-control": f"{scope}, {FOR_EVER}" if version_is_right else "no-cache",
        "content-disposition": "inline",
    }
    if matches_etag(request.headers.get("if-none-match"), entry.etag):
        return Response(status_code=304, headers=headers)
    span = _parse_range(request, entry)
    if span is None:
        start, end, status = 0, entry.size, 200
    else:
        (start, end), status = span, 206
        headers["content-range"] = f"bytes {start}-{end - 1}/{entry.size}"
    headers["content-length"] = str(end - start)
    if request.method == "HEAD":
        return Response(status_code=status, headers=headers, media_type=media_type)
    if entry.content is not None:
        return Response(entry.content[start:end], status, headers, media_type)
    return _Pieces(_read_pieces(entry.store, entry.key, start, end), status, headers, media_type)


class _Pieces(StreamingResponse):
    """An answer whose headers are sent when its first piece is there: an object may be deleted before that."""

    async def stream_response(self, send: Send) -> None:
        pieces = aiter(self.body_iterator)
        first = await anext(pieces, b"")

        async def join() -> AsyncIterator[bytes | str | memoryview]:
            yield first
            async for piece in pieces:
                yield piece

        self.body_iterator = join()
        await super().stream_response(send)


def _parse_range(request: Request, entry: Stored) -> tuple[int, int] | None:
    """Return the requested half-open range, or ``None`` for the whole. Raises ``ProblemError`` 416."""
    match = _RANGE.match(request.headers.get("range", "").replace(" ", ""))
    condition = request.headers.get("if-range")
    if not match or not (match[1] or match[2]) or (condition is not None and condition != entry.etag):
        return None
    if match[1]:
        start = int(match[1])
        end = min(int(match[2]) + 1, entry.size) if match[2] else entry.size
        if match[2] and int(match[2]) < start:
            return None  # not a valid range: ignored (RFC 9110, 14.1.2)
    else:
        start, end = max(0, entry.size - int(match[2])), entry.size
    if start >= end:
        raise ProblemError(
            416,
            f"the file has {entry.size} bytes: ask for a part of them",
            {"content-range": f"bytes */{entry.size}"},
        )
    return start, end


def _read_pieces(store: ObjectStore, key: str, start: int, end: int) -> Iterator[bytes]:
    """Yield the bytes. Raises ``ProblemError`` 404 if the object was deleted in the meantime."""
    try:
        with store.open(key) as file:
            file.seek(start)
            left = end - start
            while left and (piece := file.read(min(PIECE, left))):
                left -= len(piece)
                yield piece
    except FileNotFoundError:
        raise _make_missing_error() from None


def _make_missing_error() -> ProblemError:
    return ProblemError(404, "the file of this shot is gone from storage: run `needle ingest` again")


def hold_small_poster(store: ObjectStore, key: str, content: bytes | None) -> Stored:
    """Return the small version of the poster ``key``. Raises ``ProblemError`` 404 if there is none."""
    if content is None:
        raise ProblemError(404, "the poster of this shot is gone from storage: run `needle ingest` again")
    return Stored(store=store, key=key, size=len(content), etag=_make_etag(content), content=content)


def _make_etag(content: bytes) -> str:
    return f'"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'


def matches_etag(header: str | None, etag: str) -> bool:
    """Compare ``If-None-Match``, by weak comparison."""
    if header is None:
        return False
    return header.strip() == "*" or etag in [tag.strip().removeprefix("W/") for tag in header.split(",")]
