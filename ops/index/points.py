"""The contents of the index and its queries, in types that both engines share.

Stands alone because the embedded engine and the server have different classes for the same thing; the rest of the
package uses only these.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, NotRequired, Protocol, TypedDict, TypeVar

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import VectorIndexError
from ops.core.types import make_shot_id, parse_shot_id

Item = TypeVar("Item")
ItemToWrite = TypeVar("ItemToWrite", contravariant=True)

_FRAME_BITS, _GENERATION_BITS = 40, 24
MAX_GENERATION: Final = (1 << _GENERATION_BITS) - 1

# Keys that the package adds to a point's payload and removes again.
HASH_KEY: Final = "vector_hash"
MARKS_KEY: Final = "marks"
LOT_KEY: Final = "lot"
BLANK = "blank"


class Manifest(TypedDict):
    """The facts of a version, stored beside its points. ``digest`` is of all rows, ``created`` is ISO 8601.

    ``encoder_id`` and ``dim`` are of vectors, ``stemmers`` of lines: those of all lines, and perhaps of earlier ones.
    """

    schema: int
    version: str
    rows: int
    digest: str
    created: str
    encoder_id: NotRequired[str]
    dim: NotRequired[int]
    stemmers: NotRequired[list[str]]


class Payload(TypedDict, total=False):
    """The values of a shot that an engine stores with its vector.

    ``vector_hash``, ``marks`` and ``lot`` (see :func:`draw_lot`) are the package's.
    """

    video_id: str
    show: str
    start_frame: int
    end_frame: int
    is_blank: bool
    vector_hash: str
    marks: list[str]
    lot: int


@dataclass(frozen=True, kw_only=True)
class IndexRow:
    """One shot for the index.

    ``vector`` is float32 (D,) of unit length; ``vector_hash`` names its bits. ``payload`` has at least ``show``,
    ``video_id`` and ``is_blank``, for filters.
    """

    shot_id: str
    vector: NDArray[np.float32]
    vector_hash: str
    payload: Payload = field(default_factory=Payload)


@dataclass(frozen=True, kw_only=True)
class IndexHit:
    """One matching shot: ``score`` is the cosine, -1 to 1; ``payload`` is that of its :class:`IndexRow`."""

    shot_id: str
    score: float
    payload: Payload


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The filter for points. Applied by the engine during the search, not to its results.

    ``sampled`` are the points with the lowest lots: at least ``tuning.SAMPLE``, or all.
    """

    shows: tuple[str, ...] = ()
    videos: tuple[str, ...] = ()
    exclude_blank: bool = False
    sampled: bool = False


@dataclass(frozen=True, kw_only=True)
class StoredPoint:
    """A point as read back; ``vector`` is float32 (D,), or ``None`` if it was not requested."""

    shot_id: str
    payload: Payload
    vector: NDArray[np.float32] | None


@dataclass(frozen=True, kw_only=True)
class VideoDigest:
    """The indexed shots of one video: their number, and sums modulo 2**128 of hashes of each shot.

    ``content`` is of ids, vector hashes and payloads, ``digest`` as :func:`ops.core.tables.compute_digest`. Sums do not
    depend on the order, and those of a catalogue are the sums of its videos.
    """

    rows: int
    content: int
    digest: int


VideoDigests = Mapping[str, VideoDigest]


@dataclass(frozen=True, kw_only=True)
class Base:
    """A stored version that a new one continues: without ``dropped_videos``."""

    version: str
    dropped_videos: frozenset[str]


class BaseChangedError(Exception):
    """The version to be continued is not current any more, or was deleted."""


class PointStore(Protocol):
    """One complete, immutable version of an index, open for reading."""

    def manifest(self) -> Manifest:
        """The manifest passed to :meth:`GrowingVersions.build`; does not open the points."""

    def counts(self, key: str) -> dict[str, int]:
        """Return the number of points by value of ``show`` or ``video_id``."""

    def query(self, vector: Sequence[float], depth: int, conditions: Wanted, *, exact: bool) -> list[tuple[str, float]]:
        """Return up to ``depth`` of the best ``(shot_id, dot product)``, best first."""

    def fetch(self, shot_ids: Sequence[str], *, vectors: bool) -> list[StoredPoint]:
        """Return the existing points among the given ids, in any order."""

    def scroll(self, conditions: Wanted, *, vectors: bool) -> Iterator[StoredPoint]:
        """Yield every wanted point once, in the order of point ids."""

    def compute_digest(self) -> str:
        """Return the digest of the (shot id, vector hash) rows, read back from the engine."""

    def close(self) -> None:
        """Release files and connections."""


class HasManifest(Protocol):
    """An open version."""

    def manifest(self) -> Manifest:
        """The manifest passed to :meth:`GrowingVersions.build`; does not open the points."""


class GrowingVersions(Protocol[ItemToWrite]):
    """Versions of an index of shots or of lines, as their publisher sees them."""

    def current(self) -> str | None:
        """Return the name of the version for readers, or ``None`` before the first."""

    def has(self, version: str) -> bool:
        """Return True if a complete version of that name is stored."""

    def read_videos(self, version: str) -> VideoDigests | None:
        """Return the videos of a stored version, or ``None`` if it cannot be the base of another one."""

    def build(
        self,
        manifest: Manifest,
        points: Iterable[ItemToWrite],
        *,
        videos: VideoDigests,
        base: Base | None = None,
    ) -> None:
        """Write the version ``manifest["version"]``, which no reader sees yet.

        It has ``points``, and those of ``base``. ``videos`` are all of its videos.

        After a failure or a kill, :meth:`has` returns False for it.
        Raises ``VectorIndexError`` if the number of different points is not ``manifest["rows"]``, and
        ``BaseChangedError`` if another publisher replaced the base.
        """

    def switch(self, version: str) -> None:
        """Make a complete version the current one, atomically, and delete versions older than the kept ones."""

    def open(self, version: str) -> HasManifest:
        """Open a complete version. Raises ``VectorIndexError`` if it is missing or broken."""


class Versions(GrowingVersions[StoredPoint], Protocol):
    """The versions of one encoder's index in one engine. Contract: ``tests/contract/test_index_contract.py``."""

    def drop_old(self) -> None:
        """Delete every version but the current one; readers on disk go on with the files that they have opened."""

    def drop_all(self) -> None:
        """Delete every version, the current one too; on disk, an open version stays readable."""

    def open(self, version: str) -> PointStore:
        """Open a complete version. Raises ``VectorIndexError`` if it is missing or broken."""


def split_into_batches(points: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield the points in lists of at most ``size``, read on demand."""
    source = iter(points)
    while batch := list(islice(source, size)):
        yield batch


def require_rows(manifest: Manifest, point_count: int) -> None:
    """Raise ``VectorIndexError`` if the number of points in an engine is not the number of rows written to it."""
    if point_count != manifest["rows"]:
        raise VectorIndexError(
            f"{manifest['rows']} rows gave {point_count} points of the index {manifest['version']}: "
            "an id appears twice; the lake's table must have one row for each"
        )


def encode_point_id(shot_id: str, generation: int = 0) -> uuid.UUID:
    """Return the point id of a shot: video id in the upper 64 bits, then 24 of the generation, 40 of the start frame.

    Deterministic, so writing a shot twice cannot duplicate it, and reversible, so that a search needs no payload to
    name its hits. On a server, each generation that rewrites a video has points of its own.
    Raises ``VectorIndexError`` if the text is not a shot id.
    """
    video_and_frame = parse_shot_id(shot_id)
    if video_and_frame is None or video_and_frame[1] >= 1 << _FRAME_BITS:
        raise VectorIndexError(f"{shot_id!r} is not a shot id (<video id>:<start frame>) and cannot be indexed")
    video, frame = int(video_and_frame[0], 16), video_and_frame[1]
    return uuid.UUID(int=((video << _GENERATION_BITS | generation) << _FRAME_BITS) | frame)


def hash_text(text: str) -> int:
    """Return 128 bits of BLAKE2b."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "big")


def draw_lot(shot_id: str) -> int:
    """Return 63 bits of a hash of the shot id, which is independent of the content of the shot."""
    return hash_text(shot_id) >> 65


def decode_point_id(point_id: uuid.UUID | str) -> tuple[str, int]:
    """Return shot id and generation of a point; the inverse of :func:`encode_point_id`."""
    number = (point_id if isinstance(point_id, uuid.UUID) else uuid.UUID(point_id)).int
    video, frame = number >> (_FRAME_BITS + _GENERATION_BITS), number & ((1 << _FRAME_BITS) - 1)
    return make_shot_id(f"{video:016x}", frame), (number >> _FRAME_BITS) & MAX_GENERATION
