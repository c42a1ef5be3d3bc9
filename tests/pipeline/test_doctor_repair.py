"""`needle doctor --repair`: each kind of fault is made, named and mended; afterwards the home is what it was."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ops.core.settings import Settings, load_settings
from tests.builders.films import make_film
from tests.builders.homes import CHECKOUT, WITHOUT_PRIVILEGES, Home


def list_media(settings: Settings) -> list[str]:
    return [key for folder in ("posters", "proxies", "sheets") for key in settings.store.list(folder)]


def count_runs(folder: Path) -> int:
    with closing(sqlite3.connect(folder / "runs.db")) as database:
        return int(database.execute("SELECT count(*) FROM runs").fetchone()[0])


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Home:
    folder = tmp_path_factory.mktemp("repaired")
    home = Home(folder / "home")
    home.run("ingest", str(make_film(folder / "film.mp4", cuts=(30,), frames=60, width=160, height=90).path))
    return home


def test_every_kind_of_fault_is_named_and_mended(healthy: Home) -> None:
    settings = load_settings(home=healthy.path)
    before = list_media(settings)
    assert "no faults" in healthy.run("doctor", "--faults").stdout
    settings.store.delete(before[0])
    settings.store.delete(before[-1])
    settings.store.write_bytes("proxies/00000000000000ff/0-9.mp4", b"of no video")
    settings.store.write_bytes(f"{before[0].rpartition('/')[0]}/7-8.mp4", b"of no shot")
    shutil.rmtree(healthy.path / "index")
    for path in Path(settings.lake.path("shot_embeddings")).rglob("*.parquet"):
        path.unlink()
    (healthy.path / "feast" / "online.db").unlink()
    (healthy.path / "scratch").mkdir(exist_ok=True)
    (healthy.path / "scratch" / "left").write_text("by a process that was killed")
    (healthy.path / "ingests" / "dead.json").write_text(json.dumps({"partitions": [], "runs": []}))

    told = healthy.run("doctor", "--faults", expect=1).stdout
    for fault in (
        "2 objects that no row names",
        "shots: 1 partition is due",
        "1 video has no contact sheet",
        "shot_embeddings: 1 partition is due",
        "media_features: 1 partition is due",
        "search_index differs from the lake",
        "1 ingest was killed",
        "left by killed processes",
    ):
        assert fault in told
    assert "no faults" in healthy.run("doctor", "--repair").stdout
    assert list_media(settings) == before
    assert healthy.json("status")["totals"]["videos"] == 1
    assert len(healthy.json("search", "anything")["hits"]) == 2


def test_a_video_whose_source_is_gone_stays_as_it_is(healthy: Home) -> None:
    settings = load_settings(home=healthy.path)
    before = list_media(settings)
    (video,) = healthy.json("status")["videos"]
    source = Path(video["path"])
    source.rename(source.with_suffix(".away"))
    settings.store.delete(before[0])
    told = healthy.run("doctor", "--repair", expect=1).stdout
    source.with_suffix(".away").rename(source)
    assert "source cannot be found" in told
    assert healthy.json("status")["videos"][0]["state"] == "ready"
    assert "no faults" in healthy.run("doctor", "--repair").stdout and list_media(settings) == before


def test_an_index_that_cannot_be_opened_is_named_and_built_again(healthy: Home) -> None:
    (versions,) = (healthy.path / "index").glob("starter*/versions")
    (vectors,) = versions.glob("*/shard/*/vectors.f32")
    for spoil in (lambda: os.truncate(vectors, 200), lambda: shutil.rmtree(versions)):
        spoil()
        assert "needle doctor --repair" in healthy.run("search", "anything", expect=1).stderr
        assert "search_index cannot be opened: " in healthy.run("doctor", "--faults", expect=1).stdout
        assert "no faults" in healthy.run("doctor", "--repair").stdout
        assert len(healthy.json("search", "anything")["hits"]) == 2


def test_lines_whose_file_is_gone_are_read_again(healthy: Home) -> None:
    settings = load_settings(home=healthy.path)
    source = Path(healthy.json("status")["videos"][0]["path"])
    source.with_suffix(".srt").write_text("1\n00:00:00,100 --> 00:00:00,900\nMerry Christmas\n")
    healthy.run("ingest", str(source))
    for table in ("dialogue", "subtitles"):
        (path,) = Path(settings.lake.path(table)).glob("*.parquet")
        rows = pq.read_table(path).drop_columns(["event_timestamp", "created_timestamp"])
        path.unlink()
        assert "dialogue: 1 partition is due" in healthy.run("doctor", "--faults", expect=1).stdout
        assert "no faults" in healthy.run("doctor", "--repair").stdout
        assert pq.read_table(path).drop_columns(["event_timestamp", "created_timestamp"]).equals(rows)
    terms = next((healthy.path / "index" / "dialogue").rglob("*.term"))
    terms.unlink()  # parts of versions share their files
    terms.write_bytes(b"")
    assert "dialogue_index cannot be opened: " in healthy.run("doctor", "--faults", expect=1).stdout
    assert "no faults" in healthy.run("doctor", "--repair").stdout
    path.unlink()
    assert "nothing to do" not in healthy.run("ingest", str(source)).stderr and path.exists()


def test_a_video_without_its_row_is_named_until_it_is_registered_again(healthy: Home) -> None:
    settings = load_settings(home=healthy.path)
    video = healthy.json("status")["videos"][0]
    (path,) = Path(settings.lake.path("videos")).glob("*.parquet")
    path.unlink()
    fault = f"1 video has shots, and no row in the table videos: {video['video_id']}; `needle ingest --retry`"
    assert fault in healthy.run("doctor", "--faults", expect=1).stdout
    assert fault in healthy.run("doctor", "--repair", expect=1).stdout
    (before,) = pq.read_table(settings.lake.path("shots")).column("event_timestamp").unique().to_pylist()
    healthy.run("ingest", video["path"])
    assert "no faults" in healthy.run("doctor", "--faults").stdout
    (row,) = pq.read_table(path).to_pylist()
    assert row["available_at"] == row["event_timestamp"] == before, "it is not younger than its shots"


def test_a_video_whose_row_is_damaged_is_named_until_it_is_registered_again(healthy: Home) -> None:
    settings = load_settings(home=healthy.path)
    video = healthy.json("status")["videos"][0]
    (path,) = Path(settings.lake.path("videos")).glob("*.parquet")
    path.write_bytes(b"")
    fault = f"1 video has shots, and no row in the table videos: {video['video_id']}; `needle ingest --retry`"
    assert fault in healthy.run("doctor", "--repair", expect=1).stdout
    assert "its table videos was damaged" in healthy.json("status")["videos"][0]["reason"], "no film was opened"
    healthy.run("ingest", "--retry", video["path"])
    assert "no faults" in healthy.run("doctor", "--faults").stdout
    (again,) = healthy.json("status")["videos"]
    assert (again["state"], again["path"], again["shots"]) == ("ready", video["path"], video["shots"])
    settings.store.delete(f"damaged/videos/{path.name}")


@pytest.mark.parametrize("spoil", [lambda path: path.write_bytes(b"damaged" * 99), lambda path: path.write_bytes(b"")])
@pytest.mark.parametrize("name", ["feast/registry.db", "feast/online.db", "dagster/storage/history/runs.db"])
def test_a_damaged_database_is_named_and_created_again(
    healthy: Home, name: str, spoil: Callable[[Path], object]
) -> None:
    path = healthy.path / name
    spoil(path)
    settings = load_settings(home=healthy.path)
    settings.store.delete(list_media(settings)[0])  # so that the repair needs a run
    (line,) = healthy.run("doctor", "--faults", expect=1).stdout.splitlines()
    assert line.startswith(f"{path} is damaged (") and "`needle doctor --repair` replaces it" in line
    assert line in healthy.run("doctor", expect=1).stdout
    assert ("the records of all earlier runs are lost" in line) == name.startswith("dagster")
    assert "no faults" in healthy.run("doctor", "--repair").stdout
    assert len(healthy.json("search", "anything")["hits"]) == 2
    source = healthy.json("status")["videos"][0]["path"]
    assert "nothing to do" in healthy.run("ingest", source).stderr


def test_a_damaged_record_of_one_run_costs_this_run_only(healthy: Home) -> None:
    folder = healthy.path / "dagster" / "storage" / "history"
    path = next(each for each in sorted((folder / "runs").glob("*.db")) if each.stem != "index")
    path.write_bytes(b"damaged" * 99)
    before = count_runs(folder)
    assert f"{path} is damaged" in healthy.run("doctor", "--faults", expect=1).stdout
    assert "no faults" in healthy.run("doctor", "--repair").stdout and not path.exists()
    assert count_runs(folder) == before


@pytest.mark.parametrize(
    ("name", "has_content"),
    [
        ("dagster/storage/history/runs.db", False),
        ("dagster/storage/history/runs.db", True),
        ("dagster/storage/history/runs/index.db", False),
        ("dagster/storage/schedules/schedules.db", False),
        ("cache/lake.db", False),
        ("encoder.json", True),
        ("feast/online.db", False),
        ("feast/registry.db", True),
        ("index/starter*/locks/*", False),
        ("index/starter*/current", False),
        ("index/starter*/current", True),
        ("locks/work.lock", False),
        ("locks/work.lock", True),
        ("locks/lake.lock", False),
        ("feast/.lock", True),
    ],
)
def test_a_folder_in_the_place_of_a_file_is_named_and_put_away(healthy: Home, name: str, has_content: bool) -> None:
    path = next(healthy.path.glob(name), healthy.path / name)  # Dagster's are created by the next run only
    path.unlink(missing_ok=True)
    path.mkdir(parents=True)
    place = healthy.path / "damaged" / path.relative_to(healthy.path)
    if has_content:
        (path / "note.txt").write_text("of a person")
    (line,) = healthy.run("doctor", "--faults", expect=1).stdout.splitlines()
    assert line.startswith(f"{path} is a folder where a file is expected: `needle doctor --repair` deletes it if")
    assert line in healthy.run("doctor", expect=1).stdout
    assert "no faults" in healthy.run("doctor", "--repair").stdout
    assert (place / "note.txt").is_file() == has_content
    assert path.is_symlink() or not path.is_dir()  # a version of an index is a folder, and a link names it
    assert len(healthy.json("search", "anything")["hits"]) == 2
    shutil.rmtree(healthy.path / "damaged", ignore_errors=True)


@pytest.mark.parametrize("has_content", [False, True])
@pytest.mark.parametrize("name", ["sheets/*.jpg", "posters/*/*.jpg", "proxies/*/*.mp4"])
def test_a_folder_in_the_place_of_an_object_makes_way_for_it(healthy: Home, name: str, has_content: bool) -> None:
    path = next((healthy.path / "media").glob(name))
    path.unlink()
    (path / "empty" / "empty too").mkdir(parents=True)
    if has_content:
        (path / "empty" / "note.txt").write_text("of a copy that went wrong")
    assert healthy.run("doctor", "--faults", expect=1).stdout
    assert "no faults" in healthy.run("doctor", "--repair").stdout
    assert path.stat().st_size and path.is_file()


def test_a_file_in_the_place_of_the_link_to_a_version_is_replaced(healthy: Home) -> None:
    path = next(healthy.path.glob("index/starter*/current"))
    path.unlink()
    path.write_text("v1")
    (line,) = healthy.run("doctor", "--faults", expect=1).stdout.splitlines()
    assert "`needle doctor --repair`" in healthy.run("search", "anything", expect=1).stderr
    assert line.startswith(f"{path} is damaged (it is not a link to a version): `needle doctor --repair` replaces it")
    assert "no faults" in healthy.run("doctor", "--repair").stdout and path.is_symlink()
    assert len(healthy.json("search", "anything")["hits"]) == 2


def test_a_second_folder_is_put_beside_the_first_one(healthy: Home) -> None:
    path = healthy.path / "cache" / "lake.db"
    for number in range(3):
        path.unlink(missing_ok=True)
        path.mkdir()
        (path / f"note{number}.txt").write_text("of a person")
        healthy.run("doctor", "--repair")
    moved = [str(each.relative_to(healthy.path)) for each in sorted((healthy.path / "damaged").rglob("*.txt"))]
    assert moved == [
        f"damaged/cache/{name}" for name in ("lake.db/note0.txt", "lake.db-2/note1.txt", "lake.db-3/note2.txt")
    ]
    shutil.rmtree(healthy.path / "damaged")


@pytest.mark.parametrize("name", ["media/lake/shots/*.parquet", "index", "feast/online.db", "encoder.json"])
def test_a_file_that_this_user_may_not_read_is_named_with_the_way_out(healthy: Home, name: str) -> None:
    path = next(healthy.path.glob(name))
    mode = path.stat().st_mode
    path.chmod(0)
    try:
        done = subprocess.run(
            [*WITHOUT_PRIVILEGES, sys.executable, "-m", "ops.cli", "doctor", "--faults"],
            env=healthy.environment(), cwd=CHECKOUT, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
    finally:
        path.chmod(mode)
    assert done.returncode == 1 and path.name in done.stderr and "Permission denied" in done.stderr
    assert "to the user that runs Needle" in done.stderr and "Traceback" not in done.stderr


def test_databases_that_are_all_damaged_are_all_created_again(healthy: Home) -> None:
    paths = [path for folder in ("dagster", "feast") for path in (healthy.path / folder).rglob("*.db")]
    assert len(paths) >= 5
    for path in paths:
        path.write_bytes(b"damaged" * 99)
    assert len(healthy.run("doctor", "--faults", expect=1).stdout.splitlines()) == len(paths)
    assert "no faults" in healthy.run("doctor", "--repair").stdout
    assert len(healthy.json("search", "anything")["hits"]) == 2


def test_empty_objects_are_named_and_made_again(healthy: Home) -> None:
    settings = load_settings(home=healthy.path)
    media = list_media(settings)
    for key in (media[0], media[2], media[-1]):
        settings.store.write_bytes(key, b"")
    assert (
        f"3 objects are empty: {media[0]}, {media[2]}, {media[-1]}"
        in healthy.run("doctor", "--faults", expect=1).stdout
    )
    assert "no faults" in healthy.run("doctor", "--repair").stdout
    assert list_media(settings) == media and all(settings.store.read_bytes(key) for key in media)


def test_damaged_history_is_named_and_left_to_people(healthy: Home) -> None:
    settings = load_settings(home=healthy.path)
    key = "history/shots/00.0123456789abcdef.parquet"
    settings.store.write_bytes(key, b"damaged")
    for options in ("--faults", "--repair"):
        (line,) = healthy.run("doctor", options, expect=1).stdout.splitlines()
        assert line.startswith(f"{settings.store.path(key)} is damaged") and "restore the file from a backup" in line
    assert settings.store.read_bytes(key) == b"damaged"
    settings.store.delete(key)


def test_a_damaged_table_is_mended_and_its_objects_are_no_orphans(healthy: Home) -> None:
    settings = load_settings(home=healthy.path)
    before = list_media(settings)
    (shots,) = Path(settings.lake.path("shots")).glob("*.parquet")
    shots.write_bytes(b"damaged")
    told = healthy.run("doctor", "--faults", expect=1).stdout
    assert "is damaged" in told and "no row names" not in told
    assert list_media(settings) == before
    assert "no faults" in healthy.run("doctor", "--repair").stdout and list_media(settings) == before


def test_a_contact_sheet_alone_is_written_again(healthy: Home) -> None:
    settings = load_settings(home=healthy.path)
    before = list_media(settings)
    (sheet,) = settings.store.list("sheets")
    for spoil in (lambda: settings.store.delete(sheet), lambda: settings.store.write_bytes(sheet, b"")):
        spoil()
        assert sheet.split("/")[1].removesuffix(".jpg") in healthy.run("doctor", "--faults", expect=1).stdout
        assert "no faults" in healthy.run("doctor", "--repair").stdout
        assert list_media(settings) == before and settings.store.read_bytes(sheet)
