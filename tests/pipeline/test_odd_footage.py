"""One ingest of a folder as folders are: many codecs and containers, odd names, and what is no film at all."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from tests.builders.films import Film, make_film
from tests.builders.homes import Home

GOOD: dict[str, dict[str, Any]] = {
    "open gop.mp4": {"open_gop": True},
    "hevc 10 bit.mp4": {"codec": "libx265", "pix_fmt": "yuv420p10le"},
    "av1.mkv": {"codec": "libsvtav1"},
    "vp9.webm": {"codec": "libvpx-vp9"},
    "transport.ts": {},
    "edit list.mp4": {"preroll": 12},
    "variable rate.mp4": {"vfr": True},
    "turned.mp4": {"rotation": 90},
    "odd size.mp4": {"width": 321, "height": 181, "pix_fmt": "yuv444p"},
    "one frame.mp4": {"cuts": (), "frames": 1},
    "new\nline.mp4": {},
    "it's; rm -rf $(x) \x1b[31m.mp4": {"audio": True},
    "日本.mov": {"fps": Fraction(30000, 1001), "timecode": "01:00:00;00"},
}
BAD = {
    "empty.mp4": "empty",
    "text.mp4": "text",
    "list.mp4": "list of other files",
    "truncated.mp4": "no index (moov)",
    "folder.mp4": "",
    "pipe.mp4": "pipe",
    "nowhere.mp4": "does not exist",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Film]]:
    root = tmp_path_factory.mktemp("odd")
    shows = root / 'A "Shöw"'
    shows.mkdir()
    usual: dict[str, Any] = {"cuts": (20, 45), "frames": 70}
    films = {
        name: make_film(shows / name, **{**usual, "seed": seed, **options})
        for seed, (name, options) in enumerate(GOOD.items())
    }
    whole = (shows / "hevc 10 bit.mp4").read_bytes()
    (root / "empty.mp4").write_bytes(b"")
    (root / "text.mp4").write_text("no film")
    (root / "list.mp4").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/hostname\n")
    (root / "truncated.mp4").write_bytes(whole[: len(whole) // 2])
    middle = len(data := bytearray((shows / "open gop.mp4").read_bytes())) // 2
    data[middle : middle + 3000] = bytes(value ^ 0x5A for value in data[middle : middle + 3000])
    (root / "damaged.mp4").write_bytes(data)
    cut_short = make_film(root / "cut short.mkv", **usual, seed=99).path
    cut_short.write_bytes(cut_short.read_bytes()[: cut_short.stat().st_size * 2 // 3])
    (root / "folder.mp4").mkdir()
    os.mkfifo(root / "pipe.mp4")
    (root / "nowhere.mp4").symlink_to(root / "missing")
    return root, films


@pytest.fixture(scope="module")
def ingested(folder: tuple[Path, dict[str, Film]], tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, Any, str]:
    home = Home(tmp_path_factory.mktemp("home"))
    done = home.start("ingest", str(folder[0]), expect=3)
    return home, home.json("ingest", str(folder[0]), expect=3), done.stderr


@pytest.mark.parametrize("name", GOOD)
def test_every_film_is_cut_where_it_is_cut(
    ingested: tuple[Home, Any, str], folder: tuple[Path, dict[str, Film]], name: str
) -> None:
    film = folder[1][name]
    shots = ingested[0].json("shots", str(film.path))
    assert [(shot["start_frame"], shot["end_frame"]) for shot in shots] == film.shots
    if film.path.suffix == ".mov":
        assert shots[0]["start_timecode"] == "01:00:00;00"


def test_what_is_no_film_is_told_and_stops_nothing(ingested: tuple[Home, Any, str]) -> None:
    aside = {Path(entry["path"]).name: entry["reason"] for entry in ingested[1]["set_aside"]}
    assert set(aside) == set(BAD) - {"folder.mp4"}
    for name, reason in aside.items():
        assert BAD[name] in reason
    assert ingested[1]["videos"] - sum(name in aside for name in ("text.mp4", "list.mp4", "truncated.mp4")) >= len(GOOD)


@pytest.mark.parametrize(
    ("name", "note"), [("damaged.mp4", "damaged from frame"), ("cut short.mkv", "of about 2.9 s are there")]
)
def test_a_damaged_film_is_taken_with_a_note_that_is_stored_once(
    ingested: tuple[Home, Any, str], name: str, note: str
) -> None:
    home, _, told = ingested
    assert note in told
    videos = [video for video in home.json("status")["videos"] if Path(video["path"]).name == name]
    assert [video["state"] for video in videos] == ["ready"]
    assert sum(note in one for one in videos[0]["notes"]) == 1
    assert len(set(videos[0]["notes"])) == len(videos[0]["notes"])
    assert note in home.run("status").stdout


def test_a_name_cannot_drive_the_terminal(ingested: tuple[Home, Any, str]) -> None:
    assert "\x1b[31m" not in ingested[2]
    assert "\x1b[31m" not in ingested[0].run("status").stdout
