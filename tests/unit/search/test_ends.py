"""First and last frames of shots, and their motion, over a small true lake."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ops.core.errors import NotFoundError, UsageError
from ops.core.settings import Settings
from ops.search import ends as ends_module
from ops.search.schema import Query
from ops.search.searcher import Searcher
from tests.builders.colours import (
    ColourEncoder,
    fill_with_colours,
    index_lake,
    lean,
    shot,
    write_ends,
    write_motion,
    write_video,
)
from tests.builders.filled import portable
from tests.builders.lakes import DIM, ENCODER, video_id

RED, GREEN, BLUE = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
# First and last colours of the shots of each film; shot 2 is blank.
FILMS = (
    ((RED, GREEN), (GREEN, BLUE), (GREEN, GREEN), (BLUE, RED)),
    ((GREEN, RED), (RED, RED), (GREEN, GREEN), (BLUE, BLUE)),
    ((BLUE, GREEN), (RED, BLUE), (GREEN, GREEN), (GREEN, BLUE)),
)


@portable
def fill_with_ends(settings: Settings) -> None:
    """The toy catalogue, whose first three films have first and last frames."""
    fill_with_colours(settings)
    for number, colours in enumerate(FILMS):
        write_ends(settings, number, [(lean(first, 0.1 * number), lean(last, 0.1 * number)) for first, last in colours])


pytestmark = pytest.mark.home(fill=fill_with_ends)


@pytest.fixture
def searcher(settings: Settings) -> Searcher:
    return Searcher(settings, encoder=ColourEncoder())


def search(searcher: Searcher, example: str, by: str, **fields: Any) -> dict[str, Any]:
    return searcher.search(Query.model_validate({"like": (example,), "by": by, "limit": 100} | fields)).document()


def ids(answer: dict[str, Any]) -> list[str]:
    return [hit["shot_id"] for hit in answer["hits"]]


def rank_by_hand(settings: Settings, example: str, own: str, other: str, left_out: set[str]) -> list[tuple[str, float]]:
    """Every shown shot with its score: half a frame and half the mean, in double precision, ties by shot id."""
    means = {row["shot_id"]: row["embedding"] for row in settings.lake.read(f"shot_embeddings/{ENCODER}").to_pylist()}
    rows = {row["shot_id"]: row for row in settings.lake.read(f"shot_ends/{ENCODER}").to_pylist()}
    blank = {row["shot_id"] for row in settings.lake.read("shots").to_pylist() if row["is_blank"]}

    def unit(shot_id: str, side: str) -> np.ndarray:
        total = np.asarray(rows[shot_id][side], float) + np.asarray(means[shot_id], float)
        return total / np.linalg.norm(total)

    scores = {each: float(unit(each, other) @ unit(example, own)) for each in rows if each not in blank | left_out}
    return sorted(scores.items(), key=lambda pair: (-round(pair[1], 6), pair[0]))


@pytest.mark.parametrize(("by", "own", "other"), [("ending", "last", "first"), ("beginning", "first", "last")])
@pytest.mark.parametrize("at", [0, 1, 3])
def test_the_ranking_is_that_of_a_scan_by_hand(
    searcher: Searcher, settings: Settings, by: str, own: str, other: str, at: int
) -> None:
    generator = np.random.default_rng(3)
    write_ends(settings, 3, [(lean(generator.random(3)), lean(generator.random(3))) for _ in range(30)])
    left_out = {shot(1, near) for near in (at - 1, at, at + 1)}
    expected = rank_by_hand(settings, shot(1, at), own, other, left_out)
    answer = search(searcher, shot(1, at), by)
    assert sorted(ids(answer)) == sorted(each for each, _ in expected)
    assert [hit["score"] for hit in answer["hits"]] == pytest.approx([score for _, score in expected], abs=1e-5)


def test_what_could_follow_begins_as_the_shot_ends(searcher: Searcher) -> None:
    answer = search(searcher, shot(0, 0), "ending")  # red that ends green; the shot next to it is left out
    assert ids(answer)[0] == shot(1, 0)  # red that begins green
    assert answer["hits"][0]["score"] > 0.95
    assert shot(0, 1) not in ids(answer) and shot(0, 0) not in ids(answer) and shot(0, 3) in ids(answer)


def test_what_could_precede_ends_as_the_shot_begins(searcher: Searcher) -> None:
    answer = search(searcher, shot(1, 3), "beginning")  # blue that begins blue
    assert ids(answer)[0] == shot(2, 3)  # blue that ends blue
    assert shot(1, 2) not in ids(answer)


def test_blank_shots_take_part_if_asked(searcher: Searcher) -> None:
    blank = {shot(number, 2) for number in range(3)}
    assert blank.isdisjoint(ids(search(searcher, shot(0, 0), "ending")))
    assert blank <= set(ids(search(searcher, shot(0, 0), "ending", include_blank=True)))


def test_relevance_falls_and_pages_join(searcher: Searcher) -> None:
    answer = search(searcher, shot(0, 0), "ending")
    relevances = [hit["relevance"] for hit in answer["hits"]]
    assert relevances == sorted(relevances, reverse=True) and relevances[0] > relevances[-1]
    pages = [ids(search(searcher, shot(0, 0), "ending", limit=2, offset=offset)) for offset in (0, 2, 4)]
    assert [hit for page in pages for hit in page] == ids(answer)[:6]


def test_the_scope_of_a_search_holds(searcher: Searcher) -> None:
    answer = search(searcher, shot(0, 0), "ending", shows=("Bikes",))
    assert {hit["video_id"] for hit in answer["hits"]} == {video_id(2)}


def test_notes_report_what_is_left_out(searcher: Searcher) -> None:
    notes = search(searcher, shot(0, 0), "ending")["reading"]["notes"]
    assert any("the shots next to it in its film are left out" in note for note in notes)
    assert any(note.startswith("30 shots not compared: `needle ingest`") for note in notes)


def test_shots_that_are_embedded_later_are_found(
    searcher: Searcher, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ends_module, "REREAD_AFTER_S", 600.0)
    assert shot(3, 0) not in ids(search(searcher, shot(0, 0), "ending"))
    write_ends(settings, 3, [(lean(GREEN), lean(GREEN))] * 30)
    assert shot(3, 0) not in ids(search(searcher, shot(0, 0), "ending"))  # not read again at each search
    monkeypatch.setattr(ends_module, "REREAD_AFTER_S", 0.0)
    answer = search(searcher, shot(0, 0), "ending")
    assert shot(3, 0) in ids(answer)[:30] and not any("not compared" in note for note in answer["reading"]["notes"])


def test_a_new_version_of_the_index_is_followed(searcher: Searcher, settings: Settings) -> None:
    search(searcher, shot(0, 0), "ending")
    write_video(settings, 9, [lean(RED)], show="New")
    write_ends(settings, 9, [(lean(GREEN), lean(RED))])
    index_lake(settings)
    assert ids(search(searcher, shot(0, 0), "ending"))[0] == shot(9, 0)


def test_vectors_stay_on_disk_and_grow_by_videos(searcher: Searcher, settings: Settings) -> None:
    folder = settings.home / "cache" / "vectors" / ENCODER
    expected = search(searcher, shot(0, 0), "ending")
    (first,) = folder.iterdir()
    path = Path(settings.store.path(f"lake/shot_ends/{ENCODER}/{video_id(1)}.parquet"))
    before, stat = path.read_bytes(), path.stat()
    path.write_bytes(b"x" * len(before))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # it looks unchanged, so nobody reads it again
    write_video(settings, 9, [lean(RED)], show="New")
    write_ends(settings, 9, [(lean(GREEN), lean(RED))])
    index_lake(settings)
    fresh = Searcher(settings, encoder=ColourEncoder())
    assert ids(search(fresh, shot(0, 0), "ending")) == [shot(9, 0), *ids(expected)]
    sizes = sorted(each.stat().st_size for each in (first / "current").resolve().rglob("vectors.f32"))
    assert sizes[0] == 4 * DIM  # the new shot alone


def test_a_damaged_cache_is_built_again(
    searcher: Searcher, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    expected = ids(search(searcher, shot(0, 0), "ending"))
    for each in (settings.home / "cache" / "vectors").rglob("codes.i8"):
        each.write_bytes(b"")
    assert ids(search(Searcher(settings, encoder=ColourEncoder()), shot(0, 0), "ending")) == expected
    assert "is built again" in caplog.text


@pytest.mark.parametrize(
    ("example", "message"),
    [
        (shot(3, 4), "first and last frames of shot .* are not embedded: run `needle ingest`"),
        (f"{video_id(0)}:7", "no shot .*:7' is indexed"),
        (f"{video_id(77)}:0", "no shot .* is indexed"),
    ],
)
def test_an_example_without_frames_is_reported(searcher: Searcher, example: str, message: str) -> None:
    with pytest.raises(NotFoundError, match=message):
        search(searcher, example, "ending")


@pytest.mark.parametrize(
    "fields",
    [
        {"like": ()},
        {"like": (shot(0, 0), shot(1, 0))},
        {"text": "a rabbit"},
        {"unlike": (shot(1, 0),)},
        {"then": {"text": "a rabbit"}},
        {"like": ("a picture.jpg",)},
    ],
)
def test_only_one_shot_is_compared_by_its_ends(searcher: Searcher, fields: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        search(searcher, shot(0, 0), "ending", **fields)


def test_a_catalogue_without_these_vectors_says_so(settings: Settings) -> None:
    for number in range(3):
        settings.lake.delete(f"shot_ends/{ColourEncoder.encoder_id}", video_id(number))
    with pytest.raises(NotFoundError, match="run `needle ingest`"):
        search(Searcher(settings, encoder=ColourEncoder()), shot(0, 0), "ending")


def test_a_damaged_file_is_left_out_with_a_note(
    searcher: Searcher, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    path = Path(settings.store.path(f"lake/shot_ends/{ENCODER}/{video_id(1)}.parquet"))
    path.write_bytes(path.read_bytes()[:200])
    answer = search(searcher, shot(0, 0), "ending")
    assert video_id(1) not in {hit["video_id"] for hit in answer["hits"]} and "not compared" in caplog.text
    assert any(note.startswith("34 shots not compared") for note in answer["reading"]["notes"])


def test_a_shot_without_usable_frames_is_left_out(searcher: Searcher, settings: Settings) -> None:
    rows = settings.lake.read(f"shot_ends/{ENCODER}", [video_id(1)]).to_pylist()
    rows[0] |= {"first": None, "last": None, "reason": "its proxy is missing"}
    settings.lake.write(f"shot_ends/{ENCODER}", video_id(1), rows)
    assert shot(1, 0) not in ids(search(searcher, shot(0, 0), "ending"))
    with pytest.raises(NotFoundError, match="are not embedded"):
        search(searcher, shot(1, 0), "ending")


def test_neighbours_of_the_first_the_last_and_an_unknown_shot() -> None:
    def list_starts(_: str) -> list[int]:
        return [0, 24, 48]

    assert ends_module.list_neighbours(shot(0, 0), list_starts) == [shot(0, 1)]
    assert ends_module.list_neighbours(shot(0, 2), list_starts) == [shot(0, 1)]
    assert ends_module.list_neighbours(shot(0, 1), list_starts) == [shot(0, 0), shot(0, 2)]
    assert ends_module.list_neighbours(shot(0, 7), list_starts) == []


STILL, RIGHT, LEFT, IN = (0.0,) * 5, (0.2, 0, 0, 0, 0.01), (-0.2, 0, 0, 0, 0.01), (0, 0, 0.1, 0, 0.01)


def write_all_motion(settings: Settings) -> None:
    write_motion(settings, 0, [RIGHT, STILL, STILL, LEFT])
    write_motion(settings, 1, [(0.15, 0.01, 0, 0, 0), LEFT, RIGHT, IN])
    write_motion(settings, 2, [IN, (0.02, 0, 0, 0, 0), STILL, (None,) * 5])


def test_shots_that_move_alike_are_found(searcher: Searcher, settings: Settings) -> None:
    write_all_motion(settings)
    answer = search(searcher, shot(0, 0), "motion")
    found = ids(answer)
    assert found[:2] == [shot(1, 0), shot(2, 1)] and set(found[-2:]) == {shot(0, 3), shot(1, 1)}
    assert shot(0, 1) in found, "a neighbour may move alike, too"
    assert shot(2, 3) not in found and shot(1, 2) not in found  # unknown, and blank
    scores = [hit["score"] for hit in answer["hits"]]
    assert scores == sorted(scores, reverse=True) and 0 < scores[-1] < scores[0] < 1
    assert any(note.startswith("31 shots not compared") for note in answer["reading"]["notes"])
    assert ids(search(searcher, shot(0, 1), "motion"))[0] == shot(2, 1), "still shots are alike"
    assert search(searcher, shot(1, 3), "motion")["hits"][0]["score"] == pytest.approx(1)


def test_unknown_motion_is_reported(searcher: Searcher, settings: Settings) -> None:
    write_all_motion(settings)
    for example in (shot(2, 3), shot(3, 0)):
        with pytest.raises(NotFoundError, match=r"the motion of shot .* is unknown"):
            search(searcher, example, "motion")
