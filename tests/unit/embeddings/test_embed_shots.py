"""Embedding shots from their proxies: the right frames, in order, bounded, overlapping, repeatable."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.core.errors import EncoderError, ProxyError
from ops.core.storage import ObjectStore
from ops.embeddings.embed import EncodingTimes, ShotToEmbed, ShotVector, UnusableShot, embed_shots, hash_vector
from ops.embeddings.encoders.starter import StarterEncoder
from ops.embeddings.frames import read_frames, sample_positions
from ops.shots.proxies import ProxyFormat, ProxyWriter, read_proxy
from tests.builders.films import make_film, read_barcode

SOON_S = 5


class WatchedEncoder(StarterEncoder):
    """The starter encoder, which also notes what is under way; its model waits a little for ``ahead`` shots."""

    def __init__(self, home: Path, ahead: int = 0) -> None:
        super().__init__(home)
        self.ahead = ahead
        self.is_ahead = threading.Event()
        self.lock = threading.Lock()
        self.prepared = self.encoded = self.peak = 0
        self.prepared_while_encoding = 0
        self.is_encoding = False

    def prepare(self, frames_NHWC: np.ndarray) -> np.ndarray:
        result = super().prepare(frames_NHWC)
        with self.lock:
            self.prepared += len(result)
            self.peak = max(self.peak, self.prepared - self.encoded)
            self.prepared_while_encoding += self.is_encoding
            if self.prepared_while_encoding >= self.ahead:
                self.is_ahead.set()
        return result

    def encode_prepared(self, prepared_NHWC: np.ndarray) -> np.ndarray:
        self.is_encoding = True
        if self.ahead:  # not all of them need come while one batch is under way: reading ahead is bounded
            self.is_ahead.wait(SOON_S)
        result = super().encode_prepared(prepared_NHWC)
        with self.lock:
            self.encoded += len(result)
            self.is_encoding = False
        return result


@given(st.integers(0, 500), st.integers(1, 40))
def test_samples_are_distinct_ascending_and_centred(frames: int, count: int) -> None:
    positions = sample_positions(frames, count)
    assert len(positions) == min(frames, count)
    assert all(0 <= one < frames for one in positions) and sorted(set(positions)) == positions
    if frames > count:
        for part, position in enumerate(positions):
            assert abs(position + 0.5 - (part + 0.5) * frames / count) <= 1


def test_the_frames_read_are_the_frames_asked_for(proxy_store: ObjectStore, shots: list[ShotToEmbed]) -> None:
    for shot in shots:
        positions = sample_positions(shot.frames, 8)
        found = read_frames(proxy_store, shot.proxy_key, positions, shot.frames)
        assert [read_barcode(frame) for frame in found] == positions


def embedded(shots: list[ShotToEmbed], *arguments: Any, **options: Any) -> list[ShotVector]:
    """The vectors of shots that can all be embedded."""
    return [result for result in embed_shots(shots, *arguments, **options) if isinstance(result, ShotVector)]


NARROW = (2, 4, 6, 8, 12, 16, 24, 32, 48, 96, 144)
"""Widths of which decord2 3.4 cannot copy frames."""


@pytest.mark.parametrize("width", [*NARROW, 10, 142, 146])
def test_frames_are_exact_at_every_width(tmp_path: Path, width: int) -> None:
    """Each frame is of its own grey; what decord cannot copy is read by PyAV."""
    format_ = ProxyFormat(size=(width, 16), fps=Fraction(25), time_base=Fraction(1, 400), has_audio=False)
    writer = ProxyWriter(tmp_path / "proxy.mp4", format_)
    for number in range(24):
        picture = np.full((16, width, 3), 20 + 9 * number, np.uint8)
        writer.add_frame(av.VideoFrame.from_ndarray(picture).reformat(format="yuv420p"), 16 * number)
    writer.close(16 * 24)
    store = ObjectStore(str(tmp_path))
    positions = [1, 7, 12, 23]
    found = read_frames(store, "proxy.mp4", positions, 24)
    assert found.shape == (4, 16, width, 3)
    assert [round((float(frame.mean()) - 20) / 9) for frame in found] == positions
    with pytest.raises(ProxyError, match="has 24 frames instead of 25"):
        read_frames(store, "proxy.mp4", positions, 25)


@pytest.mark.parametrize("size", [(96, 128), (144, 256)])
def test_frames_of_narrow_proxies_carry_their_numbers(tmp_path: Path, size: tuple[int, int]) -> None:
    make_film(tmp_path / "a.mp4", cuts=(), frames=40, gop=12, width=size[0], height=size[1])
    positions = sample_positions(40, 8)
    found = read_frames(ObjectStore(str(tmp_path)), "a.mp4", positions, 40)
    assert [read_barcode(frame) for frame in found] == positions


def test_both_readers_give_the_same_bytes(proxy_store: ObjectStore, shots: list[ShotToEmbed]) -> None:
    shot = shots[5]
    positions = sample_positions(shot.frames, 8)
    with proxy_store.fetch_local_file(shot.proxy_key, Path()) as path:
        plain = read_proxy(path, positions, shot.frames)
    assert (plain == read_frames(proxy_store, shot.proxy_key, positions, shot.frames)).all()


def test_torch_survives_a_process_that_has_read_proxies(proxy_store: ObjectStore) -> None:
    """decord2 opens NVBLAS for all the process where torch's CUDA packages lie; then a Linear layer crashes."""
    program = f"""
from ops.core.storage import ObjectStore
from ops.embeddings.frames import read_frames
assert len(read_frames(ObjectStore({proxy_store.root!r}), "proxies/1.mp4", [0, 2], 3)) == 2
import torch
with torch.inference_mode():
    assert torch.nn.Linear(1280, 1000)(torch.ones(5, 1280)).shape == (5, 1000)
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def test_proxies_stream_from_a_store_that_is_no_folder(
    proxy_store: ObjectStore, shots: list[ShotToEmbed], starter: StarterEncoder
) -> None:
    remote = ObjectStore("memory://needle-proxies")
    for shot in shots[:3]:
        remote.write_bytes(shot.proxy_key, proxy_store.read_bytes(shot.proxy_key))
    far, near = (embedded(shots[:3], store, starter) for store in (remote, proxy_store))
    assert [vector.vector_hash for vector in far] == [vector.vector_hash for vector in near]
    (missing, *_) = embed_shots(shots[3:], remote, starter)
    assert isinstance(missing, UnusableShot) and "is missing" in missing.reason


def test_vectors_come_in_order_with_unit_length(
    proxy_store: ObjectStore, shots: list[ShotToEmbed], starter: StarterEncoder
) -> None:
    steps: list[int] = []
    found = embedded(shots, proxy_store, starter, on_progress=steps.append)
    assert [vector.shot_id for vector in found] == [shot.shot_id for shot in shots]
    assert [vector.frames_used for vector in found] == [min(8, shot.frames) for shot in shots]
    assert steps == [1] * len(shots)
    for vector in found:
        assert vector.embedding.shape == (starter.dim,) and vector.embedding.dtype == np.float32
        assert np.linalg.norm(vector.embedding) == pytest.approx(1, abs=1e-5)
        assert vector.vector_hash == hash_vector(vector.embedding)
    assert len({vector.vector_hash for vector in found}) == len(shots)


def test_a_vector_is_the_mean_of_its_frames_vectors(
    proxy_store: ObjectStore, shots: list[ShotToEmbed], starter: StarterEncoder
) -> None:
    shot = shots[3]
    frames = read_frames(proxy_store, shot.proxy_key, sample_positions(shot.frames, 4), shot.frames)
    mean = starter.encode_frames(frames).mean(axis=0)
    (vector,) = embedded([shot], proxy_store, starter, frames_per_shot=4)
    np.testing.assert_allclose(vector.embedding, mean / np.linalg.norm(mean), atol=1e-6)


def test_vectors_do_not_depend_on_batches_or_readers(
    proxy_store: ObjectStore, shots: list[ShotToEmbed], starter: StarterEncoder
) -> None:
    hashes = {
        tuple(
            vector.vector_hash for vector in embedded(shots, proxy_store, starter, batch_frames=batch, readers=readers)
        )
        for batch, readers in ((1, 1), (8, 2), (1000, 4))
    }
    assert len(hashes) == 1


def test_reading_goes_on_while_the_model_works_and_stays_bounded(
    proxy_store: ObjectStore, shots: list[ShotToEmbed], encoder_home: Path
) -> None:
    encoder = WatchedEncoder(encoder_home, ahead=3)
    taken = 0

    def counted() -> Iterator[ShotToEmbed]:
        nonlocal taken
        for shot in shots * 2:
            taken += 1
            yield shot

    vectors = embed_shots(counted(), proxy_store, encoder, batch_frames=8, readers=2)
    next(vectors)
    time.sleep(1.0)  # nobody takes results: reading must come to rest, not run through the catalogue
    assert taken < 16
    assert sum(1 for _ in vectors) == 2 * len(shots) - 1
    assert encoder.is_ahead.is_set(), "nothing is read while the model works"
    assert encoder.peak <= 8 * 16


@pytest.mark.parametrize(("slow_part", "least", "most"), [("reading", 0.4, 1.0), ("model", 0.0, 0.2)])
def test_the_report_has_the_time_in_which_the_encoder_had_no_frames(
    proxy_store: ObjectStore, shots: list[ShotToEmbed], encoder_home: Path, slow_part: str, least: float, most: float
) -> None:
    class SlowEncoder(StarterEncoder):
        def prepare(self, frames_NHWC: np.ndarray) -> np.ndarray:
            time.sleep(0.4 * (slow_part == "reading"))
            return frames_NHWC[:, :1, :1]

        def encode_prepared(self, prepared_NHWC: np.ndarray) -> np.ndarray:
            time.sleep(0.1 + 0.4 * (slow_part == "model"))
            return np.eye(1, self.dim, dtype=np.float32).repeat(len(prepared_NHWC), axis=0)

    times = EncodingTimes()
    vectors = list(embed_shots(shots, proxy_store, SlowEncoder(encoder_home), batch_frames=1, readers=1, times=times))
    assert len(vectors) == len(shots)
    assert 0.1 * len(shots) <= times.busy_s and times.copy_s < times.busy_s
    assert least <= times.waiting_share <= most
    assert EncodingTimes().waiting_share == 0


def test_leaving_early_stops_the_threads(
    proxy_store: ObjectStore, shots: list[ShotToEmbed], starter: StarterEncoder
) -> None:
    vectors = embed_shots(shots * 10, proxy_store, starter)
    next(vectors)
    vectors.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("needle-")]


def test_nothing_to_embed_is_fine(proxy_store: ObjectStore, starter: StarterEncoder) -> None:
    assert list(embed_shots([], proxy_store, starter)) == []


@pytest.mark.parametrize(
    ("key", "frames", "reason"),
    [
        ("proxies/none.mp4", 5, "is missing"),
        ("proxies/text.mp4", 5, "cannot be decoded"),
        ("proxies/empty.mp4", 5, "cannot be decoded"),
        ("proxies/2.mp4", 23, "has 24 frames instead of 23"),
        ("proxies/2.mp4", 0, "has no frames"),
    ],
)
def test_a_bad_proxy_is_named_with_its_shot(
    proxy_store: ObjectStore, starter: StarterEncoder, key: str, frames: int, reason: str
) -> None:
    proxy_store.write_bytes("proxies/text.mp4", b"this is no film" * 100)
    proxy_store.write_bytes("proxies/empty.mp4", b"")
    bad = ShotToEmbed(shot_id="fedcba9876543210:7", proxy_key=key, frames=frames)
    (found,) = embed_shots([bad], proxy_store, starter)
    assert isinstance(found, UnusableShot)
    assert (found.shot_id, found.cause) == ("fedcba9876543210:7", "proxy") and reason in found.reason


class BrokenEncoder(StarterEncoder):
    """A starter encoder whose weights went bad: every frame gives NaN."""

    def encode_prepared(self, prepared_NHWC: np.ndarray) -> Any:
        return super().encode_prepared(prepared_NHWC) * np.float32("nan")


def test_nan_is_an_error_that_names_the_shot(
    proxy_store: ObjectStore, shots: list[ShotToEmbed], encoder_home: Path
) -> None:
    with pytest.raises(EncoderError, match=shots[0].shot_id):
        list(embed_shots(shots[:1], proxy_store, BrokenEncoder(encoder_home)))


def test_a_vector_hash_is_of_the_bytes_whatever_the_layout() -> None:
    vector = np.arange(8, dtype=np.float32)
    assert hash_vector(vector) == hash_vector(vector.astype(">f4")) == hash_vector(np.repeat(vector, 2)[::2])
    assert hash_vector(vector) != hash_vector(-vector) and len(hash_vector(vector)) == 32
