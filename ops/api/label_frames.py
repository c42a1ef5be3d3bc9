"""Labels in a DataFrame: every row is validated before anything is written.

Stands alone because it decides which values of a DataFrame are an answer: a missing value never becomes "no".
"""

from __future__ import annotations

import numbers
from collections.abc import Hashable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ops.core.errors import UsageError
from ops.core.plural import plural
from ops.core.settings import Settings
from ops.probes.annotations import Annotation, CatalogueShots, require_name
from ops.probes.label_files import CLOCKS, NEEDED, OPTIONAL

if TYPE_CHECKING:
    import pandas as pd

NAMED_ROWS = 5
"""Rows that a message names."""

_WORDS = {"yes": True, "true": True, "no": False, "false": False, "withdrawn": None}


def read_annotations_frame(
    settings: Settings, frame: pd.DataFrame, now: datetime, *, annotator: str, origin: str
) -> list[Annotation]:
    """Return the annotations of a DataFrame, in its order.

    Columns: ``label``, ``shot_id``, ``value``, and optionally ``annotator``, ``created_at``, ``origin``, whose missing
    values have the defaults. Raises ``UsageError`` that names the first rows which cannot be used, if there are any.
    """
    _require_columns(list(frame.columns))
    shots = CatalogueShots(settings)
    annotations: list[Annotation] = []
    refusals: list[str] = []
    answers: dict[tuple[str, str, str], bool | None] = {}
    columns = [name for name in (*NEEDED, *OPTIONAL) if name in frame.columns]
    for name, row in zip(frame.index, frame[columns].to_dict("records"), strict=True):
        try:
            each = _parse_row(row, now, annotator, origin)
            if reason := shots.rejection_reason(each.shot_id):
                raise UsageError(f"shot {each.shot_id!r}: {reason}")
            key = each.label, each.shot_id, each.annotator
            if "created_at" not in columns and answers.setdefault(key, each.value) != each.value:
                raise UsageError(f"{each.annotator} answers twice, and differently, for {each.shot_id}")
            annotations.append(each)
        except UsageError as error:
            refusals.append(f"row {name!r}: {error}")
    if refusals:
        more = f"\nand {plural(len(refusals) - NAMED_ROWS, 'more row')}" if len(refusals) > NAMED_ROWS else ""
        rows = "\n".join(refusals[:NAMED_ROWS])
        raise UsageError(
            f"nothing was written: {len(refusals)} of {plural(len(frame), 'row')} are invalid\n{rows}{more}"
        )
    return annotations


def _require_columns(columns: Sequence[object]) -> None:
    known_columns = (*NEEDED, *OPTIONAL)
    rule = f"a label needs the columns {', '.join(NEEDED)}, and may have {', '.join(OPTIONAL)}"
    if missing := [name for name in NEEDED if name not in columns]:
        raise UsageError(f"the DataFrame has no column {', '.join(missing)}: {rule}")
    if unknown := [str(name) for name in columns if name not in known_columns]:
        selection = [name for name in known_columns if name in columns]
        raise UsageError(f"the DataFrame has other columns ({', '.join(unknown)}): {rule}; pass frame[{selection}]")
    if len(set(columns)) < len(columns):
        raise UsageError(f"the DataFrame has a column twice: {rule}")


def _parse_row(row: Mapping[Hashable, object], now: datetime, annotator: str, origin: str) -> Annotation:
    return Annotation(
        label=require_name(_parse_text(row["label"], "label")),
        shot_id=_parse_text(row["shot_id"], "shot_id"),
        value=_parse_value(row["value"]),
        annotator=_parse_text(row.get("annotator"), "annotator", annotator),
        created_at=_parse_time(row.get("created_at"), now),
        origin=_parse_text(row.get("origin"), "origin", origin),
    )


def _parse_text(value: object, name: str, default: str = "") -> str:
    import pandas as pd

    text = "" if value is None or value is pd.NA or value is pd.NaT or value != value else value
    if not isinstance(text, str):
        raise UsageError(f"{name} is {value!r}, not a text")
    if not (text.strip() or default):
        raise UsageError(f"{name} is missing")
    return text.strip() or default


def _parse_value(value: object) -> bool | None:
    """Return the answer. A missing value is not one: it is refused, like every number but 0 and 1."""
    word = value.strip().casefold() if isinstance(value, str) else None
    if word in _WORDS:
        return _WORDS[word]
    import numpy as np

    if isinstance(value, bool | np.bool_) or (isinstance(value, numbers.Real) and value in (0, 1)):
        return bool(value)
    raise UsageError(f"value is {value!r}: write True or False, or 'withdrawn' to take an earlier answer back")


def _parse_time(value: object, now: datetime) -> datetime:
    import pandas as pd

    if value is None or value is pd.NaT or value is pd.NA or value != value:
        return now
    try:
        time = pd.Timestamp(value)  # type: ignore[arg-type]  # refuses what it cannot convert
    except (TypeError, ValueError) as error:
        raise UsageError(f"created_at is {value!r}, not a time") from error
    if time.tzinfo is None:
        raise UsageError(f"created_at is {value!r}, without a time zone: use UTC")
    moment: datetime = time.tz_convert("UTC").to_pydatetime(warn=False).replace(tzinfo=UTC)
    if moment > now + CLOCKS:  # the latest answer counts: no answer before that time could replace it
        raise UsageError(f"created_at {value!r} is in the future")
    return moment
