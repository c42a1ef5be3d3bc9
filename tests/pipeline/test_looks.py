"""What is due is remembered, and never wrongly: every kind of change is noticed, by whatever means it was made."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from ops.cli.looks import describe_look, find_due_partitions
from ops.core.known_rows import count_rows, read_rows
from ops.core.settings import Settings, load_settings
from ops.embeddings.encoder import resolve_encoder
from ops.pipeline import list_steps
from ops.videos.hashes import HashCache
from ops.videos.library import Scan, scan
from tests.builders.catalogues import multiply_film
from tests.builders.films import make_film
from tests.builders.homes import Home

FILMS = 5


class Catalogue:
    """A home with some films of which nothing is due, and its library."""

    def __init__(self, folder: Path) -> None:
        self.home, self.library = Home(folder / "home"), folder / "library"
        self.library.mkdir()
        self.film = make_film(self.library / "a film.mp4", cuts=(30,), frames=60).path
        (self.library / "a film.srt").write_text("1\n00:00:00,500 --> 00:00:01,500\nHello\n")
        self.home.run("ingest", str(self.library))
        multiply_film(self.settings, self.encoder_id, self.library, FILMS)

    @property
    def settings(self) -> Settings:
        return load_settings(home=str(self.home.path), encoder="starter", frames_per_shot=self.home.frames)

    @property
    def encoder_id(self) -> str:
        return resolve_encoder(self.settings).encoder_id

    def scan(self) -> Scan:
        return scan([str(self.library)], hashes=HashCache(self.settings.home / "cache" / "hashes.db"))

    def list_ids(self) -> list[str]:
        return [source.video_id for source in self.scan().files]

    def find_file(self, table: str) -> Path:
        """A file of the film that was ingested, not copied."""
        partition = next(source.video_id for source in self.scan().files if source.path == str(self.film))
        name = f"{table}/{self.encoder_id}" if table in ("shot_embeddings", "shot_ends") else table
        return Path(self.settings.store.path(f"lake/{name}/{partition}.parquet"))


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory: pytest.TempPathFactory) -> Catalogue:
    return Catalogue(tmp_path_factory.mktemp("looks"))


def _ask_steps(catalogue: Catalogue, settings: Settings) -> set[str]:
    ids = frozenset(catalogue.list_ids())
    return set[str]().union(*(step.is_due(settings, catalogue.encoder_id, ids) for step in list_steps()))


def _delete(path: Path) -> Callable[[], None]:
    content = path.read_bytes()
    path.unlink()
    return lambda: path.write_bytes(content) and None


def _change_in_place(path: Path, content: bytes) -> Callable[[], None]:
    old = path.read_bytes()
    with path.open("r+b") as file:
        file.truncate()
        file.write(content)
    return lambda: path.write_bytes(old) and None


def _change_detector(catalogue: Catalogue) -> Callable[[], None]:
    path = catalogue.find_file("shots")
    content = path.read_bytes()
    rows = catalogue.settings.lake.read("shots", [path.stem]).to_pylist()
    catalogue.settings.lake.write("shots", path.stem, [row | {"detector": "older"} for row in rows])
    return lambda: path.write_bytes(content) and None


def _lose_online_rows(catalogue: Catalogue) -> Callable[[], None]:
    """As a new database of the same path, which has the rows of no film."""
    path = next((catalogue.home.path / "feast").glob("*online*"))
    content = path.read_bytes()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("DELETE FROM row_stamps")
        database.execute("UPDATE store_name SET name = 'another'")
    return lambda: path.write_bytes(content) and None


def _correct_cut(catalogue: Catalogue) -> Callable[[], None]:
    path = catalogue.find_file("shot_corrections")
    video_id = path.stem
    row = {
        "correction_id": "c", "video_id": video_id, "frame": 30, "action": "no_cut", "author": "someone",
        "created_at": None, "note": "", "content_hash": "", "event_timestamp": None, "created_timestamp": None,
    }  # fmt: skip
    shot = catalogue.settings.lake.read("shots", [video_id]).to_pylist()[0]
    stamps = dict.fromkeys(("created_at", "event_timestamp", "created_timestamp"), shot["created_timestamp"])
    catalogue.settings.lake.write("shot_corrections", video_id, [row | stamps])
    return path.unlink


CHANGES: dict[str, Callable[[Catalogue], Callable[[], None]]] = {
    "a proxy is deleted": lambda it: _delete(
        next(Path(it.settings.store.path(f"proxies/{it.find_file('shots').stem}")).glob("*.mp4"))
    ),
    "a poster is deleted": lambda it: _delete(
        next(Path(it.settings.store.path(f"posters/{it.find_file('shots').stem}")).glob("*.jpg"))
    ),
    "vectors are deleted": lambda it: _delete(it.find_file("shot_embeddings")),
    "vectors of ends are deleted": lambda it: _delete(it.find_file("shot_ends")),
    "dialogue of shots is deleted": lambda it: _delete(it.find_file("shot_dialogue")),
    "another detector cut the film": _change_detector,
    "a cut is corrected": _correct_cut,
    "the online rows are lost": _lose_online_rows,
    "a subtitle file is changed": lambda it: _change_in_place(
        it.library / "a film.srt", b"1\n00:00:00,500 --> 00:00:01,500\nBye\n"
    ),
    "a subtitle file is deleted": lambda it: _delete(it.library / "a film.srt"),
    "the register is deleted": lambda it: _delete(it.find_file("videos")),
}


@pytest.mark.parametrize("name", CHANGES)
def test_every_change_is_noticed(catalogue: Catalogue, name: str) -> None:
    settings, encoder_id = catalogue.settings, catalogue.encoder_id
    ids = catalogue.list_ids()
    assert find_due_partitions(settings, encoder_id, ids, least=1) == set() == _ask_steps(catalogue, settings)
    before = describe_look(settings, encoder_id, catalogue.scan())
    assert before == describe_look(settings, encoder_id, catalogue.scan())
    undo = CHANGES[name](catalogue)
    try:
        due = _ask_steps(catalogue, settings)
        assert find_due_partitions(settings, encoder_id, ids, least=1) == due
        assert due or name == "the register is deleted"
        assert describe_look(settings, encoder_id, catalogue.scan()) != before
    finally:
        undo()
    assert find_due_partitions(settings, encoder_id, ids, least=1) == set()


def test_settings_that_decide_are_noticed(catalogue: Catalogue) -> None:
    settings, encoder_id, ids = catalogue.settings, catalogue.encoder_id, catalogue.list_ids()
    assert find_due_partitions(settings, encoder_id, ids, least=1) == set()
    others = settings.model_copy(update={"frames_per_shot": 5})
    assert find_due_partitions(others, encoder_id, ids, least=1) == _ask_steps(catalogue, others) == set(ids)
    assert find_due_partitions(settings, encoder_id, ids, least=1) == set()
    assert describe_look(others, encoder_id, catalogue.scan()) != describe_look(settings, encoder_id, catalogue.scan())


def test_a_second_ingest_recalls_the_first_and_writes_nothing(tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    make_film(library / "one.mp4", cuts=(30,), frames=60)
    (library / "notes.txt").write_text("not footage")
    home = Home(tmp_path / "home")
    first = home.json("ingest", str(library))
    assert not first["up_to_date"]
    files = home.files()
    second = home.json("ingest", str(library))
    assert home.files() == files
    cache = home.path / "cache" / "lake.db"
    content = cache.read_bytes()
    cache.unlink()
    third = home.json("ingest", str(library))
    cache.write_bytes(content)
    for summary in (second, third):
        summary.pop("seconds")
    assert second == third and second["up_to_date"]
    video_id = home.json("status")["videos"][0]["video_id"]
    home.json("ingest", str(library), "--retry")
    home.run("forget", video_id, "--yes")
    assert cache.exists() and video_id.encode() not in cache.read_bytes()
    assert home.json("ingest", str(library))["forgotten"] == [video_id]


def test_rows_are_those_of_the_files(catalogue: Catalogue) -> None:
    lake = catalogue.settings.lake
    for _ in range(2):
        assert read_rows(lake, "videos", least=1) == lake.read("videos").to_pylist()
        assert count_rows(lake, "shots", least=1) == dict.fromkeys(catalogue.list_ids(), 2)
    path = catalogue.find_file("videos")
    lake.write(
        "videos", path.stem, [row | {"title": "another"} for row in lake.read("videos", [path.stem]).to_pylist()]
    )
    assert "another" in [row["title"] for row in read_rows(lake, "videos", least=1)]
    undo = _change_in_place(path, b"damaged")
    assert len(read_rows(lake, "videos", damage=(damage := []), least=1)) == FILMS - 1
    assert [error.partition for error in damage] == [path.stem]
    undo()
    assert read_rows(lake, "videos", least=1) == lake.read("videos").to_pylist()
    undo = _delete(path)
    assert len(read_rows(lake, "videos", least=1)) == FILMS - 1
    undo()
    assert len(read_rows(lake, "videos", least=1)) == FILMS
