"""How busy a CUDA device is while shots are embedded, and what its settings are worth.

``python -m tests.bench.bench_gpu --home HOME [--model NAME ...] [--repeat N]``: models of open_clip with random weights
embed the shots of a home, whose films are cut already, N times over. For each model:

- the chosen batch, and frames per second of the model at each size, on a batch that stays on the device;
- ``synthetic``: frames per second of ``encode_prepared`` on prepared frames in memory, with one and with two calls at
  the same time;
- ``real``: frames per second from proxies, from the first to the last batch, the share of the time in which the encoder
  had no frames (``waiting``) or copied them, and the device's own utilisation meanwhile in percent (``gpu``);
- ``ratio``: real over the faster synthetic one (goal: 0.9);
- ``read_per_s``: frames per second that all cores read and prepare, without a model;
- the smallest cosine of a vector to the model in float32 on the CPU, and the median cosine between shots.

``--compile`` adds the model in torch.compile, ``--ray`` the same shots on a local Ray cluster (and whether the vectors
are those of the local run). ``--train`` fits all of each model on the shots instead, from proxies, for some steps:
pairs per second, the share of the time without a batch, and the peak of memory of this process, in bf16 with
activations kept and recomputed, and in float32; with ``--ray`` on a local Ray cluster, by a worker with a GPU.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ops.core.settings import Settings, count_cores, load_settings
from ops.core.types import SilentProgress
from ops.embeddings.device_tower import DeviceTower
from ops.embeddings.embed import EncodingTimes, ShotToEmbed, ShotVector, embed_shots, prepare_shot
from ops.embeddings.encoder import load_encoder, resolve_spec
from ops.embeddings.encoders.open_clip import OpenClipEncoder
from ops.embeddings.pooling import pool_mean
from ops.embeddings.scaled import embed_on_cluster
from ops.training.bases import load_base
from ops.training.checkpoint import Checkpoint
from ops.training.loop import fit
from ops.training.metrics import read_metrics
from ops.training.pair_reader import PairReader
from ops.training.pairs import CaptionPair
from ops.training.ray_fit import plan_ray_fit
from ops.training.recipes import build_recipe
from tests.bench.bench_embedding import list_shots
from tests.bench.bench_training import pairs_of
from tests.builders.clip_models import save_random_model

MODELS = ("ViT-B-32", "PE-Core-B-16", "ViT-L-14", "PE-Core-L-14-336")
SIZES = (8, 32, 64, 128, 256, 512)
SECONDS = 3.0
COMPARED = 2
TRAINED = 64
"""Pairs of a batch of a fit."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--model", action="append", default=[])
    parser.add_argument("--repeat", type=int, default=20)
    parser.add_argument("--compile", action="store_true", help="the model in torch.compile too")
    parser.add_argument("--train", action="store_true")
    parser.add_argument("--ray", action="store_true")
    options = parser.parse_args()
    work = measure_training if options.train else measure
    settings = load_settings(home=str(options.home))
    with tempfile.TemporaryDirectory() as name:
        for model in options.model or MODELS:
            print(json.dumps(work(model, settings, options, Path(name))), flush=True)


def measure(model: str, settings: Settings, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All figures of one model."""
    spec = save_random_model(model, folder)
    began = time.perf_counter()
    encoder = OpenClipEncoder(spec, device="cuda")
    loading_s = time.perf_counter() - began
    tower = encoder._run_tower
    assert isinstance(tower, DeviceTower)
    shots = list_shots(settings)
    frames = prepare_shot(shots[0], settings.store, encoder.prepare, 8)
    side = frames.frames_N.shape[2]
    figures: dict[str, Any] = {
        "model": model,
        "side": side,
        "load_s": round(loading_s, 1),
        "dtype": str(tower._dtype),
        "batch": tower.batch,
        "on_device_per_s": measure_sizes(tower, side),
    }
    if options.compile:
        figures["compiled"] = measure_compiled(tower, side)
    figures["synthetic_per_s"] = {calls: measure_synthetic(encoder, side, calls) for calls in (1, 2)}
    figures["read_per_s"] = measure_reading(settings, encoder, shots)
    for calls in (1, 2):
        encoder.parallel_calls = calls
        figures[f"real_{calls}"] = measure_real(settings, encoder, shots * options.repeat)
    if options.ray:
        figures["ray"] = measure_cluster(settings, spec, shots * options.repeat)
    best = max(figures["synthetic_per_s"].values())
    figures["ratio"] = {calls: round(figures[f"real_{calls}"]["per_s"] / best, 3) for calls in (1, 2)}
    figures |= measure_cosines(settings, encoder, spec, shots)
    return figures


def measure_training(model: str, settings: Settings, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Figures of fits of some steps, each with its own options."""
    import torch

    spec = save_random_model(model, folder)
    figures: dict[str, Any] = {"model": model}
    kept: dict[str, Any] = {"batch": TRAINED, "epochs": 1, "tower_learning_rate": 1e-5}
    for name, changes in {"bf16": {}, "bf16, recomputed": {"recompute": True}, "fp32": {"precision": "fp32"}}.items():
        recipe = build_recipe("adapt", base=f"open_clip:{spec}", **kept, **changes)
        base = load_base(recipe, settings, "cuda", count_cores())
        pairs = list_pairs(settings, TRAINED * options.repeat)
        torch.set_num_threads(count_cores())
        torch.cuda.reset_peak_memory_stats()
        with PairReader(settings, pairs, recipe.frames) as reader:
            examples = base.read_examples(pairs, reader, SilentProgress())
            checkpoint = Checkpoint(path=folder / model / name / "checkpoint.pt", identity="bench")
            checkpoint.path.parent.mkdir(parents=True)
            if options.ray:
                with plan_ray_fit("", recipe, 1, True, None) as planned:
                    quiet = {"on_step": lambda step: None, "on_resume": lambda step: None}
                    planned.fit(base.build_model(), examples, recipe, checkpoint, **quiet)
            else:
                fit(base.build_model(), examples, recipe, device="cuda", checkpoint=checkpoint)
        steps = list(read_metrics(folder / model / name))[2:]
        figures[name] = {
            "steps": len(steps) + 2,
            "pairs_per_s": round(TRAINED * len(steps) / sum(step.seconds for step in steps), 1),
            "waiting": round(sum(step.wait_s for step in steps) / sum(step.seconds for step in steps), 3),
            "step_ms": round(1000 * float(np.median([step.seconds - step.wait_s for step in steps])), 1),
            "memory_gb": round(torch.cuda.max_memory_allocated() / 1e9, 2),
        }
    return figures


def list_pairs(settings: Settings, count: int) -> list[CaptionPair]:
    """The shots of a home again and again, each time with another caption."""
    pairs = pairs_of(settings)
    chosen = (pairs[number % len(pairs)] for number in range(count))
    return [
        replace(pair, pair_id=f"{pair.pair_id}-{number}", captions=(f"shot number {number}",))
        for number, pair in enumerate(chosen)
    ]


def measure_sizes(tower: DeviceTower, side: int) -> dict[int, int]:
    """Frames per second of the model alone, on a batch that is on the device."""
    import torch

    speeds = {}
    for size in SIZES:
        batch = tower._load(draw_frames(size, side), size)
        torch.cuda.synchronize()
        speeds[size] = round(size * count_calls(lambda batch=batch: tower._encode(batch), SECONDS / 4))  # type: ignore[misc]
    return speeds


def count_calls(call: Callable[[], Any], seconds: float) -> float:
    """Calls per second of work on the device, after three that are not counted."""
    import torch

    with torch.inference_mode():
        for _ in range(3):
            call()
        torch.cuda.synchronize()
        began, count = time.perf_counter(), 0
        while time.perf_counter() - began < seconds:
            for _ in range(4):
                call()
            torch.cuda.synchronize()
            count += 4
    return count / (time.perf_counter() - began)


def measure_compiled(tower: DeviceTower, side: int) -> dict[str, float]:
    """Seconds of compiling the tower for its batch, and its frames per second then."""
    import torch

    plain = tower._model.visual
    batch = tower._load(draw_frames(tower.batch, side), tower.batch)
    torch.cuda.synchronize()
    speeds = {"plain_per_s": round(tower.batch * count_calls(lambda: tower._encode(batch), SECONDS / 2))}
    tower._model.visual = torch.compile(plain)
    began = time.perf_counter()
    with torch.inference_mode():
        tower._encode(batch)
    torch.cuda.synchronize()
    speeds["compile_s"] = round(time.perf_counter() - began, 1)
    speeds["compiled_per_s"] = round(tower.batch * count_calls(lambda: tower._encode(batch), SECONDS / 2))
    tower._model.visual = plain
    return speeds


def measure_synthetic(encoder: OpenClipEncoder, side: int, calls: int) -> int:
    """Frames per second of prepared frames in memory, with some calls at the same time."""
    prepared = draw_frames(encoder.batch_frames, side)
    encoder.encode_prepared(prepared)
    began, done = time.perf_counter(), 0
    with ThreadPoolExecutor(calls) as pool:
        while time.perf_counter() - began < SECONDS:
            done += sum(len(vectors) for vectors in pool.map(encoder.encode_prepared, [prepared] * 4 * calls))
        return round(done / (time.perf_counter() - began))


def measure_reading(settings: Settings, encoder: OpenClipEncoder, shots: list[ShotToEmbed]) -> int:
    """Frames per second of reading and preparing, in as many threads as cores."""

    def read(shot: ShotToEmbed) -> int:
        return len(prepare_shot(shot, settings.store, encoder.prepare, 8).frames_N)  # type: ignore[union-attr]

    with ThreadPoolExecutor(count_cores()) as pool:
        sum(pool.map(read, shots))
        began, done = time.perf_counter(), 0
        while time.perf_counter() - began < SECONDS:
            done += sum(pool.map(read, shots * 4))
        return round(done / (time.perf_counter() - began))


def measure_real(settings: Settings, encoder: OpenClipEncoder, shots: list[ShotToEmbed]) -> dict[str, float]:
    times = EncodingTimes()
    with Utilisation() as utilisation:
        results = list(embed_shots(shots, settings.store, encoder, times=times))
    seconds = times.busy_s + times.copy_s + times.waiting_s
    frames = sum(result.frames_used for result in results if isinstance(result, ShotVector))
    return {
        "frames": frames,
        "per_s": round(frames / seconds),
        "waiting": round(times.waiting_share, 3),
        "copying": round(times.copy_s / seconds, 3),
        "gpu": utilisation.median(),
    }


def measure_cluster(settings: Settings, spec: str, shots: list[ShotToEmbed]) -> dict[str, Any]:
    """Embedding on a Ray cluster that this process starts: all of it in seconds, and the times of the encoder."""
    encoder_id = resolve_spec(f"open_clip:{spec}", settings.home).encoder_id
    times = EncodingTimes()
    began = time.perf_counter()
    results = list(embed_on_cluster(shots, settings, encoder_id, times))
    wall_s = time.perf_counter() - began
    local = list(embed_shots(shots[:COMPARED], settings.store, load_encoder(encoder_id, settings.home)))
    cosines = [
        float(one.embedding @ other.embedding)
        for one, other in zip(results, local, strict=False)
        if isinstance(one, ShotVector) and isinstance(other, ShotVector)
    ]
    seconds = times.busy_s + times.copy_s + times.waiting_s
    frames = sum(result.frames_used for result in results if isinstance(result, ShotVector))
    return {
        "wall_s": round(wall_s, 1),
        "frames": frames,
        "per_s": round(frames / seconds),
        "waiting": round(times.waiting_share, 3),
        "smallest_cosine_to_local": round(min(cosines), 6),
    }


class Utilisation:
    """The device's utilisation in percent, read five times a second while the block runs."""

    def __enter__(self) -> Utilisation:
        self._read: list[int] = []
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._note)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _note(self) -> None:
        import torch

        while not self._end.wait(0.2):
            self._read.append(torch.cuda.utilization())

    def median(self) -> float:
        """The median reading; -1 if the block was shorter than the interval."""
        return float(np.median(self._read)) if self._read else -1.0


def measure_cosines(
    settings: Settings, encoder: OpenClipEncoder, spec: str, shots: list[ShotToEmbed]
) -> dict[str, float]:
    """The smallest cosine to the vectors of float32 on the CPU, and the median one between shots."""
    chosen = shots[:: max(1, len(shots) // COMPARED)][:COMPARED]
    results = [each for each in embed_shots(chosen, settings.store, encoder) if isinstance(each, ShotVector)]
    on_cpu = OpenClipEncoder(spec, threads=count_cores())
    cosines = []
    for shot, result in zip(chosen, results, strict=True):
        prepared: Any = prepare_shot(shot, settings.store, encoder.prepare, 8)
        cosines.append(float(pool_mean(on_cpu.encode_prepared(prepared.frames_N)) @ result.embedding))
    vectors_ND = np.stack([result.embedding for result in results])
    between = (vectors_ND @ vectors_ND.T)[np.triu_indices(len(vectors_ND), 1)]
    return {"smallest_cosine": round(min(cosines), 5), "median_between_shots": round(float(np.median(between)), 5)}


def draw_frames(count: int, side: int) -> np.ndarray:
    """Frames of noise (N, 3, side, side); zeros would let a device run faster."""
    return np.random.default_rng(0).integers(0, 256, (count, 3, side, side), np.uint8)


if __name__ == "__main__":
    main()
