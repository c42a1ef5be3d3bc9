"""Fit the weights of a hard cut and print how well cuts are found: shipped, and with one clip left out at a time.

``python -m tests.bench.bench_cuts [FOOTAGE]``. FOOTAGE is a folder of clips with ``.shots.json`` beside them. Takes
some minutes: each clip is decoded once, and TransNetV2 sees what the detector asks about.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import reduce
from operator import add
from pathlib import Path

from ops.evaluation.cuts import BoundaryScore, CutScore
from tests.quality.annotated_clips import decode_clips, fit_thresholds, fit_weights

LONG = "bbb_full_360p.mp4"


def main() -> None:
    clips = decode_clips(Path(sys.argv[1]))
    candidates = {name: clip.candidates() for name, clip in clips.items()}
    weights, bias = fit_weights(list(candidates.values()))
    print(f"fitted on all clips: cut_weights = {weights}, cut_bias = {bias}")
    shipped, left_out = {}, {}
    for name, clip in clips.items():
        shipped[name] = clip.score()
        left_out[name] = clip.score(fit_thresholds([each for other, each in candidates.items() if other != name]))
        print(f"{name:28} shipped {_text(shipped[name])}   left out {_text(left_out[name])}", flush=True)
    for title, scores in (("shipped", shipped), ("left out", left_out)):
        print(f"{title}: all {_text(_pool(scores.values()))}")
        others = [score for name, score in scores.items() if name != LONG]
        print(f"{title}: without {LONG} {_text(_pool(others))}")


def _pool(scores: Iterable[BoundaryScore]) -> BoundaryScore:
    return reduce(add, scores)


def _text(score: BoundaryScore) -> str:
    return f"hard {_counts(score.hard)} gradual {_counts(score.gradual)}"


def _counts(score: CutScore) -> str:
    return f"{score.f1:.3f} ({score.right} right, {score.false} false, {score.missed} missed)"


if __name__ == "__main__":
    main()
