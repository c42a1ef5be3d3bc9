"""A home of an earlier release is opened and loses nothing; a store of a newer one is refused.

``tests/data/home_of_2026_11_28.tar.xz`` was made by the release before stores had a version: two films of three shots
and a subtitle (``Toy``), a label and a saved search of *ann*. Its paths are of another machine.
"""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest

import ops.api as needle
from ops.core.errors import SettingsError
from ops.core.settings import load_settings
from ops.videos.catalogue import LAYOUT, VERSION
from tests.builders.homes import Home

OLD_HOME = Path(__file__).resolve().parents[1] / "data" / "home_of_2026_11_28.tar.xz"


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Home:
    folder = tmp_path_factory.mktemp("old")
    with tarfile.open(OLD_HOME) as archive:
        archive.extractall(folder, filter="data")
    return Home(folder / "home", frames=None)


def read_version(home: Home) -> str | None:
    store = load_settings(home=str(home.path), encoder="starter").store
    version: str | None = json.loads(store.read_bytes(LAYOUT)).get("version")
    return version


def test_an_old_home_goes_on_with_everything_that_people_made(old: Home) -> None:
    shots = {row["shot_id"] for row in needle.open(old.path).shots().to_dict("records")}
    assert len(shots) == 6 and read_version(old) is None
    message = old.run("search", "colour bars", expect=1).stderr
    assert "an earlier version of Needle built it: run `needle ingest PATH`" in message
    old.run("ingest", str(old.path.parent / "Toy"))
    assert read_version(old) == str(VERSION)
    assert {row["shot_id"] for row in needle.open(old.path).shots().to_dict("records")} == shots
    status = json.loads(old.run("status", "--json").stdout)
    assert [video["state"] for video in status["videos"]] == ["ready", "ready"]
    assert {Path(video["path"]).parent for video in status["videos"]} == {old.path.parent / "Toy"}
    found = json.loads(old.run("search", "colour bars", "--json").stdout)["hits"]
    assert {hit["shot_id"] for hit in found} <= shots and found
    spoken = json.loads(old.run("search", '"red door"', "--json").stdout)["hits"]
    assert spoken[0]["lines"][0]["text"] == "A red door opens."
    assert "1 yes" in old.run("label", "bars").stdout and "(ann)" in old.run("label", "bars").stdout
    assert "bars" in old.run("searches").stdout


def test_a_store_of_a_newer_release_is_refused_by_name(tmp_path: Path) -> None:
    settings = load_settings(home=str(tmp_path / "home"), encoder="starter")
    settings.home.mkdir()
    newer = json.dumps({"partitions": "video", "version": str(VERSION + 1)}).encode()
    settings.store.write_bytes(LAYOUT, newer)
    home, library = Home(settings.home), tmp_path / "library"
    library.mkdir()
    commands = """search dog, status, forget film.mp4 --yes, compact --divide bucket:2, label, searches, people,
        collections list, shots film.mp4"""
    for command in (["ingest", str(library)], *(words.split() for words in commands.split(","))):
        message = home.run(*command, expect=2).stderr
        assert "was written by a newer version of Needle (stored version 2, this one knows up to 1)" in message, command
    with pytest.raises(SettingsError, match="update Needle, or use another NEEDLE_HOME"):
        needle.open(settings.home)
    assert settings.store.read_bytes(LAYOUT) == newer
