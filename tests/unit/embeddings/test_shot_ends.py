"""Vectors of the first and the last sampled frame of each shot, and its motion, stored beside the mean."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ops.core.errors import DamagedTableError
from ops.core.settings import Settings
from ops.core.storage import ObjectStore
from ops.core.types import SilentProgress
from ops.embeddings.build import build_embeddings, has_current_vectors, load_vectors, name_table
from ops.embeddings.embed import ShotToEmbed, ShotVector, embed_shots
from ops.embeddings.encoder import resolve_encoder
from ops.embeddings.encoders.starter import StarterEncoder
from ops.embeddings.ends import drop_unusable_ends, name_ends_table, read_ends
from ops.embeddings.frames import read_frames, sample_positions
from ops.embeddings.motion import TABLE, build_motion_row, read_motion
from tests.builders.films import run_ffmpeg
from tests.unit.embeddings.conftest import NOW


def embed(shots: list[ShotToEmbed], store: ObjectStore, encoder: StarterEncoder) -> list[ShotVector]:
    results = list(embed_shots(shots, store, encoder))
    return [result for result in results if isinstance(result, ShotVector)]


def test_they_are_the_vectors_of_the_first_and_last_sampled_frame(
    proxy_store: ObjectStore, shots: list[ShotToEmbed], starter: StarterEncoder
) -> None:
    asked = shots[:5]  # one has a single frame, which is both
    whole = embed(asked, proxy_store, starter)
    alone = embed([replace(shot, only_ends=True) for shot in asked], proxy_store, starter)
    for shot, result, ends in zip(asked, whole, alone, strict=True):
        positions = sample_positions(shot.frames, 8)
        frames = read_frames(proxy_store, shot.proxy_key, [positions[0], positions[-1]], shot.frames)
        first, last = starter.encode_frames(frames)
        for found in (result, ends):
            assert np.array_equal(found.first, first) and np.array_equal(found.last, last)
        assert ends.frames_used == min(2, shot.frames)


def build(catalogue: tuple[Settings, str], seconds: int = 0) -> Any:
    settings, video_id = catalogue
    at = NOW + timedelta(seconds=seconds)
    return build_embeddings(settings, resolve_encoder(settings).encoder_id, [video_id], at, SilentProgress())


def test_an_older_catalogue_gets_them_and_keeps_its_vectors(catalogue: tuple[Settings, str]) -> None:
    settings, video_id = catalogue
    encoder_id = resolve_encoder(settings).encoder_id
    table = name_ends_table(encoder_id)
    assert build(catalogue).changed == 3  # three tables
    vectors = Path(settings.store.path(f"lake/{name_table(encoder_id)}/{video_id}.parquet")).read_bytes()
    ends = settings.lake.read(table)
    settings.lake.delete(table, video_id)
    assert not has_current_vectors(settings, encoder_id, video_id)
    state = load_vectors(settings, encoder_id, video_id)
    assert state.to_embed == [] and len(state.incomplete) == 3
    assert build(catalogue).changed == 1 and settings.lake.read(table).equals(ends)
    assert Path(settings.store.path(f"lake/{name_table(encoder_id)}/{video_id}.parquet")).read_bytes() == vectors
    assert has_current_vectors(settings, encoder_id, video_id) and build(catalogue, 5).changed == 0


@pytest.mark.parametrize("is_older", [False, True])
def test_a_proxy_that_is_gone_costs_only_them_and_is_asked_for_once(
    catalogue: tuple[Settings, str], is_older: bool
) -> None:
    settings, video_id = catalogue
    encoder_id = resolve_encoder(settings).encoder_id
    build(catalogue)
    for table in (name_ends_table(encoder_id), *([TABLE] if is_older else [])):
        settings.lake.delete(table, video_id)
    proxy = Path(settings.store.path(f"proxies/{video_id}/20-40.mp4"))
    whole = proxy.read_bytes()
    proxy.unlink()
    report = build(catalogue, 1)
    assert report.changed == 1 + is_older and report.by_partition[video_id] == {"embedded": 3, "set_aside": 0}
    reasons = {row["shot_id"]: row["reason"] for row in read_ends(settings, encoder_id, video_id)}
    assert reasons[f"{video_id}:0"] is None and "is missing" in str(reasons[f"{video_id}:20"])
    assert has_current_vectors(settings, encoder_id, video_id) and build(catalogue, 2).changed == 0
    proxy.write_bytes(whole)
    drop_unusable_ends(settings, encoder_id, [video_id])
    assert not has_current_vectors(settings, encoder_id, video_id)
    assert build(catalogue, 3).changed == 2
    assert [row["reason"] for row in read_ends(settings, encoder_id, video_id)] == [None] * 3
    assert all(row["pan"] is not None for row in read_motion(settings, video_id))


@pytest.mark.parametrize(
    ("changes", "fault"),
    [({"first": [1.0]}, "several sizes"), ({"last": [3.0, 4.0]}, "not of unit length")],
)
def test_a_damaged_file_of_them_is_found(catalogue: tuple[Settings, str], changes: Any, fault: str) -> None:
    settings, video_id = catalogue
    row = {"video_id": video_id, "show": "a", "first": [0.0, 1.0], "last": [1.0, 0.0], "input_hash": "0"}
    stamps = {"event_timestamp": NOW, "created_timestamp": NOW}
    rows = [row | stamps | {"shot_id": f"{video_id}:{start}"} for start in (0, 20, 40)]
    rows[1] |= changes
    rows[2] |= {"first": None, "last": None, "reason": "its proxy is missing"}
    settings.lake.write("shot_ends/e", video_id, rows)
    with pytest.raises(DamagedTableError, match=fault):
        settings.lake.read("shot_ends/e", [video_id])


def test_motion_is_measured_with_them_and_stored_for_every_encoder(catalogue: tuple[Settings, str]) -> None:
    settings, video_id = catalogue
    encoder_id = resolve_encoder(settings).encoder_id
    build(catalogue)
    rows = read_motion(settings, video_id)
    assert [row["shot_id"] for row in rows] == [f"{video_id}:{start}" for start in (0, 20, 40)]
    assert all(row["pan"] is not None and 0 <= (row["activity"] or 0) < 1 for row in rows)
    settings.lake.delete(TABLE, video_id)
    assert not has_current_vectors(settings, encoder_id, video_id)
    assert build(catalogue).changed == 1 and read_motion(settings, video_id) == rows
    assert build(catalogue, 5).changed == 0


def test_a_film_that_pans_is_measured_in_widths_per_second(tmp_path: Path, starter: StarterEncoder) -> None:
    generator = np.random.default_rng(2)
    scene = np.kron(generator.integers(0, 256, (15, 60, 3), np.uint8), np.ones((12, 12, 1), np.uint8))
    pictures = (np.ascontiguousarray(scene[:, 4 * at : 4 * at + 320]) for at in range(50))
    film = tmp_path / "pan.mp4"
    size = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "320x180", "-r", "25", "-i", "-"]
    run_ffmpeg([*size, "-c:v", "libx264", "-pix_fmt", "yuv420p", "-crf", "12", str(film)], pictures)
    store = ObjectStore(str(tmp_path / "store"))
    store.write_bytes("proxies/pan.mp4", film.read_bytes())
    (result,) = embed(
        [ShotToEmbed(shot_id="0123456789abcdef:0", proxy_key="proxies/pan.mp4", frames=50)], store, starter
    )
    shot: Any = {"shot_id": "0123456789abcdef:0", "video_id": "0123456789abcdef", "show": "a", "event_timestamp": NOW}
    row = build_motion_row(
        shot | {"start_frame": 0, "end_frame": 50, "start_s": 0.0, "end_s": 2.0}, result.motion, "0", NOW
    )
    assert row["pan"] == pytest.approx(4 / 320 * 25, rel=0.15)
    assert abs(row["tilt"] or 0) < 0.02 and abs(row["zoom"] or 0) < 0.03
