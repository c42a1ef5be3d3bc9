"""`needle forget`, with a video or a person, and `needle people` as commands, on a home of generated films."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from ops.cli.main import cli
from ops.collections.entries import PickedShot
from ops.collections.store import create_collection
from ops.core.errors import SettingsError, UsageError
from ops.core.history import list_history_files
from ops.core.settings import Settings, load_settings
from ops.core.types import SilentProgress
from ops.embeddings.encoder import resolve_encoder
from ops.features.build import build_features
from ops.people import editing
from ops.people.build import build_faces
from ops.people.catalogue import read_people
from ops.people.forget import find_stored_person, forget_person
from ops.search.saved_searches import list_searches, save_search
from ops.search.schema import Query
from tests.builders.faces import LEFT, RIGHT, NumberFaces, write_people
from tests.builders.lakes import COMPUTED, video_id
from tests.builders.upgrades import captioned_home


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "arguments",
    [
        ["forget", "--person", "Thomasina", "--yes"],
        ["people", "--off", "--yes"],
        ["forget", video_id(0), "--yes"],
    ],
)
def test_people_are_removed_by_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    from ops.shots.segment import make_proxy_key
    from tests.builders.films import make_film
    from tests.builders.upgrades import SHOTS

    settings = load_settings(home=captioned_home(tmp_path, 1).home, people="on", encoder="starter")
    proxy = make_film(tmp_path / "proxy.mp4", cuts=(), frames=24).path.read_bytes()
    for shot in range(SHOTS):
        settings.store.write_bytes(make_proxy_key(video_id(0), 24 * shot, 24 * shot + 24), proxy)
    model = NumberFaces(lambda number: [(0, LEFT, 0.9), (1, RIGHT, 0.8)])
    build_faces(settings, [video_id(0)], COMPUTED, SilentProgress(), make=lambda _: model)
    first, second = (row["person_id"] for row in read_people(settings))
    editing.name_person(settings, first, "Thomasina", "me", COMPUTED)
    picks = [PickedShot(shot_id=f"{video_id(0)}:0", query="person:Thomasina running")]
    create_collection(settings, "Mine", picks, author="me", now=COMPUTED)
    monkeypatch.setenv("NEEDLE_HOME", str(settings.home))
    monkeypatch.setenv("NEEDLE_ENCODER", "starter")
    refused = CliRunner().invoke(cli, arguments[:-1], standalone_mode=False)
    assert refused.return_value == 1 and "add --yes" in refused.output
    done = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert done.exception is None and not done.return_value, done.output
    left = [row["person_id"] for row in read_people(settings)]
    assert left == ([second] if "--person" in arguments else [])
    words = (b"Thomasina", first.encode())
    traces = [
        path for path in settings.home.rglob("*") if path.is_file() and any(w in path.read_bytes() for w in words)
    ]
    assert traces == []


def test_an_earlier_version_of_a_shot_does_not_keep_a_person_who_is_in_it_no_more(tmp_path: Path) -> None:
    settings = load_settings(home=captioned_home(tmp_path, 1).home, people="on", encoder="starter")
    shots, shows = [f"{video_id(0)}:{frame}" for frame in (0, 24)], {video_id(0): "Film"}
    write_people(settings, {"p1": "Thom", "p2": None}, {shots[0]: ("p1", "p2"), shots[1]: ("p2",)}, shows)
    before = settings.lake.read("shot_people").to_pylist()
    later = COMPUTED
    for people in ("p2", ""):
        later += timedelta(minutes=1)
        rows = [row | {"people": people, "created_timestamp": later} for row in before]
        settings.lake.write("shot_people", video_id(0), rows)
    assert {row["people"] for row in read_history(settings)} == {"p1,p2", "p2"}
    forget_person(settings, find_stored_person(settings, "Thom"), later)
    assert {row["people"] for row in read_history(settings)} == {"p2"}


def read_history(settings: Settings) -> list[dict[str, Any]]:
    keys = [key for key in list_history_files(settings.store) if "/shot_people/" in key]
    return [row for key in keys for row in pq.read_table(pa.BufferReader(settings.store.read_bytes(key))).to_pylist()]


def test_an_ingest_deletes_people_and_searches_for_them_only_if_the_setting_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = captioned_home(tmp_path, 1).home
    settings = load_settings(home=home, people="on", encoder="starter")
    write_people(settings, {"p1": "Thomasina"}, {f"{video_id(0)}:0": ("p1",)}, {video_id(0): "Film"})
    save_search(settings, "none", "Her", Query(text="person:Thomasina"), author="me", now=COMPUTED)
    monkeypatch.setenv("NEEDLE_HOME", str(home))
    monkeypatch.setenv("NEEDLE_ENCODER", "starter")
    library = tmp_path / "empty"
    library.mkdir()
    refused = CliRunner().invoke(cli, ["ingest", str(library)], standalone_mode=False)
    assert isinstance(refused.exception, SettingsError) and "this home has 1 named person" in str(refused.exception)
    with pytest.raises(SettingsError, match="NEEDLE_PEOPLE is not set"):
        build_faces(load_settings(), [video_id(0)], COMPUTED, SilentProgress())
    assert [row["name"] for row in read_people(settings)] == ["Thomasina"] and list_searches(settings)
    monkeypatch.setenv("NEEDLE_PEOPLE", "off")
    done = CliRunner().invoke(cli, ["ingest", str(library)], standalone_mode=False)
    assert done.exception is None and list_searches(settings) == [], done.output
    build_faces(load_settings(), [video_id(0)], COMPUTED, SilentProgress())  # the library of the ingest is empty
    assert read_people(settings) == []
    assert b"Thomasina" not in b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())


@pytest.mark.timeout(120)
@pytest.mark.parametrize("tables", ["all", "without names"])
def test_an_ingest_without_people_deletes_faces_of_films_that_it_does_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tables: str
) -> None:
    from ops.shots.segment import make_proxy_key
    from tests.builders.films import make_film

    settings = load_settings(home=captioned_home(tmp_path, 2).home, people="on", encoder="starter")
    proxy = make_film(tmp_path / "proxy.mp4", cuts=(), frames=24).path.read_bytes()
    settings.store.write_bytes(make_proxy_key(video_id(0), 0, 24), proxy)
    model = NumberFaces(lambda number: [(0, LEFT, 0.9)])
    build_faces(settings, [video_id(0)], COMPUTED, SilentProgress(), make=lambda _: model)
    build_features(settings, resolve_encoder(settings).encoder_id, [video_id(0)], SilentProgress(), now=COMPUTED)
    (person,) = (row["person_id"] for row in read_people(settings))
    save_search(settings, "none", "Her", Query(text="person:*"), author="me", now=COMPUTED)
    database = settings.home / "feast" / "online.db"
    assert person.encode() in database.read_bytes()
    if tables == "without names":  # as an ingest of other films left it before
        for table in ("people", "people_changes"):
            settings.lake.delete_table(table, keep_versions=False)
    monkeypatch.setenv("NEEDLE_HOME", str(settings.home))
    monkeypatch.setenv("NEEDLE_ENCODER", "starter")
    monkeypatch.setenv("NEEDLE_PEOPLE", "off")
    library = tmp_path / "empty"
    library.mkdir()
    counted = CliRunner().invoke(cli, ["people", "--off"], standalone_mode=False)
    assert "(0 with a name), 3 faces" in counted.output
    done = CliRunner().invoke(cli, ["ingest", str(library), "--json"], standalone_mode=False)
    assert done.exception is None and json.loads(done.stdout)["videos"] == 0, done.output
    assert "NEEDLE_PEOPLE is off: all faces" in done.stderr and "saved search deleted" in done.stderr
    assert not settings.lake.read("faces").num_rows and not list_searches(settings)
    assert set(settings.lake.read("shot_people")["faces"].to_pylist()) == {None}
    traces = [path for path in settings.home.rglob("*") if path.is_file() and person.encode() in path.read_bytes()]
    assert traces == []
    again = CliRunner().invoke(cli, ["ingest", str(library)], standalone_mode=False)
    assert "NEEDLE_PEOPLE is off" not in again.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--off", "Thom", "--yes"], "'Thom' is too much: --off removes everybody"),
        (["--like", f"{video_id(0)}:4:face0", "another"], "'another' is too much: --like takes one face"),
        (["--merge", "p1"], "write `needle people --merge ID OTHER...`"),
        (["--is", "Thom"], "write `needle people --is PERSON FACE...`"),
        (["--is", "Thom", "Nora"], "'Nora' is not the id of a face or a shot"),
        (["--is", "Thom", "--not", "Nora", f"{video_id(0)}:4:face0"], "choose one of --name, --merge"),
        (["Thom", "Nora"], "name one PERSON or SHOT"),
        (["--face", "2"], "write `needle people --like IMAGE --face N`"),
        (["--like", f"{video_id(0)}:4:face0", "--face", "2"], "is one face"),
        (["--like", "Thom"], "'Thom' is neither an image nor the id of a face"),
    ],
)
def test_what_a_command_would_pass_over_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.setenv("NEEDLE_HOME", str(tmp_path))
    result = CliRunner().invoke(cli, ["people", *arguments], standalone_mode=False)
    assert isinstance(result.exception, UsageError) and message in str(result.exception)
