"""The page of a detector on annotated clips: what to do next, figures, and every fault as a strip of frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ops.core.errors import NeedleError
from ops.evaluation.clip_cuts import METRICS, ClipCuts, CutEvaluation
from ops.evaluation.cuts import BoundaryScore, CutScore
from ops.evaluation.fault_page import render_evaluation
from ops.evaluation.strips import make_strips
from ops.notebooks import verdicts
from ops.notebooks.page import escape_text, explain_empty, put_html, put_text, put_verdict
from ops.training.evaluate import evaluate_clips

NO_CLIPS = (
    "**No clips were named, so nothing was measured.** Name a folder of clips that have their annotation beside them "
    "(`<file>.shots.json`): in Dagster as the configuration `footage` of the asset `cuts_report`, or as the parameter "
    "`footage` of this notebook."
)
KINDS = (("hard", "cut", "Hard cuts"), ("gradual", "gradual", "Gradual transitions"))
"""Name in figures, name in faults, and name for people."""


class CutsPage:
    """The faults of ``detector`` on the annotated clips of ``footage``; an empty ``footage`` measures nothing.

    At most ``strips`` faults have pictures.
    """

    def __init__(self, footage: str, detector: str, strips: int) -> None:
        self._footage, self._detector, self._strips = footage, detector, strips
        self._cuts: CutEvaluation | None = None
        self._problem = ""
        if footage:
            try:
                self._cuts = evaluate_clips(Path(footage).expanduser(), [], detector).cuts
            except NeedleError as error:
                self._problem = str(error)

    def put_problem(self) -> None:
        """Put the reason why nothing was measured, if there is one."""
        if not self._footage:
            put_text(NO_CLIPS)
        elif self._problem:
            explain_empty(escape_text(self._problem))

    def put_verdicts(self) -> None:
        """Put what to do next: one sentence for each kind of boundary, and one for clips that were not measured."""
        if not self._cuts or not self._cuts.clips:
            return
        intervals = self._cuts.estimate_intervals()
        for name, transition, title in KINDS:
            score, interval = _select_score(self._cuts.pooled, name), intervals[f"{name}_f1"]
            worst = escape_text(_find_worst_clip(self._cuts.clips, transition))
            put_verdict(verdicts.judge_boundaries(title, score, interval, worst, self._detector))
        put_verdict(verdicts.judge_set_aside(len(self._cuts.clips), len(self._cuts.set_aside)))

    def put_faults(self) -> None:
        """Put the figures, and each fault with its frames."""
        if self._cuts:
            put_html(render_evaluation(self._cuts, make_strips(self._cuts, limit=self._strips)))

    def results(self) -> dict[str, float | int]:
        """Return the figures for the asset."""
        cuts = self._cuts
        figures: dict[str, float | int] = {
            "clips": len(cuts.clips) if cuts else 0,
            "set_aside": len(cuts.set_aside) if cuts else 0,
        }
        for name, _, _ in KINDS if cuts and cuts.clips else ():
            assert cuts
            score = _select_score(cuts.pooled, name)
            figures |= {f"{name}_{metric}": round(getattr(score, metric), 4) for metric in METRICS}
            figures |= {f"{name}_right": score.right, f"{name}_false": score.false, f"{name}_missed": score.missed}
        return figures


def _select_score(score: BoundaryScore, name: str) -> CutScore:
    return score.hard if name == "hard" else score.gradual


def _find_worst_clip(clips: Sequence[ClipCuts], transition: str) -> str:
    """Return the name of the clip with most faults of a kind; empty if no clip has one."""
    counts = Counter(fault.clip for clip in clips for fault in clip.faults if fault.fault.transition == transition)
    return min(counts, key=lambda name: (-counts[name], name)) if counts else ""
