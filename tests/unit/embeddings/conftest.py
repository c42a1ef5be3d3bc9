"""One home with the exported image tower, one starter encoder, and proxies with a barcode, for all tests here."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ops.core.settings import Settings, load_settings
from ops.core.storage import ObjectStore
from ops.core.types import SilentProgress
from ops.embeddings.embed import ShotToEmbed
from ops.embeddings.encoders.starter import StarterEncoder
from ops.shots.build import build_shots
from tests.builders.films import make_film

NOW = datetime(2026, 1, 1, tzinfo=UTC)
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


@pytest.fixture
def catalogue(tmp_path: Path, encoder_home: Path) -> tuple[Settings, str]:
    """A home with one ready video of three shots, cut and not embedded; its id."""
    from ops.videos.describe import describe_videos
    from ops.videos.hashes import HashCache
    from ops.videos.library import scan
    from ops.videos.register import register

    settings = load_settings(home=str(tmp_path / "home"), encoder="starter")
    (tmp_path / "home" / "cache").mkdir(parents=True)
    film = make_film(tmp_path / "film.mp4", cuts=(20, 40), frames=60)
    found = scan([str(film.path)], hashes=HashCache(settings.home / "cache" / "hashes.db"))
    (video_id,) = register(settings, found, NOW).seen
    describe_videos(settings, [video_id], NOW, SilentProgress())
    build_shots(settings, [video_id], NOW, SilentProgress())
    return settings, video_id
