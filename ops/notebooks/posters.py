"""Sheets of posters on the pages of notebooks."""

from __future__ import annotations

import html
import io
from collections.abc import Collection, Iterable
from fractions import Fraction

from PIL import Image

from ops.core.addresses import build_page_address
from ops.core.settings import Settings
from ops.core.time import frame_at, make_timecode
from ops.core.types import parse_shot_id
from ops.notebooks.page import put_html
from ops.notebooks.plots import render_image, shorten
from ops.shots.segment import make_poster_key
from ops.videos import catalogue

WIDE_PX = 320

_CELL = "margin:0;font:11px/1.35 sans-serif;color:#333;overflow-wrap:anywhere"
_MISSING = "aspect-ratio:16/9;display:grid;place-items:center;background:#eee;color:#666"
_FRAME = "outline:3px solid #009E73;outline-offset:-3px"
_ID = "font-family:monospace;font-size:10px"
_GRID = "display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:12px;margin:8px 0 16px"


class Posters:
    """Sheets of posters with show, timecode and id, which is a link to the shot on the page.

    Counts shown posters and those missing in the store.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._videos = {row["video_id"]: row for row in catalogue.read_videos(settings.lake)}
        self._shots: dict[str, dict[int, tuple[int, float]]] = {}
        self.shown = 0
        self.missing = 0

    def sheet(self, shots: Iterable[tuple[str, str]], framed_ids: Collection[str] = ()) -> None:
        """Put posters in rows; each is a shot id and a text below it, under show and timecode.

        Shots in ``framed_ids`` have a green frame.
        """
        cells = "".join(
            self._render_cell(shot_id, words, _FRAME if shot_id in framed_ids else "") for shot_id, words in shots
        )
        put_html(f'<div style="{_GRID}">{cells}</div>')

    def picture(self, shot_id: str) -> Image.Image | None:
        """Return the poster, RGB, at most 320 pixels wide and high; ``None`` if the store does not have it."""
        video_id, start = parse_shot_id(shot_id) or ("", 0)
        end, _ = self._read_shots(video_id).get(start, (0, 0.0))
        try:
            data = self._settings.store.read_bytes(make_poster_key(video_id, start, end)) if end else b""
        except FileNotFoundError:
            data = b""
        if not data:
            return None
        with Image.open(io.BytesIO(data)) as poster:
            poster.thumbnail((WIDE_PX, WIDE_PX))
            return poster.convert("RGB")

    def name(self, shot_id: str) -> str:
        """Return show and timecode of a shot; the id itself if its video is gone."""
        video_id, start = parse_shot_id(shot_id) or ("", 0)
        video = self._videos.get(video_id)
        if video is None:
            return shot_id
        rate = Fraction(video["fps_num"], video["fps_den"])
        _, start_s = self._read_shots(video_id).get(start, (0, start / rate))
        frame = frame_at(start, start_s, rate)
        return f"{shorten(video['show'])} · {make_timecode(frame, rate, video['start_timecode'] or '00:00:00:00')}"

    def _read_shots(self, video_id: str) -> dict[int, tuple[int, float]]:
        """Return end frame and start time of each shot of a video, by its start frame."""
        if video_id not in self._shots and video_id:
            partition = self._settings.resolve_partition(video_id)
            columns = ["video_id", "start_frame", "end_frame", "start_s"]
            rows = self._settings.lake.read("shots", [partition], columns).to_pylist()
            of_video = (row for row in rows if row["video_id"] == video_id)
            self._shots[video_id] = {row["start_frame"]: (row["end_frame"], row["start_s"]) for row in of_video}
        return self._shots.get(video_id, {})

    def _render_cell(self, shot_id: str, words: str, frame: str) -> str:
        poster = self.picture(shot_id)
        text = f"{self.name(shot_id)} · {words}" if words else self.name(shot_id)
        link = html.escape(build_page_address(self._settings, shot=shot_id))
        caption = f'{html.escape(text)}<br><a href="{link}" style="{_ID}">{html.escape(shot_id)}</a>'
        if poster is None:
            self.missing += 1
            return f'<figure style="{_CELL}"><div style="{_MISSING};{frame}">no poster</div>{caption}</figure>'
        self.shown += 1
        buffer = io.BytesIO()
        poster.save(buffer, "JPEG", quality=82)
        element = render_image("jpeg", buffer.getvalue(), text, f"width:100%;display:block;{frame}")
        return f'<figure style="{_CELL}">{element}{caption}</figure>'
