"""Labels as CSV files: ``label,shot_id,value,annotator``, and ``created_at,origin`` where they are known."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ops.core.errors import UsageError
from ops.core.settings import Settings
from ops.core.storage import atomic_path
from ops.probes.judgements import Judgement
from ops.probes.labels import Appended, append_judgements, read_judgements
from ops.probes.names import require_name

NEEDED = ("label", "shot_id", "value")
OPTIONAL = ("annotator", "created_at", "origin")
_VALUES = {"yes": True, "no": False, "true": True, "false": False, "1": True, "0": False, "withdrawn": None}
CLOCKS = timedelta(minutes=10)  # by which another machine may be ahead
_WORDS = {True: "yes", False: "no", None: "withdrawn"}


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What became of a file: rows written, rows that say nothing new, and lines left out with their reasons."""

    written: int
    unchanged: int
    refused: tuple[tuple[str, str], ...]


def import_labels(settings: Settings, path: Path, now: datetime, *, annotator: str, origin: str) -> Imported:
    """Append the judgements of a CSV file; ``annotator`` and ``origin`` count where the file has none.

    A line that cannot be used is left out with its reason, and the rest goes on; the same file twice writes nothing
    the second time. Raises ``UsageError`` for a file that cannot be read, has other columns or none of those needed.
    """
    good: list[tuple[int, Judgement]] = []
    refused: list[tuple[str, str]] = []
    dated = False
    for number, row in _rows(path):
        try:
            good.append((number, _judgement(row, now, annotator, origin)))
            dated = dated or bool(row.get("created_at"))
        except UsageError as error:
            refused.append((f"line {number}", str(error)))
    done = append_judgements(settings, [each for _, each in good], now, affirm=dated)
    return Imported(written=done.written, unchanged=done.unchanged, refused=(*refused, *_with_lines(done, good)))


def export_labels(settings: Settings, path: Path, labels: Iterable[str] | None = None) -> int:
    """Write every judgement ever made (of the labels, default all) as CSV; how many.

    Importing the file elsewhere gives the same labels, dates and people included. Raises ``NotFoundError`` for a
    label that nobody gave.
    """
    rows = read_judgements(settings, labels)
    sink = io.StringIO(newline="")
    writer = csv.writer(sink)
    writer.writerow((*NEEDED, *OPTIONAL))
    for each in rows:
        told = _WORDS[each.value]
        writer.writerow((each.label, each.shot_id, told, each.annotator, each.created_at.isoformat(), each.origin))
    with atomic_path(path) as temporary:
        temporary.write_text(sink.getvalue(), encoding="utf-8", newline="")
    return len(rows)


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Line number and columns of each row."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        reader = csv.DictReader(io.StringIO(text, newline=""), restkey="", strict=True)
        columns = [name.strip() for name in reader.fieldnames or ()]
        _require_columns(path, columns)
        reader.fieldnames = columns
        return [(reader.line_num, {name: value for name, value in row.items() if name}) for row in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        told = getattr(error, "strerror", None) or error
        raise UsageError(f"{path} cannot be read as CSV: {told}") from error


def _require_columns(path: Path, columns: list[str]) -> None:
    missing = [name for name in NEEDED if name not in columns]
    unknown = [name for name in columns if name not in (*NEEDED, *OPTIONAL)]
    wanted = f"the first line must read {','.join((*NEEDED, OPTIONAL[0]))} (also: created_at, origin)"
    if missing:
        raise UsageError(f"{path} has no column {', '.join(missing)}: {wanted}")
    if unknown or len(set(columns)) < len(columns):
        raise UsageError(f"{path} has the column {', '.join(map(repr, unknown)) or 'names twice'}: {wanted}")


def _judgement(row: dict[str, str], now: datetime, annotator: str, origin: str) -> Judgement:
    told = {name: (value or "").strip() for name, value in row.items()}
    word = told["value"].casefold()
    if word not in _VALUES:
        raise UsageError(f"value {told['value']!r}: write yes or no, or withdrawn to take back what was said")
    return Judgement(
        label=require_name(told["label"]),
        shot_id=told["shot_id"],
        value=_VALUES[word],
        annotator=told.get("annotator") or annotator,
        created_at=_moment(told.get("created_at", ""), now),
        origin=told.get("origin") or origin,
    )


def _moment(text: str, now: datetime) -> datetime:
    if not text:
        return now
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise UsageError(f"created_at {text!r}: write it as 2026-01-31T12:00:00+00:00") from error
    found = found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
    if found > now + CLOCKS:  # the latest answer counts: nothing said until then could change it
        raise UsageError(f"created_at {text!r} lies in the future")
    return found


def _with_lines(done: Appended, good: list[tuple[int, Judgement]]) -> list[tuple[str, str]]:
    """What the table refused, by the lines where it stands."""
    reasons = dict(done.refused)
    return [
        (f"line {number}", f"{each.shot_id}: {reasons[each.shot_id]}")
        for number, each in good
        if each.shot_id in reasons
    ]
