"""Embed shots: proxies stream from the object store while the model works.

Reader threads fetch, decode and scale a few shots ahead. The model takes batches across shots in another thread, or in
several if the encoder wants more than one call at the same time. Results are in order. Every queue is bounded, so
memory does not grow with the catalogue. Legend: N frames, D dimensions.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import EncoderError, ProxyError, take_first_sentence
from ops.core.settings import count_cores
from ops.core.storage import ObjectStore
from ops.embeddings.encoder import Encoder, Prepare
from ops.embeddings.frames import read_frames, sample_positions
from ops.embeddings.motion import EVERY, LAG, measure_motion

In = TypeVar("In")
Out = TypeVar("Out")

Cause = Literal["proxy", "encoder"]

IMAGE_ERRORS = (ValueError, ArithmeticError, RuntimeError, MemoryError)
"""Errors that numpy, Pillow, torch and onnxruntime raise for images that they cannot process.

Our own ``EncoderError`` is about the encoder; a ``TypeError`` or ``KeyError`` is a bug of the program. Both end the
run.
"""
_TEST_SIDE = 64
_BATCHES_AHEAD = 1  # a batch that is ready for each in the model, so that it does not wait for the reader of the next


@dataclass(frozen=True, kw_only=True)
class ShotToEmbed:
    """A shot by id, the key of its proxy in the object store, and the proxy's length in frames.

    ``only_ends``: only its first and its last sampled frame are encoded, for a shot that has its vector already.
    """

    shot_id: str
    proxy_key: str
    frames: int
    only_ends: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class ShotVector:
    """A shot's vector: ``embedding`` (D,) float32 of unit length, computed from ``frames_used`` frames.

    ``first`` and ``last`` (D,) are the vectors of the first and the last of these frames, before pooling. ``motion``
    (5,) is that of ``measure_motion``.
    """

    shot_id: str
    embedding: NDArray[np.float32]
    first: NDArray[np.float32]
    last: NDArray[np.float32]
    motion: NDArray[np.float32]
    vector_hash: str
    frames_used: int


@dataclass(frozen=True, kw_only=True)
class UnusableShot:
    """A shot that cannot be read (``cause`` is "proxy") or embedded ("encoder"), with the reason for the user."""

    shot_id: str
    cause: Cause
    reason: str


@dataclass(kw_only=True)
class EncodingTimes:
    """Seconds of an encoder, added up over encoders that work in parallel.

    Each moment counts once: as ``busy_s`` if a batch is in the encoder, else as ``copy_s`` if prepared frames are
    brought together for it or its vectors are pooled, else as ``waiting_s``. The time before the first batch and after
    the last one is not counted.
    """

    busy_s: float = 0.0
    copy_s: float = 0.0
    waiting_s: float = 0.0

    @property
    def waiting_share(self) -> float:
        """Share of the time in which the encoder had no input; 0 before the second batch."""
        total_s = self.busy_s + self.copy_s + self.waiting_s
        return self.waiting_s / total_s if total_s else 0.0


class EncodingClock:
    """Adds the time of one encoder to ``times``; its batches may be in several threads."""

    def __init__(self, times: EncodingTimes) -> None:
        self.times = times
        self._changing = threading.Lock()
        self._running = {"busy": 0, "copy": 0}
        self._since_s: float | None = None

    @contextmanager
    def measure(self, state: Literal["busy", "copy"]) -> Iterator[None]:
        """Count the block as time in which the encoder works (``busy``), or in which its input or output is copied."""
        self._change(state, 1)
        try:
            yield
        finally:
            self._change(state, -1)

    def _change(self, state: str, by: int) -> None:
        with self._changing:
            now_s = time.monotonic()
            if self._since_s is not None:
                current = next((name for name, count in self._running.items() if count), "waiting")
                past_s = getattr(self.times, f"{current}_s")
                setattr(self.times, f"{current}_s", past_s + now_s - self._since_s)
            self._running[state] += by
            self._since_s = now_s


@dataclass(frozen=True, kw_only=True, eq=False)
class PreparedShot:
    """A read shot: frames in the input format of the model, first axis N, and ``motion`` (5,)."""

    shot_id: str
    frames_N: NDArray[Any]
    motion: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class UnpreparedShot:
    """A shot whose frames were read, and could not be prepared: the fault of the shot, or of the encoder."""

    shot_id: str
    reason: str


ReadShot = PreparedShot | UnpreparedShot | UnusableShot
"""A shot between reading and encoding."""


def hash_vector(embedding_D: NDArray[np.float32]) -> str:
    """32 hex digits of BLAKE2b over the vector's little-endian float32 bytes."""
    data = np.ascontiguousarray(embedding_D, dtype="<f4").tobytes()
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def map_ahead(pool: ThreadPoolExecutor, work: Callable[[In], Out], items: Iterable[In], ahead: int) -> Iterator[Out]:
    """``map`` over a pool, in order, with at most ``ahead`` results running or waiting."""
    left = iter(items)
    waiting: deque[Future[Out]] = deque(pool.submit(work, item) for item in islice(left, ahead))
    while waiting:
        result = waiting.popleft().result()
        waiting.extend(pool.submit(work, item) for item in islice(left, 1))
        yield result


def embed_shots(
    shots: Iterable[ShotToEmbed],
    store: ObjectStore,
    encoder: Encoder,
    *,
    frames_per_shot: int = 8,
    batch_frames: int | None = None,
    readers: int | None = None,
    on_progress: Callable[[int], None] | None = None,
    times: EncodingTimes | None = None,
) -> Iterator[ShotVector | UnusableShot]:
    """Embed shots, in their order: the vectors of N frames, pooled by the encoder (most take the mean).

    Frames are the centres of ``frames_per_shot`` equal parts; if a shot is shorter, all its frames are used. A vector
    depends on the proxy and the encoder only, not on ``batch_frames`` (default: the encoder's) or ``readers`` (threads,
    default: cores). ``on_progress`` gets 1 after each shot, ``times`` the seconds of the encoder. If a shot cannot be
    read or embedded, its result is an ``UnusableShot``, and the others go on.

    Raises ``StorageError`` if the store cannot be read, and ``EncoderError`` if the encoder also fails on a test image.
    """
    size = max(1, batch_frames or encoder.batch_frames)
    count = max(1, readers or count_cores())
    batches_ahead = encoder.parallel_calls + _BATCHES_AHEAD
    # Enough shots ahead for the batches in the model, one waiting, and every reader busy.
    ahead = count + batches_ahead * -(-size // max(1, frames_per_shot))
    reading = ThreadPoolExecutor(count, thread_name_prefix="needle-read")
    running = ThreadPoolExecutor(encoder.parallel_calls, thread_name_prefix="needle-model")

    def prepare(shot: ShotToEmbed) -> ReadShot:
        return prepare_shot(shot, store, encoder.prepare, frames_per_shot)

    clock = EncodingClock(times or EncodingTimes())

    def encode(batch: list[ReadShot]) -> list[ShotVector | UnusableShot]:
        return encode_shots(batch, encoder, clock)

    try:
        prepared_shots = map_ahead(reading, prepare, shots, ahead)
        batches = group_batches(prepared_shots, size)
        for results in map_ahead(running, encode, batches, batches_ahead):
            for result in results:
                if on_progress:
                    on_progress(1)
                yield result
    finally:
        reading.shutdown(wait=True, cancel_futures=True)
        running.shutdown(wait=True, cancel_futures=True)


def group_batches(read_shots: Iterable[ReadShot], size: int) -> Iterator[list[ReadShot]]:
    """Group whole shots into batches of at least ``size`` frames; a shot without frames counts as one."""
    batch: list[ReadShot] = []
    frames = 0
    for item in read_shots:
        batch.append(item)
        frames += len(item.frames_N) if isinstance(item, PreparedShot) else 1
        if frames >= size:
            yield batch
            batch, frames = [], 0
    if batch:
        yield batch


def prepare_shot(shot: ShotToEmbed, store: ObjectStore, prepare: Prepare, frames_per_shot: int) -> ReadShot:
    """Read the sampled frames of a shot, prepare them for the model, and measure motion. Needs no model.

    Raises ``StorageError`` if the store cannot be read.
    """
    positions = sample_positions(shot.frames, frames_per_shot)
    pair_starts = [at for at in positions[::EVERY] if at + LAG < shot.frames]
    if shot.only_ends:
        positions = [*positions[:1], *positions[1:][-1:]]
    if not positions:
        return UnusableShot(shot_id=shot.shot_id, cause="proxy", reason="it has no frames")
    try:
        frame_numbers = sorted({*positions, *pair_starts, *(at + LAG for at in pair_starts)})
        wanted_NHWC = read_frames(store, shot.proxy_key, frame_numbers, shot.frames)
    except ProxyError as error:
        reason = f"its proxy ({store.uri(shot.proxy_key)}) {error}"
        return UnusableShot(shot_id=shot.shot_id, cause="proxy", reason=reason)
    row = {position: number for number, position in enumerate(frame_numbers)}
    motion = measure_motion(
        wanted_NHWC[[row[at] for at in pair_starts]], wanted_NHWC[[row[at + LAG] for at in pair_starts]]
    )
    try:
        frames_N = prepare(wanted_NHWC[[row[at] for at in positions]])
    except IMAGE_ERRORS as error:
        return UnpreparedShot(shot_id=shot.shot_id, reason=take_first_sentence(error))
    return PreparedShot(shot_id=shot.shot_id, frames_N=frames_N, motion=motion)


def encode_shots(batch: Sequence[ReadShot], encoder: Encoder, clock: EncodingClock) -> list[ShotVector | UnusableShot]:
    """Encode one batch; results in its order. Raises ``EncoderError`` if the encoder also fails on a test image."""
    prepared_shots = [entry for entry in batch if isinstance(entry, PreparedShot)]
    try:
        results = _encode_batch(prepared_shots, encoder, clock)
    except IMAGE_ERRORS:  # the cause is one shot of the batch, or the size of the batch
        results = [_encode_alone(entry, encoder, clock) for entry in prepared_shots]
    left = iter(results)
    return [next(left) if isinstance(entry, PreparedShot) else _skip(entry, encoder) for entry in batch]


def _skip(entry: UnpreparedShot | UnusableShot, encoder: Encoder) -> UnusableShot:
    return entry if isinstance(entry, UnusableShot) else _refuse(entry.shot_id, encoder, entry.reason)


def _encode_alone(entry: PreparedShot, encoder: Encoder, clock: EncodingClock) -> ShotVector | UnusableShot:
    try:
        return _encode_batch([entry], encoder, clock)[0]
    except IMAGE_ERRORS as error:
        return _refuse(entry.shot_id, encoder, take_first_sentence(error))


def _encode_batch(
    prepared_shots: list[PreparedShot], encoder: Encoder, clock: EncodingClock
) -> list[ShotVector | UnusableShot]:
    if not prepared_shots:
        return []
    with clock.measure("copy"):
        frames_N = np.concatenate([entry.frames_N for entry in prepared_shots])
    with clock.measure("busy"):
        frame_vectors_ND = encoder.encode_prepared(frames_N)
    with clock.measure("copy"):
        ends = np.cumsum([len(entry.frames_N) for entry in prepared_shots])
        parts = np.split(frame_vectors_ND, ends[:-1])
        return [_pool(entry, part, encoder) for entry, part in zip(prepared_shots, parts, strict=True)]


def _pool(entry: PreparedShot, frame_vectors_ND: NDArray[np.float32], encoder: Encoder) -> ShotVector | UnusableShot:
    shot_id = entry.shot_id
    embedding = encoder.pool(frame_vectors_ND)
    if not np.isfinite(embedding).all():
        return _refuse(shot_id, encoder, "its vector is NaN, or of zero length")
    return ShotVector(
        shot_id=shot_id,
        embedding=embedding,
        first=np.array(frame_vectors_ND[0], np.float32),  # copies: a view would keep the whole batch in memory
        last=np.array(frame_vectors_ND[-1], np.float32),
        motion=entry.motion,
        vector_hash=hash_vector(embedding),
        frames_used=len(frame_vectors_ND),
    )


def _refuse(shot_id: str, encoder: Encoder, reason: str) -> UnusableShot:
    """A shot that the encoder cannot embed. Raises ``EncoderError`` if it cannot embed a test image either."""
    image_HWC = np.random.default_rng(0).integers(0, 256, (_TEST_SIDE, _TEST_SIDE, 3), np.uint8)
    try:
        works = bool(np.isfinite(encoder.pool(encoder.encode_frames(image_HWC[None]))).all())
    except IMAGE_ERRORS:
        works = False
    if not works:
        raise EncoderError(
            f"encoder {encoder.encoder_id} gave no usable vector for shot {shot_id} ({reason}), nor for a test "
            "picture: check its weights with `needle evaluate`"
        )
    return UnusableShot(shot_id=shot_id, cause="encoder", reason=f"the encoder cannot embed it: {reason}")
