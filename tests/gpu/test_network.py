"""TransNetV2 on CUDA, in half precision, against the CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from ops.shots.detectors import transnet_model

MOST_APART = 0.03
"""Probabilities of half precision differ from those of float32 by about 0.01 at most (``has_bfloat16``)."""
Pictures = list[np.ndarray]


def draw_film(frames: int, seed: int) -> Pictures:
    """RGB pictures of 48 x 27: shots of 7 to 40 frames, of a few soft colours, that move a little."""
    rng = np.random.default_rng(seed)
    pictures: Pictures = []
    while len(pictures) < frames:
        scene = cv2.resize(rng.integers(0, 256, (4, 6, 3), np.uint8), (60, 27), interpolation=cv2.INTER_CUBIC)
        pictures += [np.ascontiguousarray(scene[:, at // 4 : at // 4 + 48]) for at in range(rng.integers(7, 40))]
    return pictures[:frames]


@pytest.fixture
def predict_on_cpu(monkeypatch: pytest.MonkeyPatch) -> Callable[[Sequence[Pictures]], list[Any]]:
    def predict(windows: Sequence[Pictures]) -> list[Any]:
        with monkeypatch.context() as patch:
            patch.setattr(transnet_model, "has_cuda", lambda: False)
            patch.setattr(transnet_model, "has_bfloat16", lambda: False)
            return transnet_model.predict_windows(windows)

    return predict


def test_probabilities_are_those_of_the_cpu(predict_on_cpu: Callable[[Sequence[Pictures]], list[Any]]) -> None:
    windows = [draw_film(100, seed) for seed in range(transnet_model.choose_windows_per_call())]
    assert len(windows) == transnet_model.CUDA_WINDOWS
    on_cuda, on_cpu = transnet_model.predict_windows(windows), predict_on_cpu(windows)
    assert next(iter(transnet_model._load_model("cuda")._state.values())).device.type == "cuda"
    for mine, theirs in zip(on_cuda, on_cpu, strict=True):
        for one, other in zip(mine, theirs, strict=True):
            assert one.dtype == np.float32 and np.abs(one - other).max() <= MOST_APART
            np.testing.assert_array_equal(one > 0.5, other > 0.5)
    assert max(float(last.max()) for last, _ in on_cpu) > 0.9, "the pictures have cuts"


def test_windows_together_are_those_alone() -> None:
    windows = [draw_film(100, seed) for seed in range(5)]
    for together, alone in zip(transnet_model.predict_windows(windows), windows, strict=True):
        for one, other in zip(together, transnet_model.predict_transitions(alone), strict=True):
            np.testing.assert_allclose(one, other, atol=MOST_APART)


def test_the_random_generators_and_algorithms_of_the_process_stay_as_they_are() -> None:
    before = torch.cuda.get_rng_state()
    transnet_model.predict_transitions(draw_film(100, 0))
    assert torch.equal(torch.cuda.get_rng_state(), before) and not torch.are_deterministic_algorithms_enabled()
