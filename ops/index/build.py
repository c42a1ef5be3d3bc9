"""Replicate the lake's current vectors to the nearest-neighbour index.

Stands alone to define once which rows belong in the index: the shots of videos that are ready, with their vectors,
whatever else the lake contains.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from heapq import nsmallest

from ops.core.errors import DamagedTableError, VectorIndexError
from ops.core.settings import Settings
from ops.core.tables import count_digested
from ops.core.types import CheckOutcome, Progress, StepReport
from ops.embeddings.encoder import resolve_encoder
from ops.embeddings.shared_choice import note_use
from ops.index.engines import hold_versions
from ops.index.index import IndexCheck, has_earlier_layout, open_index, read_current_version
from ops.index.lag import measure_lag
from ops.index.lake_videos import LakeVideos, read_wanted_rows
from ops.index.plan import Plan, plan_videos, sum_digests
from ops.index.points import hash_text
from ops.index.publishing import merge_index, publish_vectors

ATTEMPTS = 3
COMPARED_VIDEOS = 8
"""Maximum number of videos of which a check compares vectors."""


def compute_wanted_digest(settings: Settings, encoder_id: str) -> str:
    """Return the digest of the (shot, vector) rows that belong in the index, read from the lake."""
    return sum_digests(LakeVideos(settings, encoder_id).videos)


def index_is_current(settings: Settings, encoder_id: str) -> bool:
    """Return True if the lake's rows would give the current version of the index."""
    current = read_current_version(settings, encoder_id)
    return current is not None and current == plan_index(settings, encoder_id).version


def plan_index(settings: Settings, encoder_id: str) -> Plan:
    """Return the version of the index that the lake's rows would give; reads only what changed since the last build."""
    return _plan(LakeVideos(settings, encoder_id), encoder_id)


def _note_use(settings: Settings) -> None:
    """Keep the vectors of this home's encoder from upgrades in other homes, also if only a daemon works here."""
    if settings.store.has_conditions:
        note_use(settings, resolve_encoder(settings).encoder_id, datetime.now(UTC).date())


def _plan(lake: LakeVideos, encoder_id: str) -> Plan:
    return plan_videos(encoder_id, lake.videos, lake.dim, datetime.now(UTC))


def build_index(
    settings: Settings, encoder_id: str, progress: Progress, clock: Callable[[], datetime] | None = None
) -> StepReport:
    """Publish the lake's rows as the current version of the index; a no-op if they already are.

    With a ``clock`` the report has the lag of the videos that are new in the index; none if a version of an earlier
    release is replaced, because its videos were searchable before.
    """
    _note_use(settings)
    progress.start("index", 0, "vectors")
    before = read_current_version(settings, encoder_id)
    is_upgrade = has_earlier_layout(settings, encoder_id)
    plans: list[Plan] = []

    def plan_rows() -> Plan:
        lake = LakeVideos(settings, encoder_id)
        lake.store()
        plans.append(_plan(lake, encoder_id))
        return plans[-1]

    with hold_versions(settings, encoder_id) as versions:
        version = publish_vectors(
            versions,
            encoder_id,
            plan_rows,
            lambda video_ids: read_wanted_rows(settings, encoder_id, video_ids),
            on_progress=lambda rows: progress.advance("index", rows),
        )
    progress.finish("index")
    digest = plans[-1].manifest["digest"]
    lag = (
        measure_lag(settings, encoder_id, before, version, clock())
        if clock and not is_upgrade and version != before
        else {}
    )
    return StepReport(
        changed=int(version != before),
        data_version=version,
        details={"index_version": version, "digest": digest, **lag},
        rows=count_digested(digest),
    )


def merge_segments(settings: Settings, encoder_id: str, progress: Progress) -> StepReport:
    """Merge the segments of the index, as publications of single videos leave them; a no-op if there is one.

    Searches give the same answers before, meanwhile and after.
    """
    progress.start("merge", 0, "segments")
    is_merged = merge_index(settings, encoder_id)
    progress.finish("merge")
    version = read_current_version(settings, encoder_id) or "none"
    return StepReport(changed=int(is_merged), data_version=version, details={"index_version": version})


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
            lake = LakeVideos(settings, encoder_id)
            lake_digest = sum_digests(lake.videos)
            sample = nsmallest(COMPARED_VIDEOS, lake.videos, key=lambda name: hash_text(f"{index.version} {name}"))
            result = index.check(lake_digest, read_wanted_rows(settings, encoder_id, sample))
        if result.passed or lake_digest == compute_wanted_digest(settings, encoder_id):
            break
    return result
