"""Changes during the build of an asset are not lost: it is built once more, and then no run starts."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from assets.automation import per_video, whole_catalogue
from assets.resources import Needle
from ops.core.types import StepReport

PATIENCE_S = 60
QUIET = {"compute_logs": {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}}


@dataclass
class Making:
    """An asset's run, which ends when it is told to."""

    begun: threading.Event = field(default_factory=threading.Event)
    may_end: threading.Event = field(default_factory=threading.Event)

    def wait(self) -> None:
        self.begun.set()
        assert self.may_end.wait(PATIENCE_S)

    @contextmanager
    def under_way(self, make: Callable[[], Any]) -> Iterator[None]:
        run = threading.Thread(target=make)
        run.start()
        assert self.begun.wait(PATIENCE_S)
        yield
        self.may_end.set()
        run.join(PATIENCE_S)


def asks(definitions: dg.Definitions, instance: dg.DagsterInstance, asset: str) -> Callable[[], int]:
    """How many runs of the asset each further look asks for."""
    cursor: Any = None

    def look() -> int:
        nonlocal cursor
        only = dg.AssetSelection.assets(asset)
        result = dg.evaluate_automation_conditions(definitions, instance, only, cursor=cursor)
        cursor = result.cursor
        return result.total_requested

    return look


def test_a_change_during_a_run_is_followed_by_another_run() -> None:
    making = Making()

    @dg.asset(deps=["features"], automation_condition=whole_catalogue(dg.AssetKey("index")))
    def index() -> None:
        making.wait()

    definitions = dg.Definitions(assets=[dg.AssetSpec("features"), index])
    with dg.instance_for_test(overrides=QUIET) as instance:
        look = asks(definitions, instance, "index")

        def features_change() -> None:
            instance.report_runless_asset_event(dg.AssetMaterialization(asset_key="features"))

        features_change()
        look()  # the first one takes notice of what is there
        features_change()
        assert look() == 1
        with making.under_way(lambda: dg.materialize([index], instance=instance)):
            assert look() == 0
            features_change()  # too late for the run that is under way
            assert look() == 0
        assert look() == 1
        dg.materialize([index], instance=instance)
        assert [look(), look()] == [0, 0]


def test_films_that_somebody_ingests_by_hand_are_not_made_twice() -> None:
    """The first look that knows of them finds them missing, and their run under way."""
    making = Making()
    films = dg.DynamicPartitionsDefinition(name="films")
    policy = dg.BackfillPolicy.single_run()

    @dg.asset(partitions_def=films, backfill_policy=policy)
    def videos() -> None: ...

    @dg.asset(
        partitions_def=films,
        backfill_policy=policy,
        deps=[videos],
        automation_condition=per_video(dg.AssetKey("shots")),
    )
    def shots() -> None:
        making.wait()

    definitions = dg.Definitions(assets=[videos, shots])
    names = ["one", "three", "two"]
    tags = {"dagster/asset_partition_range_start": names[0], "dagster/asset_partition_range_end": names[-1]}
    with dg.instance_for_test(overrides=QUIET) as instance:
        look = asks(definitions, instance, "shots")
        assert look() == 0
        instance.add_dynamic_partitions("films", names)
        job = definitions.resolve_implicit_global_asset_job_def()
        keys = [videos.key, shots.key]  # named, as by `needle ingest`
        with making.under_way(lambda: job.execute_in_process(instance=instance, asset_selection=keys, tags=tags)):
            assert [look(), look()] == [0, 0]
        assert [look(), look()] == [0, 0]


def test_many_films_in_one_run_are_not_made_again_by_runs_without_work() -> None:
    """Upstream and asset end between two looks: of a run of many partitions Dagster recognises only the last one."""
    films = dg.DynamicPartitionsDefinition(name="films")
    policy = dg.BackfillPolicy.single_run()
    names = ["a", "b", "c", "d", "e"]

    def record(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        return Needle().record(context, StepReport(changed=1, data_version=context.run.run_id, details={}))

    @dg.asset(partitions_def=films, backfill_policy=policy)
    def shots(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        return record(context)

    @dg.asset(
        partitions_def=films,
        backfill_policy=policy,
        deps=[shots],
        automation_condition=per_video(dg.AssetKey("pairs")),
    )
    def pairs(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        return record(context)

    @dg.asset(deps=[shots], automation_condition=whole_catalogue(dg.AssetKey("index")))
    def index() -> None: ...

    definitions = dg.Definitions(assets=[shots, pairs, index])
    tags = {"dagster/asset_partition_range_start": names[0], "dagster/asset_partition_range_end": names[-1]}
    with dg.instance_for_test(overrides=QUIET) as instance:
        instance.add_dynamic_partitions("films", names)
        look, look_at_index = asks(definitions, instance, "pairs"), asks(definitions, instance, "index")
        job = definitions.resolve_implicit_global_asset_job_def()

        def make(*assets: dg.AssetsDefinition, range_tags: dict[str, str] = tags) -> None:
            keys = [each.key for each in assets]
            assert job.execute_in_process(instance=instance, asset_selection=keys, tags=range_tags).success

        instance.report_runless_asset_event(dg.AssetMaterialization(asset_key="library"))
        look(), look_at_index()
        make(shots, pairs)
        assert [look(), look()] == [0, 0]
        assert look_at_index() == 1  # the run did not make it
        make(index, range_tags={})
        make(shots)  # without pairs
        assert look() == len(names)
        make(pairs)
        assert look() == 0
