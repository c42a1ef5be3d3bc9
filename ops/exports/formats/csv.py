"""A table for spreadsheets: one line per clip, one column per fact."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from ops.exports.clip import Clip
from ops.exports.format import ExportContext, ExportFormat, ExportOutcome, collect_warnings
from ops.exports.formats.json import flatten_value
from ops.exports.names import escape_cell


class CsvFormat(ExportFormat):
    """RFC 4180 in UTF-8 with a header; an apostrophe precedes text that a spreadsheet would compute.

    A byte-order mark comes first: without it spreadsheets decode the file with the local code page.
    """

    name = "csv"
    label = "CSV"
    suffix = ".csv"
    media_type = "text/csv; charset=utf-8"
    position = 50
    handles_note = "Listed next to in and out, which stay as marked."

    def write(self, clips: Sequence[Clip], target: Path, context: ExportContext) -> ExportOutcome:
        rows = [{"number": at, **clip.list_facts()} for at, clip in enumerate(clips, start=1)]
        # Keys that callers add to the provenance of some clips become columns at the end.
        columns = list(dict.fromkeys(name for row in rows for name in row))
        with target.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([escape_cell(name) for name in columns])
            for row in rows:
                writer.writerow([escape_cell(flatten_value(row.get(name))) for name in columns])
        return ExportOutcome(warnings=collect_warnings(context.settings, clips))


FORMAT = CsvFormat()
