"""Which shots to label next: the four feeds of Netflix's Video Annotator (arXiv:2402.06560), as pure functions.

Top positive and top negative find mistakes where the probe is sure, borderline ones teach it most, and random ones
keep it honest: only they tell how common the label is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Feed = Literal["top_positive", "top_negative", "borderline", "random"]
FEEDS: tuple[Feed, ...] = ("top_positive", "top_negative", "borderline", "random")


def feeds_of(
    scores: Mapping[str, float], labelled: Mapping[str, bool] | set[str], *, count: int, threshold: float, seed: int
) -> dict[Feed, list[str]]:
    """``count`` shot ids in each feed, best first, none labelled yet and none twice; fewer where there are no more.

    ``scores`` are probabilities by shot id; borderline is what lies nearest to ``threshold``. The same input and
    seed give the same feeds.
    """
    left = sorted(shot for shot in scores if shot not in labelled)
    values = np.array([scores[shot] for shot in left], np.float64)
    random = np.random.default_rng(seed).permutation(len(left))
    orders: dict[Feed, NDArray[np.intp]] = {
        "borderline": np.argsort(np.abs(values - threshold), kind="stable"),
        "top_positive": np.argsort(-values, kind="stable"),
        "top_negative": np.argsort(values, kind="stable"),
        "random": random,
    }
    taken: set[int] = set()
    found: dict[Feed, list[str]] = {feed: [] for feed in FEEDS}
    places = {feed: iter(order.tolist()) for feed, order in orders.items()}
    for _ in range(count):  # in turns, so that a small catalogue is shared out
        for feed, order in places.items():
            at = next((place for place in order if place not in taken), None)
            if at is not None:
                taken.add(at)
                found[feed].append(left[at])
    return found


def mixed(feeds: Mapping[Feed, Sequence[str]], count: int) -> list[tuple[str, Feed]]:
    """The feeds taken in turns: the next ``count`` shots to label, each with where it comes from."""
    rounds = max(map(len, feeds.values()), default=0)
    turns = [(feeds[feed][number], feed) for number in range(rounds) for feed in FEEDS if number < len(feeds[feed])]
    return turns[:count]
