"""Homes whose shots lie where their captions do, for real encoders of several qualities, without a picture in them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ops.core.settings import Settings, load_settings
from ops.embeddings.build import hash_inputs, name_table
from ops.embeddings.embed import UnusableShot
from ops.embeddings.encoder import load_encoder, resolve_spec
from ops.embeddings.ends import build_ends_row, name_ends_table
from ops.embeddings.motion import TABLE as MOTION
from ops.embeddings.motion import build_motion_row
from ops.embeddings.registry import EncoderRegistry
from ops.embeddings.starter.head import load_head
from ops.index.lake_videos import read_wanted_rows
from ops.index.publishing import publish
from ops.shots.segment import make_proxy_key
from tests.builders.films import make_film
from tests.builders.lakes import COMPUTED, shot_rows, vector_rows, video_id, video_row

SHOTS = 14
_WHO = ("a man", "a woman", "a child", "an old sailor", "a soldier", "a nurse", "a baker")
_DOES = ("rides a horse", "opens a door", "plays the piano", "eats an apple", "reads a newspaper", "climbs a tree")
_WHERE = ("in the snow", "at night", "by the sea", "in a kitchen", "on a bridge")


def caption(film: int, shot: int) -> str:
    """What a shot shows; no two are the same."""
    number = film * SHOTS + shot
    return " ".join(each[number % len(each)] for each in (_WHO, _DOES, _WHERE))


def make_head(home: Path, name: str, weight: float) -> str:
    """Spec of a fine-tuned starter encoder: the shipped one with another weight of its halves."""
    replace(load_head(), conse_weight=weight).save(home / "encoders" / name / "head.npz")
    return f"finetuned:{name}"


def captioned_home(folder: Path, films: int = 2, encoder: str = "starter", *, captions: bool = True) -> Settings:
    """A home with films of fourteen shots each, their captions beside them, embedded and indexed by ``encoder``."""
    settings = load_settings(home=folder / "home", encoder=encoder)
    EncoderRegistry(settings.home).pin_auto(encoder, "a test")
    for number in range(films):
        add_film(settings, folder, number, captions=captions)
    place(settings, encoder, range(films), noise=0.5)
    encoder_id = resolve_spec(encoder, settings.home).encoder_id
    publish(settings, encoder_id, lambda: read_wanted_rows(settings, encoder_id))
    return settings


def add_film(settings: Settings, folder: Path, number: int, *, captions: bool = True, proxies: bool = False) -> None:
    """Register a film and its shots; nothing of it is embedded."""
    film, video = folder / f"film{number}.mp4", video_id(number)
    film.write_bytes(b"not looked at")
    settings.lake.write("videos", video, [video_row(number, path=str(film))])
    settings.lake.write("shots", video, shot_rows(number, SHOTS, is_blank=False))
    rows = [{"start_frame": 24 * n, "end_frame": 24 * n + 24, "captions": [caption(number, n)]} for n in range(SHOTS)]
    if captions:
        film.with_name(f"{film.name}.captions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    if proxies:
        proxy = make_film(folder / "proxy.mp4", cuts=(), frames=24).path.read_bytes()
        for shot in range(SHOTS):
            settings.store.write_bytes(make_proxy_key(video, 24 * shot, 24 * shot + 24), proxy)


def place(settings: Settings, spec: str, films: range, *, noise: float) -> str:
    """Give shots the vectors of their captions, ``noise`` times a random unit vector aside; the encoder's id.

    They count as computed, so that no picture is looked at.
    """
    encoder_id = resolve_spec(spec, settings.home).encoder_id
    encoder = load_encoder(encoder_id, settings.home, part="text")
    for number in films:
        texts_ND = encoder.encode_text([caption(number, shot) for shot in range(SHOTS)])
        rows, ends, motion = vector_rows(number, SHOTS), [], []
        for row, shot, text in zip(rows, shot_rows(number, SHOTS, is_blank=False), texts_ND, strict=True):
            vector = _beside(text, noise, seed=f"{spec} {row['shot_id']}")
            row["embedding"] = vector.tolist()
            row["vector_hash"] = hashlib.sha256(vector.tobytes()).hexdigest()[:32]
            row["input_hash"] = inputs = hash_inputs(shot, settings.frames_per_shot)
            no_picture = UnusableShot(shot_id=row["shot_id"], cause="proxy", reason="it has no picture")
            ends.append(build_ends_row(shot, no_picture, inputs, COMPUTED))
            motion.append(build_motion_row(shot, None, inputs, COMPUTED))
        settings.lake.write(name_table(encoder_id), video_id(number), rows)
        settings.lake.write(name_ends_table(encoder_id), video_id(number), ends)
        settings.lake.write(MOTION, video_id(number), motion)
    return encoder_id


def _beside(text_D: NDArray[np.float32], noise: float, seed: str) -> NDArray[np.float32]:
    random = np.random.default_rng(list(hashlib.sha256(seed.encode()).digest()[:8]))
    noise_D = random.normal(size=len(text_D))
    vector = text_D + noise * noise_D / np.linalg.norm(noise_D)
    return np.asarray(vector / np.linalg.norm(vector), np.float32)
