"""Arrow tables as pandas DataFrames with the documented dtypes, and DataFrames of hits that show posters."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pandas as pd
import pyarrow as pa

from ops.core.plural import plural
from ops.core.storage import ObjectStore
from ops.core.types import parse_shot_id
from ops.search.schema import Hit, SearchResult

MOST_POSTERS = 60
"""Hits with posters in one display; 60 pages of 15 KB are about 1 MB in a notebook."""
WIDE_PX = 320

NULLABLE: dict[pa.DataType, Any] = {
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.bool_(): pd.BooleanDtype(),
}
"""pandas' types of columns that may be null; all others have NumPy's."""

HITS: dict[str, str] = {
    "rank": "int64",
    "score": "float64",
    "relevance": "float64",
    "is_weak": "bool",
    "shot_id": "object",
    "video_id": "object",
    "show": "object",
    "title": "object",
    "path": "object",
    "start_frame": "int64",
    "end_frame": "int64",
    "fps": "object",
    "start_s": "float64",
    "end_s": "float64",
    "start_timecode": "object",
    "spoken": "object",
    "folded": "object",
    "is_blank": "bool",
    "is_title": "bool",
    "poster": "object",
    "proxy": "object",
}
"""The columns of a search result, each with its dtype."""

_GRID = "display:grid;grid-template-columns:repeat(auto-fill,minmax(160px,1fr));gap:12px;margin:8px 0"
_CELL = "margin:0;font:11px/1.4 sans-serif;overflow-wrap:anywhere"
_PICTURE = "width:100%;aspect-ratio:16/9;object-fit:contain;background:#111;display:block"
_MISSING = "aspect-ratio:16/9;display:grid;place-items:center;background:#ddd;color:#444"
_NOTE = "margin:8px 0;font:12px/1.4 sans-serif"


def to_frame(table: pa.Table) -> pd.DataFrame:
    """Return the table as a DataFrame: columns that may be null have pandas' nullable types, others NumPy's."""
    columns = {}
    for field, column in zip(table.schema, table.columns, strict=True):
        columns[field.name] = column.to_pandas(types_mapper=NULLABLE.get if field.nullable else None)
    return pd.DataFrame(columns, columns=table.schema.names)


@dataclass(frozen=True, kw_only=True)
class PosterStore:
    """Reads posters from the object store of a catalogue; its only field is the address, so it can be pickled."""

    address: str

    def read_jpeg(self, shot_id: object, end_frame: object) -> bytes | str:
        """Return the poster as a small JPEG, or the reason why there is none."""
        from PIL import Image

        from ops.shots.segment import make_poster_key

        video_and_frame = parse_shot_id(str(shot_id))
        if video_and_frame is None or not isinstance(end_frame, int):
            return "no shot"
        try:
            data = ObjectStore(self.address).read_bytes(make_poster_key(*video_and_frame, end_frame))
            with Image.open(io.BytesIO(data)) as poster:
                poster.thumbnail((WIDE_PX, WIDE_PX))
                small = io.BytesIO()
                poster.convert("RGB").save(small, "JPEG", quality=80)
        except FileNotFoundError:
            return "no poster"
        except (OSError, SyntaxError, ValueError):  # Pillow raises these for damaged pictures
            return "damaged poster"
        return small.getvalue()


class HitFrame(pd.DataFrame):
    """Search results as a DataFrame that a notebook shows with posters.

    Selected and sorted rows keep the posters. ``attrs`` has the query, the notes of the search, ``cutoff`` (the
    relevance below which hits are weak) and ``stands_out``. ``pandas.DataFrame(hits)`` is a plain table.
    """

    _metadata: ClassVar[list[str]] = ["posters"]
    posters: PosterStore | None = None

    @property
    def _constructor(self) -> type[HitFrame]:
        return HitFrame

    def _repr_html_(self) -> str | None:
        if self.posters is None or not {"shot_id", "end_frame"} <= set(self.columns):
            return super()._repr_html_()  # type: ignore[misc, no-any-return]  # pandas-stubs leave it out
        records = self.head(MOST_POSTERS).to_dict("records")
        notes = [str(self.attrs["summary"])] if "summary" in self.attrs else []
        notes += [str(note) for note in self.attrs.get("notes", ())]
        notes += (
            [f"{plural(len(self) - MOST_POSTERS, 'more hit')} without a picture here"]
            if len(self) > MOST_POSTERS
            else []
        )
        words = "".join(f'<p style="{_NOTE}">{html.escape(note)}</p>' for note in notes)
        return f'{words}<div style="{_GRID}">{"".join(map(self._draw, records))}</div>'

    def _draw(self, row: dict[Any, Any]) -> str:
        assert self.posters is not None
        picture = self.posters.read_jpeg(row["shot_id"], row["end_frame"])
        caption = _caption(row)
        title = html.escape(f"{row['shot_id']}", quote=True)
        if isinstance(picture, str):
            element = f'<div style="{_MISSING}">{html.escape(picture)}</div>'
        else:
            data = base64.b64encode(picture).decode()
            element = (
                f'<img style="{_PICTURE}" alt="{html.escape(caption, quote=True)}" src="data:image/jpeg;base64,{data}">'
            )
        opacity = ";opacity:.55" if row.get("is_weak") is True else ""
        return f'<figure style="{_CELL}{opacity}" title="{title}">{element}{html.escape(caption)}</figure>'


def _caption(row: dict[Any, Any]) -> str:
    """Return rank, show, timecode, relevance and spoken words, as far as the columns are there."""
    parts = [str(row[name]) for name in ("rank", "show", "start_timecode") if name in row]
    if isinstance(row.get("relevance"), float):
        parts.append(f"{row['relevance']:.2f}" + (" weak" if row.get("is_weak") is True else ""))
    if row.get("spoken"):
        parts.append(f"“{row['spoken']}”")
    return " · ".join(parts)


def build_hits(result: SearchResult, storage: str) -> HitFrame:
    """Build the DataFrame of a search's answer; posters are read from the object store ``storage`` when it is shown."""
    rows = [_flatten(hit) for hit in result.hits]
    columns = {name: pd.Series([row[name] for row in rows], dtype=dtype) for name, dtype in HITS.items()}
    frame = HitFrame(columns)
    frame.posters = PosterStore(address=storage)
    frame.attrs = {
        "query": result.query.document(),
        "encoder_id": result.encoder_id,
        "index_version": result.index_version,
        "cutoff": result.cutoff,
        "stands_out": result.stands_out,
        "notes": list(_notes(result)),
        "summary": f"{plural(len(rows), 'shot')} for {describe_query(result)}",
    }
    return frame


def describe_query(result: SearchResult) -> str:
    """Return the query in a few words, for the line above the posters."""
    query = result.query
    parts = [f"“{query.text}”"] if query.text.strip() else []
    parts += [f"shots like {', '.join(query.like)}"] if query.like else []
    return " and ".join(parts) or "these conditions"


def _notes(result: SearchResult) -> Sequence[str]:
    """Return the sentences that a user should read: the limits of this search, and that nothing stands out."""
    unclear = () if result.stands_out or not result.hits else ("nothing clearly matches: these are the nearest shots",)
    nothing = () if result.hits else ("no shot fulfils the query: take a filter away, or ask in other words",)
    return (*nothing, *unclear, *result.reading.notes)


def _flatten(hit: Hit) -> dict[str, Any]:
    row = {name: getattr(hit, name) for name in HITS if name in Hit.model_fields and name != "spoken"}
    return {
        **row,
        "spoken": " / ".join(" ".join(line.text.split()) for line in hit.lines),
        "folded": list(hit.folded),
    }
