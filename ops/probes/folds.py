"""Which labelled shots are held out together, so that shots of one scene never sit on both sides.

Stands alone because a probe's figures are only as true as this: cuts back to the same camera set-up are almost the
same picture, and a split at random would test a probe on what it was fitted on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Truths = NDArray[np.bool_]
Groups = NDArray[np.int64]
Rows = NDArray[np.intp]

FOLDS = 5
STRETCHES = (10, 20)
# As in search (ops/search/retriever.py): this share of the distance of two shots at random is one camera set-up.
SAME_SHARE = 0.1


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a shot lies: what is near in this order is alike."""

    show: str
    video_id: str
    start_frame: int


def groups_of(places: Sequence[Place], truths_N: Truths) -> tuple[Groups, str]:
    """Group number (N,) of each labelled shot, and what the groups are: ``show``, ``stretch`` or ``shot``.

    Shows where both answers occur in two of them at least; otherwise contiguous stretches of the labelled shots in
    film order, as coarse as leaves both answers in two groups.
    """
    shows = np.unique([place.show for place in places], return_inverse=True)[1].astype(np.int64)
    if _can_hold_out(shows, truths_N):
        return shows, "show"
    order = sorted(range(len(places)), key=lambda at: (places[at].show, places[at].video_id, places[at].start_frame))
    for count in STRETCHES:
        stretches = np.empty(len(places), np.int64)
        for number, part in enumerate(np.array_split(np.asarray(order), count)):
            stretches[part] = number
        if _can_hold_out(stretches, truths_N):
            return stretches, "stretch"
    return np.arange(len(places), dtype=np.int64), "shot"


def _can_hold_out(groups_N: Groups, truths_N: Truths) -> bool:
    return all(len(np.unique(groups_N[truths_N == answer])) >= 2 for answer in (True, False))


def held_out(vectors_ND: Vectors, truths_N: Truths, groups_N: Groups) -> Iterator[tuple[Rows, Rows]]:
    """``(fitted on, held out)`` row numbers of up to five folds; groups stay whole, answers are spread evenly.

    Rows that show the same pictures as a held-out one are not fitted on either. A fold that would leave only one
    answer to fit on is left out.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    folds = min(FOLDS, *(len(np.unique(groups_N[truths_N == answer])) for answer in (True, False)))
    if folds < 2:
        return
    cosines = vectors_ND @ vectors_ND.T
    same = cosines >= same_pictures(cosines)
    for train, test in StratifiedGroupKFold(folds).split(vectors_ND, truths_N, groups_N):
        kept = train[~same[np.ix_(train, test)].any(axis=1)]
        if len(np.unique(truths_N[kept])) == 2:
            yield kept, test


def same_pictures(cosines_NN: NDArray[np.float32]) -> float:
    """Least cosine of two shots with the same pictures, from that of two labelled ones at random."""
    apart = cosines_NN[np.triu_indices(len(cosines_NN), 1)]
    return float(1 - SAME_SHARE * (1 - np.median(apart)))
