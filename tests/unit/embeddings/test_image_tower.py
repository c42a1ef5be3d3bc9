"""The image tower in each engine: one space of vectors, whatever is installed and whatever the CPU has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import openvino
import pytest
from numpy.typing import NDArray

from ops.embeddings.encoders.starter import StarterEncoder
from ops.embeddings.pooling import pool_mean
from ops.embeddings.starter import image_tower
from ops.embeddings.starter.head import load_head
from ops.embeddings.starter.openvino_tower import Features, load_openvino_runner
from tests.builders.films import draw_frames

LEAST_SHOT, LEAST_FRAME = 0.999, 0.99
"""Cosines to float32 that bfloat16 keeps: of shots of eight frames, and of single frames."""

Frames = NDArray[np.uint8]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = image_tower._find_exported(tmp_path_factory.mktemp("tower"))
    assert path is not None
    return path


@pytest.fixture(scope="module")
def drawn(starter: StarterEncoder) -> Frames:
    """Three shots of eight frames: as drawn, dark, and flat."""
    frames = np.stack(list(draw_frames(24, (8, 16), 128, 72, seed=5)))
    frames[8:16] //= 6
    frames[16:] = frames[16:] // 8 + 100
    return starter.prepare(frames)


def shot_vectors(features: Features) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    vectors = load_head().embed_images(*features)
    return vectors, np.stack([pool_mean(vectors[at : at + 8]) for at in range(0, len(vectors), 8)])


def has_bfloat16() -> bool:
    return "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def test_in_float32_openvino_computes_what_onnxruntime_computes(exported: Path, drawn: Frames) -> None:
    ours = load_openvino_runner(exported, 2, bfloat16=False)(drawn)
    for mine, theirs in zip(ours, image_tower._load_onnx_runner(exported, 2)(drawn), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=2e-3)


def assert_near(exported: Path, frames: Frames) -> None:
    if not has_bfloat16():
        pytest.skip("this CPU has no bfloat16")
    halves = shot_vectors(load_openvino_runner(exported, 2, bfloat16=True)(frames))
    wholes = shot_vectors(image_tower._load_onnx_runner(exported, 2)(frames))
    cosines = [(half * whole).sum(axis=1).min() for half, whole in zip(halves, wholes, strict=True)]
    assert cosines[0] >= LEAST_FRAME and cosines[1] >= LEAST_SHOT, cosines


def test_bfloat16_stays_within_its_bound(exported: Path, drawn: Frames) -> None:
    assert_near(exported, drawn)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["bbb_full_360p.mp4", "steamboat_480p.mp4", "nasa_hotfire_360p.webm"])
def test_bfloat16_stays_within_its_bound_on_films(
    name: str, exported: Path, starter: StarterEncoder, footage: Path
) -> None:
    import cv2

    film = cv2.VideoCapture(str(footage / name))
    frames: list[Frames] = []
    for place in np.linspace(0.05, 0.9, 6) * film.get(cv2.CAP_PROP_FRAME_COUNT):
        film.set(cv2.CAP_PROP_POS_FRAMES, int(place))
        frames += [film.read()[1][..., ::-1] for _ in range(43)][::6]
    assert_near(exported, starter.prepare(np.stack(frames)))


def test_a_vector_does_not_depend_on_its_neighbours_or_on_threads(exported: Path, drawn: Frames) -> None:
    together = load_openvino_runner(exported, 3)(drawn[:7])
    alone = load_openvino_runner(exported, 1)
    for at in range(7):
        for one, many in zip(alone(drawn[at : at + 1]), together, strict=True):
            assert np.array_equal(one[0], many[at])


def test_openvino_is_taken_if_it_is_there(tmp_path: Path) -> None:
    assert image_tower.ImageTower(tmp_path, "cpu", 1).engine == "openvino"


def test_without_openvino_the_tower_runs_in_onnxruntime(
    tmp_path: Path, drawn: Frames, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    tower = image_tower.ImageTower(tmp_path, "cpu", 1)
    assert tower.engine == "onnxruntime" and tower(drawn[:2])[0].shape == (2, image_tower.IMAGE_FEATURES)


def test_a_graph_that_openvino_refuses_runs_in_onnxruntime(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("no kernel for this CPU. Details follow")

    monkeypatch.setattr(openvino.Core, "compile_model", refuse)
    assert image_tower.ImageTower(tmp_path, "cpu", 1).engine == "onnxruntime"
    assert "OpenVINO refuses it (no kernel for this CPU" in caplog.text


def test_towers_that_start_in_two_threads_at_once_do_not_wait_for_each_other(exported: Path) -> None:
    """In a fresh process, because only the first tensors that it reads could block it."""
    program = f"""
import threading
from pathlib import Path
import numpy as np
from ops.embeddings.starter.openvino_tower import load_openvino_runner
frames = np.zeros((4, 260, 260, 3), np.uint8)
threads = [threading.Thread(target=lambda: load_openvino_runner(Path({str(exported)!r}), 2)(frames)) for _ in range(2)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print("done")
"""
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, timeout=120)
    assert done.stdout.split() == ["done"]
