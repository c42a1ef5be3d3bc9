"""Fit the scale of relevance of the starter encoder, and print figures: shipped, and with one film left out at a time.

``python -m tests.bench.bench_relevance [FOOTAGE]``. FOOTAGE is a folder of films with ``.captions.jsonl`` and
``.queries.jsonl`` beside them. Takes some minutes: each annotated shot is decoded and embedded.

Columns: expected calibration error of relevance among the first 50 hits; share of the right ones among them that the
divider keeps above it; share of the others under it.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ops.search.baselines import GENERIC_TEXTS
from ops.search.calibration import SCALES, Scale
from tests.quality.annotated_queries import Asked, ask, calibration_error, fit_scale, kept_and_cut, relevances
from tests.quality.conftest import Noting, watch_film
from tests.quality.test_relevance_quality import annotated


def main() -> None:
    footage = Path(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        encoder = Noting(Path(folder))
        names = [path.name.removesuffix(".queries.jsonl") for path in sorted(footage.glob("*.queries.jsonl"))]
        films = {name: annotated(footage / name, watch_film(footage, name, encoder)) for name in names}
        asked = ask(films, encoder.encode_text, GENERIC_TEXTS)
    print(f"fitted on all films: {fit_scale(asked)}")
    left_out = []
    for name in films:
        own = [each for each in asked if each.film == name]
        scale = fit_scale([each for each in asked if each.film != name])
        left_out.append((own, scale))
        print(f"{name:28} shipped {_text([(own, SCALES['starter'])])}   left out {_text([(own, scale)])}")
    for alone, title in ((True, "within the film"), (False, "all films")):
        chosen = [([each for each in own if each.alone is alone], scale) for own, scale in left_out]
        print(f"{title:28} shipped {_text([(own, SCALES['starter']) for own, _ in chosen])}   left out {_text(chosen)}")


def _text(parts: Sequence[tuple[Sequence[Asked], Scale]]) -> str:
    """The figures of several groups of queries, each with its own scale, pooled by hits."""
    error, kept, cut = 0.0, 0.0, 0.0
    counts = [_counts(own) for own, _ in parts]
    right, wrong = (sum(count[at] for count in counts) for at in (0, 1))
    for (own, scale), (rights, wrongs) in zip(parts, counts, strict=True):
        above, under = kept_and_cut(own, scale.below_best)
        kept, cut = kept + above * rights / max(right, 1), cut + under * wrongs / max(wrong, 1)
        error += calibration_error(*relevances(own, scale)) * (rights + wrongs) / (right + wrong)
    return f"error {error:.3f} kept {kept:.2f} cut off {cut:.2f}"


def _counts(asked: Sequence[Asked]) -> tuple[int, int]:
    """How many of the first hits are right and wrong."""
    hits = [each.first().right for each in asked]
    return sum(int(each.sum()) for each in hits), sum(int((~each).sum()) for each in hits)


if __name__ == "__main__":
    main()
