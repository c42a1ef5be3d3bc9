"""What the index holds and how it is asked, in words that both engines understand.

Stands alone because the embedded engine and the server have different classes for the same thing; the
rest of the room speaks only these.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import VectorIndexError
from ops.core.types import parse_shot_id, shot_id_of

Item = TypeVar("Item")

_FRAME_BITS = 64

# Keys that the room adds to a point's payload and takes off again.
HASH_KEY = "vector_hash"
# A list of words rather than booleans: Edge 0.9.0 takes a Python bool in a condition for an integer, which
# then matches nothing.
MARKS_KEY = "marks"
BLANK = "blank"
SAMPLED = "sampled"


@dataclass(frozen=True, kw_only=True)
class IndexRow:
    """One shot as it goes into the index.

    ``vector`` is float32 (D,) of unit length; ``vector_hash`` names its bits; ``payload`` holds JSON
    values, at least ``show`` and ``video_id`` (str) and ``is_blank`` (bool) where filters shall see them.
    """

    shot_id: str
    vector: NDArray[np.float32]
    vector_hash: str
    payload: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class IndexHit:
    """One shot found: ``score`` is the cosine, -1 to 1; ``payload`` is that of its :class:`IndexRow`."""

    shot_id: str
    score: float
    payload: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which points may be found. Applied by the engine during the search, not to its results."""

    shows: tuple[str, ...] = ()
    videos: tuple[str, ...] = ()
    exclude_blank: bool = False
    sampled: bool = False


@dataclass(frozen=True, kw_only=True)
class StoredPoint:
    """A point as read back; ``vector`` is float32 (D,), or ``None`` where it was not asked for."""

    shot_id: str
    payload: dict[str, Any]
    vector: NDArray[np.float32] | None


class PointStore(Protocol):
    """One complete, immutable version of an index, open for reading."""

    def manifest(self) -> dict[str, Any]:
        """What :meth:`Versions.build` was given; costs no opening of the points."""

    def counts(self, key: str) -> dict[str, int]:
        """Points by value of ``show`` or ``video_id``."""

    def query(self, vector: Sequence[float], depth: int, wanted: Wanted, *, exact: bool) -> list[tuple[str, float]]:
        """Up to ``depth`` of the best ``(shot_id, dot product)``, best first."""

    def fetch(self, shot_ids: Sequence[str], *, vectors: bool) -> list[StoredPoint]:
        """The points that are there of those named, in any order."""

    def scroll(self, wanted: Wanted, *, vectors: bool) -> Iterator[StoredPoint]:
        """Every wanted point once, in the order of point ids."""

    def close(self) -> None:
        """Let go of files and connections."""


class Versions(Protocol):
    """The versions of one encoder's index in one engine. Contract: ``tests/contract/test_index_contract.py``."""

    def current(self) -> str | None:
        """Name of the version that readers get, or ``None`` before the first."""

    def has(self, version: str) -> bool:
        """Whether a complete version of that name is kept."""

    def build(self, manifest: Mapping[str, Any], points: Iterable[StoredPoint]) -> None:
        """Write the version ``manifest["version"]``, which no reader sees yet.

        A failure or a kill leaves nothing that :meth:`has` knows. Raises ``VectorIndexError`` where not
        ``manifest["rows"]`` different points came.
        """

    def switch(self, version: str) -> None:
        """Make a complete version the current one, atomically, and drop versions older than the kept ones."""

    def drop_old(self) -> None:
        """Delete every version but the current one; on disk, those in use as soon as nobody uses them."""

    def drop_all(self) -> None:
        """Delete every version, the current one too; who has one open goes on reading it, on disk."""

    def open(self, version: str) -> PointStore:
        """Open a complete version. Raises ``VectorIndexError`` where it is missing or broken."""


def in_batches(points: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """The points in lists of at most ``size``, read as they are needed."""
    source = iter(points)
    while batch := list(islice(source, size)):
        yield batch


def require_rows(manifest: Mapping[str, Any], counted: int) -> None:
    """Raise ``VectorIndexError`` where an engine holds another number of points than it was given rows."""
    if counted != manifest["rows"]:
        raise VectorIndexError(
            f"{manifest['rows']} rows gave {counted} points of the index {manifest['version']}: "
            "an id appears twice; the lake's table must have one row for each"
        )


def point_id_of(shot_id: str) -> uuid.UUID:
    """Point id of a shot: video id in the upper 64 bits, start frame in the lower.

    Deterministic, so writing a shot twice cannot double it, and reversible, so that a search needs no
    payload to name its hits. Raises ``VectorIndexError`` where the text is no shot id.
    """
    parsed = parse_shot_id(shot_id)
    if parsed is None or parsed[1] >= 1 << _FRAME_BITS:
        raise VectorIndexError(f"{shot_id!r} is no shot id (<video id>:<start frame>) and cannot be indexed")
    return uuid.UUID(int=(int(parsed[0], 16) << _FRAME_BITS) | parsed[1])


def shot_id_at(point_id: uuid.UUID | str) -> str:
    """The shot whose point id this is; the inverse of :func:`point_id_of`."""
    number = (point_id if isinstance(point_id, uuid.UUID) else uuid.UUID(point_id)).int
    return shot_id_of(f"{number >> _FRAME_BITS:016x}", number & ((1 << _FRAME_BITS) - 1))
