"""Publish shot vectors as an immutable version of the index, and search the current one.

A version's name depends on its content (ids, vector hashes, payloads) and on how it is built. So publishing the same
rows again is a no-op that writes nothing. The embedded engine is the default; with ``NEEDLE_QDRANT_URL`` the same
versions are on a server.
"""

from __future__ import annotations

import heapq
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, lru_cache
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import VectorIndexError
from ops.core.locks import lock_exclusively
from ops.core.settings import Settings
from ops.core.tables import compute_digest
from ops.index import tuning
from ops.index.backends.edge import EdgeVersions
from ops.index.backends.server import ServerVersions, reuse_client
from ops.index.catalogue_name import name_holder, pin_catalogue_name, read_catalogue_name
from ops.index.fetching import Fetched, fetch_until
from ops.index.plan import RowsChangedError, build_planned_points, hash_text, make_plan
from ops.index.points import HASH_KEY, MARKS_KEY, IndexHit, IndexRow, Payload, PointStore, Versions, Wanted

__all__ = [
    "IndexCheck",
    "IndexHit",
    "IndexRow",
    "VectorIndex",
    "compute_version",
    "drop_index",
    "drop_old_versions",
    "list_videos",
    "open_index",
    "publish",
    "read_current_version",
]

log = logging.getLogger(__name__)

Rows = Iterable[IndexRow] | Callable[[], Iterable[IndexRow]]

COMPARED = 100
VECTOR_TOLERANCE = 1e-6
ATTEMPTS = 3


@dataclass(frozen=True, kw_only=True)
class IndexCheck:
    """The result of a comparison of an index with the lake.

    ``compared`` vectors were read back; ``worst_difference`` is the largest absolute difference of any of their
    components. ``problems`` are sentences for users, empty if ``passed``.
    """

    version: str
    rows: int
    digest: str
    expected_digest: str
    compared: int
    worst_difference: float
    problems: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.problems


class VectorIndex:
    """One version of an index, open for reading; safe to use from several threads.

    It keeps answering from its version while newer ones are published; see :meth:`is_current`.
    """

    def __init__(self, versions: Versions, version: str) -> None:
        self.version = version
        self._versions = versions
        self._points: PointStore = versions.open(version)
        self._rows: int = self._points.manifest()["rows"]

    @property
    def manifest_digest(self) -> str:
        """Return the digest of the (shot id, vector hash) rows from the time of writing; reads no point."""
        return str(self._points.manifest()["digest"])

    @property
    def created(self) -> str:
        """Return the time when the version was built: ISO 8601 with its zone."""
        return str(self._points.manifest()["created"])

    def counts(self, key: str) -> Counter[str]:
        """Return the number of shots for each value of ``show`` or ``video_id``, counted by the engine."""
        return Counter(self._points.counts(key) if self._rows else {})

    def count(self) -> int:
        """Return the number of shots."""
        return self._rows

    def is_current(self) -> bool:
        """Return True if no newer version was published."""
        return self._versions.current() == self.version

    def close(self) -> None:
        """Close the version; it may then be deleted."""
        self._points.close()

    def __enter__(self) -> VectorIndex:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def search(
        self,
        vector: NDArray[np.float32],
        *,
        limit: int,
        offset: int = 0,
        shows: Sequence[str] = (),
        videos: Sequence[str] = (),
        exclude_blank: bool = False,
        exact: bool = False,
        with_payload: bool = True,
    ) -> list[IndexHit]:
        """Return the shots nearest to ``vector``, float (D,), any length but zero: best first, ties by shot id.

        ``shows`` and ``videos`` (names and ids; empty means all) and ``exclude_blank`` filter before the search.
        ``exact`` compares with every shot instead of walking the graph. The result is ``limit`` hits after the first
        ``offset`` ones. Without payloads (which then are empty) a fifth of the time is saved.
        Raises ``VectorIndexError`` on a vector that does not fit and on a broken index.
        """
        if limit < 1 or offset < 0:
            raise VectorIndexError(f"cannot return {limit} hits after the first {offset}: limit is at least 1")
        if not self._rows:
            return []
        query = _scale_to_unit(vector).tolist()
        conditions = Wanted(shows=tuple(shows), videos=tuple(videos), exclude_blank=exclude_blank)
        ranked_ids = self._rank_points(query, limit + offset, conditions, exact)[offset : offset + limit]
        payloads: dict[str, Payload] = {}
        if with_payload:
            points = self._points.fetch([shot_id for shot_id, _ in ranked_ids], vectors=False)
            payloads = {point.shot_id: _select_public(point.payload) for point in points}
        return [
            IndexHit(shot_id=shot_id, score=score, payload=payloads[shot_id] if with_payload else {})
            for shot_id, score in ranked_ids
        ]

    def _rank_points(self, query: list[float], count: int, conditions: Wanted, exact: bool) -> list[tuple[str, float]]:
        """Return at least ``count`` of the best, if there are enough, without splitting a group of ties at the end."""

        def fetch(depth: int) -> Fetched[tuple[str, float]]:
            batch = self._points.query(query, depth, conditions, exact=exact or depth > tuning.DEEPEST)
            return Fetched(items=batch, is_all=len(batch) < depth or depth >= self._rows)

        depth = max(tuning.SHALLOWEST, 1 << count.bit_length())
        batch = fetch_until(fetch, depth, lambda hits: hits[-1][1] < hits[count - 1][1])
        return sorted(batch.items, key=lambda hit: (-hit[1], hit[0]))

    def vectors(self, shot_ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Return stored vectors, float32 (D,), by shot id; shots that are not in the index are left out."""
        points = self._points.fetch(list(dict.fromkeys(shot_ids)), vectors=True)
        return {point.shot_id: point.vector for point in points if point.vector is not None}

    def digest(self) -> str:
        """Return the digest of the (shot id, vector hash) rows, read back from the engine point by point."""
        return compute_digest(
            (point.shot_id, point.payload[HASH_KEY]) for point in self._points.scroll(Wanted(), vectors=False)
        )

    @cached_property
    def sample(self) -> NDArray[np.float32]:
        """Return up to 2,000 catalogue vectors, float32 (S, D), without blank shots: the same for the same version.

        Chosen by a hash of the shot id, which is independent of the content of the shot.
        """
        points = self._points.scroll(Wanted(sampled=True, exclude_blank=True), vectors=True)
        vectors = [point.vector for point in points if point.vector is not None]
        return np.stack(vectors) if vectors else np.zeros((0, 1), np.float32)

    def sample_scores(self, vector: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the cosine of ``vector``, float (D,), with each vector of :attr:`sample`: float32 (S,)."""
        if not len(self.sample):
            return np.zeros(0, np.float32)
        scores: NDArray[np.float32] = self.sample @ _scale_to_unit(vector)
        return scores

    def check(self, expected_digest: str, rows: Iterable[IndexRow]) -> IndexCheck:
        """Compare with the lake: the digest of all rows, and some vectors read back component by component.

        ``rows`` are the lake's, streamed once; the compared shots are chosen by a hash of their ids.
        """
        digest = self.digest()
        sample = heapq.nsmallest(COMPARED, rows, key=lambda row: hash_text(row.shot_id))
        stored_vectors = self.vectors([row.shot_id for row in sample])
        problems = []
        if digest != expected_digest:
            problems.append(f"the index holds other rows than the lake (digest {digest}, expected {expected_digest})")
        missing = [row.shot_id for row in sample if row.shot_id not in stored_vectors]
        if missing:
            problems.append(
                f"{len(missing)} of {len(sample)} shots read back are not in the index, such as {missing[0]}"
            )
        worst = max(
            (
                _measure_difference(row.vector, stored_vectors[row.shot_id])
                for row in sample
                if row.shot_id in stored_vectors
            ),
            default=0.0,
        )
        if not worst <= VECTOR_TOLERANCE:
            problems.append(f"vectors read back differ from the lake's by up to {worst:.3g}")
        return IndexCheck(
            version=self.version,
            rows=self._rows,
            digest=digest,
            expected_digest=expected_digest,
            compared=len(stored_vectors),
            worst_difference=worst,
            problems=tuple(problems),
        )


def publish(
    settings: Settings,
    encoder_id: str,
    rows: Rows,
    *,
    now: datetime | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> str:
    """Make ``rows`` the current version of the encoder's index and return its name.

    ``rows`` is a function that returns a new iterator over the rows each time (constant memory), or an iterable; an
    iterator is held in memory. Two passes are made: one names the version, one builds it. If that version is current
    already, nothing is written. If it is still stored, only the switch is made. One publisher at a time: others wait.
    ``on_progress`` is called with the number of rows just written.
    Raises ``VectorIndexError`` on rows that do not fit together and on an engine that refuses.
    """
    versions = _choose_engine(settings, encoder_id, publishes=True)
    with lock_exclusively(_locate_lock(settings, encoder_id)):
        return publish_to(versions, encoder_id, rows, now=now, on_progress=on_progress)


def publish_to(
    versions: Versions,
    encoder_id: str,
    rows: Rows,
    *,
    now: datetime | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> str:
    """Apply :func:`publish` to given versions; the caller ensures that it is the only publisher there."""
    replay = _make_replayable(rows)
    for _ in range(ATTEMPTS):
        plan = make_plan(encoder_id, replay(), now or datetime.now(UTC))
        if versions.current() == plan.version:
            return plan.version
        try:
            if not versions.has(plan.version):
                versions.build(plan.manifest, build_planned_points(plan, replay(), on_progress))
        except RowsChangedError:
            log.info("the rows changed while version %s of the index was built: building again", plan.version)
            continue
        versions.switch(plan.version)
        log.info("index %s: version %s is current", encoder_id, plan.version)
        return plan.version
    raise VectorIndexError(
        f"the vectors of {encoder_id} changed during each of {ATTEMPTS} attempts to index them: "
        "wait until no ingest is running and materialise the index again"
    )


def open_index(settings: Settings, encoder_id: str) -> VectorIndex:
    """Open the current version of the encoder's index.

    Raises ``VectorIndexError`` if there is none yet, if it is broken, or if it cannot be reached.
    """
    return open_versions(_choose_engine(settings, encoder_id), encoder_id)


def open_versions(versions: Versions, encoder_id: str) -> VectorIndex:
    """Apply :func:`open_index` to given versions."""
    for attempt in range(ATTEMPTS):
        version = versions.current()
        if version is None:
            break
        try:
            return VectorIndex(versions, version)
        except VectorIndexError:
            # The version was deleted between the look-up and the opening, by several newer ones.
            if attempt == ATTEMPTS - 1 or versions.current() == version:
                raise
    raise VectorIndexError(f"there is no index for the encoder {encoder_id} yet: run `needle ingest PATH`")


def read_current_version(settings: Settings, encoder_id: str) -> str | None:
    """Return the name of the current version, or ``None`` before the first; opens and writes nothing."""
    return _choose_engine(settings, encoder_id).current()


def list_videos(settings: Settings, encoder_id: str, version: str) -> set[str]:
    """Return the ids of the videos in a stored version.

    Raises ``VectorIndexError`` if it is broken, was deleted, or cannot be reached.
    """
    with VectorIndex(_choose_engine(settings, encoder_id), version) as index:
        return set(index.counts("video_id"))


def compute_version(encoder_id: str, rows: Iterable[IndexRow]) -> str:
    """Return the name of the version that :func:`publish` would make of ``rows``; writes nothing."""
    return make_plan(encoder_id, rows, datetime.now(UTC)).version


def drop_old_versions(settings: Settings, encoder_id: str) -> None:
    """Delete every version but the current one, because forgotten rows must not stay in older ones.

    On disk, a version that another process reads is deleted by the next call after it is closed.
    """
    versions = _choose_engine(settings, encoder_id)
    with lock_exclusively(_locate_lock(settings, encoder_id)):
        versions.drop_old()


def drop_index(settings: Settings, encoder_id: str) -> None:
    """Delete every version of the index of an encoder that is not used any more."""
    versions = _choose_engine(settings, encoder_id)
    with lock_exclusively(_locate_lock(settings, encoder_id)):
        versions.drop_all()


def _locate_lock(settings: Settings, encoder_id: str) -> Path:
    return settings.home / "locks" / f"index-{encoder_id}.lock"


def _scale_to_unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    length = float(np.linalg.norm(vector))
    if vector.ndim != 1 or not 0 < length < np.inf:
        raise VectorIndexError(f"cannot search with a vector of shape {vector.shape} and length {length}")
    return np.asarray(vector / length, np.float32)


def _make_replayable(rows: Rows) -> Callable[[], Iterable[IndexRow]]:
    if callable(rows):
        return rows
    row_list = list(rows) if isinstance(rows, Iterator) else rows
    return lambda: row_list


def _choose_engine(settings: Settings, encoder_id: str, *, publishes: bool = False) -> Versions:
    if settings.qdrant_url:
        client = reuse_client(settings.qdrant_url, settings.qdrant_api_key.get_secret_value())
        catalogue = pin_catalogue_name(settings) if publishes else read_catalogue_name(settings)
        holder = name_holder(settings)
        return ServerVersions(client, encoder_id, settings.qdrant_url, catalogue=catalogue, holder=holder)
    if "/" in encoder_id or "\x00" in encoder_id or encoder_id.startswith("."):
        raise VectorIndexError(f"{encoder_id!r} cannot name an index folder: it has a slash or starts with a dot")
    return _find_folder(settings.home, encoder_id)


@lru_cache(maxsize=16)
def _find_folder(home: Path, encoder_id: str) -> EdgeVersions:
    return EdgeVersions(home / "index" / encoder_id)


def _select_public(payload: Payload) -> Payload:
    return cast(Payload, {key: value for key, value in payload.items() if key not in (HASH_KEY, MARKS_KEY)})


def _measure_difference(left: NDArray[np.float32], right: NDArray[np.float32]) -> float:
    return float(np.abs(left - right).max()) if left.shape == right.shape else float("inf")
