"""The resource of all assets (settings, clock, progress), reports as Dagster's records, and runs' JSON logs."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TypeVar

import dagster as dg
from dagster import _loggers

from ops.core.errors import UnavailableError
from ops.core.logs import JsonFormatter, name_in_logs, write_json_logs
from ops.core.settings import Settings, load_settings
from ops.core.stage_metrics import measure_stage, record_figures
from ops.core.types import CheckOutcome, Progress, SilentProgress, StepReport
from ops.videos.damaged_tables import retry_past_damage

T = TypeVar("T")

RETRIES = 3
RETRY_AFTER_S = 30

PLOT_NAMES = {
    "seconds_taken",
    "times_realtime",
    "encoder_seconds",
    "encoder_copy_seconds",
    "encoder_waiting_seconds",
    "encoder_waiting_share",
}
"""Figures of a run that partitions show as numbers of their own, because Dagster plots these over time."""


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

    def contain(self, step: Callable[[], T], context: dg.AssetExecutionContext | None = None) -> T:
        """Return the result of ``step``; move damaged files of the lake away, see ``ops/videos/damaged_tables.py``.

        If a store or server does not answer, the step is tried again later. The asset of ``context`` is the stage under
        which the step is counted in the metrics, each try of it.
        """
        with self._measure(context), Retry(self._retries):
            return retry_past_damage(self.settings, self.encoder_id, self.progress, step, now=self.now())

    @contextmanager
    def _measure(self, context: dg.AssetExecutionContext | None) -> Iterator[None]:
        if context is None:
            yield
            return
        stage = context.asset_key.to_user_string()
        with name_in_logs(run_id=context.run.run_id), measure_stage(self.settings, stage):
            yield

    def record(self, context: dg.AssetExecutionContext, report: StepReport, *, page: str = "") -> dg.MaterializeResult:
        """Return a materialisation with the report's figures, pictures and checks, and a link to ``page``.

        Dagster attaches the metadata of a result to every partition of its run. So a partition has its own figures,
        and those of the whole run under ``run``. The figures are logged, too.
        """
        run_tags = {name_run_tag(key): "" for key in context.run.asset_selection or ()}
        context.instance.add_run_tags(context.run.run_id, run_tags)
        figures = {**report.details, "partitions_rewritten": report.changed}
        record_figures(self.settings, context.asset_key.to_user_string(), figures, report.changed)
        context.log.info("%s: %s", context.asset_key.to_user_string(), format_figures(figures))
        report.report_partitions(
            lambda partition, partition_figures: context.add_asset_metadata(
                {**partition_figures, **show_pictures(report, partition)}, partition_key=partition
            )
        )
        of_run = {"run": dg.MetadataValue.json(figures)}
        if report.rows is not None:
            figures["dagster/row_count"] = report.rows
        of_run |= {f"run_{name}": figures[name] for name in PLOT_NAMES & figures.keys()}
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


@dg.logger(
    config_schema={"log_level": dg.Field(str, default_value="INFO"), "name": dg.Field(str, default_value="dagster")},
    description="One JSON object a line, with the ids of run, step, video and shot",
)
def json_console(context: dg.InitLoggerContext) -> logging.Logger:
    """Write the log of one run as Needle's JSON records, with the configuration of Dagster's own console logger."""
    logger = logging.Logger(context.logger_config["name"], level=context.logger_config["log_level"])
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logger.addHandler(handler)
    return logger


def write_json_logs_of_runs(settings: Settings) -> None:
    """Write the logs of this process of Dagster, and of runs in it, as JSON if the settings say so.

    Dagster 1.13 has no setting for the console logger of all runs: it takes this one unless a run's configuration names
    another. May go when it has one.
    """
    if write_json_logs(settings):
        _loggers.colored_console_logger = json_console
        logging.getLogger().handlers[0].addFilter(is_new_to_dagster)


def is_new_to_dagster(record: logging.LogRecord) -> bool:
    """Return False for a record of Needle that Dagster has captured, because it logs the same again."""
    return not hasattr(record, "dagster_meta")
