"""One shot that cannot be read or embedded: a row with a reason, and the others go on."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ops.core.errors import EncoderError
from ops.core.settings import Settings
from ops.core.storage import ObjectStore
from ops.core.types import SilentProgress
from ops.embeddings.build import build_embeddings, load_vectors, read_embeddings
from ops.embeddings.embed import ShotToEmbed, ShotVector, UnusableShot, embed_shots
from ops.embeddings.encoder import resolve_encoder
from ops.embeddings.encoders.starter import StarterEncoder
from ops.embeddings.set_aside import retry_shots, set_aside_shots
from ops.shots.build import build_shots
from tests.builders.films import make_film
from tests.unit.embeddings.conftest import NOW


class FastidiousEncoder(StarterEncoder):
    """Refuses pictures that are one grey in one of two ways, as encoders do."""

    def __init__(self, home: Path, way: str) -> None:
        super().__init__(home)
        self.way = way

    def encode_prepared(self, prepared_NHWC: np.ndarray) -> Any:
        grey = np.array([int(np.ptp(picture)) < 12 for picture in prepared_NHWC])
        if grey.any() and self.way == "raises":
            raise ValueError("a picture without contrast")
        vectors = super().encode_prepared(prepared_NHWC)
        vectors[grey] = np.nan
        return vectors


@pytest.mark.parametrize("way", ["raises", "NaN"])
@pytest.mark.parametrize("batch_frames", [8, 1000])
def test_one_picture_that_the_encoder_cannot_take_stops_no_other(
    proxy_store: ObjectStore, shots: list[ShotToEmbed], encoder_home: Path, tmp_path: Path, way: str, batch_frames: int
) -> None:
    film = make_film(tmp_path / "grey.mp4", cuts=(), frames=10, blank=(0,))
    proxy_store.write_bytes("proxies/grey.mp4", film.path.read_bytes())
    grey = ShotToEmbed(shot_id="0123456789abcdef:99", proxy_key="proxies/grey.mp4", frames=10)
    wanted = [shots[0], grey, shots[1], replace(shots[2], frames=25)]
    results = list(embed_shots(wanted, proxy_store, FastidiousEncoder(encoder_home, way), batch_frames=batch_frames))
    assert [result.shot_id for result in results] == [shot.shot_id for shot in wanted]
    assert [isinstance(result, ShotVector) for result in results] == [True, False, True, False]
    refused = [result for result in results if isinstance(result, UnusableShot)]
    assert [result.cause for result in refused] == ["encoder", "proxy"]
    assert ("without contrast" if way == "raises" else "NaN") in refused[0].reason
    assert "has 24 frames instead of 25" in refused[1].reason
    (alone,) = embed_shots([shots[0]], proxy_store, StarterEncoder(encoder_home))
    assert isinstance(alone, ShotVector) and isinstance(results[0], ShotVector)
    assert results[0].vector_hash == alone.vector_hash


class BrokenEncoder(StarterEncoder):
    """Weights went bad: every picture raises."""

    def encode_prepared(self, prepared_NHWC: np.ndarray) -> Any:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")


def test_an_encoder_that_takes_no_picture_ends_the_run(
    proxy_store: ObjectStore, shots: list[ShotToEmbed], encoder_home: Path
) -> None:
    with pytest.raises(EncoderError, match=f"{shots[0].shot_id}.*test picture"):
        list(embed_shots(shots[:2], proxy_store, BrokenEncoder(encoder_home)))


@pytest.mark.parametrize("damage", ["missing", "garbage", "unreadable"])
def test_a_set_aside_shot_is_a_row_that_holds_until_its_proxy_changes(
    catalogue: tuple[Settings, str], damage: str
) -> None:
    settings, video_id = catalogue
    encoder_id = resolve_encoder(settings).encoder_id
    proxy = Path(settings.store.path(f"proxies/{video_id}/20-40.mp4"))
    whole = proxy.read_bytes()
    if damage == "missing":
        proxy.unlink()
    elif damage == "garbage":
        proxy.write_bytes(whole[:200] + bytes(len(whole) - 200))
    else:
        proxy.unlink()
        proxy.mkdir()

    def build(seconds: int) -> Any:
        return build_embeddings(settings, encoder_id, [video_id], NOW + timedelta(seconds=seconds), SilentProgress())

    report = build(1)
    (row,) = set_aside_shots(settings, encoder_id)
    assert (row["shot_id"], row["cause"]) == (f"{video_id}:20", "proxy") and "its proxy" in row["reason"]
    assert [row["shot_id"] for row in read_embeddings(settings, encoder_id, video_id)] == [
        f"{video_id}:0",
        f"{video_id}:40",
    ]
    assert all(check.passed for check in report.checks)
    assert report.details["set_aside"] == {row["shot_id"]: row["reason"]}
    assert report.by_partition[video_id] == {"embedded": 2, "set_aside": 1}
    assert load_vectors(settings, encoder_id, video_id).is_current
    assert build(2).changed == 0
    if damage == "unreadable":
        proxy.rmdir()
    proxy.write_bytes(whole)  # put back: tried again without being asked, and only this shot
    assert [shot["start_frame"] for shot in load_vectors(settings, encoder_id, video_id).to_embed] == [20]
    assert build(3).changed == 4  # vectors, their ends, motion, and skipped shots
    assert set_aside_shots(settings, encoder_id) == [] and build(4).changed == 0
    assert [row["shot_id"].partition(":")[2] for row in read_embeddings(settings, encoder_id, video_id)] == [
        "0",
        "20",
        "40",
    ]


def test_a_retry_cuts_a_damaged_proxy_again(catalogue: tuple[Settings, str]) -> None:
    settings, video_id = catalogue
    encoder_id = resolve_encoder(settings).encoder_id
    proxy = Path(settings.store.path(f"proxies/{video_id}/20-40.mp4"))
    whole = proxy.read_bytes()
    proxy.write_bytes(b"no film")
    build_embeddings(settings, encoder_id, [video_id], NOW, SilentProgress())
    retry_shots(settings, encoder_id, ["0123456789abcdef"])
    assert proxy.exists() and set_aside_shots(settings, encoder_id)
    retry_shots(settings, encoder_id, [video_id])
    build_shots(settings, [video_id], NOW, SilentProgress())
    assert proxy.read_bytes() == whole
    build_embeddings(settings, encoder_id, [video_id], NOW, SilentProgress())
    assert load_vectors(settings, encoder_id, video_id).is_current and not set_aside_shots(settings, encoder_id)
