"""Fit the scale of relevance of the starter encoder, and print figures: shipped, and with one film left out at a time.

``python -m tests.bench.bench_relevance [FOOTAGE]``. FOOTAGE is a folder of films with ``.captions.jsonl`` and
``.queries.jsonl`` beside them. Takes some minutes: each annotated shot is decoded and embedded.

Columns: expected calibration error of relevance among the first 50 hits; share of the right ones among them that the
divider keeps above it; share of the others under it.

Where photographs with captions (``captions/flickr8k_dev.parquet``) lie beside FOOTAGE, the error among 30 to 1,000 of
them is printed, too, for the shipped scale and for one that does not know how many shots are searched.
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from ops.search.baselines import GENERIC_TEXTS
from ops.search.calibration import SCALES, Calibration, Scale, score_background
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
        photographs = footage.parent / "captions" / "flickr8k_dev.parquet"
        if photographs.is_file():
            _check_photographs(photographs, encoder)
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


def _check_photographs(table: Path, encoder: Noting) -> None:
    """Ask the first caption of photographs among 30 to 1,000 of them: one is right."""
    rows = pq.read_table(table, columns=["image", "captions"]).slice(0, 1_000).to_pylist()
    images = [np.asarray(Image.open(io.BytesIO(row["image"])).convert("RGB")) for row in rows]
    shots = np.concatenate([encoder.encode_frames(image[None]) for image in images])
    queries, generic = encoder.encode_text([row["captions"][0] for row in rows]), encoder.encode_text(GENERIC_TEXTS)
    chance = np.random.default_rng(0)
    for count in (30, 100, 300, 1_000):
        asked: list[Asked] = []
        for _ in range(max(1, 300 // count)):
            places = chance.choice(len(rows), count, replace=False)
            some = shots[places]
            calibration = Calibration.fit(score_background(some, generic, 0, 0), count)
            for at in range(min(count, 300)):
                scores = some @ queries[places[at]]
                order = np.argsort(-scores)
                sigmas = (scores[order].astype(np.float64) - calibration.centre) / calibration.sigma
                asked.append(Asked("photographs", True, count, sigmas, order == at))
        scales = (SCALES["starter"], replace(SCALES["starter"], rise=0.0))
        shipped, without = (calibration_error(*relevances(asked, scale)) for scale in scales)
        print(f"{count:5,} photographs {'':9} error {shipped:.3f}; without the number of shots {without:.3f}")


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
