"""Search the current version of the index of shot vectors.

The embedded engine is the default; with ``NEEDLE_QDRANT_URL`` the same versions are on a server.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import VectorIndexError
from ops.core.settings import Settings
from ops.index import tuning
from ops.index.engines import choose_engine
from ops.index.fetching import Fetched, fetch_until
from ops.index.plan import has_recipe
from ops.index.points import (
    BLANK,
    HASH_KEY,
    LOT_KEY,
    MARKS_KEY,
    IndexHit,
    IndexRow,
    Payload,
    PointStore,
    Versions,
    Wanted,
    draw_lot,
    hash_text,
)

CHECK_ROWS = 100
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

    @cached_property
    def shots_by_video(self) -> Counter[str]:
        """Return the number of shots of each video, counted once."""
        return self.counts("video_id")

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
        return self._points.compute_digest()

    @cached_property
    def sample(self) -> NDArray[np.float32]:
        """Return up to 2,000 catalogue vectors, float32 (S, D), without blank shots: the same for the same version.

        Chosen by :func:`~ops.index.points.draw_lot`.
        """
        points = self._points.scroll(Wanted(sampled=True), vectors=True)
        points_chosen = heapq.nsmallest(tuning.SAMPLE, points, key=lambda point: draw_lot(point.shot_id))
        points_chosen.sort(key=lambda point: point.shot_id)
        vectors = [
            point.vector
            for point in points_chosen
            if point.vector is not None and BLANK not in point.payload.get(MARKS_KEY, [])
        ]
        return np.stack(vectors) if vectors else np.zeros((0, 1), np.float32)

    def sample_scores(self, vector: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the cosine of ``vector``, float (D,), with each vector of :attr:`sample`: float32 (S,)."""
        if not len(self.sample):
            return np.zeros(0, np.float32)
        scores: NDArray[np.float32] = self.sample @ _scale_to_unit(vector)
        return scores

    def check(self, expected_digest: str, rows: Iterable[IndexRow]) -> IndexCheck:
        """Compare with the lake: the digest of all rows, and some vectors read back component by component.

        ``rows`` are some of the lake's, streamed once; the compared shots are chosen by a hash of their ids. The digest
        is read back row by row in an index of up to ``tuning.READ_BACK`` shots. In a larger one it is that of the
        manifest: each segment is read back when it is written, and when segments are merged.
        """
        digest = self.digest() if self._rows <= tuning.READ_BACK else self.manifest_digest
        sample = heapq.nsmallest(CHECK_ROWS, rows, key=lambda row: hash_text(row.shot_id))
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


def open_index(settings: Settings, encoder_id: str) -> VectorIndex:
    """Open the current version of the encoder's index.

    Raises ``VectorIndexError`` if there is none yet, if it is broken, or if it cannot be reached.
    """
    return open_versions(choose_engine(settings, encoder_id), encoder_id)


def open_versions(versions: Versions, encoder_id: str) -> VectorIndex:
    """Apply :func:`open_index` to given versions."""
    for attempt in range(ATTEMPTS):
        version = versions.current()
        if version is None or not has_recipe(version):
            break
        try:
            return VectorIndex(versions, version)
        except VectorIndexError:
            # The version was deleted between the look-up and the opening, by several newer ones.
            if versions.current() == version and not versions.has(version):
                raise VectorIndexError(
                    f"version {version} of the index is missing: `needle doctor --repair` builds it again"
                ) from None
            if attempt == ATTEMPTS - 1 or versions.current() == version:
                raise
    raise VectorIndexError(
        f"there is no index for the encoder {encoder_id} yet, or an earlier version of Needle built it: "
        "run `needle ingest PATH`"
    )


def read_current_version(settings: Settings, encoder_id: str) -> str | None:
    """Return the name of the current version, or ``None`` before the first; opens and writes nothing.

    A version of an earlier release with another layout does not count: the next ingest replaces it.
    """
    version = choose_engine(settings, encoder_id).current()
    return version if version is not None and has_recipe(version) else None


def has_earlier_layout(settings: Settings, encoder_id: str) -> bool:
    """Return True if the current version is of an earlier release, so that the next publication repeats its videos."""
    version = choose_engine(settings, encoder_id).current()
    return version is not None and not has_recipe(version)


def list_videos(settings: Settings, encoder_id: str, version: str) -> set[str]:
    """Return the ids of the videos in a stored version.

    Raises ``VectorIndexError`` if it is broken, was deleted, or cannot be reached.
    """
    with VectorIndex(choose_engine(settings, encoder_id), version) as index:
        return set(index.counts("video_id"))


def _scale_to_unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    length = float(np.linalg.norm(vector))
    if vector.ndim != 1 or not 0 < length < np.inf:
        raise VectorIndexError(f"cannot search with a vector of shape {vector.shape} and length {length}")
    return np.asarray(vector / length, np.float32)


def _select_public(payload: Payload) -> Payload:
    return cast(Payload, {key: value for key, value in payload.items() if key not in (HASH_KEY, MARKS_KEY, LOT_KEY)})


def _measure_difference(left: NDArray[np.float32], right: NDArray[np.float32]) -> float:
    return float(np.abs(left - right).max()) if left.shape == right.shape else float("inf")
