"""The resource of all assets: settings, clock and progress, and the conversion of reports to Dagster's records."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import dagster as dg

from ops.core.settings import Settings, load_settings
from ops.core.types import CheckOutcome, Progress, SilentProgress, StepReport
from ops.videos.damaged_tables import retry_past_damage

T = TypeVar("T")


class Needle:
    """The resource ``needle`` of every asset. The command line passes its progress bars in.

    A plain object, not a ``ConfigurableResource``: Dagster copies those, and the bars would be lost.
    """

    def __init__(self, progress: Progress | None = None) -> None:
        self.progress: Progress = progress or SilentProgress()

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
        """Return the result of ``step``; move damaged files of the lake away, see ``ops/videos/damaged_tables.py``."""
        return retry_past_damage(self.settings, self.encoder_id, self.progress, step, now=self.now())

    def record(
        self, context: dg.AssetExecutionContext, report: StepReport, *, page: Path | None = None
    ) -> dg.MaterializeResult:
        """Return a materialisation with the report's figures, those of each partition, its checks, and its page."""
        report.report_partitions(
            lambda partition, figures: context.add_asset_metadata(figures, partition_key=partition)
        )
        return dg.MaterializeResult(
            metadata={
                **report.details,
                "partitions_rewritten": report.changed,
                **({"report": dg.MetadataValue.path(page)} if page else {}),
            },
            data_version=dg.DataVersion(report.data_version),
            check_results=list(map(convert_check, report.checks)),
        )


def convert_check(outcome: CheckOutcome) -> dg.AssetCheckResult:
    """Convert the outcome of a check to Dagster's."""
    severity = dg.AssetCheckSeverity.ERROR if outcome.blocking else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(
        check_name=outcome.name, passed=outcome.passed, severity=severity, metadata=outcome.details
    )
