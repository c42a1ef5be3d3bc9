"""The registry of steps: what it finds, its order, and what it refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from types import ModuleType

import pytest

from ops.core.columns import LABELS, SHOTS
from ops.core.schemas import TABLES, Table, View
from ops.core.steps import Step, StepRun, never_due
from ops.core.types import StepReport
from ops.pipeline import collect_steps, find_step, list_steps
from tests.conftest import CHILD_MODULES


def build_nothing(run: StepRun) -> StepReport:
    return StepReport(changed=0, data_version="0", details={})


def make_step(name: str, **fields: object) -> Step:
    return replace(Step(name=name, title=name, is_due=never_due, build=build_nothing), **fields)


def make_module(*steps: Step) -> ModuleType:
    module = ModuleType("ops.toy.step")
    module.STEPS = steps  # type: ignore[attr-defined]
    return module


def test_the_order_is_that_of_the_data() -> None:
    expected = ["videos", "shot_corrections", "shots", "shot_embeddings", "dialogue", "media_features"]
    names = [step.name for step in list_steps()]
    assert [name for name in names if name in expected] == expected


def test_children_of_the_tests_start_with_the_modules_of_every_step() -> None:
    assert {module for step in list_steps() for module in step.child_modules} == set(CHILD_MODULES)


def test_the_features_follow_every_table_that_feast_serves() -> None:
    assert set(find_step("media_features").reads) >= {"videos", "shots", "dialogue", "shot_embeddings"}
    added = collect_steps([make_module(*list_steps(), make_step("toy", tables=("caption_pairs",)))])
    assert "toy" not in added[-1].reads  # Feast does not serve its table


def test_every_table_of_a_video_has_a_step_or_is_written_by_people_or_models() -> None:
    written = {table for step in list_steps() for table in step.tables}
    others = {"subtitle_timings", "labels", "probe_scores", "kept_scores", "caption_pairs"}
    others |= {"collections", "saved_searches", "people", "people_changes"}
    assert written | others == set(TABLES)
    assert not written & others


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (make_step("shots"), "two steps are called shots"),
        (make_step("toy", tables=("toy",)), "writes the table toy: declare it"),
        (make_step("toy", tables=("shots",)), "both write the table shots"),
        (make_step("toy", reads=("clouds",)), "no step has this name"),
        (make_step("toy", reads=("toy",)), "steps read each other: toy -> toy"),
    ],
)
def test_a_step_that_contradicts_another_is_refused(step: Step, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        collect_steps([make_module(*list_steps(), step)])


def test_a_served_table_that_no_step_writes_is_refused() -> None:
    steps = [step for step in list_steps() if step.name != "dialogue"]
    with pytest.raises(ValueError, match="Feast serves shot_dialogue, but no step writes it"):
        collect_steps([make_module(*steps)])


def test_a_module_without_steps_is_refused() -> None:
    with pytest.raises(TypeError, match="end it in STEPS"):
        collect_steps([ModuleType("ops.toy.step")])


def test_a_table_that_feast_cannot_serve_or_forget_cannot_clear_is_refused() -> None:
    with pytest.raises(ValueError, match="keyed by label_id"):
        Table(name="toy", key="label_id", schema=SHOTS, feature_view=View(name="toy", description=""))
    with pytest.raises(ValueError, match="no video_id"):
        Table(name="toy", key="label_id", schema=LABELS)


def test_finding_the_steps_loads_nothing_heavy() -> None:
    script = "import sys, json, ops.pipeline; ops.pipeline.list_steps(); print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not set(json.loads(done.stdout)) & {"torch", "ray", "feast", "open_clip", "dagster", "duckdb", "pandas"}
