"""The page of the retrieval report: figures by show, recall curves, and the best and worst queries as posters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import NotFoundError, VectorIndexError
from ops.core.settings import Settings
from ops.core.types import SilentProgress
from ops.embeddings.encoder import resolve_encoder
from ops.embeddings.registry import EncoderRegistry
from ops.evaluation.classification import bin_reliability, compute_calibration_error
from ops.evaluation.comparison import compare_answers
from ops.evaluation.figures import compute_recall_curve
from ops.evaluation.questions import compute_chance_curve
from ops.evaluation.shows import DIRECTIONS, Example, ShowAnswer, ShowTask, list_examples
from ops.notebooks import verdicts
from ops.notebooks.page import escape_text, explain_empty, put_text, put_verdict
from ops.notebooks.plots import COLOURS, OTHERS, create_plot, plot_reliability, show
from ops.notebooks.posters import Posters
from ops.search.schema import Query
from ops.search.searcher import Searcher
from ops.training.evaluate_catalogue import ComparedEncoders, answer_both, build_tasks, find_training_shows
from ops.training.metrics import read_metrics
from ops.training.pair_table import NO_CAPTIONS

ROLES = {"encoder": COLOURS[5], "against": COLOURS[0]}
METRICS = {"r@1": "R@1 %", "r@5": "R@5 %", "r@10": "R@10 %", "median_rank": "median rank", "ndcg@10": "nDCG@10"}
PARTS = {"text_to_video": "caption → shot", "video_to_text": "shot → caption", "graded": "graded queries"}
TICKS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)

DEEP = 50
"""Hits of a graded query of which the relevance is compared with the grades: as many as people page through."""
RELEVANCE_BINS = 10

Figures = Mapping[str, Any]
"""A part of the document of ``compare_answers``."""


class RetrievalPage:
    """Answers of an encoder (empty: the current one) and of another one (empty: none) to the catalogue's captions.

    ``encoder_id`` is empty if the catalogue has no captions.
    """

    def __init__(self, settings: Settings, encoder_id: str = "", against_id: str = "") -> None:
        self._settings = settings
        self._sheet = Posters(settings)
        self._tasks = build_tasks(settings, SilentProgress())
        self._document: Figures = {}
        self._answers: dict[str, list[ShowAnswer]] = {}
        self._unseen: list[str] = []
        self._calibration: dict[str, float] = {}
        self.encoder_id = ""
        if self._tasks:
            self.encoder_id = encoder_id or resolve_encoder(settings).encoder_id
            contest = ComparedEncoders(encoder_id=self.encoder_id, against_id=against_id)
            answers_by_encoder = answer_both(settings, contest, self._tasks, SilentProgress())
            self._document = compare_answers(
                answers_by_encoder, find_training_shows(settings, [each for each, _ in answers_by_encoder])
            )
            training_shows, shows = self._document["learned_from"], self._document["shows"]
            self._unseen = [name for name in shows if name not in training_shows] or list(shows)
            for role, (_, answers) in zip(ROLES, answers_by_encoder, strict=False):
                self._answers[role] = [each for each in answers if each.task.show in self._unseen]

    def put_figures(self) -> None:
        """Put a table of every figure, pooled and by show, and what they say to an upgrade."""
        document = self._document
        if not document:
            explain_empty(NO_CAPTIONS)
            return
        against = document.get("against", {})
        self._put_encoders(against)
        header = ["show", "asked", "metric", "encoder", *(["against", "difference"] if against else [])]
        rows = list(_list_rows("all, pooled", document, against)) if len(self._unseen) > 1 else []
        training_shows = document["learned_from"]
        for name, figures in sorted(document["shows"].items(), key=lambda each: each[0] in training_shows):
            mark = " (fitted on)" if name in training_shows else ""
            cell = escape_text(name).replace("|", "¦") + mark
            rows += _list_rows(cell, figures, against.get("shows", {}).get(name, {}))
        lines = [" | ".join(header), "|".join(["---"] * 3 + ["---:"] * (len(header) - 3)), *map(" | ".join, rows)]
        put_text("\n".join(f"| {line} |" for line in lines))
        if against:
            put_text("A difference in **bold** is beyond noise: its interval does not hold 0.")
            self._put_verdict()

    def _put_encoders(self, against: Figures) -> None:
        document = self._document
        encoders = f"Encoder: `{document['encoder_id']}`" + (f" against `{against['encoder_id']}`" if against else "")
        notes = [encoders + ("" if against else "; there is no other to measure it against.")]
        if document["learned_from"]:
            names = ", ".join(f"*{escape_text(name)}*" for name in document["learned_from"])
            fair = "left out of all pooled figures, curves and posters below"
            notes.append(f"It was fitted on {names}: {fair if document['pooled_is_fair'] else 'no fair test'}.")
        put_text("\n\n".join(notes))

    def _put_verdict(self) -> None:
        verdict = self._document["verdict"]
        reasons = [*verdict["worse"], *verdict["too_little"]]
        fine = f"Nothing against it: a loss above {verdict['margin']:.2g} nDCG@10 over all questions is excluded."
        words = "\n".join(f"- {escape_text(reason)}" for reason in reasons) or fine
        put_text(f"### What its captions and queries say to an upgrade\n\n{words}")
        put_text("`needle upgrade` also asks searches and probes.")
        spec = EncoderRegistry(self._settings.home).find_spec(self.encoder_id)
        if spec and self.encoder_id != resolve_encoder(self._settings).encoder_id:
            put_verdict(verdicts.judge_upgrade(spec, len(verdict["worse"]), len(verdict["too_little"])))

    def put_refusal(self, at: str, live: str, reasons: Sequence[str]) -> None:
        """Put the reasons for which an upgrade refused the encoder, if it was compared here."""
        if self._document.get("against"):
            words = "\n".join(f"- {escape_text(reason)}" for reason in reasons)
            put_text(f"`needle upgrade` refused it on {at}, `{live}` stayed live:\n\n{words}")

    def put_fit(self) -> None:
        """Plot the loss of the fit, and the pairs a second with the share of time without data, if it has figures."""
        spec = EncoderRegistry(self._settings.home).find_spec(self.encoder_id) if self.encoder_id else None
        kind, _, name = (spec or "").partition(":")
        steps = list(read_metrics(self._settings.home / "encoders" / name)) if kind == "finetuned" else []
        if len(steps) < 2:
            return
        put_text(f"## How it learned\n\nEach step of the fit of `{escape_text(name)}`; the line is the mean around it.")
        for values, label in (
            ([each.loss for each in steps], "loss"),
            ([each.gradient_norm for each in steps], "norm of the gradient"),
            ([each.pairs_per_s for each in steps], "pairs a second"),
        ):
            _plot_steps([each.step for each in steps], values, label)
        share = sum(each.wait_s for each in steps) / sum(each.seconds for each in steps)
        put_text(
            f"It waited for data in {100 * share:.0f} % of its time. Learning rate at the end {steps[-1].rate:.2g}, "
            f"inverse temperature {steps[-1].scale:.1f}."
        )

    def put_curves(self) -> None:
        """Plot recall at k in both directions, if there are captions."""
        if "text_to_video" not in self._document:
            return
        put_text("## Recall at k\n\nShare of queries whose right answer is among the first k; bands are 95 %.")
        longest = max(len(each.task.items) for each in self._answers["encoder"])
        ks = sorted({*range(1, min(longest, 20) + 1), *np.geomspace(1, longest, 30).round().astype(int).tolist()})
        for direction in DIRECTIONS:
            _plot_curves(self._answers, direction, ks)

    def put_reliability(self) -> None:
        """Search each graded query within its show as a user would, and plot relevance against the share of right hits.

        Nothing without graded queries. Hits count as right if their grade is above 0.
        """
        queries = sum(len(task.queries) for task in self._tasks)
        if not queries:
            return
        put_text(
            "## Is relevance honest?\n\nOf hits with a relevance of 0.2, a fifth should be right. Measured on the "
            f"first {DEEP} hits of each graded query, searched within its show; a hit is right if its grade is above 0."
        )
        searcher = Searcher(self._settings)
        if searcher.encoder_id != self.encoder_id:
            put_text(f"Only the current encoder has an index to search: `{searcher.encoder_id}`.")
            return
        try:
            relevance, right = search_graded(searcher, self._tasks)
        except (VectorIndexError, NotFoundError) as error:
            put_text(escape_text(f"Relevance was not measured: {error}"))
            return
        bins = min(RELEVANCE_BINS, len(right))
        gap = compute_calibration_error(relevance, right, bins)
        self._calibration = {"relevance calibration error": round(gap, 3)}
        title = f"Calibration error {gap:.3f}, {queries:,} queries, {len(right):,} hits"
        plot_reliability(bin_reliability(relevance, right, bins), "relevance", "right hits", title)
        put_verdict(verdicts.judge_relevance(relevance, right, gap))

    def put_examples(self, examples: int) -> None:
        """Put the best and the worst queries, ``examples`` of each, with the shots that were found."""
        all_examples = list_examples(self._answers["encoder"]) if self._document else []
        if not all_examples:
            return
        kind = "graded queries, with nDCG@10" if "graded" in self._document else "captions, with 1 / rank"
        count = min(examples, (len(all_examples) + 1) // 2)
        for title, selection in (("Best", all_examples[:count]), ("Worst", all_examples[::-1][:count])):
            put_text(f"## {title} queries\n\nOf {len(all_examples):,} {kind}; what was wanted is framed in green.")
            for example in selection:
                self._put_example(example)

    def _put_example(self, example: Example) -> None:
        """Put a query with the best shot that was wanted, and the first five that were found."""
        put_text(f"**{escape_text(example.text)}** · {escape_text(example.show)} · {example.score:.2f}")
        hits = []
        for place, shot_id in enumerate(example.found[:5], 1):
            grade = example.wanted.get(shot_id)
            hits.append((shot_id, f"{place}" + (f" · right, grade {grade:g}" if grade else "")))
        right = [shot_id for shot_id, grade in example.wanted.items() if grade]
        best = max(example.wanted, key=lambda shot_id: example.wanted[shot_id])
        self._sheet.sheet([(best, "wanted"), *hits], framed_ids=right)

    def results(self) -> dict[str, object]:
        """Return the figures for the asset."""
        document = self._document
        figures = {
            f"{part} {key}": round(document[part][key], 3)
            for part in PARTS
            for key in METRICS
            if key in document.get(part, {})
        }
        gains = {
            f"{part} {key} gain": [round(value, 3) for value in values]
            for part, gains in document.get("gain", {}).items()
            for key, values in gains.items()
        }
        return {
            "shows": len(self._tasks),
            "captions": sum(len(task.texts) for task in self._tasks),
            "encoder": document.get("encoder_id", ""),
            "against": document.get("against", {}).get("encoder_id", ""),
            "learned_from": ", ".join(document.get("learned_from", [])),
            **figures,
            **gains,
            **self._calibration,
        }


def search_graded(searcher: Searcher, tasks: Sequence[ShowTask]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Search the graded queries, and return relevance (H,) and truth (H,) of all hits.

    Raises ``VectorIndexError`` if there is no index or no hit, ``NotFoundError`` for a show without indexed shots.
    """
    relevance, right = [], []
    for task in tasks:
        for text, grades in task.queries:
            query = Query(text=text, literal=("*",), shows=(task.show,), dialogue="off", limit=DEEP)
            hits = searcher.search(query).hits
            relevance += [hit.relevance for hit in hits]
            right += [grades.get(hit.shot_id, 0) > 0 for hit in hits]
    if not relevance:
        raise VectorIndexError("the index has none of the graded shots: run `needle ingest`")
    return np.array(relevance), np.array(right)


def _list_rows(name: str, figures: Figures, against: Figures) -> Iterator[list[str]]:
    """Yield rows of the table for one show, or for all that were not learned from."""
    for part, title in PARTS.items():
        title += f" ({figures[part]['queries']:,})" if part in figures else ""
        for key, label in METRICS.items():
            if key in figures.get(part, {}):
                cells = [name, title, label, _format_figure(figures[part], key)]
                if against:
                    gain = figures["gain"][part].get(key)
                    cells += [_format_figure(against[part], key), _format_gain(gain, key) if gain else ""]
                yield cells
                name = title = ""


def _format_figure(figures: Figures, key: str) -> str:
    digits = {"median_rank": 0, "ndcg@10": 3}.get(key, 1)
    low, high = figures[f"{key}_interval"]
    return f"{figures[key]:.{digits}f} <small>[{low:.{digits}f}, {high:.{digits}f}]</small>"


def _format_gain(values: Sequence[float], key: str) -> str:
    digits = 3 if key == "ndcg@10" else 1
    difference, low, high = (f"{value:+.{digits}f}" for value in values)
    mark = "" if values[1] <= 0 <= values[2] else "**"
    return f"{mark}{difference}{mark} <small>[{low}, {high}]</small>"


def _plot_curves(answers: Mapping[str, Sequence[ShowAnswer]], direction: str, ks: Sequence[int]) -> None:
    """Plot recall at k of each encoder with its interval, and of items in random order."""
    figure, axes = create_plot(6, 3.8)
    chance = compute_chance_curve(answers["encoder"], direction, ks)
    axes.plot(*zip(*chance, strict=True), color=OTHERS, ls=":", label="chance")
    for role, role_answers in reversed(list(answers.items())):
        curve = np.array(compute_recall_curve(role_answers, direction, ks))
        axes.fill_between(curve[:, 0], curve[:, 2], curve[:, 3], color=ROLES[role], alpha=0.15, linewidth=0)
        axes.plot(curve[:, 0], curve[:, 1], color=ROLES[role], ls="-" if role == "encoder" else "--", label=role)
    axes.set(xscale="log", ylim=(0, 101), xlabel="k", ylabel="R@k in percent", title=f"Recall at k, {PARTS[direction]}")
    ticks = [k for k in TICKS if k <= ks[-1]]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.grid()
    axes.legend(loc="lower right")
    show(figure, axes)


def _plot_steps(steps: Sequence[int], values: Sequence[float], label: str) -> None:
    """Plot a figure of each step, and its mean over a twentieth of the fit."""
    figure, axes = create_plot(6, 2.6)
    axes.plot(steps, values, color=OTHERS, linewidth=0.8)
    width = max(1, len(values) // 20)
    if width > 1:
        means = np.convolve(values, np.ones(width) / width, mode="valid")
        middle = (width - 1) // 2
        axes.plot(steps[middle : middle + len(means)], means, color=ROLES["encoder"])
    axes.set(xlabel="step", ylabel=label, title=label[0].upper() + label[1:])
    axes.set_ylim(bottom=min(0.0, min(values)))
    axes.grid()
    show(figure, axes)
