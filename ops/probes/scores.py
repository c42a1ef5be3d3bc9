"""Score the catalogue with a probe's promoted version: the ``probe_scores/<probe>`` table.

One partition at a time, so that memory does not grow with the catalogue. A score is one product of a vector with the
probe's weights, so reading memory limits the speed, not arithmetic.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ops.core.columns import PROBE_SCORES
from ops.core.errors import NeedleError
from ops.core.history import take_later
from ops.core.schemas import KEPT_SCORES, SCORES
from ops.core.settings import Settings
from ops.core.tables import compute_digest
from ops.core.types import Progress, StepReport
from ops.embeddings.build import convert_to_matrix
from ops.embeddings.build import name_table as vectors_table
from ops.probes.pictures import MOST, picture_best_scores
from ops.probes.state import read_promoted_version
from ops.probes.versions import ProbeVersion

# Rounded, so that the last bits of another machine's arithmetic do not rewrite the table.
DECIMALS = 6
# Vectors per block: their margins stay in the cache while they become scores.
BLOCK = 16_384


def scores_table(label: str) -> str:
    """Return the name of the lake table with a probe's scores."""
    return f"{SCORES}/{label}"


def kept_scores_table(encoder_id: str, label: str) -> str:
    """Return the name of the lake table with a probe's scores for an encoder that is not live."""
    return f"{KEPT_SCORES}/{encoder_id}/{label}"


def score_blocks(
    blocks: Iterable[NDArray[np.float32]], weights_D: NDArray[np.float64], bias: float
) -> Iterator[NDArray[np.float32]]:
    """Yield probabilities (N,) float32 of each block (N, D) of vectors, rounded to six decimals."""
    weights, offset = weights_D.astype(np.float32), np.float32(bias)
    for block in blocks:
        margins = block @ weights
        margins += offset
        margins *= np.float32(0.5)
        scores = np.tanh(margins, out=margins)
        scores *= np.float32(0.5)
        scores += np.float32(0.5)
        yield np.round(scores, DECIMALS, out=scores)


def build_scores(settings: Settings, label: str, now: datetime, progress: Progress, kept_for: str = "") -> StepReport:
    """Score every shot whose score is missing or belongs to another version or vector.

    Deletes scores of partitions without vectors. Without a promoted version nothing is scored. ``kept_for`` computes
    the scores for an encoder that is not live, by its own version. Raises ``NeedleError`` if the version does not fit
    the vectors.
    """
    table = kept_scores_table(kept_for, label) if kept_for else scores_table(label)
    with settings.hold_work_lock():
        return _build(settings, label, read_promoted_version(settings, label, kept_for), table, now, progress)


def _build(
    settings: Settings, label: str, version: ProbeVersion | None, table: str, now: datetime, progress: Progress
) -> StepReport:
    names = settings.lake.list_partitions(vectors_table(version.encoder_id)) if version else []
    progress.start(f"scores {label}", len(names), "partitions")
    changes, existing = 0, set(settings.lake.list_partitions(table))
    for partition in names:
        if version and (partition not in existing or not _is_current(settings, version, table, partition)):
            rows = settings.lake.read(vectors_table(version.encoder_id), [partition])
            # equal scores get the new time too: it shows that they belong to these vectors
            changes += settings.lake.write(table, partition, _compute(version, rows, now), keep_created=False)
        progress.advance(f"scores {label}")
    if version:
        for stale in existing - set(names):
            settings.lake.delete(table, stale)
            changes += 1
    progress.finish(f"scores {label}")
    return _build_report(settings, version, table, changes)


def has_current_scores(settings: Settings, label: str, kept_for: str = "") -> bool:
    """Whether the probe's promoted version has scored every vector; true for a probe without one.

    ``kept_for`` checks the scores for an encoder that is not live.
    """
    version = read_promoted_version(settings, label, kept_for)
    if version is None:
        return True
    table = kept_scores_table(kept_for, label) if kept_for else scores_table(label)
    names = settings.lake.list_partitions(vectors_table(version.encoder_id))
    same = set(names) == set(settings.lake.list_partitions(table))
    return same and all(_is_current(settings, version, table, partition) for partition in names)


def _is_current(settings: Settings, version: ProbeVersion, table: str, partition: str) -> bool:
    """Whether the scores have the same shots and this version, and no vector is newer than its score."""
    vectors = settings.lake.read(vectors_table(version.encoder_id), [partition], ["shot_id", "created_timestamp"])
    columns = ["shot_id", "probe_version", "created_timestamp"]
    scores = settings.lake.read(table, [partition], columns)
    if not vectors["shot_id"].equals(scores["shot_id"]):
        return False
    if not len(scores):
        return True
    newer = pc.greater(vectors["created_timestamp"], scores["created_timestamp"])
    return not pc.any(newer).as_py() and pc.all(pc.equal(scores["probe_version"], version.version)).as_py()


def _compute(version: ProbeVersion, rows: pa.Table, now: datetime) -> pa.Table:
    vectors = convert_to_matrix(rows["embedding"])
    if len(vectors) and vectors.shape[1] != len(version.weights):
        raise NeedleError(
            f"probe {version.label} {version.version} was fitted on {len(version.weights)} dimensions, the vectors of "
            f"{version.encoder_id} have {vectors.shape[1]}: run `needle probe fit {version.label}`"
        )
    blocks = (vectors[at : at + BLOCK] for at in range(0, len(vectors), BLOCK))
    scores = [*score_blocks(blocks, version.linear.weights, version.bias), np.zeros(0, np.float32)]
    columns = {
        "shot_id": rows["shot_id"],
        "video_id": rows["video_id"],
        "score": pa.array(np.concatenate(scores), pa.float32()),
        "probe_version": pa.array([version.version] * len(rows), pa.string()),
        "event_timestamp": rows["event_timestamp"],
        # not before the vectors, which can have been computed on a machine whose clock is ahead
        "created_timestamp": take_later(rows["created_timestamp"], now),
    }
    return pa.table(columns).select(PROBE_SCORES.names).cast(PROBE_SCORES)


def _build_report(settings: Settings, version: ProbeVersion | None, table: str, changes: int) -> StepReport:
    if version is None:
        return StepReport(changed=0, data_version="none", details={"scored": 0, "why": "the probe was not fitted yet"})
    count, yes, pairs, best = 0, 0, [], list[tuple[float, str]]()
    for partition in settings.lake.list_partitions(table):
        rows = settings.lake.read(table, [partition], ["shot_id", "score", "probe_version"])
        count += len(rows)
        yes += int(pc.sum(pc.greater_equal(rows["score"], version.threshold)).as_py() or 0)
        scores = list(zip(rows["shot_id"].to_pylist(), rows["score"].to_pylist(), strict=True))
        best = heapq.nlargest(MOST, [*best, *((score, shot) for shot, score in scores)])
        pairs.append((partition, compute_digest((shot, f"{score:.6f}") for shot, score in scores)))
    return StepReport(
        changed=changes,
        data_version=compute_digest([*pairs, ("version", version.version)]),
        details={"scored": count, "said_yes": yes, "version": version.version, "threshold": version.threshold},
        pictures=picture_best_scores(settings, best),
        rows=count,
    )
