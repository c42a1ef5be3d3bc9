"""Figures of shot boundaries and their faults as lines of at most 100 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from ops.cli.main import make_printable

_NAME = 32
MOST_FAULTS = 60
"""Faults that are printed; a report and ``--json`` have all of them."""
_KINDS = (("hard cuts", "shot", "cuts"), ("gradual transitions", "gradual", "gradual"))
_METRICS = (("f1", "F1"), ("precision", "precision"), ("recall", "recall"))


def format_cuts(document: Mapping[str, Any]) -> Iterator[str]:
    """Format the document of :class:`ops.training.evaluate.FootageEvaluation`.

    It has each kind of boundary by clip and pooled, intervals over clips, notes on clips, and the faults.
    """
    scored_films = {name: figures for name, figures in document["films"].items() if "shot_f1" in figures}
    if not scored_films:
        return
    for title, prefix, counts in _KINDS:
        yield f"{title}, ±2 frames, detector {document['detector']}"
        yield f"  {'':<{_NAME}} {'F1':>6} {'precision':>10} {'recall':>7} {'right':>6} {'false':>6} {'missed':>7}"
        for name, figures in scored_films.items():
            yield _format_row(_shorten(name), figures, prefix, counts)
        yield _format_row("all clips" if len(scored_films) > 1 else "1 clip", document, prefix, counts)
        yield f"  {_format_intervals(document, prefix)}"
        yield ""
    yield from textwrap.wrap(f"Intervals: {document['cut_intervals']}.", 100)
    for name, figures in scored_films.items():
        for note in figures.get("notes", ()):
            yield from textwrap.wrap(f"note: {make_printable(name)}: {note}", 100, subsequent_indent="  ")
    yield ""
    yield from _format_faults(document["faults"])


def _format_row(name: str, figures: Mapping[str, Any], prefix: str, counts: str) -> str:
    right, false, misses = (figures[f"{counts}_{name}"] for name in ("right", "false", "missed"))
    wholes = {"f1": right + false + misses, "precision": right + false, "recall": right + misses}
    # A share of nothing is undefined: the JSON document has 1 there, which a user would read as success.
    f1, precision, recall = (f"{figures[f'{prefix}_{name}']:.3f}" if total else "–" for name, total in wholes.items())
    shares = f"{f1:>6} {precision:>10} {recall:>7}"
    return f"  {name:<{_NAME}} {shares} {right:6d} {false:6d} {misses:7d}"


def _format_intervals(document: Mapping[str, Any], prefix: str) -> str:
    intervals = {title: document[f"{prefix}_{metric}_interval"] for metric, title in _METRICS}
    if not all(intervals.values()):
        return "no intervals: too few clips have such boundaries"
    return "95 %: " + ", ".join(f"{title} [{low:.3f}, {high:.3f}]" for title, (low, high) in intervals.items())


def _format_faults(faults: list[dict[str, Any]]) -> Iterator[str]:
    if not faults:
        yield "No boundary is false, and none is missed."
        yield ""
        return
    yield f"false and missed boundaries: {len(faults)}"
    for fault in faults[:MOST_FAULTS]:
        frames = f"{fault['frame']}" + (f"-{fault['last_frame']}" if fault["last_frame"] != fault["frame"] else "")
        time = "after the end" if fault["time_s"] is None else f"{fault['time_s']:.3f} s"
        kind = {"cut": "hard"}.get(fault["transition"], fault["transition"])
        yield f"  {fault['kind']:<7} {kind:<8} {_shorten(fault['clip']):<{_NAME}} frame {frames:<13} {time}"
    if len(faults) > MOST_FAULTS:
        yield f"  and {len(faults) - MOST_FAULTS} more, which --json and --report FILE.html list"
    yield ""


def _shorten(name: str) -> str:
    name = make_printable(name)
    return name if len(name) <= _NAME else f"{name[: _NAME // 2 - 1]}…{name[-_NAME // 2 :]}"
