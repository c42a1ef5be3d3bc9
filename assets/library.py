"""``library``: the footage that Needle reads and never writes, as an external asset upstream of ``videos``.

The library sensor reports it: its figures when they have changed, or after ``REPORT_EVERY_S``. So the asset is overdue
if the sensor does not run or the library cannot be read. With it the sensor reports the check ``searchable_in_time``.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import dagster as dg

from assets.resources import Needle, convert_check
from ops.core.settings import Settings
from ops.core.stage_metrics import record_figures
from ops.videos.watch import Watch

KEY = dg.AssetKey("library")
REPORT_EVERY_S = 600
OVERDUE = dg.FreshnessPolicy.time_window(fail_window=timedelta(hours=1), warn_window=timedelta(minutes=30))

QUEUE = {
    "queued": [dg.DagsterRunStatus.QUEUED],
    "running": [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING],
}

Event = dg.AssetMaterialization | dg.AssetCheckEvaluation | dg.AssetObservation


def describe_library(settings: Settings) -> dg.AssetSpec:
    """Return the external asset of the watched folder or bucket."""
    address = settings.library or "none: set NEEDLE_LIBRARY to a folder or an s3:// prefix"
    return dg.AssetSpec(
        KEY,
        description=f"Source footage, read and never written: {address}. The sensor `library` reports it.",
        group_name="footage",
        kinds={"s3" if settings.library.startswith("s3://") else "file"},
        metadata={"address": address},
        freshness_policy=OVERDUE if settings.library else None,
    )


@dg.asset_check(asset=KEY, name="searchable_in_time", description="no video waits longer than NEEDLE_SEARCHABLE_WITHIN")
def searchable_in_time(needle: dg.ResourceParam[Needle]) -> dg.AssetCheckResult:
    """Every video of the catalogue is searchable soon after it was found; names those that are late."""
    from ops.index.lag import check_waiting

    return convert_check(check_waiting(needle.settings, needle.encoder_id, needle.now()))


def count_library(instance: dg.DagsterInstance, settings: Settings, watch: Watch) -> None:
    """Keep what the sensor sees as metrics: files of the library, and Dagster's queue."""
    record_figures(settings, "library", watch.figures)
    counts = {name: instance.get_runs_count(dg.RunsFilter(statuses=statuses)) for name, statuses in QUEUE.items()}
    record_figures(settings, "dagster", counts)


def report_library(instance: dg.DagsterInstance, needle: Needle, watch: Watch, now: datetime) -> Sequence[Event]:
    """Return the events of one look: none if the library could not be read, or if they would repeat the last ones."""
    from ops.index.lag import check_waiting

    if not watch.figures:
        return []
    record = instance.get_latest_materialization_event(KEY)
    last = record.asset_materialization if record else None
    figures = {name: value.value for name, value in last.metadata.items()} if last else {}
    if record and figures == watch.figures and now.timestamp() - record.timestamp < REPORT_EVERY_S:
        return []
    result = convert_check(check_waiting(needle.settings, needle.encoder_id, now))
    evaluation = dg.AssetCheckEvaluation(
        asset_key=KEY,
        check_name="searchable_in_time",
        passed=result.passed,
        severity=result.severity,
        metadata=result.metadata,
    )
    return [dg.AssetMaterialization(KEY, metadata=watch.figures), evaluation]
