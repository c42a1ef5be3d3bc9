"""Embed shots on a Ray cluster in three stages over all shots: read (tasks), encode (actors), write (the caller).

Reading needs CPUs of any node, and no model; there is one encoder per GPU or, without GPUs, per CPU. Ray Data scales
each stage by itself and keeps a bounded number of read shots waiting. Legend: N shots of a block, D dimensions.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from ops.cluster.batches import Stage, run_stages
from ops.cluster.session import Cluster, open_cluster
from ops.core import errors
from ops.core.errors import EncoderError, NeedleError
from ops.core.settings import Settings
from ops.core.storage import ObjectStore
from ops.embeddings.embed import (
    Cause,
    EncodingClock,
    EncodingTimes,
    PreparedShot,
    ShotToEmbed,
    ShotVector,
    UnpreparedShot,
    UnusableShot,
    encode_shots,
    group_batches,
    prepare_shot,
)
from ops.embeddings.encoder import Encoder, Prepare, load_encoder, load_preparation
from ops.embeddings.registry import EncoderRegistry

BLOCK_SHOTS = 32
"""Enough for a large batch of a GPU, few enough that a lost worker loses little: about 40 MB of prepared frames."""

_VECTOR = pa.list_(pa.float32())
_FAILURE = [("cause", pa.string()), ("reason", pa.string()), ("kind", pa.string()), ("error", pa.string())]
_READ = pa.schema(
    [
        ("shot_id", pa.string()),
        ("frames", pa.large_binary()),
        ("dtype", pa.string()),
        ("shape", pa.list_(pa.int32())),
        ("motion", _VECTOR),
        *_FAILURE,
    ]
)
"""Prepared frames of a shot; ``cause`` and ``reason`` of a skipped one.

``kind`` and ``error`` are one of our errors that ended the stage. They replace an exception, because Ray would wrap it
in its own words.
"""
_RESULT_SCHEMA = pa.schema(
    [
        ("shot_id", pa.string()),
        ("embedding", _VECTOR),
        ("first", _VECTOR),
        ("last", _VECTOR),
        ("motion", _VECTOR),
        ("vector_hash", pa.string()),
        ("frames_used", pa.int64()),
        *_FAILURE,
        ("busy_s", pa.float64()),
        ("copy_s", pa.float64()),
        ("waiting_s", pa.float64()),
    ]
)
"""Vectors of a shot; the first row of a block has the encoder's seconds of all of it."""
_PREPARATION = "prepare"


@dataclass(frozen=True, kw_only=True)
class EmbeddingJob:
    """Everything that a worker needs to know. Picklable. ``frames`` is about the number of all frames."""

    root: str
    home: str
    spec: str
    encoder_id: str
    frames_per_shot: int
    frames: int


def embed_on_cluster(
    shots: Sequence[ShotToEmbed], settings: Settings, encoder_id: str, times: EncodingTimes | None = None
) -> Generator[ShotVector | UnusableShot, None, None]:
    """Results of shots, in their order, as from :func:`embed_shots`; the same errors, and ``ClusterError``.

    ``times`` gets the seconds of all encoders together. Every node must reach the object store under its address, and
    have the encoder's weights: those of ``finetuned`` are in the home.
    """
    table = pa.Table.from_pylist([vars(shot) for shot in shots])
    job = EmbeddingJob(
        root=settings.store.root,
        home=str(settings.home),
        spec=EncoderRegistry(settings.home).find_spec(encoder_id) or encoder_id,
        encoder_id=encoder_id,
        frames_per_shot=settings.frames_per_shot,
        frames=len(shots) * settings.frames_per_shot,
    )
    with open_cluster(settings.ray_address) as session:
        for block in run_stages(table, _plan_stages(session, job), session, block_rows=BLOCK_SHOTS):
            yield from _parse_results(block, times or EncodingTimes())


def _plan_stages(session: Cluster, job: EmbeddingJob) -> list[Stage]:
    """Reading takes a hundredth of an encoder's time on a CPU, and on a GPU the CPUs that are there."""
    arguments = {"job": job}
    if session.gpus:
        return [
            Stage(work=read_block, arguments=arguments, cpus=1.0),
            Stage(work=BlockEncoder, arguments=arguments, cpus=0.5, gpus=1.0, most=session.gpus),
        ]
    return [
        Stage(work=read_block, arguments=arguments, cpus=0.1, most=session.cpus),
        Stage(work=BlockEncoder, arguments=arguments, cpus=0.9, most=session.cpus),
    ]


def read_block(block: pa.Table, job: EmbeddingJob) -> pa.Table:
    """Read and prepare the frames of a block of shots; the work of one task."""
    rows = []
    try:
        prepare, store = _load_preparation(job.spec, job.home), ObjectStore(job.root)
        for row in block.to_pylist():
            rows.append(_build_read_row(prepare_shot(ShotToEmbed(**row), store, prepare, job.frames_per_shot)))
    except NeedleError as failure:
        rows = [{"kind": type(failure).__name__, "error": str(failure)}]
    return pa.Table.from_pylist(rows, schema=_READ)


@cache
def _load_preparation(spec: str, home: str) -> Prepare:
    """Once per process, which Ray uses for many tasks."""
    return load_preparation(spec, Path(home))


def _build_read_row(entry: PreparedShot | UnpreparedShot | UnusableShot) -> dict[str, object]:
    if isinstance(entry, UnusableShot):
        return {"shot_id": entry.shot_id, "cause": entry.cause, "reason": entry.reason}
    if isinstance(entry, UnpreparedShot):
        return {"shot_id": entry.shot_id, "cause": _PREPARATION, "reason": entry.reason}
    return {
        "shot_id": entry.shot_id,
        "frames": np.ascontiguousarray(entry.frames_N).tobytes(),
        "dtype": str(entry.frames_N.dtype),
        "shape": entry.frames_N.shape,
        "motion": entry.motion,
    }


def _parse_read_rows(block: pa.Table) -> Iterator[PreparedShot | UnpreparedShot | UnusableShot]:
    for number, row in enumerate(block.drop_columns(["frames"]).to_pylist()):
        if row["cause"] == _PREPARATION:
            yield UnpreparedShot(shot_id=row["shot_id"], reason=row["reason"])
        elif row["cause"]:
            yield UnusableShot(shot_id=row["shot_id"], cause=row["cause"], reason=row["reason"])
        else:
            frames = np.frombuffer(block["frames"][number].as_buffer(), row["dtype"])
            motion = np.array(row["motion"], np.float32)
            yield PreparedShot(shot_id=row["shot_id"], frames_N=frames.reshape(row["shape"]), motion=motion)


class BlockEncoder:
    """The work of one actor: it loads the encoder once, and encodes blocks of read shots one after the other."""

    def __init__(self, job: EmbeddingJob) -> None:
        self._job = job
        self._encoder: Encoder | None = None
        self._clock = EncodingClock(EncodingTimes())

    def __call__(self, block: pa.Table) -> pa.Table:
        """Encode a block; return its columns, or one row with the error that ended it."""
        failures = [row for row in block.select(["kind", "error"]).to_pylist() if row["kind"]]
        if failures:
            return pa.Table.from_pylist(failures[:1], schema=_RESULT_SCHEMA)
        times = self._clock.times = EncodingTimes()
        results: list[ShotVector | UnusableShot] = []
        try:
            encoder = self._load_once()
            for batch in group_batches(_parse_read_rows(block), encoder.batch_frames):
                results += encode_shots(batch, encoder, self._clock)
        except NeedleError as failure:
            return pa.Table.from_pylist(
                [{"kind": type(failure).__name__, "error": str(failure)}], schema=_RESULT_SCHEMA
            )
        rows = [vars(result) for result in results]
        rows[0] = rows[0] | vars(times)
        return pa.Table.from_pylist(rows, schema=_RESULT_SCHEMA)

    def _load_once(self) -> Encoder:
        if self._encoder is None:
            spec, expected_id = self._job.spec, self._job.encoder_id
            encoder = load_encoder(spec, Path(self._job.home), threads=1, frames=self._job.frames)
            if encoder.encoder_id != expected_id:
                raise EncoderError(
                    f"a node has other weights of {spec}: {encoder.encoder_id} instead of {expected_id}; "
                    "let all nodes see the same files"
                )
            self._encoder = encoder
        return self._encoder


def _parse_results(block: pa.Table, times: EncodingTimes) -> Iterator[ShotVector | UnusableShot]:
    for row in block.to_pylist():
        if row["kind"]:
            raise getattr(errors, row["kind"])(row["error"])
        times.busy_s += row["busy_s"] or 0.0
        times.copy_s += row["copy_s"] or 0.0
        times.waiting_s += row["waiting_s"] or 0.0
        if row["reason"]:
            cause: Cause = "proxy" if row["cause"] == "proxy" else "encoder"
            yield UnusableShot(shot_id=row["shot_id"], cause=cause, reason=row["reason"])
            continue
        yield ShotVector(
            shot_id=row["shot_id"],
            embedding=np.array(row["embedding"], np.float32),
            first=np.array(row["first"], np.float32),
            last=np.array(row["last"], np.float32),
            motion=np.array(row["motion"], np.float32),
            vector_hash=row["vector_hash"],
            frames_used=row["frames_used"],
        )
