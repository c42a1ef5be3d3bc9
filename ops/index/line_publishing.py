"""Publish spoken lines as an immutable version of their own index.

As for vectors, versions are named by their content, so publishing the same lines again writes nothing, and a version
that differs from the current one in a few videos continues it: only the lines of these are read and written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from ops.core.locks import lock_exclusively
from ops.core.settings import Settings
from ops.index.line_points import LinePoint, LineRow, build_point
from ops.index.line_sums import LineSums, compute_line_digest
from ops.index.lines import NAME, RECIPE, LineVersions, choose_line_engine
from ops.index.plan import Plan, RowsChangedError, sum_digests
from ops.index.points import VideoDigests
from ops.index.publishing import publish_plans

ReadLines = Callable[[Collection[str] | None], Iterable[LineRow]]
"""Returns the lines of some videos, or of all (``None``)."""


def publish_lines(
    settings: Settings, rows: Sequence[LineRow], *, name: str = NAME, now: datetime | None = None
) -> str | None:
    """Make ``rows`` the current version, as :func:`publish_planned_lines`."""
    plan = plan_lines(LineSums(rows), now)
    return publish_planned_lines(settings, lambda: plan, lambda videos: _select(rows, videos), name=name)


def publish_planned_lines(
    settings: Settings, plan_rows: Callable[[], Plan], read_rows: ReadLines, *, name: str = NAME
) -> str | None:
    """Make the planned lines the current version and return its name; a no-op if they already are.

    If there never was any dialogue, nothing is written and the name is ``None``. One publisher at a time: others wait.
    ``name`` as in ``choose_line_engine``. ``plan_rows`` is called again if the lines changed meanwhile.
    Raises ``VectorIndexError`` if two rows share a line id or an engine refuses.
    """
    if choose_line_engine(settings, name).current() is None and not plan_rows().rows:
        return None
    with lock_exclusively(_locate_lock(settings, name)):
        return publish_planned_lines_to(choose_line_engine(settings, name, publishes=True), plan_rows, read_rows)


def publish_lines_to(versions: LineVersions, rows: Sequence[LineRow], *, now: datetime | None = None) -> str:
    """Apply :func:`publish_lines` to given versions; the caller ensures that it is the only publisher there."""
    plan = plan_lines(LineSums(rows), now)
    return publish_planned_lines_to(versions, lambda: plan, lambda videos: _select(rows, videos))


def publish_planned_lines_to(versions: LineVersions, plan_rows: Callable[[], Plan], read_rows: ReadLines) -> str:
    """Apply :func:`publish_planned_lines` to given versions, as :func:`publish_lines_to`."""

    def build_points(videos: VideoDigests, video_ids: Collection[str] | None) -> Iterator[LinePoint]:
        sums = LineSums()
        for row in read_rows(video_ids):
            sums.add(row)
            yield build_point(row)
        if sums.videos != dict(videos):
            raise RowsChangedError

    return publish_plans(versions, "lines", plan_rows, build_points)


def plan_lines(sums: LineSums, now: datetime | None = None) -> Plan:
    """Plan the version that has these lines."""
    digest = sum_digests(sums.videos)
    return Plan(
        manifest={
            "schema": RECIPE,
            "version": name_line_version(digest),
            "rows": sum(each.rows for each in sums.videos.values()),
            "stemmers": sorted(sums.stemmers),
            "digest": digest,
            "created": (now or datetime.now(UTC)).isoformat(timespec="seconds"),
        },
        videos=sums.videos,
    )


def drop_old_lines(settings: Settings, name: str = NAME) -> None:
    """Delete every version but the current one, and removed lines in its files: forgotten lines must be nowhere."""
    versions = choose_line_engine(settings, name)
    if versions.current() is not None:
        with lock_exclusively(_locate_lock(settings, name)):
            versions.drop_old()


def compute_line_version(rows: Iterable[LineRow]) -> str:
    """Return the name of the version that :func:`publish_lines` would make of ``rows``; writes nothing."""
    return name_line_version(compute_line_digest(rows))


def name_line_version(digest: str) -> str:
    """Return the name of the version of lines with this digest."""
    content = hashlib.blake2b(f"{RECIPE} {digest}".encode(), digest_size=8).hexdigest()
    return f"v{RECIPE}-{digest.split('-')[0]}-{content}"


def _select(rows: Iterable[LineRow], video_ids: Collection[str] | None) -> Iterator[LineRow]:
    return (row for row in rows if video_ids is None or row.video_id in video_ids)


def _locate_lock(settings: Settings, name: str) -> Path:
    return settings.home / "locks" / f"index-{name}.lock"
