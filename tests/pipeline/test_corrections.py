"""Cuts corrected by hand: an ingest applies them, touches nothing else, and no detector takes them away."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow.parquet as pq
import pytest

from assets.definitions import build_definitions
from assets.resources import Needle
from ops.core.settings import load_settings
from tests.builders.films import Film, make_film
from tests.builders.homes import Home

PLAIN, OTHER = ("--detector", "adaptive"), ("--detector", "content")  # neither needs torch


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Film:
    return make_film(tmp_path_factory.mktemp("footage") / "film.mp4", cuts=(50, 90), frames=130, audio=True)


@pytest.fixture(scope="module")
def other(film: Film) -> Film:
    return make_film(film.path.with_name("other.mp4"), cuts=(40,), frames=80, seed=3, width=160, height=90)


@pytest.fixture(scope="module")
def home(film: Film, other: Film, tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("home"))
    home.run("ingest", str(film.path.parent), *PLAIN)
    return home


def spans(home: Home, film: Film) -> list[tuple[int, int]]:
    return [(shot["start_frame"], shot["end_frame"]) for shot in home.json("shots", str(film.path))]


def ids(home: Home, film: Film) -> list[str]:
    return [str(shot["shot_id"]) for shot in home.json("shots", str(film.path))]


def rows_of(home: Home, table: str, video_id: str) -> dict[str, dict[str, Any]]:
    """Rows of a table by shot id."""
    folder = home.path / "media" / "lake" / table
    rows = pq.read_table(folder / f"{video_id}.parquet").to_pylist()
    return {row["shot_id"]: row for row in rows}


def objects(home: Home) -> dict[str, tuple[int, int]]:
    return {name: stamp for name, stamp in home.files().items() if name.startswith(("media/proxies", "media/posters"))}


def vectors(home: Home, video_id: str) -> dict[str, dict[str, Any]]:
    return rows_of(home, f"shot_embeddings/{home.json('status')['encoder_id']}", video_id)


def correct(home: Home, film: Film, *arguments: str, expect: int = 0) -> Any:
    return home.json("shots", str(film.path), *arguments, expect=expect)


def test_a_merge_changes_the_shots_it_names_and_nothing_else(home: Home, film: Film) -> None:
    assert spans(home, film) == film.shots
    video_id = ids(home, film)[0].split(":")[0]
    home.run("label", "sky", *ids(home, film), "--value", "yes", "--annotator", "bob")
    before, stored, proxies = vectors(home, video_id), rows_of(home, "shots", video_id), objects(home)
    answer = correct(home, film, "--merge", "50", "--author", "ann", "--note", "a flash")
    assert (answer["to_merge"], answer["to_cut"]) == ([50], [])
    assert [(each["shot_id"], each["effect"]) for each in answer["labels"]] == [
        (f"{video_id}:0", "longer"),
        (f"{video_id}:50", "unused"),
    ]
    assert spans(home, film) == film.shots, "nothing changes before the next ingest"
    summary = home.json("ingest", str(film.path.parent), *PLAIN)
    assert not summary["up_to_date"]
    assert spans(home, film) == [(0, 90), (90, 130)]

    after = vectors(home, video_id)
    last = f"{video_id}:90"
    assert sorted(after) == [f"{video_id}:0", last]
    assert after[last] == before[last], "an unchanged shot keeps its vector, and the time at which it was computed"
    assert after[f"{video_id}:0"]["vector_hash"] != before[f"{video_id}:0"]["vector_hash"]
    now = objects(home)
    kept = {name for name in proxies if name in now}
    assert {name for name in kept if now[name] != proxies[name]} == set()
    assert sorted(name.rsplit("/", 1)[1] for name in proxies.keys() - now.keys()) == [
        "0-50.jpg", "0-50.mp4", "50-90.jpg", "50-90.mp4"
    ]  # fmt: skip
    assert sorted(name.rsplit("/", 1)[1] for name in now.keys() - proxies.keys()) == ["0-90.jpg", "0-90.mp4"]
    shots = rows_of(home, "shots", video_id)
    base = stored[last]["detector"]
    assert (shots[last]["detector"], shots[last]["index"]) == (base, 1)
    assert shots[f"{video_id}:0"]["detector"] == f"{base}+no_cut@50"
    status = home.json("status")
    assert {video["state"] for video in status["videos"]} == {"ready"}
    assert status["totals"]["shots"] == 4 == sum(video["indexed"] for video in status["videos"])
    before_files = home.files()
    assert home.json("ingest", str(film.path.parent), *PLAIN)["up_to_date"]
    assert home.files() == before_files


def test_the_lineage_names_the_correction(home: Home, film: Film, monkeypatch: pytest.MonkeyPatch) -> None:
    video_id = ids(home, film)[0].split(":")[0]
    monkeypatch.setenv("DAGSTER_HOME", str(home.path / "dagster"))
    with dg.DagsterInstance.get() as instance:
        records = instance.fetch_materializations(
            dg.AssetRecordsFilter(dg.AssetKey("shot_corrections"), asset_partitions=[video_id]), limit=1
        ).records
        (event,) = [record.asset_materialization for record in records]
        assert event is not None
        assert event.metadata["corrections"].value == 1
        assert "no_cut at frame 50" in str(event.metadata["latest"].value)
        assert "ann" in str(event.metadata["latest"].value)


def test_a_label_of_a_merged_shot_is_kept_and_reported(home: Home, film: Film) -> None:
    labels = {
        each["shot_id"].split(":")[1]: each for each in json.loads(home.run("label", "sky", "--json").stdout)["labels"]
    }
    assert sorted(labels) == ["0", "50", "90"]
    assert labels["50"]["gone"] == "merged with the shot before it (correction by ann)"
    assert labels["0"]["gone"] == labels["90"]["gone"] == ""
    assert "merged" in home.run("label", "sky", labels["50"]["shot_id"], "--value", "no", expect=1).stderr


def test_another_detector_does_not_take_corrections_away(home: Home, film: Film) -> None:
    correct(home, film, "--split", "110")
    home.run("ingest", str(film.path.parent), *OTHER)
    assert spans(home, film) == [(0, 90), (90, 110), (110, 130)]
    made_by = [row["detector"] for row in home.json("shots", str(film.path))]
    assert all(each.startswith("content-") for each in made_by)
    assert [each.partition("+")[2] for each in made_by] == ["no_cut@50", "cut@110", "cut@110"]
    assert home.json("ingest", str(film.path.parent), *OTHER)["up_to_date"]


def test_what_was_undone_is_as_it_was(home: Home, film: Film) -> None:
    answer = correct(home, film, "--undo", "50", "--undo", "110")
    assert (answer["to_cut"], answer["to_merge"]) == ([50], [110])
    home.run("ingest", str(film.path.parent), *OTHER)
    assert spans(home, film) == film.shots
    assert not any("+" in row["detector"] for row in home.json("shots", str(film.path)))
    history = home.json("shots", str(film.path), "--corrections")
    assert [(each["action"], each["frame"], each["state"]) for each in history] == [
        ("no_cut", 50, "superseded"),
        ("cut", 110, "superseded"),
        ("withdrawn", 50, "withdrawn"),
        ("withdrawn", 110, "withdrawn"),
    ]
    labels = json.loads(home.run("label", "sky", "--json").stdout)["labels"]
    assert not any(each["gone"] for each in labels), "labels of a shot that is back count again"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--merge", "60"], "no shot of film.mp4 begins at frame 60: the nearest begin at 50, 90"),
        (["--merge", "0"], "frame 0 begins"),
        (["--merge", "130"], "its frames are 0 to 129"),
        (["--split", "5000"], "its frames are 0 to 129"),
        (["--split", "50"], "begins at frame 50 already"),
        (["--split", "51"], "leave a shot of 1 frame, and the shortest has 3: to move the boundary at frame 50"),
        (["--split", "129"], "leave a shot of 1 frame"),
        (["--undo", "70"], "no correction at frame 70"),
        (["--split", "60", "--split", "61"], "leave a shot of 1 frame"),
        (["--split", "60", "--author", ""], "author"),
        (["--split", "sixty"], "sixty"),
        (["--split", "-3"], ""),
        (["--merge", "50", "--facts"], "choose one"),
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_is_written(
    home: Home, film: Film, arguments: list[str], words: str
) -> None:
    before = home.files()
    done = home.run("shots", str(film.path), *arguments, expect=2)
    assert words in done.stderr
    assert {name: stamp for name, stamp in home.files().items() if "locks" not in name} == {
        name: stamp for name, stamp in before.items() if "locks" not in name
    }


def test_a_corrected_film_is_an_annotation(home: Home, film: Film, tmp_path: Path) -> None:
    correct(home, film, "--split", "70")
    target = tmp_path / "film.mp4.shots.json"
    home.run("shots", str(film.path), "--annotation", str(target))
    correct(home, film, "--undo", "70")
    document = json.loads(target.read_text())
    assert document["hard_cuts"] == [50, 70, 90]
    assert (document["frames_annotated"], document["gradual"], document["shot_starts"]) == (130, [], [0, 50, 70, 90])
    assert [(each["frame"], each["action"]) for each in document["corrected"]] == [(70, "cut")]
    (tmp_path / "film.mp4").symlink_to(film.path)
    scores = home.json("evaluate", "--footage", str(tmp_path), *OTHER)["films"]["film.mp4"]
    assert (scores["cuts_right"], scores["cuts_false"], scores["cuts_missed"]) == (2, 0, 1)
    assert home.run("shots", str(film.path), "--annotation", str(tmp_path / "a.json"), expect=2).stderr


def _damage(path: Path) -> None:
    """Make a film unreadable, so that a look at its size and times does not tell."""
    status = path.stat()
    path.write_bytes(bytes(status.st_size))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_other_content_at_the_path_gets_no_corrections_and_says_so(home: Home, other: Film) -> None:
    home.run("ingest", str(other.path.parent), *OTHER)
    correct(home, other, "--merge", "40")
    _damage(other.path)
    summary = home.json("ingest", str(other.path.parent), *OTHER, expect=3)
    assert any(each["reason"].startswith("correction of cuts not applied yet") for each in summary["set_aside"])
    assert spans(home, other) == [(0, 40), (40, 80)], "a film that cannot be read now keeps its shots"
    make_film(other.path, cuts=(40,), frames=80, seed=9, width=160, height=90)
    summary = home.json("ingest", str(other.path.parent), *OTHER)
    assert spans(home, other) == [(0, 40), (40, 80)]
    notes = [each["note"] for each in summary["notes"] if each["path"] == str(other.path)]
    assert any("1 of them were made on other content" in note for note in notes), notes
    everything = home.json("shots", "--corrections")
    assert "removed" in {each["video_state"] for each in everything}


def test_forgetting_a_video_forgets_its_corrections(home: Home, film: Film) -> None:
    correct(home, film, "--merge", "90")
    video_id = ids(home, film)[0].split(":")[0]
    home.run("forget", video_id, "--yes")
    left = [
        name
        for name in home.files()
        if name.startswith("media/") and video_id.encode() in (home.path / name).read_bytes()
    ]
    assert left == [f"media/forgotten/{video_id}.json", "media/lake/labels/sky.parquet"]
    assert video_id not in {each["video_id"] for each in home.json("shots", "--corrections")}


def test_films_are_cut_by_themselves_without_corrections_and_again_after_one(tmp_path: Path) -> None:
    definitions = build_definitions(load_settings(home=str(tmp_path), encoder="starter"), Needle())
    shots, video_id = dg.AssetKey("shots"), "00112233aabbccdd"
    with dg.DagsterInstance.ephemeral() as instance:
        instance.add_dynamic_partitions("videos", [video_id])
        cursor: Any = None

        def made(name: str) -> None:
            instance.report_runless_asset_event(dg.AssetMaterialization(asset_key=name, partition=video_id))

        def is_asked_for() -> bool:
            nonlocal cursor
            only = dg.AssetSelection.assets(shots)
            result = dg.evaluate_automation_conditions(definitions, instance, only, cursor=cursor)
            cursor = result.cursor
            return result.get_num_requested(shots) == 1

        assert not is_asked_for()
        made("videos")
        assert is_asked_for()
        made("shots")
        assert not is_asked_for()
        made("shot_corrections")
        assert is_asked_for()
