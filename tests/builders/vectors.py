"""Generated shots with unit vectors in clusters, and their exact ranking, for the suites of index and search."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from ops.core.types import make_shot_id
from ops.index.points import IndexRow

SHOWS = ("Night Train", 'Ünïcode\'s "Show"', "Bikes", "Harbour", "One", "Two", "Three", "Four", "Five", "Six")


def clustered(rows: int, dim: int, *, seed: int = 7, per_cluster: int = 200, noise: float = 0.8) -> NDArray[np.float32]:
    """Unit vectors float32 (rows, dim): gaussian clusters whose members have a cosine of 1 / (1 + noise**2)."""
    generator = np.random.default_rng(seed)
    centres = generator.standard_normal((max(rows // per_cluster, 2), dim), dtype=np.float32)
    vectors = centres[generator.integers(0, len(centres), rows)]
    vectors += np.float32(noise) * generator.standard_normal((rows, dim), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def row_of(
    number: int, vector: NDArray[np.float32], *, show: str | None = None, is_blank: bool | None = None
) -> IndexRow:
    """The row of generated shot ``number``; each video has ten shots of 24 frames, each tenth shot is blank."""
    video_id = hashlib.sha256(b"video %d" % (number // 10)).hexdigest()[:16]
    start = 24 * (number % 10)
    return IndexRow(
        shot_id=make_shot_id(video_id, start),
        vector=vector,
        vector_hash=hashlib.sha256(vector.tobytes()).hexdigest()[:32],
        payload={
            "show": SHOWS[number % len(SHOWS)] if show is None else show,
            "video_id": video_id,
            "start_frame": start,
            "end_frame": start + 24,
            "is_blank": number % 10 == 9 if is_blank is None else is_blank,
        },
    )


def rows_of(vectors: NDArray[np.float32]) -> list[IndexRow]:
    return [row_of(number, vector) for number, vector in enumerate(vectors)]


def exact_ranking(rows: list[IndexRow], query: NDArray[np.float32]) -> list[str]:
    """Shot ids by falling cosine in double precision, ties by shot id: the five-line reference."""
    scores = np.stack([row.vector for row in rows]).astype(np.float64) @ (query / np.linalg.norm(query))
    return [rows[at].shot_id for at in sorted(range(len(rows)), key=lambda at: (-scores[at], rows[at].shot_id))]
