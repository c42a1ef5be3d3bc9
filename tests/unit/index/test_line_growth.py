"""The index of lines grows by videos: what a change writes, and that the grown index is that of all lines."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.core.errors import VectorIndexError
from ops.core.settings import CHECKOUT, Settings
from ops.index import line_publishing, tuning
from ops.index.backends.server_lines import ServerLineVersions
from ops.index.backends.tantivy_lines import TantivyLineVersions
from ops.index.line_points import LinePoint, LineRow, build_point
from ops.index.line_publishing import publish_lines, publish_lines_to
from ops.index.line_sums import compute_line_digest
from ops.index.lines import LineIndex, LineVersions, open_line_versions
from tests.builders.subtitles import line_row

pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect:UserWarning")

WORDS = [
    "apple",
    "boat",
    "cloud",
    "drum",
    "eagle",
    "forest",
    "ghost",
    "harbour",
    "island",
    "jungle",
    "kettle",
    "lantern",
    "mirror",
    "needle",
    "ocean",
]
LANGUAGES = ("en", "de", "pl")


def make_lines(video: int, count: int, seed: int = 0) -> list[LineRow]:
    draw = random.Random(f"{video} {seed}")
    return [
        line_row(
            number,
            " ".join(draw.choices(WORDS, k=draw.randint(1, 9))),
            language=LANGUAGES[(video + number) % 3],
            show=f"show {video % 4}",
            video=video,
            second=float(number),
        )
        for number in range(count)
    ]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collects the videos of lines that are written."""
    videos: list[str] = []

    def build(row: LineRow) -> LinePoint:
        videos.append(row.video_id)
        return build_point(row)

    monkeypatch.setattr(line_publishing, "build_point", build)
    return videos


@pytest.fixture
def versions(tmp_path: Path) -> TantivyLineVersions:
    return TantivyLineVersions(tmp_path / "lines")


@pytest.fixture(params=["tantivy", "server"])
def any_versions(request: pytest.FixtureRequest, versions: TantivyLineVersions) -> Iterator[LineVersions]:
    if request.param == "tantivy":
        yield versions
        return
    from qdrant_client import QdrantClient

    client = QdrantClient(":memory:")
    yield ServerLineVersions(client, "-dialogue")
    client.close()


def open_index(versions: LineVersions) -> LineIndex:
    index = open_line_versions(versions)
    assert index is not None
    return index


def list_answers(index: LineIndex) -> list[list[tuple[str, float]]]:
    """Ids and scores of many queries, with and without filters."""
    answers: list[list[tuple[str, float]]] = []
    for word, other in zip(WORDS, WORDS[3:] + WORDS[:3], strict=True):
        for options in ({}, {"shows": ["show 1"]}, {"phrases": [f"{word} {other}"]}):
            hits = index.search(f"{word} {other}", limit=999, **options)
            answers.append([(hit.line_id, round(hit.score, 4)) for hit in hits])
    return answers


def test_a_change_writes_the_lines_of_its_video_only(any_versions: LineVersions, written: list[str]) -> None:
    versions = any_versions
    films = {video: make_lines(video, 12) for video in range(20)}
    publish_lines_to(versions, [row for rows in films.values() for row in rows])
    for change in ({20: make_lines(20, 12)}, {3: make_lines(3, 9, seed=1)}, {5: []}):
        films |= change
        written.clear()
        rows = [row for rows in films.values() for row in rows]
        publish_lines_to(versions, rows)
        assert set(written) == {row.video_id for changed in change.values() for row in changed}
        with open_index(versions) as index:
            assert index.digest() == compute_line_digest(rows) and index.count() == len(rows)
            assert index.shot_ids == {shot_id for row in rows for shot_id in row.shot_ids}


def test_a_grown_index_answers_as_one_that_is_written_whole(any_versions: LineVersions, tmp_path: Path) -> None:
    versions = any_versions
    draw, films = random.Random(3), {video: make_lines(video, 10) for video in range(8)}
    for step in range(12):
        video = draw.randrange(14)
        films[video] = make_lines(video, draw.randrange(14), seed=step)
        rows = [row for rows in films.values() for row in rows]
        publish_lines_to(versions, rows)
    whole_versions = TantivyLineVersions(tmp_path / "whole")
    publish_lines_to(whole_versions, rows)
    with open_index(versions) as grown, open_index(whole_versions) as whole:
        assert grown.digest() == whole.digest() and grown.version == whole.version
        ids = [[line_id for line_id, _ in hits] for hits in list_answers(grown)]
        assert [sorted(each) for each in ids] == [
            sorted(line_id for line_id, _ in hits) for hits in list_answers(whole)
        ]
        assert any(ids)
    versions.drop_old()  # writes indexes with removed lines again: the weights of words are exact then
    with open_index(versions) as grown, open_index(whole_versions) as whole:
        assert list_answers(grown) == list_answers(whole)


def test_readers_keep_their_version_while_it_grows_and_is_purged(versions: TantivyLineVersions) -> None:
    rows = [row for video in range(6) for row in make_lines(video, 10)]
    publish_lines_to(versions, rows)
    with open_index(versions) as before:
        answers = list_answers(before)
        publish_lines_to(versions, rows[10:])
        versions.drop_old()
        assert list_answers(before) == answers and before.digest() == compute_line_digest(rows)
    with open_index(versions) as after:
        assert after.digest() == compute_line_digest(rows[10:])


def test_many_removed_lines_are_written_off(versions: TantivyLineVersions) -> None:
    rows = [line_row(n, f"word{n} spoken", video=n // 10, second=n) for n in range(100)]
    publish_lines_to(versions, rows)
    for count in range(1, 5):
        publish_lines_to(versions, rows[10 * count :])
        with open_index(versions) as index:
            removed = sum(part.removed for part in index._lines.parts.values())  # type: ignore[attr-defined]
            assert removed <= tuning.MOST_REMOVED * index.count()


def test_no_language_is_left_of_a_language_without_lines(versions: TantivyLineVersions) -> None:
    rows = [line_row(n, f"Häuser {n}", language="de" if n < 3 else "en", video=n // 3, second=n) for n in range(12)]
    publish_lines_to(versions, rows)
    publish_lines_to(versions, rows[3:])
    with open_index(versions) as index:
        assert index._lines.list_stemmers() == ["english"]
    publish_lines_to(versions, rows)
    with open_index(versions) as index:
        assert [hit.line_id for hit in index.search("haus", limit=9)] == [row.line_id for row in rows[:3]]


def test_a_damaged_index_says_what_to_do(settings: Settings) -> None:
    versions = TantivyLineVersions(settings.home / "index" / "dialogue")
    publish_lines_to(versions, make_lines(0, 5))
    for file in (versions.folder / "current" / "shard").rglob("*.term"):
        file.write_bytes(b"")
    with open_index(versions) as index, pytest.raises(VectorIndexError, match="needle doctor --repair"):
        index.search("apple", limit=3)


def test_an_index_that_cannot_be_written_is_named_and_leaves_nothing(settings: Settings) -> None:
    code = f"""
import resource
from ops.core.errors import VectorIndexError
from ops.core.settings import load_settings
from ops.index.line_publishing import publish_lines
from tests.builders.subtitles import line_row
resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
try:
    rows = [line_row(n, f"line {{n}}", second=n) for n in range(5000)]
    publish_lines(load_settings(home={str(settings.home)!r}), rows)
except VectorIndexError as error:
    print(error)
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=CHECKOUT, check=False, capture_output=True, text=True, timeout=120)
    assert "is its disk full?" in done.stdout, done.stderr
    assert not list((settings.home / "index" / "dialogue").glob("*/shard"))
    publish_lines(settings, make_lines(0, 5))
