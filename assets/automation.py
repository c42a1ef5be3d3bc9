"""When things are made: by themselves, as soon as what they stand on has changed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import dagster as dg

from assets.partitions import requests_for, requests_for_corrections
from ops.core.settings import Settings
from ops.probes.labels import labels_digest, labels_known
from ops.shots.corrections import corrections_digest
from ops.shots.waiting import find_waiting
from ops.videos.watch import watch_library

# eager() alone does not react to a new code version (a new encoder, a new detector).
# Typed as Any: Dagster's own conditions disagree on whether they are of assets or of checks as well.

# A new encoder or detector; eager() alone does not react to it.
NEW_CODE: Any = dg.AutomationCondition.code_version_changed()
HANDLED: Any = dg.AutomationCondition.newly_requested() | dg.AutomationCondition.newly_updated()


def until_handled(trigger: Any) -> Any:
    """True from the moment of the trigger until the asset was requested or made after it.

    Not ``since_last_handled()``: where an upstream changes again between two ticks in which the asset was
    made, that counts it as handled, and a film that arrived in these seconds was never indexed. Here the
    trigger wins; the price is, now and then, a run that finds nothing to do.
    """
    return trigger.since(dg.AutomationCondition.initial_evaluation() | (HANDLED & ~trigger))


def until_seen(trigger: Any) -> Any:
    """As ``until_handled``, and a trigger that comes while a run makes the asset is not handled by the end of that run.

    It may have read before. For assets of the whole catalogue: what a run changes of one video it has seen itself.
    """
    overtaken: Any = trigger & dg.AutomationCondition.in_progress()
    requested: Any = dg.AutomationCondition.newly_requested() & ~trigger
    return until_handled(trigger) | overtaken.since(dg.AutomationCondition.initial_evaluation() | requested)


RESTING: Any = ~dg.AutomationCondition.any_deps_in_progress() & ~dg.AutomationCondition.in_progress()

NEW_VERSION = (until_handled(NEW_CODE) & RESTING).with_label("a new version of the code")

CHANGED: Any = dg.AutomationCondition.any_deps_updated() | NEW_CODE

# Most videos have no corrections: their partitions of that asset need not be there.
MISSING: Any = dg.AutomationCondition.any_deps_missing().ignore(dg.AssetSelection.assets("shot_corrections"))

PER_VIDEO = (until_handled(dg.AutomationCondition.newly_missing() | CHANGED) & ~MISSING & RESTING).with_label(
    "new footage, changed footage, or a new version of the code"
)

# No "deps missing" here: an index of what there is must not wait for the last video of a large ingest.
WHOLE_CATALOGUE = (until_seen(CHANGED) & RESTING).with_label(
    "anything upstream changed, and nothing upstream is running"
)


def new_fit(probe: dg.AssetKey) -> Any:
    """True when a probe was fitted anew, or another version of it was promoted; not where a fit changed nothing.

    Scores are computed in the same run, or first: whoever shows them must not look while they are being made.
    """
    changed: Any = dg.AutomationCondition.any_deps_match(dg.AutomationCondition.data_version_changed())
    refitted = changed.allow(dg.AssetSelection.assets(probe))
    return (until_seen(refitted | NEW_CODE) & RESTING).with_label("the probe was fitted anew")


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


def labels_sensor(settings: Settings) -> dg.SensorDefinition:
    """Watches the labels that people write: new ones end in a run of ``labels``, and so in new fits."""

    @dg.sensor(
        name="labels",
        target=dg.AssetSelection.assets("labels"),
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=15,
        description="Watches what people label",
    )
    def labels(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        digest = labels_digest(settings)
        if not labels_known(settings) or digest == context.cursor:
            return dg.SkipReason("no new labels")
        request = dg.RunRequest(run_key=f"labels-{digest}", asset_selection=[dg.AssetKey("labels")])
        return dg.SensorResult(run_requests=[request], cursor=digest)

    return labels


def corrections_sensor(settings: Settings, partitions: dg.PartitionsDefinition[str]) -> dg.SensorDefinition:
    """Watches the cuts that people correct: new ones end in a run of ``shot_corrections``, and so in new shots."""

    @dg.sensor(
        name="corrections",
        target=dg.AssetSelection.assets("shot_corrections"),
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=15,
        description="Watches the cuts that people correct",
    )
    def corrections(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        digest = corrections_digest(settings)
        if digest == context.cursor:
            return dg.SkipReason("no new corrections")
        return requests_for_corrections(context.instance, partitions, find_waiting(settings), digest)

    return corrections
