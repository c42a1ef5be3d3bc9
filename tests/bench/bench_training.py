"""Examples per second of the training loop, streaming from proxies, against forward and backward on tensors in memory.

    python -m tests.bench.bench_training

A ViT-S/32 of open_clip with made weights learns from generated shots, all of it (43 million parameters). The two are
measured one after the other, round by round, for at most about four minutes; the ratio is that of the medians, and its
goal 0.85: what the loop adds (reading, decoding and scaling of frames, the optimiser, checks) must cost little. What
it adds is also told part by part.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from ops.core.settings import Settings, load_settings
from ops.core.types import SilentProgress
from ops.shots.segment import make_proxy_key
from ops.training.bases import ClipBase, load_base
from ops.training.examples import Batch, Examples
from ops.training.loop import fit
from ops.training.loss import backward_loss
from ops.training.model import DualEncoder
from ops.training.pair_reader import PairReader
from ops.training.pairs import CaptionPair
from ops.training.recipes import Recipe
from tests.builders.films import make_film
from tests.builders.lakes import shot_rows, video_id, video_row

PAIRS, BATCH, FRAMES = 48, 16, 4
ROUNDS, LONGEST_S = 5, 210.0


def home_of(folder: Path) -> Settings:
    """A home with one film of generated shots."""
    folder.mkdir()
    settings = load_settings(home=str(folder), encoder="starter")
    films = [make_film(folder / f"{seed}.mp4", cuts=(), frames=24, gop=250, seed=seed) for seed in range(8)]
    proxies = [film.path.read_bytes() for film in films]
    settings.lake.write("videos", video_id(0), [video_row(0)])
    settings.lake.write("shots", video_id(0), shot_rows(0, PAIRS))
    for shot in range(PAIRS):
        key = make_proxy_key(video_id(0), 24 * shot, 24 * shot + 24)
        settings.store.write_bytes(key, proxies[shot % len(proxies)])
    return settings


def pairs_of(settings: Settings) -> list[CaptionPair]:
    return [
        CaptionPair(
            pair_id=row["shot_id"],
            kind="shot",
            show=row["show"],
            captions=(f"shot number {row['index']}",),
            input_hash=row["shot_id"],
            video_id=row["video_id"],
            shot_id=row["shot_id"],
        )
        for row in settings.lake.read("shots").to_pylist()
    ]


@contextmanager
def prepared() -> Iterator[tuple[Recipe, Any, Examples]]:
    """A recipe of one epoch, its base and its streamed examples."""
    import open_clip

    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        weights = folder / "weights.pt"
        torch.save(open_clip.create_model("ViT-S-32-alt").state_dict(), weights)
        settings = home_of(folder / "home")
        recipe = Recipe(
            name="bench",
            base=f"open_clip:ViT-S-32-alt/{weights}",
            epochs=1,
            batch=BATCH,
            frames=FRAMES,
            checkpoint_steps=10**6,
        )
        base = load_base(recipe, settings, "cpu", 2)
        assert isinstance(base, ClipBase)
        pairs = pairs_of(settings)
        with PairReader(settings, pairs, FRAMES) as reader:
            yield recipe, base, base.read_examples(pairs, reader, SilentProgress())


def seconds_of(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def back_and_forth(model: DualEncoder, batch: Batch) -> None:
    model.zero_grad()
    backward_loss(model.encode, [batch], model.log_scale, autocast=nullcontext)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=LONGEST_S, help="begin no round after this")
    options = parser.parse_args()
    began = time.perf_counter()
    with prepared() as (recipe, base, examples):
        size = PAIRS // BATCH
        choices = [examples.choose(torch.arange(start, start + BATCH)) for start in range(0, PAIRS, BATCH)]
        ready = list(examples.batches(choices))
        model = base.build_model().train()
        optimizer = torch.optim.AdamW(model.learning(), lr=1e-6, fused=True)
        back_and_forth(model, ready[0])  # warm
        memory, loop = [], []
        for _ in range(ROUNDS):
            memory.append(seconds_of(lambda: [back_and_forth(model, batch) for batch in ready]))
            learner = base.build_model()
            loop.append(seconds_of(lambda own=learner: fit(own, examples, recipe)))
            if time.perf_counter() - began + memory[-1] + loop[-1] > options.seconds:
                break
        reading = seconds_of(lambda: list(examples.batches(choices)))
        steps = seconds_of(lambda: [optimizer.step() for _ in range(size)])
    told = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "examples": PAIRS,
        "frames_per_example": FRAMES,
        "rounds": len(loop),
        "in_memory_s": [round(value, 2) for value in memory],
        "loop_s": [round(value, 2) for value in loop],
        "of_which": {"reading_alone_s": round(reading, 2), "optimiser_alone_s": round(steps, 2)},
        "examples_per_s": round(PAIRS / statistics.median(loop), 2),
        "ratio": round(statistics.median(memory) / statistics.median(loop), 3),
        "ratio_by_round": [round(a / b, 3) for a, b in zip(memory, loop, strict=True)],
        "goal": 0.85,
        "took_s": round(time.perf_counter() - began, 1),
    }
    sys.stdout.write(json.dumps(told, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
