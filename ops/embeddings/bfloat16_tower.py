"""The image tower of an open_clip model in OpenVINO and bfloat16, on CPUs that have it (AMX or AVX-512 BF16).

Measured 2026-11-29 on an AMD EPYC with AVX-512 BF16, ViT-B-32 with random weights, one thread, milliseconds of CPU per
frame: torch in float32 105, in bfloat16 52, OpenVINO in float32 93, in bfloat16 47 (frames one at a time; 43 in batches
of 8). Without bfloat16 in the CPU, torch stays.

The export is a separate program, because tracing in the process of a reader crashed next to decord. It costs about 15 s
of CPU, so it waits for an ingest of many frames. It compares both engines on test images: below ``LEAST_COSINE`` the
tower stays in torch, so both engines share one encoder id. Legend: N frames, C x H x W pixels, D dimensions.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import take_first_sentence
from ops.core.locks import lock_exclusively
from ops.embeddings.starter.openvino_tower import STARTING

log = logging.getLogger(__name__)

LEAST_COSINE = 0.999
"""Smallest accepted cosine between the vectors of a frame in torch's float32 and in bfloat16."""
EXPORT_FROM = 512
"""Number of frames from which the export pays: it costs as much as it saves on about 300 frames of ViT-B-32."""

_RECIPE = "v1"
_GRAPH, _AGREEMENT = "tower.xml", "agreement.json"
_EXPORT_SECONDS = 1800
_TEST_SCALES = (2, 4, 8, 16, 56, 112)

RunTower = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True)
class TowerSource:
    """The model to export: open_clip's name and tag (or path), its architecture and preprocessing as plain JSON.

    ``key`` names weights, architecture and preprocessing; it is the name of the export.
    """

    key: str
    model: str
    tag: str
    architecture: dict[str, Any]
    preprocessing: dict[str, Any]


def load_bfloat16_tower(source: TowerSource, cache: Path, threads: int, frames: int) -> RunTower | None:
    """A function of uint8 frames (N, C, H, W) to unit vectors (N, D); ``None`` if the tower stays in torch.

    An export in ``cache`` is used; without one it is written if ``frames`` of them are to be encoded. Frames run one at
    a time, so that a vector does not depend on its neighbours, ``threads`` of them in parallel.
    """
    folder = cache / f"{source.key}-{_RECIPE}"
    if frames < EXPORT_FROM and not folder.exists():
        return None
    try:
        import openvino

        if "BF16" not in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            return None
        if not _ensure_export(source, folder):
            return None
        with STARTING:
            run = _start(folder / _GRAPH, threads)
    except ImportError as error:
        log.info("the image tower runs in torch: OpenVINO cannot be imported (%s)", error)
        return None
    except RuntimeError as error:
        log.warning("the image tower runs in torch: OpenVINO refuses it (%s)", take_first_sentence(error))
        return None
    log.info("the image tower runs in OpenVINO, in bfloat16")
    return run


def _ensure_export(source: TowerSource, folder: Path) -> bool:
    """Whether there is an export whose vectors agree; written once, by a child process."""
    with lock_exclusively(folder.parent / "export.lock"):
        if not folder.exists():
            log.info("exporting the image tower to OpenVINO, once")
            command = [sys.executable, "-m", "ops.embeddings.bfloat16_tower", str(folder)]
            text = json.dumps(asdict(source))
            try:
                subprocess.run(command, input=text, check=True, capture_output=True, text=True, timeout=_EXPORT_SECONDS)
            except (OSError, subprocess.SubprocessError) as error:
                message = str(getattr(error, "stderr", None) or "").strip() or str(error)
                log.warning(
                    "the image tower cannot be exported to OpenVINO (%s): it runs in torch, at half the speed",
                    message.splitlines()[-1],
                )
                return False
        try:
            cosine = float(json.loads((folder / _AGREEMENT).read_text())["smallest_cosine"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning(
                "the image tower runs in torch: its export %s is damaged (%s), and was deleted",
                folder,
                take_first_sentence(error),
            )
            shutil.rmtree(folder, ignore_errors=True)
            return False
    if not cosine >= LEAST_COSINE:
        log.info("the image tower runs in torch: in bfloat16 the cosine of a test image is only %.4f", cosine)
    return cosine >= LEAST_COSINE


def _start(graph: Path, threads: int) -> RunTower:
    """One request per thread, each used once: see ``STARTING``."""
    import openvino

    core = openvino.Core()
    model = core.read_model(str(graph))
    options = {"INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": threads, "INFERENCE_PRECISION_HINT": "bf16"}
    executable = core.compile_model(model, "CPU", options)
    free: queue.SimpleQueue[Any] = queue.SimpleQueue()
    for _ in range(threads):
        request = executable.create_infer_request()
        _infer(request, np.zeros(tuple(model.input(0).shape)[1:], np.uint8))
        free.put(request)
    pool = ThreadPoolExecutor(threads, thread_name_prefix="image-tower")

    def run_one(frame_CHW: NDArray[np.uint8]) -> NDArray[np.float32]:
        request = free.get()
        try:
            return _infer(request, frame_CHW)
        finally:
            free.put(request)

    def run(frames_NCHW: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.concatenate(list(pool.map(run_one, frames_NCHW)))

    return run


def _infer(request: Any, frame_CHW: NDArray[np.uint8]) -> NDArray[np.float32]:
    request.input_tensors[0].data[0] = frame_CHW
    request.infer()
    return np.array(request.output_tensors[0].data, np.float32)


def export(source: TowerSource, folder: Path) -> None:
    """Write the graph and the smallest cosine of its vectors into a new ``folder``, which appears when it is complete.

    Weights are stored in float16, which is finer than bfloat16.
    """
    import openvino

    tower = _load_torch_tower(source)
    test_NCHW = build_test_frames(int(np.max(source.preprocessing["size"])))
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    try:
        import torch

        with torch.inference_mode():
            tensor = torch.from_numpy(test_NCHW)
            expected_ND = torch.cat([tower(tensor[row : row + 1]) for row in range(len(tensor))]).numpy()
            graph = openvino.convert_model(tower, example_input=tensor[:1], input=[tuple(tensor[:1].shape)])
        openvino.save_model(graph, temporary / _GRAPH, compress_to_fp16=True)
        cosine = float((_start(temporary / _GRAPH, 1)(test_NCHW) * expected_ND).sum(axis=1).min())
        (temporary / _AGREEMENT).write_text(json.dumps({"smallest_cosine": cosine}))
        os.replace(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def build_test_frames(size: int) -> NDArray[np.uint8]:
    """Frames (18, 3, size, size): coarse and fine patterns, each also dark and of low contrast."""
    import cv2

    rng = np.random.default_rng(0)
    frames = []
    for side in _TEST_SCALES:
        cells = rng.integers(0, 256, (side, side, 3)).astype(np.float32)
        pattern = cv2.resize(cells, (size, size), interpolation=cv2.INTER_CUBIC)
        frames += [pattern, 0.15 * pattern, 110 + 0.1 * pattern]
    return np.stack(frames).clip(0, 255).astype(np.uint8).transpose(0, 3, 1, 2).copy()


def _load_torch_tower(source: TowerSource) -> Any:
    """A torch module: uint8 frames (N, C, H, W) to unit vectors (N, D), pixels normalised inside."""
    import open_clip
    import torch

    if open_clip.get_model_config(source.model) is None:
        with tempfile.TemporaryDirectory(prefix="needle-") as scratch:
            path = Path(scratch) / f"{source.model}.json"
            path.write_text(json.dumps(source.architecture))
            open_clip.add_model_config(path)

    mean, std = (
        255 * torch.tensor(source.preprocessing[name], dtype=torch.float32).reshape(1, -1, 1, 1)
        for name in ("mean", "std")
    )

    class Tower(torch.nn.Module):
        def __init__(self, model: Any) -> None:
            super().__init__()
            self.model = model

        def forward(self, frames_NCHW: torch.Tensor) -> torch.Tensor:
            pixels_NCHW = (frames_NCHW.float() - mean) / std
            vectors_ND: torch.Tensor = self.model.encode_image(pixels_NCHW, normalize=True)
            return vectors_ND

    model = open_clip.create_model(source.model, pretrained=source.tag, weights_only=True, require_pretrained=True)
    return Tower(model.float()).eval()


if __name__ == "__main__":
    export(TowerSource(**json.load(sys.stdin)), Path(sys.argv[1]))
