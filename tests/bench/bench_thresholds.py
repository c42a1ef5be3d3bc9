"""How much the figures of cuts depend on the thresholds: all drawn at random, and chosen without the clip judged.

``python -m tests.bench.bench_thresholds FOOTAGE [DRAWS]``. Every threshold of flashes, candidates and gradual
transitions is multiplied by a random factor up to 1.4 (a correlation or likeness: its distance to 1). For each clip the
draw that is best on the other clips judges it; the shipped thresholds are not among the draws. The long film is left
out: it takes four fifths of the time. An hour for 60 draws.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from operator import add
from pathlib import Path
from statistics import quantiles

from ops.evaluation.cuts import BoundaryScore
from ops.shots.thresholds import AUTO, AutoThresholds
from tests.bench.bench_cuts import LONG
from tests.quality.annotated_clips import decode_clips, pooled

FACTOR = 1.4
GRADUAL = (
    "least_change", "least_steadiness", "least_last", "evidence", "most_step", "most_misfit", "plain_steadiness",
    "plain_misfit", "plain_change", "plain_backward", "plain_step",
)  # fmt: skip
GRADUAL_TO_ONE = ("most_correlation", "most_likeness", "plain_correlation")
HARD = (
    "min_change", "min_contrast", "min_share", "flash_s", "long_flash_s", "fading_flash_s", "fading_step", "flash_luma",
    "flash_likeness", "insert_evidence", "insert_texture", "blend_likeness",
)  # fmt: skip
HARD_TO_ONE = ("insert_correlation", "insert_relit")


def draw(chance: random.Random) -> AutoThresholds:
    """Thresholds near the shipped ones."""

    def near(thresholds: object, names: Sequence[str], to_one: Sequence[str]) -> dict[str, float]:
        values = {name: getattr(thresholds, name) * FACTOR ** chance.uniform(-1, 1) for name in names}
        return values | {name: 1 - (1 - getattr(thresholds, name)) * FACTOR ** chance.uniform(-1, 1) for name in to_one}

    gradual = replace(AUTO.gradual, **near(AUTO.gradual, GRADUAL, GRADUAL_TO_ONE))  # type: ignore[arg-type]
    return replace(AUTO, gradual=gradual, **near(AUTO, HARD, HARD_TO_ONE))  # type: ignore[arg-type]


def main() -> None:
    clips = {name: clip for name, clip in decode_clips(Path(sys.argv[1])).items() if name != LONG}
    chance = random.Random(11)
    table = []
    for number in range(int(sys.argv[2]) if len(sys.argv) > 2 else 60):
        thresholds = draw(chance)
        table.append({name: clip.score(thresholds) for name, clip in clips.items()})
        _print(f"draw {number}", pooled(table[-1].values()))
    judged = []
    for name in clips:
        others = [pooled(score for other, score in row.items() if other != name) for row in table]
        best = max(range(len(table)), key=lambda at: others[at].hard.f1 + others[at].gradual.f1)
        judged.append(table[best][name])
    totals = [pooled(row.values()) for row in table]
    for kind in ("hard", "gradual"):
        values = [getattr(total, kind).f1 for total in totals]
        middle = ", ".join(f"{each:.3f}" for each in quantiles(values, n=4))
        print(f"{kind}: {min(values):.3f} to {max(values):.3f} over the draws, quartiles {middle}")
    _print("chosen without the clip judged", reduce(add, judged))


def _print(title: str, score: BoundaryScore) -> None:
    print(f"{title}: hard {score.hard.f1:.3f}, gradual {score.gradual.f1:.3f}", flush=True)


if __name__ == "__main__":
    main()
