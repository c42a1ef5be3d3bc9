"""Print how well motion finds shots that move alike, beside their mean vectors: ``make bench BENCH=motion``.

``python -m tests.bench.bench_motion FOOTAGE [HOME]``, with arguments as in ``bench_match_cuts``. Generated shots: 60
scenes, each with a still camera and six ways to move it at random speeds. Real ones: the labels of
``tests/quality/cameras.csv``, by eye from three frames each, whether the camera moves; one annotator.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ops.core.settings import Settings, load_settings
from ops.embeddings.build import read_embeddings
from ops.embeddings.encoder import load_encoder, resolve_encoder
from ops.embeddings.motion import LAG, NAMES, describe_motion, measure_motion, read_motion
from ops.embeddings.pooling import pool_mean
from ops.videos import catalogue
from tests.builders.cameras import MOVES, paint, shoot
from tests.builders.homes import Home

LABELS = Path(__file__).resolve().parents[1] / "quality" / "cameras.csv"
SCENES = 60

Matrix = NDArray[np.float32]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(sys.argv[2]) if len(sys.argv) > 2 else Path(folder) / "home", frames=None)
        home.run("ingest", sys.argv[1])
        settings = load_settings(home=home.path, encoder="starter")
        _print_generated(settings)
        _print_real(settings)


def _print_generated(settings: Settings) -> None:
    encoder = load_encoder(resolve_encoder(settings).encoder_id, settings.home, part="both")
    generator = np.random.default_rng(0)
    names, scenes, motion, means = [], [], [], []
    for seed in range(SCENES):
        scene = paint(seed)
        for name in MOVES:
            before, after = shoot(scene, name, generator.uniform(0.006, 0.03))
            names.append(name)
            scenes.append(seed)
            motion.append(measure_motion(before[None], after[None]) * 25 / LAG)
            means.append(pool_mean(encoder.encode_frames(np.stack([before, after]))))
    scores = _score_motion(np.stack(motion))
    _print("generated, the same move in another scene", np.asarray(names), scores, np.stack(means), np.asarray(scenes))


def _print_real(settings: Settings) -> None:
    encoder_id = resolve_encoder(settings).encoder_id
    videos = {
        Path(row["path"]).name: row["video_id"]
        for row in catalogue.read_videos(settings.lake, settings.lake.list_partitions("videos"))
    }
    motion = {row["shot_id"]: row for video_id in videos.values() for row in read_motion(settings, video_id)}
    means = {row["shot_id"]: row for each in videos.values() for row in read_embeddings(settings, encoder_id, each)}
    with LABELS.open() as file:
        labels = {f"{videos[row['file']]}:{row['first_frame']}": row["camera"] for row in csv.DictReader(file)}
    shot_ids = [each for each in labels if each in motion and motion[each]["pan"] is not None]
    print(f"{len(labels) - len(shot_ids)} labelled shots are lost to other cuts")
    values = np.asarray([[motion[each][name] for name in NAMES] for each in shot_ids], float)  # type: ignore[literal-required]
    classes = np.asarray([labels[each] for each in shot_ids])
    vectors = np.asarray([means[each]["embedding"] for each in shot_ids], np.float32)
    _print("real", classes, _score_motion(values), vectors, np.arange(len(classes)))
    speed = np.hypot(values[:, 0], values[:, 1]) + np.abs(values[:, 2]) / 2
    moving, still = speed[classes == "moves"], speed[classes == "still"]
    print(f"  a moving camera is measured as faster than a still one: {(moving[:, None] > still).mean():.2f}")


def _score_motion(motion_N5: NDArray[np.floating]) -> Matrix:
    vectors = describe_motion(motion_N5)
    return -np.linalg.norm(vectors[:, None] - vectors, axis=2).astype(np.float32)


def _print(title: str, classes: NDArray[np.str_], scores: Matrix, means: Matrix, groups: NDArray[np.int64]) -> None:
    """Average precision of the shots of the same class, in other groups, by motion, by mean vectors and at random."""
    chance = np.random.default_rng(0).random(scores.shape).astype(np.float32)
    print(f"{title}: {len(classes)} shots; average precision by motion, by mean vectors, at random")
    for name in dict.fromkeys(classes):
        figures = []
        for measure in (scores, means @ means.T, chance):
            rows = [_average_precision(measure, classes, groups, at) for at in np.flatnonzero(classes == name)]
            figures.append(f"{np.mean(rows):.3f}")
        print(f"  {name:6} {'  '.join(figures)}")


def _average_precision(scores: Matrix, classes: NDArray[np.str_], groups: NDArray[np.int64], at: int) -> float:
    others = np.flatnonzero(groups != groups[at])
    order = others[np.argsort(-scores[at][others], kind="stable")]
    ranks = np.flatnonzero(classes[order] == classes[at]) + 1
    return float((np.arange(1, len(ranks) + 1) / ranks).mean())


if __name__ == "__main__":
    main()
