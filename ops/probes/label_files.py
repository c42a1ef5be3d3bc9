"""Labels as CSV files: ``label,shot_id,value,annotator``, and optionally ``created_at,origin``."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ops.core.errors import UsageError
from ops.core.settings import Settings
from ops.core.storage import write_atomically
from ops.probes.annotations import Annotation, require_name
from ops.probes.labels import Appended, append_annotations, read_annotations

NEEDED = ("label", "shot_id", "value")
OPTIONAL = ("annotator", "created_at", "origin")
_VALUES = {"yes": True, "no": False, "true": True, "false": False, "1": True, "0": False, "withdrawn": None}
CLOCKS = timedelta(minutes=10)  # limit for a clock of another machine that is ahead
_WORDS = {True: "yes", False: "no", None: "withdrawn"}


@dataclass(frozen=True, kw_only=True)
class Imported:
    """The result of an import: rows written, unchanged rows, and skipped lines with their reasons."""

    written: int
    unchanged: int
    refused: tuple[tuple[str, str], ...]


def import_labels(settings: Settings, path: Path, now: datetime, *, annotator: str, origin: str) -> Imported:
    """Append the annotations of a CSV file; ``annotator`` and ``origin`` are defaults for missing values.

    Skips and reports lines that cannot be used; importing the same file again writes nothing. Raises ``UsageError`` if
    the file cannot be read, or has unknown or missing columns.
    """
    good: list[tuple[int, Annotation]] = []
    refusals: list[tuple[str, str]] = []
    has_dates = False
    for number, row in _read_rows(path):
        try:
            good.append((number, _parse_row(row, now, annotator, origin)))
            has_dates = has_dates or bool(row.get("created_at"))
        except UsageError as error:
            refusals.append((f"line {number}", str(error)))
    result = append_annotations(settings, [each for _, each in good], now, affirm=has_dates)
    return Imported(
        written=result.written, unchanged=result.unchanged, refused=(*refusals, *_add_line_numbers(result, good))
    )


def export_labels(settings: Settings, path: Path, labels: Iterable[str] | None = None) -> int:
    """Write every annotation (of the labels, default all) as CSV; return their number.

    Importing the file elsewhere gives the same labels, with dates and annotators. Raises ``NotFoundError`` for a
    label that was never used.
    """
    rows = read_annotations(settings, labels)
    sink = io.StringIO(newline="")
    writer = csv.writer(sink)
    writer.writerow((*NEEDED, *OPTIONAL))
    for each in rows:
        word = _WORDS[each.value]
        writer.writerow((each.label, each.shot_id, word, each.annotator, each.created_at.isoformat(), each.origin))
    with write_atomically(path) as temporary:
        temporary.write_text(sink.getvalue(), encoding="utf-8", newline="")
    return len(rows)


def _read_rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Return line number and columns of each row."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        reader = csv.DictReader(io.StringIO(text, newline=""), restkey="", strict=True)
        columns = [name.strip() for name in reader.fieldnames or ()]
        _require_columns(path, columns)
        reader.fieldnames = columns
        return [(reader.line_num, {name: value for name, value in row.items() if name}) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        problem = getattr(error, "strerror", None) or error
        raise UsageError(f"{path} cannot be read as CSV: {problem}") from error


def _require_columns(path: Path, columns: list[str]) -> None:
    missing = [name for name in NEEDED if name not in columns]
    unknown = [name for name in columns if name not in (*NEEDED, *OPTIONAL)]
    rule = f"the first line must read {','.join((*NEEDED, OPTIONAL[0]))} (also: created_at, origin)"
    if missing:
        raise UsageError(f"{path} has no column {', '.join(missing)}: {rule}")
    if unknown or len(set(columns)) < len(columns):
        raise UsageError(f"{path} has the column {', '.join(map(repr, unknown)) or 'names twice'}: {rule}")


def _parse_row(row: dict[str, str], now: datetime, annotator: str, origin: str) -> Annotation:
    fields = {name: (value or "").strip() for name, value in row.items()}
    word = fields["value"].casefold()
    if word not in _VALUES:
        raise UsageError(f"value {fields['value']!r}: write yes or no, or withdrawn to withdraw an earlier answer")
    return Annotation(
        label=require_name(fields["label"]),
        shot_id=fields["shot_id"],
        value=_VALUES[word],
        annotator=fields.get("annotator") or annotator,
        created_at=_parse_time(fields.get("created_at", ""), now),
        origin=fields.get("origin") or origin,
    )


def _parse_time(text: str, now: datetime) -> datetime:
    if not text:
        return now
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"created_at {text!r}: write it as 2026-01-31T12:00:00+00:00") from error
    time = time.replace(tzinfo=time.tzinfo or UTC).astimezone(UTC)
    if time > now + CLOCKS:  # the latest answer counts: no answer before that time could replace it
        raise UsageError(f"created_at {text!r} is in the future")
    return time


def _add_line_numbers(result: Appended, good: list[tuple[int, Annotation]]) -> list[tuple[str, str]]:
    """Return the shots that the table refused, with their line numbers."""
    reasons = dict(result.refused)
    return [
        (f"line {number}", f"{each.shot_id}: {reasons[each.shot_id]}")
        for number, each in good
        if each.shot_id in reasons
    ]
