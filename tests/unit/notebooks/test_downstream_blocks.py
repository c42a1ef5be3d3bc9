"""The downstream example: a further block of features must not make it worse, and one that informs must help."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ops.notebooks.downstream import HeldOut, fit_model
from ops.notebooks.downstream_features import BLOCKS, TrainingSet

DIM = 64


def training_set(
    *, count: int = 90, seed: int = 0, vector: float = 3.0, fact: float = 0.0, probes: int = 2, scale: float = 1.0
) -> TrainingSet:
    """Shots with a third of yes: ``vector`` and ``fact`` are how far yes and no are apart in each; probes are noise."""
    random = np.random.default_rng(seed)
    truths = np.arange(count) % 3 == 0
    way = random.normal(size=DIM)
    way /= np.linalg.norm(way)
    vectors = random.normal(size=(count, DIM)) + vector * truths[:, None] * way
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    facts = random.normal(size=(count, 4)) * scale
    facts[:, 1] += fact * truths * scale
    facts[::17, 2] = np.nan  # unknown
    facts[:, 3] = 1.0  # the same for every shot
    return TrainingSet(
        label="closeup",
        encoder_id="e",
        shot_ids=[f"v:{number}" for number in range(count)],
        truths=truths,
        groups=np.arange(count) // 9,
        held_out_by="stretch",
        blocks={"embedding": vectors, "probes": random.normal(size=(count, probes)) * 5, "facts": facts},
        probes=tuple(f"p{number}" for number in range(probes)),
        notes=(),
    )


@pytest.mark.parametrize(
    "options", [{}, {"seed": 1, "scale": 1000.0}, {"seed": 2, "probes": 40}, {"seed": 3, "count": 45, "vector": 5.0}]
)
def test_blocks_without_information_do_not_drown_the_vector(options: dict[str, Any]) -> None:
    held_out = HeldOut(training_set(**options))
    alone, chosen = held_out.measure(["embedding"]), held_out.measure_chosen()
    together = [held_out.measure(blocks) for blocks in (BLOCKS[:2], BLOCKS)]
    assert alone and chosen and all(together)
    assert alone.value > 0.6
    for figure in [chosen, *filter(None, together)]:
        assert figure.value > alone.value - 0.06


def test_a_fact_that_informs_is_found_beside_a_vector_that_does_not() -> None:
    data = training_set(vector=0.0, fact=4.0)
    held_out = HeldOut(data)
    alone, chosen = held_out.measure(["embedding"]), held_out.measure_chosen()
    assert alone and chosen and chosen.value > alone.value + 0.3
    verdicts = {gain.feature: gain.verdict for gain in held_out.measure_gains()}
    assert verdicts["brightness"] == verdicts["facts"] == "helps"
    assert verdicts["begins with a cut"] == "no difference shown"  # the same for every shot
    assert "facts" in fit_model(data).blocks


def test_the_model_is_linear_in_the_features_that_are_served() -> None:
    data = training_set(vector=2.0, fact=1.5)
    model = fit_model(data)
    features = data.columns(BLOCKS)
    assert len(model.weights) == features.shape[1]
    scores: NDArray[np.float64] = model.scores(features)
    assert np.isfinite(scores).all() and scores[data.truths].mean() > scores[~data.truths].mean()
    left_out = [name for name in BLOCKS if name not in model.blocks]
    ends = np.cumsum([data.blocks[name].shape[1] for name in BLOCKS])
    for name in left_out:
        at = BLOCKS.index(name)
        assert not np.any(model.weights[ends[at] - data.blocks[name].shape[1] : ends[at]])


def test_labels_that_cannot_be_held_out_still_give_a_model() -> None:
    from dataclasses import replace

    data = replace(training_set(count=30), groups=np.zeros(30, np.int64))
    held_out = HeldOut(data)
    assert held_out.measure(["embedding"]) is None and held_out.measure_chosen() is None
    assert held_out.measure_gains() == []
    assert fit_model(data).blocks == ("embedding",)
