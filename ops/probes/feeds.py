"""Choose shots to label next: the four feeds of Netflix's Video Annotator (arXiv:2402.06560), as pure functions.

Top positive and top negative reveal mistakes of a confident probe, borderline shots improve it most, and only random
shots measure how common the label is. Shots of one scene are similar, and a second one adds little: feeds that
postpone similar shots reach the same average precision with fewer labels.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ops.probes.folds import Vectors

Feed = Literal["top_positive", "top_negative", "borderline", "random"]
VectorReader = Callable[[Sequence[str]], Mapping[str, NDArray[np.float32]]]
FEEDS: tuple[Feed, ...] = ("top_positive", "top_negative", "borderline", "random")

# The first WINDOW * count shots of each feed's order are candidates: a person labels from the top.
WINDOW = 16
# Chosen on Big Buck Bunny's labels (starter encoder, 22 November 2026, ten splits): a limit at cosine 0.6 or 0.7, which
# the nearest tenth of its pairs reach, beat 0.8, 0.9, no limit, and leaving out the neighbours in time.
ALIKE_SHARE = 0.1
LEAST_PAIRS = 30
MOST_OF_A_VIDEO = 64  # shots of one video that are compared with each other


def build_feeds(
    scores: Mapping[str, float],
    labelled_ids: Collection[str],
    *,
    count: int,
    threshold: float,
    seed: int,
    read_vectors: VectorReader | None = None,
) -> dict[Feed, list[str]]:
    """Return ``count`` shot ids for each feed, best first, unlabelled, each shot once; fewer if there are no more.

    ``scores`` are probabilities by shot id; borderline shots are those nearest to ``threshold``. ``read_vectors``
    returns unit vectors (D,) of the shots that have one. With it, a shot that is similar to a labelled or an offered
    one waits until nothing else is left near the top of its feed; the random feed stays random. The same input and seed
    give the same feeds.
    """
    excluded_ids = set(labelled_ids)
    left = sorted(shot for shot in scores if shot not in excluded_ids)
    values = np.array([scores[shot] for shot in left], np.float64)
    orders: dict[Feed, NDArray[np.intp]] = {
        "borderline": np.argsort(np.abs(values - threshold), kind="stable"),
        "top_positive": np.argsort(-values, kind="stable"),
        "top_negative": np.argsort(values, kind="stable"),
        "random": np.random.default_rng(seed).permutation(len(left)),
    }
    tops = {feed: [left[at] for at in order[: WINDOW * count]] for feed, order in orders.items()}
    offers = _Seen(sorted({shot for top in tops.values() for shot in top}), sorted(excluded_ids), read_vectors)
    feeds: dict[Feed, list[str]] = {feed: [] for feed in FEEDS}
    for _ in range(count):  # in turns, so that all feeds get shots of a small catalogue
        for feed, top in tops.items():
            shot = offers.take_next(top, alike_too=feed == "random")  # only chance measures how common the label is
            if shot is not None:
                feeds[feed].append(shot)
    return feeds


class _Seen:
    """Labelled and offered shots, and the other candidates that are similar to them."""

    def __init__(
        self, candidates: Sequence[str], labelled_ids: Sequence[str], read_vectors: VectorReader | None
    ) -> None:
        self._offered_ids: set[str] = set()
        self._vectors = dict(read_vectors([*candidates, *labelled_ids])) if read_vectors else {}
        self._names = [shot for shot in candidates if shot in self._vectors]
        self._place = {shot: at for at, shot in enumerate(self._names)}
        self._matrix = np.array([self._vectors[shot] for shot in self._names], np.float32)
        self._limit = _find_similarity_limit(self._names, self._matrix)
        self._nearest = np.full(len(self._names), -np.inf)
        for shot in labelled_ids:
            self._mark_near(shot)

    def take_next(self, top: Sequence[str], *, alike_too: bool) -> str | None:
        """Return the first shot that was not offered and, unless ``alike_too``, is not similar; else the first left."""
        left = [shot for shot in top if shot not in self._offered_ids]
        shot = next((shot for shot in left if alike_too or not self._is_alike(shot)), left[0] if left else None)
        if shot is not None:
            self._offered_ids.add(shot)
            self._mark_near(shot)
        return shot

    def _mark_near(self, shot: str) -> None:
        if shot in self._vectors and self._names:
            self._nearest = np.maximum(self._nearest, self._matrix @ self._vectors[shot])

    def _is_alike(self, shot: str) -> bool:
        at = self._place.get(shot)
        return at is not None and bool(self._nearest[at] >= self._limit)


def _find_similarity_limit(shot_ids: Sequence[str], vectors_ND: Vectors) -> float:
    """Return the cosine from which two shots are similar: the nearest tenth of the pairs within one video reach it.

    So it follows each encoder's own scale. Infinite if there are too few pairs.
    """
    videos: dict[str, list[int]] = {}
    for at, shot in enumerate(shot_ids):
        videos.setdefault(shot.partition(":")[0], []).append(at)
    cosines = []
    for rows in videos.values():
        video_ND = vectors_ND[rows[:MOST_OF_A_VIDEO]]
        cosines.append((video_ND @ video_ND.T)[np.triu_indices(len(video_ND), 1)])
    pairs = np.concatenate(cosines) if cosines else np.zeros(0)
    return float(np.quantile(pairs, 1 - ALIKE_SHARE)) if len(pairs) >= LEAST_PAIRS else np.inf


def mix_feeds(feeds: Mapping[Feed, Sequence[str]], count: int) -> list[tuple[str, Feed]]:
    """Take the feeds in turns: return the next ``count`` shots to label, each with its feed."""
    rounds = max(map(len, feeds.values()), default=0)
    turns = [(feeds[feed][number], feed) for number in range(rounds) for feed in FEEDS if number < len(feeds[feed])]
    return turns[:count]
