"""The page of the Video Annotator benchmark: tables, a plot, and why a figure is missing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ops.core.errors import NeedleError
from ops.notebooks import verdicts
from ops.notebooks.page import escape_text, explain_empty, put_table, put_text, put_verdict
from ops.notebooks.plots import COLOURS, OTHERS, create_plot, show
from ops.notebooks.video_annotator import PAPER_GAIN, PAPER_LABELS, AnnotatorData, LabelResult, run_benchmark

HOW_TO_GET_IT = (
    "**No data was given, so nothing was measured.** Download the data file that the README of "
    "[github.com/Netflix/videoannotator](https://github.com/Netflix/videoannotator) links to in its section *Data* "
    "(1.2 GB unpacked), unpack it, and name the folder: in Dagster as the configuration `data` of the asset "
    "`video_annotator_benchmark`, or as the parameter `data` of this notebook."
)
HOW_TO_READ_IT = (
    "In points of a hundred. The paper's gain is from its abstract: median over labels, Video Annotator over its "
    "most competitive baseline. Here it is our probe on the editors' votes over our probe on the baseline's labels "
    "(500 found by the words and 500 at random, without the held-out shots; their `exp1.ipynb`), so it tells what "
    "the *labels* are worth, not the classifier. Average precision of single labels stands in the paper's figures, "
    "which were not at hand when this was written: compare them there."
)
NOTHING = "Nothing was measured."


class BenchmarkPage:
    """The results of the labels in the unpacked folder ``data``; an empty ``data`` measures nothing."""

    def __init__(self, data: str) -> None:
        self._data = data
        self._results: list[LabelResult] = []
        self._problem = ""
        if data:
            try:
                self._results = list(run_benchmark(AnnotatorData(Path(data).expanduser())))
                self._problem = "" if self._results else f"{data}/agg holds no label."
            except NeedleError as error:
                self._problem = str(error)
        self._precisions = [each.ap.value for each in self._results if each.ap]
        self._gains = [each.gain for each in self._results if each.gain is not None]

    def put_problem(self) -> None:
        """Put the reason why nothing was measured, if there is one."""
        if not self._data:
            put_text(HOW_TO_GET_IT)
        elif self._problem:
            explain_empty(self._problem)

    def put_medians(self) -> None:
        """Put the figures of all labels together."""
        if not self._precisions:
            explain_empty(NOTHING)
            return
        words = [each.words for each in self._results if each.ap and each.words is not None]
        median = f"{100 * np.median(self._precisions):.1f}"
        rows = [
            {"figure": "labels measured", "here": str(len(self._precisions)), "paper": str(PAPER_LABELS)},
            {"figure": "median average precision", "here": median, "paper": "per label: to be compared"},
        ]
        if words:
            value = f"{100 * np.median(words):.1f}"
            rows.append({"figure": "median of the words alone", "here": value, "paper": "to be compared"})
        if self._gains:
            gain = f"{np.median(self._gains):+.1f}"
            rows.append({"figure": "median gain over the baseline", "here": gain, "paper": f"{PAPER_GAIN:+}"})
        middle_words = float(np.median(words)) if words else None
        middle_gain = float(np.median(self._gains)) if self._gains else None
        middle = float(np.median(self._precisions))
        put_verdict(verdicts.judge_editors_labels(middle, middle_words, middle_gain, PAPER_GAIN))
        put_table(rows)
        put_text(HOW_TO_READ_IT)
        if not self._gains:
            put_text("The folder has no `cmp/*.json`, so there is no gain over the baseline to tell.")

    def put_labels(self) -> None:
        """Put the figures of each label, as a plot and as a table, and what was left out."""
        with_precision = [each for each in self._results if each.ap]
        if with_precision:
            self._put_weakest(with_precision)
            _plot_labels(sorted(with_precision, key=lambda each: -each.ap.value if each.ap else 0.0))
            put_table([_describe_label(each) for each in with_precision])
        else:
            explain_empty(NOTHING)
        for each in self._results:
            name = escape_text(each.label)
            if each.without_vector:
                put_text(f"- {name}: {each.without_vector:,} votes are of shots without a vector, and left out")
            if each.skipped:
                counts = f" ({each.yes} yes, {each.no} no)" if each.yes + each.no else ""
                put_text(f"- {name}{counts}: no figure; {escape_text(each.skipped)}")

    def _put_weakest(self, results: Sequence[LabelResult]) -> None:
        precision, weakest = min(((each.ap.value, each) for each in results if each.ap), key=lambda pair: pair[0])
        skipped_count = len(self._results) - len(results)
        put_verdict(verdicts.judge_weakest_label(escape_text(weakest.label), precision, weakest.yes, skipped_count))

    def results(self) -> dict[str, object]:
        """Return the figures for the asset."""
        return {
            "labels": len(self._results),
            "measured": len(self._precisions),
            "paper_gain_points": PAPER_GAIN,
            **({"median_average_precision": round(float(np.median(self._precisions)), 4)} if self._precisions else {}),
            **({"median_gain_points": round(float(np.median(self._gains)), 2)} if self._gains else {}),
            "by_label": {each.label: round(each.ap.value, 4) for each in self._results if each.ap},
            "problem": self._problem,
        }


def _describe_label(each: LabelResult) -> dict[str, object]:
    ap = each.ap
    return {
        "label": each.label,
        "yes": each.yes,
        "no": each.no,
        "held out": each.held_out,
        "average precision": f"{ap.value:.3f} [{ap.low:.3f}, {ap.high:.3f}]" if ap else "–",
        "words alone": "–" if each.words is None else f"{each.words:.3f}",
        "gain, points": "–" if each.gain is None else f"{each.gain:+.1f}",
    }


def _plot_labels(results: Sequence[LabelResult]) -> None:
    figure, axes = create_plot(8, 1.6 + 0.24 * len(results))
    places = np.arange(len(results))
    figures = [each.ap for each in results if each.ap]
    values = np.array([each.value for each in figures])
    reach = [values - [each.low for each in figures], [each.high for each in figures] - values]
    style: dict[str, Any] = {"fmt": "o", "color": COLOURS[0], "ecolor": "#9CC4DE", "capsize": 2}
    axes.errorbar(values, places, xerr=np.maximum(reach, 0), label="our probe on the editors' votes", **style)
    for others, words, marker, colour in (
        ([each.baseline for each in results], "on the baseline's labels", "s", COLOURS[1]),
        ([each.words for each in results], "words alone", "x", OTHERS),
    ):
        known_values = [(value, place) for value, place in zip(others, places, strict=True) if value is not None]
        if known_values:
            axes.plot(*zip(*known_values, strict=True), marker, color=colour, label=words, linestyle="none")
    axes.set_yticks(places, [each.label for each in results])
    axes.invert_yaxis()
    axes.set(xlim=(0, 1.02), xlabel="average precision")
    axes.set_title(f"Labels measured: {len(results)}, median {np.median(values):.3f}")
    axes.grid(axis="x")
    axes.margins(y=0.5 / len(results))
    figure.legend(loc="outside lower center", ncols=3)
    show(figure, axes)
