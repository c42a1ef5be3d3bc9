"""Publish shot vectors as an immutable version of the index.

A version's name depends on its content (ids, vector hashes, payloads) and on how it is built. So publishing the same
rows again is a no-op that writes nothing. A version that differs from the current one in a few videos continues it, and
only their rows are read and written.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import UTC, datetime

from ops.core.errors import VectorIndexError
from ops.core.settings import Settings
from ops.index import tuning
from ops.index.backends.scan import ScanVersions
from ops.index.engines import hold_versions
from ops.index.plan import Plan, RowsChangedError, build_planned_points, find_changed, make_plan
from ops.index.points import (
    Base,
    BaseChangedError,
    GrowingVersions,
    IndexRow,
    Item,
    StoredPoint,
    Versions,
    VideoDigests,
)

log = logging.getLogger(__name__)

Rows = Iterable[IndexRow] | Callable[[], Iterable[IndexRow]]

ATTEMPTS = 3


def publish(
    settings: Settings,
    encoder_id: str,
    rows: Rows,
    *,
    now: datetime | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> str:
    """Make ``rows`` the current version of the encoder's index and return its name.

    ``rows`` is a function that returns a new iterator over the rows each time (constant memory), or an iterable; an
    iterator is held in memory. Two passes are made: one names the version, one builds it. If that version is current
    already, nothing is written. If it is still stored, only the switch is made. One publisher at a time: others wait.
    ``on_progress`` is called with the number of rows just written.
    Raises ``VectorIndexError`` on rows that do not fit together and on an engine that refuses.
    """
    with hold_versions(settings, encoder_id) as versions:
        return publish_to(versions, encoder_id, rows, now=now, on_progress=on_progress)


def merge_index(settings: Settings, encoder_id: str) -> bool:
    """Merge the segments of the current version, as publications leave them; return True if anything was written.

    Searches give the same answers before, meanwhile and after. Of a server, which merges by itself, False.
    """
    with hold_versions(settings, encoder_id) as versions:
        current = versions.current()
        return isinstance(versions, ScanVersions) and current is not None and versions.merge(current)


def publish_to(
    versions: Versions,
    encoder_id: str,
    rows: Rows,
    *,
    now: datetime | None = None,
    on_progress: Callable[[int], None] | None = None,
) -> str:
    """Apply :func:`publish` to given versions; the caller ensures that it is the only publisher there."""
    replay = _make_replayable(rows)

    def read_rows(video_ids: Collection[str] | None) -> Iterator[IndexRow]:
        return (row for row in replay() if video_ids is None or row.shot_id.partition(":")[0] in video_ids)

    def plan_rows() -> Plan:
        return make_plan(encoder_id, replay(), now or datetime.now(UTC))

    return publish_vectors(versions, encoder_id, plan_rows, read_rows, on_progress=on_progress)


def publish_vectors(
    versions: Versions,
    encoder_id: str,
    plan_rows: Callable[[], Plan],
    read_rows: Callable[[Collection[str] | None], Iterable[IndexRow]],
    *,
    on_progress: Callable[[int], None] | None = None,
) -> str:
    """Apply :func:`publish_to` to the planned rows; ``read_rows`` returns all, or those of some videos."""

    def build_points(videos: VideoDigests, video_ids: Collection[str] | None) -> Iterator[StoredPoint]:
        return build_planned_points(videos, read_rows(video_ids), on_progress)

    return publish_plans(versions, f"vectors of {encoder_id}", plan_rows, build_points)


def publish_plans(
    versions: GrowingVersions[Item],
    kind: str,
    plan_rows: Callable[[], Plan],
    build_points: Callable[[VideoDigests, Collection[str] | None], Iterable[Item]],
) -> str:
    """Publish the rows of ``plan_rows`` as the current version of an index, and return its name.

    ``build_points`` returns the points of the given videos: its second argument names them, or is ``None`` for all. It
    raises ``RowsChangedError`` if they are not the planned ones; ``plan_rows`` is called again then. ``kind`` names the
    rows in messages. The caller ensures that it is the only publisher.
    """
    for _ in range(ATTEMPTS):
        plan = plan_rows()
        if versions.current() == plan.version:
            return plan.version
        try:
            if not versions.has(plan.version):
                base, changed_videos = _find_base(versions, plan)
                videos = {name: each for name, each in plan.videos.items() if not base or name in changed_videos}
                points = build_points(videos, videos.keys() if base else None)
                versions.build(plan.manifest, points, videos=plan.videos, base=base)
        except (RowsChangedError, BaseChangedError):
            log.info("the lake or the index changed while version %s was built: building again", plan.version)
            continue
        versions.switch(plan.version)
        log.info("index of %s: version %s is current", kind, plan.version)
        return plan.version
    raise VectorIndexError(
        f"the {kind} changed during each of {ATTEMPTS} attempts to index them: "
        "wait until no ingest is running and materialise the index again"
    )


def _find_base(versions: GrowingVersions[Item], plan: Plan) -> tuple[Base | None, frozenset[str]]:
    """Return the version that the planned one continues, if any, and the videos that differ."""
    current = versions.current()
    has_recipe = current and current.startswith(f"v{plan.manifest['schema']}-")
    old = versions.read_videos(current) if current and has_recipe else None
    if not current or not old:
        return None, frozenset()
    changed_videos = find_changed(old, plan.videos)
    count = sum(plan.videos[name].rows for name in changed_videos if name in plan.videos)
    dim = versions.open(current).manifest().get("dim")
    if count > tuning.MOST_CHANGED * plan.rows or dim != plan.manifest.get("dim"):
        return None, frozenset()
    return Base(version=current, dropped_videos=changed_videos & old.keys()), changed_videos


def compute_version(encoder_id: str, rows: Iterable[IndexRow]) -> str:
    """Return the name of the version that :func:`publish` would make of ``rows``; writes nothing."""
    return make_plan(encoder_id, rows, datetime.now(UTC)).version


def drop_old_versions(settings: Settings, encoder_id: str) -> None:
    """Delete every version but the current one, because forgotten rows must not stay in older ones.

    On disk, a version that another process reads is deleted too: it goes on with the files that it has opened.
    """
    with hold_versions(settings, encoder_id, publishes=False) as versions:
        versions.drop_old()


def drop_index(settings: Settings, encoder_id: str) -> None:
    """Delete every version of the index of an encoder that is not used any more."""
    with hold_versions(settings, encoder_id, publishes=False) as versions:
        versions.drop_all()


def _make_replayable(rows: Rows) -> Callable[[], Iterable[IndexRow]]:
    if callable(rows):
        return rows
    row_list = list(rows) if isinstance(rows, Iterator) else rows
    return lambda: row_list
