"""Dialogue from beside and inside films, through the command line, to a line that is found; twice."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ops.core.settings import Settings, load_settings
from ops.features import online_features
from ops.index.lines import LineHit, open_lines
from tests.builders.films import make_film, run_ffmpeg
from tests.builders.homes import Home
from tests.builders.subtitles import srt


@pytest.fixture(scope="module")
def talking(tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Path, Any]:
    """Three films: subtitles beside the first, inside the second, and an unusable file beside the third."""
    folder = tmp_path_factory.mktemp("talking")
    make_film(folder / "a.mp4", cuts=(48,), frames=96, audio=True)
    silent = make_film(folder / "silent.mp4", cuts=(48,), frames=96, seed=1)
    make_film(folder / "c.mp4", cuts=(48,), frames=96, seed=2)
    (folder / "inside.srt").write_text(srt([(0.5, 1.5, "Inside the file")]))
    command = ["-i", str(silent.path), "-i", str(folder / "inside.srt"), "-c", "copy", "-c:s", "subrip"]
    run_ffmpeg([*command, "-metadata:s:s:0", "language=eng", str(folder / "b.mkv")])
    silent.path.unlink()
    (folder / "inside.srt").unlink()
    (folder / "a.en.srt").write_text(srt([(0.5, 1.5, "You're a jerk, Thom."), (2.5, 3.5, "Merry <b>Christmas</b>")]))
    (folder / "d.en.srt").write_text(srt([(0.5, 1.5, "of a film that is not here")]))
    shutil.copy(folder / "a.mp4", folder / "again.mp4")
    (folder / "again.fr.srt").write_text(srt([(0.5, 1.5, "Joyeux Noël")]))
    (folder / "c.srt").write_bytes(b"\0" + random.Random(0).randbytes(3999))
    home = Home(tmp_path_factory.mktemp("home"))
    return home, folder, home.json("ingest", str(folder), expect=3)


def settings_of(home: Home) -> Settings:
    return load_settings(home=str(home.path))


def found(home: Home, text: str = "", **options: Any) -> list[LineHit]:
    index = open_lines(settings_of(home))
    assert index is not None
    with index:
        return index.search(text, limit=10, **options)


def test_lines_are_counted_and_what_is_unusable_is_named(talking: tuple[Home, Path, Any]) -> None:
    summary = talking[2]
    assert summary["lines"] == 3
    assert [Path(entry["path"]).name for entry in summary["set_aside"]] == ["c.srt"]
    assert "binary data" in summary["set_aside"][0]["reason"]
    copied, unused = summary["subtitles_not_used"]
    assert Path(unused["path"]).name == "d.en.srt"
    assert unused["reason"] == "it belongs to no video: rename it to <video>.<language>.srt"
    folder = Path(unused["path"]).parent
    assert copied == {
        "path": str(folder / "again.fr.srt"),
        "reason": f"it is beside {folder / 'again.mp4'}, a copy of {folder / 'a.mp4'}: put it beside that file",
    }


def test_a_line_is_found_in_its_shot(talking: tuple[Home, Path, Any]) -> None:
    home, folder, _ = talking
    shots = home.json("shots", str(folder / "a.mp4"))
    (hit,) = found(home, phrases=["you’re a jerk"])
    assert hit.shot_ids == (shots[0]["shot_id"],)
    assert (hit.start_frame, hit.end_frame, hit.source, hit.language) == (12, 36, "sidecar", "en")
    (inside,) = found(home, "files")
    assert (inside.text, inside.source, inside.language) == ("Inside the file", "embedded", "en")


def test_status_tells_lines_and_the_version(talking: tuple[Home, Path, Any]) -> None:
    status = talking[0].json("status")
    assert {Path(video["path"]).name: video["lines"] for video in status["videos"]} == {
        "a.mp4": 2,
        "b.mkv": 1,
        "c.mp4": 0,
    }
    assert status["totals"]["lines"] == 3
    assert status["dialogue_version"] == talking[2]["dialogue_version"]


def test_shots_have_their_dialogue_online(talking: tuple[Home, Path, Any]) -> None:
    home, folder, _ = talking
    shots = [shot["shot_id"] for shot in home.json("shots", str(folder / "a.mp4"))]
    names = ["shot_dialogue:lines", "shot_dialogue:text", "shot_dialogue:language", "shot_dialogue:source"]
    rows = online_features(settings_of(home), shots, names)
    assert [(row["lines"], row["text"]) for row in rows] == [(1, "You're a jerk, Thom."), (1, "Merry Christmas")]
    assert {row["language"] for row in rows} == {"en"}


def test_lineage_is_recorded(talking: tuple[Home, Path, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    home = talking[0]
    monkeypatch.setenv("DAGSTER_HOME", str(home.path / "dagster"))
    with dg.DagsterInstance.get() as instance:
        keys = set(instance.get_dynamic_partitions("videos"))
        assert set(instance.get_materialized_partitions(dg.AssetKey("dialogue"))) == keys
        event = instance.get_latest_materialization_event(dg.AssetKey("dialogue_index"))
        assert event and event.asset_materialization
        version = event.asset_materialization.metadata["dialogue_version"].value
        assert version == home.json("status")["dialogue_version"]


def test_a_second_run_writes_nothing(talking: tuple[Home, Path, Any]) -> None:
    home, folder, _ = talking
    before = home.files()
    assert home.json("ingest", str(folder), expect=3)["up_to_date"]
    assert home.files() == before


def test_other_subtitles_of_films_that_lie_apart_are_read_by_the_next_run(
    talking: tuple[Home, Path, Any],
) -> None:
    home, folder, _ = talking
    proxies = {name: stamp for name, stamp in home.files().items() if "proxies" in name}
    (folder / "a.en.srt").write_text(srt([(0.5, 1.5, "You're an angel, Thom.")]))
    (folder / "c.srt").write_text(srt([(0.5, 1.5, "Wholly new")]))
    summary = home.json("ingest", str(folder))
    assert summary["lines"] == 3 and not summary["up_to_date"]
    assert found(home, "jerk") == []
    assert [hit.text for hit in found(home, "angels")] == ["You're an angel, Thom."]
    assert [hit.text for hit in found(home, "wholly")] == ["Wholly new"]
    assert {name: stamp for name, stamp in home.files().items() if "proxies" in name} == proxies
    before = home.files()
    assert home.json("ingest", str(folder))["up_to_date"]
    assert home.files() == before


def test_a_timing_of_subtitles_moves_lines_and_index_and_stays(talking: tuple[Home, Path, Any]) -> None:
    home, folder, _ = talking
    document = home.json("dialogue", "b.mkv", "--shift", "1.25")
    assert [line["start_s"] for line in document["lines"]] == [1.75]
    assert [hit.start_s for hit in found(home, "inside")] == [1.75]
    assert home.json("ingest", str(folder))["up_to_date"]
    assert [line["start_s"] for line in home.json("dialogue", "b.mkv", "--reset")["lines"]] == [0.5]


def test_a_timing_without_subtitles_is_named(talking: tuple[Home, Path, Any], tmp_path: Path) -> None:
    home = talking[0]
    home.run("ingest", str(make_film(tmp_path / "plain.mp4", cuts=(), frames=24, seed=5).path))
    note = "the video has no subtitles yet, so this changes nothing until some come"
    assert note in home.run("dialogue", "plain.mp4", "--shift", "1").stderr
    assert note not in home.run("dialogue", "plain.mp4", "--reset").stderr
    assert note not in home.run("dialogue", "b.mkv", "--shift", "1").stderr
    home.run("dialogue", "b.mkv", "--reset")


def test_a_model_that_is_missing_is_named_also_if_there_is_nothing_to_do(talking: tuple[Home, Path, Any]) -> None:
    home, folder, _ = talking
    for _ in range(2):  # the second answer is remembered
        done = home.run("ingest", str(folder), NEEDLE_SPEECH="/missing/model")
        assert "nothing to do" in done.stderr and "it has no model.bin" in done.stderr


def test_a_forgotten_film_leaves_no_word(talking: tuple[Home, Path, Any]) -> None:
    home = talking[0]
    home.run("forget", "a.mp4", "--yes")
    assert found(home, "angel") == []
    left = [path for path in home.path.rglob("*") if path.is_file()]
    assert not [path for path in left if b"an angel" in path.read_bytes()]


@pytest.mark.shared
def test_a_real_subtitle_file_beside_a_film(footage: Path, tmp_path: Path) -> None:
    folder = tmp_path / "library"
    folder.mkdir()
    (folder / "clip.mp4").symlink_to(footage / "sintel_trailer_204p.mp4")
    (folder / "clip-en.srt").write_bytes((footage / "TOS-en.srt").read_bytes())
    home = Home(tmp_path / "home")
    done = home.run("ingest", str(folder))
    assert "after the end of the film" in done.stderr
    (hit,) = found(home, phrases=["freaked out by my robot hand"])
    assert (hit.start_s, hit.start_frame, hit.source, hit.language) == (30.8, 739, "sidecar", "en")
    shots = {shot["shot_id"]: shot for shot in home.json("shots", "clip.mp4")}
    assert all(shots[shot]["start_s"] < hit.end_s and hit.start_s < shots[shot]["end_s"] for shot in hit.shot_ids)
