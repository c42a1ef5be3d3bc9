"""Rows of ``screen_text`` and ``shot_screen_text`` from the texts of a video's shots."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from ops.core.rows import LakeScreenText, LakeShot, LakeShotScreenText
from ops.screen_text.reader import Box
from ops.screen_text.tracking import PlacedText, TextKind, TextRun, find_kinds

_SCRIPTS = (
    ("HIRAGANA", "Jpan", "ja"), ("KATAKANA", "Jpan", "ja"), ("HANGUL", "Kore", "ko"), ("CJK", "Hani", "zh"),
    ("LATIN", "Latn", ""), ("CYRILLIC", "Cyrl", ""), ("GREEK", "Grek", "el"), ("ARABIC", "Arab", ""),
    ("HEBREW", "Hebr", "he"), ("DEVANAGARI", "Deva", ""), ("THAI", "Thai", "th"),
)  # fmt: skip
"""Beginning of a letter's Unicode name, ISO 15924 code, and the language if the script has only one."""

UNKNOWN_RATE = 25.0
"""Frames per second of a text whose seconds round to none."""


@dataclass(frozen=True, kw_only=True)
class ShotTexts:
    """The texts of one shot, or the reason why it was not read; neither if the setting is off."""

    shot: LakeShot
    runs: tuple[TextRun, ...] | None
    reason: str | None
    input_hash: str


def find_script(text: str) -> tuple[str, str]:
    """Return the script of most letters, an ISO 15924 code (``Zyyy`` without letters), and its language or ""."""
    counts: dict[tuple[str, str], int] = {}
    for sign in text:
        name = unicodedata.name(sign, "") if sign.isalpha() else ""
        for start, script, language in _SCRIPTS:
            if name.startswith(start):
                counts[script, language] = counts.get((script, language), 0) + 1
    if ("Jpan", "ja") in counts:  # Japanese has Han characters, too
        counts["Jpan", "ja"] += counts.pop(("Hani", "zh"), 0)
    return max(counts, key=lambda each: counts[each], default=("Zyyy", ""))


def build_text_rows(texts: Sequence[ShotTexts], now: datetime) -> list[LakeScreenText]:
    """Return rows of ``screen_text``, whose kinds are not decided yet (:func:`mark_kinds`)."""
    rows: list[LakeScreenText] = []
    for each in texts:
        for number, run in enumerate(sorted(each.runs or (), key=lambda run: (run.start_frame, run.box[1]))):
            script, language = find_script(run.text)
            rows.append(_build_row(each, run, number, script, language, now))
    return rows


def _build_row(
    texts: ShotTexts, run: TextRun, number: int, script: str, language: str, now: datetime
) -> LakeScreenText:
    shot = texts.shot
    return {
        "text_id": f"{shot['shot_id']}:text{number}",
        "video_id": shot["video_id"],
        "show": shot["show"],
        "shot_id": shot["shot_id"],
        "index": shot["index"],
        "start_frame": run.start_frame,
        "end_frame": run.end_frame,
        "start_s": _find_time(shot, run.start_frame),
        "end_s": _find_time(shot, run.end_frame),
        "box": [round(1000 * side) for side in run.box],
        "text": run.text,
        "script": script,
        "language": language,
        "confidence": run.confidence,
        "kind": run.kind,
        "input_hash": texts.input_hash,
        "event_timestamp": shot["event_timestamp"],
        "created_timestamp": now,
    }


def _find_time(shot: LakeShot, frame: int) -> float:
    """Return the time of a frame of the shot in seconds; within a shot, frames are evenly spaced but for odd files."""
    part = (frame - shot["start_frame"]) / (shot["end_frame"] - shot["start_frame"])
    return round(shot["start_s"] + part * (shot["end_s"] - shot["start_s"]), 3)


def mark_kinds(rows: Sequence[LakeScreenText], shots: int) -> list[LakeScreenText]:
    """Return the rows of a video with their kinds. ``shots`` is the number of its shots; kinds depend on all shots."""
    own_kinds: list[TextKind] = ["timecode" if row["kind"] == "timecode" else "text" for row in rows]
    places = [
        PlacedText(
            shot_id=row["shot_id"],
            text=row["text"],
            box=_read_box(row["box"]),
            kind=kind,
            start_s=row["start_s"],
            end_s=row["end_s"],
            rate=_find_rate(row),
        )
        for row, kind in zip(rows, own_kinds, strict=True)
    ]
    kinds = find_kinds(places, shots)
    return [row | {"kind": kind} for row, kind in zip(rows, kinds, strict=True)]


def _find_rate(row: LakeScreenText) -> float:
    seconds = row["end_s"] - row["start_s"]
    return (row["end_frame"] - row["start_frame"]) / seconds if seconds > 0 else UNKNOWN_RATE


def _read_box(sides: Sequence[int]) -> Box:
    left, top, right, bottom = (side / 1000 for side in sides)
    return (left, top, right, bottom)


def build_shot_row(
    shot: LakeShot, rows: Iterable[LakeScreenText] | None, reason: str | None, input_hash: str, now: datetime
) -> LakeShotScreenText:
    """Return the row of ``shot_screen_text`` for the rows of the shot's texts; ``None`` if it was not read."""
    texts = None if rows is None else [row for row in rows if row["kind"] == "text"]
    return {
        "shot_id": shot["shot_id"],
        "video_id": shot["video_id"],
        "show": shot["show"],
        "index": shot["index"],
        "texts": None if texts is None else len(texts),
        "text": None if texts is None else "\n".join(row["text"] for row in texts),
        "script": None if texts is None else ",".join(sorted({row["script"] for row in texts})),
        "confidence": max((row["confidence"] for row in texts), default=None) if texts else None,
        "reason": reason,
        "input_hash": input_hash,
        "event_timestamp": shot["event_timestamp"],
        "created_timestamp": now,
    }
