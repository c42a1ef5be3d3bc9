"""Name a version from its rows before it is built, and ensure that the built version is the named one.

Stands alone because it makes the second publication a no-op: every value here is the same for the same rows in any
order, and no vector is held in memory.
"""

from __future__ import annotations

import hashlib
import heapq
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from ops.core.errors import VectorIndexError
from ops.core.tables import compute_digest
from ops.index import tuning
from ops.index.points import (
    BLANK,
    HASH_KEY,
    MARKS_KEY,
    SAMPLED,
    IndexRow,
    Manifest,
    Payload,
    StoredPoint,
    encode_point_id,
)

# float32 rounding of a 4,096-d vector stays well below; a vector that was never normalised does not.
UNIT_TOLERANCE = 1e-3


class RowsChangedError(Exception):
    """The second pass over the rows returned other rows than the first."""


@dataclass(kw_only=True)
class _RowsFold:
    """Order-independent sum over rows, like ``compute_digest``, but over payloads too and as a side effect."""

    rows: int = 0
    content: int = 0
    dim: int = 0

    def add(self, row: IndexRow) -> IndexRow:
        self.dim = self.dim or len(row.vector)
        _validate(row, self.dim)
        text = json.dumps([row.shot_id, row.vector_hash, row.payload], sort_keys=True)
        self.rows += 1
        self.content = (self.content + hash_text(text)) % (1 << 128)
        return row

    @property
    def version(self) -> str:
        """Return ``v<recipe>-<rows>-<hash of the content>``."""
        text = f"{tuning.RECIPE} {self.dim} {self.rows} {self.content}"
        return f"v{tuning.RECIPE}-{self.rows}-{hash_text(text) >> 64:016x}"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The result of one pass over the rows: enough to name the version without holding a vector."""

    version: str
    manifest: Manifest
    sample: frozenset[str]


def make_plan(encoder_id: str, rows: Iterable[IndexRow], now: datetime) -> Plan:
    """Plan the version of ``rows``. Raises ``VectorIndexError`` on rows that do not fit together."""
    fold = _RowsFold()
    # A heap of (negated lot, shot id): its root is the sampled shot that a better one replaces.
    lots: list[tuple[int, str]] = []

    def observed() -> Iterator[tuple[str, str]]:
        for row in map(fold.add, rows):
            push = heapq.heappush if len(lots) < tuning.SAMPLE else heapq.heappushpop
            push(lots, (-hash_text(row.shot_id), row.shot_id))
            yield row.shot_id, row.vector_hash

    digest = compute_digest(observed())
    manifest: Manifest = {
        "schema": tuning.RECIPE,
        "version": fold.version,
        "encoder_id": encoder_id,
        "dim": fold.dim or 1,
        "rows": fold.rows,
        "digest": digest,
        "created": now.isoformat(timespec="seconds"),
    }
    return Plan(version=fold.version, manifest=manifest, sample=frozenset(shot_id for _, shot_id in lots))


def build_planned_points(
    plan: Plan, rows: Iterable[IndexRow], on_progress: Callable[[int], None] | None
) -> Iterator[StoredPoint]:
    """Yield the rows as the engines store them.

    Raises ``RowsChangedError`` at the end if they are not the planned ones.
    """
    fold = _RowsFold()
    for row in map(fold.add, rows):
        marks = [BLANK] * bool(row.payload.get("is_blank")) + [SAMPLED] * (row.shot_id in plan.sample)
        payload: Payload = {**row.payload, HASH_KEY: row.vector_hash, MARKS_KEY: marks}
        yield StoredPoint(shot_id=row.shot_id, payload=payload, vector=np.asarray(row.vector, np.float32))
        if on_progress:
            on_progress(1)
    if fold.version != plan.version:
        raise RowsChangedError


def _validate(row: IndexRow, dim: int) -> None:
    encode_point_id(row.shot_id)
    vector = row.vector
    if vector.shape != (dim,):
        raise VectorIndexError(f"shot {row.shot_id}: vector of shape {vector.shape}, the others have ({dim},)")
    # A NaN makes the comparison false, too.
    if not abs(float(np.linalg.norm(vector)) - 1) <= UNIT_TOLERANCE:
        raise VectorIndexError(f"shot {row.shot_id}: vector is not of unit length: embed it again")


def hash_text(text: str) -> int:
    """Return 128 bits of BLAKE2b."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=16).digest(), "big")
