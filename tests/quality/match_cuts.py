"""Match cuts on annotated films: measures of whether one shot could follow another, and how well they find them.

``match_cuts.csv`` has pairs of shots: the last frame of one and the first frame of another one look like one take, or
show the same thing in the same place. One annotator, by eye, from contact sheets of the four nearest shots by each of
three measures (mean, sampled frames, frames at the cut): 30 of 90 random shots have such a pair.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ops.core.rows import LakeShot
from ops.core.settings import Settings
from ops.embeddings.encoder import Encoder
from ops.embeddings.frames import read_frames, sample_positions
from ops.embeddings.pooling import pool_mean
from ops.shots.segment import make_proxy_key

LABELS = Path(__file__).with_name("match_cuts.csv")
SHORTEST = 48
"""Frames of a shot that is cut in two, at least."""
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Shares of the mean in the vector of an end: 0 is the frame alone, 1 the mean alone."""

Matrix = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Parts:
    """N shots, or parts of shots: vectors of their first and last sampled frame, and their mean, (N, D) each."""

    first: Matrix
    last: Matrix
    mean: Matrix

    def score(self, share: float) -> Matrix:
        """Cosines (N, N) of the end of each part with the beginning of each other."""
        ends, starts = ((1 - share) * side + share * self.mean for side in (self.last, self.first))
        return _normalise(ends) @ _normalise(starts).T


def read_labels(path: Path = LABELS) -> list[tuple[tuple[str, int], tuple[str, int]]]:
    """Pairs of (file, last frame) and (file, first frame)."""
    with path.open() as file:
        return [
            ((row["ends"], int(row["last_frame"])), (row["begins"], int(row["first_frame"])))
            for row in csv.DictReader(file)
        ]


def find_wanted(shots: Mapping[str, list[LakeShot]]) -> tuple[dict[int, list[int]], int]:
    """Labelled pairs as rows of the shots of all files, in their order; the number of pairs without their shots."""
    ordered = [(name, shot) for name, rows in shots.items() for shot in rows]
    by_end = {(name, shot["end_frame"] - 1): at for at, (name, shot) in enumerate(ordered)}
    by_start = {(name, shot["start_frame"]): at for at, (name, shot) in enumerate(ordered)}
    wanted: dict[int, list[int]] = {}
    lost = 0
    for end, start in read_labels():
        if end in by_end and start in by_start:
            wanted.setdefault(by_end[end], []).append(by_start[start])
        else:
            lost += 1
    return wanted, lost


def cut_in_two(settings: Settings, encoder: Encoder, shots: list[LakeShot]) -> Parts:
    """Both halves of each long shot, one after the other, embedded as shots of their own."""
    rows: list[tuple[Matrix, Matrix, Matrix]] = []
    for shot in shots:
        frames = shot["end_frame"] - shot["start_frame"]
        if frames < SHORTEST or shot["is_blank"]:
            continue
        half = frames // 2
        positions = [*sample_positions(half, 8), *(half + at for at in sample_positions(frames - half, 8))]
        key = make_proxy_key(shot["video_id"], shot["start_frame"], shot["end_frame"])
        vectors = encoder.encode_frames(read_frames(settings.store, key, positions, frames))
        rows += [(part[0], part[-1], pool_mean(part)) for part in (vectors[:8], vectors[8:])]
    first, last, mean = (np.stack(column) for column in zip(*rows, strict=True))
    return Parts(first=first, last=last, mean=mean)


def rank_second_halves(scores: Matrix) -> NDArray[np.int64]:
    """Rank, from 1, of the second half among all other parts, for the first half of each shot."""
    ranks = []
    for at in range(0, len(scores), 2):
        row = scores[at].copy()
        row[at] = -np.inf
        ranks.append(1 + int((row > row[at + 1]).sum()))
    return np.asarray(ranks)


def average_precision(scores: Matrix, wanted: Mapping[int, list[int]], left_out: NDArray[np.bool_]) -> Matrix:
    """Average precision for each labelled shot; ``left_out`` (N, N) are pairs that a search does not return."""
    results = []
    for at, matches in wanted.items():
        order = np.argsort(-np.where(left_out[at], -np.inf, scores[at]), kind="stable")
        ranks = np.flatnonzero(np.isin(order, matches)) + 1
        results.append(float((np.arange(1, len(ranks) + 1) / ranks).mean()))
    return np.asarray(results, np.float32)


def bound(values: NDArray[np.floating], figure: Callable[..., np.floating] = np.mean) -> tuple[float, float, float]:
    """A figure of values with its 95 % interval, by 2,000 bootstrap samples."""
    generator = np.random.default_rng(0)
    samples = [float(figure(generator.choice(values, len(values)))) for _ in range(2000)]
    return float(figure(values)), float(np.quantile(samples, 0.025)), float(np.quantile(samples, 0.975))


def _normalise(rows: Matrix) -> Matrix:
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9), np.float32)
