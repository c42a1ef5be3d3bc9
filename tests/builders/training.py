"""Made-up pairs with models for them, and a home with ten short captioned shots in two shows."""

from __future__ import annotations

import io
import json
import tempfile
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from ops.core.settings import Settings, load_settings
from ops.core.types import SilentProgress, make_shot_id
from ops.shots.segment import make_proxy_key
from ops.training.examples import InMemory
from ops.training.model import DualEncoder, LinearTower
from ops.training.recipes import build_recipe
from ops.training.temporal import TemporalModule
from ops.training.train import train
from tests.builders.films import make_film
from tests.builders.lakes import shot_rows, video_id, video_row

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def examples(pairs: int = 24, frames: int = 3, seed: int = 0, dim: int = 12) -> InMemory:
    """Features in which shots and captions share a hidden cause; shots have one to ``frames`` frames."""
    rng, world = np.random.default_rng(seed), np.random.default_rng(99)
    cause = rng.normal(size=(pairs, 4))
    image = (cause @ world.normal(size=(4, dim)))[:, None, None] + 0.1 * rng.normal(size=(pairs, 2, frames, dim))
    mask = np.arange(frames) < rng.integers(1, frames + 1, pairs)[:, None]
    text = np.repeat(cause @ world.normal(size=(4, 10)), 2, axis=0) + 0.1 * rng.normal(size=(2 * pairs, 10))
    starts = list(range(0, 2 * pairs + 1, 2))
    return InMemory(torch.from_numpy(image).float(), torch.from_numpy(mask), torch.from_numpy(text).float(), starts)


def model(seed: int = 0, drop: float = 0.1, temporal: bool = True) -> DualEncoder:
    torch.manual_seed(seed)
    head = TemporalModule(8, 8, 2, 1) if temporal else None
    return DualEncoder(LinearTower(12, 8, drop, 0.0), LinearTower(10, 8, drop, 0.0), head, 2.0)


def jpeg(colour: tuple[int, int, int]) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (48, 40), colour).save(data, "JPEG")
    return data.getvalue()


def captioned_home(folder: Path) -> Settings:
    """A home with :func:`fill_captioned`; its videos are in ``folder``."""
    settings = load_settings(home=folder / "home", encoder="starter")
    fill_captioned(settings)
    return settings


def fill_captioned(settings: Settings) -> None:
    """Two films, of one show each, with five shots of 24 frames; the films, with captions, are beside the home."""
    folder = settings.home.parent
    (folder / "proxy.mp4").write_bytes(make_proxies()[0])
    for number in (0, 1):
        film = folder / f"film{number}.mp4"
        film.write_bytes(b"not looked at")
        settings.lake.write("videos", video_id(number), [video_row(number, path=str(film))])
        settings.lake.write("shots", video_id(number), shot_rows(number, 5))
        for shot in range(5):
            key = make_proxy_key(video_id(number), 24 * shot, 24 * shot + 24)
            settings.store.write_bytes(key, make_proxies()[5 * number + shot])
        write_captions(film, 5)


@cache
def make_proxies() -> tuple[bytes, ...]:
    """Ten films of 24 frames; equal pictures would not be each other's negatives, and nothing could be learned."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number}.mp4" for number in range(10)]
        for number, path in enumerate(paths):
            make_film(path, cuts=(), frames=24, seed=number, width=160, height=90)
        return tuple(path.read_bytes() for path in paths)


def fine_tuned(settings: Settings, data: list[Path], name: str) -> Settings:
    """The home, with an encoder that a debug fit on ``data`` made."""
    train(settings, build_recipe("debug"), data, NOW, SilentProgress(), name=name, threads=1)
    return settings


def write_captions(film: Path, shots: int) -> None:
    rows = [
        {"shot": n, "start_frame": 24 * n, "end_frame": 24 * n + 24, "captions": [f"shot {n}", f"part {n} of it"]}
        for n in range(shots)
    ]
    film.with_name(film.name + ".captions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def shot_id(number: int, shot: int) -> str:
    return make_shot_id(video_id(number), 24 * shot)
