"""Tables, clips and contact sheets; what every format must do; and names that try to break out of theirs."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import zipfile
from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import av
import numpy as np
import opentimelineio as otio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ops.core.errors import MediaError, UsageError
from ops.core.settings import Settings
from ops.core.types import SilentProgress
from ops.exports.clip import Pick, select_clips
from ops.exports.export import choose_format, export
from ops.exports.names import (
    build_file_url,
    escape_cell,
    join_lines,
    make_file_stem,
    make_reel_name,
    make_reel_names,
    strip_xml_text,
)
from ops.exports.registry import export_formats, find_format
from ops.shots.segment import make_poster_key
from tests.builders.films import make_film, read_barcode
from tests.builders.lakes import video_id
from tests.builders.timelines import fill_lake, film_rows, read_edl, read_fcpxml, read_xmeml

HOSTILE = (
    "\"quotes\" 'and' <script>alert(1)</script> & ]]> %00 ../../etc/passwd\n002  EVIL     V     C  "
    "\r\n* FROM CLIP NAME: evil\x00\x1b[31m\u2028\u202e\ufffe =cmd|' /C calc'!A0 \U0001f3ac ünï" + "x" * 300
)
FORMULAS = ["=1+1", "+1", "-1", "@SUM(1)", "\t=1", "\r=1", "  =1", "＝1"]


class Counting(SilentProgress):
    def __init__(self) -> None:
        self.told: list[Any] = []

    def start(self, stage: str, total: float, unit: str) -> None:
        self.told.append((total, unit))

    def advance(self, stage: str, amount: float = 1) -> None:
        self.told += [amount] if amount else []


def put_posters(settings: Settings, shots: list[str], edges: list[int]) -> None:
    for at, shot in enumerate(shots):
        sink = io.BytesIO()
        Image.new("RGB", (640, 360), (40 * at, 200 - 40 * at, 90)).save(sink, "JPEG")
        settings.store.write_bytes(make_poster_key(shot.split(":")[0], edges[at], edges[at + 1]), sink.getvalue())


@pytest.mark.parametrize("name", export_formats())
def test_every_format_says_what_it_is_and_replaces_only_by_a_whole_file(
    settings: Settings, tmp_path: Path, name: str
) -> None:
    assert re.fullmatch(r"\.[a-z]+", find_format(name).suffix)
    assert "/" in find_format(name).media_type
    assert choose_format(Path(f"x{find_format(name).suffix.upper()}")) == name
    shot = fill_lake(settings, 1, Fraction(25))[0]
    clips = select_clips(settings, [Pick(shot_id=shot)])
    target = tmp_path / f"there{find_format(name).suffix}"
    target.write_bytes(b"before")
    with pytest.raises(UsageError, match="nothing to export"):
        export(settings, [], name, target, title="x")
    if name == "zip":  # its film is not there: not one clip can be cut
        with pytest.raises(MediaError, match=r"/footage/film 1\.mp4: it does not exist"):
            export(settings, clips, name, target, title="x")
        assert target.read_bytes() == b"before"
    else:
        report = export(settings, clips, name, target, title="x")
        assert target.read_bytes() != b"before"
        assert report.format == name
        assert report.path == target
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".tmp-")]


def test_a_format_nobody_knows_is_refused() -> None:
    with pytest.raises(UsageError, match="no export format 'vhs'"):
        find_format("vhs")
    with pytest.raises(UsageError, match="--format"):
        choose_format(Path("timeline.txt"))


@pytest.mark.parametrize(
    ("file", "wanted"),
    [("x.xml", "fcpxml"), ("x.XML", "xmeml"), ("x.jpeg", "sheet"), ("x.txt", "edl"), ("x", "csv"), ("x.1", "zip")],
)
def test_a_format_that_is_said_wins_over_what_no_other_format_ends_in(file: str, wanted: str) -> None:
    assert choose_format(Path(file), wanted) == wanted


@pytest.mark.parametrize(
    ("file", "wanted", "fitting"),
    [
        ("x.webp", "sheet", ".jpg or .jpeg or .png"),
        ("x.zip", "edl", ".edl"),
        ("x.JPEG", "zip", ".zip"),
        ("x.edl", "fcpxml", ".fcpxml or .xml"),
        ("x.fcpxml", "xmeml", ".xml"),
    ],
)
def test_a_file_does_not_end_as_another_kind_does(file: str, wanted: str, fitting: str) -> None:
    with pytest.raises(UsageError, match=f"'{file}' .* end it in {fitting}$"):
        choose_format(Path(file), wanted)


def test_csv_and_json_hold_every_fact(settings: Settings, tmp_path: Path) -> None:
    shots = fill_lake(settings, 1, Fraction(30000, 1001), start_timecode="01:00:00;00", episode=3)
    told = {"query": 'a, "b"\nc', "score": -0.25, "relevance": 0.5, "encoder_id": "e", "index_version": "v"}
    clips = select_clips(settings, [Pick(shot_id=shots[1]), Pick(shot_id=shots[2])], {shots[1]: told}, handles=10)
    export(settings, clips, "csv", tmp_path / "x.csv", title="x")
    with (tmp_path / "x.csv").open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    export(settings, clips, "json", tmp_path / "x.json", title="Selection")
    document = json.loads((tmp_path / "x.json").read_text())
    assert document["title"] == "Selection"
    assert [clip["shot_id"] for clip in document["clips"]] == [shots[1], shots[2]]
    first = document["clips"][0]
    assert (first["in_frame"], first["out_frame"], first["head_frame"], first["tail_frame"]) == (1000, 5000, 990, 5010)
    assert (first["in_timecode"], first["out_timecode"]) == ("01:00:33;10", "01:02:46;24")
    assert {name: first[name] for name in told} == told
    assert first["content_hash"] == hashlib.sha256(b"1").hexdigest()
    assert first["detector"] == "test"
    assert rows[0]["score"] == "-0.25"
    assert rows[0]["query"] == told["query"]
    assert rows[1]["query"] == ""
    for name, value in first.items():
        if value is not None and not isinstance(value, bool):
            assert rows[0][name] == str(value)


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_is_computed(settings: Settings, tmp_path: Path, text: str) -> None:
    shot = fill_lake(settings, 1, Fraction(25), title=text, show=text)[0]
    clips = select_clips(settings, [Pick(shot_id=shot)], {shot: {"query": text, text: 1}})
    export(settings, clips, "csv", tmp_path / "x.csv", title="x")
    with (tmp_path / "x.csv").open(newline="", encoding="utf-8-sig") as file:
        for value in (value for row in csv.reader(file) for value in row):
            assert not value.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝"))
            assert text not in value or value == f"'{text}"


@pytest.mark.parametrize("name", [name for name in export_formats() if name != "zip"])
def test_hostile_names_stay_text(settings: Settings, tmp_path: Path, name: str) -> None:
    path = "/foot age/" + HOSTILE.translate({ord("/"): "_", 0: "_"}) + ".mov"
    shots = fill_lake(settings, 1, Fraction(25), title=HOSTILE, show=HOSTILE, path=path, codec="h<264>")
    put_posters(settings, shots, [0, 1000, 5000, 5001, 45_000])
    told = {shot: {"query": HOSTILE, "note": {"deep": HOSTILE}} for shot in shots}
    clips = select_clips(settings, [Pick(shot_id=shots[1]), Pick(shot_id=shots[2])], told)
    target = tmp_path / f"x{find_format(name).suffix}"
    assert export(settings, clips, name, target, title=HOSTILE).missing == ()
    match name:
        case "edl":
            found = read_edl(target, Fraction(25))  # which fails on any line that is no event and no comment
            assert [clip.source for clip in found] == [(91_000, 95_000), (95_000, 95_001)]
            assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\u2028\u202e]", target.read_text())
        case "fcpxml" | "xmeml":
            found = (read_fcpxml(target) if name == "fcpxml" else read_xmeml(target))[0]
            assert [clip.source for clip in found] == [(91_000, 95_000), (95_000, 95_001)]
            assert not list(ElementTree.parse(target).getroot().iter("script"))
            assert "<script>alert(1)</script>" in found[0].notes
            assert re.fullmatch(r"file://(localhost)?/[A-Za-z0-9/%._~-]+", found[0].url)
        case "otio":
            clip = next(iter(otio.adapters.read_from_file(str(target)).find_clips()))
            assert clip.metadata["needle"]["title"] == re.sub("[\x00\x1b\ufffe]", "\ufffd", HOSTILE)
            assert json.loads(clip.metadata["needle"]["note"])["deep"].startswith(HOSTILE[:100])
        case "json":
            assert json.loads(target.read_text())["clips"][0]["title"] == HOSTILE
        case "csv":
            with target.open(newline="", encoding="utf-8-sig") as file:
                assert len(list(csv.DictReader(file))) == 2
        case "sheet":
            with Image.open(target) as picture:
                assert picture.size[0] == 5 * 328 + 8


@given(st.text(st.characters(codec=None), max_size=200))
def test_names_are_safe_whatever_the_text(text: str) -> None:
    stem = make_file_stem(text)
    assert stem
    assert len(stem.encode()) <= 80
    assert not re.search(r'[<>:"/\\|?*\x00-\x1f]', stem)
    assert not stem.startswith(".")
    assert len(join_lines(text).splitlines()) <= 1
    ElementTree.fromstring(f"<a>{strip_xml_text(text).replace('&', '&amp;').replace('<', '&lt;')}</a>")
    value = escape_cell(text)
    assert isinstance(value, str)
    value.encode()
    assert not value.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


@given(st.dictionaries(st.from_regex(r"[0-9a-f]{16}", fullmatch=True), st.text(max_size=30), max_size=20))
def test_reels_are_eight_plain_signs_and_all_different(films: dict[str, str]) -> None:
    reels = make_reel_names(films)
    assert list(reels) == list(films)
    assert len(set(reels.values())) == len(reels)
    assert all(re.fullmatch(r"[A-Z0-9_]{8}", reel) for reel in reels.values())
    for film, path in films.items():
        assert make_reel_names({film: path}) == {film: make_reel_name(film, path)}


def test_a_film_has_one_reel_name_whatever_else_is_selected() -> None:
    films = {
        hashlib.sha256(str(number).encode()).hexdigest()[:16]: f"/a/A001C{number:03d}.mov" for number in range(400)
    }
    together = make_reel_names(films)
    assert together == {video_id: make_reel_name(video_id, path) for video_id, path in films.items()}
    assert all(reel.startswith("A001") for reel in together.values())
    trailers = {"91028f9d6c72cc81": "/a/sintel_trailer_204p.mp4", "5a3f5747ada4eaa2": "/a/sintel_trailer_480p.mp4"}
    alone = [make_reel_names({video_id: path})[video_id] for video_id, path in trailers.items()]
    assert list(make_reel_names(trailers).values()) == alone and len(set(alone)) == 2
    assert [reel[:4] for reel in alone] == ["SINT", "SINT"]


def test_films_whose_reel_names_would_be_one_get_two() -> None:
    twins = {f"{number:016x}": "/a/sintel.mp4" for number in (7, 7 + 36**4, 8, 7 + 2 * 36**4)}
    assert list(make_reel_names(twins).values()) == ["SINT7000", "SINT9000", "SINT8000", "SINTA000"]
    assert make_reel_names({f"{7:016x}": "/a/日本.mp4", f"{8:016x}": "/a/x.mp4"}) == {
        f"{7:016x}": "70000000",
        f"{8:016x}": "X8000000",
    }


def test_addresses_are_kept_and_paths_encoded() -> None:
    assert build_file_url("/a b/ü#?.mov") == "file:///a%20b/%C3%BC%23%3F.mov"
    assert build_file_url("/a.mov", host="localhost") == "file://localhost/a.mov"
    assert build_file_url("s3://bucket/a b.mov") == "s3://bucket/a%20b.mov"


def test_a_zip_holds_exact_clips_with_handles_and_a_manifest(settings: Settings, tmp_path: Path) -> None:
    one = make_film(tmp_path / "one.mp4", frames=90, cuts=(30, 60), audio=True, open_gop=True, gop=12)
    two = make_film(tmp_path / "two ünï.mkv", frames=60, cuts=(20,), fps=Fraction(24000, 1001), vfr=True, seed=1)
    first, second = film_rows(settings, one), film_rows(settings, two)
    picks = [Pick(shot_id=shot) for shot in (first[1], second[1], first[0], first[1])]
    told = {first[1]: {"query": "a car", "score": 0.5}}
    clips = select_clips(settings, picks, told, handles=7)
    report = export(settings, clips, "zip", tmp_path / "x.zip", title="Cars")
    assert (report.clips, report.missing) == (4, ())
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        assert archive.testzip() is None
        manifest = json.loads(archive.read("manifest.json"))
        assert sorted(archive.namelist()) == sorted([*(clip["file"] for clip in manifest["clips"]), "manifest.json"])
        expected = [(23, 67), (13, 60), (0, 37), (23, 67)]
        for clip, (head, tail) in zip(manifest["clips"], expected, strict=True):
            with av.open(io.BytesIO(archive.read(clip["file"]))) as container:
                numbers = [read_barcode(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
            assert numbers == list(range(head, tail))
            assert clip["frames"] == len(numbers)
            marked = numbers[clip["mark_in"] : clip["mark_out"]]
            assert marked == list(range(clip["in_frame"], clip["out_frame"]))
    assert manifest["clips"][0]["file"] == "0001_one_23-67.mov"
    assert manifest["clips"][1]["file"] == "0002_two_ünï_13-60.mov"
    assert manifest["clips"][0]["query"] == "a car"
    assert manifest["missing"] == []
    assert not list(settings.scratch.iterdir())


def test_a_zip_says_what_it_cannot_hold_and_holds_the_rest(settings: Settings, tmp_path: Path) -> None:
    films = [make_film(tmp_path / f"{name}.mp4", frames=40, cuts=(20,), seed=at) for at, name in enumerate("abcd")]
    shots = [film_rows(settings, film) for film in films]
    films[1].path.unlink()
    films[2].path.write_bytes(films[0].path.read_bytes())
    whole = films[3].path.read_bytes()
    films[3].path.write_bytes(whole[: len(whole) // 2] + whole[: len(whole) - len(whole) // 2])
    clips = select_clips(settings, [Pick(shot_id=shot[at]) for at in (0, 1) for shot in shots])
    counted = Counting()
    report = export(settings, clips, "zip", tmp_path / "x.zip", title="Cars", progress=counted)
    assert report.clips == 2 and counted.told == [(8, "clips"), 1, 1, 2, 2, 2]
    reasons = {missing.path: missing.reason for missing in report.missing}
    assert [missing.shot_id for missing in report.missing] == [shot[at] for at in (0, 1) for shot in shots[1:]]
    assert "does not exist" in reasons[str(films[1].path)]
    assert "changed since it was ingested" in reasons[str(films[2].path)]
    assert "changed since it was ingested" in reasons[str(films[3].path)]
    assert all(path in reason for path, reason in reasons.items())
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        manifest = json.loads(archive.read("manifest.json"))
        assert [clip["number"] for clip in manifest["clips"]] == [1, 5]
        assert [clip["number"] for clip in manifest["missing"]] == [2, 3, 4, 6, 7, 8]
        assert len(archive.namelist()) == 3


def test_names_in_a_zip_stay_in_its_folder(settings: Settings, tmp_path: Path) -> None:
    film = make_film(tmp_path / "..\\..\\=evil<b>:\n..mp4", frames=12, cuts=(6,))
    shot = film_rows(settings, film, title="../../x", show="/etc")[0]
    export(settings, select_clips(settings, [Pick(shot_id=shot)]), "zip", tmp_path / "x.zip", title="../x")
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        names = archive.namelist()
        archive.extractall(tmp_path / "out")
    assert names == ["0001_=evil_b_0-6.mov", "manifest.json"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(names)


def test_a_sheet_shows_each_clip_in_its_place(settings: Settings, tmp_path: Path) -> None:
    shots = fill_lake(settings, 1, Fraction(25))
    put_posters(settings, shots, [0, 1000, 5000, 5001, 45_000])
    settings.store.delete(make_poster_key(video_id(1), 5000, 5001))
    clips = select_clips(settings, [Pick(shot_id=shot) for shot in [*shots, *shots[:2]]])
    report = export(settings, clips, "sheet", tmp_path / "x.jpg", title="Cars")
    export(settings, clips, "sheet", tmp_path / "x.png", title="Cars")
    with Image.open(tmp_path / "x.png", formats=["PNG"]) as plain, Image.open(tmp_path / "x.jpg") as sheet:
        assert plain.size == sheet.size
    assert [missing.shot_id for missing in report.missing] == [shots[2]]
    with Image.open(tmp_path / "x.jpg") as sheet:
        picture = np.asarray(sheet.convert("RGB")).astype(int)
    assert picture.shape == (40 + 2 * 230 + 8, 5 * 328 + 8, 3)
    for at, poster in ((0, 0), (1, 1), (3, 3), (4, 0), (5, 1)):
        left, top = 8 + at % 5 * 328 + 160, 40 + at // 5 * 230 + 90
        assert np.abs(picture[top, left] - (40 * poster, 200 - 40 * poster, 90)).max() < 6


@pytest.mark.parametrize("kind", [name for name, each in export_formats().items() if not each.is_slow])
def test_a_format_of_one_rate_says_so_before_it_refuses_several(settings: Settings, tmp_path: Path, kind: str) -> None:
    shots = [fill_lake(settings, number, Fraction(rate))[1] for number, rate in enumerate((24, 25))]
    clips = select_clips(settings, [Pick(shot_id=shot) for shot in shots])
    try:
        export(settings, clips, kind, tmp_path / "out", title="x")
    except UsageError as error:
        assert find_format(kind).has_one_rate and "has one frame rate" in str(error)
    else:
        assert not find_format(kind).has_one_rate
