"""The shipped starter encoder keeps the figures of its model card on real photographs and films."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from ops.embeddings.encoders.starter import StarterEncoder
from ops.training.evaluate_images import evaluate_captions
from tests.quality.conftest import Watched


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
@pytest.mark.parametrize(("film", "least"), [("sintel_trailer_204p.mp4", 0.60), ("bbb_full_360p.mp4", 0.23)])
def test_shots_are_found_by_query(watched: Callable[[str], Watched], film: str, least: float) -> None:
    found = watched(film).figures
    assert found["ndcg@10"] >= least
    low, high = found["ndcg@10_interval"]
    assert low < found["ndcg@10"] < high
    assert found["queries"] == {"sintel_trailer_204p.mp4": 20, "bbb_full_360p.mp4": 40}[film]
