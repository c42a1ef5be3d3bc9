"""When a probe's report is made by itself: after a fit that changed something, and only then."""

from __future__ import annotations

from typing import Any

import dagster as dg

from assets.automation import when_refitted

QUIET = {"compute_logs": {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}}
PROBE, SCORES, REPORT = (dg.AssetKey([kind, "closeup"]) for kind in ("probe", "probe_scores", "few_shot_report"))


def test_a_report_follows_a_changed_probe_and_no_other() -> None:
    @dg.asset(key=REPORT, deps=[PROBE, SCORES], automation_condition=when_refitted(PROBE))
    def report() -> None: ...

    definitions = dg.Definitions(assets=[dg.AssetSpec(PROBE), dg.AssetSpec(SCORES), report])
    with dg.DagsterInstance.ephemeral() as instance:
        seen: dict[str, Any] = {"cursor": None}
        only = dg.AssetSelection.assets(REPORT)

        def made(key: dg.AssetKey, version: str) -> None:
            instance.report_runless_asset_event(
                dg.AssetMaterialization(asset_key=key, tags={"dagster/data_version": version})
            )

        def is_asked_for() -> bool:
            result = dg.evaluate_automation_conditions(definitions, instance, only, cursor=seen["cursor"])
            seen["cursor"] = result.cursor
            return result.get_num_requested(REPORT) == 1

        made(PROBE, "first"), made(SCORES, "first")
        assert is_asked_for()  # fitted before the daemon started
        made(REPORT, "first")
        assert not is_asked_for()
        made(PROBE, "second")
        assert is_asked_for()
        made(REPORT, "second")
        assert not is_asked_for()
        made(PROBE, "second"), made(SCORES, "of new footage")
        assert not is_asked_for()  # a fit that changed nothing, and scores of another film
        made(PROBE, "third")
        assert is_asked_for()


def probe_and_scores() -> list[dg.AssetsDefinition]:
    @dg.asset(key=PROBE)
    def probe() -> None: ...

    @dg.asset(key=SCORES, deps=[PROBE])
    def scores() -> None: ...

    return [probe, scores]


def test_a_report_of_an_older_version_is_renewed_at_the_first_look_and_a_probe_without_scores_waits() -> None:
    @dg.asset(key=REPORT, deps=[PROBE, SCORES], automation_condition=when_refitted(PROBE))
    def report() -> None: ...

    definitions = dg.Definitions(assets=[*probe_and_scores(), report])
    only = dg.AssetSelection.assets(REPORT)
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.evaluate_automation_conditions(definitions, instance, only)
        assert result.get_num_requested(REPORT) == 0  # nothing was fitted yet
        for key in (PROBE, REPORT):
            instance.report_runless_asset_event(dg.AssetMaterialization(asset_key=key))
        result = dg.evaluate_automation_conditions(definitions, instance, only, cursor=result.cursor)
        assert result.get_num_requested(REPORT) == 0  # not scored yet
        instance.report_runless_asset_event(dg.AssetMaterialization(asset_key=SCORES))
        assert dg.evaluate_automation_conditions(definitions, instance, only).get_num_requested(REPORT) == 1


def test_a_report_that_failed_is_not_tried_again_until_the_probe_changes() -> None:
    @dg.asset(key=REPORT, deps=[PROBE, SCORES], automation_condition=when_refitted(PROBE))
    def report() -> None:
        raise ValueError("no page")

    definitions = dg.Definitions(assets=[*probe_and_scores(), report])
    only = dg.AssetSelection.assets(REPORT)
    with dg.instance_for_test(overrides=QUIET) as instance:
        for key in (PROBE, SCORES):
            instance.report_runless_asset_event(dg.AssetMaterialization(asset_key=key))
        result = dg.evaluate_automation_conditions(definitions, instance, only)
        assert result.get_num_requested(REPORT) == 1
        assert not dg.materialize([report], instance=instance, raise_on_error=False).success
        requested = []
        for _ in range(2):
            result = dg.evaluate_automation_conditions(definitions, instance, only, cursor=result.cursor)
            requested.append(result.get_num_requested(REPORT))
        assert requested == [0, 0]
