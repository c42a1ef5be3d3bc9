"""What changes while an asset is being made from it is not lost: it is made once more, and then rests."""

from __future__ import annotations

import threading
from typing import Any

import dagster as dg
import pytest

from assets.automation import PER_VIDEO, WHOLE_CATALOGUE

PATIENCE_S = 60


@pytest.mark.parametrize("condition", [PER_VIDEO, WHOLE_CATALOGUE], ids=["per video", "whole catalogue"])
def test_a_change_during_a_run_is_followed_by_another_run(condition: Any) -> None:
    begun, may_end = threading.Event(), threading.Event()

    @dg.asset(deps=["features"], automation_condition=condition)
    def index() -> None:
        begun.set()
        assert may_end.wait(PATIENCE_S)

    definitions = dg.Definitions(assets=[dg.AssetSpec("features"), index])
    with dg.instance_for_test() as instance:
        seen: dict[str, Any] = {"cursor": None}
        only = dg.AssetSelection.assets("index")

        def features_change() -> None:
            instance.report_runless_asset_event(dg.AssetMaterialization(asset_key="features"))

        def is_asked_for() -> bool:
            result = dg.evaluate_automation_conditions(definitions, instance, only, cursor=seen["cursor"])
            seen["cursor"] = result.cursor
            return result.total_requested == 1

        def make() -> None:
            dg.materialize([index], instance=instance)

        features_change()
        is_asked_for()  # the first look takes notice of what is there
        features_change()
        assert is_asked_for()
        run = threading.Thread(target=make)
        run.start()
        assert begun.wait(PATIENCE_S)
        assert not is_asked_for()
        features_change()  # too late for the run that is under way
        assert not is_asked_for()
        may_end.set()
        run.join()
        assert is_asked_for()
        make()
        assert not is_asked_for()
        assert not is_asked_for()
