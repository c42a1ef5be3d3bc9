"""Dagster runs that the command line starts itself, in its own process.

Stands alone because of the state that a killed process leaves: a run that looks alive permanently, and partitions that
are half done. Each ingest holds a marker file, locked while it lives. A marker without a holder names exactly the work
that the next ingest has to finish, and the runs to close.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ops.cli.dagster_home import (
    HOME_TAG,
    find_dagster_home,
    has_records,
    open_instance,
    report_record_errors,
    tag_home,
)
from ops.cli.progress import Bars
from ops.cluster.session import keep_open
from ops.core import errors
from ops.core.errors import ChecksFailedError, DatabaseUnavailableError, NeedleError, UsageError
from ops.core.locks import lock_if_free
from ops.core.logs import are_logs_json
from ops.core.settings import Settings
from ops.core.storage import delete_unfinished_files
from ops.pipeline import list_steps

if TYPE_CHECKING:
    import dagster as dg

INDEXES = ("search_index", "dialogue_index", "screen_text_index")

_INTERRUPTION = "Execution was interrupted"
_STOP_ERRORS = ("DagsterExecutionInterruptedError", "KeyboardInterrupt")


@dataclass(frozen=True, kw_only=True)
class Interrupted:
    """An ingest whose process has ended: its marker, its partitions, and the Dagster runs it had started."""

    marker: Path
    partitions: list[str]
    runs: list[str]


def find_interrupted_ingests(settings: Settings) -> list[Interrupted]:
    """Return killed ingests: their marker exists and no process holds it."""
    dead = []
    for marker in sorted((settings.home / "ingests").glob("*.json")):
        record = _read_record(marker)
        if record is not None:
            dead.append(Interrupted(marker=marker, **record))
    return dead


def count_running_ingests(settings: Settings) -> int:
    """Return how many ingests (and probe fits, and fits of encoders) of the command line run now on this home."""
    markers = (settings.home / "ingests").glob("*.json")
    return sum(_read_record(marker) is None and marker.exists() for marker in markers)


def _read_record(marker: Path) -> dict[str, list[str]] | None:
    """Return the record of a marker without a holder; ``None`` if it is held, or was deleted meanwhile."""
    try:
        with marker.open() as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            record: dict[str, list[str]] = json.load(handle)
            return record
    except (FileNotFoundError, BlockingIOError):
        return None
    except ValueError:  # killed while it was written, before the run was started
        return {"partitions": [], "runs": []}


def run_pipeline(
    settings: Settings,
    partitions: Sequence[str],
    interrupted_ingests: Sequence[Interrupted],
    bars: Bars,
    last: Sequence[str] = (),
    *,
    partitioned_steps: Sequence[str] | None = None,
    indexes: Sequence[str] = INDEXES,
    started_by: str = "needle ingest",
) -> str:
    """Materialise steps for exactly these partitions, then ``indexes`` and the assets named in ``last``.

    ``partitioned_steps`` are all steps of the pipeline by default.
    Returns the id of the last run.
    Raises ``NeedleError`` if a step failed; the message is the step's own.
    """
    os.environ["DAGSTER_HOME"] = str(find_dagster_home(settings))
    quieten()
    from assets.definitions import build_definitions
    from assets.partitions import choose_partitions, ensure_partitions, range_tags
    from assets.resources import Needle
    from ops.core.tables import find_key_ranges

    steps = tuple(step.name for step in list_steps()) if partitioned_steps is None else tuple(partitioned_steps)
    with open_instance(settings) as instance:
        close_dead_runs(instance, interrupted_ingests)
        definitions = build_definitions(settings, Needle(bars))
        ordered_partitions = ensure_partitions(instance, choose_partitions(settings), partitions)
        ranges = find_key_ranges(partitions, ordered_partitions)
        by = {"needle/started_by": started_by, **tag_home(settings)}
        # An upgrade leaves nothing for the next ingest to finish: the next upgrade does it.
        with hold_marker(settings, partitions if partitioned_steps is None else ()) as note, keep_open():
            for start, end in ranges[:-1]:
                execute(definitions, instance, steps, {**by, **range_tags(start, end)}, note)
            tags = {**by, **(range_tags(*ranges[-1]) if ranges else {})}
            run_id, names = str(uuid4()), (*(steps if ranges else ()), *indexes, *last)
            try:
                execute(definitions, instance, names, tags, note, run_id)
            except ChecksFailedError as error:
                if not error.assets <= set(indexes):
                    raise
                # Another ingest may have changed the lake since the index was published: publish and check once more.
                execute(definitions, instance, sorted(error.assets), by, note)
    for ingest in interrupted_ingests:
        ingest.marker.unlink(missing_ok=True)
    if interrupted_ingests:
        settings.store.delete_unfinished("")
        delete_unfinished_files(settings.home)
    clear_scratch(settings)
    return run_id


def run_assets(
    settings: Settings,
    names: Sequence[str],
    bars: Bars,
    started_by: str,
    config: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Materialise the named assets, which have no partitions, in one run. Raises ``NeedleError`` as ``execute``.

    ``config`` has the configuration of assets that take one.
    """
    os.environ["DAGSTER_HOME"] = str(find_dagster_home(settings))
    quieten()
    from assets.definitions import build_definitions
    from assets.resources import Needle

    definitions = build_definitions(settings, Needle(bars))
    with open_instance(settings) as instance, hold_marker(settings, ()) as note:
        tags = {"needle/started_by": started_by, **tag_home(settings)}
        execute(definitions, instance, names, tags, note, config=config)


def quieten() -> None:
    """Silence Dagster's debug log and its beta warnings; the command line shows progress bars.

    Needle's own warnings stay on standard error: during a run, Dagster's handler on the logger ``ops``
    (``python_logs`` in ``dagster.yaml``) would otherwise replace Python's handler of last resort.
    """
    if logging.lastResort is not None and not are_logs_json():
        logging.getLogger("ops").addHandler(logging.lastResort)
    logging.getLogger("dagster").setLevel(logging.CRITICAL)
    warnings.filterwarnings("ignore", message="Parameter `backfill_policy`")


def execute(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    names: Sequence[str],
    tags: dict[str, str],
    note: Callable[[str], None],
    run_id: str = "",
    config: Mapping[str, Mapping[str, Any]] | None = None,
) -> str:
    """Run the named assets and their checks once; return the run's id, which is noted before the start.

    Raises ``NeedleError`` if a step failed, ``UsageError`` if a step rejected its input, ``ChecksFailedError`` if only
    checks failed, and ``KeyboardInterrupt`` if the run was interrupted.
    """
    import dagster as dg

    run_id = run_id or str(uuid4())
    note(run_id)
    job = definitions.resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(
        instance=instance,
        asset_selection=[dg.AssetKey(name.split("/")) for name in names],
        tags={"needle/started_by": "needle ingest", **tags},
        run_config={
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            "ops": {name: {"config": dict(values)} for name, values in (config or {}).items()},
        },
        run_id=run_id,
        raise_on_error=False,
    )
    failures = [event for event in result.all_events if event.is_step_failure or event.is_failure]
    reasons = [event.step_failure_data.error for event in failures if event.is_step_failure]
    roots = [error.cause or error for error in reasons if error]
    messages = [event.message or "" for event in failures]
    if any(root.cls_name in _STOP_ERRORS for root in roots) or any(each.startswith(_INTERRUPTION) for each in messages):
        raise KeyboardInterrupt
    failed_checks = [check for check in result.get_asset_check_evaluations() if not check.passed]
    # A blocking check that fails ends its step by this error.
    if not result.success and not (
        failed_checks and {root.cls_name for root in roots} == {"DagsterAssetCheckFailedError"}
    ):
        causes = [root.message.strip() for root in roots]
        kinds = [getattr(errors, root.cls_name or "", None) for root in roots]
        if kinds and all(kinds):  # the project's errors: their message has the cause and the remedy
            kind = UsageError if any(issubclass(kind, UsageError) for kind in kinds if kind) else NeedleError
            raise kind("; ".join(cause.partition(": ")[2] or cause for cause in causes))
        raise NeedleError(f"the run {run_id} failed: {'; '.join(causes) or failures[0].message}")
    if failed_checks:
        names = ", ".join(check.check_name for check in failed_checks)
        message = f"the run {run_id} ended, but these checks failed: {names}; see `needle dagster`"
        raise ChecksFailedError(message, {check.asset_key.to_user_string() for check in failed_checks})
    return run_id


@contextmanager
def hold_marker(settings: Settings, partitions: Sequence[str]) -> Iterator[Callable[[str], None]]:
    """Hold a marker for this ingest; the block's value notes the id of a run that is about to start.

    The marker is deleted after the block, also if a run failed: the data show again which work is missing. It stays if
    Dagster's records on Postgres are unavailable: the next ingest then closes the run.
    """
    folder = settings.home / "ingests"
    folder.mkdir(parents=True, exist_ok=True)
    marker = folder / f"{uuid4()}.json"
    record: dict[str, list[str]] = {"partitions": list(partitions), "runs": []}
    temporary = marker.with_suffix(".new")
    with temporary.open("wb") as handle:
        # It is renamed once it is locked and complete: a visible marker shows if it is held.
        fcntl.flock(handle, fcntl.LOCK_EX)

        def write() -> None:
            os.pwrite(handle.fileno(), json.dumps(record).encode(), 0)
            os.fsync(handle.fileno())

        def note(run_id: str) -> None:
            record["runs"].append(run_id)
            write()

        write()
        temporary.replace(marker)
        is_done = True
        try:
            with report_record_errors(settings):
                yield note
        except DatabaseUnavailableError:
            is_done = False
            raise
        finally:
            if is_done:
                marker.unlink(missing_ok=True)


def close_dead_runs(instance: dg.DagsterInstance, interrupted_ingests: Sequence[Interrupted]) -> None:
    """Mark the runs of killed ingests as failed: no other process monitors in-process runs."""
    for ingest in interrupted_ingests:
        for run_id in ingest.runs:
            run = instance.get_run_by_id(run_id)
            if run and not run.is_finished:
                instance.report_run_failed(run, "the process of `needle ingest` ended before the run did")


def close_orphaned_runs(settings: Settings) -> None:
    """Mark runs as failed if their process cannot be alive: all running ones, except those of living ingests.

    For the start of the daemon, which counts a run that looks alive permanently and starts no other. The caller ensures
    that no other daemon runs on this home.
    """
    os.environ["DAGSTER_HOME"] = str(find_dagster_home(settings))
    import dagster as dg

    alive = set[str]()
    for marker in (settings.home / "ingests").glob("*.json"):
        if _read_record(marker) is None and marker.exists():
            alive |= set(json.loads(marker.read_text())["runs"])
    ours = tag_home(settings).get(HOME_TAG)
    running = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.CANCELING]
    with report_record_errors(settings), dg.DagsterInstance.get() as instance:
        for run in instance.get_runs(filters=dg.RunsFilter(statuses=running)):
            # only their own home knows if the ingests of another one are alive
            if run.run_id not in alive and run.tags.get(HOME_TAG) in (None, ours):
                instance.report_run_failed(run, "its process ended before the run did")


def clear_scratch(settings: Settings) -> None:
    """Delete leftovers of killed processes in the scratch folder, unless a computation is running."""
    with lock_if_free(settings.work_lock) as is_free:
        if is_free and settings.scratch.exists():
            shutil.rmtree(settings.scratch)


def find_runs(settings: Settings, computations: Sequence[tuple[str, str, float]]) -> list[dict[str, str | None]]:
    """Return the runs that computed rows, each given as (asset, partition or "", Unix time of the computation).

    A row's time is that of its step, so its run is the first one that reported the asset after it. A row older than
    Dagster's records has no run.
    """
    import dagster as dg

    documents: list[dict[str, str | None]] = []
    if not has_records(settings):  # nothing was ever run here
        return documents
    with report_record_errors(settings), dg.DagsterInstance.from_config(str(find_dagster_home(settings))) as instance:
        for asset, partition, computed_at in computations:
            records_filter = dg.AssetRecordsFilter(
                asset_key=dg.AssetKey(asset),
                asset_partitions=[partition] if partition else None,
                after_timestamp=computed_at,
            )
            for record in instance.fetch_materializations(records_filter, limit=1, ascending=True).records:
                at = datetime.fromtimestamp(record.timestamp, UTC).isoformat(timespec="seconds")
                documents.append({"asset": asset, "partition": partition or None, "run_id": record.run_id, "at": at})
    return documents
