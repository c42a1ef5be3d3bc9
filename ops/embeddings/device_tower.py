"""An image tower on a GPU: weights in bfloat16, fixed batch shapes, and copies that overlap with computing.

No CUDA device was at hand (2026-11-29), so this has run on a CPU only, which has no copy stream.
Legend: N frames, B frames of one call of the model, C x H x W pixels, D dimensions.
"""

from __future__ import annotations

import copy
import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

log = logging.getLogger(__name__)

LEAST_COSINE = 0.999
"""Vectors of both precisions have one encoder id, so each must agree to this, as on CPUs with bfloat16."""
PARTS = 4
"""Batches of the model in one call of the encoder: while one is computed, the next one is copied."""
_SIZES = (32, 64, 128, 256)
"""Up to the frames of a block on a Ray cluster (32 shots of 8): a larger batch would be filled with padding there."""
_GAIN = 1.05
"""A larger batch must be this much faster, because it also takes memory and delays the first result."""
_ROUNDS = 3
_TEST_FRAMES = 4

Normalise = Callable[["torch.Tensor"], "torch.Tensor"]


@dataclass(frozen=True, kw_only=True)
class _Copy:
    """A batch on its way to the device; ``ready`` is the event of its end, ``rows`` the frames that are not padding."""

    frames_BCHW: torch.Tensor
    rows: int
    ready: Any


class DeviceTower:
    """The image tower of an open_clip ``model`` on ``device``; ``normalise`` turns uint8 frames into its input.

    Frames are padded to whole batches of one size, so the vector of a frame does not depend on the others. Several
    threads may call it: while the batches of one are computed, those of another are copied.
    """

    def __init__(self, model: Any, device: torch.device, normalise: Normalise, batch: int = 0) -> None:
        import torch

        self._device, self._normalise, is_cuda = device, normalise, device.type == "cuda"
        # Calls start their kernels one after the other, so that the memory of two batches is not needed at once.
        self._starting = threading.Lock()
        self._copies = torch.cuda.Stream(device) if is_cuda else None  # type: ignore[no-untyped-call]
        side = model.visual.image_size
        height, width = (side, side) if isinstance(side, int) else side
        sample_NCHW = np.random.default_rng(0).integers(0, 256, (_TEST_FRAMES, 3, height, width), np.uint8)
        sample_BCHW = self._load(sample_NCHW, _TEST_FRAMES).frames_BCHW
        self._wait()  # the copy is on another stream
        model.visual = choose_precision(model.visual, sample_BCHW)
        self._model = model
        self._dtype = next(model.visual.parameters()).dtype
        self.batch = batch or find_batch_size(lambda size: self._time(np.resize(sample_NCHW, (size, 3, height, width))))

    def __call__(self, frames_NCHW: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return unit vectors (N, D)."""
        import torch

        parts: list[torch.Tensor] = []
        with torch.inference_mode():
            starts = range(0, len(frames_NCHW), self.batch)
            for each in self._copy_ahead([frames_NCHW[at : at + self.batch] for at in starts]):
                parts.append(self._encode(each)[: each.rows])
            vectors_ND: NDArray[np.float32] = torch.cat(parts).float().cpu().numpy()
        return vectors_ND

    def _copy_ahead(self, parts: Sequence[NDArray[np.uint8]]) -> Iterator[_Copy]:
        """Yield the parts on the device; the copy of the next one begins before one is yielded."""
        ahead = self._copy(parts[0]) if parts else None
        for part in [*parts[1:], None]:
            current, ahead = ahead, None if part is None else self._copy(part)
            if current is not None:
                yield current

    def _copy(self, part_NCHW: NDArray[Any]) -> _Copy:
        return self._load(part_NCHW, size=self.batch)

    def _load(self, part_NCHW: NDArray[Any], size: int) -> _Copy:
        """Copy a part to the device, padded to ``size`` frames."""
        import torch

        part, rows = torch.from_numpy(np.ascontiguousarray(part_NCHW)), len(part_NCHW)
        # torch keeps pinned memory, so a batch takes that of one before.
        frames_BCHW = torch.empty((size, *part.shape[1:]), dtype=part.dtype, pin_memory=self._copies is not None)
        frames_BCHW[:rows] = part
        frames_BCHW[rows:] = 0
        if self._copies is None:
            return _Copy(frames_BCHW=frames_BCHW.to(self._device), rows=rows, ready=None)
        with torch.cuda.stream(self._copies):
            on_device = frames_BCHW.to(self._device, non_blocking=True)
            return _Copy(frames_BCHW=on_device, rows=rows, ready=self._copies.record_event())

    def _encode(self, each: _Copy) -> torch.Tensor:
        import torch

        if each.ready is not None:
            stream = torch.cuda.current_stream(self._device)
            stream.wait_event(each.ready)
            each.frames_BCHW.record_stream(stream)  # else its memory could be reused by the next copy
        with self._starting:
            frames_BCHW = self._normalise(each.frames_BCHW).to(self._dtype)
            vectors_BD: torch.Tensor = self._model.encode_image(frames_BCHW, normalize=False)
            return torch.nn.functional.normalize(vectors_BD.float(), dim=-1)

    def _time(self, frames_BCHW: NDArray[np.uint8]) -> float:
        """Seconds of one batch, copy included, after a first one that is not counted."""
        import torch

        with torch.inference_mode():
            for number in range(_ROUNDS + 1):
                if number == 1:
                    self._wait()
                    began = time.perf_counter()
                self._encode(self._load(frames_BCHW, len(frames_BCHW)))
            self._wait()
        return (time.perf_counter() - began) / _ROUNDS

    def _wait(self) -> None:
        import torch

        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)


def choose_precision(visual: Any, frames_BCHW: torch.Tensor) -> Any:
    """Return the tower in bfloat16 if its vectors of these frames agree with those of float32, else as it is."""
    import torch

    lower = copy.deepcopy(visual).to(torch.bfloat16)
    frames = frames_BCHW.float() / 127.5 - 1
    with torch.inference_mode():
        try:
            cosines_B = torch.nn.functional.cosine_similarity(visual(frames), lower(frames.bfloat16()).float())
        except RuntimeError as error:  # a layer that mixes precisions
            log.info("the image tower stays in float32: %s", error)
            return visual
    agrees = bool((cosines_B >= LEAST_COSINE).all())
    log.info("image tower in bfloat16: cosine to float32 %.5f%s", cosines_B.min(), "" if agrees else ", not used")
    return lower if agrees else visual


def find_batch_size(time_batch: Callable[[int], float], sizes: Sequence[int] = _SIZES) -> int:
    """Return the batch size with the most frames a second, smaller ones first; ``time_batch`` returns seconds.

    Larger ones than fit into the device's memory end the search. Raises ``torch.OutOfMemoryError`` if none fits.
    """
    import torch

    best, best_speed = 0, 0.0
    for size in sizes:
        try:
            speed = size / time_batch(size)
        except torch.OutOfMemoryError:
            if not best:
                raise
            torch.cuda.empty_cache()
            break
        if speed > best_speed * _GAIN:
            best, best_speed = size, speed
    log.info("batches of %d frames: %.0f frames a second", best, best_speed)
    return best
