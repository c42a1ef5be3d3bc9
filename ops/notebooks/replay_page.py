"""The page of the active-learning replay: average precision against the number of labels, by choice of shots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import NeedleError
from ops.core.settings import Settings
from ops.embeddings.encoder import load_encoder, resolve_encoder
from ops.notebooks import verdicts
from ops.notebooks.page import escape_text, explain_empty, put_table, put_text, put_verdict
from ops.notebooks.plots import COLOURS, OTHERS, create_plot, show
from ops.probes.definitions import load_definitions
from ops.probes.fit import LEAST
from ops.probes.labels import list_labels
from ops.probes.simulation import (
    CHOICES,
    SPARE,
    Choice,
    LearningCurves,
    Replay,
    compute_learning_curves,
    load_replay,
)

Precision = Mapping[Choice, NDArray[np.float64]]

NAMES: dict[Choice, str] = {"feeds": "four feeds", "random": "random choice"}
STYLES: dict[Choice, tuple[str, str]] = {"feeds": (COLOURS[0], "o"), "random": (COLOURS[1], "s")}
NO_LABELS = "Nobody labelled anything yet: `needle label LABEL SHOT --value yes|no`, or the thumbs of the page."


class ReplayPage:
    """Learning curves of the labels (empty: all with enough labelled shots), and why others are left out."""

    def __init__(
        self, settings: Settings, encoder_id: str, labels: Sequence[str], seeds: int, batch: int, rounds: int
    ) -> None:
        encoder_id = encoder_id or resolve_encoder(settings).encoder_id
        self._seeds, self._batch, self._least = seeds, batch, batch * rounds + SPARE
        self._labels = list(labels) or list_labels(settings)
        self._left_out: list[str] = []
        self._replays = self._load_replays(settings, encoder_id)
        all_curves = {
            label: compute_learning_curves(each, seeds=seeds, batch=batch, rounds=rounds)
            for label, each in self._replays.items()
        }
        self._curves = {label: each for label, each in all_curves.items() if np.isfinite(each.words).any()}
        self._together = _average(list(self._curves.values())) if self._curves else {}
        self._counts = next(iter(self._curves.values())).counts if self._curves else ()

    def _load_replays(self, settings: Settings, encoder_id: str) -> dict[str, Replay]:
        if not self._labels:
            return {}
        definitions = load_definitions(settings)
        encode = load_encoder(encoder_id, settings.home, part="text").encode_text
        replays = {}
        for label in self._labels:
            queries = definitions[label].queries if label in definitions else [label.replace("_", " ")]
            try:
                replays[label] = load_replay(settings, encoder_id, label, encode, queries, least=self._least)
            except NeedleError as error:
                self._left_out.append(str(error))
        return replays

    def put_summary(self) -> None:
        """Put the replayed labels, and those that are left out with the reason."""
        if not self._labels:
            explain_empty(NO_LABELS)
        elif not self._curves:
            requirement = f"{self._least} labelled shots, {2 * LEAST} of each answer"
            explain_empty(f"No label has {requirement}, which a replay needs.")
        else:
            replays = f"{len(self._curves)} labels, {self._seeds} replays of each, batches of {self._batch}"
            put_text(f"{replays}; a third of the film is held out each time.")
            truths = {label: self._replays[label].truths for label in self._curves}
            put_table(
                [
                    {"label": label, "labelled shots": len(each), "share of yes": float(each.mean())}
                    for label, each in truths.items()
                ]
            )
        for reason in self._left_out:
            put_text(f"- left out: {escape_text(reason)}")

    def put_mean(self) -> None:
        """Put the mean over labels and replays, and the gain of the feeds over random choice."""
        if not self._together:
            explain_empty("Nothing to draw.")
            return
        counts, together = self._counts, self._together
        at = len(counts) // 2
        precisions = {choice: float(together[choice][:, at].mean()) for choice in CHOICES}
        feeds, chance = precisions["feeds"], precisions["random"]
        title = f"With {counts[at]} labels the feeds reach {feeds:.3f}, random choice {chance:.3f}"
        _plot_curves(counts, together, together["random"][:, 0], title)
        gains, errors = _measure_spread(together["feeds"] - together["random"])
        put_table(
            [
                {"labels": count, **{name: float(together[choice][:, n].mean()) for choice, name in NAMES.items()}}
                | {"feeds above random": f"{gain:+z.3f} ({gain - 2 * error:+z.3f} to {gain + 2 * error:+z.3f})"}
                for n, (count, gain, error) in enumerate(zip(counts, gains, errors, strict=True))
            ]
        )
        put_text("A gain is distinct from chance if both ends of its interval have the same sign.")
        put_verdict(verdicts.judge_feeds(counts[-1], float(gains[-1]), float(errors[-1])))

    def put_labels(self) -> None:
        """Plot each label's curves."""
        for label, each in self._curves.items():
            _plot_curves(each.counts, each.precision, each.words, label)
        if not self._curves:
            explain_empty("Nothing to draw.")

    def results(self) -> dict[str, object]:
        """Return the figures for the asset."""
        together = self._together
        figures = {
            f"{name} at {count}": round(float(together[choice][:, n].mean()), 4)
            for choice, name in NAMES.items()
            for n, count in enumerate(self._counts)
            if count
        }
        words = {"words_alone": round(float(together["random"][:, 0].mean()), 4)} if together else {}
        counts = {"labels": len(self._curves), "left_out": len(self._left_out), "seeds": self._seeds}
        return {**counts, **words, **figures}


def _average(curves: Sequence[LearningCurves]) -> dict[Choice, NDArray[np.float64]]:
    """Return the mean over labels (S, R + 1) by choice.

    Of a label, a seed without a yes in the held-out footage is left out; a seed without any label's, too.
    """
    stacks = {choice: np.stack([each.precision[choice] for each in curves]) for choice in CHOICES}
    is_known = np.isfinite(stacks["random"]).all(axis=2).any(axis=0)
    return {choice: np.nanmean(stacks[choice][:, is_known], axis=0) for choice in CHOICES}


def _measure_spread(rows: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean and its standard error over the rows that are numbers."""
    good = rows[np.isfinite(rows).all(axis=1)]
    error = good.std(axis=0, ddof=min(1, len(good) - 1)) / np.sqrt(len(good))
    return good.mean(axis=0), error


def _plot_curves(counts: Sequence[int], precision: Precision, words: NDArray[np.float64], title: str) -> None:
    """Plot average precision (S, R + 1) by choice, and that of the words alone (S,)."""
    figure, axes = create_plot(8, 4.2)
    for choice, (colour, marker) in STYLES.items():
        mean, error = _measure_spread(precision[choice])
        axes.plot(counts, mean, color=colour, marker=marker, label=NAMES[choice])
        axes.fill_between(counts, mean - 2 * error, mean + 2 * error, color=colour, alpha=0.18, linewidth=0)
    alone = float(np.nanmean(words))
    axes.axhline(alone, color=OTHERS, linestyle="--", label=f"words alone: {alone:.3f}")
    axes.set(xlabel="labels given, yes and no together", ylabel="average precision on held-out film", title=title)
    axes.set_xticks(counts)
    axes.grid()
    axes.legend()
    show(figure, axes)
