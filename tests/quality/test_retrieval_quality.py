"""The shipped starter encoder keeps the figures of its model card on real photographs and films."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ops.embeddings.encoders.starter import StarterEncoder
from ops.training.evaluate_images import evaluate_captions
from tests.quality.conftest import FILMS, Watched

LEAST_OF_SEEDS = 0.44
"""The lowest of five heads of the shipped recipe (``bench_adaptation --only heads --seeds 5``, 2026-11-30)."""


@pytest.mark.shared
@pytest.mark.slow
def test_photographs_are_found_by_caption(captions: Path, encoder: StarterEncoder) -> None:
    found = evaluate_captions(captions / "flickr8k_test.parquet", encoder)
    towards_image, towards_text = found["text_to_image"], found["image_to_text"]
    assert (towards_image["queries"], towards_image["images"], towards_text["queries"]) == (5000, 1000, 1000)
    assert towards_image["r@1"] >= 22.5
    assert towards_image["r@5"] >= 51.2
    assert towards_image["r@10"] >= 64.4
    assert towards_image["median_rank"] <= 5
    assert towards_text["r@10"] >= 55


@pytest.mark.shared
@pytest.mark.slow
def test_shots_are_found_by_query(watched: Callable[[str], Watched]) -> None:
    """Pooled over all annotated queries: on one film, heads of equal figures on photographs differ by 0.05."""
    found = [watched(film).figures for film in FILMS]
    counts = [each["queries"] for each in found]
    assert counts == [40, 20, 23, 25, 21]
    assert np.average([each["ndcg@10"] for each in found], weights=counts) >= LEAST_OF_SEEDS
    assert all(each["ndcg@10_interval"][0] < each["ndcg@10"] < each["ndcg@10_interval"][1] for each in found)
