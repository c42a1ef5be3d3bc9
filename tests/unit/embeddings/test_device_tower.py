"""The image tower of a GPU, run on a CPU: fixed batches, precision by agreement, and the search for a batch size."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from ops.embeddings.device_tower import LEAST_COSINE, DeviceTower, choose_precision, find_batch_size
from ops.embeddings.encoders.open_clip import OpenClipEncoder

TINY = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> OpenClipEncoder:
    import open_clip

    folder = tmp_path_factory.mktemp("clip")
    (folder / "needle-device.json").write_text(json.dumps(TINY))
    open_clip.add_model_config(folder / "needle-device.json")
    torch.manual_seed(3)
    torch.save(open_clip.create_model("needle-device").state_dict(), folder / "tiny.pt")
    return OpenClipEncoder(f"needle-device/{folder}/tiny.pt")


@pytest.fixture
def tower(encoder: OpenClipEncoder) -> DeviceTower:
    return DeviceTower(copy.deepcopy(encoder._model), torch.device("cpu"), encoder._normalise, batch=4)


def draw_frames(count: int) -> np.ndarray:
    return np.random.default_rng(5).integers(0, 256, (count, 3, 32, 32), np.uint8)


@pytest.mark.parametrize("count", [1, 4, 11])
def test_vectors_are_those_of_the_encoder_and_do_not_depend_on_the_others(
    encoder: OpenClipEncoder, tower: DeviceTower, count: int
) -> None:
    frames = draw_frames(count)
    vectors = tower(frames)
    assert vectors.dtype == np.float32 and vectors.shape == (count, 32)
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-5
    assert (vectors * encoder.encode_prepared(frames)).sum(axis=1).min() >= LEAST_COSINE
    np.testing.assert_array_equal(tower(frames[-1:])[0], vectors[-1])


def test_weights_are_in_bfloat16_only_if_their_vectors_agree(encoder: OpenClipEncoder) -> None:
    frames = torch.from_numpy(draw_frames(4))
    assert next(choose_precision(encoder._model.visual, frames).parameters()).dtype == torch.bfloat16

    class Sensitive(torch.nn.Module):
        """Differences of large numbers, of which bfloat16 keeps nothing."""

        def __init__(self) -> None:
            super().__init__()
            self.shift = torch.nn.Parameter(torch.tensor(1000.0))

        def forward(self, frames_NCHW: torch.Tensor) -> torch.Tensor:
            return (frames_NCHW.flatten(1) + self.shift) - self.shift

    class Mixed(Sensitive):
        """Refuses another precision than its own."""

        def forward(self, frames_NCHW: torch.Tensor) -> torch.Tensor:
            return frames_NCHW.flatten(1) @ torch.ones(3 * 32 * 32, 2)

    for refused in (Sensitive(), Mixed()):
        assert choose_precision(refused, frames) is refused


def test_the_batch_is_the_smallest_that_is_nearly_the_fastest() -> None:
    seconds = {32: 1.0, 64: 1.5, 128: 2.9, 256: 5.9, 512: 20.0}
    assert find_batch_size(seconds.__getitem__, tuple(seconds)) == 64


def test_a_batch_that_does_not_fit_ends_the_search() -> None:
    tried: list[int] = []

    def time_batch(size: int) -> float:
        tried.append(size)
        if size > 64:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return 1.0

    assert find_batch_size(time_batch) == 64 and tried == [32, 64, 128]
    with pytest.raises(torch.OutOfMemoryError):
        find_batch_size(time_batch, (128,))


def test_the_size_is_found_when_the_tower_is_made(encoder: OpenClipEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    timed: list[int] = []
    monkeypatch.setattr(DeviceTower, "_time", lambda self, frames: timed.append(len(frames)) or 1.0)
    assert DeviceTower(copy.deepcopy(encoder._model), torch.device("cpu"), encoder._normalise).batch == 256
    assert timed == [32, 64, 128, 256]


def test_batches_are_timed_with_their_copies(tower: DeviceTower) -> None:
    assert 0 < tower._time(draw_frames(4)) < 60


def test_the_next_copy_begins_before_a_batch_is_computed(tower: DeviceTower, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    copy, encode = tower._copy, tower._encode
    monkeypatch.setattr(tower, "_copy", lambda part: (events.append("copy"), copy(part))[1])
    monkeypatch.setattr(tower, "_encode", lambda each: (events.append("compute"), encode(each))[1])
    tower(draw_frames(10))
    assert events == ["copy", "copy", "compute", "copy", "compute", "compute"]


def test_no_frames_have_no_vectors(encoder: OpenClipEncoder, tmp_path: Path) -> None:
    assert encoder.encode_prepared(draw_frames(0)).shape == (0, 32)
