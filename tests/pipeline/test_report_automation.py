"""When a probe's report is made by itself: after a fit that changed something, and only then."""

from __future__ import annotations

from typing import Any

import dagster as dg

from assets.automation import when_refitted

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
        assert not is_asked_for()  # what was there before is not looked at
        made(PROBE, "second")
        assert is_asked_for()
        made(REPORT, "second")
        assert not is_asked_for()
        made(PROBE, "second"), made(SCORES, "of new footage")
        assert not is_asked_for()  # a fit that changed nothing, and scores of another film
        made(PROBE, "third")
        assert is_asked_for()
