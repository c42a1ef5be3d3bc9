"""An open_clip encoder of ViT-B-32's size on CUDA: its vectors against those of the CPU, threads, and little memory."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from ops.embeddings.device_tower import LEAST_COSINE, PARTS, DeviceTower
from ops.embeddings.encoders.open_clip import OpenClipEncoder
from tests.builders.clip_models import save_random_model

SIDE = 224


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> str:
    return save_random_model("ViT-B-32", tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def on_cpu(spec: str) -> OpenClipEncoder:
    return OpenClipEncoder(spec)


@pytest.fixture(scope="module")
def on_cuda(spec: str) -> OpenClipEncoder:
    return OpenClipEncoder(spec, device="cuda")


@pytest.fixture
def with_little_memory() -> Iterator[None]:
    """A device on which this process may take 1.5 GB."""
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(1.5e9 / torch.cuda.get_device_properties(0).total_memory)
    yield
    torch.cuda.set_per_process_memory_fraction(1.0)
    torch.cuda.empty_cache()


def draw_frames(count: int, seed: int = 0) -> np.ndarray:
    """Frames (N, 3, 224, 224), each of its own brightness and contrast, so that their vectors differ."""
    rng = np.random.default_rng(seed)
    level, contrast = rng.integers(0, 200, (count, 3, 1, 1)), rng.integers(1, 56, (count, 1, 1, 1))
    return (level + rng.random((count, 3, SIDE, SIDE)) * contrast).astype(np.uint8)


@pytest.mark.parametrize("count", [0, 1, 40])
def test_vectors_are_those_of_the_cpu(on_cpu: OpenClipEncoder, on_cuda: OpenClipEncoder, count: int) -> None:
    frames = draw_frames(count)
    vectors, expected = on_cuda.encode_prepared(frames), on_cpu.encode_prepared(frames)
    assert vectors.dtype == np.float32 and vectors.shape == expected.shape
    assert ((vectors * expected).sum(axis=1) >= LEAST_COSINE).all()


def test_text_vectors_are_those_of_the_cpu(on_cpu: OpenClipEncoder, on_cuda: OpenClipEncoder) -> None:
    texts = ["a car at night", "zwei Hunde am Strand", "x" * 400]
    assert ((on_cuda.encode_text(texts) * on_cpu.encode_text(texts)).sum(axis=1) >= LEAST_COSINE).all()


def test_a_vector_does_not_depend_on_the_frames_beside_it(on_cuda: OpenClipEncoder) -> None:
    frames = draw_frames(on_cuda.batch_frames + 5)
    together = on_cuda.encode_prepared(frames)
    for at in (0, len(frames) // 2, len(frames) - 1):
        np.testing.assert_array_equal(on_cuda.encode_prepared(frames[at : at + 1])[0], together[at])


def test_calls_of_several_threads_do_not_mix_their_frames(on_cuda: OpenClipEncoder) -> None:
    calls = [draw_frames(on_cuda.batch_frames // PARTS * 2 + 3, seed) for seed in range(6)]
    alone = [on_cuda.encode_prepared(frames) for frames in calls]
    with ThreadPoolExecutor(3) as pool:
        for _ in range(3):
            for one, other in zip(alone, pool.map(on_cuda.encode_prepared, calls), strict=True):
                np.testing.assert_array_equal(one, other)


def test_a_device_with_little_memory_gets_a_smaller_batch(spec: str, with_little_memory: None) -> None:
    encoder = OpenClipEncoder(spec)
    tower = DeviceTower(encoder._model.to("cuda"), torch.device("cuda"), lambda frames: frames.float() / 255)
    assert tower.batch >= 32
    frames = draw_frames(tower.batch + 1)
    with ThreadPoolExecutor(2) as pool:  # as many calls at once as an ingest makes
        for vectors in pool.map(tower, [frames] * 6):
            assert vectors.shape == (tower.batch + 1, encoder.dim)
