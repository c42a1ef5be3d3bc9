"""A small folder of the form in which Netflix publishes the data of Video Annotator."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import h5py
import numpy as np

DIM, SHOTS, A_CLIP = 24, 900, 6


def write_annotator_data(folder: Path, *, with_baselines: bool = True) -> None:
    """Three labels: one that vectors tell, one that they do not, and one with a single yes."""
    random = np.random.default_rng(0)
    (folder / "agg").mkdir(parents=True)
    way = np.eye(DIM)[0]
    truths = random.uniform(size=SHOTS) < 0.3
    vectors = random.normal(size=(SHOTS, DIM)) + 2.5 * truths[:, None] * way
    keys = [f"clip{number // A_CLIP:04d}|{number % A_CLIP * 40}" for number in range(SHOTS)]
    with (folder / "shot-data.csv").open("w", newline="") as file:
        names = ("key", "yt_id", "desc", "genre", "frame_in", "frame_out", "start", "end", "fps", "cluster_index")
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        for number, key in enumerate(keys):
            row = {"key": key, "yt_id": key.split("|")[0], "desc": "A, film", "genre": "", "fps": 23.976}
            writer.writerow(row | {"frame_in": number % A_CLIP * 40, "frame_out": number % A_CLIP * 40 + 40})
    with h5py.File(folder / "embeddings.h5", "w") as file:
        file["embeddings"] = (7 * vectors).astype(np.float32)  # of any length
    answers = {"closeup": truths, "mood": random.uniform(size=SHOTS) < 0.5, "timelapse": np.arange(SHOTS) == 3}
    for label, values in answers.items():
        votes = [_vote(keys[at], bool(values[at])) for at in range(400)]
        content = {"primary": "B", "secondaries": ["A", "C"], "data": votes}
        (folder / "agg" / f"{label}.json").write_text(json.dumps(content))
    if with_baselines:
        (folder / "cmp").mkdir()
        rows = [{"key": keys[at], "value": bool(truths[at])} for at in range(300, 340)]
        noise = [{"key": keys[at], "value": bool(random.uniform() < 0.5)} for at in range(500, 560)]
        (folder / "cmp" / "closeup.json").write_text(json.dumps({"zero_shot": rows, "random": noise}))
        (folder / "text-embeddings.json").write_text(json.dumps({"closeup": (way + 0.4).tolist()}))


def _vote(key: str, value: bool) -> dict[str, object]:
    return {
        "key": key,
        "primary": value,
        "secondaries": {"A": value, "C": value},
        "agg": value,
        "pos_cnt": 3 * int(value),
    }
