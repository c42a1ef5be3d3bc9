"""Avid Log Exchange: a parser by the format's rules finds each clip by name, tape and timecode."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import pytest

from ops.core.errors import UsageError
from ops.core.settings import Settings
from ops.exports.clip import Clip, Pick, select_clips
from ops.exports.export import ExportReport, export
from tests.builders.timelines import fill_lake, fill_lake_with_reel, frames_of

RATES = {
    "23.976": (Fraction(24000, 1001), "01:00:00:00", 86_400),
    "25": (Fraction(25), "10:00:00:00", 900_000),
    "29.97": (Fraction(30000, 1001), "00:59:30;00", 106_992),
    "50": (Fraction(50), "00:00:10:49", 549),
    "59.94": (Fraction(60000, 1001), "00:10:00;00", 35_964),
    "60": (Fraction(60), "", 0),
}


@dataclass(frozen=True)
class Log:
    """An ALE as read: the headings, and a row for each clip by column."""

    headings: dict[str, str]
    rows: list[dict[str, str]]


def read_ale(path: Path) -> Log:
    """Three sections, each after an empty line: ``Heading``, ``Column``, ``Data``. Cells are separated by tabs."""
    text = path.read_bytes().decode("utf-8")
    assert "\r" not in text and not text.startswith("\ufeff") and text.endswith("\n")
    heading, column, data = text.removesuffix("\n").split("\n\n")
    name, *lines = heading.split("\n")
    assert name == "Heading" and lines[0] == "FIELD_DELIM\tTABS"
    headings = dict(line.split("\t") for line in lines)  # a name and a value each
    name, titles = column.split("\n")
    columns = titles.split("\t")
    assert name == "Column" and len(set(columns)) == len(columns)
    name, *lines = data.split("\n")
    assert name == "Data"
    rows = [line.split("\t") for line in lines]
    assert all(len(row) == len(columns) for row in rows)
    return Log(headings, [dict(zip(columns, row, strict=True)) for row in rows])


def write(settings: Settings, tmp_path: Path, clips: list[Clip]) -> tuple[Log, ExportReport]:
    report = export(settings, clips, "ale", tmp_path / "x.ale", title="Log")
    return read_ale(tmp_path / "x.ale"), report


@pytest.mark.parametrize("label", RATES)
def test_an_ale_has_name_reel_and_timecode(settings: Settings, tmp_path: Path, label: str) -> None:
    fps, start, zero = RATES[label]
    one = fill_lake_with_reel(settings, 1, fps, start, "Band 7 Köln", "/footage/Été #1.mov", has_audio=True)
    two = fill_lake_with_reel(settings, 2, fps, start, "", "/footage/日本 two.mxf", has_audio=True)
    picks = [
        Pick(shot_id=one[1], note="keep"),
        Pick(shot_id=one[0], in_frame=17, out_frame=5003),
        Pick(shot_id=two[2]),
    ]
    clips = select_clips(settings, picks, {one[1]: {"query": "a car", "score": 0.312345, "relevance": 0.87}})
    log, report = write(settings, tmp_path, clips)
    assert log.headings == {
        "FIELD_DELIM": "TABS", "VIDEO_FORMAT": "1080", "AUDIO_FORMAT": "48khz", "FPS": label,
    }  # fmt: skip
    base, mark = round(fps), ";" if ";" in start else ":"
    spans = [(frames_of(row["Start"], base), frames_of(row["End"], base)) for row in log.rows]
    assert spans == [(zero + 1000, zero + 5000), (zero + 17, zero + 5003), (zero + 5000, zero + 5001)]
    assert {row[name][8] for row in log.rows for name in ("Start", "End")} == {mark}
    assert [row["Name"] for row in log.rows] == ["Été #1.mov", "Été #1.mov", "日本 two.mxf"]
    assert [row["Source Path"] for row in log.rows][2] == "/footage/日本 two.mxf"
    assert [row["Tape"] for row in log.rows][:2] == ["Band 7 Köln"] * 2
    export(settings, [clips[2]], "edl", tmp_path / "x.edl", title="x")
    assert f"001  {log.rows[2]['Tape']} " in (tmp_path / "x.edl").read_text()
    assert {row["Tracks"] for row in log.rows} == {"VA1A2"}
    assert log.rows[0]["Comments"] == f"a car; score 0.3123; relevance 0.87; note: keep; shot {one[1]}"
    facts = [log.rows[0][f"Needle {name}"] for name in ("query", "score", "relevance", "note", "shot id")]
    assert facts == ["a car", "0.312345", "0.87", "keep", one[1]]
    assert not [each for each in report.warnings if "ALE" in each]


@pytest.mark.parametrize(
    "text", ["a,b", "tab\there", "line\nbreak\r\n\u2028x", '"quoted"', "\u202ebidi\u202c", "Column\n\nData", "🦬 ü", ""]
)
def test_text_stays_in_its_cell(settings: Settings, tmp_path: Path, text: str) -> None:
    shots = fill_lake(settings, 1, Fraction(25), title=text, show=text, path=f"/foo\t/{text or 'x'}.mov")
    picks = [Pick(shot_id=shots[1], note=text, provenance={"query": text}), Pick(shot_id=shots[2])]
    log, _ = write(settings, tmp_path, select_clips(settings, picks))
    assert [row["Start"] for row in log.rows] == ["01:00:40:00", "01:03:20:00"]
    assert not any(sign in cell for row in log.rows for cell in row.values() for sign in "\r\u2028\u202e\u202c")


def test_what_an_ale_cannot_hold_is_refused_or_reported(settings: Settings, tmp_path: Path) -> None:
    slow, fast = fill_lake(settings, 1, Fraction(24))[1], fill_lake(settings, 2, Fraction(25))[1]
    with pytest.raises(UsageError, match=r"an ALE has one frame rate, and the selection has 24 .* 25"):
        write(settings, tmp_path, select_clips(settings, [Pick(shot_id=slow), Pick(shot_id=fast)]))
    high = fill_lake(settings, 3, Fraction(120))[1]
    with pytest.raises(UsageError, match="an ALE counts at most 60 frames per second, not 120"):
        write(settings, tmp_path, select_clips(settings, [Pick(shot_id=high)]))
    late = fill_lake(settings, 4, Fraction(25), start_timecode="23:59:59:00")[0]
    _, report = write(settings, tmp_path, select_clips(settings, [Pick(shot_id=late, in_frame=20, out_frame=40)]))
    assert [each for each in report.warnings if each.startswith("row 1: the source's timecode runs over midnight")]
    odd = fill_lake(settings, 5, Fraction(48), height=1000)[1]
    log, report = write(settings, tmp_path, select_clips(settings, [Pick(shot_id=odd)]))
    assert log.headings["VIDEO_FORMAT"] == "CUSTOM"
    assert [each for each in report.warnings if each.startswith("not every system reads an ALE at 48")]


def test_drop_frame_and_not_drop_frame_stand_in_one_ale(settings: Settings, tmp_path: Path) -> None:
    """Unlike in an EDL: each row counts as its source does."""
    rate = Fraction(30000, 1001)
    shots = [fill_lake(settings, at, rate, start_timecode=start)[1] for at, start in ((1, "00:00:00;00"), (2, ""))]
    log, _ = write(settings, tmp_path, select_clips(settings, [Pick(shot_id=shot) for shot in shots]))
    assert [row["Start"] for row in log.rows] == ["00:00:33;10", "00:00:33:10"]
