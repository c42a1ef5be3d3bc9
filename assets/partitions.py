"""Partitions of the footage: one per video, or a fixed number of hash buckets.

Both come from one key function, :func:`ops.core.tables.resolve_partition`. Buckets are for catalogues of more than some
thousand videos. Each automation tick reads all dynamic keys (2.5 s at 1,000 keys, 10 s at 10,000), but not static
keys.
"""

from __future__ import annotations

from collections.abc import Sequence

import dagster as dg
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG

from assets.library import Event
from ops.core.plural import plural
from ops.core.settings import Settings
from ops.core.tables import find_key_ranges, list_bucket_keys
from ops.shots.waiting import Waiting
from ops.videos.watch import Watch

PARTITIONS_NAME = "videos"
STARTED_BY = {"needle/started_by": "library"}
SEARCH_FIRST = {"dagster/priority": "10"}
"""Run tags of what makes footage searchable: in the queue it comes before reports, fits and scores."""

UNFINISHED_STATES = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
]


def choose_partitions(settings: Settings) -> dg.PartitionsDefinition[str]:
    """Return the partitions definition of the setting ``NEEDLE_PARTITIONS``."""
    return (
        dg.DynamicPartitionsDefinition(name=PARTITIONS_NAME)
        if settings.partitions == "video"
        else dg.StaticPartitionsDefinition(list_bucket_keys(int(settings.partitions.removeprefix("bucket:"))))
    )


def ensure_partitions(
    instance: dg.DagsterInstance, partitions: dg.PartitionsDefinition[str], keys: Sequence[str]
) -> list[str]:
    """Register missing keys with Dagster; return all keys in its order."""
    if isinstance(partitions, dg.DynamicPartitionsDefinition):
        known_keys = set(instance.get_dynamic_partitions(PARTITIONS_NAME))
        instance.add_dynamic_partitions(PARTITIONS_NAME, [key for key in keys if key not in known_keys])
    return list(partitions.get_partition_keys(dynamic_partitions_store=instance))


def range_tags(first: str, last: str) -> dict[str, str]:
    """Return run tags for one run of all partitions from ``first`` to ``last``."""
    return {ASSET_PARTITION_RANGE_START_TAG: first, ASSET_PARTITION_RANGE_END_TAG: last}


def request_due_partitions(
    instance: dg.DagsterInstance,
    partitions: dg.PartitionsDefinition[str],
    watch: Watch,
    events: Sequence[Event] = (),
) -> dg.SensorResult:
    """Return the library sensor's requests: one run of ``videos`` for each range of partitions that is due.

    ``events`` are what the sensor reports beside that.
    """
    if not watch.due:
        return dg.SensorResult(skip_reason=watch.message, asset_events=events)
    if instance.get_runs_count(dg.RunsFilter(tags=STARTED_BY, statuses=UNFINISHED_STATES)):
        due = plural(len(watch.due), "partition is", "partitions are")
        message = f"{due} due; a run that was requested before is first"
        return dg.SensorResult(skip_reason=message, asset_events=events)
    ordered_keys = ensure_partitions(instance, partitions, watch.due)
    requests = [
        dg.RunRequest(
            run_key=f"{watch.fingerprint}-{first}",
            tags={**range_tags(first, last), **STARTED_BY, **SEARCH_FIRST},
            asset_selection=[dg.AssetKey("videos")],
        )
        for first, last in find_key_ranges(watch.due, ordered_keys)
    ]
    return dg.SensorResult(run_requests=requests, cursor=watch.cursor, asset_events=events)


def request_corrections(
    instance: dg.DagsterInstance, partitions: dg.PartitionsDefinition[str], waiting: Waiting, cursor: str
) -> dg.SensorResult:
    """Return the corrections sensor's requests: ``shot_corrections`` of waiting partitions, once for each change."""
    if not waiting.partitions:
        return dg.SensorResult(skip_reason="no corrections wait", cursor=cursor)
    ordered_keys = ensure_partitions(instance, partitions, waiting.partitions)
    requests = [
        dg.RunRequest(
            run_key=f"corrections-{waiting.digest}-{first}",
            tags={**range_tags(first, last), **SEARCH_FIRST},
            asset_selection=[dg.AssetKey("shot_corrections")],
        )
        for first, last in find_key_ranges(waiting.partitions, ordered_keys)
    ]
    return dg.SensorResult(run_requests=requests, cursor=cursor)
