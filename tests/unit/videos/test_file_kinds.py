"""What a folder holds beside well-named footage: odd endings, camera files, litter, parts of recordings."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ops.videos.file_kinds import ANNOTATIONS, FOOTAGE_BY_ANOTHER_NAME, find_left_out_kind, is_footage, is_text
from ops.videos.hashes import HashCache
from ops.videos.library import Scan, scan
from ops.videos.probe import probe
from ops.videos.recordings import find_camera_proxies, group_recordings
from tests.builders.films import make_film, run_ffmpeg

CONTAINERS = {
    "mp4": ["-c:v", "libx264"],
    "mov": ["-c:v", "libx264"],
    "fragmented.mp4": ["-c:v", "libx264", "-movflags", "+frag_keyframe+empty_moov"],
    "mkv": ["-c:v", "libx264"],
    "webm": ["-c:v", "libvpx-vp9", "-cpu-used", "8"],
    "avi": ["-c:v", "mpeg4"],
    "ts": ["-c:v", "libx264"],
    "m2ts": ["-c:v", "libx264", "-mpegts_m2ts_mode", "1"],
    "mpg": ["-c:v", "mpeg2video"],
    "vob": ["-c:v", "mpeg2video"],
    "m2v": ["-c:v", "mpeg2video"],
    "mxf": ["-c:v", "mpeg2video", "-b:v", "2M"],
    "flv": ["-c:v", "flv1"],
    "wmv": ["-c:v", "wmv2"],
    "ogv": ["-c:v", "libtheora"],
    "3gp": ["-c:v", "mpeg4", "-s", "176x144"],
    "ivf": ["-c:v", "libvpx-vp9", "-cpu-used", "8"],
    "y4m": ["-c:v", "wrapped_avframe"],
    "nut": ["-c:v", "mpeg4"],
    "dv": ["-c:v", "dvvideo", "-s", "720x576", "-pix_fmt", "yuv420p"],
}
OTHERS = {
    "music.mod": b"title" + bytes(1075) + b"M.K.",
    "numbers.dat": os.urandom(5000),
    "module.ts": b"export const answer: number = 42;\n",
    "README": "Grüße\n".encode() * 1000,
    "IMG_0001.JPG": b"\xff\xd8\xff\xe0 picture",
    "IMG_0002": b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic",
    "A001.braw": b"\x00\x00\x00\x20wideBRAW",
    "B001": b"\x00\x00\x00\x20wideBRAW",
    "clip.R3D": b"\x00\x00\x01\x00RED2",
    "take.wav": b"RIFF\x00\x00\x00\x00WAVEfmt ",
    "cut.prproj": b"\x1f\x8b",
    "old.mp4.part": b"\x00\x00\x00\x20ftypisom",
    "nothing": b"",
    "strange.xyz": b"\x01\x02\x03",
}
SKIPPED = [
    "@Recycle",
    "@recycle",
    "#recycle",
    "#snapshot",
    "#Snapshot/GMT-2026.01.01",
    "@Recently-Snapshot",
    ".snapshot",
]
SKIPPED += ["~snapshot/daily.0", "$RECYCLE.BIN", "Recycled", ".Trashes", "@GMT-2026.01.01-00.00.00", "FOUND.000"]
SKIPPED += ["__MACOSX", "@eaDir", "lost+found", ".zfs/snapshot/a", "deep/#recycle/deeper"]
KINDS = {
    "camera raw": {"A001.braw", "clip.R3D"},
    "documents and metadata": {"module.ts"},
    "empty": {"nothing"},
    "pictures": {"IMG_0001.JPG"},
    "project files": {"cut.prproj"},
    "sound": {"take.wav"},
    "unfinished downloads": {"old.mp4.part"},
    "unknown": {"music.mod", "numbers.dat", "README", "IMG_0002", "B001", "strange.xyz"},
}


@pytest.fixture
def hashes(tmp_path: Path) -> HashCache:
    return HashCache(tmp_path / "home" / "cache" / "hashes.db")


def names(result: Scan) -> set[str]:
    return {os.path.basename(source.path) for source in result.files}


@pytest.mark.parametrize("container", CONTAINERS)
def test_footage_without_an_ending_is_taken(container: str, tmp_path: Path, hashes: HashCache) -> None:
    folder = tmp_path / "card"
    folder.mkdir()
    made = tmp_path / f"film.{container}"
    source = ["-f", "lavfi", "-i", "testsrc2=size=176x144:rate=25:duration=0.4"]
    run_ffmpeg([*source, *CONTAINERS[container], str(made)])
    for name in ("PLAIN", "CLIP.MOD", "clip.xyz"):
        (folder / name).write_bytes(made.read_bytes() + name.encode())
    result = scan([str(folder)], hashes=hashes)
    assert names(result) == {"PLAIN", "CLIP.MOD"}
    assert result.left_out == [(str(folder / "clip.xyz"), FOOTAGE_BY_ANOTHER_NAME)]
    assert probe(folder / "PLAIN").fps == 25


@pytest.mark.parametrize(
    "name", ["a.mp4.captions.jsonl", "a.MP4.CAPTIONS.JSONL", "a.queries.jsonl", "a.mp4.shots.json"]
)
def test_captions_and_annotations_are_named_as_such(name: str) -> None:
    assert find_left_out_kind(f"/footage/{name}", lambda: b"{}") == ANNOTATIONS
    assert find_left_out_kind("/footage/captions.jsonl", lambda: b"{}") == "documents and metadata"


def test_a_recording_that_begins_within_a_packet_is_footage(tmp_path: Path) -> None:
    made = tmp_path / "film.ts"
    run_ffmpeg(["-f", "lavfi", "-i", "testsrc2=size=176x144:rate=25:duration=0.4", "-c:v", "libx264", str(made)])
    assert all(is_footage(made.read_bytes()[cut : cut + 4096]) for cut in (0, 1, 100, 187, 500))


def test_what_is_left_out_is_counted_by_kind(tmp_path: Path, hashes: HashCache) -> None:
    folder = tmp_path / "card"
    folder.mkdir()
    for name, content in OTHERS.items():
        (folder / name).write_bytes(content)
    for name in (".DS_Store", "._film.mp4", "catalogue.csv", "film.srt"):
        (folder / name).write_bytes(b"path,show\n")
    (folder / ".secret.mp4").write_bytes(b"x")
    result = scan([str(folder)], hashes=hashes)
    assert result.files == []
    found = {kind: {os.path.basename(path) for path in paths} for kind, paths in result.group_left_out().items()}
    assert found == KINDS | {"hidden": {".secret.mp4"}}
    assert [reason for _, reason in result.set_aside] == ["the folder holds no footage"]


@pytest.mark.parametrize(
    "folder",
    SKIPPED,
)
def test_recycle_bins_and_snapshots_are_not_entered(folder: str, tmp_path: Path, hashes: HashCache) -> None:
    top = tmp_path / "library"
    for place in (top / folder, top):
        place.mkdir(parents=True, exist_ok=True)
        (place / "clip.mp4").write_bytes(str(place).encode())
    result = scan([str(top)], hashes=hashes)
    assert [source.path for source in result.files] == [str(top / "clip.mp4")]
    hidden = any(part.startswith(".") for part in folder.split("/"))
    assert [kind for _, kind in result.left_out] == ([] if hidden else ["skipped folders"])


def test_folders_with_harmless_names_are_entered(tmp_path: Path, hashes: HashCache) -> None:
    for name in ("snapshots of Paris", "Recycling", "@home", "#1", "found footage"):
        (tmp_path / "library" / name).mkdir(parents=True)
        (tmp_path / "library" / name / "clip.mp4").write_bytes(name.encode())
    assert len(scan([str(tmp_path / "library")], hashes=hashes).files) == 5


def test_parts_of_one_recording_are_named_together() -> None:
    gopro = ["/c/GH010123.MP4", "/c/GH020123.MP4", "/c/GH010124.MP4", "/d/GH020124.MP4"]
    old = ["/c/GOPR0007.MP4", "/c/GP010007.MP4", "/c/GP020007.MP4", "/c/GOPR0008.MP4"]
    disc = ["/v/VTS_01_0.VOB", "/v/VTS_01_1.VOB", "/v/VTS_01_2.VOB", "/v/VTS_02_1.VOB"]
    film = ["/f/Metropolis (CD1).avi", "/f/Metropolis (CD2).avi", "/f/Sunrise part 1.mkv", "/f/Sunrise - part 2.mkv"]
    lens = ["/i/VID_20240101_120000_00_001.insv", "/i/VID_20240101_120000_10_001.insv"]
    separate = ["/c/C0001.MP4", "/c/C0002.MP4", "/c/00000.MTS", "/c/00001.MTS", "/c/DJI_0001.MP4", "/c/DJI_0002.MP4"]
    assert group_recordings([*gopro, *old, *disc, *film, *lens, *separate]) == sorted(
        [tuple(gopro[:2]), tuple(old[:3]), tuple(disc[1:3]), tuple(film[:2]), tuple(film[2:]), tuple(lens)]
    )


def test_small_copies_of_cameras_are_left_out_only_beside_their_recording(tmp_path: Path, hashes: HashCache) -> None:
    copies = {
        "/c/GL010123.LRV": "/c/GX010123.MP4",
        "/c/GOPR0007.LRV": "/c/GOPR0007.MP4",
        "/c/DJI_0001.LRF": "/c/DJI_0001.MP4",
        "/c/LRV_20240101_120000_11_001.lrv": "/c/VID_20240101_120000_00_001.insv",
    }
    assert find_camera_proxies([*copies, *copies.values(), "/c/GL010999.LRV", "/d/DJI_0001.LRF"]) == copies
    film = make_film(tmp_path / "GX010001.MP4", frames=5, cuts=())
    (tmp_path / "GL010001.LRV").write_bytes(film.path.read_bytes() + b"small")
    result = scan([str(tmp_path)], hashes=hashes)
    assert names(result) == {"GX010001.MP4"}
    assert result.left_out == [(str(tmp_path / "GL010001.LRV"), "camera proxies")]
    assert len(scan([str(tmp_path / "GL010001.LRV")], hashes=hashes).files) == 1


@pytest.mark.timeout(20)
def test_odd_files_do_not_stop_a_scan(tmp_path: Path, hashes: HashCache) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "loop").symlink_to("loop")
    subprocess.run(["chmod", "000", str(tmp_path / "pipe")], check=True)
    (tmp_path / "film.mp4").write_bytes(b"x")
    assert names(scan([str(tmp_path)], hashes=hashes)) == {"film.mp4"}


def test_text_is_told_from_data_at_a_cut_character() -> None:
    assert is_text("ü".encode() * 3 + b"\xc3")
    assert not is_text(b"\xc3\x28 and more text than four bytes")
    assert not is_text(b"")
