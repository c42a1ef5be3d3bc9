"""Saved searches: what is new, when nothing is computed, and what happens to forgotten footage."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ops.cli.main import main
from ops.core.errors import ConflictError, NotFoundError, UsageError
from ops.core.settings import Settings, load_settings
from ops.core.types import SilentProgress, StepReport
from ops.embeddings.encoder import resolve_encoder
from ops.index.lake_videos import read_wanted_rows
from ops.index.publishing import publish
from ops.search.query_problems import find_problem
from ops.search.saved_matches import build_matches, has_current_matches
from ops.search.saved_searches import (
    SavedSearch,
    change_search_state,
    delete_search,
    find_search,
    forget_person_searches,
    forget_video_matches,
    list_searches,
    mark_seen,
    read_search_state,
    save_search,
)
from ops.search.schema import Query, Then
from ops.search.searcher import Searcher
from tests.builders.colours import ColourEncoder, fill_with_colours, index_lake, lean, shot, write_video
from tests.builders.lakes import COMPUTED as NOW
from tests.builders.lakes import ENCODER, video_id

pytestmark = pytest.mark.home(fill=fill_with_colours)


def save(settings: Settings, text: str = "red", name: str = "Reds", **fields: Any) -> SavedSearch:
    return save_search(settings, ENCODER, name, Query(text=text, **fields), author="ann", now=NOW)


def build(settings: Settings) -> StepReport:
    searcher = Searcher(settings, ColourEncoder())
    try:
        return build_matches(settings, ENCODER, SilentProgress(), searcher)
    finally:
        searcher.close()


def list_new(settings: Settings, search: SavedSearch) -> list[str]:
    return [match.shot_id for match in read_search_state(settings, search.search_id).matches]


def add_film(settings: Settings, number: int) -> None:
    """A red, a green and a blue shot, as in the other films."""
    write_video(settings, number, [lean(axis, 0.05) for axis in ((1, 0, 0), (0, 1, 0), (0, 0, 1))], show="New")
    index_lake(settings)


def test_only_strong_matches_of_new_footage_are_new_until_they_are_seen(settings: Settings) -> None:
    reds = save(settings)
    assert has_current_matches(settings, ENCODER), "a search that was just saved has nothing to look for"
    add_film(settings, 9)
    assert not has_current_matches(settings, ENCODER)
    report = build(settings)
    assert (report.changed, report.details["new_matches"]) == (1, 1) and has_current_matches(settings, ENCODER)
    assert list_new(settings, reds) == [shot(9, 0)]
    again = build(settings)
    assert (again.changed, again.data_version) == (0, report.data_version), "a second run writes nothing"
    add_film(settings, 10)  # before anybody looks: both are new, also for who looks late
    assert mark_seen(settings, reds.search_id) == 1 and list_new(settings, reds) == []
    build(settings)
    assert list_new(settings, reds) == [shot(10, 0)], "what was indexed, but not shown, stays new"
    assert mark_seen(settings, reds.search_id) == 1
    build(settings)
    assert list_new(settings, reds) == []


def test_a_near_duplicate_in_new_footage_is_new_and_a_known_video_cut_again_is_not(settings: Settings) -> None:
    reds = save(settings)
    write_video(settings, 9, [lean((1, 0, 0), 0.0)], show="Copies")  # the same picture as in film 0
    write_video(settings, 0, [lean((1, 0, 0), 0.01)] * 4, show="Red Dawn")
    index_lake(settings)
    build(settings)
    assert list_new(settings, reds) == [shot(9, 0)]


def test_without_saved_searches_or_new_footage_no_encoder_is_loaded(settings: Settings) -> None:
    """The home's encoder is unknown: loading it would fail."""
    assert build_matches(settings, ENCODER, SilentProgress()).details == {"saved_searches": 0, "new_matches": 0}
    save(settings)
    settings.store.delete("saved_matches/none.json")
    write_video(settings, 9, [lean((1, 0, 0))], show="New")
    index_lake(settings)
    settings.lake.delete("shots", settings.resolve_partition(video_id(9)))
    index_lake(settings)  # the new film is gone again
    assert build_matches(settings, ENCODER, SilentProgress()).details["new_matches"] == 0


def test_a_search_that_fails_is_reported_and_the_others_go_on(settings: Settings) -> None:
    broken = save(settings, text="", name="Like it", like=("0000000000000000:7",))
    reds = save(settings)
    add_film(settings, 9)
    build(settings)
    assert "0000000000000000" in read_search_state(settings, broken.search_id).problem
    assert list_new(settings, reds) == [shot(9, 0)]


def test_a_search_that_cannot_be_answered_is_reported_without_new_footage(settings: Settings) -> None:
    """The home's encoder is unknown: loading it would fail."""
    problems = {
        "show:nowhere": "nowhere", "text:exit": "NEEDLE_SCREEN_TEXT=on", "said:hello red": "no dialogue",
        "person:Thom": "NEEDLE_PEOPLE=on", "label:fox": "no label 'fox'", "after:soon": "needs a date",
        "sound:loud": "NEEDLE_SOUND=on",
    }  # fmt: skip
    searches = [save(settings, text=text, name=text) for text in problems]
    more = [
        save(settings, name="where", where=("closeup>=0.5",)), save(settings, name="like", like=(f"{video_id(77)}:7",))
    ]  # fmt: skip
    reds = save(settings)
    settings.lake.delete("shots", settings.resolve_partition(video_id(0)))
    index_lake(settings)
    searcher = Searcher(settings, ColourEncoder())
    found = {each.name: find_problem(settings, searcher, each.query) for each in (*searches, *more, reds)}
    assert all(words in found[text] for text, words in problems.items()), found
    assert "closeup" in found["where"] and video_id(77) in found["like"] and found["Reds"] == ""
    build(settings)
    stored = {each.name: read_search_state(settings, each.search_id).problem for each in list_searches(settings)}
    assert stored == found


def test_a_forgotten_video_is_in_no_match(settings: Settings) -> None:
    reds = save(settings)
    add_film(settings, 9)
    build(settings)
    for number in (0, 9):
        forget_video_matches(settings, video_id(number))
    state = read_search_state(settings, reds.search_id)
    assert state.matches == () and not {video_id(0), video_id(9)} & (state.known_videos | state.searched_videos)


def test_names_and_examples(settings: Settings) -> None:
    save(settings)
    with pytest.raises(ConflictError, match="already a saved search 'Reds'"):
        save(settings, name=" REDS ")
    for wrong in ("", "two\nlines", "x" * 121):
        with pytest.raises(UsageError):
            save(settings, name=wrong)
    for example in ("image:0", "still.jpg", "some words"):
        with pytest.raises(NotFoundError, match="neither a shot id nor a file"):
            save(settings, name="Picture", like=(example,))
    kept = save(settings, name="Not green", like=(shot(0, 0),), unlike=("green grass",), limit=3)
    assert find_search(settings, "not green") == kept and kept.query.unlike == ("green grass",)
    delete_search(settings, kept.search_id, author="bob", now=NOW + timedelta(hours=1))
    assert [each.name for each in list_searches(settings)] == ["Reds"]
    with pytest.raises(NotFoundError, match="there are Reds"):
        find_search(settings, "Not green")


def test_searches_for_a_forgotten_person_go_with_their_pictures(settings: Settings, tmp_path: Path) -> None:
    picture = tmp_path / "face.png"
    Image.new("RGB", (320, 180), "red").save(picture)
    gone = save(settings, text='"quiet" -person:"thom  yorke"', name="Without", like=(str(picture),))
    other = save(settings, text="person:Tim")
    change_search_state(
        settings, other.search_id, lambda state: state.model_copy(update={"problem": "do you mean Thom Yorke?"})
    )
    assert forget_person_searches(settings, {"Thom Yorke", "p1"}) == ["Without"]
    assert [each.name for each in list_searches(settings)] == ["Reds"]
    assert not settings.store.exists(f"saved_matches/{gone.search_id}.json") and not settings.store.list(
        "saved_pictures"
    )
    assert read_search_state(settings, other.search_id).problem == "" and not has_current_matches(settings, ENCODER)
    assert forget_person_searches(settings, None) == ["Reds"] and not list_searches(settings)


def test_pictures_are_stored_with_their_searches(settings: Settings, tmp_path: Path) -> None:
    def draw(name: str, colour: str) -> str:
        Image.new("RGB", (320, 180), colour).save(tmp_path / name)
        return str(tmp_path / name)

    red, blue = draw("red.png", "red"), draw("blue.jpg", "blue")
    first = save(settings, text="", like=(red, shot(1, 0)), unlike=(blue, "green grass"))
    second = save(settings, text="", name="Again", like=(red,), then=Then(like=(red,)))
    for path in (red, blue):
        Path(path).unlink()
    assert [each[:6] for each in (first.query.like[0], first.query.unlike[0])] == ["image:"] * 2
    assert first.query.like[1:] == (shot(1, 0),) and first.query.unlike[1:] == ("green grass",)
    assert second.query.like == (first.query.like[0],) and second.query.then == Then(like=second.query.like)
    assert len(settings.store.list("saved_pictures")) == 2, "a picture is stored once"
    add_film(settings, 9)
    build(settings)
    assert [read_search_state(settings, each.search_id).problem for each in (first, second)] == ["", ""]
    searcher = Searcher(settings, ColourEncoder())
    assert searcher.search(Query(like=second.query.like)).hits[0].relevance > 0.5
    searcher.close()
    delete_search(settings, first.search_id, author="ann", now=NOW)
    assert settings.store.list("saved_pictures") == [f"saved_pictures/{second.query.like[0][6:]}.jpg"]
    delete_search(settings, second.search_id, author="ann", now=NOW)
    assert settings.store.list("saved_pictures") == []
    many = tuple(draw(f"{at}.png", f"#0000{at:02d}") for at in range(9))
    with pytest.raises(UsageError, match="at most 8 pictures, and this one has 9"):
        save(settings, text="", like=many)
    assert settings.store.list("saved_pictures") == []


def test_the_command(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    def run(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["searches", *arguments, "--encoder", "starter", "--home", str(settings.home)])
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    assert "no saved searches yet" in run()[2]
    reds = save(settings)
    add_film(settings, 9)
    build(settings)
    assert "Reds: 1 new match, saved by ann: red" in run()[1]
    status, out, _ = run("--new")
    assert status == 0 and shot(9, 0) in out
    document = json.loads(run("--new", "--json")[1])["searches"]
    assert [(each["name"], [one["shot_id"] for one in each["new"]]) for each in document] == [("Reds", [shot(9, 0)])]
    saved = json.loads(run("--save", "Blues", "blue", "--show", "Bikes", "--json")[1])
    assert (saved["name"], saved["query"]["text"], saved["query"]["shows"]) == ("Blues", "blue", ["Bikes"])
    assert run("--seen", "reds", "--json")[1].count('"matches": 1') == 1
    assert "nothing new" in run("--new")[2]
    assert "deleted" in run("--delete", reds.search_id)[1]
    starter = resolve_encoder(load_settings(home=settings.home, encoder="starter")).encoder_id
    publish(settings, starter, lambda: read_wanted_rows(settings, ENCODER))
    assert run()[0] == 0
    status, out, err = run("--save", "Elsewhere", "show:nowhere red")
    assert status == 3 and out.startswith("saved Elsewhere") and "note: Elsewhere: " in err and "nowhere" in err
    status, out, err = run()
    assert status == 3 and "Elsewhere: 0 new matches" in out and "no show 'nowhere'" in err
    status, out, err = run("--json")
    assert status == 3 and ["nowhere" in each["problem"] for each in json.loads(out)["searches"]] == [False, True]
    assert run("red")[0] == 2 and run("--new", "--delete", "x")[0] == 2 and run("--delete", "x")[0] == 1
