"""Replay of labelled shots as if a person labelled them bit by bit: what each way of choosing is worth.

Legend: N shots, D dimensions. Shots of the pool are labelled in batches, chosen by the feeds of the probe of that
moment or at random; after each batch a probe is fitted and ranks the test shots, which nobody labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ops.evaluation.classification import average_precision
from ops.probes.feeds import feeds_of, mixed
from ops.probes.fit import LEAST
from ops.probes.folds import Place, Truths, Vectors, groups_of
from ops.probes.linear import fit_linear, sigmoid

Choice = Literal["feeds", "random"]


@dataclass(frozen=True, kw_only=True)
class Replay:
    """Shots with their truths: unit vectors (N, D), places (N), and the unit vector (D,) of the label's words."""

    vectors: Vectors
    truths: Truths
    places: Sequence[Place]
    text: NDArray[np.float32]

    def scores(self, labelled: Sequence[int]) -> NDArray[np.float64]:
        """Probabilities (N,) of the probe fitted on these rows; of the words alone while there are too few."""
        rows = np.asarray(labelled, np.intp)
        yes = int(self.truths[rows].sum())
        if min(yes, len(rows) - yes) < LEAST:
            said = (self.vectors @ self.text).astype(np.float64)
            return sigmoid(2 * ((said - said.mean()) / (said.std() + 1e-9) - 2))
        groups, _ = groups_of([self.places[at] for at in rows], self.truths[rows])
        probe = fit_linear(self.vectors[rows], self.truths[rows], groups, self.text)
        return probe.scores(self.vectors)

    def run(
        self, choice: Choice, *, pool: Sequence[int], test: Sequence[int], batch: int, rounds: int, seed: int
    ) -> list[tuple[int, float]]:
        """``(labels given, average precision on the test shots)`` before the first batch and after each."""
        labelled: list[int] = []
        found = []
        for number in range(rounds + 1):
            scores = self.scores(labelled)
            found.append((len(labelled), average_precision(scores[list(test)], self.truths[list(test)])))
            labelled += self._next(choice, scores, pool, labelled, batch, seed + number)
        return found

    def _next(
        self,
        choice: Choice,
        scores: NDArray[np.float64],
        pool: Sequence[int],
        labelled: Sequence[int],
        batch: int,
        seed: int,
    ) -> list[int]:
        if choice == "random":
            order = np.random.default_rng(seed).permutation(sorted(set(pool) - set(labelled)))
            return [int(at) for at in order[:batch]]
        rows = {f"{place.video_id}:{at:09d}": at for at, place in enumerate(self.places)}
        names = {at: name for name, at in rows.items()}
        feeds = feeds_of(
            {names[at]: float(scores[at]) for at in pool},
            [names[at] for at in labelled],
            count=batch,
            threshold=0.5,
            seed=seed,
            vectors_of=lambda shots: {shot: self.vectors[rows[shot]] for shot in shots},
        )
        return [rows[shot] for shot, _ in mixed(feeds, batch)]
