"""Bring the ``shot_embeddings/<encoder_id>`` table of some partitions up to date.

Stands alone because this is where a re-run becomes a no-op: ``input_hash`` names everything a vector was
computed from (the shot's frames, the proxy's version, how many frames were looked at), so only vectors
whose input changed are computed again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from datetime import datetime
from itertools import groupby
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ops.core.settings import Settings
from ops.core.tables import digest_of
from ops.core.types import Progress, StepReport
from ops.embeddings import checks
from ops.embeddings.embed import ShotToEmbed, ShotVector, embed_shots
from ops.embeddings.encoder import load_encoder
from ops.embeddings.scaled import embed_on_cluster
from ops.shots.build import shots_of
from ops.shots.segment import proxy_key
from ops.videos import catalogue


def table_of(encoder_id: str) -> str:
    """Name of the lake table that holds an encoder's vectors."""
    return f"shot_embeddings/{encoder_id}"


def embeddings_of(settings: Settings, encoder_id: str, video_id: str) -> list[dict[str, Any]]:
    """Rows of one video's vectors."""
    rows: list[dict[str, Any]] = settings.lake.read(table_of(encoder_id), [settings.partition_of(video_id)]).to_pylist()
    return [row for row in rows if row["video_id"] == video_id]


def input_hash(shot: dict[str, Any], frames_per_shot: int) -> str:
    """Hash of all that a shot's vector depends on beside the encoder: 16 hex digits of BLAKE2b."""
    text = f"{shot['shot_id']}-{shot['end_frame']} {shot['detector']} {frames_per_shot}"
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def build_embeddings(
    settings: Settings, encoder_id: str, partitions: Sequence[str], now: datetime, progress: Progress
) -> StepReport:
    """Embed every shot of the partitions whose vector is missing or out of date.

    A video's rows are written as soon as its last shot is embedded. The encoder is loaded only if there
    is something to embed.
    """
    with settings.working():
        return _build(settings, encoder_id, partitions, now, progress)


def _build(
    settings: Settings, encoder_id: str, partitions: Sequence[str], now: datetime, progress: Progress
) -> StepReport:
    table = table_of(encoder_id)
    changed = sum(settings.lake.ensure(table, partition) for partition in partitions)
    todo: list[dict[str, Any]] = []
    for video in catalogue.videos_of(settings.lake, partitions):
        shots = shots_of(settings, video["video_id"])
        stored = {row["shot_id"]: row for row in embeddings_of(settings, encoder_id, video["video_id"])}
        if embeddings_are_current(settings, shots, stored):
            rows = [stored[shot["shot_id"]] | {"show": shot["show"], "created_timestamp": now} for shot in shots]
            changed += settings.lake.update(table, settings.partition_of(video["video_id"]), video["video_id"], rows)
        else:
            todo.extend(shots)
    changed += _embed(settings, encoder_id, todo, now, progress)
    return _report(settings, table, partitions, changed)


def embeddings_are_current(
    settings: Settings, shots: Sequence[dict[str, Any]], stored: dict[str, dict[str, Any]]
) -> bool:
    """Whether every shot has its vector, computed from its present input, and no other vector is there."""
    wanted = {shot["shot_id"]: input_hash(shot, settings.frames_per_shot) for shot in shots}
    return wanted == {shot_id: row["input_hash"] for shot_id, row in stored.items()}


def _embed(settings: Settings, encoder_id: str, shots: list[dict[str, Any]], now: datetime, progress: Progress) -> int:
    """Embed shots, in their order, and write each video's rows when it is complete."""
    progress.start("embeddings", len(shots), "shots")
    changed = 0
    if shots:
        wanted = [
            ShotToEmbed(
                shot_id=shot["shot_id"],
                proxy_key=proxy_key(shot["video_id"], shot["start_frame"], shot["end_frame"]),
                frames=shot["end_frame"] - shot["start_frame"],
            )
            for shot in shots
        ]
        embed = embed_on_cluster if settings.engine == "ray" else _embed_here
        with closing(embed(wanted, settings, encoder_id)) as vectors:
            pairs = _counted(zip(shots, vectors, strict=True), progress)
            for video_id, group in groupby(pairs, key=lambda pair: pair[0]["video_id"]):
                rows = [_row(settings, shot, vector, now) for shot, vector in group]
                changed += settings.lake.update(table_of(encoder_id), settings.partition_of(video_id), video_id, rows)
    progress.finish("embeddings")
    return changed


def _embed_here(shots: Sequence[ShotToEmbed], settings: Settings, encoder_id: str) -> Generator[ShotVector, None, None]:
    encoder = load_encoder(encoder_id, settings.home, part="both")
    yield from embed_shots(shots, settings.store, encoder, frames_per_shot=settings.frames_per_shot)


def _counted(
    pairs: Iterator[tuple[dict[str, Any], ShotVector]], progress: Progress
) -> Iterator[tuple[dict[str, Any], ShotVector]]:
    for pair in pairs:
        progress.advance("embeddings")
        yield pair


def _row(settings: Settings, shot: dict[str, Any], vector: ShotVector, now: datetime) -> dict[str, Any]:
    return {
        "shot_id": shot["shot_id"],
        "video_id": shot["video_id"],
        "show": shot["show"],
        "embedding": vector.embedding,
        "vector_hash": vector.vector_hash,
        "frames_used": vector.frames_used,
        "input_hash": input_hash(shot, settings.frames_per_shot),
        "event_timestamp": shot["event_timestamp"],
        "created_timestamp": now,
    }


def _report(settings: Settings, table: str, partitions: Sequence[str], changed: int) -> StepReport:
    by_partition: dict[str, dict[str, Any]] = {name: {"embedded": 0} for name in partitions}
    stored = settings.lake.read(table, partitions)
    rows = stored.select(["shot_id", "video_id", "vector_hash", "frames_used"]).to_pylist()
    for row in rows:
        by_partition[settings.partition_of(row["video_id"])]["embedded"] += 1
    shot_ids = settings.lake.read("shots", partitions, ["shot_id"])["shot_id"].to_pylist()
    return StepReport(
        changed=changed,
        data_version=digest_of((row["shot_id"], row["vector_hash"]) for row in rows),
        details={"embedded": len(rows), "frames": sum(row["frames_used"] for row in rows)},
        by_partition=by_partition,
        checks=[
            checks.unit_vectors(matrix_of(stored["embedding"])),
            checks.complete(shot_ids, [row["shot_id"] for row in rows]),
        ],
    )


def matrix_of(column: pa.ChunkedArray) -> NDArray[np.float32]:
    """An ``embedding`` column as a float32 matrix (N, D), (0, 0) where it is empty."""
    flat: NDArray[np.float32] = pc.list_flatten(column).to_numpy().astype(np.float32, copy=False)
    return flat.reshape(len(column), -1) if len(column) else flat.reshape(0, 0)
