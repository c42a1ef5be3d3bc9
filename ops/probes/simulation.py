"""Replay labelled shots as if a person labelled them step by step: measures each way of choosing shots.

Legend: N shots, D dimensions. Shots of the pool are labelled in batches, chosen by the feeds of the current probe or at
random. After each batch a probe is fitted and ranks the test shots, which are never labelled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import UsageError
from ops.core.settings import Settings
from ops.evaluation.classification import compute_average_precision
from ops.probes.feeds import build_feeds, mix_feeds
from ops.probes.fit import LEAST
from ops.probes.folds import ShotPlace, Truths, Vectors, group_shots
from ops.probes.labels import list_labels, resolve_labels
from ops.probes.linear import fit_linear, sigmoid
from ops.probes.vectors import read_labelled_shots
from ops.probes.zero_shot import TextEncoder, encode_queries

Choice = Literal["feeds", "random"]
CHOICES: tuple[Choice, ...] = ("feeds", "random")
# The video is cut into stretches, some of which are held out: shots of one scene stay on one side.
STRETCHES, HELD_OUT = 12, 4
BATCH, ROUNDS = 8, 5
# So that the last batch is still a choice.
SPARE = 20
LEAST_LABELS = BATCH * ROUNDS + SPARE
"""Labelled shots of a label for a replay in ``ROUNDS`` batches of ``BATCH``."""


@dataclass(frozen=True, kw_only=True)
class Replay:
    """Labelled shots: unit vectors (N, D), truths (N,), places (N), and the unit vector (D,) of the queries."""

    vectors: Vectors
    truths: Truths
    places: Sequence[ShotPlace]
    text: NDArray[np.float32]

    def scores(self, labelled_rows: Sequence[int]) -> NDArray[np.float64]:
        """Return probabilities (N,) of the probe fitted on these rows; of the text score if there are too few."""
        rows = np.asarray(labelled_rows, np.intp)
        yes = int(self.truths[rows].sum())
        if min(yes, len(rows) - yes) < LEAST:
            text_N = (self.vectors @ self.text).astype(np.float64)
            return sigmoid(2 * ((text_N - text_N.mean()) / (text_N.std() + 1e-9) - 2))
        groups, _ = group_shots([self.places[at] for at in rows], self.truths[rows])
        probe = fit_linear(self.vectors[rows], self.truths[rows], groups, self.text)
        return probe.scores(self.vectors)

    def run(
        self, choice: Choice, *, pool: Sequence[int], test: Sequence[int], batch: int, rounds: int, seed: int
    ) -> list[tuple[int, float]]:
        """Return ``(labels, average precision on the test shots)`` before the first batch and after each."""
        labelled_rows: list[int] = []
        steps = []
        for number in range(rounds + 1):
            scores = self.scores(labelled_rows)
            steps.append((len(labelled_rows), compute_average_precision(scores[list(test)], self.truths[list(test)])))
            labelled_rows += self._choose_next(choice, scores, pool, labelled_rows, batch, seed + number)
        return steps

    def _choose_next(
        self,
        choice: Choice,
        scores: NDArray[np.float64],
        pool: Sequence[int],
        labelled_rows: Sequence[int],
        batch: int,
        seed: int,
    ) -> list[int]:
        if choice == "random":
            order = np.random.default_rng(seed).permutation(sorted(set(pool) - set(labelled_rows)))
            return [int(at) for at in order[:batch]]
        rows = {f"{place.video_id}:{at:09d}": at for at, place in enumerate(self.places)}
        names = {at: name for name, at in rows.items()}
        feeds = build_feeds(
            {names[at]: float(scores[at]) for at in pool},
            [names[at] for at in labelled_rows],
            count=batch,
            threshold=0.5,
            seed=seed,
            read_vectors=lambda shots: {shot: self.vectors[rows[shot]] for shot in shots},
        )
        return [rows[shot] for shot, _ in mix_feeds(feeds, batch)]


@dataclass(frozen=True, kw_only=True)
class LearningCurves:
    """Average precision on held-out stretches: ``counts`` (R + 1,) of labels, ``precision`` (S, R + 1) by choice.

    The first column, without labels, is that of the text score alone. A row of NaN is a seed whose held-out stretches
    have no yes.
    """

    counts: tuple[int, ...]
    precision: dict[Choice, NDArray[np.float64]]

    @property
    def words(self) -> NDArray[np.float64]:
        """Average precision (S,) of the text score alone, on the same shots."""
        return self.precision["random"][:, 0]


def compute_learning_curves(replay: Replay, *, seeds: int, batch: int, rounds: int) -> LearningCurves:
    """Replay both choices; each seed holds out other stretches, the same for both choices."""
    stretches = np.array_split(np.arange(len(replay.truths)), STRETCHES)
    precision: dict[Choice, list[list[float]]] = {choice: [] for choice in CHOICES}
    counts: tuple[int, ...] = tuple(batch * number for number in range(rounds + 1))
    for seed in range(seeds):
        order = np.random.default_rng(seed).permutation(STRETCHES)
        test = np.sort(np.concatenate([stretches[at] for at in order[:HELD_OUT]])).tolist()
        pool = np.sort(np.concatenate([stretches[at] for at in order[HELD_OUT:]])).tolist()
        for choice in CHOICES:
            steps = replay.run(choice, pool=pool, test=test, batch=batch, rounds=rounds, seed=1000 * seed)
            counts = tuple(count for count, _ in steps)
            precision[choice].append([value for _, value in steps])
    return LearningCurves(counts=counts, precision={choice: np.array(rows) for choice, rows in precision.items()})


def load_replay(
    settings: Settings, encoder_id: str, label: str, encode: TextEncoder, queries: Sequence[str], *, least: int
) -> Replay:
    """Load the labelled shots of a label for a replay, in the order of their videos.

    ``least`` is the number of labelled shots that the replay needs. Raises ``UsageError``, with advice, if there are
    fewer, or too few of one answer.
    """
    resolved_labels = resolve_labels(settings, [label]) if label in list_labels(settings) else []
    labels = {each.latest.shot_id: each.value for each in resolved_labels if not each.missing_reason}
    shots = read_labelled_shots(settings, encoder_id, labels)
    if shortage := _explain_shortage(label, [shot.truth for shot in shots], least):
        raise UsageError(shortage)
    shots = sorted(shots, key=lambda shot: (shot.place.show, shot.place.video_id, shot.place.start_frame))
    return Replay(
        vectors=np.stack([shot.vector for shot in shots]),
        truths=np.array([shot.truth for shot in shots], bool),
        places=[shot.place for shot in shots],
        text=encode_queries(encode, queries),
    )


def require_replayable(settings: Settings, encoder_id: str, labels: Sequence[str], *, least: int) -> None:
    """Raise ``UsageError``, which counts what is missing, if there is nothing to replay.

    All of the named ``labels`` must have enough labelled shots; if none is named, one label must.
    """
    shortages = {}
    for label in labels or list_labels(settings):
        resolved_labels = resolve_labels(settings, [label]) if label in list_labels(settings) else []
        truths = {each.latest.shot_id: each.value for each in resolved_labels if not each.missing_reason}
        shots = read_labelled_shots(settings, encoder_id, truths)
        shortages[label] = _explain_shortage(label, [shot.truth for shot in shots], least)
    missing = [shortage for shortage in shortages.values() if shortage]
    if missing and (labels or len(missing) == len(shortages)):
        raise UsageError("; ".join(missing))
    if not shortages:
        raise UsageError(
            f"there are no labels yet; a replay needs {least} labelled shots of one label, {2 * LEAST} of each answer: "
            "`needle label LABEL SHOT --value yes|no`"
        )


def _explain_shortage(label: str, truths: Sequence[bool], least: int) -> str:
    """Return what a replay of a label lacks, with advice; empty if nothing."""
    yes, no = sum(truths), len(truths) - sum(truths)
    if len(truths) >= least and min(yes, no) >= 2 * LEAST:
        return ""
    return (
        f"{label}: {yes} yes and {no} no; a replay needs {least} labelled shots, {2 * LEAST} of each "
        f"kind: `needle probe suggest {label}` lists shots to label"
    )
