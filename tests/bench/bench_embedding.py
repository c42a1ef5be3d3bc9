"""How long the model waits for frames: the embedding step with a model of ViT-B-32's size, random weights.

``python -m tests.bench.bench_embedding FILM [--shots N]`` cuts the first minutes of the film, and embeds its first
shots with the model on the CPU (or CUDA, if there is a device):

- ``waiting_share``: the share of the time from the first to the last batch of the model in which it had no frames
  (goal: at most 5 %), beside the seconds of waiting, of copying frames together, and of the model; as in the report of
  the step;
- frames per second with frames of proxies, over frames per second of the model alone on the same prepared frames
  (goal on an accelerator: at least 0.9);
- CPU milliseconds of a frame in the model as loaded for many frames (bfloat16 if the CPU has it), and in torch;
- CPU milliseconds of reading and preparing a shot, and the share of each;
- the smallest cosine between a vector and that of open_clip's own preprocessing (goal: at least 0.999). Random weights
  give similar vectors to all pictures, so the median cosine between different shots is printed beside it.
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
from numpy.typing import NDArray

from ops.core.settings import Settings, count_cores, load_settings
from ops.core.storage import ObjectStore
from ops.embeddings.bfloat16_tower import EXPORT_FROM
from ops.embeddings.embed import EncodingTimes, ShotToEmbed, ShotVector, embed_shots
from ops.embeddings.encoder import Encoder, LoadOptions
from ops.embeddings.encoders.open_clip import OpenClipEncoder, OpenClipKind
from ops.embeddings.frames import read_frames, sample_positions
from ops.embeddings.pooling import pool_mean
from ops.shots.segment import make_proxy_key

CHECKOUT = Path(__file__).resolve().parents[2]
MODEL = "ViT-B-32"
FOOTAGE_S = 240
"""Seconds of the film that are cut; Big Buck Bunny has about 50 shots in them."""
ALONE_S = 10
COMPARED = 16
"""Number of shots whose vectors are compared with open_clip's own preprocessing, which is slow."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("film", type=Path)
    parser.add_argument("--shots", type=int, default=40)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        print(json.dumps(measure(options.film.absolute(), options.shots, Path(name)), indent=2))


def measure(film: Path, count: int, folder: Path) -> dict[str, Any]:
    """All figures of one film; ratios are what counts."""
    import open_clip
    import torch

    settings = cut_beginning(film, folder)
    torch.manual_seed(0)
    weights = folder / "random.pt"
    torch.save(open_clip.create_model(MODEL).state_dict(), weights)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    shots = list_shots(settings)[:count]
    began = time.perf_counter()
    options = LoadOptions(home=folder / "home", device=device, threads=count_cores(), frames=EXPORT_FROM)
    encoder = OpenClipKind().load(f"{MODEL}/{weights}", options)
    loading_s = time.perf_counter() - began
    times = EncodingTimes()
    began, cpu = time.perf_counter(), time.process_time()
    results = embed_shots(shots, settings.store, encoder, times=times)
    vectors = [each for each in results if isinstance(each, ShotVector)]
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    vectors_ND = np.stack([vector.embedding for vector in vectors])
    between = (vectors_ND @ vectors_ND.T)[np.triu_indices(len(vectors_ND), 1)]
    return {
        "film": film.name,
        "model": MODEL,
        "device": device,
        "shots": len(vectors),
        "load_and_export_s": round(loading_s, 1),
        "wall_s": round(wall, 2),
        "cpu_s": round(cpu, 2),
        "model_s": round(times.busy_s, 2),
        "copy_s": round(times.copy_s, 3),
        "waiting_s": round(times.waiting_s, 3),
        "waiting_share": round(times.waiting_share, 4),
        "cpu_ms_a_frame": measure_engines(encoder, f"{MODEL}/{weights}", shots, settings.store),
        **measure_speed(encoder, shots, settings.store, sum(vector.frames_used for vector in vectors), times),
        **measure_reading(encoder, shots, settings.store),
        "smallest_cosine": measure_cosine(weights, shots[:COMPARED], settings.store, vectors),
        "median_cosine_between_shots": round(float(np.median(between)), 6),
    }


def cut_beginning(film: Path, folder: Path) -> Settings:
    """Ingest the first minutes of the film with the starter encoder; the settings of the home."""
    import imageio_ffmpeg

    beginning = folder / f"beginning{film.suffix}"
    copy = ["-v", "error", "-t", str(FOOTAGE_S), "-i", str(film), "-c", "copy", str(beginning)]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), *copy], check=True)
    environment = {**os.environ, "NEEDLE_HOME": str(folder / "home"), "NEEDLE_ENCODER": "starter"}
    command = [sys.executable, "-m", "ops.cli", "ingest", str(beginning)]
    subprocess.run(command, cwd=CHECKOUT, env=environment, stdout=subprocess.DEVNULL, check=True)
    return load_settings(home=str(folder / "home"))


def list_shots(settings: Settings) -> list[ShotToEmbed]:
    rows = settings.lake.read("shots", settings.lake.list_partitions("shots")).to_pylist()
    return [
        ShotToEmbed(
            shot_id=row["shot_id"],
            proxy_key=make_proxy_key(row["video_id"], row["start_frame"], row["end_frame"]),
            frames=row["end_frame"] - row["start_frame"],
        )
        for row in rows
    ]


def measure_speed(
    encoder: Encoder, shots: list[ShotToEmbed], store: ObjectStore, frames: int, times: EncodingTimes
) -> dict[str, float]:
    """Frames per second from the first to the last batch, over those of the model alone on prepared frames."""
    alone = np.concatenate([prepare(encoder, shot, store) for shot in shots[:8]])
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < ALONE_S:
        encoder.encode_prepared(alone)
        done += len(alone)
    alone_per_s = done / (time.perf_counter() - began)
    per_s = frames / (times.busy_s + times.copy_s + times.waiting_s)
    return {"frames_per_s": round(per_s, 1), "ratio_to_model_alone": round(per_s / alone_per_s, 3)}


def measure_engines(
    encoder: OpenClipEncoder, rest: str, shots: list[ShotToEmbed], store: ObjectStore
) -> dict[str, float]:
    """CPU milliseconds of a frame in the model as loaded for many frames, and in torch's float32."""
    frames = np.concatenate([prepare(encoder, shot, store) for shot in shots[:4]])
    milliseconds = {}
    for name, each in {"as loaded": encoder, "torch": OpenClipEncoder(rest)}.items():
        each.encode_prepared(frames[:2])
        began = time.process_time()
        each.encode_prepared(frames)
        milliseconds[name] = round(1000 * (time.process_time() - began) / len(frames), 1)
    return milliseconds


def prepare(encoder: Encoder, shot: ShotToEmbed, store: ObjectStore) -> NDArray[Any]:
    return encoder.prepare(read_frames(store, shot.proxy_key, sample_positions(shot.frames, 8), shot.frames))


def measure_reading(encoder: OpenClipEncoder, shots: list[ShotToEmbed], store: ObjectStore) -> dict[str, Any]:
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


def measure_cosine(weights: Path, shots: list[ShotToEmbed], store: ObjectStore, vectors: list[ShotVector]) -> float:
    """The smallest cosine of a shot's vector with that of open_clip's transform, frame by frame."""
    import open_clip
    import torch
    from PIL import Image

    model, _, transform = open_clip.create_model_and_transforms(MODEL)
    model.load_state_dict(torch.load(weights, weights_only=True))
    model.eval()
    by_id = {vector.shot_id: vector.embedding for vector in vectors}
    smallest = 1.0
    for shot in shots:
        frames = read_frames(store, shot.proxy_key, sample_positions(shot.frames, 8), shot.frames)
        with torch.inference_mode():
            own = model.encode_image(torch.stack([transform(Image.fromarray(each)) for each in frames]), normalize=True)
        expected = pool_mean(own.float().numpy())
        smallest = min(smallest, float(expected @ by_id[shot.shot_id]))
    return round(smallest, 6)


if __name__ == "__main__":
    main()
