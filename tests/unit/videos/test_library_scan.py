"""What a scan of folders and files finds, and what it sets aside."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import time
from pathlib import Path

import pytest

from ops.core.errors import MediaError, StorageError
from ops.videos.library import HashCache, Scan, is_unchanged_since, is_video_name, open_local_source, scan


@pytest.fixture
def hashes(tmp_path: Path) -> HashCache:
    return HashCache(tmp_path / "home" / "cache" / "hashes.db")


@pytest.fixture
def library(tmp_path: Path) -> Path:
    folder = tmp_path / "library"
    folder.mkdir()
    return folder


def put(folder: Path, *names: str) -> None:
    """Files with different contents; a scan opens none of them as a film."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"content of {name}".encode())


def found(result: Scan, root: Path) -> list[tuple[str, str]]:
    return [(os.path.relpath(source.path, root), source.show) for source in result.files]


def test_shows_are_first_folders_or_stems(library: Path, hashes: HashCache) -> None:
    put(library, "b_film.mp4", "Series/Season 1/e1.mkv", "Series/e0.MOV", "Other/x.mts")
    result = scan([str(library)], hashes=hashes)
    assert found(result, library) == [
        ("Other/x.mts", "Other"),
        ("Series/Season 1/e1.mkv", "Series"),
        ("Series/e0.MOV", "Series"),
        ("b_film.mp4", "b_film"),
    ]
    assert result.set_aside == result.duplicates == result.unsettled == []
    source = result.files[-1]
    assert source.content_hash == hashlib.sha256(b"content of b_film.mp4").hexdigest()
    assert source.video_id == source.content_hash[:16]
    assert (source.title, source.season, source.episode, source.bytes) == ("B film", None, None, 21)


def test_the_library_is_the_root_of_what_lies_below_it(library: Path, tmp_path: Path, hashes: HashCache) -> None:
    put(library, "Series/e1.mp4", "Series/deep/e2.mp4")
    put(tmp_path / "elsewhere", "c.mp4")
    named = [str(library / "Series" / "e1.mp4"), str(library / "Series" / "deep"), str(tmp_path / "elsewhere/c.mp4")]
    with_library = scan(named, library=str(library), hashes=hashes)
    assert [source.show for source in with_library.files] == ["c", "Series", "Series"]
    without = scan(named, hashes=hashes)
    assert [source.show for source in without.files] == ["c", "e2", "e1"]


def test_what_is_no_footage_is_passed_over(library: Path, hashes: HashCache) -> None:
    put(
        library,
        ".hidden.mp4",
        "._fork.mp4",
        ".git/x.mp4",
        "a.mp4.part",
        "b.mp4.tmp",
        "notes.txt",
        "mp4",
        "@eaDir/c.mp4",
    )
    put(library, "film.mp4")
    assert found(scan([str(library)], hashes=hashes), library) == [("film.mp4", "film")]
    assert [name for name in ("a.MP4", "b.mp4.part", ".a.mp4", "mp4", "dir.x/a") if is_video_name(name)] == ["a.MP4"]


def test_a_file_that_is_named_is_taken_whatever_its_name(library: Path, hashes: HashCache) -> None:
    put(library, "a.mp4.part", "film", ".hidden.mp4")
    names = [str(library / name) for name in ("a.mp4.part", "film", ".hidden.mp4")]
    assert len(scan(names, hashes=hashes).files) == 3


@pytest.mark.timeout(30)
def test_what_cannot_be_used_is_set_aside_and_stops_nothing(library: Path, hashes: HashCache) -> None:
    put(library, "good.mp4")
    (library / "empty.mp4").touch()
    os.mkfifo(library / "pipe.mp4")
    (library / "dangling.mp4").symlink_to("nowhere")
    (library / "loop.mp4").symlink_to("loop.mp4")
    (library / "nothing").mkdir()
    (library / os.fsdecode(b"bad\xff.mp4")).write_bytes(b"x")
    result = scan([str(library), str(library / "nothing"), str(library / "missing")], hashes=hashes)
    assert found(result, library) == [("good.mp4", "good")]
    assert dict(result.set_aside) == {
        f"{library}/bad\\xff.mp4": "its name is not valid UTF-8: rename it",
        f"{library}/dangling.mp4": "it is a link to 'nowhere', which does not exist",
        f"{library}/empty.mp4": "the file is empty (0 bytes): copy it again",
        f"{library}/loop.mp4": "it is a link that leads back to itself",
        f"{library}/missing": "it does not exist",
        f"{library}/nothing": "the folder holds no footage",
        f"{library}/pipe.mp4": "it is not a regular file (a pipe, socket or device)",
    }


def test_names_of_all_kinds(library: Path, hashes: HashCache) -> None:
    names = [
        "sp ace.mp4",
        "quo'te\".mp4",
        "new\nline.mp4",
        "ünï漢字.mp4",
        "-i.mp4",
        "a,b;c.mp4",
        "100%.mp4",
        "x://y.mp4",
    ]
    put(library, *names)
    result = scan([str(library)], hashes=hashes)
    assert sorted(os.path.relpath(source.path, library) for source in result.files) == sorted(
        os.path.normpath(name) for name in names
    )
    assert scan([str(library)], hashes=hashes).hashed == 0


def test_linked_folders_are_followed_once_and_loops_end(library: Path, tmp_path: Path, hashes: HashCache) -> None:
    put(library, "a/film.mp4")
    put(tmp_path / "archive", "old.mp4")
    (library / "a" / "up").symlink_to("..")
    (library / "0 link").symlink_to("a")
    (library / "z").symlink_to(tmp_path / "archive")
    result = scan([str(library)], hashes=hashes)
    assert found(result, library) == [("a/film.mp4", "a"), ("z/old.mp4", "z")]
    assert result.duplicates == []


def test_the_same_content_is_one_video(library: Path, hashes: HashCache) -> None:
    put(library, "b/film.mp4")
    for name in ("a/copy.mp4", "c.mp4"):
        (library / name).parent.mkdir(exist_ok=True)
        (library / name).write_bytes((library / "b/film.mp4").read_bytes())
    result = scan([str(library), str(library / "c.mp4")], hashes=hashes)
    assert found(result, library) == [("a/copy.mp4", "a")]
    kept = f"{library}/a/copy.mp4"
    assert result.duplicates == [(f"{library}/b/film.mp4", kept), (f"{library}/c.mp4", kept)]
    (library / "catalogue.csv").write_text("path,show\nb/film.mp4,The Show\n")
    described = scan([str(library)], hashes=hashes)
    assert found(described, library) == [("b/film.mp4", "The Show")]
    assert len(described.duplicates) == 2


def test_a_moved_file_keeps_its_id(library: Path, hashes: HashCache) -> None:
    put(library, "film.mp4")
    before = scan([str(library)], hashes=hashes).files[0]
    (library / "film.mp4").rename(library / "renamed.mov")
    after = scan([str(library)], hashes=hashes).files[0]
    assert (after.video_id, after.show) == (before.video_id, "renamed")


def test_the_catalogue_overrides_and_its_bad_lines_are_told(library: Path, hashes: HashCache) -> None:
    put(library, "a.mp4", "S/b.s01e02.mkv", "S/é.mp4")
    (library / "catalogue.csv").write_text(
        "\ufeffpath,show,title,season,episode,colour\n"
        'a.mp4,The Show,"One, and all",3,4,red\n'
        "S/e\u0301.mp4,Accents,,,,\n"
        "gone.mp4,x,,,,\n"
        "a.mp4,again,,,,\n"
        '"two\nlines.mp4",x,,minus,,\n'
        "../up.mp4,x,,,,\n"
        ",x,,,,\n",
        encoding="utf-8",
    )
    result = scan([str(library)], hashes=hashes)
    assert [(source.show, source.title, source.season, source.episode) for source in result.files] == [
        ("S", "B s01e02", 1, 2),
        ("Accents", "É", None, None),
        ("The Show", "One, and all", 3, 4),
    ]
    path = f"{library}/catalogue.csv"
    assert result.set_aside == [
        (f"{path}, line 1", "unknown columns 'colour' are not read"),
        (f"{path}, line 4", "'gone.mp4' is not in the library"),
        (f"{path}, line 5", "path 'a.mp4' was already described in line 2"),
        (f"{path}, line 6", "season 'minus' is not a whole number"),
        (f"{path}, line 8", "path '../up.mp4' is not relative to the library"),
        (f"{path}, line 9", "path '' is not relative to the library"),
    ]
    # One file of a library is no reason to tell of the others.
    one = scan([str(library / "a.mp4")], library=str(library), hashes=hashes)
    assert one.files[0].show == "The Show"
    assert not any("gone" in reason for _, reason in one.set_aside)


@pytest.mark.parametrize(
    ("data", "line", "reason"),
    [
        (b"", 1, "no column named path"),
        (b"name,show\na.mp4,x\n", 1, "no column named path"),
        (b"path,show\na.mp4,\xff\n", 2, "not UTF-8"),
        (b'path,show\na.mp4,"x\n', 2, "not readable"),
        (b"path,show\na.mp4,x,y\n", 2, "3 values for 2 columns"),
    ],
)
def test_a_broken_catalogue_is_told_and_the_files_still_count(
    library: Path, hashes: HashCache, data: bytes, line: int, reason: str
) -> None:
    put(library, "a.mp4")
    (library / "catalogue.csv").write_bytes(data)
    result = scan([str(library)], hashes=hashes)
    assert found(result, library) == [("a.mp4", "a")]
    assert [path for path, _ in result.set_aside] == [f"{library}/catalogue.csv, line {line}"]
    assert reason in result.set_aside[0][1]


def test_unchanged_files_are_not_read_again(library: Path, hashes: HashCache) -> None:
    put(library, "a.mp4", "b.mp4")
    first = scan([str(library)], hashes=hashes)
    assert first.hashed == 2
    again = scan([str(library)], hashes=HashCache(hashes.path))
    assert again.hashed == 0
    assert again.files == first.files
    (library / "a.mp4").write_bytes(b"new")
    os.utime(library / "b.mp4")
    changed = scan([str(library)], hashes=hashes)
    assert changed.hashed == 2
    assert changed.files[0].video_id != first.files[0].video_id
    assert changed.files[1] == first.files[1]


def test_a_file_that_changed_lately_waits(library: Path, hashes: HashCache) -> None:
    put(library, "a.mp4")
    now = time.time()
    waiting = scan([str(library)], hashes=hashes, settled_seconds=10, now=now)
    assert (waiting.files, waiting.unsettled, waiting.set_aside) == ([], [f"{library}/a.mp4"], [])
    assert scan([str(library)], hashes=hashes, settled_seconds=10, now=now + 11).files
    assert scan([str(library)], hashes=hashes, now=now).files


def test_rest_counts_content_and_name(library: Path) -> None:
    put(library, "a.mp4")
    path = str(library / "a.mp4")
    old = time.time() - 1000
    os.utime(path, (old, old))
    now = os.stat(path).st_ctime
    assert not is_unchanged_since(path, 10, now)  # an old date, but it was put there just now
    assert is_unchanged_since(path, 10, now + 11)
    os.utime(path, (now + 10_000, now + 10_000))
    now = os.stat(path).st_ctime
    assert is_unchanged_since(path, 10, now + 11)  # a clock that is ahead is no reason to wait
    assert is_unchanged_since("s3://bucket/a.mp4", 10, now)


def test_a_file_that_changes_while_it_is_read_waits(
    library: Path, hashes: HashCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(library, "a.mp4")
    from ops.videos.hashes import compute_hash

    def grow(file: object) -> str:
        with open(library / "a.mp4", "ab") as more:
            more.write(b"more")
        return compute_hash(file)  # type: ignore[arg-type]

    monkeypatch.setattr("ops.videos.hashes.compute_hash", grow)
    result = scan([str(library)], hashes=hashes)
    assert (result.files, result.unsettled) == ([], [f"{library}/a.mp4"])
    monkeypatch.undo()
    assert scan([str(library)], hashes=hashes).hashed == 1


def test_local_source_is_the_file_itself(library: Path, tmp_path: Path) -> None:
    put(library, "a.mp4")
    with open_local_source(str(library / "a.mp4"), tmp_path / "scratch") as path:
        assert path == library / "a.mp4"
    assert not (tmp_path / "scratch").exists()


def test_an_unknown_store_is_set_aside(library: Path, hashes: HashCache, tmp_path: Path) -> None:
    put(library, "a.mp4")
    result = scan(["nosuch://bucket/x", str(library)], hashes=hashes)
    assert len(result.files) == 1
    assert "cannot read 'nosuch://bucket/x'" in result.set_aside[0][1]
    with pytest.raises((MediaError, StorageError)), open_local_source("nosuch://bucket/a.mp4", tmp_path):
        pass


def test_a_damaged_cache_is_built_anew(library: Path, hashes: HashCache, caplog: pytest.LogCaptureFixture) -> None:
    put(library, "a.mp4")
    first = scan([str(library)], hashes=hashes)
    hashes.path.write_bytes(b"this is no database" * 100)
    assert scan([str(library)], hashes=hashes).files == first.files
    assert scan([str(library)], hashes=hashes).hashed == 0
    assert "damaged" in caplog.text


@pytest.mark.parametrize("home", ["/proc/nope", "/proc/self", "file"])  # not even root may write there
def test_a_home_that_cannot_be_written_is_told_with_its_path(library: Path, tmp_path: Path, home: str) -> None:
    put(library, "a.mp4")
    (tmp_path / "file").write_text("in the way")
    cache = tmp_path / home / "hashes.db"
    with pytest.raises(StorageError, match=rf"home cannot be written \({cache}: .*NEEDLE_HOME") as told:
        scan([str(library)], hashes=HashCache(cache))
    assert "delete" not in str(told.value)


def _scan_often(library: str, cache: Path) -> int:
    return sum(len(scan([library], hashes=HashCache(cache)).files) for _ in range(10))


def test_several_processes_share_a_cache(library: Path, hashes: HashCache) -> None:
    put(library, *(f"{n}.mp4" for n in range(30)))
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        assert pool.starmap(_scan_often, [(str(library), hashes.path)] * 3) == [300, 300, 300]
    assert scan([str(library)], hashes=hashes).hashed == 0


def test_content_without_a_stamp_is_never_remembered(hashes: HashCache) -> None:
    """Some stores tell neither etag nor date: the same size is no proof of the same content."""
    hashes.remember(("x://a.mp4", 5, ""), "f" * 64)
    hashes.remember(("x://b.mp4", 5, "etag"), "e" * 64)
    assert hashes.read_known([("x://a.mp4", 5, ""), ("x://b.mp4", 5, "etag")]) == {("x://b.mp4", 5, "etag"): "e" * 64}


def test_a_folder_that_may_not_be_listed_is_told_and_the_rest_counts(
    library: Path, hashes: HashCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tests may run as root, who may list everything, so the refusal is played."""
    put(library, "a/film.mp4", "locked/film2.mp4", "z/film3.mp4")
    listing = os.scandir

    def refuse(folder: str) -> object:
        if folder.endswith("locked"):
            raise PermissionError(13, "Permission denied", folder)
        return listing(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    result = scan([str(library)], hashes=hashes)
    assert found(result, library) == [("a/film.mp4", "a"), ("z/film3.mp4", "z")]
    assert result.set_aside == [(f"{library}/locked", "it may not be read: give this user permission to read it")]
