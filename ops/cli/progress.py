"""Progress bars on standard error: items, rate, time left, number of inputs set aside."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from ops.cli.main import make_printable
from ops.core.logs import LoggedProgress, are_logs_json
from ops.core.plural import count_units
from ops.pipeline import list_steps

TITLES = {
    "index": "Search index",
    "pairs": "Captioned pairs",
    "training_features": "Frozen features",
    "training": "Training",
    "validation": "Validation",
    "questions": "Reading queries",
    "evaluation": "Embedding shots",
    "dialogue_index": "Dialogue index",
    "screen_text_index": "Index of writing",
    "saved searches": "Saved searches",
    "comparison": "Comparison",
    "export": "Exporting",
    "backup": "Copying files",
    "clips": "Watching clips",
    "strips": "Strips of frames",
}
"""Titles of work that is not a step of the pipeline."""


class Bars:
    """A :class:`ops.core.types.Progress` for users: one bar per stage, set-aside inputs printed as they come.

    If standard error is not a terminal, each stage is one line when it ends. If logs are JSON, reports are records of
    the log.
    """

    def __init__(self) -> None:
        self._log = LoggedProgress() if are_logs_json() else None
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self.bars = Progress(
            TextColumn("{task.description:<16}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed:>7.0f}{task.fields[of]} {task.fields[unit]}"),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[aside]}"),
            console=self.console,
            disable=self._log is not None or not sys.stderr.isatty(),
        )
        self.tasks: dict[str, TaskID] = {}
        self.began: dict[str, float] = {}
        self.skipped: list[tuple[str, str]] = []
        self.printed_notes: set[str] = set()
        self.titles = TITLES | {step.stage or step.name: step.title for step in list_steps()}

    def __enter__(self) -> Bars:
        self.bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bars.stop()

    def start(self, stage: str, total: float, unit: str) -> None:
        if self._log:
            self._log.start(stage, total, unit)
        title = self.titles.get(stage, stage)
        of = f"/{total:.0f}" if total else ""  # rich cannot format an unknown total
        self.tasks[stage] = self.bars.add_task(title, total=total or None, unit=unit, of=of, rate="", aside="")
        self.began[stage] = time.monotonic()

    def advance(self, stage: str, amount: float = 1) -> None:
        task = self.bars.tasks[self.tasks[stage]]
        seconds = max(time.monotonic() - self.began[stage], 1e-3)
        rate = f"{(task.completed + amount) / seconds:.1f}/s"
        self.bars.update(task.id, advance=amount, rate=rate)

    def set_aside(self, stage: str, thing: str, reason: str) -> None:
        if (thing, reason) in self.skipped:  # two steps of one run may check the same thing
            return
        self.skipped.append((thing, reason))
        count = len(self.skipped)
        if stage in self.tasks:  # damage to the lake is found before any stage starts
            self.bars.update(self.tasks[stage], aside=f"[yellow]{count} set aside")
        if self._log:
            self._log.set_aside(stage, thing, reason)
            return
        self.console.print(f"[yellow]set aside[/] {escape(make_printable(thing))}: {escape(make_printable(reason))}")

    def note(self, stage: str, text: str) -> None:
        self.printed_notes.add(text)
        if self._log:
            self._log.note(stage, text)
            return
        self.console.print(f"[yellow]note[/] {escape(make_printable(text))}")

    def report(self, text: str) -> None:
        """Print a line above the bars."""
        if self._log:
            self._log.report(text)
        else:
            self.console.print(text)

    def finish(self, stage: str) -> None:
        task = self.bars.tasks[self.tasks[stage]]
        total = task.total if task.total is not None else task.completed
        self.bars.update(task.id, completed=total, total=total)
        if self._log:
            self._log.advance(stage, total)
            self._log.finish(stage)
        elif not total:
            self.bars.update(task.id, visible=False)  # nothing was due, or the step is off: not worth a line
        elif self.bars.disable:
            seconds = time.monotonic() - self.began[stage]
            self.console.print(f"{task.description}: {count_units(total, task.fields['unit'])} in {seconds:.1f} s")
