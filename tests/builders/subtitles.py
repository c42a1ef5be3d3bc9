"""Subtitle files and spoken lines as tests write them."""

from __future__ import annotations

import html
from collections.abc import Sequence

from ops.core.types import make_shot_id
from ops.index.lines import LineRow
from tests.builders.lakes import video_id

Cues = Sequence[tuple[float, float, str]]


def stamp(seconds: float, point: str = ",") -> str:
    """``HH:MM:SS,mmm``, with a sign where the time is negative."""
    milliseconds = round(abs(seconds) * 1000)
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{'-' * (seconds < 0)}{hours:02d}:{minutes:02d}:{rest // 1000:02d}{point}{rest % 1000:03d}"


def srt(cues: Cues) -> str:
    """A SubRip file."""
    return "\n".join(f"{n}\n{stamp(start)} --> {stamp(end)}\n{text}\n" for n, (start, end, text) in enumerate(cues, 1))


def vtt(cues: Cues) -> str:
    """A WebVTT file with a note and named cues."""
    blocks = [
        f"name-{n}\n{stamp(start, '.')} --> {stamp(end, '.')} align:start\n{text}\n"
        for n, (start, end, text) in enumerate(cues)
    ]
    return "\n".join(["WEBVTT\n", "NOTE not said by anybody\n", *blocks])


def ass(cues: Cues) -> str:
    """An Advanced SubStation file."""
    head = (
        "[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name\nStyle: Default\n\n"
        "[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
    )
    events = [
        f"Dialogue: 0,{stamp(start, '.')[1:-1]},{stamp(end, '.')[1:-1]},Default,,0,0,0,,{text}"
        for start, end, text in cues
    ]
    return head + "\n".join(events) + "\n"


def sbv(cues: Cues) -> str:
    """Captions as YouTube gives them out."""
    return "\n".join(f"{stamp(start, '.')[1:]},{stamp(end, '.')[1:]}\n{text}\n" for start, end, text in cues)


def ttml(cues: Cues) -> str:
    """Timed text; what would be markup is escaped."""
    rows = [
        f'<p begin="{stamp(start, ".")}" end="{stamp(end, ".")}">{html.escape(text, quote=False)}</p>'
        for start, end, text in cues
    ]
    return "\n".join(['<tt xmlns="http://www.w3.org/ns/ttml"><body><div>', *rows, "</div></body></tt>", ""])


def sami(cues: Cues) -> str:
    """SAMI with a blank text after each cue."""
    rows = [
        f"<SYNC Start={round(start * 1000)}><P Class=A>{text}\n<SYNC Start={round(end * 1000)}><P Class=A>&nbsp;"
        for start, end, text in cues
    ]
    return "<SAMI><BODY>\n" + "\n".join(rows) + "\n</BODY></SAMI>\n"


def microdvd(cues: Cues) -> str:
    """Frames at 25 a second, as the first line says."""
    rows = [f"{{{round(start * 25)}}}{{{round(end * 25)}}}{text}" for start, end, text in cues]
    return "{1}{1}25\n" + "\n".join(rows) + "\n"


def line_row(
    number: int, text: str, *, language: str = "en", show: str = "show", video: int = 0, second: float = 0.0
) -> LineRow:
    """A line of generated video ``video`` that is said in its shot at ``second``, at 24 frames per second."""
    start = round(second * 24)
    return LineRow(
        line_id=f"{video_id(video)}:{language or 'und'}:{number:016x}",
        video_id=video_id(video),
        show=show,
        shot_ids=(make_shot_id(video_id(video), start),),
        start_frame=start,
        end_frame=start + 24,
        start_s=second,
        end_s=second + 1.0,
        text=text,
        language=language,
        source="sidecar",
    )
