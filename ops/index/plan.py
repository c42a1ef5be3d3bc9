"""Name a version from its rows before it is built, and ensure that the built version is the named one.

Stands alone because it makes the second publication a no-op: every value here is the same for the same rows in any
order, and no vector is held in memory. A version's name depends on sums of hashes for each video, so that the name of a
catalogue with one more video needs the rows of that video only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from ops.core.errors import VectorIndexError
from ops.core.types import parse_shot_id
from ops.index import tuning
from ops.index.points import (
    BLANK,
    HASH_KEY,
    LOT_KEY,
    MARKS_KEY,
    IndexRow,
    Manifest,
    Payload,
    StoredPoint,
    VideoDigest,
    VideoDigests,
    draw_lot,
    encode_point_id,
    hash_text,
)

# float32 rounding of a 4,096-d vector stays well below; a vector that was never normalised does not.
UNIT_TOLERANCE = 1e-3
_MODULUS = 1 << 128


class RowsChangedError(Exception):
    """The second pass over the rows returned other rows than the first."""


class RowSums:
    """Order-independent sums over rows, for each video. ``dim`` is the length of the vectors, 0 before the first."""

    def __init__(self) -> None:
        self.dim = 0
        self._sums: dict[str, list[int]] = {}

    def add(self, row: IndexRow) -> IndexRow:
        """Add a row, and return it. Raises ``VectorIndexError`` if it cannot be indexed with those before."""
        self.dim = self.dim or len(row.vector)
        _validate(row, self.dim)
        text = json.dumps([row.shot_id, row.vector_hash, row.payload], sort_keys=True)
        sums = self._sums.setdefault(row.shot_id.partition(":")[0], [0, 0, 0])
        sums[0] += 1
        sums[1] += hash_text(text)
        sums[2] += hash_text(f"{row.shot_id}\x00{row.vector_hash}")  # as compute_digest
        return row

    def videos(self) -> dict[str, VideoDigest]:
        """Return the sums by video id."""
        return {
            video_id: VideoDigest(rows=rows, content=content % _MODULUS, digest=digest % _MODULUS)
            for video_id, (rows, content, digest) in self._sums.items()
        }


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A version before it is built: its manifest, and what it has of each video."""

    manifest: Manifest
    videos: VideoDigests

    @property
    def version(self) -> str:
        """Return the name: ``v<recipe>-<rows>-<hash of the content>``."""
        return self.manifest["version"]

    @property
    def rows(self) -> int:
        """Return the number of shots."""
        return self.manifest["rows"]


def make_plan(encoder_id: str, rows: Iterable[IndexRow], now: datetime) -> Plan:
    """Plan the version of ``rows``. Raises ``VectorIndexError`` on rows that do not fit together."""
    sums = RowSums()
    for row in rows:
        sums.add(row)
    return plan_videos(encoder_id, sums.videos(), sums.dim, now)


def plan_videos(encoder_id: str, videos: VideoDigests, dim: int, now: datetime) -> Plan:
    """Plan the version that has these videos, of vectors with ``dim`` components (0 without videos)."""
    rows = sum(each.rows for each in videos.values())
    content = sum(each.content for each in videos.values()) % _MODULUS
    name = f"v{tuning.RECIPE}-{rows}-{hash_text(f'{tuning.RECIPE} {dim} {rows} {content}') >> 64:016x}"
    manifest: Manifest = {
        "schema": tuning.RECIPE,
        "version": name,
        "encoder_id": encoder_id,
        "dim": dim or 1,
        "rows": rows,
        "digest": sum_digests(videos),
        "created": now.isoformat(timespec="seconds"),
    }
    return Plan(manifest=manifest, videos=videos)


def has_recipe(version: str) -> bool:
    """Return True if this release can read a version; False for one of an earlier layout."""
    return version.startswith(f"v{tuning.RECIPE}-")


def sum_digests(videos: VideoDigests) -> str:
    """Return the digest of all rows of the videos, as :func:`ops.core.tables.compute_digest` of the rows."""
    rows = sum(each.rows for each in videos.values())
    return f"{rows}-{sum(each.digest for each in videos.values()) % _MODULUS:032x}"


def find_changed(old: VideoDigests, new: VideoDigests) -> frozenset[str]:
    """Return the ids of the videos that are in one of the two only, or differ."""
    return frozenset(video_id for video_id in old.keys() | new.keys() if old.get(video_id) != new.get(video_id))


def build_planned_points(
    videos: Mapping[str, VideoDigest], rows: Iterable[IndexRow], on_progress: Callable[[int], None] | None
) -> Iterator[StoredPoint]:
    """Yield the rows of ``videos`` as the engines store them.

    Raises ``RowsChangedError`` at the end if they are not the planned ones.
    """
    sums = RowSums()
    for row in map(sums.add, rows):
        marks = [BLANK] * bool(row.payload.get("is_blank"))
        lot = draw_lot(row.shot_id)
        payload: Payload = {**row.payload, HASH_KEY: row.vector_hash, MARKS_KEY: marks, LOT_KEY: lot}
        yield StoredPoint(shot_id=row.shot_id, payload=payload, vector=np.asarray(row.vector, np.float32))
        if on_progress:
            on_progress(1)
    if sums.videos() != dict(videos):
        raise RowsChangedError


def _validate(row: IndexRow, dim: int) -> None:
    if parse_shot_id(row.shot_id) is None:
        encode_point_id(row.shot_id)  # raises
    vector = row.vector
    if vector.shape != (dim,):
        raise VectorIndexError(f"shot {row.shot_id}: vector of shape {vector.shape}, the others have ({dim},)")
    # A NaN makes the comparison false, too.
    if not abs(float(np.linalg.norm(vector)) - 1) <= UNIT_TOLERANCE:
        raise VectorIndexError(f"shot {row.shot_id}: vector is not of unit length: embed it again")
