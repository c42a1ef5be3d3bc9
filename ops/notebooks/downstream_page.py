"""The page of the downstream example: the training set, the worth of its features, and the best new shots."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import numpy as np

from ops.core.errors import NeedleError
from ops.core.settings import Settings
from ops.embeddings.encoder import resolve_encoder
from ops.evaluation.classification import Interval
from ops.notebooks import downstream, verdicts
from ops.notebooks.downstream_features import (
    BLOCKS,
    FACTS,
    TrainingSet,
    list_fittable_labels,
    load_online_matrix,
    load_training_set,
)
from ops.notebooks.page import escape_text, explain_empty, put_table, put_text, put_verdict
from ops.notebooks.plots import COLOURS, OTHERS, create_plot, show
from ops.notebooks.posters import Posters

NO_LABEL = "No label has three shots of each answer yet: `needle label LABEL SHOT --value yes|no` gives some."
APART = {"show": "whole shows", "stretch": "stretches of video", "shot": "single shots"}


class DownstreamPage:
    """A training set for ``label`` (empty: the label with the most labelled shots), as known now."""

    def __init__(self, settings: Settings, encoder_id: str, label: str) -> None:
        self._settings = settings
        self._encoder_id = encoder_id or resolve_encoder(settings).encoder_id
        self._label = label or next(iter(list_fittable_labels(settings)), "")
        self._sheet = Posters(settings)
        self._data: TrainingSet | None = None
        self._reason = NO_LABEL
        if self._label:
            try:
                self._data = load_training_set(settings, self._encoder_id, self._label, datetime.now(UTC))
            except NeedleError as error:
                self._reason = str(error)
        self._model = downstream.fit_model(self._data) if self._data else None
        self._worth: dict[str, Interval] = {}
        self._gains: list[downstream.Gain] = []
        self._difference: float | None = None
        self._posters = 0

    def put_features(self) -> None:
        """Put the blocks of features, and what was left out."""
        data = self._data
        if data is None:
            explain_empty(self._reason)
            return
        put_text(f"**{self._label}**: {data.truths.sum()} yes and {(~data.truths).sum()} no.")
        content = {
            "embedding": f"unit vector of {self._encoder_id}",
            "probes": "log odds of " + (", ".join(data.probes) or "no other probe: fit one, and it is used"),
            "facts": ", ".join(FACTS),
        }
        sizes = {name: data.blocks[name].shape[1] for name in BLOCKS}
        put_table([{"block": name, "features": sizes[name], "what": content[name]} for name in BLOCKS])
        for note in data.notes:
            put_text(f"- {escape_text(note)}")

    def put_worth(self) -> None:
        """Plot average precision by block, and put what each feature adds to the vector."""
        data = self._data
        if data is None:
            explain_empty(self._reason)
            return
        held_out = downstream.HeldOut(data)
        figures = {" + ".join(blocks): held_out.measure(blocks) for blocks in data.steps}
        figures["chosen in each fold"] = held_out.measure_chosen()
        self._worth = {name: figure for name, figure in figures.items() if figure is not None}
        self._gains = held_out.measure_gains()
        if not self._worth:
            explain_empty("Figures need both answers in two shows or stretches of a video.")
            return
        _plot_worth(self._label, self._worth, float(data.truths.mean()))
        apart = APART[data.held_out_by]
        put_text(f"Held out together: {apart}. What each block, and each single feature, adds to the vector alone:")
        put_table([_describe_gain(gain) for gain in self._gains])
        gains = list(self._worth.values())
        put_verdict(verdicts.judge_blocks(gains[0], gains[-1]))

    def put_best(self, posters: int) -> None:
        """Compare offline and online scores, and put the best ``posters`` shots without a label."""
        data, model = self._data, self._model
        if data is None or model is None:
            explain_empty(self._reason)
            return
        put_text(f"The model uses {' + '.join(model.blocks)}.")
        offline = model.scores(data.columns(BLOCKS))
        online = model.scores(load_online_matrix(self._settings, data.encoder_id, data.probes, data.shot_ids))
        self._difference = float(np.abs(offline - online).max())
        text = f"Largest difference between offline and online scores of {len(online)} labelled shots"
        put_text(f"{text}: {self._difference:.2g}.")
        labelled_ids = set(data.shot_ids)
        shots = self._settings.lake.read("shots", columns=["shot_id", "is_blank"]).to_pylist()
        new = [shot["shot_id"] for shot in shots if shot["shot_id"] not in labelled_ids and not shot["is_blank"]]
        if not new:
            explain_empty("Every shot is labelled: nothing new to score.")
            return
        scores = model.scores(load_online_matrix(self._settings, data.encoder_id, data.probes, new))
        best = sorted(zip(scores, new, strict=True), reverse=True)[:posters]
        self._posters = len(best)
        put_text(f"The {len(best)} best of {len(new):,} shots that nobody labelled, with their scores:")
        self._sheet.sheet((shot, f"{score:.2f}") for score, shot in best)

    def results(self) -> dict[str, object]:
        """Return the figures for the asset."""
        data = self._data
        return {
            "label": self._label or "none",
            "yes": int(data.truths.sum()) if data else 0,
            "no": int((~data.truths).sum()) if data else 0,
            "probes": ", ".join(data.probes) if data else "",
            **{f"average precision, {name}": round(figure.value, 4) for name, figure in self._worth.items()},
            "model_blocks": " + ".join(self._model.blocks) if self._model else "",
            **{f"gain, {gain.feature}": round(gain.change.value, 4) for gain in self._gains},
            "largest_difference_online": "not measured" if self._difference is None else self._difference,
            "new_shots_shown": self._posters,
        }


def _describe_gain(gain: downstream.Gain) -> dict[str, str]:
    change = gain.change
    return {
        "feature": gain.feature,
        "average precision": f"{change.value:+z.3f} ({change.low:+z.3f} to {change.high:+z.3f})",
        "verdict": gain.verdict,
    }


def _plot_worth(label: str, worth: Mapping[str, Interval], share: float) -> None:
    names, figures = list(worth), list(worth.values())
    figure, axes = create_plot(8, 1.2 + 0.5 * len(names))
    places = np.arange(len(names))
    values = np.array([each.value for each in figures])
    reach = np.maximum([values - [each.low for each in figures], [each.high for each in figures] - values], 0)
    axes.barh(places, values, color=COLOURS[0], height=0.55, xerr=reach, ecolor="#333333", capsize=4)
    axes.axvline(share, color=OTHERS, linestyle="--", label=f"chance: {share:.2f}")
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    for place, value in zip(places, values, strict=True):
        axes.text(0.01, float(place), f"{value:.2f}", va="center", color="white" if value > 0.1 else "black")
    title = f"{label}: {values[0]:.2f} with the {names[0]},\n{values[-1]:.2f} with the model chosen in each fold"
    axes.set(xlim=(0, 1), xlabel="average precision", title=title)
    axes.grid(axis="x")
    figure.legend(loc="outside lower right")
    show(figure, axes)
