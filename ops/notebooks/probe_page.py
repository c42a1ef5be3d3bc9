"""The page of one probe: how well it tells yes from no, whether to believe its scores, and examples as posters."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ops.core.addresses import build_page_address
from ops.core.settings import Settings
from ops.evaluation.classification import Interval, bin_reliability
from ops.notebooks import verdicts
from ops.notebooks.page import escape_text, explain_empty, put_table, put_text, put_verdict
from ops.notebooks.plots import COLOURS, OTHERS, create_plot, plot_reliability, show
from ops.notebooks.posters import Posters
from ops.probes.definitions import load_definitions
from ops.probes.documents import ProbeExample, find_examples, probe_document
from ops.probes.scores import scores_table
from ops.probes.state import read_promoted_version, read_state

NAMES = {
    "average_precision": "average precision",
    "text_average_precision": "average precision of the words alone",
    "roc_auc": "area under the ROC curve",
    "brier": "Brier score (0 is perfect, 0.25 a coin)",
    "calibration_error": "calibration error",
}
APART = {"show": "whole shows", "stretch": "stretches of film", "shot": "single shots"}


class ProbePage:
    """What is known of the promoted version of the probe ``label``; at most ``posters`` examples of a kind.

    ``words_only`` is the sentence in the place of figures.
    """

    def __init__(self, settings: Settings, label: str, posters: int = 12) -> None:
        self._settings = settings
        self._label = label
        self._version = read_promoted_version(settings, label) if label else None
        self._today = probe_document(settings, label) if label else None
        labels = self._today["labels"] if self._today else None
        self._label_counts = f"{labels['yes']} yes, {labels['no']} no" if labels else ""
        self._hits = find_examples(settings, self._version, posters) if self._version else None
        self._sheet = Posters(settings)
        self._missing_fit = (
            f"The probe {label!r} was not fitted yet: label some shots (`needle label {label} SHOT --value yes`) and "
            f"run `needle probe fit {label}`."
            if label
            else "No probe was named: set the parameter `label`."
        )
        self.words_only = self._explain_missing_figures()
        held_out_ids = sorted(self._version.held_out) if self._version else []
        self._scores = np.array(
            [self._version.held_out[shot] for shot in held_out_ids] if self._version else [], np.float64
        )
        self._truths = np.array([self._version.truths[shot] for shot in held_out_ids] if self._version else [], bool)

    def _explain_missing_figures(self) -> str:
        version = self._version
        if version is None or self._today is None:
            return self._missing_fit
        if version.kind == "logistic":
            return "No figures yet: they need labelled shots of each kind in two shows or stretches of a film."
        words = f"No figures yet: this is the text score of the probe's queries; {self._label_counts} by now. "
        if self._today["latest"] == version.version:
            needs = "A fit needs three labelled shots of each kind, and figures need them in two shows or stretches"
            return f"{words}{needs} of a film."
        return f"{words}The last fit, {self._today['latest']}, does not score the catalogue."

    @property
    def _is_measured(self) -> bool:
        return self._version is not None and bool(self._version.metrics)

    def put_summary(self) -> None:
        """Put what the probe is, and what it learnt from."""
        version, hits = self._version, self._hits
        if version is None or hits is None or self._today is None:
            explain_empty(self._missing_fit)
            return
        definition = load_definitions(self._settings).get(self._label)
        about = escape_text(definition.description if definition and definition.description else "no description")
        learnt = f"{version.yes} yes, {version.no} no" if version.kind == "logistic" else "its queries' words alone"
        queries = ", ".join(f"“{escape_text(query)}”" for query in version.queries)
        put_text(f"**{self._label}**: {about}. Queries: {queries}.")
        put_table(
            [
                {"what": "version", "value": f"{version.version} ({version.kind}), {version.created_at}"},
                {"what": "encoder", "value": version.encoder_id},
                {"what": "learnt from", "value": learnt},
                {"what": "labels by now", "value": self._label_counts},
                {"what": "says yes from a score of", "value": f"{version.threshold:.3f} (policy {version.policy})"},
                {"what": "shots scored", "value": f"{hits.scored:,}, of which it says yes to {hits.said_yes:,}"},
            ]
        )
        refused_fit = read_state(self._settings, self._label).refused
        fate = [f"the last fit, {refused_fit.version}, was refused: {refused_fit.reason}"] if refused_fit else []
        for note in (*self._today["notes"], *fate):
            put_text(f"- {escape_text(note)}")
        put_verdict(verdicts.judge_share(self._label, self._read_scores(), version.threshold, version.yes, version.no))

    def _read_scores(self) -> NDArray[np.float64]:
        table = self._settings.lake.read(scores_table(self._label), columns=["score"])
        return np.asarray(table["score"].to_numpy(), np.float64)

    def put_metrics(self) -> None:
        """Put every figure with its interval."""
        version = self._version
        if version is None or not version.metrics:
            explain_empty(self.words_only)
            return
        figures = {NAMES.get(name, name.replace("_", " ")): figure for name, figure in version.metrics.items()}
        put_table([{"figure": name, "value": _format_interval(figure)} for name, figure in figures.items()])
        count = f"{len(self._truths)} of {version.yes + version.no} labels could be held out"
        put_text(f"Held out together: {APART[version.splits]}. {count}.")
        words = version.metrics.get("text_average_precision")
        put_verdict(verdicts.judge_ranking(self._label, version.metrics["average_precision"], words))

    def put_curve(self) -> None:
        """Plot precision against recall, if there are figures."""
        version = self._version
        if version is None or not version.metrics:
            return
        best, precision, recall = np.array(version.curve).T
        at = int(np.abs(best - version.threshold).argmin())
        share, yes = self._truths.mean(), f"says yes from {version.threshold:.2f} on"
        figure, axes = create_plot(8, 4.2)
        steps = [0, *recall], [precision[0], *precision]
        axes.step(*steps, where="pre", color=COLOURS[0], linewidth=2, label="the probe")
        axes.axhline(share, color=OTHERS, linestyle="--", label=f"chance: {share:.2f} of the labels are yes")
        axes.plot(recall[at], precision[at], "o", color=COLOURS[5], markersize=9, label=yes)
        ap = _format_interval(version.metrics["average_precision"])
        axes.set(xlim=(0, 1.02), ylim=(0, 1.03), xlabel="recall: share of the yes that are found")
        axes.set(ylabel="precision: share of yes in it", title=f"Average precision {ap}")
        axes.grid()
        axes.legend()
        show(figure, axes)

    def put_reliability(self) -> None:
        """Plot the share of yes against the score, for labelled shots in groups of about the same score."""
        if self._version is None or not self._is_measured:
            explain_empty(self.words_only)
            return
        bins = bin_reliability(self._scores, self._truths)
        title = f"Calibration error {_format_interval(self._version.metrics['calibration_error'])}"
        plot_reliability(bins, "score: how likely a yes is", "yes", title)
        count = len(self._truths)
        put_text(f"Each point stands for {count // 5} to {-(-count // 5)} labelled shots.")
        put_verdict(verdicts.judge_calibration(self._version.metrics["calibration_error"]))

    def put_scores(self) -> None:
        """Plot how the labelled shots are scored, if there are figures."""
        if self._version is not None and self._is_measured:
            _plot_scores(self._scores[self._truths], self._scores[~self._truths], self._version.threshold)

    def put_best_hits(self) -> None:
        """Put the highest scores of the catalogue."""
        hits = self._hits.top if self._hits else ()
        self._put_posters(hits, "Nothing is scored yet." if self._version else self._missing_fit)

    def put_borderline(self) -> None:
        """Put the shots without a label whose scores are nearest to the threshold."""
        has_scores = self._hits is not None and self._hits.scored
        hits = self._hits.borderline if self._hits else ()
        self._put_posters(hits, "Every scored shot is labelled." if has_scores else "Nothing is scored yet.")
        address = build_page_address(self._settings, label=self._label)
        put_verdict(verdicts.judge_borderline(self._label, len(hits), address))

    def put_false_yes(self) -> None:
        """Put the shots labelled no that are scored as a yes."""
        hits = self._hits.false_yes if self._hits else ()
        self._put_posters(hits, "No labelled no is scored as a yes." if self._is_measured else self.words_only)

    def put_missed(self) -> None:
        """Put the shots labelled yes that are scored as a no."""
        hits = self._hits.missed if self._hits else ()
        self._put_posters(hits, "No labelled yes is missed." if self._is_measured else self.words_only)
        if self._hits and self._is_measured:
            put_verdict(verdicts.judge_errors(self._label, len(self._hits.false_yes), len(self._hits.missed)))

    def _put_posters(self, hits: Sequence[ProbeExample], otherwise: str) -> None:
        if hits:
            self._sheet.sheet((hit.shot_id, _describe_hit(hit)) for hit in hits)
        else:
            explain_empty(otherwise)

    def results(self) -> dict[str, object]:
        """Return the figures for the asset."""
        version, hits = self._version, self._hits
        ap = version.metrics.get("average_precision") if version else None
        labels = self._today["labels"] if self._today and version else None
        return {
            "label": self._label,
            "version": version.version if version else "",
            "kind": version.kind if version else "not fitted",
            "yes": labels["yes"] if labels else 0,
            "no": labels["no"] if labels else 0,
            "average_precision": round(ap.value, 4) if ap else "none yet",
            "average_precision_interval": f"{ap.low:.4f} to {ap.high:.4f}" if ap else "none yet",
            "false_yes": len(hits.false_yes) if hits else 0,
            "missed": len(hits.missed) if hits else 0,
            "scored": hits.scored if hits else 0,
            "said_yes": hits.said_yes if hits else 0,
            "posters_shown": self._sheet.shown,
            "posters_missing": self._sheet.missing,
        }


def _format_interval(figure: Interval) -> str:
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def _describe_hit(hit: ProbeExample) -> str:
    return f"{hit.score:.2f}{'' if hit.truth is None else ' · labelled ' + ('yes' if hit.truth else 'no')}"


def _plot_scores(yes: NDArray[np.float64], no: NDArray[np.float64], threshold: float) -> None:
    figure, axes = create_plot(8, 3.2)
    labels = ["labelled no", "labelled yes"]
    axes.hist([no, yes], np.linspace(0, 1, 21).tolist(), stacked=True, color=[OTHERS, COLOURS[0]], label=labels)
    axes.axvline(threshold, color=COLOURS[5], linewidth=1.8, label=f"says yes from {threshold:.2f} on")
    axes.set(xlim=(0, 1), xlabel="held-out score", ylabel="labelled shots", title="How the labelled shots are scored")
    axes.locator_params(axis="y", integer=True)
    axes.legend()
    show(figure, axes)
