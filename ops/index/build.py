"""Replicate the lake's current vectors to the nearest-neighbour index.

Stands alone to define once which rows belong in the index: the shots of videos that are ready, with their vectors,
whatever else the lake contains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

from ops.core.errors import DamagedTableError, VectorIndexError
from ops.core.settings import Settings
from ops.core.tables import compute_digest, count_digested
from ops.core.types import CheckOutcome, Progress, StepReport
from ops.embeddings.build import convert_to_matrix, name_table, require_dimension
from ops.index.index import IndexCheck, IndexRow, compute_version, open_index, publish, read_current_version
from ops.index.lag import measure_lag
from ops.videos import catalogue

EMBEDDING_COLUMNS = ("shot_id", "video_id", "embedding", "vector_hash")
ATTEMPTS = 3
SHOT_COLUMNS = ("shot_id", "video_id", "show", "start_frame", "end_frame", "is_blank")


def read_wanted_rows(settings: Settings, encoder_id: str) -> Iterator[IndexRow]:
    """Yield every row that belongs in the index, partition by partition (constant memory).

    Raises ``DamagedTableError`` for a partition that is damaged, or whose vectors are not of the encoder's length.
    """
    dim = 0
    for partition in settings.lake.list_partitions(name_table(encoder_id)):
        rows = catalogue.read_videos(settings.lake, [partition])
        # A video that was only moved is pending until its file is checked again; it stays searchable meanwhile.
        ready = {
            row["video_id"] for row in rows if row["state"] == "ready" or (row["state"] == "pending" and row["frames"])
        }
        shots = {row.pop("shot_id"): row for row in settings.lake.read("shots", [partition], SHOT_COLUMNS).to_pylist()}
        table = settings.lake.read(name_table(encoder_id), [partition], EMBEDDING_COLUMNS)
        vectors = convert_to_matrix(table["embedding"])
        dim = require_dimension(settings, encoder_id, partition, vectors.shape[1], dim)
        for row, vector in zip(table.drop_columns(["embedding"]).to_pylist(), vectors, strict=True):
            if row["video_id"] in ready and row["shot_id"] in shots:
                yield IndexRow(
                    shot_id=row["shot_id"],
                    vector=vector,
                    vector_hash=row["vector_hash"],
                    payload=shots[row["shot_id"]],
                )


def compute_wanted_digest(settings: Settings, encoder_id: str) -> str:
    """Return the digest of the (shot, vector) rows that belong in the index, read from the lake."""
    return compute_digest((row.shot_id, row.vector_hash) for row in read_wanted_rows(settings, encoder_id))


def index_is_current(settings: Settings, encoder_id: str) -> bool:
    """Return True if the lake's rows would give the current version of the index."""
    current = read_current_version(settings, encoder_id)
    return current is not None and current == compute_version(encoder_id, read_wanted_rows(settings, encoder_id))


def build_index(
    settings: Settings, encoder_id: str, progress: Progress, clock: Callable[[], datetime] | None = None
) -> StepReport:
    """Publish the lake's rows as the current version of the index; a no-op if they already are.

    With a ``clock`` the report has the lag of the videos that are new in the index.
    """
    progress.start("index", 0, "vectors")
    before = read_current_version(settings, encoder_id)
    version = publish(
        settings,
        encoder_id,
        lambda: read_wanted_rows(settings, encoder_id),
        on_progress=lambda rows: progress.advance("index", rows),
    )
    progress.finish("index")
    digest = compute_wanted_digest(settings, encoder_id)
    lag = measure_lag(settings, encoder_id, before, version, clock()) if clock and version != before else {}
    return StepReport(
        changed=int(version != before),
        data_version=version,
        details={"index_version": version, "digest": digest, **lag},
        rows=count_digested(digest),
    )


def check_index(settings: Settings, encoder_id: str) -> CheckOutcome:
    """Compare the published index with the lake: digest of all rows, and some vectors read back. Writes nothing.

    If the lake changes during the comparison, it is compared again. A damaged table or index fails the check.
    """
    try:
        result = _compare(settings, encoder_id)
    except (DamagedTableError, VectorIndexError) as error:
        return CheckOutcome(name="same_rows_as_lake", passed=False, details={"problems": [str(error)]})
    return CheckOutcome(
        name="same_rows_as_lake",
        passed=result.passed,
        details={
            "index_version": result.version,
            "rows": result.rows,
            "digest": result.digest,
            "vectors_read_back": result.compared,
            "largest_difference": result.worst_difference,
            "problems": list(result.problems),
        },
    )


def _compare(settings: Settings, encoder_id: str) -> IndexCheck:
    for _ in range(ATTEMPTS):
        with open_index(settings, encoder_id) as index:
            lake_digest = compute_wanted_digest(settings, encoder_id)
            result = index.check(lake_digest, read_wanted_rows(settings, encoder_id))
        if result.passed or lake_digest == compute_wanted_digest(settings, encoder_id):
            break
    return result
