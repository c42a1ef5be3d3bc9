"""How long the model waits for frames: the embedding step with a model of ViT-B-32's size, random weights.

``python -m tests.bench.bench_embedding FILM [--shots N]`` cuts the film, and embeds its first shots with the model on
the CPU (or CUDA, if there is a device):

- ``waited``: the share of the time from the first to the last call of the model in which no call was running (goal: at
  most 5 %);
- frames per second with frames of proxies, over frames per second of the model alone on the same prepared frames
  (goal on an accelerator: at least 0.9);
- CPU milliseconds of reading and preparing a shot, and the share of each;
- the smallest cosine between a vector and that of open_clip's own preprocessing (goal: at least 0.999).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from ops.core.settings import load_settings
from ops.embeddings.embed import ShotToEmbed, ShotVector, embed_shots
from ops.embeddings.encoders.open_clip import OpenClipEncoder
from ops.embeddings.frames import read_frames, sample_positions
from ops.shots.segment import make_proxy_key

CHECKOUT = Path(__file__).resolve().parents[2]
MODEL = "ViT-B-32"
COMPARED = 16
"""Number of shots whose vectors are compared with open_clip's own preprocessing, which is slow."""


class Watched:
    """An encoder that notes when its model runs; all else is the encoder's own."""

    def __init__(self, encoder: Any) -> None:
        self._encoder = encoder
        self.calls: list[tuple[float, float, int]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._encoder, name)

    def encode_prepared(self, prepared_N: Any) -> Any:
        began = time.perf_counter()
        vectors = self._encoder.encode_prepared(prepared_N)
        self.calls.append((began, time.perf_counter(), len(prepared_N)))
        return vectors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("film", type=Path)
    parser.add_argument("--shots", type=int, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        print(json.dumps(measure(options.film.absolute(), options.shots, Path(name)), indent=2))


def measure(film: Path, count: int, folder: Path) -> dict[str, Any]:
    """All figures of one film; ratios are what counts."""
    import open_clip
    import torch

    home = folder / "home"
    command = [sys.executable, "-m", "ops.cli", "ingest", str(film)]
    environment = {**os.environ, "NEEDLE_HOME": str(home), "NEEDLE_ENCODER": "starter"}
    subprocess.run(command, cwd=CHECKOUT, env=environment, stdout=subprocess.DEVNULL, check=True)
    torch.manual_seed(0)
    weights = folder / "random.pt"
    torch.save(open_clip.create_model(MODEL).state_dict(), weights)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    encoder = OpenClipEncoder(f"{MODEL}/{weights}", device=device, part="both", threads=os.cpu_count() or 1)
    settings = load_settings(home=str(home))
    shots = list_shots(settings)[:count]
    watched = Watched(encoder)
    began, cpu = time.perf_counter(), time.process_time()
    vectors = [each for each in embed_shots(shots, settings.store, watched) if isinstance(each, ShotVector)]  # type: ignore[arg-type]
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    return {
        "film": film.name,
        "model": MODEL,
        "device": device,
        "shots": len(vectors),
        "wall_s": round(wall, 2),
        "cpu_s": round(cpu, 2),
        **measure_waiting(watched, shots, settings.store),
        **measure_reading(encoder, shots, settings.store),
        "smallest_cosine": measure_cosine(encoder, shots[:COMPARED], settings.store, vectors),
    }


def list_shots(settings: Any) -> list[ShotToEmbed]:
    rows = settings.lake.read("shots", settings.lake.list_partitions("shots")).to_pylist()
    return [
        ShotToEmbed(
            shot_id=row["shot_id"],
            proxy_key=make_proxy_key(row["video_id"], row["start_frame"], row["end_frame"]),
            frames=row["end_frame"] - row["start_frame"],
        )
        for row in rows
    ]


def measure_waiting(watched: Watched, shots: list[ShotToEmbed], store: Any) -> dict[str, Any]:
    """The share of time without a call, and frames per second beside those of the model alone."""
    span = watched.calls[-1][1] - watched.calls[0][0]
    busy = sum(end - begin for begin, end, _ in watched.calls)
    frames = sum(number for *_, number in watched.calls)
    prepared = [prepare(watched, shot, store) for shot in shots[:8]]
    alone = np.concatenate(prepared)
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < 5:
        watched.encode_prepared(alone)
        done += len(alone)
    return {
        "waited": round(1 - busy / span, 3),
        "frames_per_s": round(frames / span, 1),
        "ratio_to_model_alone": round(frames / span / (done / (time.perf_counter() - began)), 3),
    }


def prepare(encoder: Any, shot: ShotToEmbed, store: Any) -> Any:
    return encoder.prepare(read_frames(store, shot.proxy_key, sample_positions(shot.frames, 8), shot.frames))


def measure_reading(encoder: Any, shots: list[ShotToEmbed], store: Any) -> dict[str, Any]:
    """CPU milliseconds of a shot for reading its frames, and for preparing them."""
    reading = preparing = 0.0
    for shot in shots:
        began = time.thread_time()
        frames = read_frames(store, shot.proxy_key, sample_positions(shot.frames, 8), shot.frames)
        middle = time.thread_time()
        encoder.prepare(frames)
        reading, preparing = reading + middle - began, preparing + time.thread_time() - middle
    return {
        "read_cpu_ms_a_shot": round(1000 * reading / len(shots), 2),
        "prepare_cpu_ms_a_shot": round(1000 * preparing / len(shots), 2),
    }


def measure_cosine(encoder: Any, shots: list[ShotToEmbed], store: Any, vectors: list[ShotVector]) -> float:
    """The smallest cosine of a shot's vector with that of open_clip's transform, frame by frame."""
    import open_clip
    import torch
    from PIL import Image

    model, _, transform = open_clip.create_model_and_transforms(MODEL)
    model.load_state_dict({name: value.cpu() for name, value in encoder._model.state_dict().items()})
    model.eval()
    by_id = {vector.shot_id: vector.embedding for vector in vectors}
    smallest = 1.0
    for shot in shots:
        frames = read_frames(store, shot.proxy_key, sample_positions(shot.frames, 8), shot.frames)
        with torch.inference_mode():
            own = model.encode_image(torch.stack([transform(Image.fromarray(each)) for each in frames]), normalize=True)
        expected = encoder.pool(own.float().numpy())
        smallest = min(smallest, float(expected @ by_id[shot.shot_id]))
    return round(smallest, 6)


if __name__ == "__main__":
    main()
