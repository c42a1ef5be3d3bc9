"""The steps of the pipeline: those of every module ``ops/<package>/step.py``.

Stands alone because all lists of steps come from here, so a new step needs only its module: no list can omit it.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from types import ModuleType
from typing import Any

from ops.core.child_processes import preload_in_children
from ops.core.schemas import TABLES, Table, list_served_tables
from ops.core.settings import Settings
from ops.core.steps import Step, StepRun
from ops.core.types import StepReport
from ops.videos import catalogue

MOST_NAMED = 5
ROW_COUNT = "dagster/partition_row_count"


@cache
def list_steps() -> tuple[Step, ...]:
    """Every step, each one after the steps that it reads. Their child processes will start quickly."""
    packages = sorted(path.parent.name for path in Path(__file__).parent.glob("*/step.py"))
    steps = collect_steps(importlib.import_module(f"ops.{package}.step") for package in packages)
    preload_in_children(module for step in steps for module in step.child_modules)
    return steps


def find_step(name: str) -> Step:
    """The step of this name. Raises ``KeyError`` if it is unknown."""
    return {step.name: step for step in list_steps()}[name]


def collect_steps(modules: Iterable[ModuleType]) -> tuple[Step, ...]:
    """The ``STEPS`` of these modules in the order of the pipeline, with all the steps that they read.

    Raises ``TypeError`` for a module without ``STEPS``. Raises ``ValueError`` if two steps have one name or one table,
    if a step reads an unknown step or writes an unknown table, if steps read each other, or if no step writes a table
    that Feast serves.
    """
    step_by_name: dict[str, Step] = {}
    for module in modules:
        steps = getattr(module, "STEPS", None)
        if not isinstance(steps, tuple) or not all(isinstance(step, Step) for step in steps):
            raise TypeError(f"{module.__name__}: end it in STEPS = (a Step, ...)")
        for step in steps:
            if step.name in step_by_name:
                raise ValueError(f"two steps are called {step.name}: rename the one in {module.__name__}")
            step_by_name[step.name] = step
    writers = _find_writers(step_by_name.values())
    # In the order of the lake's tables, so that the order does not depend on the names of packages.
    names = list(TABLES)
    steps_in_order = sorted(
        step_by_name.values(), key=lambda step: min(map(names.index, step.tables), default=len(names))
    )
    readers = {step.name: replace(step, reads=_list_reads(step, writers)) for step in steps_in_order}
    if unknown := sorted({read for step in readers.values() for read in step.reads} - step_by_name.keys()):
        raise ValueError(
            f"a step reads {', '.join(unknown)}, but no step has this name: there are {', '.join(step_by_name)}"
        )
    try:
        order = TopologicalSorter({step.name: step.reads for step in readers.values()}).static_order()
        return tuple(readers[name] for name in order)
    except CycleError as error:
        raise ValueError(f"steps read each other: {' -> '.join(error.args[1])}") from error


def list_tables(step: Step) -> list[Table]:
    """The declarations of the tables that a step writes."""
    return [TABLES[name] for name in step.tables]


def _find_writers(steps: Iterable[Step]) -> dict[str, str]:
    """The name of the step that writes each table."""
    writers: dict[str, str] = {}
    for step in steps:
        for table in step.tables:
            if table not in TABLES:
                raise ValueError(f"{step.name} writes the table {table}: declare it in ops/core/schemas.py")
            if writers.setdefault(table, step.name) != step.name:
                raise ValueError(f"{step.name} and {writers[table]} both write the table {table}")
    if missing := [table.name for table in list_served_tables().values() if table.name not in writers]:
        raise ValueError(f"Feast serves {', '.join(missing)}, but no step writes it: name it in the tables of a Step")
    return writers


def _list_reads(step: Step, writers: dict[str, str]) -> tuple[str, ...]:
    writer_steps = [writers[table.name] for table in list_served_tables().values()] if step.reads_features else []
    return tuple(dict.fromkeys((*step.reads, *writer_steps)))


def describe_partitions(step: Step, run: StepRun, report: StepReport) -> StepReport:
    """Add to each partition's figures its videos by name, and the number of rows in the step's first table."""
    figures_by_partition = {}
    for partition in run.partitions:
        figures: dict[str, Any] = {"video": name_videos(run.settings, [partition])}
        if step.tables:
            table = TABLES[step.tables[0]].name_for_encoder(run.encoder_id)
            figures[ROW_COUNT] = len(run.settings.lake.read(table, [partition], ["video_id"]))
        figures_by_partition[partition] = figures | report.by_partition.get(partition, {})
    return replace(report, by_partition=figures_by_partition)


def name_videos(settings: Settings, partitions: Sequence[str]) -> str:
    """Return the titles of the videos in some partitions, a few of them by name."""
    names = sorted(row["title"] or row["path"] for row in catalogue.read_videos(settings.lake, partitions))
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more
