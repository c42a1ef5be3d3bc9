"""Split labelled shots into folds that keep the shots of one scene on one side.

Stands alone because a probe's figures depend on it. Shots of one camera set-up are almost the same image, so a random
split would test a probe on the images of its fit.
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
# As in search (ops/search/retriever.py): this share of the distance of two random shots means one camera set-up.
SAME_SHARE = 0.1


@dataclass(frozen=True, kw_only=True)
class ShotPlace:
    """The position of a shot: shots that are close in this order are similar."""

    show: str
    video_id: str
    start_frame: int


def group_shots(places: Sequence[ShotPlace], truths_N: Truths) -> tuple[Groups, str]:
    """Return the group number (N,) of each labelled shot, and the kind of group: ``show``, ``stretch`` or ``shot``.

    Groups are shows if both answers occur in at least two of them. Otherwise they are contiguous stretches of the
    labelled shots in the order of their video, as coarse as possible with both answers in two groups.
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


def split_folds(vectors_ND: Vectors, truths_N: Truths, groups_N: Groups) -> Iterator[tuple[Rows, Rows]]:
    """Yield row numbers ``(train, test)`` of up to five folds; groups stay whole, answers are spread evenly.

    Near-duplicates of a held-out shot are not trained on either. A fold is skipped if only one answer would be left
    to train on.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    folds = min(FOLDS, *(len(np.unique(groups_N[truths_N == answer])) for answer in (True, False)))
    if folds < 2:
        return
    cosines = vectors_ND @ vectors_ND.T
    same = cosines >= find_near_duplicate_cosine(cosines)
    for train, test in StratifiedGroupKFold(folds).split(vectors_ND, truths_N, groups_N):
        kept_rows = train[~same[np.ix_(train, test)].any(axis=1)]
        if len(np.unique(truths_N[kept_rows])) == 2:
            yield kept_rows, test


def find_near_duplicate_cosine(cosines_NN: NDArray[np.float32]) -> float:
    """Return the least cosine of two near-duplicate shots, relative to that of two random labelled ones."""
    others = cosines_NN[np.triu_indices(len(cosines_NN), 1)]
    return float(1 - SAME_SHARE * (1 - np.median(others)))
