"""Lists of videos and posters over HTTP: order, pages, facts, and videos that cannot be shown."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.testclient import TestClient

from ops.core.settings import Settings
from ops.serve.video_list import spread
from tests.builders.colours import index_lake, lean, write_video
from tests.builders.filled import portable
from tests.builders.lakes import video_id, video_row
from tests.builders.served import fill_desk

EPISODES = ("Part 10", "Part 9", "part 1")


@portable
def fill(settings: Settings) -> None:
    fill_desk(settings)
    for number, title in enumerate(EPISODES, start=10):
        write_video(settings, number, [lean((1, 0, 0))] * 8, show="Serial", title=title, episode=None, reason=None)
    broken = video_row(20, show="Serial", title="Torn", state="set_aside", reason="it does not decode", fps_num=None)
    settings.lake.write("videos", settings.resolve_partition(video_id(20)), [broken | {"frames": None, "bytes": None}])
    index_lake(settings)


pytestmark = pytest.mark.home(fill=fill)


def read_videos(client: TestClient, **query: Any) -> dict[str, Any]:
    answer = client.get("/api/videos", params=query)
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


def test_videos_of_a_show_come_by_name_with_numbers_by_value(client: TestClient) -> None:
    listed = read_videos(client, show="Serial")
    assert [video["title"] for video in listed["videos"]] == ["part 1", "Part 9", "Part 10", "Torn"]
    assert listed["total"] == 4
    first, *_, torn = listed["videos"]
    assert (first["state"], first["shots"], first["fps"], first["width"]) == ("ready", 8, "24000/1001", 640)
    assert first["searchable_since"] is not None and first["seconds"] == pytest.approx(10.01)
    assert (torn["state"], torn["reason"], torn["posters"]) == ("set_aside", "it does not decode", [])
    assert (torn["fps"], torn["seconds"], torn["searchable_since"], torn["bytes"]) == (None, 0.0, None, None)


def test_posters_are_spread_in_order_and_none_is_blank(client: TestClient) -> None:
    posters = read_videos(client, show="Serial", posters=3)["videos"][0]["posters"]
    starts = [poster["start_frame"] for poster in posters]
    assert starts == sorted(set(starts)) and len(starts) == 3
    assert 48 not in [poster["start_frame"] for poster in read_videos(client, posters=12)["videos"][0]["posters"]]
    red = read_videos(client, show="Red Dawn", posters=12)["videos"][0]["posters"]
    assert [poster["start_frame"] for poster in red] == [0, 24, 72], "shot 2 is blank"
    assert client.get(red[0]["poster"]).status_code == 200


def test_pages_together_are_the_whole_list(client: TestClient) -> None:
    whole = [video["video_id"] for video in read_videos(client)["videos"]]
    pages = [video["video_id"] for at in (0, 3, 6) for video in read_videos(client, offset=at, limit=3)["videos"]]
    assert pages == whole and len(set(whole)) == len(whole) == 8
    assert read_videos(client, offset=8)["videos"] == [] and read_videos(client, offset=8)["total"] == 8


def test_newest_videos_have_searchable_shots(client: TestClient) -> None:
    newest = read_videos(client, order="newest")
    assert newest["total"] == 7 and all(video["posters"] for video in newest["videos"])
    times = [video["searchable_since"] for video in newest["videos"]]
    assert times == sorted(times, reverse=True)


def test_an_unknown_show_has_no_videos(client: TestClient) -> None:
    assert read_videos(client, show="No such show") == {"videos": [], "total": 0}
    assert client.get("/api/videos", params={"order": "oldest"}).status_code == 422


def test_posters_of_shows_are_spread_over_their_videos(client: TestClient) -> None:
    asked = {"show": ["Serial", "Grey", "No such show", "Ünder <the> Sea"], "count": 6}
    shows = client.get("/api/shows/posters", params=asked).json()["shows"]
    assert [show["show"] for show in shows] == ["Serial", "Grey", "Ünder <the> Sea"]
    serial, grey, under = (show["posters"] for show in shows)
    by_video = [poster["shot_id"].split(":")[0] for poster in serial]
    assert by_video == [video for number in (12, 11, 10) for video in [video_id(number)] * 2]
    assert len({poster["shot_id"] for poster in grey}) == 6 and len(under) == 3
    assert client.get("/api/shows/posters").status_code == 422


@pytest.mark.parametrize(
    ("length", "count", "expected"),
    [(0, 3, []), (1, 3, [0]), (3, 3, [0, 1, 2]), (10, 2, [2, 7]), (5, 1, [2]), (7, 0, [])],
)
def test_positions_are_spread(length: int, count: int, expected: list[int]) -> None:
    assert spread(length, count) == expected
