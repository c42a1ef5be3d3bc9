"""The filter sound:, alone, with words and other filters, as a condition, and its errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ops.core.errors import NotFoundError, UsageError
from ops.core.settings import Settings, load_settings
from ops.search.conditions import SoundCondition, TextCondition
from ops.search.query_problems import find_problem
from ops.search.schema import Query, Then
from ops.search.searcher import Searcher
from ops.search.sound import SoundShots
from tests.builders.colours import SHOWS, ColourEncoder, fill_with_colours, index_lake, shot
from tests.builders.lakes import video_id
from tests.builders.sounds import write_sound

SOUND = {
    shot(0, 0): "quiet,speech",
    shot(0, 1): "speech",
    shot(0, 2): "",
    shot(0, 3): None,
    shot(1, 0): "silent",
    shot(1, 1): "loud,speech",
}
SPEECH = {shot(0, 0), shot(0, 1), shot(1, 1)}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = load_settings(home=tmp_path_factory.mktemp("sound") / "home")
    fill_with_colours(settings)
    index_lake(settings)
    write_sound(settings, SOUND)
    return settings


@pytest.fixture(scope="module")
def searcher(home: Settings) -> Searcher:
    return Searcher(home, ColourEncoder())


def find(searcher: Searcher, text: str = "", **fields: Any) -> set[str]:
    query = Query(text=text, limit=100, fold=False, include_blank=True, **fields)
    return {hit.shot_id for hit in searcher.search(query).hits}


def test_shots_are_found_by_their_sound(searcher: Searcher) -> None:
    assert find(searcher, "sound:speech") == SPEECH == find(searcher, 'SOUND:"Speech"')
    assert find(searcher, "sound:silent") == {shot(1, 0)} and find(searcher, "sound:loud") == {shot(1, 1)}
    assert find(searcher, "red sound:quiet") == {shot(0, 0)}


def test_the_filter_leaves_out_and_combines(searcher: Searcher) -> None:
    every = find(searcher, "red")
    assert find(searcher, "red -sound:speech") == every - SPEECH, "also shots that were not measured"
    assert find(searcher, "sound:speech sound:loud") == {shot(1, 1)}
    assert find(searcher, "sound:speech -sound:quiet") == SPEECH - {shot(0, 0)}
    assert find(searcher, f'sound:speech show:"{SHOWS[0]}"') == {shot(0, 0), shot(0, 1)}
    assert find(searcher, "sound:speech", videos=(video_id(1),)) == {shot(1, 1)}
    followed = find(searcher, "red sound:speech", then=Then(text="blue", within=3))
    assert followed and followed <= SPEECH


def test_sound_is_a_condition(searcher: Searcher) -> None:
    loud, speech = SoundCondition(sound="loud"), SoundCondition(sound="speech")
    assert find(searcher, any=(loud, SoundCondition(sound="silent"))) == {shot(1, 0), shot(1, 1)}
    assert find(searcher, all=(loud, speech)) == {shot(1, 1)}
    assert find(searcher, "red", all=(speech,)) == SPEECH
    assert find(searcher, all=(speech,), videos=(video_id(0),)) == {shot(0, 0), shot(0, 1)}
    assert find(searcher, all=(TextCondition(text="red", relevance=0.0), speech)) <= SPEECH


def test_the_filter_is_reported_and_can_be_taken_away(searcher: Searcher) -> None:
    (part,) = searcher.search(Query(text="red sound:Speech")).reading.parts
    assert (part.kind, part.value, part.label) == ("sound", "speech", "with audible speech")
    assert part.change.text == "red"
    (part,) = searcher.search(Query(text="red -sound:silent")).reading.parts
    assert part.label == "without silence"


def test_another_kind_is_an_error_that_names_them_all(searcher: Searcher) -> None:
    with pytest.raises(UsageError, match="quiet, loud, silent or speech, not 'noisy'"):
        find(searcher, "sound:noisy")
    with pytest.raises(UsageError, match=r"quiet.*loud.*silent.*speech"):
        Query.model_validate({"all": [{"sound": "noisy"}]})
    notes = searcher.search(Query(text="the sound: rain")).reading.notes
    assert any("is read as words" in note for note in notes)
    assert any("sound:speech" in note for note in searcher.search(Query(text="red sound:")).reading.notes)


def test_without_measures_the_error_says_how_to_get_them(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path / "home")
    fill_with_colours(settings)
    index_lake(settings)
    searcher = Searcher(settings, ColourEncoder())
    for query in (Query(text="sound:speech"), Query(any=(SoundCondition(sound="loud"),))):
        with pytest.raises(NotFoundError, match="NEEDLE_SOUND=on"):
            searcher.search(query)
        assert "NEEDLE_SOUND=on" in find_problem(settings, searcher, query)
    write_sound(settings, {shot(0, 0): "loud", shot(0, 1): ""}, speech=False)
    searcher = Searcher(settings, ColourEncoder())
    assert find(searcher, "sound:loud") == {shot(0, 0)}
    with pytest.raises(NotFoundError, match=r"needle\[speech\]"):
        find(searcher, "sound:speech")
    assert find_problem(settings, searcher, Query(any=(SoundCondition(sound="quiet"),))) == ""


def test_only_changed_files_are_read_again(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.search.sound.REREAD_AFTER_S", 0.0)
    sound = SoundShots(home)
    assert sound.count_shots() == {"quiet": 1, "loud": 1, "silent": 1, "speech": 3}
    read = list[list[str]]()
    monkeypatch.setattr(sound, "_read", lambda names, plain=sound._read: read.append(names) or plain(names))
    sound.count_shots()
    write_sound(home, {shot(2, 0): "loud"})
    assert sound.find_shots("loud") == {shot(1, 1), shot(2, 0)}
    home.lake.delete("shot_sound", video_id(2))
    assert sound.find_shots("loud") == {shot(1, 1)}
    assert read == [[video_id(2)], []]


def test_a_damaged_file_is_left_out(home: Settings, caplog: pytest.LogCaptureFixture) -> None:
    path = f"lake/shot_sound/{video_id(0)}.parquet"
    whole = home.store.read_bytes(path)
    home.store.write_bytes(path, whole[: len(whole) // 2])
    assert SoundShots(home).find_shots("speech") == {shot(1, 1)}
    assert "its rows are left out" in caplog.text
    home.store.write_bytes(path, whole)
