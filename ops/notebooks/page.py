"""How notebooks look: one style of plots, tables and posters, with words for those who cannot see them.

Imported by notebooks only: matplotlib takes a while to load.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Collection, Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import matplotlib.pyplot as plt
from IPython.display import HTML, Markdown, display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from ops.core.settings import Settings
from ops.core.time import timecode_of
from ops.core.types import parse_shot_id
from ops.shots.segment import poster_key
from ops.videos import catalogue

COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000"]  # Okabe and Ito, 2008
MARKERS = "os^DvXP"
OTHERS = "#9A9A9A"
WIDE_PX = 320
PX_AN_INCH = 102

_STYLE: dict[str, Any] = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.axisbelow": True,
    "figure.facecolor": "white",
    "grid.color": "#E3E3E3",
    "legend.frameon": False,
    "text.parse_math": False,  # a dollar in a name is a dollar
}
_CELL = "margin:0;font:11px/1.35 sans-serif;color:#333;overflow-wrap:anywhere"
_MISSING = "aspect-ratio:16/9;display:grid;place-items:center;background:#eee;color:#666"
_FRAME = "outline:3px solid #009E73;outline-offset:-3px"
_PADDED = "padding:3px 14px 3px 0"
_GRID = "display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:12px;margin:8px 0 16px"


def plot(width: float = 8.0, height: float = 4.0) -> tuple[Figure, Axes]:
    """An empty plot of so many inches in the style of all notebooks."""
    plt.style.use(_STYLE)
    return plt.subplots(figsize=(width, height), layout="constrained")


def show(figure: Figure, axes: Axes) -> None:
    """Put the plot on the page; its title and axes are its words for those who cannot see it."""
    words = html.escape("; ".join(filter(None, (axes.get_title(loc="left"), axes.get_xlabel(), axes.get_ylabel()))))
    picture = io.BytesIO()
    figure.savefig(picture, dpi=180)
    address = data_address("png", picture.getvalue())
    plt.close(figure)
    width_px = round(figure.get_figwidth() * PX_AN_INCH)
    _html(f'<img alt="{words}" style="width:min(100%, {width_px}px)" src="{address}">')


def nothing(what: str) -> None:
    """Say in a sentence why there is nothing to show, and what to do about it."""
    say(f"*{what}*")


def plain(text: str) -> str:
    """Words that somebody typed, for :func:`say`: tags in them are shown, not followed."""
    return html.escape(text, quote=False)


def say(text: str) -> None:
    """A paragraph of Markdown; what people typed goes through :func:`plain` first."""
    _put(Markdown(text))  # type: ignore[no-untyped-call]


def table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows with the same columns; numbers are set to the right."""
    head = "".join(
        f'<th style="text-align:left;padding:3px 14px 3px 0">{html.escape(str(name))}</th>' for name in rows[0]
    )
    body = "".join(f"<tr>{''.join(map(_entry, row.values()))}</tr>" for row in rows)
    _html(f'<table style="border-collapse:collapse;font-size:13px"><tr>{head}</tr>{body}</table>')


def results(figures: Mapping[str, Any]) -> None:
    """Hand figures out of the notebook: for its cell tagged ``results``."""
    _put({"application/json": dict(figures)}, raw=True)


def short(name: str, length: int = 30) -> str:
    """The name, cut to so many signs."""
    return name if len(name) <= length else name[: length - 1] + "…"


def data_address(kind: str, data: bytes) -> str:
    """A picture as an address that holds all of it."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


class Posters:
    """Sheets of posters; counts what was shown and what the store does not have."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._videos = {row["video_id"]: row for row in catalogue.videos_of(settings.lake)}
        self._ends: dict[str, dict[int, int]] = {}
        self.shown = 0
        self.missing = 0

    def sheet(self, shots: Iterable[tuple[str, str]], framed: Collection[str] = ()) -> None:
        """Posters in rows; each is a shot id and further words below it, under show and timecode.

        Those whose ids are ``framed`` stand in a green frame.
        """
        cells = "".join(self._cell(shot_id, words, _FRAME if shot_id in framed else "") for shot_id, words in shots)
        _html(f'<div style="{_GRID}">{cells}</div>')

    def picture(self, shot_id: str) -> Image.Image | None:
        """The poster, RGB, at most 320 pixels wide and high; nothing where the store has none."""
        video_id, start = parse_shot_id(shot_id) or ("", 0)
        end = self._ends_of(video_id).get(start)
        try:
            data = self._settings.store.read_bytes(poster_key(video_id, start, end)) if end else b""
        except FileNotFoundError:
            data = b""
        if not data:
            return None
        with Image.open(io.BytesIO(data)) as found:
            found.thumbnail((WIDE_PX, WIDE_PX))
            return found.convert("RGB")

    def name(self, shot_id: str) -> str:
        """Show and timecode of a shot; the id itself where its video is gone."""
        video_id, start = parse_shot_id(shot_id) or ("", 0)
        video = self._videos.get(video_id)
        if video is None:
            return shot_id
        rate = Fraction(video["fps_num"], video["fps_den"])
        return f"{short(video['show'])} · {timecode_of(start, rate, video['start_timecode'] or '00:00:00:00')}"

    def _ends_of(self, video_id: str) -> dict[int, int]:
        if video_id not in self._ends and video_id:
            partition = self._settings.partition_of(video_id)
            rows = self._settings.lake.read("shots", [partition], ["video_id", "start_frame", "end_frame"]).to_pylist()
            mine = (row for row in rows if row["video_id"] == video_id)
            self._ends[video_id] = {row["start_frame"]: row["end_frame"] for row in mine}
        return self._ends.get(video_id, {})

    def _cell(self, shot_id: str, words: str, frame: str) -> str:
        picture = self.picture(shot_id)
        told = html.escape(f"{self.name(shot_id)} · {words}" if words else self.name(shot_id))
        if picture is None:
            self.missing += 1
            return f'<figure style="{_CELL}"><div style="{_MISSING};{frame}">no poster</div>{told}</figure>'
        self.shown += 1
        small = io.BytesIO()
        picture.save(small, "JPEG", quality=82)
        address = data_address("jpeg", small.getvalue())
        image = f'<img src="{address}" alt="{told}" style="width:100%;display:block;{frame}">'
        return f'<figure style="{_CELL}">{image}{told}</figure>'


def _entry(value: Any) -> str:
    side = "right" if isinstance(value, int | float) else "left"
    told = f"{value:,.3f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
    return f'<td style="text-align:{side};{_PADDED}">{html.escape(told)}</td>'


def _html(text: str) -> None:
    _put(HTML(text))  # type: ignore[no-untyped-call]


def _put(thing: Any, **options: Any) -> None:
    display(thing, **options)  # type: ignore[no-untyped-call]
