"""A list of markers as Premiere Pro exports its own: a table with tabs, one marker per clip."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from ops.core.time import make_timecode
from ops.exports.clip import Clip
from ops.exports.clip_markers import describe_marker
from ops.exports.conform import require_one_rate
from ops.exports.format import ExportContext, ExportFormat, ExportOutcome, choose_clock, collect_warnings
from ops.exports.names import escape_cell

COLUMNS = ("Marker Name", "Description", "In", "Out", "Duration", "Marker Type")


class MarkersFormat(ExportFormat):
    """Premiere's columns, in the timecode of the sequence that the other formats write: it begins at 01:00:00:00.

    ``Out`` is the frame after the last. Drop-frame timecode has semicolons throughout, as in Premiere. A byte-order
    mark comes first, as in CSV.
    """

    name = "markers"
    label = "Markers (Premiere CSV)"
    suffix = ".tsv"
    shared_suffixes = (".csv", ".txt")
    media_type = "text/tab-separated-values; charset=utf-8"
    position = 45
    has_one_rate = True
    handles_note = "Markers have no handles: in and out are as marked."
    summary = "is a table of markers with Premiere's columns"

    def write(self, clips: Sequence[Clip], target: Path, context: ExportContext) -> ExportOutcome:
        rate = require_one_rate(clips, "a list of markers")
        is_drop, at = choose_clock(rate, clips)
        with target.open("w", encoding="utf-8-sig", newline="") as file:
            writer = csv.writer(file, "excel-tab", lineterminator="\n")
            writer.writerow(COLUMNS)
            for clip in clips:
                marker = describe_marker(clip)
                codes = [
                    make_timecode(frame, rate, "00:00:00;00" if is_drop else "00:00:00:00")
                    for frame in (at, at + clip.length, clip.length)
                ]
                times = [code.replace(":", ";") if is_drop else code for code in codes]
                writer.writerow([escape_cell(marker.name), escape_cell(marker.comment), *times, "Comment"])
                at += clip.length
        return ExportOutcome(warnings=collect_warnings(context.settings, clips))


FORMAT = MarkersFormat()
