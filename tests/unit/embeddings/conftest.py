"""One home with the exported image tower, one starter encoder, and proxies with a barcode, for the whole room."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.core.storage import ObjectStore
from ops.embeddings.embed import ShotToEmbed
from ops.embeddings.encoders.starter import StarterEncoder
from tests.builders.films import make_film

FRAMES = (1, 3, 24, 40, 8, 60, 17, 30, 12)
"""Lengths of the generated proxies."""


@pytest.fixture(scope="session")
def encoder_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("encoder-home")


@pytest.fixture(scope="session")
def starter(encoder_home: Path) -> StarterEncoder:
    return StarterEncoder(encoder_home)


@pytest.fixture(scope="session")
def proxy_store(tmp_path_factory: pytest.TempPathFactory) -> ObjectStore:
    store = ObjectStore(str(tmp_path_factory.mktemp("proxies")))
    folder = tmp_path_factory.mktemp("films")
    for number, frames in enumerate(FRAMES):
        film = make_film(folder / f"{number}.mp4", cuts=(), frames=frames, gop=250, seed=number)
        store.write_bytes(f"proxies/{number}.mp4", film.path.read_bytes())
    return store


@pytest.fixture(scope="session")
def shots() -> list[ShotToEmbed]:
    return [
        ShotToEmbed(shot_id=f"0123456789abcdef:{number}", proxy_key=f"proxies/{number}.mp4", frames=frames)
        for number, frames in enumerate(FRAMES)
    ]
