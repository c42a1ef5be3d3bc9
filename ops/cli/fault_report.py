"""``--report FILE.html`` of ``needle evaluate`` and ``needle benchmark``: a page of false and missed boundaries."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ops.cli.main import announce, make_printable
from ops.cli.progress import Bars
from ops.core.errors import UsageError
from ops.core.storage import write_atomically

if TYPE_CHECKING:
    from ops.evaluation.clip_cuts import CutEvaluation


def check_report(target: Path | None) -> None:
    """Raise ``UsageError`` if the file cannot be written: early, not after an hour of measuring."""
    if target is None:
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as error:
        raise UsageError(f"--report {target}: it cannot be written there: {error.strerror or error}") from error


def write_report(target: Path, cuts: CutEvaluation, bars: Bars) -> None:
    """Write the page and print its path on standard error.

    Raises ``UsageError`` if no clip has annotated boundaries.
    """
    from ops.evaluation.fault_page import render_fault_page
    from ops.evaluation.strips import make_strips

    if not cuts.clips:
        raise UsageError("--report shows shot boundaries, and no clip has a <file>.shots.json next to it")
    page = render_fault_page(
        cuts, make_strips(cuts, progress=bars), measured_at=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    )
    with write_atomically(target) as temporary:
        temporary.write_text(page, encoding="utf-8")
    announce(f"report: {make_printable(str(target))}")
