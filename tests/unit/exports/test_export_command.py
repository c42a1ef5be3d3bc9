"""``needle export``: what people type, and what it refuses."""

from __future__ import annotations

import csv
import io
import json
import re
import zipfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from ops.cli.main import main
from ops.core.settings import Settings, load_settings
from ops.embeddings.encoder import load_encoder, resolve_encoder
from ops.index.lake_videos import read_wanted_rows
from ops.index.line_publishing import publish_lines
from ops.index.publishing import publish
from ops.videos.clips import CLIP_SUFFIX
from tests.builders.films import make_film, read_barcode
from tests.builders.lakes import vector_rows, video_id
from tests.builders.subtitles import line_row
from tests.builders.timelines import fill_lake, film_rows, read_edl


def needle(capsys: pytest.CaptureFixture[str], settings: Settings, *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["export", *arguments, "--home", str(settings.home)])
    told = capsys.readouterr()
    return int(ended.value.code or 0), told.out, told.err


def test_shots_are_exported_in_their_order(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shots = fill_lake(settings, 1, Fraction(24000, 1001))
    target = tmp_path / "cut.edl"
    status, out, _ = needle(
        capsys, settings, "-o", str(target), "--shots", shots[2], shots[0], "--handles", "5", "--json"
    )
    assert status == 0
    report: dict[str, Any] = json.loads(out)
    assert (report["format"], report["clips"], report["path"]) == ("edl", 2, str(target))
    assert report["bytes"] == target.stat().st_size
    found = read_edl(target, Fraction(24000, 1001))
    assert [clip.source for clip in found] == [(91_400, 91_401), (86_400, 87_400)]
    assert "TITLE: cut" in target.read_text()
    assert "NEEDLE HANDLES: 4995 TO 5006" in target.read_text()


def test_a_note_goes_into_every_marker(settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shots = fill_lake(settings, 1, Fraction(25))
    target = tmp_path / "cut.edl"
    status, *_ = needle(capsys, settings, "-o", str(target), "--note", "for Anna, act 2", "--shots", *shots[:2])
    markers = [clip.marker for clip in read_edl(target, Fraction(25))]
    assert status == 0 and [marker.name for marker in markers if marker] == ["for Anna, act 2"] * 2
    for name in ("ale", "tsv"):
        status, *_ = needle(capsys, settings, "-o", f"{target}.{name}", "--note", "for Anna, act 2", *shots[:2])
        assert status == 0 and Path(f"{target}.{name}").read_text(encoding="utf-8-sig").count("note: for Anna") == 2


def test_the_format_wins_over_the_suffix_and_the_title_is_taken(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shot = fill_lake(settings, 1, Fraction(25))[0]
    target = tmp_path / "cut.txt"
    arguments = ("-o", str(target), "--shots", shot, "--format", "json", "--title", "Night")
    status, out, err = needle(capsys, settings, *arguments)
    assert (status, out.split(": ")[1][:7]) == (0, "1 clip,")
    assert json.loads(target.read_text())["title"] == "Night"
    assert "is not there any more" in err


def test_nothing_is_replaced_without_force(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shot = fill_lake(settings, 1, Fraction(25))[0]
    target = tmp_path / "cut.csv"
    target.write_text("mine")
    status, _, err = needle(capsys, settings, "-o", str(target), "--shots", shot)
    assert (status, target.read_text()) == (2, "mine")
    assert "--force" in err
    assert needle(capsys, settings, "-o", str(target), "--shots", shot, "--force")[0] == 0
    assert len(list(csv.DictReader(io.StringIO(target.read_text())))) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-o", "x.edl"], "name what to export"),
        (["-o", "x.edl", "--query", "a", "--shots", "0123456789abcdef:0"], "not both"),
        (["-o", "x.edl", "--like", "0123456789abcdef:1", "--shots", "0123456789abcdef:0"], "not both"),
        (["-o", "x.edl", "--then", "a door"], "the query is empty: describe a shot"),
        (["-o", "x.edl", "--format", "csv", "--shots", "0123456789abcdef:0"], "csv is written: end it in .csv"),
        (["-o", "x.webp", "--format", "sheet", "--shots", "0123456789abcdef:0"], "end it in .jpg or .jpeg or .png"),
        (["-o", "-", "--format", "edl", "--shots", "0123456789abcdef:0"], "standard output"),
        (["-o", "x.txt", "--shots", "0123456789abcdef:0"], "--format"),
        (["-o", ".", "--format", "edl", "--shots", "0123456789abcdef:0"], "is a folder"),
        (["--shots", "0123456789abcdef:0"], "--output"),
        (["-o", "x.edl", "--shots", "0123456789abcdef:0", "--handles", "-1"], "handles"),
    ],
)
def test_a_request_without_sense_is_refused(
    settings: Settings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    status, _, err = needle(capsys, settings, *arguments)
    assert status == 2
    assert words in err
    assert not list(tmp_path.glob("x.*")) and not (tmp_path / "-").exists()


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="no file can be made in /proc")
def test_a_place_that_takes_no_file_is_named_as_it_was_asked_for(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    shot = fill_lake(settings, 1, Fraction(25))[0]
    status, _, err = needle(capsys, settings, "-o", "/proc/x.csv", "--shots", shot)
    assert (status, err) == (1, "needle: /proc/x.csv: No such file or directory\n")


def test_an_unknown_shot_fails_and_writes_nothing(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill_lake(settings, 1, Fraction(25))
    status, _, err = needle(capsys, settings, "-o", str(tmp_path / "x.otio"), "--shots", "0123456789abcdef:7")
    assert status == 1
    assert "no shot '0123456789abcdef:7'" in err
    assert not (tmp_path / "x.otio").exists()


@pytest.mark.parametrize("name", ["edl", "otio", "csv"])
def test_shots_that_are_gone_are_named_and_the_rest_is_written(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    there = fill_lake(settings, 1, Fraction(25))[1]
    target = tmp_path / f"x.{name}"
    status, out, err = needle(capsys, settings, "-o", str(target), "--shots", "0123456789abcdef:7", there)
    assert status == 3
    assert "1 clip," in out
    assert "missing 0123456789abcdef:7: no shot" in err
    assert "film 1.mp4" in target.read_text()


def test_clips_that_cannot_be_cut_are_named_and_the_status_says_so(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    films = [make_film(tmp_path / f"{name}.mp4", frames=30, cuts=(10,), seed=at) for at, name in enumerate("ab")]
    shots = [film_rows(settings, film)[1] for film in films]
    films[0].path.unlink()
    target = tmp_path / "x.zip"
    status, _, err = needle(capsys, settings, "-o", str(target), "--shots", *shots, "--handles", "3")
    assert status == 3
    assert f"missing {shots[0]}: {films[0].path}: it does not exist" in err
    assert re.search(r"^Exporting: 2 clips in \d", err, re.MULTILINE)
    with zipfile.ZipFile(target) as archive:
        names = [name for name in archive.namelist() if name.endswith(CLIP_SUFFIX)]
        with av.open(io.BytesIO(archive.read(names[0]))) as container:
            numbers = [read_barcode(frame.to_ndarray(format="rgb24")) for frame in container.decode(video=0)]
    assert numbers == list(range(7, 30))


@pytest.fixture(scope="module")
def searchable(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, list[str], str, str]:
    """A home of shots whose vectors are those of texts, so that the words must find them; its encoder and index."""
    settings = load_settings(home=tmp_path_factory.mktemp("searchable"))
    encoder_id = resolve_encoder(load_settings(home=settings.home, encoder="starter")).encoder_id
    encoder = load_encoder(encoder_id, settings.home, part="text")
    shots = fill_lake(settings, 1, Fraction(24))
    texts = ["a rabbit in a meadow", "a car at night", "two people talking", "a city from above"]
    rows = vector_rows(1, 4)
    for row, shot, vector in zip(rows, shots, encoder.encode_text(texts), strict=True):
        row |= {"shot_id": shot, "embedding": vector, "vector_hash": vector.tobytes().hex()[:32]}
    settings.lake.write(f"shot_embeddings/{encoder_id}", video_id(1), rows)
    version = publish(settings, encoder_id, lambda: read_wanted_rows(settings, encoder_id))
    assert version
    return settings, shots, encoder_id, version


@pytest.mark.parametrize(
    ("asked", "told", "found"),
    [
        (["--like", "{}", "--min-relevance", "0"], "like {}", [0, 2, 3]),
        (["--all", "a car at night"], "all of: a car at night", [1]),
    ],
)
def test_a_search_without_a_text_is_exported_too(
    searchable: tuple[Settings, list[str], str, str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    asked: list[str],
    told: str,
    found: list[int],
) -> None:
    settings, shots, _, _ = searchable
    target = tmp_path / "found.json"
    arguments = [each.format(shots[1]) for each in asked]
    assert needle(capsys, settings, "-o", str(target), *arguments, "--encoder", "starter")[0] == 0
    document = json.loads(target.read_text())
    assert document["title"] == "found"
    assert sorted(clip["shot_id"] for clip in document["clips"]) == [shots[at] for at in found]
    assert {clip["query"] for clip in document["clips"]} == {told.format(shots[1])}


def test_an_export_tells_what_its_search_could_not_do(
    searchable: tuple[Settings, list[str], str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings, shots, _, _ = searchable
    target, options = tmp_path / "x.json", ("--encoder", "starter", "--force")
    status, _, err = needle(capsys, settings, "-o", str(target), "--query", "“a car at night”", *options)
    assert (status, "no dialogue is indexed: only the pictures were searched" in err) == (0, True)
    publish_lines(settings, [line_row(0, "Good morning")])
    status, _, err = needle(capsys, settings, "-o", str(target), "--query", '"zzz" a car at night', *options)
    assert (status, "nobody says 'zzz' in 1 line; the pictures were searched too" in err) == (0, True)
    assert [clip["shot_id"] for clip in json.loads(target.read_text())["clips"]] == [shots[1]]


def test_what_a_query_finds_is_exported_best_first_with_its_provenance(
    searchable: tuple[Settings, list[str], str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings, shots, encoder_id, version = searchable
    target = tmp_path / "night.json"
    arguments = (
        "--query",
        "a car at night",
        "--limit",
        "2",
        "--encoder",
        "starter",
        "--show",
        "show 1",
        "--min-relevance",
        "0",
    )
    status, _, err = needle(capsys, settings, "-o", str(target), *arguments)
    assert (status, "Traceback" in err) == (0, False)
    document = json.loads(target.read_text())
    assert document["title"] == "a car at night"
    first, second = document["clips"]
    assert first["shot_id"] == shots[1]
    assert (first["in_frame"], first["out_frame"]) == (1000, 5000)
    assert first["score"] > second["score"]
    told = {name: first[name] for name in ("query", "encoder_id", "index_version", "detector")}
    stamps = {"encoder_id": encoder_id, "index_version": version, "detector": "test"}
    assert told == {"query": "a car at night; in show 1", **stamps}
    assert 0 <= first["relevance"] <= 1
    # without a relevance, what most likely was not meant is left out
    strict = tmp_path / "strict.json"
    status, _, _ = needle(capsys, settings, "-o", str(strict), "--query", "a car at night", "--encoder", "starter")
    assert status == 0
    assert [clip["shot_id"] for clip in json.loads(strict.read_text())["clips"]] == [shots[1]]
    status, _, err = needle(
        capsys, settings, "-o", str(tmp_path / "near.json"), "--query", "chemistry", "--encoder", "starter"
    )
    assert (status, "nothing clearly matches 'chemistry'" in err) == (0, True)
    assert json.loads((tmp_path / "near.json").read_text())["clips"]
