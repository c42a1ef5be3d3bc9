"""Which shots to label next: the four feeds of Netflix's Video Annotator (arXiv:2402.06560), as pure functions.

Top positive and top negative find mistakes where the probe is sure, borderline ones teach it most, and random ones
keep it honest: only they tell how common the label is. Shots of one scene look alike, and a second one teaches little:
feeds that leave such shots for later reach the same average precision with fewer labels.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ops.probes.folds import Vectors

Feed = Literal["top_positive", "top_negative", "borderline", "random"]
VectorsOf = Callable[[Sequence[str]], Mapping[str, NDArray[np.float32]]]
FEEDS: tuple[Feed, ...] = ("top_positive", "top_negative", "borderline", "random")

# Of each feed's order so many times the shots asked for are looked at: a person labels from the top.
WINDOW = 16
# Chosen on Big Buck Bunny's labels (starter encoder, 22 November 2026, ten splits): cosines from 0.6 or 0.7 on, which
# the nearest tenth of its pairs reach, beat 0.8, 0.9, none, and leaving out the neighbours in time.
ALIKE_SHARE = 0.1
LEAST_PAIRS = 30
PAIRED = 64  # shots of one video that are compared with each other


def feeds_of(
    scores: Mapping[str, float],
    labelled: Collection[str],
    *,
    count: int,
    threshold: float,
    seed: int,
    vectors_of: VectorsOf | None = None,
) -> dict[Feed, list[str]]:
    """``count`` shot ids in each feed, best first, none labelled yet and none twice; fewer where there are no more.

    ``scores`` are probabilities by shot id; borderline is what lies nearest to ``threshold``. With ``vectors_of``,
    which gives unit vectors (D,) of those shots that have one, a shot that looks like one that was labelled, or
    that is offered already, waits until nothing else is left near the top of its feed; but random stays random. The
    same input and seed give the same feeds.
    """
    done = set(labelled)
    left = sorted(shot for shot in scores if shot not in done)
    values = np.array([scores[shot] for shot in left], np.float64)
    orders: dict[Feed, NDArray[np.intp]] = {
        "borderline": np.argsort(np.abs(values - threshold), kind="stable"),
        "top_positive": np.argsort(-values, kind="stable"),
        "top_negative": np.argsort(values, kind="stable"),
        "random": np.random.default_rng(seed).permutation(len(left)),
    }
    tops = {feed: [left[at] for at in order[: WINDOW * count]] for feed, order in orders.items()}
    seen = _Seen(sorted({shot for top in tops.values() for shot in top}), sorted(done), vectors_of)
    found: dict[Feed, list[str]] = {feed: [] for feed in FEEDS}
    for _ in range(count):  # in turns, so that a small catalogue is shared out
        for feed, top in tops.items():
            shot = seen.next_of(top, alike_too=feed == "random")  # chance alone tells how common the label is
            if shot is not None:
                found[feed].append(shot)
    return found


class _Seen:
    """What was labelled or offered, and which of the other candidates look like it."""

    def __init__(self, candidates: Sequence[str], labelled: Sequence[str], vectors_of: VectorsOf | None) -> None:
        self._offered: set[str] = set()
        self._vectors = dict(vectors_of([*candidates, *labelled])) if vectors_of else {}
        self._names = [shot for shot in candidates if shot in self._vectors]
        self._place = {shot: at for at, shot in enumerate(self._names)}
        self._matrix = np.array([self._vectors[shot] for shot in self._names], np.float32)
        self._limit = _alike_from(self._names, self._matrix)
        self._nearest = np.full(len(self._names), -np.inf)
        for shot in labelled:
            self._see(shot)

    def next_of(self, top: Sequence[str], *, alike_too: bool) -> str | None:
        """The first that was not offered and, unless ``alike_too``, looks like nothing seen; else the first at all."""
        left = [shot for shot in top if shot not in self._offered]
        shot = next((shot for shot in left if alike_too or not self._is_alike(shot)), left[0] if left else None)
        if shot is not None:
            self._offered.add(shot)
            self._see(shot)
        return shot

    def _see(self, shot: str) -> None:
        if shot in self._vectors and self._names:
            self._nearest = np.maximum(self._nearest, self._matrix @ self._vectors[shot])

    def _is_alike(self, shot: str) -> bool:
        at = self._place.get(shot)
        return at is not None and bool(self._nearest[at] >= self._limit)


def _alike_from(shot_ids: Sequence[str], vectors_ND: Vectors) -> float:
    """Cosine from which on two shots are alike: what a tenth of the pairs of shots of one video reach.

    Of each encoder's own scale, therefore; infinite where there are too few pairs to tell.
    """
    videos: dict[str, list[int]] = {}
    for at, shot in enumerate(shot_ids):
        videos.setdefault(shot.partition(":")[0], []).append(at)
    cosines = []
    for rows in videos.values():
        own = vectors_ND[rows[:PAIRED]]
        cosines.append((own @ own.T)[np.triu_indices(len(own), 1)])
    every = np.concatenate(cosines) if cosines else np.zeros(0)
    return float(np.quantile(every, 1 - ALIKE_SHARE)) if len(every) >= LEAST_PAIRS else np.inf


def mixed(feeds: Mapping[Feed, Sequence[str]], count: int) -> list[tuple[str, Feed]]:
    """The feeds taken in turns: the next ``count`` shots to label, each with where it comes from."""
    rounds = max(map(len, feeds.values()), default=0)
    turns = [(feeds[feed][number], feed) for number in range(rounds) for feed in FEEDS if number < len(feeds[feed])]
    return turns[:count]
