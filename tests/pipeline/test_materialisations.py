"""What Dagster records of a run: figures of a partition are its own, and a refusal is final."""

import logging
from dataclasses import replace
from typing import Any

import dagster as dg
import pytest
import yaml  # type: ignore[import-untyped]  # no stubs among the dependencies

from assets.resources import Needle, format_figures
from ops.core.logs import LoggedProgress
from ops.core.settings import CHECKOUT
from ops.core.types import StepReport

LENGTHS = {"long": 634.0, "short": 203.9}
FILMS = dg.StaticPartitionsDefinition(list(LENGTHS))


def report_on(partitions: list[str]) -> StepReport:
    return StepReport(
        changed=len(partitions),
        data_version="v",
        details={
            "shots": 10 * len(partitions),
            "footage_seconds": sum(LENGTHS[each] for each in partitions),
            "times_realtime": 9.5,
        },
        by_partition={each: {"shots": 10, "seconds": LENGTHS[each]} for each in partitions},
        pictures={each: f"![{each}](http://127.0.0.1:8080/{each}.jpg)" for each in partitions},
    )


@dg.asset(partitions_def=FILMS, backfill_policy=dg.BackfillPolicy.single_run())
def shots(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    return Needle().record(context, report_on(context.partition_keys))


@dg.asset
def search_index(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    return Needle().record(context, replace(report_on(["long"]), by_partition={}))


def metadata_of(event: dg.EventLogEntry | None) -> dict[str, Any]:
    assert event and event.asset_materialization
    return {name: value.value for name, value in event.asset_materialization.metadata.items()}


def test_a_partition_has_its_own_figures_and_those_of_the_run_under_run() -> None:
    tags = {"dagster/asset_partition_range_start": "long", "dagster/asset_partition_range_end": "short"}
    with dg.DagsterInstance.ephemeral() as instance:
        assert dg.materialize([shots], instance=instance, tags=tags).success
        records = instance.fetch_materializations(shots.key, limit=10).records
        found = {record.partition_key: metadata_of(record.event_log_entry) for record in records}
    assert found.keys() == LENGTHS.keys()
    for film, seconds in LENGTHS.items():
        assert (found[film]["shots"], found[film]["seconds"]) == (10, seconds)
        run = {"shots": 20, "footage_seconds": 837.9, "times_realtime": 9.5, "partitions_rewritten": 2}
        assert found[film]["run"] == run and found[film]["run_times_realtime"] == 9.5
        assert found[film]["posters"] == f"![{film}](http://127.0.0.1:8080/{film}.jpg)"
        assert 837.9 not in [value for name, value in found[film].items() if name != "run"]


def test_an_asset_without_partitions_has_the_figures_of_its_run_as_numbers() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert dg.materialize([search_index], instance=instance).success
        made = metadata_of(instance.get_latest_materialization_event(search_index.key))
    assert (made["shots"], made["footage_seconds"], made["partitions_rewritten"]) == (10, 634.0, 1)
    assert "posters" not in made  # they are of a partition


def test_runs_whose_step_or_check_failed_are_not_retried() -> None:
    """A fit that is refused fails a blocking check, and would be refused again."""
    retries = yaml.safe_load((CHECKOUT / "dagster.yaml").read_text())["run_retries"]
    assert retries["enabled"] and retries["max_retries"] == 1
    with dg.instance_for_test(overrides={"run_retries": retries}) as instance:
        assert not instance.run_retries_retry_on_asset_or_op_failure


def test_progress_is_lines_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="ops.progress")
    progress = LoggedProgress()
    progress.start("shots", 1, "shots")
    progress.set_aside("shots", "broken.mp4", "it is text")
    progress.note("shots", "no sound")
    progress.advance("shots")
    progress.finish("shots")
    lines = [record.getMessage() for record in caplog.records]
    assert lines[:3] == ["shots: 1 shot to do", "shots: broken.mp4 is set aside: it is text", "shots: no sound"]
    assert lines[3].startswith("shots: 1 shot in 0.0 s")


def test_figures_are_one_line() -> None:
    figures = {"shots": 7, "times_realtime": 1.36, "speech": "", "reasons": {"a": "b"}}
    assert format_figures(figures) == "shots 7, times realtime 1.36"
