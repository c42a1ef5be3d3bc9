"""Several catalogues and several publishers on one Qdrant server leave each other's versions alone.

The client's in-memory mode stands for the server, as in ``test_index_contract.py``.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from qdrant_client import QdrantClient

from ops.core.errors import IndexUnavailableError, SettingsError, StorageError
from ops.core.settings import Settings, load_settings
from ops.index import tuning
from ops.index.backends import server_versions
from ops.index.backends.server import ServerVersions
from ops.index.backends.server_versions import LEASE_S
from ops.index.catalogue_name import KEY, NO_NAME, pin_catalogue_name, read_catalogue_name
from ops.index.index import open_versions
from ops.index.points import IndexRow
from ops.index.publishing import publish_to
from tests.builders.strict_server import StrictServer
from tests.builders.vectors import clustered, rows_of

pytestmark = [
    pytest.mark.filterwarnings("ignore:Local mode performs exact:UserWarning"),
    pytest.mark.filterwarnings("ignore:Payload indexes have no effect:UserWarning"),
]

ROWS = rows_of(clustered(60, 8, per_cluster=20))
ENCODER = "shared-encoder"


@pytest.fixture(autouse=True)
def fresh_aliases(monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers see at once what another home published; usually within half a second."""
    monkeypatch.setattr(server_versions, "ALIASES_S", 0.0)


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def client() -> Iterator[QdrantClient]:
    client = StrictServer()
    yield client
    client.close()


def list_collections(client: QdrantClient) -> set[str]:
    """Collections of points; each has its collection of videos, and there are no others."""
    names = {item.name for item in client.get_collections().collections}
    points = {name for name in names if not name.endswith("--videos")}
    assert names - points <= {f"{name}--videos" for name in points}
    return points


def test_two_catalogues_on_one_server_keep_their_versions(client: QdrantClient) -> None:
    ours = ServerVersions(client, ENCODER, catalogue="ours")
    theirs = ServerVersions(client, ENCODER, catalogue="theirs")
    publish_to(ours, ENCODER, ROWS[:10])
    for count in range(1, 6):
        publish_to(theirs, ENCODER, ROWS[10 : 20 + count])
    with open_versions(ours, ENCODER) as index:
        assert index.count() == 10 and len(index.vectors([row.shot_id for row in ROWS])) == 10
    theirs.drop_all()
    assert ours.current() and theirs.current() is None


@pytest.mark.parametrize(
    ("first", "second"),
    [(("a", "b--c"), ("a--b", "c")), (("a", "b-c"), ("a-b", "c")), (("ab", "c"), ("a", "bc"))],
)
def test_names_of_catalogues_and_encoders_do_not_run_together(
    client: QdrantClient, first: tuple[str, str], second: tuple[str, str], tmp_path: Path
) -> None:
    aliases = [ServerVersions(client, encoder, catalogue=catalogue).alias for catalogue, encoder in (first, second)]
    if "--" in second[0]:
        with pytest.raises(SettingsError, match="NEEDLE_CATALOGUE"):
            load_settings(home=tmp_path, catalogue=second[0])
    else:
        assert aliases[0] != aliases[1]


def test_a_publisher_does_not_delete_what_another_one_is_building(client: QdrantClient) -> None:
    clock = Clock()
    slow, quick = (ServerVersions(client, ENCODER, holder=name, clock=clock) for name in ("slow", "quick"))
    passes = []

    def rows() -> Iterator[IndexRow]:
        passes.append(1)
        yield from ROWS[:30]
        if len(passes) == 2:  # the version is being built
            publish_to(quick, ENCODER, ROWS[:20])
            quick.drop_old()
        yield from ROWS[30:]

    version = publish_to(slow, ENCODER, rows)
    assert slow.current() == version
    with open_versions(quick, ENCODER) as index:
        assert index.count() == len(ROWS)
    quick.drop_old()
    assert len(list_collections(client)) == 1  # displaced versions are free again


def build_in_part(versions: ServerVersions) -> None:
    """Begin a version and stop as a killed publisher does."""

    def rows() -> Iterator[IndexRow]:
        yield from ROWS[:30]
        if rows_read:
            raise KeyboardInterrupt
        rows_read.append(1)

    rows_read: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        publish_to(versions, ENCODER, rows)


def test_what_a_killed_publisher_left_is_swept_when_its_lease_has_run_out(client: QdrantClient) -> None:
    clock = Clock()
    killed, other = (ServerVersions(client, ENCODER, holder=name, clock=clock) for name in ("killed", "other"))
    build_in_part(killed)
    (left,) = list_collections(client)
    publish_to(other, ENCODER, ROWS[:10])
    assert left in list_collections(client)
    with pytest.raises(IndexUnavailableError, match="killed is building the same version"):
        publish_to(other, ENCODER, ROWS[:30])
    clock.now += LEASE_S
    assert publish_to(other, ENCODER, ROWS[:30]) and other.current()
    with open_versions(other, ENCODER) as index:
        assert index.count() == 30


def test_the_same_home_sweeps_its_own_leftovers_at_once(client: QdrantClient) -> None:
    killed = ServerVersions(client, ENCODER, holder="home")
    build_in_part(killed)
    (left,) = list_collections(client)
    again = ServerVersions(client, ENCODER, holder="home")
    publish_to(again, ENCODER, ROWS[:10])
    assert left not in list_collections(client)


def test_a_long_build_renews_its_lease(client: QdrantClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tuning, "BATCH", 10)
    clock = Clock()
    slow, other = (ServerVersions(client, ENCODER, holder=name, clock=clock) for name in ("slow", "other"))
    passes = []

    def rows() -> Iterator[IndexRow]:
        passes.append(1)
        for number, row in enumerate(ROWS):
            if len(passes) == 2 and number % 10 == 5:
                clock.now += LEASE_S / 2
                other.drop_all()
            yield row

    publish_to(slow, ENCODER, rows)
    with open_versions(other, ENCODER) as index:
        assert index.count() == len(ROWS)
        assert "lease" not in index._points.manifest()


@pytest.fixture
def store(tmp_path: Path) -> str:
    return str(tmp_path / "store")


def test_the_name_is_pinned_in_the_store_for_every_home(tmp_path: Path, store: str) -> None:
    first, second = (load_settings(home=tmp_path / name, storage=store) for name in ("first", "second"))
    assert read_catalogue_name(first) == NO_NAME and not Path(store, KEY).exists()
    name = pin_catalogue_name(first)
    assert name != NO_NAME and pin_catalogue_name(second) == read_catalogue_name(second) == name
    assert first.home_name != second.home_name
    assert pin_catalogue_name(load_settings(home=tmp_path / "own")) != name


def test_a_chosen_name_is_kept(tmp_path: Path, store: str) -> None:
    chosen = load_settings(home=tmp_path / "home", storage=store, catalogue="studio-1")
    assert read_catalogue_name(chosen) == pin_catalogue_name(chosen) == "studio-1"
    assert read_catalogue_name(load_settings(home=tmp_path / "home", storage=store)) == "studio-1"
    with pytest.raises(SettingsError, match="is called 'studio-1'"):
        read_catalogue_name(load_settings(home=tmp_path / "home", storage=store, catalogue="studio-2"))


def test_a_copied_store_asks_which_catalogue_it_is(tmp_path: Path, store: str) -> None:
    name = pin_catalogue_name(load_settings(home=tmp_path / "home", storage=store))
    copy = str(tmp_path / "copy")
    shutil.copytree(store, copy)

    def open_copy(catalogue: str = "") -> Settings:
        return load_settings(home=tmp_path / "other", storage=copy, catalogue=catalogue)

    with pytest.raises(SettingsError, match="is a copy of the one in"):
        pin_catalogue_name(open_copy())
    assert pin_catalogue_name(open_copy(name)) == name  # it was moved
    assert pin_catalogue_name(open_copy("trial")) == "trial"
    assert read_catalogue_name(open_copy()) == "trial"
    assert json.loads(Path(store, KEY).read_text())["name"] == name


@pytest.mark.parametrize("text", ["", "{", "[]", '{"name": "a"}'])
def test_a_damaged_pin_is_named(tmp_path: Path, store: str, text: str) -> None:
    Path(store).mkdir()
    Path(store, KEY).write_text(text)
    with pytest.raises(StorageError, match="is damaged"):
        read_catalogue_name(load_settings(home=tmp_path / "home", storage=store))


@pytest.mark.parametrize("name", ["Studio", "a--b", "-a", "a-", "a b", "a/b", "x" * 41])
def test_a_name_that_cannot_be_one_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="NEEDLE_CATALOGUE"):
        load_settings(home=tmp_path, catalogue=name)
