"""What the library sensor decides, as a plain function, over a real folder."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from assets.partitions import choose_partitions, request_due_partitions
from ops.core.settings import Settings, load_settings
from ops.core.types import SilentProgress
from ops.videos import catalogue, watch
from ops.videos.catalogue import read_videos
from ops.videos.describe import describe_videos
from ops.videos.forgotten import write_tombstone
from ops.videos.library import HashCache, Scan, scan
from ops.videos.register import Registration, register
from ops.videos.watch import watch_library
from tests.builders.films import make_film

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def fill_library(settings: Settings) -> None:
    show = Path(settings.library) / "Show"
    show.mkdir(parents=True)
    make_film(show / "a.mp4", frames=30, cuts=(15,))
    make_film(show / "b.mp4", frames=30, cuts=(15,), seed=1)


pytestmark = pytest.mark.home(fill=fill_library, library=Path("library"), encoder="starter")


@pytest.fixture(autouse=True)
def _settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "SETTLED_SECONDS", 0)


def open_all(settings: Settings, now: datetime = NOW) -> None:
    keys = [settings.resolve_partition(row["video_id"]) for row in read_videos(settings.lake)]
    describe_videos(settings, keys, now, SilentProgress())


def test_new_footage_is_due_once(settings: Settings) -> None:
    first = watch_library(settings, NOW, None)
    assert len(first.due) == 2
    assert watch_library(settings, NOW + timedelta(seconds=1), first.cursor).fingerprint == first.fingerprint
    open_all(settings)
    assert watch_library(settings, NOW + timedelta(seconds=2), first.cursor).due == []


def test_a_touched_file_is_not_due(settings: Settings) -> None:
    watch_library(settings, NOW, None)
    open_all(settings)
    os.utime(Path(settings.library) / "Show" / "a.mp4", (1, 1))
    assert watch_library(settings, NOW + timedelta(seconds=1), "").due == []


def test_a_moved_file_is_due_under_its_old_id(settings: Settings) -> None:
    watch_library(settings, NOW, None)
    open_all(settings)
    ids = {row["video_id"] for row in read_videos(settings.lake)}
    (Path(settings.library) / "Other").mkdir()
    (Path(settings.library) / "Show" / "a.mp4").rename(Path(settings.library) / "Other" / "c.mp4")
    look = watch_library(settings, NOW + timedelta(seconds=1), "")
    assert len(look.due) == 1
    assert {row["video_id"] for row in read_videos(settings.lake)} == ids
    open_all(settings)
    assert sorted(row["show"] for row in read_videos(settings.lake)) == ["Other", "Show"]


def test_a_removed_file_is_due_until_the_cursor_moves_and_comes_back_for_nothing(settings: Settings) -> None:
    watch_library(settings, NOW, None)
    open_all(settings)
    source = Path(settings.library) / "Show" / "a.mp4"
    source.rename(source.with_suffix(".away"))
    later = NOW + timedelta(seconds=1)
    look = watch_library(settings, later, "")
    assert len(look.due) == 1
    assert watch_library(settings, later, "").due == look.due
    assert watch_library(settings, later, look.cursor).due == []
    assert sorted(row["state"] for row in read_videos(settings.lake)) == ["ready", "removed"]
    source.with_suffix(".away").rename(source)
    back = watch_library(settings, NOW + timedelta(seconds=2), look.cursor)
    assert back.due == look.due
    open_all(settings)
    assert [row["state"] for row in read_videos(settings.lake)] == ["ready", "ready"]


def test_an_empty_listing_is_refused(settings: Settings) -> None:
    watch_library(settings, NOW, None)
    open_all(settings)
    shutil.rmtree(Path(settings.library) / "Show")
    look = watch_library(settings, NOW + timedelta(seconds=1), "")
    assert look.due == []
    assert "nothing was removed" in look.message
    assert look.figures == {}  # nothing is reported of a library that could not be read
    assert [row["state"] for row in read_videos(settings.lake)] == ["ready", "ready"]


def test_a_half_copied_file_waits(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "SETTLED_SECONDS", 3600)
    look = watch_library(settings, NOW, None)
    assert look.due == []
    assert "2 still being copied" in look.message
    assert look.figures["being_copied"] == 2 and look.figures["videos"] == 0


@pytest.mark.parametrize("why", ["it was touched and has not settled", "its folder cannot be read"])
def test_what_is_unclear_is_not_gone(settings: Settings, why: str) -> None:
    watch_library(settings, NOW, None)
    open_all(settings)
    found = scan([settings.library], library=settings.library, hashes=HashCache(settings.home / "hashes.db"))
    first, second = found.files
    if "touched" in why:
        partial = Scan(files=[first], unsettled=[second.path])
    else:
        partial = Scan(files=[first], set_aside=[(str(Path(second.path).parent), why)])
    assert register(settings, partial, NOW, whole_library=settings.library).gone == []
    gone = register(settings, Scan(files=[first]), NOW, whole_library=settings.library).gone
    assert gone == [second.video_id]


def test_a_forgotten_video_is_never_due(settings: Settings) -> None:
    watch_library(settings, NOW, None)
    row = read_videos(settings.lake)[0]
    write_tombstone(settings, row["video_id"], NOW)
    catalogue.drop_rows(settings, "videos", row["video_id"])
    assert settings.resolve_partition(row["video_id"]) not in watch_library(settings, NOW, None).due


def test_one_look_takes_a_bounded_number(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "MOST_PER_LOOK", 1)
    assert len(watch_library(settings, NOW, None).due) == 1


@pytest.mark.parametrize("partitions", ["video", "bucket:8"])
def test_the_request_names_ranges_of_partitions(settings: Settings, partitions: str) -> None:
    settings = settings.model_copy(update={"partitions": partitions})
    with dg.DagsterInstance.ephemeral() as instance:
        look = watch_library(settings, NOW, None)
        result = request_due_partitions(instance, choose_partitions(settings), look)
        assert isinstance(result, dg.SensorResult)
        assert result.run_requests
        assert {request.asset_selection[0] for request in result.run_requests if request.asset_selection} == {
            dg.AssetKey("videos")
        }
        if partitions == "video":
            assert len(result.run_requests) == 1
            assert set(instance.get_dynamic_partitions("videos")) == set(look.due)
        nothing = request_due_partitions(
            instance, choose_partitions(settings), watch.Watch(due=[], message="rest", cursor="")
        )
        assert not nothing.run_requests and nothing.skip_reason


def test_without_a_library_it_says_so(tmp_path: Path) -> None:
    assert "NEEDLE_LIBRARY" in watch_library(load_settings(home=str(tmp_path)), NOW, None).message


def test_what_lies_where_another_film_lay_replaces_it(settings: Settings) -> None:
    watch_library(settings, NOW, None)
    open_all(settings)
    path = Path(settings.library) / "Show" / "a.mp4"
    old = catalogue.find_video(settings.lake, str(path))["video_id"]
    kept = path.rename(path.with_suffix(".away"))
    make_film(path, frames=30, cuts=(15,), seed=2)
    hashes = HashCache(settings.home / "cache" / "hashes.db")
    assert register(settings, scan([str(path.parent)], hashes=hashes), NOW).gone == [old]
    again = register(settings, scan([str(path.parent)], hashes=hashes), NOW)
    assert (again.gone, again.replaced) == ([], [old])
    new = catalogue.find_video(settings.lake, str(path))
    assert new["video_id"] != old
    # Put back under another name it is there again, and the path stays with what replaced it.
    kept.rename(path.with_name("c.mp4"))
    assert register(settings, scan([str(path.parent)], hashes=hashes), NOW).returned == [old]
    assert catalogue.find_video(settings.lake, str(path)) == new
    assert catalogue.find_video(settings.lake, "c.mp4")["video_id"] == old


def test_a_file_overwritten_in_the_watched_library_is_removed_once(settings: Settings) -> None:
    watch_library(settings, NOW, None)
    open_all(settings)
    folder = Path(settings.library) / "Show"
    (folder / "a.mp4").write_bytes((folder / "b.mp4").read_bytes())
    look = watch_library(settings, NOW + timedelta(seconds=1), "")
    assert sorted(row["state"] for row in read_videos(settings.lake)) == ["pending", "removed"]
    assert len(look.due) == 2


def ingest(settings: Settings, path: Path, at: int) -> Registration:
    """What ``needle ingest PATH`` registers."""
    hashes = HashCache(settings.home / "cache" / "hashes.db")
    return register(settings, scan([str(path)], library=settings.library, hashes=hashes), NOW + timedelta(seconds=at))


def test_a_copy_leaves_the_original_where_it_is(settings: Settings, tmp_path: Path) -> None:
    original, copy = tmp_path / "footage" / "bikes.mp4", tmp_path / "cp" / "x.mp4"
    original.parent.mkdir()
    copy.parent.mkdir()
    shutil.copy(Path(settings.library) / "Show" / "a.mp4", original)
    shutil.copy(original, copy)
    ingest(settings, original, 0)
    open_all(settings)
    before = read_videos(settings.lake)
    link = copy.with_name("y.mp4")
    link.symlink_to(original)
    for other in (copy, link):
        result = ingest(settings, other, 1)
        assert (result.seen, result.moved) == ([before[0]["video_id"]], [])
        assert result.copies == [(str(other), str(original))]
    assert read_videos(settings.lake) == before
    os.utime(original, (1, 1))
    assert ingest(settings, copy, 2).copies, "a file that was touched is still there"
    # The library comes before what lies elsewhere, and stays.
    assert ingest(settings, Path(settings.library) / "Show" / "a.mp4", 3).moved
    assert ingest(settings, original, 4).copies
    assert read_videos(settings.lake)[0]["show"] == "Show"


@pytest.mark.parametrize("how", ["moved", "replaced", "replaced by as many bytes", "in one scan"])
def test_what_is_not_at_its_old_path_was_moved(settings: Settings, tmp_path: Path, how: str) -> None:
    old, new = tmp_path / "footage" / "b.mp4", tmp_path / "footage" / "a.mp4"
    old.parent.mkdir()
    shutil.copy(Path(settings.library) / "Show" / "a.mp4", old)
    ingest(settings, old, 0)
    content = old.read_bytes()
    new.write_bytes(content)
    if how == "moved":
        old.unlink()
    elif how != "in one scan":
        old.write_bytes(content[::-1] if "as many" in how else content[1:])
    result = ingest(settings, old.parent if how == "in one scan" else new, 1)
    assert (len(result.moved), result.copies) == (1, [])
    assert read_videos(settings.lake)[0]["path"] == str(new)
