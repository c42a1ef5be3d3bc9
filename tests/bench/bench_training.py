"""Examples per second of the training loop, streaming from proxies, against forward and backward on tensors in memory.

    python -m tests.bench.bench_training

A ViT-S/32 of open_clip with made weights learns from generated shots; both numbers come from one run, and the
ratio's goal is 0.85: the loop must not wait for its reader.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from ops.core.settings import Settings, load_settings
from ops.core.types import SilentProgress
from ops.shots.segment import proxy_key
from ops.training.bases import base_of
from ops.training.examples import Batch
from ops.training.loop import fit
from ops.training.loss import backward_loss
from ops.training.pairs import CaptionPair
from ops.training.pictures import Pictures
from ops.training.recipes import Recipe
from tests.films import make_film
from tests.lakes import shot_rows, video_id, video_row

PAIRS, BATCH, EPOCHS, FRAMES = 48, 16, 2, 4


def home_of(folder: Path) -> Settings:
    """A home with one film of generated shots."""
    folder.mkdir()
    settings = load_settings(home=str(folder), encoder="starter")
    proxy = make_film(folder / "proxy.mp4", cuts=(), frames=24, gop=250).path.read_bytes()
    settings.lake.write("videos", video_id(0), [video_row(0)])
    settings.lake.write("shots", video_id(0), shot_rows(0, PAIRS))
    for shot in range(PAIRS):
        settings.store.write_bytes(proxy_key(video_id(0), 24 * shot, 24 * shot + 24), proxy)
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


def seconds_of(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def main() -> int:
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
            epochs=EPOCHS,
            batch=BATCH,
            frames=FRAMES,
            checkpoint_steps=10**6,
        )
        base = base_of(recipe, settings, "cpu", 2)
        pairs = pairs_of(settings)
        with Pictures(settings, pairs, FRAMES) as pictures:
            examples = base.examples(pairs, pictures, SilentProgress())
            steps = EPOCHS * (PAIRS // BATCH)
            ready = list(examples.batches([examples.choose(torch.arange(BATCH))] * steps))
            model = base.model().train()
            optimizer = torch.optim.AdamW(model.learning(), lr=1e-6)

            def in_memory() -> None:
                for batch in ready:
                    step(batch)

            def step(batch: Batch) -> None:
                optimizer.zero_grad()
                backward_loss(model.encode, [batch], model.log_scale, autocast=nullcontext)
                optimizer.step()

            in_memory()  # warm
            memory, loop = [], []
            for _ in range(3):
                memory.append(seconds_of(in_memory))
                loop.append(seconds_of(lambda: fit(base.model(), examples, recipe)))
    told = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "examples": steps * BATCH,
        "in_memory_s": sorted(memory)[1],
        "loop_s": sorted(loop)[1],
        "ratio": sorted(memory)[1] / sorted(loop)[1],
        "goal": 0.85,
    }
    sys.stdout.write(json.dumps(told, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
