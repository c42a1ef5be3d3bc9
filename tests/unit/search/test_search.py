"""A searcher over a small true lake and index; the encoder implements the interface over colours and words."""

from __future__ import annotations

import gc
import json
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from ops.core.errors import NotFoundError, UsageError, VectorIndexError
from ops.core.settings import Settings, load_settings
from ops.core.types import make_shot_id
from ops.index.lake_videos import read_wanted_rows
from ops.search.schema import Query
from ops.search.searcher import Searcher
from tests.builders.colours import ColourEncoder, fill_with_colours, index_lake, lean, shot, write_video
from tests.builders.lakes import ENCODER, shot_rows, video_id

HIT_KEYS = [
    "rank", "score", "relevance", "shot_id", "video_id", "show", "title", "path", "start_frame", "end_frame",
    "fps", "start_s", "end_s", "start_timecode", "poster", "proxy",
    "matched", "lines", "texts", "probes", "folded", "is_weak", "is_blank", "is_title", "match", "spoken", "then",
]  # fmt: skip


pytestmark = pytest.mark.home(fill=fill_with_colours)


@pytest.fixture
def searcher(settings: Settings) -> Searcher:
    return Searcher(settings, encoder=ColourEncoder())


def ids(answer: dict[str, Any]) -> list[str]:
    return [hit["shot_id"] for hit in answer["hits"]]


def test_the_answer_is_the_contracts(searcher: Searcher, settings: Settings) -> None:
    answer = searcher.search(Query(text="something red", limit=3)).document()
    assert list(answer) == [
        "query", "encoder_id", "index_version", "dialogue_version", "took_ms", "cutoff", "stands_out", "reading",
        "hits",
    ]  # fmt: skip
    assert answer["encoder_id"] == ENCODER and answer["took_ms"] > 0
    assert answer["index_version"] == index_lake(settings)
    assert (
        answer["query"]["text"] == "something red" and answer["query"]["limit"] == 3 and answer["query"]["like"] == []
    )
    assert [list(hit) for hit in answer["hits"]] == [HIT_KEYS] * 3
    assert ids(answer) == [shot(0, 0), shot(1, 0), shot(2, 0)]
    first = answer["hits"][0]
    assert first | {"relevance": None} == {
        "rank": 1,
        "score": 1.0,
        "relevance": None,
        "shot_id": shot(0, 0),
        "video_id": video_id(0),
        "show": "Red Dawn",
        "title": "Film 0",
        "path": "/footage/film 0.mp4",
        "start_frame": 0,
        "end_frame": 24,
        "fps": "24000/1001",
        "start_s": 0.0,
        "end_s": 1.001,
        "start_timecode": "01:00:00:00",
        "poster": settings.store.uri(f"posters/{video_id(0)}/0.jpg"),
        "proxy": settings.store.uri(f"proxies/{video_id(0)}/0.mp4"),
        "matched": ["visual"],
        "lines": [],
        "texts": [],
        "probes": [],
        "folded": [],
        "is_weak": False,
        "is_blank": False,
        "is_title": False,
        "match": {"start_frame": 0, "end_frame": 24},
        "spoken": None,
        "then": None,
    }
    assert json.loads(json.dumps(answer)) == answer


def test_score_is_the_cosine_and_relevance_falls_with_it(searcher: Searcher, settings: Settings) -> None:
    hits = searcher.search(Query(text="blue", limit=100, include_blank=True)).document()["hits"]
    vectors = {row.shot_id: row.vector for row in read_wanted_rows(settings, ENCODER)}
    query = ColourEncoder().encode_text(["blue"])[0]
    assert len(hits) == len(vectors) == 42
    assert [hit["score"] for hit in hits] == pytest.approx(
        [float(vectors[hit["shot_id"]] @ query) for hit in hits], abs=1e-5
    )
    relevances = [hit["relevance"] for hit in hits]
    assert relevances == sorted(relevances, reverse=True)
    assert relevances[0] > 0.5 > relevances[20]


def test_blank_shots_are_left_out_of_a_search_by_words_only(searcher: Searcher) -> None:
    blank = {shot(number, 2) for number in range(4)}
    everything = ids(searcher.search(Query(text="red", limit=100)).document())
    assert len(everything) == 38 and not blank & set(everything)
    assert blank <= set(ids(searcher.search(Query(text="red", limit=100, include_blank=True)).document()))
    assert blank - {shot(0, 2)} & set(ids(searcher.search(Query(like=(shot(0, 2),), limit=100)).document()))


def test_shows_limit_the_search(searcher: Searcher) -> None:
    hits = searcher.search(Query(text="red", shows=("Ünder <the> Sea", "Bikes"), limit=100)).document()["hits"]
    assert {hit["show"] for hit in hits} == {"Ünder <the> Sea", "Bikes"} and len(hits) == 6


def test_videos_limit_the_search_beside_other_filters(searcher: Searcher) -> None:
    def search(text: str, *numbers: int, shows: tuple[str, ...] = ()) -> set[str]:
        query = Query(text=text, videos=tuple(map(video_id, numbers)), shows=shows, limit=100)
        return {hit["video_id"] for hit in searcher.search(query).document()["hits"]}

    assert search("red", 1) == {video_id(1)}
    assert search("red", 0, 2) == {video_id(0), video_id(2)}
    assert search(f"red file:{video_id(0)}", 0, 2) == {video_id(0)}
    assert search("red", 1, shows=("Red Dawn",)) == set(), "no video fulfils both"
    assert searcher.search(Query(text="red", videos=(video_id(1),))).document()["query"]["videos"] == [video_id(1)]
    with pytest.raises(NotFoundError, match="no video 'ffffffffffffffff' is indexed: `needle status`"):
        searcher.search(Query(text="red", videos=("f" * 16,)))


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ünder the see", "did you mean 'Ünder <the> Sea'"),
        ("bikes", "did you mean 'Bikes'"),
        ("dawn", "did you mean 'Red Dawn'"),
        ("zzzz", "it has 'Bikes', 'Grey', 'Red Dawn', 'Ünder <the> Sea'"),
    ],
)
def test_an_unknown_show_is_told_with_its_neighbours(searcher: Searcher, name: str, hint: str) -> None:
    with pytest.raises(NotFoundError, match=f"no show '{name}'.*{hint}"):
        searcher.search(Query(text="red", shows=(name,))).document()


def test_similar_leaves_out_the_shot_and_its_copies(settings: Settings, searcher: Searcher) -> None:
    write_video(settings, 4, [lean((1, 0, 0), 0.001 * number) for number in range(9)], show="Copies")
    index_lake(settings)
    hits = searcher.search(Query(like=(shot(0, 0),), limit=3)).document()["hits"]
    assert [hit["shot_id"] for hit in hits] == [shot(2, 0)] + [hit["shot_id"] for hit in hits[1:]]
    assert not {hit["show"] for hit in hits} & {"Copies"} and shot(0, 0) not in {hit["shot_id"] for hit in hits}
    assert [hit["rank"] for hit in hits] == [1, 2, 3]


def test_words_and_examples_combine(searcher: Searcher) -> None:
    both = ids(searcher.search(Query(text="red", like=(shot(0, 3),), limit=100)).document())
    words = ids(searcher.search(Query(text="red", limit=100)).document())
    assert both.index(shot(2, 3)) < both.index(shot(2, 1)), "blue before green, because of the example"
    assert words.index(shot(2, 3)) > words.index(shot(2, 1)), "to the words alone they are equal, and go by id"
    assert both.index(shot(2, 0)) < both.index(shot(2, 1)), "red before green, because of the words"
    without = ids(searcher.search(Query(text="red blue", unlike=(shot(0, 3),), limit=3)).document())
    assert set(without) == {shot(n, 0) for n in range(3)}, "blue was taken away"


def test_a_picture_is_an_example(searcher: Searcher, tmp_path: Path) -> None:
    Image.new("RGB", (64, 48), (0, 255, 0)).save(tmp_path / "green.png")
    assert ids(searcher.search(Query(like=(str(tmp_path / "green.png"),), limit=3)).document()) == [
        shot(n, 1) for n in range(3)
    ]


def test_pages_join_to_the_whole_list(searcher: Searcher) -> None:
    for base in ({"text": "green"}, {"like": (shot(0, 0),)}):
        whole = searcher.search(Query(**base, limit=100)).document()["hits"]  # type: ignore[arg-type]
        paged = [
            hit
            for start in range(0, 45, 5)
            for hit in searcher.search(Query(**base, limit=5, offset=start)).document()["hits"]  # type: ignore[arg-type]
        ]
        assert paged == whole


@pytest.mark.parametrize("example", ["no-such-picture.jpg", "0123456789abcdef", ""])
def test_an_example_that_is_nothing_is_told(
    searcher: Searcher, example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises((NotFoundError, UsageError), match=r"neither a shot id nor a file|is not a file"):
        searcher.search(Query(like=(example,))).document()


def test_an_unknown_shot_is_told_with_its_neighbours(searcher: Searcher) -> None:
    with pytest.raises(NotFoundError, match=f"{shot(0, 1)}, {shot(0, 2)}, {shot(0, 3)}"):
        searcher.search(Query(like=(make_shot_id(video_id(0), 50),))).document()
    with pytest.raises(NotFoundError, match="the catalogue has no video 0123456789abcdef"):
        searcher.search(Query(like=("0123456789abcdef:5",))).document()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, "the query is empty"),
        ({"text": " \n"}, "the query is empty"),
        ({"unlike": ("a.jpg",)}, "unlike|empty"),
        ({"text": "x" * 2001}, "at most 2000 characters"),
        ({"text": "caf\udce9"}, "should be readable text"),
        ({"text": "x", "limit": 0}, "limit = 0"),
        ({"text": "x", "limit": 10_001}, "limit = 10001"),
        ({"text": "x", "offset": -1}, "offset = -1"),
        ({"like": ("a",), "unlike": ("a",)}, "wanted and unwanted at once"),
        ({"like": tuple(map(str, range(101)))}, "at most 100 examples"),
    ],
)
def test_senseless_queries_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Query(**wrong)


def test_a_newer_index_is_used_at_once_and_the_old_answer_does_not_stick(
    settings: Settings, searcher: Searcher
) -> None:
    before = searcher.search(Query(text="red", limit=1)).document()
    write_video(settings, 0, [lean((0, 0, 1))] * 4, show="Renamed", title="New title")
    assert searcher.search(Query(text="red", limit=1)).document()["index_version"] == before["index_version"]
    index_lake(settings)
    after = searcher.search(Query(text="blue", shows=("Renamed",), limit=1)).document()
    assert after["index_version"] != before["index_version"] and after["hits"][0]["title"] == "New title"


def test_an_old_version_goes_with_its_last_reference(settings: Settings, searcher: Searcher) -> None:
    """It has megabytes, and a service rarely looks for cycles: each switch would leave them behind."""

    def search_all() -> None:
        for text in ("red", "red show:*", "file:film*", "blue before:2030-01-01", "a gren car"):
            searcher.search(Query(text=text, limit=3))
        searcher.search(Query(like=(shot(1, 0),), by="look"))

    search_all()
    gc.collect()
    gc.disable()
    try:
        snapshot = searcher.retriever.snapshot()
        old = [weakref.ref(snapshot), weakref.ref(snapshot.index), weakref.ref(snapshot.catalogue(settings))]
        del snapshot
        for number in (7, 8):
            write_video(settings, number, [lean((0, 0, 1))] * 4)
            index_lake(settings)
            search_all()
        assert [reference() for reference in old] == [None] * len(old)
    finally:
        gc.enable()


def test_a_shot_that_left_the_lake_is_not_shown(settings: Settings, searcher: Searcher) -> None:
    partition = settings.resolve_partition(video_id(0))
    settings.lake.delete("shots", partition)
    hits = searcher.search(Query(text="red", limit=3)).document()["hits"]
    assert [hit["shot_id"] for hit in hits] == [shot(1, 0), shot(2, 0)] and [hit["rank"] for hit in hits] == [1, 2]


@pytest.mark.parametrize("count", [1, 2, 5])
def test_tiny_catalogues(tmp_path: Path, count: int) -> None:
    settings = load_settings(home=tmp_path)
    write_video(settings, 0, [lean((1, 0, 0), 0.3 * number) for number in range(count)])
    index_lake(settings)
    searcher = Searcher(settings, encoder=ColourEncoder())
    hits = searcher.search(Query(text="red", include_blank=True)).document()["hits"]
    assert len(hits) == count and all(0 < hit["relevance"] < 1 for hit in hits)
    assert len(searcher.search(Query(like=(shot(0, 0),))).document()["hits"]) == count - 1


def test_an_empty_catalogue_and_a_missing_index(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path)
    with pytest.raises(VectorIndexError, match="run `needle ingest"):
        Searcher(settings, encoder=ColourEncoder()).search(Query(text="red")).document()
    index_lake(settings)
    assert Searcher(settings, encoder=ColourEncoder()).search(Query(text="red")).document()["hits"] == []


@pytest.mark.parametrize(
    ("start", "expected"), [(None, "00:00:00:00"), ("broken", "00:00:00:00"), ("10:00:00:00", "10:00:00:00")]
)
def test_a_damaged_start_timecode_stops_nothing(tmp_path: Path, start: str | None, expected: str) -> None:
    settings = load_settings(home=tmp_path)
    write_video(settings, 0, [lean((1, 0, 0))], start_timecode=start)
    index_lake(settings)
    assert (
        Searcher(settings, encoder=ColourEncoder()).search(Query(text="red")).document()["hits"][0]["start_timecode"]
        == expected
    )


def test_a_timecode_follows_the_clock_behind_missing_pictures(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path)
    write_video(settings, 0, [lean((1, 0, 0)), lean((0, 1, 0))], start_timecode="01:00:00:00")
    rows = shot_rows(0, 2)
    rows[0]["end_s"] = rows[1]["start_s"] = 5 * 1.001
    rows[1]["end_s"] = 6 * 1.001
    settings.lake.write("shots", video_id(0), rows)
    index_lake(settings)
    hits = Searcher(settings, encoder=ColourEncoder()).search(Query(text="red")).document()["hits"]
    assert {hit["start_frame"]: hit["start_timecode"] for hit in hits} == {0: "01:00:00:00", 24: "01:00:05:00"}


def test_hash_buckets_give_the_same_answer(settings: Settings, searcher: Searcher, tmp_path: Path) -> None:
    bucketed = load_settings(home=tmp_path / "other", partitions="bucket:2")
    for table in ("videos", "shots", f"shot_embeddings/{ENCODER}"):
        for name in settings.lake.list_partitions(table):
            for row in settings.lake.read(table, [name]).to_pylist():
                partition = bucketed.resolve_partition(row["video_id"])
                bucketed.lake.write(table, partition, [*bucketed.lake.read(table, [partition]).to_pylist(), row])
    index_lake(bucketed)
    answers = [
        each.search(Query(text="green", limit=10)).document()
        for each in (searcher, Searcher(bucketed, encoder=ColourEncoder()))
    ]
    hits = json.dumps(answers[1]["hits"]).replace(bucketed.storage_uri, settings.storage_uri)  # addresses of pictures
    assert answers[0]["hits"] == json.loads(hits) and answers[0]["index_version"] == answers[1]["index_version"]


def test_many_threads_get_the_same_answer(searcher: Searcher) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(
            pool.map(lambda _: searcher.search(Query(text="red", like=(shot(0, 3),))).document()["hits"], range(24))
        )
    assert all(answer == answers[0] for answer in answers)


def test_the_search_module_loads_nothing_heavy() -> None:
    import subprocess

    heavy = ("torch", "qdrant_client", "onnxruntime", "feast", "dagster", "PIL")
    code = f"import sys, ops.search.searcher; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
