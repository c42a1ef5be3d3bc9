"""When things are made: by themselves, as soon as what they stand on has changed."""

from __future__ import annotations

from datetime import UTC, datetime

import dagster as dg

from assets.partitions import requests_for
from ops.core.settings import Settings
from ops.videos.watch import watch_library

# eager() alone does not react to a new code version (a new encoder, a new detector).
NEW_CODE: dg.AutomationCondition[dg.AssetKey] = dg.AutomationCondition.code_version_changed()

PER_VIDEO = (
    dg.AutomationCondition.eager()
    | (
        NEW_CODE.since(dg.AutomationCondition.newly_requested() | dg.AutomationCondition.newly_updated())
        & ~dg.AutomationCondition.any_deps_in_progress()
        & ~dg.AutomationCondition.in_progress()
    )
).with_label("new footage, changed footage, or a new version of the code")

# eager() on an unpartitioned asset never fires while any upstream partition is missing.
WHOLE_CATALOGUE = (
    dg.AutomationCondition.any_deps_updated().since_last_handled()
    & ~dg.AutomationCondition.any_deps_in_progress()
    & ~dg.AutomationCondition.in_progress()
).with_label("anything upstream changed, and nothing upstream is running")


def automation_sensor() -> dg.AutomationConditionSensorDefinition:
    """Evaluates the conditions above; on from the first start."""
    return dg.AutomationConditionSensorDefinition(
        "automation",
        target=dg.AssetSelection.all(),
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=10,
    )


def library_sensor(settings: Settings, partitions: dg.PartitionsDefinition[str]) -> dg.SensorDefinition:
    """Watches the library: new, moved, returned and removed footage ends in a run of ``videos``."""

    @dg.sensor(
        name="library",
        target=dg.AssetSelection.assets("videos"),
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=15,
        description=f"Watches {settings.library or 'nothing: set NEEDLE_LIBRARY to a folder or an s3:// prefix'}",
    )
    def library(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        return requests_for(context.instance, partitions, watch_library(settings, datetime.now(UTC), context.cursor))

    return library
