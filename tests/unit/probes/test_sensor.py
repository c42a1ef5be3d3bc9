"""The sensor that turns new labels into a run of ``labels``."""

from __future__ import annotations

from pathlib import Path

import dagster as dg

from assets.automation import labels_sensor
from ops.core.settings import load_settings
from ops.probes.labels import digest_labels
from tests.builders.labelled import fill_told_apart, judge, shot_ids


def test_new_labels_are_asked_for_once(tmp_path: Path) -> None:
    settings = load_settings(home=str(tmp_path / "home"))
    fill_told_apart(settings, videos=2, shots=6)
    sensor = labels_sensor(settings)
    with dg.instance_for_test() as instance:

        def tick(cursor: str | None) -> tuple[list[str | None], str | None]:
            found = sensor.evaluate_tick(dg.build_sensor_context(instance=instance, cursor=cursor))
            return [request.run_key for request in found.run_requests or []], found.cursor

        assert tick(None)[0] == []
        judge(settings, shot_ids(2, 6)[:3])
        keys, cursor = tick(None)
        assert keys == [f"labels-{digest_labels(settings)}"] and cursor == digest_labels(settings)
        assert tick(cursor)[0] == []
        judge(settings, shot_ids(2, 6)[3:4], later_s=1)
        assert len(tick(cursor)[0]) == 1
