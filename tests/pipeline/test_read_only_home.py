"""A home on a disk that may only be read is searched; `needle doctor` names such a disk, and a full one."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.builders.films import make_film
from tests.builders.homes import CHECKOUT, WITHOUT_PRIVILEGES, Home
from tests.faults.disks import find_obstacle

pytestmark = pytest.mark.skipif(bool(find_obstacle("full disk")), reason=find_obstacle("full disk") or "root may mount")


@contextmanager
def mount(folder: Path, *options: str) -> Iterator[None]:
    folder.mkdir()
    subprocess.run(["mount", *options, str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> Home:
    folder = tmp_path_factory.mktemp("mounted")
    film = make_film(folder / "film.mp4", cuts=(30,), frames=60, width=160, height=90).path
    film.with_suffix(".srt").write_text("1\n00:00:00,100 --> 00:00:00,900\nMerry Christmas\n")
    home = Home(folder / "home")
    home.run("ingest", str(film))
    return home


@pytest.fixture(scope="module")
def read_only(healthy: Home) -> Iterator[Home]:
    folder = healthy.path.with_name("read only")
    with mount(folder, "--bind", str(healthy.path)):
        subprocess.run(["mount", "-o", "remount,ro,bind", str(folder)], check=True)
        yield Home(folder)


def test_it_is_searched_by_picture_and_by_dialogue(read_only: Home) -> None:
    hits = read_only.json("search", "anything")["hits"]
    assert len(hits) == 2
    (hit,) = read_only.json("search", "said:christmas")["hits"]
    assert hit["lines"][0]["text"] == "Merry Christmas"
    assert len(read_only.json("similar", hit["shot_id"])["hits"]) == 1


@pytest.mark.parametrize("option", ["--faults", "--repair"])
def test_doctor_names_the_disk(read_only: Home, option: str) -> None:
    before = read_only.files()
    reported = read_only.run("doctor", option, expect=1).stderr
    assert "Read-only file system" in reported and "set NEEDLE_HOME to a folder that your user may write" in reported
    assert "is damaged" not in reported and read_only.files() == before


def test_a_home_of_another_user_is_searched_as_far_as_it_may_be_read(healthy: Home, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    shutil.copytree(healthy.path, home.path, symlinks=True)
    subprocess.run(["chown", "-R", "65534", str(home.path)], check=True)
    (hit,) = json.loads(search_without_privileges(home).stdout)["hits"]
    assert hit["lines"][0]["text"] == "Merry Christmas"

    path = next((home.path / "index" / "dialogue").rglob("meta.json"))
    path.chmod(0o600)
    done = search_without_privileges(home)
    assert done.returncode == 1 and "give it to the user that runs Needle" in done.stderr
    assert str(path) in done.stderr and "--repair" not in done.stderr


def search_without_privileges(home: Home) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*WITHOUT_PRIVILEGES, sys.executable, "-m", "ops.cli", "search", "said:christmas", "--json"],
        env=home.environment(), cwd=CHECKOUT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_what_must_write_names_file_and_way_out(read_only: Home) -> None:
    for command in (("token", "add", "ann", "--role", "look"), ("similar", "--by", "ending", "")):
        if command[0] == "similar":
            command = (*command[:3], read_only.json("search", "anything")["hits"][0]["shot_id"])
        reported = read_only.run(*command, expect=1).stderr
        assert f"{read_only.path}/locks/" in reported and "Read-only file system: it needs a disk with room" in reported


def test_a_full_disk_is_named_and_nothing_deleted(healthy: Home, tmp_path: Path) -> None:
    with mount(tmp_path / "disk", "-t", "tmpfs", "-o", "size=64m", "tmpfs"):
        home = Home(tmp_path / "disk" / "home")
        shutil.copytree(healthy.path, home.path, symlinks=True)
        subprocess.run(["dd", "if=/dev/zero", f"of={tmp_path}/disk/fill", "bs=4k"], capture_output=True, check=False)
        before = home.files().keys()
        reported = home.run("token", "add", "ann", "--role", "look", expect=1).stderr
        assert f"{home.path}/serve/tokens.json: No space left on device" in reported
        for option in ("--faults", "--repair"):
            reported = home.run("doctor", option, expect=1).stderr
            assert "No space left on device" in reported and "is damaged" not in reported
        assert before <= home.files().keys()
        assert len(home.json("search", "said:christmas")["hits"]) == 1
