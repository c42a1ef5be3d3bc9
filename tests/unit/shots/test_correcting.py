"""Corrections from what a person says to the rows of the lake, in both divisions of it, with accidents on the way."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.partitions import choose_partitions, request_corrections
from ops.cli.looks import find_due_partitions
from ops.core.errors import StorageError, UsageError
from ops.core.settings import Settings, load_settings
from ops.core.tables import Lake
from ops.core.types import SilentProgress
from ops.shots.build import build_shots, read_shots
from ops.shots.correcting import Verb, correct_cuts, list_correction_documents, read_cut_state
from ops.shots.corrections import TABLE, CurrentCorrections, read_history
from ops.shots.due import DETECTED_CUTS
from ops.shots.waiting import build_corrections, find_waiting
from ops.videos import catalogue
from ops.videos.describe import describe_videos
from ops.videos.library import HashCache, scan
from ops.videos.register import register
from tests.builders.films import make_film

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


class Aside(SilentProgress):
    def __init__(self) -> None:
        self.reasons: list[str] = []

    def set_aside(self, stage: str, thing: str, reason: str) -> None:
        self.reasons.append(reason)


class Films:
    """Two films of three and two shots, cut; ``a`` and ``b`` are their rows of the register."""

    def __init__(self, folder: Path, home: Path, partitions: str) -> None:
        self.folder = folder
        self.settings: Settings = load_settings(
            home=str(home), library=str(folder), encoder="starter", detector="content", partitions=partitions
        )

    def ingest(self) -> None:
        hashes = HashCache(self.folder.with_name("hashes.db"))
        found = scan([str(self.folder)], library=str(self.folder), hashes=hashes)
        register(self.settings, found, NOW)
        describe_videos(self.settings, self.partitions, NOW, SilentProgress())
        self.build()

    @property
    def partitions(self) -> list[str]:
        return sorted(
            {self.settings.resolve_partition(row["video_id"]) for row in catalogue.read_videos(self.settings.lake)}
        )

    def video(self, name: str) -> dict[str, Any]:
        return catalogue.find_video(self.settings.lake, str(self.folder / f"{name}.mp4"))

    def build(self, now: datetime = NOW, progress: SilentProgress | None = None) -> int:
        return build_shots(self.settings, self.partitions, now, progress or SilentProgress()).changed

    def correct(self, name: str, *statements: tuple[Verb, int], now: datetime = NOW, author: str = "ann") -> Any:
        return correct_cuts(self.settings, self.video(name), statements, author=author, now=now)

    def spans(self, name: str) -> list[tuple[int, int]]:
        rows = read_shots(self.settings, self.video(name)["video_id"])
        return [(row["start_frame"], row["end_frame"]) for row in rows]

    def due(self) -> set[str]:
        """Partitions of which shots are due; other tables are not made here, so that all are."""
        return set(find_waiting(self.settings).partitions)


MODES = ("video", "bucket:1")


@pytest.fixture(scope="module")
def ingested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library, and a home for each division of the lake, which tests copy."""
    folder = tmp_path_factory.mktemp("ingested")
    library = folder / "library"
    library.mkdir()
    make_film(library / "a.mp4", cuts=(20, 40), frames=60, width=160, height=90)
    make_film(library / "b.mp4", cuts=(20,), frames=40, width=160, height=90, seed=1)
    for mode in MODES:
        Films(library, folder / mode, mode).ingest()
    return folder


def copied(ingested: Path, folder: Path, mode: str) -> Films:
    shutil.copytree(ingested / mode, folder / "home")
    return Films(ingested / "library", folder / "home", mode)


@pytest.fixture(params=MODES)
def films(ingested: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Films:
    return copied(ingested, tmp_path, request.param)


@pytest.fixture
def plain(ingested: Path, tmp_path: Path) -> Films:
    return copied(ingested, tmp_path, "video")


def test_of_one_film_only_its_own_rows_change(films: Films) -> None:
    other, stored = films.video("b"), read_shots(films.settings, films.video("b")["video_id"])
    last = read_shots(films.settings, films.video("a")["video_id"])[-1]
    assert films.build(NOW + timedelta(hours=1)) == 0
    films.correct("a", ("merge", 20), ("split", 50))
    assert films.build(NOW + timedelta(hours=1)) == 1
    assert films.spans("a") == [(0, 40), (40, 50), (50, 60)]
    assert read_shots(films.settings, other["video_id"]) == stored
    assert films.build(NOW + timedelta(hours=2)) == 0
    films.correct("a", ("undo", 50))
    films.build(NOW + timedelta(hours=2))
    rows = read_shots(films.settings, films.video("a")["video_id"])
    assert [(row["start_frame"], row["index"]) for row in rows] == [(0, 0), (40, 1)]
    uris = {name: rows[1][name] for name in ("proxy_uri", "poster_uri")}  # of the copied home
    assert rows[1] == last | {"index": 1, "created_timestamp": NOW + timedelta(hours=2)} | uris
    films.correct("a", ("undo", 20))
    films.build(NOW + timedelta(hours=3))
    assert films.spans("a") == [(0, 20), (20, 40), (40, 60)]
    assert not find_waiting(films.settings).partitions


def test_detected_boundaries_are_kept_only_of_corrected_films(plain: Films) -> None:
    assert plain.settings.lake.list_partitions(DETECTED_CUTS) == plain.settings.lake.list_partitions(TABLE) == []
    plain.correct("a", ("merge", 40))
    plain.build()
    assert plain.settings.lake.list_partitions(DETECTED_CUTS) == [plain.video("a")["video_id"]]
    assert [row["frame"] for row in plain.settings.lake.read(DETECTED_CUTS).to_pylist()] == [0, 20, 40]


def test_a_merge_of_everything_and_a_gap_of_three_frames(plain: Films) -> None:
    plain.correct("a", ("merge", 20), ("merge", 40), ("split", 3), ("split", 57))
    plain.build()
    assert plain.spans("a") == [(0, 3), (3, 57), (57, 60)]


def test_a_film_that_is_away_keeps_its_shots_and_says_why(plain: Films) -> None:
    before, path = plain.spans("a"), plain.folder / "a.mp4"
    plain.correct("a", ("merge", 20))
    path.rename(path.with_suffix(".away"))
    progress = Aside()
    plain.build(progress=progress)
    assert plain.spans("a") == before
    row = plain.video("a")
    assert row["state"] == "ready"
    assert [note for note in row["notes"] if note.startswith("correction of cuts not applied yet")]
    assert len(progress.reasons) == 1 and "not applied yet" in progress.reasons[0]
    assert plain.due() == {plain.settings.resolve_partition(row["video_id"])}
    path.with_suffix(".away").rename(path)
    plain.build()
    assert plain.spans("a") == [(0, 40), (40, 60)]
    assert not any("correction" in note for note in plain.video("a")["notes"] or [])


@pytest.mark.parametrize("table", ["shots", DETECTED_CUTS])
def test_a_run_that_ends_in_the_middle_is_completed_by_the_next(
    plain: Films, table: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    update: Callable[..., bool] = Lake.update

    def fail(lake: Lake, name: str, *rest: Any) -> bool:
        if name == table:
            raise StorageError("the disk is full")
        return update(lake, name, *rest)

    plain.correct("a", ("merge", 20))
    with monkeypatch.context() as patch, pytest.raises(StorageError):
        patch.setattr(Lake, "update", fail)
        plain.build()
    plain.build()
    assert plain.spans("a") == [(0, 40), (40, 60)]
    video_id = plain.video("a")["video_id"]
    assert sorted(key.rsplit("/", 1)[1] for key in plain.settings.store.list(f"proxies/{video_id}")) == [
        "0-40.mp4",
        "40-60.mp4",
    ]


def test_a_lost_proxy_of_a_corrected_film_is_made_again_with_the_corrections(plain: Films) -> None:
    plain.correct("a", ("merge", 20))
    plain.build()
    video_id = plain.video("a")["video_id"]
    plain.settings.store.delete(f"proxies/{video_id}/40-60.mp4")
    plain.build()
    assert plain.spans("a") == [(0, 40), (40, 60)]
    assert len(list(plain.settings.store.list(f"proxies/{video_id}"))) == 2


def test_a_lake_that_lost_what_was_detected_detects_again(plain: Films) -> None:
    plain.correct("a", ("merge", 20))
    plain.build()
    plain.settings.lake.delete(DETECTED_CUTS, plain.video("a")["video_id"])
    plain.correct("a", ("undo", 20))
    plain.build()
    assert plain.spans("a") == [(0, 20), (20, 40), (40, 60)]


def test_the_latest_word_counts_whoever_says_it_and_whatever_the_clock(plain: Films) -> None:
    plain.correct("a", ("merge", 20), author="ann")
    plain.correct("a", ("split", 20), author="bob", now=NOW - timedelta(days=1))
    assert [
        (each.frame, each.action, each.author) for each in read_cut_state(plain.settings, plain.video("a")).current
    ] == [(20, "cut", "bob")]
    states = [(each["author"], each["state"]) for each in list_correction_documents(plain.settings)]
    assert states == [("ann", "superseded"), ("bob", "agrees")]


def test_corrections_of_several_people_at_once_are_all_kept(plain: Films) -> None:
    errors: list[BaseException] = []

    def say(frame: int) -> None:
        try:
            plain.correct("a", ("split", frame), author=f"person {frame}")
        except BaseException as error:  # noqa: BLE001 - asserted below
            errors.append(error)

    threads = [threading.Thread(target=say, args=(frame,)) for frame in (5, 10, 15, 25, 30, 35, 45, 50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert {each.author for each in read_history(plain.settings)} == {
        f"person {n}" for n in (5, 10, 15, 25, 30, 35, 45, 50)
    }
    assert [each.frame for each in CurrentCorrections(plain.settings).select_video(plain.video("a")["video_id"])] == [
        5, 10, 15, 25, 30, 35, 45, 50
    ]  # fmt: skip


def test_a_film_that_is_gone_or_not_cut_cannot_be_corrected(plain: Films) -> None:
    row = plain.video("a")
    with pytest.raises(UsageError, match="no longer in the library"):
        correct_cuts(plain.settings, row | {"state": "removed"}, [("merge", 20)], author="ann", now=NOW)
    with pytest.raises(UsageError, match="has no shots"):
        correct_cuts(plain.settings, row | {"video_id": "f" * 16}, [("merge", 20)], author="ann", now=NOW)
    assert not read_history(plain.settings)


def test_the_sensor_asks_for_waiting_partitions_once(films: Films) -> None:
    partitions = choose_partitions(films.settings)
    with dg.DagsterInstance.ephemeral() as instance:

        def asked() -> set[str | None]:
            found = request_corrections(instance, partitions, find_waiting(films.settings), "now")
            assert found.cursor == "now"
            return {one.run_key for one in found.run_requests or []}

        assert not asked()
        films.correct("a", ("merge", 20))
        films.correct("b", ("merge", 20))
        first = asked()
        assert first and first == asked()
        films.correct("a", ("undo", 20))
        second = asked()
        assert second and second.isdisjoint(first)
        films.build()
        assert not asked()
    report = build_corrections(films.settings, films.partitions)
    assert report.details == {"corrections": 3, "people": ["ann"]}


def test_what_waits_is_due_for_an_ingest(plain: Films) -> None:
    plain.correct("b", ("merge", 20))
    ids = [plain.video(name)["video_id"] for name in "ab"]
    assert ids[1] in find_due_partitions(plain.settings, "none.v1", ids)
