"""Replicate lines of the lake to an index of lines: spoken lines, or writing in the picture."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ops.core.errors import DamagedTableError, VectorIndexError
from ops.core.settings import Settings
from ops.core.types import CheckOutcome, Progress, StepReport
from ops.index.lines import (
    LineRow,
    compute_line_digest,
    compute_line_version,
    open_lines,
    publish_lines,
    read_current_line_version,
)

ATTEMPTS = 3


@dataclass(frozen=True, kw_only=True)
class LineReplica:
    """An index of lines and its source: ``read`` returns every line that belongs in the index.

    ``name`` is that of the index, ``stage`` that of its progress, ``check`` that of its check. ``version_key`` and
    ``unit`` name the version and the number of lines in reports.
    """

    name: str
    stage: str
    version_key: str
    unit: str
    check: str
    read: Callable[[Settings], Iterable[LineRow]]

    def is_current(self, settings: Settings) -> bool:
        """Return True if the index is built from the lake's current lines."""
        current = read_current_line_version(settings, self.name)
        rows = list(self.read(settings))
        return current == compute_line_version(rows) if current or rows else True

    def build(self, settings: Settings, progress: Progress) -> StepReport:
        """Publish the lake's lines as the current version of their index; a no-op if they already are."""
        progress.start(self.stage, 0, self.unit)
        before = read_current_line_version(settings, self.name)
        rows = list(self.read(settings))
        version = publish_lines(settings, rows, name=self.name)
        progress.advance(self.stage, len(rows))
        progress.finish(self.stage)
        return StepReport(
            changed=int(version != before),
            data_version=version or "none",
            details={self.version_key: version or "", self.unit: len(rows), "digest": compute_line_digest(rows)},
            rows=len(rows),
        )

    def check_index(self, settings: Settings) -> CheckOutcome:
        """Compare the published lines, read back one by one, with the lake's. Writes nothing.

        If the lake changes during the comparison, it is compared again. A damaged table or index fails the check.
        """
        try:
            index_digest, lake_digest = self._compare(settings)
        except (DamagedTableError, VectorIndexError) as error:
            return CheckOutcome(name=self.check, passed=False, details={"problems": [str(error)]})
        return CheckOutcome(
            name=self.check,
            passed=index_digest == lake_digest,
            details={
                self.version_key: read_current_line_version(settings, self.name) or "",
                "digest": index_digest,
                "expected_digest": lake_digest,
            },
        )

    def _compare(self, settings: Settings) -> tuple[str, str]:
        """Return the digests of the published lines and of the lake's."""
        for _ in range(ATTEMPTS):
            lake_digest = compute_line_digest(self.read(settings))
            index = open_lines(settings, self.name)
            index_digest = compute_line_digest([]) if index is None else index.digest()
            if index is not None:
                index.close()
            if index_digest == lake_digest or lake_digest == compute_line_digest(self.read(settings)):
                break
        return index_digest, lake_digest
