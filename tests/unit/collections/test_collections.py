"""Collections: nothing is overwritten, nothing is lost when a video is cut again, and a forgotten video leaves none."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from ops.collections.entries import PickedShot, ResolvedEntry, resolve_entries
from ops.collections.store import (
    Collection,
    change_collection,
    create_collection,
    delete_collection,
    find_collection,
    forget_entry_queries,
    forget_video_entries,
    list_collections,
    read_collection,
)
from ops.core.errors import ConflictError, NotFoundError, UsageError
from ops.core.settings import Settings
from ops.videos.forgotten import write_tombstone
from tests.builders.lakes import COMPUTED as NOW
from tests.builders.lakes import fill, shot_rows, video_id

pytestmark = pytest.mark.home(fill=fill)
LATER = NOW + timedelta(minutes=1)


def shot(number: int, index: int) -> str:
    return f"{video_id(number)}:{24 * index}"


def pick(number: int, index: int, **more: object) -> PickedShot:
    return PickedShot(shot_id=shot(number, index), **more)  # type: ignore[arg-type]


def create(settings: Settings, *picks: PickedShot, name: str = "Rabbits", author: str = "ann") -> Collection:
    return create_collection(settings, name, picks or [pick(0, 1)], author=author, now=NOW).collection


def save(settings: Settings, opened: Collection, *picks: PickedShot, author: str = "bob") -> Collection:
    return change_collection(
        settings, opened.collection_id, opened.version, picks=picks, author=author, now=LATER
    ).collection


def resolve(settings: Settings, collection: Collection) -> list[ResolvedEntry]:
    return resolve_entries(settings, read_collection(settings, collection.collection_id).entries)


def test_order_frames_notes_and_authors_are_kept(settings: Settings) -> None:
    first = create(settings, pick(1, 3, note="wide", query="a hare", score=0.25), pick(0, 0, in_frame=3, out_frame=30))
    assert [(each.shot_id, each.in_frame, each.out_frame, each.note) for each in first.entries] == [
        (shot(1, 3), 72, 96, "wide"),
        (shot(0, 0), 3, 30, ""),
    ]
    second = save(settings, first, pick(2, 0), *(pick(1, 3, note="close"),))
    assert [(each.added_by, each.added_at, each.note) for each in second.entries] == [
        ("bob", LATER, ""),
        ("ann", NOW, "close"),
    ]
    assert [(each.action, each.author, each.shots) for each in second.history] == [
        ("created", "ann", 2),
        ("saved", "bob", 2),
    ]
    assert read_collection(settings, first.collection_id) == second == find_collection(settings, "rabbits")
    again = change_collection(
        settings,
        first.collection_id,
        second.version,
        name="Rabbits",
        picks=list(second.entries),
        author="eve",
        now=LATER,
    )
    assert again.collection == second, "what changes nothing writes nothing"


def test_the_second_of_two_editors_is_told_and_nothing_is_overwritten(settings: Settings) -> None:
    opened = create(settings)
    by_bob = save(settings, opened, pick(0, 1), pick(0, 3))
    with pytest.raises(ConflictError, match="'Rabbits' was changed by bob"):
        save(settings, opened, pick(2, 2), author="eve")
    with pytest.raises(ConflictError, match="bob"):
        delete_collection(settings, opened.collection_id, opened.version, author="eve", now=LATER)
    assert read_collection(settings, opened.collection_id) == by_bob


def test_of_editors_at_the_same_time_exactly_one_saves(settings: Settings) -> None:
    opened = create(settings)

    def try_save(number: int) -> bool:
        try:
            save(settings, opened, pick(number % 3, number % 4), author=f"editor {number}")
        except ConflictError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(try_save, range(2, 10))) == 1
        names = [f"Tray {number}" for number in range(8)]
        list(pool.map(lambda name: create(settings, name=name), names))
    assert {each.name for each in list_collections(settings)} == {"Rabbits", *names}


def test_a_name_is_unique_and_one_line(settings: Settings) -> None:
    opened = create(settings, name=" Ｒabbits\u00a0in May ")
    with pytest.raises(ConflictError, match="already a collection"):
        create(settings, name="rabbits in may")
    for wrong in ("", "  ", "two\nlines", "x" * 121):
        with pytest.raises(UsageError):
            create(settings, name=wrong)
    other = create(settings, name="Hares")
    with pytest.raises(ConflictError):
        change_collection(settings, other.collection_id, other.version, name="RABBITS in may", author="a", now=LATER)
    renamed = change_collection(
        settings, opened.collection_id, opened.version, name="RABBITS in May", author="bob", now=LATER
    ).collection
    assert renamed.latest.action == "renamed" and renamed.entries == opened.entries


def test_shots_that_are_unknown_are_named_and_the_rest_is_kept(settings: Settings) -> None:
    picks = [pick(0, 1), pick(7, 0), PickedShot(shot_id="nonsense"), pick(0, 2, in_frame=96, out_frame=99)]
    saved = create_collection(settings, "Rabbits", picks, author="ann", now=NOW)
    assert [each.shot_id for each in saved.collection.entries] == [shot(0, 1)]
    assert [each.shot_id for each in saved.refused] == [shot(7, 0), "nonsense", shot(0, 2)]
    assert "frames 96 to 99 hold no frame" in saved.refused[2].reason
    with pytest.raises(NotFoundError, match="no such shot"):
        create(settings, pick(7, 0), name="Other")


def test_a_video_that_is_cut_again_loses_no_entry(settings: Settings) -> None:
    """Its shots are merged, split, and gone for a while."""
    kept = create(settings, pick(0, 1, note="a"), pick(0, 2), pick(0, 3, in_frame=80, out_frame=90), pick(1, 0))
    partition = settings.resolve_partition(video_id(0))
    rows = shot_rows(0)
    merged = [rows[0], rows[1] | {"end_frame": 72}, rows[3] | {"end_frame": 84}]
    late = rows[3] | {"shot_id": f"{video_id(0)}:84", "start_frame": 84, "index": 4}
    settings.lake.write("shots", partition, [*merged, late])
    found = resolve(settings, kept)
    assert [(each.shot_id, each.is_recut, each.missing_reason) for each in found] == [
        (shot(0, 1), True, ""),
        (shot(0, 1), True, ""),
        (shot(0, 3), True, ""),
        (shot(1, 0), False, ""),
    ]
    assert [each.entry.frames[1:] for each in found] == [(24, 48), (48, 72), (80, 90), (0, 24)]
    settings.lake.write("shots", partition, [])  # set aside
    assert [bool(each.missing_reason) for each in resolve(settings, kept)] == [True, True, True, False]
    saved = save(settings, kept, *kept.entries[:2], pick(1, 0))
    assert [each.shot_id for each in saved.entries] == [shot(0, 1), shot(0, 2), shot(1, 0)], "an editor loses none"
    settings.lake.write("shots", partition, rows)
    assert not any(each.missing_reason or each.is_recut for each in resolve(settings, saved))


def test_a_forgotten_video_leaves_no_entry(settings: Settings) -> None:
    first = create(settings, pick(0, 1, note="secret"), pick(1, 0))
    create(settings, pick(1, 1), name="Untouched")
    write_tombstone(settings, video_id(0), LATER)
    assert forget_video_entries(settings, video_id(0), LATER) == 1
    assert forget_video_entries(settings, video_id(0), LATER) == 0
    left = read_collection(settings, first.collection_id)
    assert [each.shot_id for each in left.entries] == [shot(1, 0)]
    assert left.notes == ("1 shot of a forgotten video was removed",)
    text = str(settings.lake.read("collections").to_pylist())
    assert "secret" not in text and video_id(0) not in text
    saved = change_collection(
        settings, first.collection_id, left.version, picks=[pick(0, 1), pick(1, 0)], author="ann", now=LATER
    )
    assert [each.reason for each in saved.refused] == ["its video was forgotten"]
    again = save(settings, left, pick(1, 0), pick(1, 2))
    assert again.notes == ()


def test_a_search_that_names_a_forgotten_person_leaves_the_entry_that_it_found(settings: Settings) -> None:
    first = create(settings, pick(0, 1, query="person:Thom running", note="keep"), pick(1, 0, query="a rabbit"))
    create(settings, pick(1, 1, query="a rabbit"), name="Untouched")
    assert forget_entry_queries(settings, lambda text: "Thom" in text, LATER) == 1
    assert forget_entry_queries(settings, lambda text: "Thom" in text, LATER) == 0
    left = read_collection(settings, first.collection_id)
    assert [(each.shot_id, each.query, each.note) for each in left.entries] == [
        (shot(0, 1), None, "keep"),
        (shot(1, 0), "a rabbit", ""),
    ]
    assert left.notes == ("the search that found 1 shot was removed: it named a person who is forgotten",)
    assert "Thom" not in str(settings.lake.read("collections").to_pylist())
    with pytest.raises(ConflictError):  # an editor's page from before would bring the name back
        save(settings, first, pick(0, 1, query="person:Thom running"))


def test_a_deleted_one_is_gone_and_who_deleted_it_is_known(settings: Settings) -> None:
    opened = create(settings)
    delete_collection(settings, opened.collection_id, opened.version, author="bob", now=LATER)
    assert list_collections(settings) == []
    with pytest.raises(NotFoundError, match="'Rabbits' was deleted by bob"):
        read_collection(settings, opened.collection_id)
    with pytest.raises(NotFoundError, match="there are none yet"):
        find_collection(settings, "Rabbits")
    assert shot(0, 1) not in str(settings.lake.read("collections").to_pylist())
    assert create(settings, author="eve").collection_id != opened.collection_id


def test_a_damaged_file_is_reported_and_the_others_are_listed(settings: Settings) -> None:
    broken, whole = create(settings), create(settings, name="Hares")
    settings.store.write_bytes(f"lake/collections/{broken.collection_id}.parquet", b"not parquet")
    damage: list[Exception] = []
    assert [each.name for each in list_collections(settings, damage)] == [whole.name]  # type: ignore[arg-type]
    assert "restore the file from a backup" in str(damage[0])
