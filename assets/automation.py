"""Automation: assets run by themselves, as soon as their inputs have changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from assets.library import count_library, report_library
from assets.partitions import SEARCH_FIRST, request_corrections, request_due_partitions
from assets.resources import Needle, name_run_tag
from ops.core.alerts import describe_webhook, report_failed_run
from ops.core.settings import Settings
from ops.probes.labels import digest_labels, list_labels
from ops.shots.corrections import digest_corrections
from ops.shots.waiting import find_waiting
from ops.videos.watch import watch_library

# Typed as Any: Dagster's own conditions disagree on whether they apply to assets or also to checks.

SEARCH_GROUPS = ("footage", "features", "search", "training")
"""Groups of the assets from footage to search. Pairs of captions are made in the run that makes their shots."""

# A new encoder or detector; eager() alone does not react to a new code version.
NEW_CODE: Any = dg.AutomationCondition.code_version_changed()
NEWLY_HANDLED: Any = dg.AutomationCondition.newly_requested() | dg.AutomationCondition.newly_updated()


def until_handled(trigger: Any) -> Any:
    """True from the trigger until the asset was requested or materialised after it.

    Not ``since_last_handled()``: if an upstream changes again between two ticks in which the asset was materialised,
    that counts the change as handled. A video that arrived in these seconds was never indexed. Here the trigger
    wins; the price is an occasional run without work.
    """
    return trigger.since(dg.AutomationCondition.initial_evaluation() | (NEWLY_HANDLED & ~trigger))


def until_seen(trigger: Any) -> Any:
    """As ``until_handled``; a trigger during a run of the asset is not handled by the end of that run.

    The run may have read its input before the trigger. For assets of the whole catalogue; an asset of one video does
    not need this, because its run has read the changes of that video.
    """
    overtaken: Any = trigger & dg.AutomationCondition.in_progress()
    new_request: Any = dg.AutomationCondition.newly_requested() & ~trigger
    return until_handled(trigger) | overtaken.since(dg.AutomationCondition.initial_evaluation() | new_request)


RESTING: Any = ~dg.AutomationCondition.any_deps_in_progress() & ~dg.AutomationCondition.in_progress()

NEW_VERSION = (until_handled(NEW_CODE) & RESTING).with_label("a new version of the code")


def changed(asset: dg.AssetKey) -> Any:
    """True if another run changed an upstream of ``asset``, or will change it, or its code has a new version.

    As ``any_deps_updated()``, which also ignores upstreams that were made in one run with the asset. But Dagster 1.13
    recognises only the last partition of a run of many: 49 of 50 small films were requested again, in runs without work
    before the index. So runs have a tag for each of their assets. May go when Dagster compares every partition.
    """
    by_own_run: Any = dg.AutomationCondition.all_new_updates_have_run_tags(tag_keys={name_run_tag(asset)})
    with_root: Any = dg.AutomationCondition.executed_with_root_target()
    new_update: Any = dg.AutomationCondition.newly_updated() & ~with_root & ~by_own_run
    changed_deps: Any = dg.AutomationCondition.any_deps_match(new_update | dg.AutomationCondition.will_be_requested())
    return changed_deps.with_label("another run changed an upstream") | NEW_CODE


# Most videos have no corrections, so their partitions of that asset may be missing.
MISSING: Any = dg.AutomationCondition.any_deps_missing().ignore(dg.AssetSelection.assets("shot_corrections"))


def on_new_version(asset: dg.AssetKey) -> Any:
    """The condition of an asset that a sensor or a person requests, unless its code has a new version."""
    return NEW_VERSION


def per_video(asset: dg.AssetKey) -> Any:
    """The condition of an asset with a partition for each video."""
    due: Any = until_handled(dg.AutomationCondition.newly_missing() | changed(asset))
    return (due & ~MISSING & RESTING).with_label("new footage, changed footage, or a new version of the code")


def whole_catalogue(asset: dg.AssetKey) -> Any:
    """The condition of an asset of the whole catalogue.

    No "deps missing" here: an index of the present rows must not wait for the last video of a large ingest.
    """
    due: Any = until_seen(changed(asset)) & RESTING
    return due.with_label("anything upstream changed, and nothing upstream is running")


def nightly(asset: dg.AssetKey) -> Any:
    """The condition of an asset that is made once a night, if anything upstream changed since."""
    due: Any = dg.AutomationCondition.on_cron("0 3 * * *")
    return due.with_label("at night, if anything upstream changed")


def when_refitted(probe: dg.AssetKey) -> Any:
    """True if a probe was fitted again, or another version was promoted; false if a fit changed nothing.

    Scores are computed in the same run, or first: a report must not read them while they are being computed. A probe
    from before the first evaluation, such as one that the command line fitted, gets its report too: the run is a no-op
    if the report shows its present version. A report that failed waits for the next version.
    """
    version_change: Any = dg.AutomationCondition.any_deps_match(dg.AutomationCondition.data_version_changed())
    has_new_version = version_change.allow(dg.AssetSelection.assets(probe))
    never_made: Any = dg.AutomationCondition.missing() & ~dg.AutomationCondition.execution_failed()
    from_before: Any = dg.AutomationCondition.initial_evaluation() | never_made
    due: Any = until_seen(has_new_version | NEW_CODE) | from_before
    return (due & ~MISSING & RESTING).with_label("the probe was fitted again")


def automation_sensors() -> list[dg.AutomationConditionSensorDefinition]:
    """Evaluate the conditions above; on from the first start.

    Two sensors, because a sensor has one priority for all its runs: search comes before reports, fits and scores.
    """
    search_assets = dg.AssetSelection.groups(*SEARCH_GROUPS)
    return [
        _automation_sensor("automation", search_assets, SEARCH_FIRST),
        _automation_sensor("automation_of_reports", dg.AssetSelection.all() - search_assets, {}),
    ]


def _automation_sensor(
    name: str, target: dg.AssetSelection, run_tags: dict[str, str]
) -> dg.AutomationConditionSensorDefinition:
    return dg.AutomationConditionSensorDefinition(
        name,
        target=target,
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=10,
        run_tags=run_tags,
    )


def library_sensor(settings: Settings, partitions: dg.PartitionsDefinition[str], needle: Needle) -> dg.SensorDefinition:
    """Watch the library: new, moved, returned and removed footage starts a run of ``videos``.

    It also reports the asset ``library``, with its figures.
    """

    @dg.sensor(
        name="library",
        target=dg.AssetSelection.assets("videos"),
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=15,
        description=f"Watches {settings.library or 'nothing: set NEEDLE_LIBRARY to a folder or an s3:// prefix'}",
    )
    def library(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        now = datetime.now(UTC)
        watch = watch_library(settings, now, context.cursor)
        count_library(context.instance, settings, watch)
        events = report_library(context.instance, needle, watch, now)
        return request_due_partitions(context.instance, partitions, watch, events)

    return library


def labels_sensor(settings: Settings) -> dg.SensorDefinition:
    """Watch the labels that people write: new ones start a run of ``labels``, and so new fits."""

    def request(context: dg.SensorEvaluationContext, digest: str) -> dg.SensorResult:
        if not list_labels(settings):
            return dg.SensorResult(skip_reason="no new labels", cursor=digest)
        run = dg.RunRequest(run_key=f"labels-{digest}", asset_selection=[dg.AssetKey("labels")])
        return dg.SensorResult(run_requests=[run], cursor=digest)

    return _digest_sensor("labels", "labels", "Watches what people label", lambda: digest_labels(settings), request)


def corrections_sensor(settings: Settings, partitions: dg.PartitionsDefinition[str]) -> dg.SensorDefinition:
    """Watch the cuts that people correct: new corrections start a run of ``shot_corrections``, and so new shots."""

    def request(context: dg.SensorEvaluationContext, digest: str) -> dg.SensorResult:
        return request_corrections(context.instance, partitions, find_waiting(settings), digest)

    about = "Watches the cuts that people correct"
    return _digest_sensor("corrections", "shot_corrections", about, lambda: digest_corrections(settings), request)


def failure_sensor(settings: Settings) -> dg.SensorDefinition:
    """Report each failed run: a line of the log, and a POST to the webhook if one is set."""

    @dg.run_failure_sensor(
        name="failures",
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=15,
        description=describe_webhook(settings),
    )
    def failures(context: dg.RunFailureSensorContext) -> None:
        assets = sorted(key.to_user_string() for key in context.dagster_run.asset_selection or [])
        errors = [event.step_failure_data.error for event in context.get_step_failure_events()]
        reasons = [(error.cause or error).message for error in errors if error]
        report_failed_run(
            settings, context.dagster_run.run_id, assets, reasons or [context.failure_event.message or ""]
        )

    return failures


def _digest_sensor(
    name: str,
    asset: str,
    description: str,
    compute_digest: Callable[[], str],
    request: Callable[[dg.SensorEvaluationContext, str], dg.SensorResult],
) -> dg.SensorDefinition:
    """A sensor that calls ``request`` with the digest of what people wrote, each time that it has changed."""

    @dg.sensor(
        name=name,
        target=dg.AssetSelection.assets(asset),
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=15,
        description=description,
    )
    def watch(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        digest = compute_digest()
        if digest == context.cursor:
            return dg.SkipReason(f"no new {name}")
        return request(context, digest)

    return watch
