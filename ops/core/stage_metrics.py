"""Metrics of the pipeline's stages for Prometheus: counted in a file of the home, served and pushed.

Stages run in processes that end after minutes (``needle ingest``, runs of Dagster), which Prometheus cannot read. So
each run adds to ``<home>/metrics/stages.json``; ``needle serve`` reads that file for ``/metrics``, and a run pushes it
to ``NEEDLE_METRICS_PUSH``.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from ops.core.locks import lock_exclusively
from ops.core.logs import name_in_logs
from ops.core.settings import Settings
from ops.core.storage import write_atomically
from ops.core.tracing import trace_span

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

log = logging.getLogger(__name__)

PUSH_TIMEOUT_S = 3

SUMS: Mapping[tuple[str, str], tuple[str, str]] = {
    ("shot_embeddings", "encoder_seconds"): ("encoder_busy_seconds", "Time that the encoder computed."),
    ("shot_embeddings", "encoder_waiting_seconds"): (
        "encoder_waiting_seconds",
        "Time that the encoder waited for frames between two batches.",
    ),
    ("search_index", "new_videos"): ("videos_published", "Videos that became searchable."),
}
"""Figures that are added up: stage and figure of its report, name of the counter, and its meaning."""
LATEST: Mapping[tuple[str, str], tuple[str, str]] = {
    ("search_index", "lag_seconds"): (
        "searchable_lag_seconds",
        "Longest time from a video's discovery until it was searchable, of the last publication.",
    ),
    ("search_index", "lag_seconds_median"): ("searchable_lag_median_seconds", "Median of the same times."),
    ("library", "videos"): ("library_videos", "Videos that the sensor sees in the library."),
    ("library", "waiting"): ("library_waiting", "Videos of the library that wait for their first run."),
    ("library", "being_copied"): ("library_being_copied", "Files of the library that still change."),
    ("library", "set_aside"): ("library_set_aside", "Files of the library that cannot be used, each with its reason."),
    ("dagster", "queued"): ("dagster_runs_queued", "Runs that wait in Dagster's queue."),
    ("dagster", "running"): ("dagster_runs_running", "Runs of Dagster in progress."),
}
"""Figures whose last value is reported."""


class StageRecord(BaseModel):
    """What is known of one stage; ``done_at`` is the Unix time of its last success, 0 before the first."""

    done: int = Field(default=0, ge=0)
    failed: int = Field(default=0, ge=0)
    seconds: float = Field(default=0.0, ge=0)
    changed: int = Field(default=0, ge=0)
    done_at: float = 0.0
    sums: dict[str, float] = {}
    latest: dict[str, float] = {}


class StageRecords(BaseModel):
    """The file: a record for each stage."""

    stages: dict[str, StageRecord] = {}


def locate_records(home: Path) -> Path:
    """Return the path of the file."""
    return home / "metrics" / "stages.json"


def read_records(home: Path) -> dict[str, StageRecord]:
    """Return the records of all stages; none if the file is missing, or, with a warning, if it is damaged."""
    path = locate_records(home)
    try:
        return StageRecords.model_validate_json(path.read_bytes()).stages
    except FileNotFoundError:
        return {}
    except ValueError as error:
        log.warning("%s is damaged (%s): the metrics of stages begin again", path, str(error).splitlines()[0])
        return {}


@contextmanager
def measure_stage(settings: Settings, stage: str) -> Iterator[None]:
    """Count the block as a run of the stage, done or failed, with its seconds; it is also a span of a trace."""
    began = time.monotonic()

    def count(record: StageRecord) -> None:
        record.seconds += time.monotonic() - began
        record.done, record.failed = record.done + is_done, record.failed + (not is_done)
        record.done_at = time.time() if is_done else record.done_at

    is_done = False
    try:
        with name_in_logs(stage=stage), trace_span(f"stage {stage}", **{"needle.stage": stage}):
            yield
        is_done = True
    finally:  # an interrupted run counts as failed, too
        _change(settings, stage, count)
        if not is_done:
            push_metrics(settings)


def record_figures(settings: Settings, stage: str, figures: Mapping[str, object], changed: int = 0) -> None:
    """Keep those figures of a stage's report that are metrics, and push all metrics if a gateway is set."""

    def keep(record: StageRecord) -> None:
        record.changed += changed
        for name, value in figures.items():
            if isinstance(value, int | float) and (stage, name) in SUMS:
                record.sums[name] = record.sums.get(name, 0.0) + value
            if isinstance(value, int | float) and (stage, name) in LATEST:
                record.latest[name] = float(value)

    _change(settings, stage, keep)
    push_metrics(settings)


def _change(settings: Settings, stage: str, change: Callable[[StageRecord], None]) -> None:
    """Change the record of a stage. A home that cannot be written is logged: metrics stop no run."""
    try:
        with lock_exclusively(settings.home / "locks" / "metrics.lock"):
            stages = read_records(settings.home)
            change(stages.setdefault(stage, StageRecord()))
            with write_atomically(locate_records(settings.home)) as temporary:
                temporary.write_text(StageRecords(stages=stages).model_dump_json())
    except OSError as error:
        log.warning("the metrics of %s are not counted: %s", stage, error)


def collect_stages(home: Path) -> Iterable[Metric]:
    """Yield the metrics of all stages, as ``prometheus_client`` formats them."""
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

    records = read_records(home)
    runs = CounterMetricFamily("needle_stage_runs", "Runs of a stage.", labels=("stage", "outcome"))
    seconds = CounterMetricFamily("needle_stage_seconds", "Time of all runs of a stage.", labels=("stage",))
    changed_counter = CounterMetricFamily("needle_stage_changed", "Partitions that were written.", labels=("stage",))
    done_at = GaugeMetricFamily("needle_stage_success_timestamp_seconds", "Last success.", labels=("stage",))
    for stage, record in sorted(records.items()):
        runs.add_metric((stage, "done"), record.done)
        runs.add_metric((stage, "failed"), record.failed)
        seconds.add_metric((stage,), record.seconds)
        changed_counter.add_metric((stage,), record.changed)
        if record.done_at:
            done_at.add_metric((stage,), record.done_at)
    yield from (runs, seconds, changed_counter, done_at)
    for (stage, name), (metric, meaning) in SUMS.items():
        record = records.get(stage, StageRecord())
        yield CounterMetricFamily(f"needle_{metric}", meaning, value=record.sums.get(name, 0.0))
    for (stage, name), (metric, meaning) in LATEST.items():
        latest = records.get(stage, StageRecord()).latest
        if name in latest:  # unknown is not 0
            yield GaugeMetricFamily(f"needle_{metric}", meaning, value=latest[name])


class _StageCollector:
    """The metrics of one home, as a collector of ``prometheus_client``."""

    def __init__(self, home: Path) -> None:
        self._home = home

    def collect(self) -> Iterable[Metric]:
        return collect_stages(self._home)


def push_metrics(settings: Settings) -> None:
    """Push the metrics of all stages to the gateway, if one is set. A gateway that does not answer is logged."""
    if not settings.metrics_push:
        return
    from prometheus_client import CollectorRegistry, push_to_gateway

    registry = CollectorRegistry(auto_describe=False)
    registry.register(_StageCollector(settings.home))
    try:
        push_to_gateway(settings.metrics_push, job="needle", registry=registry, timeout=PUSH_TIMEOUT_S)
    except OSError as error:  # urllib's errors are OSErrors
        log.warning("the metrics were not pushed to NEEDLE_METRICS_PUSH: %s", error)
