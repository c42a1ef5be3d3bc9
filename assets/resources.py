"""The resource of all assets: settings, clock and progress, and the conversion of reports to Dagster's records."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TypeVar

import dagster as dg

from ops.core.errors import UnavailableError
from ops.core.plural import count_units
from ops.core.settings import Settings, load_settings
from ops.core.types import CheckOutcome, Progress, SilentProgress, StepReport
from ops.videos.damaged_tables import retry_past_damage

T = TypeVar("T")
log = logging.getLogger("ops.progress")

RETRIES = 3
RETRY_AFTER_S = 30

PLOTTED = {"seconds_taken", "times_realtime"}
"""Figures of a run that partitions show as numbers of their own, because Dagster plots these over time."""


class LoggedProgress:
    """A :class:`Progress` whose reports are lines of the run's log, see ``python_logs`` in ``dagster.yaml``."""

    def __init__(self) -> None:
        self._began: dict[str, float] = {}
        self._done: dict[str, float] = {}
        self._units: dict[str, str] = {}

    def start(self, stage: str, total: float, unit: str) -> None:
        self._began[stage], self._done[stage], self._units[stage] = time.monotonic(), 0.0, unit
        log.info("%s: %s", stage, f"{count_units(total, unit)} to do" if total else "started")

    def advance(self, stage: str, amount: float = 1) -> None:
        self._done[stage] = self._done.get(stage, 0.0) + amount

    def set_aside(self, stage: str, thing: str, reason: str) -> None:
        log.warning("%s: %s is set aside: %s", stage, thing, reason)

    def note(self, stage: str, text: str) -> None:
        log.info("%s: %s", stage, text)

    def finish(self, stage: str) -> None:
        seconds = time.monotonic() - self._began.get(stage, time.monotonic())
        done = count_units(self._done.get(stage, 0.0), self._units.get(stage, "steps"))
        log.info("%s: %s in %.1f s", stage, done, seconds)


def name_run_tag(asset: dg.AssetKey) -> str:
    """Return the tag that a run has for each of its assets, see ``changed`` in ``automation.py``."""
    return f"needle/makes/{asset.to_user_string()}"


class Retry:
    """A block that Dagster begins again after ``RETRY_AFTER_S`` if a store or server did not answer.

    Not a ``RetryPolicy``: that retries every error, but wrong input and a refused fit would only fail again.
    """

    def __init__(self, retries: int) -> None:
        self._retries = retries

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        if self._retries and isinstance(error, UnavailableError):
            raise dg.RetryRequested(max_retries=self._retries, seconds_to_wait=RETRY_AFTER_S) from error


class Needle:
    """The resource ``needle`` of every asset. The command line passes its progress bars in.

    ``retries`` is the number of further tries of a step whose store or server did not answer: a daemon can wait for it,
    a person at the command line cannot. A plain object, not a ``ConfigurableResource``: Dagster copies those, and the
    bars would be lost.
    """

    def __init__(self, progress: Progress | None = None, retries: int = 0) -> None:
        self.progress: Progress = progress or SilentProgress()
        self._retries = retries

    @property
    def settings(self) -> Settings:
        return load_settings()

    @property
    def encoder_id(self) -> str:
        from ops.embeddings.encoder import resolve_encoder

        return resolve_encoder(self.settings).encoder_id

    def now(self) -> datetime:
        return datetime.now(UTC)

    def contain(self, step: Callable[[], T]) -> T:
        """Return the result of ``step``; move damaged files of the lake away, see ``ops/videos/damaged_tables.py``.

        If a store or server does not answer, the step is tried again later.
        """
        with Retry(self._retries):
            return retry_past_damage(self.settings, self.encoder_id, self.progress, step, now=self.now())

    def record(self, context: dg.AssetExecutionContext, report: StepReport, *, page: str = "") -> dg.MaterializeResult:
        """Return a materialisation with the report's figures, pictures and checks, and a link to ``page``.

        Dagster attaches the metadata of a result to every partition of its run. So a partition has its own figures,
        and those of the whole run under ``run``. The figures are logged, too.
        """
        run_tags = {name_run_tag(key): "" for key in context.run.asset_selection or ()}
        context.instance.add_run_tags(context.run.run_id, run_tags)
        figures = {**report.details, "partitions_rewritten": report.changed}
        context.log.info("%s: %s", context.asset_key.to_user_string(), format_figures(figures))
        report.report_partitions(
            lambda partition, own: context.add_asset_metadata(
                {**own, **show_pictures(report, partition)}, partition_key=partition
            )
        )
        of_run = {"run": dg.MetadataValue.json(figures)}
        if report.rows is not None:
            figures["dagster/row_count"] = report.rows
        of_run |= {f"run_{name}": figures[name] for name in PLOTTED & figures.keys()}
        return dg.MaterializeResult(
            metadata={
                **(of_run if context.assets_def.partitions_def is not None else figures),
                **({"report": dg.MetadataValue.url(page)} if page else {}),
                **show_pictures(report),
            },
            data_version=dg.DataVersion(report.data_version),
            check_results=list(map(convert_check, report.checks)),
        )


def show_pictures(report: StepReport, partition: str = "") -> dict[str, dg.MarkdownMetadataValue]:
    """Return the posters of a partition, or of the whole run, as metadata that Dagster's page shows as pictures."""
    markdown = report.pictures.get(partition)
    return {"posters": dg.MetadataValue.md(markdown)} if markdown else {}


def format_figures(figures: Mapping[str, object]) -> str:
    """Return a line of a report's numbers and short texts: "shots 7, times realtime 1.36"."""
    short = {name: value for name, value in figures.items() if isinstance(value, str | int | float) and value != ""}
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in short.items())


def convert_check(outcome: CheckOutcome) -> dg.AssetCheckResult:
    """Convert the outcome of a check to Dagster's."""
    severity = dg.AssetCheckSeverity.ERROR if outcome.blocking else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(
        check_name=outcome.name, passed=outcome.passed, severity=severity, metadata=outcome.details
    )
