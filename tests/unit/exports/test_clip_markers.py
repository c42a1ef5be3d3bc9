"""Markers with the query, score and note of each clip, as readers that share no code with the writers find them."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from xml.etree import ElementTree

import opentimelineio as otio
import pytest

from ops.core.errors import UsageError
from ops.core.settings import Settings
from ops.exports.clip import Clip, Pick, select_clips
from ops.exports.clip_markers import MAX_COMMENT, MAX_NAME, describe_marker
from ops.exports.export import export
from ops.exports.registry import find_format
from tests.builders.timelines import ReadMarker, exact, fill_lake, frames_of, read_edl, whole

RATES = {
    "23.976": (Fraction(24000, 1001), "01:00:00:00", 86_400),
    "25": (Fraction(25), "10:00:00:00", 900_000),
    "29.97 DF": (Fraction(30000, 1001), "00:59:30;00", 106_992),
    "50": (Fraction(50), "00:00:10:49", 549),
    "60": (Fraction(60), "", 0),
}
QUERY, NOTE = 'a car, "red" | night', "Anna: take\tthis, 2nd half"
TEXTS = (
    "comma, \"quote\" and 'this'",
    "tab\tnew\nline\r\nand\u2028more",
    "bar | C:ResolveColorRed |M:no |D:9",
    "001  FAKE     V     C        00:00:00:00 00:00:01:00 01:00:00:00 01:00:01:00",
    "\u202eright to left\u202c and \u2066isolated\u2069",
    "Ünï 日本 עברית 🦬",
    "<b>&amp;</b> ]]>",
    "=1+1",
    "x" * 5000,
)


def make_clips(settings: Settings, fps: Fraction, start: str) -> list[Clip]:
    """A shot with query, score and note; a range over three shots with a note alone; a shot with neither."""
    shots = fill_lake(settings, 1, fps, start_timecode=start, title="Film, one", path="/footage/Été #1.mov")
    picks = [
        Pick(shot_id=shots[1], note=NOTE),
        Pick(shot_id=shots[0], in_frame=900, out_frame=5003, note="over cuts"),
        Pick(shot_id=shots[2]),
    ]
    return select_clips(settings, picks, {shots[1]: {"query": QUERY, "score": 0.312345, "relevance": 0.87}})


def write(settings: Settings, tmp_path: Path, clips: list[Clip], name: str) -> Path:
    target = tmp_path / f"out{find_format(name).suffix}"
    assert export(settings, clips, name, target, title="Cars").clips == len(clips)
    return target


def find_expected(clips: list[Clip], starts: list[int], bar: str = "|") -> list[ReadMarker]:
    shots = [clip.shot_id for clip in clips]
    texts = [
        (
            f'a car, "red" {bar} night',
            f"score 0.3123; relevance 0.87; note: Anna: take this, 2nd half; shot {shots[0]}",
        ),
        ("over cuts", f"note: over cuts; shot {shots[1]}"),
        ("Film, one", f"shot {shots[2]}"),
    ]
    return [
        ReadMarker(name=name, comment=comment, span=(start, start + clip.length))
        for (name, comment), start, clip in zip(texts, starts, clips, strict=True)
    ]


@pytest.mark.parametrize("label", RATES)
def test_every_timeline_has_the_markers(settings: Settings, tmp_path: Path, label: str) -> None:
    fps, start, zero = RATES[label]
    clips = make_clips(settings, fps, start)
    hour = frames_of("01:00:00;00" if "DF" in label else "01:00:00:00", round(fps))
    record = [hour, hour + 4000, hour + 8103]
    edl = read_edl(write(settings, tmp_path, clips, "edl"), fps)
    assert [clip.marker for clip in edl] == find_expected(clips, record, "/")
    source = [zero + 1000, zero + 900, zero + 5000]
    expected = find_expected(clips, source)
    assert read_fcpxml_keywords(write(settings, tmp_path, clips, "fcpxml"), fps) == [
        replace(marker, name=marker.name.replace(",", "")) for marker in expected
    ]
    xmeml = find_expected(clips, [1000, 900, 5000])
    assert read_xmeml_markers(write(settings, tmp_path, clips, "xmeml")) == xmeml
    timeline = otio.adapters.read_from_file(str(write(settings, tmp_path, clips, "otio")))
    found = [marker for clip in timeline.video_tracks()[0] for marker in clip.markers]
    assert [read_library_marker(marker) for marker in found] == expected
    assert {marker.color for marker in found} == {"BLUE"}
    assert not [marker for clip in timeline.audio_tracks()[0] for marker in clip.markers]


def read_fcpxml_keywords(path: Path, rate: Fraction) -> list[ReadMarker]:
    """Keyword ranges; each begins with a marker of one frame that has the same note."""
    ranges = []
    for item in ElementTree.parse(path).getroot().iter("asset-clip"):
        (marker,), (keyword,) = item.findall("marker"), item.findall("keyword")
        assert marker.get("start") == keyword.get("start") == item.get("start")
        assert marker.get("note") == keyword.get("note")
        assert exact(marker.get("duration", "")) == 1 / rate and "," not in keyword.get("value", "")
        start, length = (whole(exact(keyword.get(name, "")) * rate) for name in ("start", "duration"))
        ranges.append(
            ReadMarker(name=keyword.get("value", ""), comment=keyword.get("note", ""), span=(start, start + length))
        )
    return ranges


def read_xmeml_markers(path: Path) -> list[ReadMarker]:
    root = ElementTree.parse(path).getroot()
    assert not root.findall(".//audio/track/clipitem/marker")
    return [
        ReadMarker(
            name=marker.findtext("name", ""),
            comment=marker.findtext("comment", ""),
            span=(int(marker.findtext("in", "")), int(marker.findtext("out", ""))),
        )
        for marker in root.findall(".//video/track/clipitem/marker")
    ]


def read_library_marker(marker: otio.schema.Marker) -> ReadMarker:
    span = marker.marked_range
    return ReadMarker(
        name=marker.name,
        comment=marker.comment,
        span=(round(span.start_time.value), round(span.end_time_exclusive().value)),
    )


@pytest.mark.parametrize("label", ["25", "50", "60"])
def test_the_library_finds_the_markers(settings: Settings, tmp_path: Path, label: str) -> None:
    """OpenTimelineIO's own readers of EDL locators and of xmeml markers."""
    fps, start, _ = RATES[label]
    clips = make_clips(settings, fps, start)
    path = write(settings, tmp_path, clips, "edl")
    timeline = otio.adapters.read_from_file(str(path), rate=float(fps))
    located = [list(clip.markers) for clip in timeline.video_tracks()[0]]
    record = [frames_of("01:00:00:00", round(fps)) + at for at in (0, 4000, 8103)]
    expected = find_expected(clips, record, "/")
    assert [[marker.name for marker in markers] for markers in located] == [
        [f"{marker.name}; {marker.comment}"] for marker in expected
    ]
    assert [markers[0].marked_range.start_time.value for markers in located] == record
    xmeml = otio.adapters.read_from_file(str(write(settings, tmp_path, clips, "xmeml")), "fcp_xml")
    found = [marker for clip in xmeml.video_tracks()[0] for marker in clip.markers]
    assert [(marker.name, round(marker.marked_range.start_time.value)) for marker in found] == [
        (marker.name, marker.span[0]) for marker in find_expected(clips, [1000, 900, 5000])
    ]


@pytest.mark.parametrize("label", RATES)
def test_premiere_gets_a_table_of_markers(settings: Settings, tmp_path: Path, label: str) -> None:
    fps, start, _ = RATES[label]
    clips = make_clips(settings, fps, start)
    path = write(settings, tmp_path, clips, "markers")
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file, dialect="excel-tab"))
    assert list(rows[0]) == ["Marker Name", "Description", "In", "Out", "Duration", "Marker Type"]
    mark, base = (";" if "DF" in label else ":"), round(fps)
    code = re.compile(rf"\d\d{mark}\d\d{mark}\d\d{mark}\d\d")
    assert all(code.fullmatch(row[name]) for row in rows for name in ("In", "Out", "Duration"))
    spans = [(frames_of(row["In"], base), frames_of(row["Out"], base)) for row in rows]
    hour = frames_of("01:00:00;00" if "DF" in label else "01:00:00:00", base)
    found = [
        ReadMarker(name=row["Marker Name"], comment=row["Description"], span=span)
        for row, span in zip(rows, spans, strict=True)
    ]
    assert found == find_expected(clips, [hour, hour + 4000, hour + 8103])
    assert [frames_of(row["Duration"], base) for row in rows] == [clip.length for clip in clips]
    assert {row["Marker Type"] for row in rows} == {"Comment"}


def test_a_list_of_markers_has_one_rate(settings: Settings, tmp_path: Path) -> None:
    shots = [fill_lake(settings, at, Fraction(rate))[1] for at, rate in enumerate((24, 25))]
    clips = select_clips(settings, [Pick(shot_id=shot) for shot in shots])
    with pytest.raises(UsageError, match="a list of markers has one frame rate, and the selection has 24"):
        write(settings, tmp_path, clips, "markers")


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("name", ["edl", "fcpxml", "xmeml", "otio", "markers", "json", "csv"])
def test_any_text_stays_one_marker(settings: Settings, tmp_path: Path, name: str, text: str) -> None:
    shots = fill_lake(settings, 1, Fraction(25), title=text)
    picks = [Pick(shot_id=shots[1], note=text, provenance={"query": text}), Pick(shot_id=shots[2], note=text)]
    path = write(settings, tmp_path, select_clips(settings, picks), name)
    match name:
        case "edl":
            markers = [clip.marker for clip in read_edl(path, Fraction(25))]
            assert otio.adapters.read_from_file(str(path), rate=25).video_tracks()[0].duration().value == 4001
        case "fcpxml":
            markers = [*read_fcpxml_keywords(path, Fraction(25))]
        case "xmeml":
            markers = [*read_xmeml_markers(path)]
        case "otio":
            clips = otio.adapters.read_from_file(str(path)).video_tracks()[0]
            markers = [read_library_marker(marker) for clip in clips for marker in clip.markers]
        case "markers":
            with path.open(newline="", encoding="utf-8-sig") as file:
                rows = list(csv.reader(file, "excel-tab"))
            assert [len(row) for row in rows] == [6, 6, 6]
            assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row)
            return
        case _:
            assert len(path.read_text(encoding="utf-8-sig")) > 100
            return
    assert len(markers) == 2
    for marker in markers:
        assert marker and marker.name and len(marker.name) <= MAX_NAME and len(marker.comment) <= MAX_COMMENT
        assert not re.search(r"[\x00-\x1f\u2028\u202a-\u202e\u2066-\u2069]", marker.name + marker.comment)


def test_a_marker_without_any_text_is_named_after_the_file(settings: Settings) -> None:
    shot = fill_lake(settings, 1, Fraction(25), title="\u202e\t", path="/footage/a.mov")[1]
    (clip,) = select_clips(settings, [Pick(shot_id=shot, note="\n", provenance={"query": " "})])
    assert describe_marker(clip).name == "a.mov"
    assert describe_marker(clip).comment == f"shot {shot}"
