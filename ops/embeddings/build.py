"""Bring the tables ``shot_embeddings``, ``shot_ends`` and ``shot_motion`` of some partitions up to date.

Stands alone because it makes a re-run a no-op: ``hash_inputs`` covers all inputs of a vector (the shot's frames, the
proxy's version, the number of frames per shot), so only vectors with changed inputs are computed again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ops.core.errors import DamagedTableError
from ops.core.rows import LakeShot, LakeShotEnds, LakeShotMotion, LakeSkippedShot, LakeVector
from ops.core.settings import Settings
from ops.core.tables import compute_digest
from ops.core.types import Progress, StepReport
from ops.embeddings import checks
from ops.embeddings.embed import EncodingTimes, ShotToEmbed, ShotVector, UnusableShot, embed_shots
from ops.embeddings.encoder import load_encoder
from ops.embeddings.ends import build_ends_row, name_ends_table, read_ends
from ops.embeddings.motion import TABLE as MOTION
from ops.embeddings.motion import build_motion_row, read_motion
from ops.embeddings.scaled import embed_on_cluster
from ops.embeddings.set_aside import make_row, put_set_aside, read_valid_rows, set_aside_shots
from ops.shots.build import read_shots
from ops.shots.segment import make_proxy_key
from ops.videos import catalogue

STATE = ("shot_id", "video_id", "show", "input_hash")
"""Columns of a vector's row that decide whether it is current."""

MOST_REASONS = 20
"""Maximum number of skipped shots in the report of a step; all are in the table."""


def name_table(encoder_id: str) -> str:
    """Name of the lake table with an encoder's vectors."""
    return f"shot_embeddings/{encoder_id}"


def read_embeddings(settings: Settings, encoder_id: str, video_id: str) -> list[LakeVector]:
    """Rows of one video's vectors."""
    rows: list[LakeVector] = settings.lake.read(
        name_table(encoder_id), [settings.resolve_partition(video_id)]
    ).to_pylist()
    return [row for row in rows if row["video_id"] == video_id]


def hash_inputs(shot: LakeShot, frames_per_shot: int) -> str:
    """Hash of all inputs of a shot's vector except the encoder: 16 hex digits of BLAKE2b."""
    text = f"{shot['shot_id']}-{shot['end_frame']} {shot['detector']} {frames_per_shot}"
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def build_embeddings(
    settings: Settings, encoder_id: str, partitions: Sequence[str], now: datetime, progress: Progress
) -> StepReport:
    """Embed every shot of the partitions whose vector is missing or out of date.

    A shot that cannot be embedded is skipped with its reason. A video's rows are written as soon as its last shot is
    embedded. The encoder is loaded only if there are shots to embed.
    """
    with settings.hold_work_lock():
        return _build(settings, encoder_id, partitions, now, progress)


def _build(
    settings: Settings, encoder_id: str, partitions: Sequence[str], now: datetime, progress: Progress
) -> StepReport:
    table = name_table(encoder_id)
    changes = 0
    todo: list[VideoVectors] = []
    for video in catalogue.read_videos(settings.lake, partitions):
        if _is_unchanged(settings, encoder_id, video["video_id"]):
            continue
        vectors = load_vectors(settings, encoder_id, video["video_id"])
        if vectors.to_embed or vectors.incomplete:
            todo.append(vectors)
        else:
            changes += _write(settings, encoder_id, vectors, NewRows(), now)
    times = EncodingTimes()
    changes += _embed(settings, encoder_id, todo, now, progress, times)
    changes += sum(settings.lake.ensure(table, partition) for partition in partitions)
    return _report(settings, encoder_id, partitions, changes, times)


@dataclass(frozen=True, kw_only=True, eq=False)
class VideoVectors:
    """The state of one video: its shots in order; current vectors, ends, motion and ``set_aside`` rows, by shot id.

    ``stored`` counts all rows that the tables of vectors, ends and motion have of the video.
    """

    video_id: str
    shots: list[LakeShot]
    vectors: dict[str, LakeVector]
    set_aside: dict[str, LakeSkippedShot]
    ends: dict[str, LakeShotEnds]
    motion: dict[str, LakeShotMotion]
    stored: int

    @property
    def to_embed(self) -> list[LakeShot]:
        """Shots that have neither a vector nor a reason for its absence."""
        return [
            shot for shot in self.shots if shot["shot_id"] not in self.vectors and shot["shot_id"] not in self.set_aside
        ]

    @property
    def incomplete(self) -> list[LakeShot]:
        """Shots that have a vector, and no row for their first and last frame or for their motion."""
        complete_ids = self.ends.keys() & self.motion.keys()
        return [shot for shot in self.shots if shot["shot_id"] in self.vectors and shot["shot_id"] not in complete_ids]

    @property
    def is_current(self) -> bool:
        """Whether there is nothing to embed, and no stored vector is out of date or without its shot."""
        is_complete = not self.to_embed and not self.incomplete
        return is_complete and self.stored == len(self.vectors) + len(self.ends) + len(self.motion)


@dataclass(frozen=True, kw_only=True, eq=False)
class NewRows:
    """The rows of one video that a run computed."""

    vectors: list[LakeVector] = field(default_factory=list)
    skipped: list[LakeSkippedShot] = field(default_factory=list)
    ends: list[LakeShotEnds] = field(default_factory=list)
    motion: list[LakeShotMotion] = field(default_factory=list)


def load_vectors(settings: Settings, encoder_id: str, video_id: str) -> VideoVectors:
    """The vectors of one video, compared with its shots."""
    rows, shots = read_embeddings(settings, encoder_id, video_id), read_shots(settings, video_id)
    ends, motion = read_ends(settings, encoder_id, video_id), read_motion(settings, video_id)
    return compare_vectors(settings, encoder_id, video_id, shots, rows, ends, motion)


def has_current_vectors(settings: Settings, encoder_id: str, video_id: str) -> bool:
    """Whether every shot of a video has its vector or the reason for its absence. Does not read the vectors."""
    return _load_states(settings, encoder_id, video_id).is_current


def _load_states(settings: Settings, encoder_id: str, video_id: str) -> VideoVectors:
    """As :func:`load_vectors`, with rows that have only the columns ``STATE``.

    Vectors as Python floats are most of the cost of a run without work.
    """
    partition = settings.resolve_partition(video_id)
    rows: list[LakeVector] = settings.lake.read(name_table(encoder_id), [partition], STATE).to_pylist()
    video_rows = [row for row in rows if row["video_id"] == video_id]
    ends, motion = read_ends(settings, encoder_id, video_id, STATE), read_motion(settings, video_id, STATE)
    shots = read_shots(settings, video_id)
    return compare_vectors(settings, encoder_id, video_id, shots, video_rows, ends, motion)


def _is_unchanged(settings: Settings, encoder_id: str, video_id: str) -> bool:
    """Whether a run would write nothing for a video with shots: all is current and of the right show."""
    video = _load_states(settings, encoder_id, video_id)
    shows = {shot["shot_id"]: shot["show"] for shot in video.shots}
    rows = [*video.vectors.values(), *video.ends.values(), *video.motion.values()]
    is_named_right = all(row["show"] == shows[row["shot_id"]] for row in rows)
    return (
        bool(video.shots)
        and video.is_current
        and is_named_right
        and len(set_aside_shots(settings, encoder_id, [video_id])) == len(video.set_aside)
    )


def compare_vectors(
    settings: Settings,
    encoder_id: str,
    video_id: str,
    shots: list[LakeShot],
    rows: Sequence[LakeVector],
    ends_rows: Sequence[LakeShotEnds],
    motion_rows: Sequence[LakeShotMotion],
) -> VideoVectors:
    """As :func:`load_vectors`, from rows that are already read; ``shots`` in order."""
    inputs = {shot["shot_id"]: hash_inputs(shot, settings.frames_per_shot) for shot in shots}
    vectors = {row["shot_id"]: row for row in rows if inputs.get(row["shot_id"]) == row["input_hash"]}
    missing = [shot for shot in shots if shot["shot_id"] not in vectors]
    set_aside = read_valid_rows(settings, encoder_id, video_id, inputs, missing)
    inputs_of_vectors = {shot_id: inputs[shot_id] for shot_id in vectors}
    return VideoVectors(
        video_id=video_id,
        shots=shots,
        vectors=vectors,
        set_aside=set_aside,
        ends={row["shot_id"]: row for row in ends_rows if inputs_of_vectors.get(row["shot_id"]) == row["input_hash"]},
        # Of all shots: those that this encoder cannot embed have motion, too.
        motion={row["shot_id"]: row for row in motion_rows if inputs.get(row["shot_id"]) == row["input_hash"]},
        stored=len(rows) + len(ends_rows) + len(motion_rows),
    )


def _write(settings: Settings, encoder_id: str, video: VideoVectors, new: NewRows, now: datetime) -> int:
    """Write the current and the new rows of one video; return the number of changed tables."""
    vectors = video.vectors | {row["shot_id"]: row for row in new.vectors}
    ordered_rows = [
        vectors[shot["shot_id"]] | {"show": shot["show"], "created_timestamp": now}
        for shot in video.shots
        if shot["shot_id"] in vectors
    ]
    partition = settings.resolve_partition(video.video_id)
    changes = int(settings.lake.update(name_table(encoder_id), partition, video.video_id, ordered_rows))
    ends = video.ends | {row["shot_id"]: row for row in new.ends}
    ordered_ends = [
        ends[shot["shot_id"]] | {"show": shot["show"], "created_timestamp": now}
        for shot in video.shots
        if shot["shot_id"] in ends
    ]
    changes += settings.lake.update(name_ends_table(encoder_id), partition, video.video_id, ordered_ends)
    motion = video.motion | {row["shot_id"]: row for row in new.motion}
    ordered_motion = [
        motion[shot["shot_id"]] | {"show": shot["show"], "created_timestamp": now}
        for shot in video.shots
        if shot["shot_id"] in motion
    ]
    changes += settings.lake.update(MOTION, partition, video.video_id, ordered_motion)
    earlier = [row for row in video.set_aside.values() if row["shot_id"] not in vectors]
    return changes + put_set_aside(settings, encoder_id, video.video_id, [*earlier, *new.skipped])


def _embed(
    settings: Settings,
    encoder_id: str,
    videos: list[VideoVectors],
    now: datetime,
    progress: Progress,
    times: EncodingTimes,
) -> int:
    """Embed the missing vectors in order and write complete videos; return the number of changed tables.

    ``times`` gets the seconds of the encoder; with Ray, the sums over its actors.
    """
    shots = [(video, shot) for video in videos for shot in (*video.to_embed, *video.incomplete)]
    progress.start("embeddings", len(shots), "shots")
    changes = 0
    if shots:
        due_shots = [
            ShotToEmbed(
                shot_id=shot["shot_id"],
                proxy_key=make_proxy_key(shot["video_id"], shot["start_frame"], shot["end_frame"]),
                frames=shot["end_frame"] - shot["start_frame"],
                only_ends=shot["shot_id"] in video.vectors,
            )
            for video, shot in shots
        ]
        embed = embed_on_cluster if settings.engine == "ray" else _embed_here
        with closing(embed(due_shots, settings, encoder_id, times)) as results:
            pairs = zip(shots, results, strict=True)
            for video, group in groupby(pairs, key=lambda pair: pair[0][0]):
                new = NewRows()
                for (_, shot), result in group:
                    progress.advance("embeddings")
                    _add_rows(settings, video, shot, result, new, now, progress)
                changes += _write(settings, encoder_id, video, new, now)
    progress.finish("embeddings")
    return changes


def _add_rows(
    settings: Settings,
    video: VideoVectors,
    shot: LakeShot,
    result: ShotVector | UnusableShot,
    new: NewRows,
    now: datetime,
    progress: Progress,
) -> None:
    """Add the rows of one shot to ``new``; one that has its vector already gets only the others."""
    inputs, has_vector = hash_inputs(shot, settings.frames_per_shot), shot["shot_id"] in video.vectors
    if isinstance(result, UnusableShot):
        consequence = "its first and last frames and its motion are unknown: " if has_vector else ""
        progress.set_aside("embeddings", f"shot {shot['shot_id']}", f"{consequence}{result.reason}")
        if not has_vector:
            new.skipped.append(make_row(settings, shot, result, inputs, now))
            return
    elif not has_vector:
        new.vectors.append(_build_row(settings, shot, result, now))
    if shot["shot_id"] not in video.ends:
        new.ends.append(build_ends_row(shot, result, inputs, now))
    if shot["shot_id"] not in video.motion:
        motion = result.motion if isinstance(result, ShotVector) else None
        new.motion.append(build_motion_row(shot, motion, inputs, now))


def _embed_here(
    shots: Sequence[ShotToEmbed], settings: Settings, encoder_id: str, times: EncodingTimes
) -> Generator[ShotVector | UnusableShot, None, None]:
    encoder = load_encoder(encoder_id, settings.home, frames=len(shots) * settings.frames_per_shot)
    yield from embed_shots(shots, settings.store, encoder, frames_per_shot=settings.frames_per_shot, times=times)


def _build_row(settings: Settings, shot: LakeShot, vector: ShotVector, now: datetime) -> LakeVector:
    return {
        "shot_id": shot["shot_id"],
        "video_id": shot["video_id"],
        "show": shot["show"],
        "embedding": vector.embedding,
        "vector_hash": vector.vector_hash,
        "frames_used": vector.frames_used,
        "input_hash": hash_inputs(shot, settings.frames_per_shot),
        "event_timestamp": shot["event_timestamp"],
        "created_timestamp": now,
    }


def require_dimension(settings: Settings, encoder_id: str, partition: str, dim: int, known_dim: int) -> int:
    """Return the length of the vectors read so far: ``known_dim``, or ``dim`` of this partition if that is 0.

    A file fits only its encoder if another one disagrees, so the encoder is loaded only then. Raises
    ``DamagedTableError`` if the partition, or one read before it, has vectors of another length than the encoder.
    """
    if not dim or dim == (known_dim or dim):
        return known_dim or dim
    encoder_dim = load_encoder(encoder_id, settings.home, part="text").dim
    table = name_table(encoder_id)
    for name in [partition] if dim != encoder_dim else settings.lake.list_partitions(table):
        vectors = settings.lake.read(table, [name], ["embedding"])["embedding"]
        if len(vectors) and len(vectors[0]) != encoder_dim:
            path = settings.lake.path(f"{table}/{name}.parquet")
            fault = f"its vectors have {len(vectors[0])} dimensions, those of {encoder_id} {encoder_dim}"
            raise DamagedTableError(path, table, name, fault)
    return dim


def _read_vectors(settings: Settings, encoder_id: str, partitions: Sequence[str]) -> pa.Table:
    """Rows of the partitions. Raises ``DamagedTableError`` if one has vectors of another length than the encoder."""
    parts, known_dim = [], 0
    for name in partitions:
        part = settings.lake.read(name_table(encoder_id), [name])
        known_dim = require_dimension(
            settings, encoder_id, name, len(part["embedding"][0]) if len(part) else 0, known_dim
        )
        parts.append(part)
    return pa.concat_tables(parts) if parts else settings.lake.read(name_table(encoder_id), [])


def _report(
    settings: Settings, encoder_id: str, partitions: Sequence[str], changes: int, times: EncodingTimes
) -> StepReport:
    by_partition: dict[str, dict[str, int]] = {name: {"embedded": 0, "set_aside": 0} for name in partitions}
    stored_vectors = _read_vectors(settings, encoder_id, partitions)
    rows = stored_vectors.select(["shot_id", "video_id", "vector_hash", "frames_used"]).to_pylist()
    for row in rows:
        by_partition[settings.resolve_partition(row["video_id"])]["embedded"] += 1
    shots = settings.lake.read("shots", partitions, ["shot_id", "video_id"]).to_pylist()
    skipped_shots = set_aside_shots(settings, encoder_id, {row["video_id"] for row in shots})
    for row in skipped_shots:
        by_partition[settings.resolve_partition(row["video_id"])]["set_aside"] += 1
    return StepReport(
        changed=changes,
        data_version=compute_digest((row["shot_id"], row["vector_hash"]) for row in rows),
        details={
            "embedded": len(rows),
            "frames": sum(row["frames_used"] for row in rows),
            "encoder_seconds": round(times.busy_s, 3),
            "encoder_copy_seconds": round(times.copy_s, 3),
            "encoder_waiting_seconds": round(times.waiting_s, 3),
            "encoder_waiting_share": round(times.waiting_share, 4),
            "set_aside": {row["shot_id"]: row["reason"] for row in skipped_shots[:MOST_REASONS]},
        },
        by_partition=by_partition,
        checks=[
            checks.check_unit_vectors(convert_to_matrix(stored_vectors["embedding"])),
            checks.complete(
                [row["shot_id"] for row in shots],
                [row["shot_id"] for row in rows],
                [row["shot_id"] for row in skipped_shots],
            ),
        ],
    )


def convert_to_matrix(column: pa.ChunkedArray) -> NDArray[np.float32]:
    """An ``embedding`` column as a float32 matrix (N, D), (0, 0) if it is empty."""
    flat: NDArray[np.float32] = pc.list_flatten(column).to_numpy().astype(np.float32, copy=False)
    return flat.reshape(len(column), -1) if len(column) else flat.reshape(0, 0)
