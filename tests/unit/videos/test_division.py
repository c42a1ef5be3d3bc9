"""A lake that is divided in another way has the same rows, versions and features, in fewer files."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from itertools import chain
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from ops.core.errors import DamagedTableError, LakeError, SettingsError
from ops.core.history import list_history_files
from ops.core.settings import Settings, load_settings
from ops.core.types import SilentProgress
from ops.index.build import build_index, check_index
from ops.search.searcher import Searcher
from ops.shots.correcting import correct_cuts
from ops.training.pair_table import store_pairs
from ops.training.pairs import CaptionPair, build_image_pair
from ops.videos import catalogue, division
from ops.videos.division import divide_lake
from tests.builders.lakes import COMPUTED, ENCODER, fill, shot_rows, video_id, video_row

FILMS = 12


def fill_lake(settings: Settings) -> None:
    """Films of which two were cut again, one has no shots, and one is set aside."""
    catalogue.require_layout(settings)
    fill(settings, videos=FILMS)
    for number in (0, 1):
        for turn in (1, 2):
            stamp = COMPUTED + timedelta(days=turn)
            settings.lake.write(
                "shots", video_id(number), shot_rows(number, 4, detector=f"turn {turn}", created_timestamp=stamp)
            )
    settings.lake.write("shots", video_id(2), [])
    settings.lake.write("videos", video_id(FILMS), [video_row(FILMS, state="set_aside", reason="unreadable")])
    settings.lake.write("labels", "fox", [])
    build_index(settings, ENCODER, SilentProgress())


pytestmark = pytest.mark.home(fill=fill_lake)


def describe(settings: Settings) -> dict[str, list[str]]:
    """All rows of all tables, and all earlier versions, in an order of their own."""
    tables = {table: settings.lake.read(table).to_pylist() for table in settings.lake.list_tables()}
    files = [pq.read_table(settings.store.path(key)).to_pylist() for key in list_history_files(settings.store)]
    return {name: sorted(map(repr, rows)) for name, rows in (tables | {"history": [*chain(*files)]}).items()}


def divided(settings: Settings, division: str) -> Settings:
    return load_settings(home=settings.home, partitions=division)


def test_videos_without_rows_keep_their_files_there_and_back(settings: Settings) -> None:
    settings.lake.write("shots", video_id(2), [])
    names = {table: settings.lake.list_partitions(table) for table in settings.lake.list_tables()}
    divide_lake(settings, "bucket:3")
    divide_lake(divided(settings, "bucket:3"), "video")
    after = {table: settings.lake.list_partitions(table) for table in settings.lake.list_tables()}
    assert all(set(names[table]) <= set(after[table]) for table in names)
    assert set(after["shots"]) == {video_id(number) for number in range(FILMS + 1)}


def list_files(settings: Settings) -> list[str]:
    return [key for key in settings.store.list() if key.endswith(".parquet") and not key.startswith("lake/labels/")]


def test_a_lake_in_buckets_has_the_same_rows_in_few_files(settings: Settings) -> None:
    before = describe(settings)
    assert len(list_files(settings)) > 3 * FILMS
    files, after = divide_lake(settings, "bucket:3")
    assert files == 3 * FILMS + 1 and after == 9
    assert len(list_files(settings)) <= 3 * FILMS and not settings.store.list("divided")
    fresh = divided(settings, "bucket:3")
    assert describe(fresh) == before
    catalogue.require_layout(fresh)
    with pytest.raises(SettingsError, match=r"is divided by 'bucket:3': set NEEDLE_PARTITIONS=bucket:3, divide"):
        catalogue.require_layout(settings)
    assert fresh.lake.list_partitions("shots") == [f"bucket-{number:05d}" for number in range(3)]
    assert check_index(fresh, ENCODER).passed
    assert build_index(fresh, ENCODER, SilentProgress()).changed == 0
    assert divide_lake(fresh, "bucket:3") == (9, 9)


@pytest.mark.parametrize("way", [["bucket:5", "bucket:2", "video"], ["bucket:1", "video", "bucket:40"]])
def test_any_way_leads_back(settings: Settings, way: list[str]) -> None:
    before = describe(settings)
    for each in way:
        divide_lake(settings, each)
        settings = divided(settings, each)
        catalogue.require_layout(settings)
    assert describe(settings) == before
    shots = settings.lake.read("shots", [settings.resolve_partition(video_id(5))]).to_pylist()
    assert [row["index"] for row in shots if row["video_id"] == video_id(5)] == [0, 1, 2, 3]


def test_rows_of_no_video_stay_where_they_are(settings: Settings) -> None:
    """Captions of photographs; two data sets have one picture in common."""
    pairs = [build_image_pair(f"/{name}.parquet", "0", name, b"a picture", ["a fox"]) for name in ("one", "two")]
    store_pairs(settings, [pair for pair in pairs if isinstance(pair, CaptionPair)], COMPUTED)
    partitions = settings.lake.list_partitions("caption_pairs")
    before = describe(settings)
    for each in ("bucket:2", "bucket:3", "video"):
        divide_lake(settings, each)
        settings = divided(settings, each)
        assert settings.lake.list_partitions("caption_pairs") == partitions
        assert describe(settings) == before


def test_files_without_rows_get_the_names_of_their_videos(settings: Settings) -> None:
    divide_lake(settings, "bucket:4")
    buckets = divided(settings, "bucket:4")
    for number in range(4):
        buckets.lake.write("dialogue", f"bucket-{number:05d}", [])
    divide_lake(buckets, "video")
    for table in ("dialogue", "shots"):
        assert settings.lake.list_partitions(table) == settings.lake.list_partitions("videos")


@pytest.mark.parametrize("at", range(0, 40, 3))
def test_a_killed_division_is_finished_by_the_next(
    settings: Settings, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stop before the write number ``at``; before the swap nothing has changed, after it other commands are refused."""
    before, writes = describe(settings), [0]
    store = type(settings.store)

    def count(function: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **options: object) -> object:
            writes[0] += 1
            if writes[0] == at + 1:
                raise KeyboardInterrupt
            return function(*arguments, **options)

        return call

    with monkeypatch.context() as patch:
        for name in ("write_bytes", "delete"):
            patch.setattr(store, name, count(getattr(store, name)))
        with suppress(KeyboardInterrupt):
            divide_lake(settings, "bucket:2")
    layout = json.loads(settings.store.read_bytes(catalogue.LAYOUT))
    if layout["partitions"] == "video" and catalogue.DIVIDING not in layout:
        assert describe(settings) == before
        catalogue.require_layout(settings)
    elif layout.get(catalogue.DIVIDING):
        for each in (settings, divided(settings, "bucket:2")):
            with pytest.raises(SettingsError, match="is being divided by 'bucket:2': run `needle compact --divide"):
                catalogue.require_layout(each)
        with pytest.raises(SettingsError, match="run `needle compact --divide bucket:2`"):
            divide_lake(settings, "bucket:3")
    divide_lake(settings, "bucket:2")
    assert describe(divided(settings, "bucket:2")) == before


def test_a_damaged_file_of_the_history_ends_the_division_before_anything_changes(settings: Settings) -> None:
    path = Path(settings.store.path(list_history_files(settings.store)[0]))
    content = path.read_bytes()
    path.write_bytes(content[:100])
    with pytest.raises(LakeError, match="is damaged"):
        divide_lake(settings, "bucket:2")
    catalogue.require_layout(settings)
    path.write_bytes(content)
    divide_lake(settings, "bucket:2")


def test_nobody_works_on_a_lake_that_is_divided_otherwise(settings: Settings) -> None:
    catalogue.require_same_division(settings)
    layout = catalogue.read_layout(settings)
    catalogue.write_layout(settings.store, {**layout, catalogue.DIVIDING: "bucket:2"})
    with pytest.raises(SettingsError, match="is being divided"):
        catalogue.require_same_division(settings)
    with pytest.raises(SettingsError, match="is being divided"):
        correct_cuts(
            settings, catalogue.find_video(settings.lake, video_id(3)), [("split", 5)], author="x", now=COMPUTED
        )
    catalogue.write_layout(settings.store, layout)
    divide_lake(settings, "bucket:2")
    with pytest.raises(SettingsError, match="NEEDLE_PARTITIONS = 'video'"):
        Searcher(settings)
    catalogue.require_same_division(divided(settings, "bucket:2"))


def test_a_damaged_file_ends_the_division_before_anything_changes(settings: Settings) -> None:
    path = Path(settings.store.path(f"lake/shots/{video_id(4)}.parquet"))
    path.write_bytes(path.read_bytes()[:100])
    files = list_files(settings)
    with pytest.raises(DamagedTableError):
        divide_lake(settings, "bucket:2")
    assert [each for each in list_files(settings) if not each.startswith(division._STAGING)] == files
    catalogue.require_layout(settings)


def test_copies_of_a_killed_division_are_deleted_unless_it_goes_on(settings: Settings) -> None:
    key = "divided/lake/shots/bucket-00000.parquet"
    settings.store.write_bytes(key, b"rows")
    layout = catalogue.read_layout(settings)
    catalogue.write_layout(settings.store, {**layout, catalogue.DIVIDING: "bucket:3"})
    division.delete_copies(settings)
    assert settings.store.exists(key)
    catalogue.write_layout(settings.store, layout)
    division.delete_copies(settings)
    assert not settings.store.exists(key)
