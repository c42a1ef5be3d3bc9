"""What the service keeps in memory of the lake, media from a bucket, and the runs behind a row."""

from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any, NoReturn

import numpy as np
import pytest
from numpy.typing import NDArray
from starlette.testclient import TestClient

from ops.cli.dagster_home import find_dagster_home
from ops.cli.runs import find_runs
from ops.core.errors import EncoderError
from ops.core.settings import Settings, load_settings
from ops.core.storage import ObjectStore
from ops.core.tables import Lake
from ops.search.searcher import Searcher
from ops.search.shot_details import ShotDetails
from ops.serve.app import create_app
from ops.serve.media import PIECE
from ops.serve.searchable_since import SearchableSince
from ops.shots.segment import make_proxy_key
from tests.builders.colours import ColourEncoder, index_lake, lean, shot, write_video
from tests.builders.lakes import ENCODER, fill, shot_rows, vector_rows, video_id, video_row
from tests.builders.served import FILM, client_of, desk_home, served

pytestmark = pytest.mark.home(fill=fill)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the partitions of ``shots`` that are read from storage, as they are."""
    names: list[str] = []
    whole = Lake.read

    def noted(self: Lake, table: str, partitions: Any = None, columns: Any = None) -> Any:
        names.extend(partitions if table == "shots" and partitions is not None else [])
        return whole(self, table, partitions, columns)

    monkeypatch.setattr(Lake, "read", noted)
    return names


def test_a_partition_is_read_once_until_it_changes(settings: Settings, read: list[str]) -> None:
    details = ShotDetails(settings)
    wanted = [shot(number, index) for number in range(3) for index in range(4)]
    first = details.read(wanted)
    assert list(first) == wanted and sorted(read) == sorted(video_id(number) for number in range(3))
    assert details.read(wanted) == first and len(read) == 3
    details.forget()
    assert details.read(wanted) == first and len(read) == 3  # nothing has changed
    settings.lake.write("shots", video_id(1), shot_rows(1, 4, detector="other", end_frame=99))
    assert details.read(wanted) == first  # believed until told otherwise
    details.forget()
    assert details.read([shot(1, 0)])[shot(1, 0)].end_frame == 99
    assert details.read(wanted)[shot(2, 0)] == first[shot(2, 0)] and read[3:] == [video_id(1)]


def test_details_in_memory_follow_a_partition_that_changed(settings: Settings) -> None:
    details = ShotDetails(settings)
    details.read([shot(0, 0), shot(1, 0)])
    settings.lake.write("shots", video_id(1), shot_rows(1, 4, end_frame=99))
    details.warm()  # as a running service does every few seconds
    assert details.read([shot(1, 0)])[shot(1, 0)].end_frame == 99
    settings.lake.write("shots", video_id(1), shot_rows(1, 5, end_frame=199))
    assert shot(1, 4) in details.read([shot(1, 4)])  # which is new, so the partition is read again
    assert details.read([shot(1, 0)])[shot(1, 0)].end_frame == 199
    settings.lake.write("shots", video_id(1), shot_rows(1, 1))
    details.forget()
    assert list(details.read([shot(1, 0), shot(1, 1), shot(0, 0)])) == [shot(1, 0), shot(0, 0)]


def test_what_was_computed_meanwhile_is_found_without_being_told(settings: Settings) -> None:
    details = ShotDetails(settings)
    assert details.warm() == 12 and details.read([shot(7, 0), shot(0, 9)]) == {}
    settings.lake.write("videos", video_id(7), [video_row(7)])
    settings.lake.write("shots", video_id(7), shot_rows(7, 2))
    settings.lake.write("shots", video_id(0), shot_rows(0, 10))
    assert set(details.read([shot(7, 0), shot(0, 9)])) == {shot(7, 0), shot(0, 9)}
    assert {row.video_id: shots for row, shots in details.list_videos()} == {
        video_id(0): 10,
        video_id(1): 4,
        video_id(2): 4,
        video_id(7): 2,
    }


def test_what_is_gone_is_left_out(settings: Settings) -> None:
    details = ShotDetails(settings)
    assert details.warm() == 12
    settings.lake.delete("shots", video_id(0))
    settings.lake.delete("videos", video_id(0))
    details.forget()
    assert (
        details.read([shot(0, 0)]) == {}
        and details.list_starts(video_id(0)) == []
        and details.find_video(video_id(0)) is None
    )
    assert len(details.list_videos()) == 2


def test_buckets_hold_several_videos(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path / "home", partitions="bucket:1")
    rows = [row for number in range(3) for row in shot_rows(number)]
    settings.lake.write("videos", "bucket-00000", [video_row(number) for number in range(3)])
    settings.lake.write("shots", "bucket-00000", rows[::-1])  # in no order that helps
    details = ShotDetails(settings)
    assert details.list_starts(video_id(1)) == [0, 24, 48, 72]
    assert details.find_neighbours(shot(1, 0)) == (None, shot(1, 1)) and details.find_neighbours(shot(1, 3)) == (
        shot(1, 2),
        None,
    )
    assert len(details.read([row["shot_id"] for row in rows])) == 12


def test_a_media_address_changes_with_the_shot_only(settings: Settings) -> None:
    details = ShotDetails(settings)
    before = details.compute_media_versions([shot(0, 0), shot(1, 0)])
    later = datetime(2026, 3, 1, tzinfo=UTC)
    settings.lake.write("shots", video_id(0), shot_rows(0, 4, detector="newer", created_timestamp=later))
    settings.lake.write("shots", video_id(1), shot_rows(1, 4, created_timestamp=later))  # the same once more
    details.forget()
    after = details.compute_media_versions([shot(0, 0), shot(1, 0)])
    assert after[shot(0, 0)] != before[shot(0, 0)] and after[shot(1, 0)] == before[shot(1, 0)]


def test_paging_goes_on_after_shots_were_forgotten(tmp_path: Path) -> None:
    settings = desk_home(tmp_path / "home")
    ask = {"text": "red", "include_blank": True, "limit": 4}
    with client_of(settings) as client:
        whole = client.post("/api/search", json={**ask, "limit": 500}).json()["hits"]
        first = client.post("/api/search", json=ask).json()
        gone = {video_id(1), video_id(3)}  # of some of the pages that follow all shots go, of others a few
        for name in gone:
            for table in ("videos", "shots", f"shot_embeddings/{ENCODER}"):
                settings.lake.delete(table, settings.resolve_partition(name))
        index_lake(settings)
        client.post("/api/search", json=ask)  # the service turns to the new version
        found = [hit["shot_id"] for hit in first["hits"]]
        cursor = first["next_cursor"]
        for _ in range(50):
            answer = client.post("/api/search", json={**ask, "cursor": cursor}).json()
            assert answer["hits"] and answer["index_version"] == first["index_version"]
            found += [hit["shot_id"] for hit in answer["hits"]]
            cursor = answer["next_cursor"]
            if cursor is None:
                break
        assert cursor is None and len(found) < len(whole)
        left = [hit for at, hit in enumerate(whole) if at < 4 or hit["video_id"] not in gone]
        assert found == [hit["shot_id"] for hit in left] and len(left) > 5


def until(holds: Callable[[], bool]) -> None:
    """Wait for something that the service does by itself."""
    end = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.02)


def test_the_first_version_is_warmed_before_anybody_asks(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path / "home")
    with client_of(settings) as client:
        assert client.get("/healthz").json()["status"] == "empty"
        app: Any = client.app
        warmed: list[str] = []
        whole = Searcher.warm

        def noted(self: Searcher) -> None:
            whole(self)
            warmed.append(self.index().version)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Searcher, "warm", noted)
            desk_home(tmp_path / "home")
            until(lambda: app.state.service.index_version() in warmed)
            write_video(settings, 4, [lean((1, 0, 0), 0.05)], show="New")
            newer = index_lake(settings)
            until(lambda: newer in warmed)
        assert client.get("/healthz").json()["index_version"] == newer


def test_a_service_that_stopped_holds_no_index(tmp_path: Path) -> None:
    with client_of(desk_home(tmp_path / "home")) as client:
        app: Any = client.app
        index = weakref.ref(app.state.service.index())
        assert client.post("/api/search", json={"text": "red"}).json()["hits"] and index()
    gc.collect()
    assert not index(), "the application still exists, its index does not"


class Stumbling(ColourEncoder):
    """Fails until it is told not to."""

    fails = True

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        if self.fails:
            raise EncoderError("the weights in /secret/place are damaged")
        return super().encode_text(texts)


def test_warming_up_is_tried_again_and_health_tells_no_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("ops.serve.warmup.RETRY_S", (0.05, 0.1))
    settings, encoder = desk_home(tmp_path / "home"), Stumbling()
    app = create_app(settings, encoder=encoder)
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        until(lambda: app.state.service.status == "failed")
        answer = client.get("/healthz")
        assert answer.status_code == 503 and answer.json()["status"] == "failed" and "secret" not in answer.text
        assert "/secret/place" in caplog.text
        encoder.fails = False
        until(lambda: app.state.service.status == "ok")
        assert client.get("/healthz").status_code == 200


def test_searches_are_answered_before_the_details_of_all_shots_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, read = Event(), Event()

    def wait_for_a_large_catalogue(self: ShotDetails) -> int:
        begun.set()
        assert read.wait(60)
        return 0

    monkeypatch.setattr(ShotDetails, "warm", wait_for_a_large_catalogue)
    with client_of(desk_home(tmp_path / "home")) as client:
        assert begun.wait(60) and client.get("/readyz").status_code == 200
        assert client.post("/api/search", json={"text": "red"}).json()["hits"][0]["start_timecode"]
        read.set()


@pytest.mark.parametrize("size", ["full", "small"])
def test_a_shot_that_is_deleted_while_its_poster_is_looked_up_is_no_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: str
) -> None:
    whole = ObjectStore.read_bytes

    def lose_posters(self: ObjectStore, key: str) -> bytes:
        if key.startswith("posters/"):
            raise FileNotFoundError(key)
        return whole(self, key)

    address = f"/media/shots/{shot(0, 0)}/poster.jpg?size={size}"
    with client_of(desk_home(tmp_path / "home")) as client:
        assert client.get(address).status_code == 200
        monkeypatch.setattr(ShotDetails, "compute_media_versions", lambda self, shot_ids: {})
        assert client.get(address).headers["cache-control"] == "no-cache"
        monkeypatch.setattr(ObjectStore, "read_bytes", lose_posters)
        answer = client.get(address)
        assert answer.status_code == 404 and "gone from storage" in answer.json()["detail"]


def test_a_preview_that_is_deleted_while_it_is_looked_up_is_no_broken_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = desk_home(tmp_path / "home")
    settings.store.write_bytes(make_proxy_key(video_id(0), 0, 24), b"x" * (2 * PIECE + 1))
    address = f"/media/shots/{shot(0, 0)}/proxy.mp4"
    with client_of(settings) as client:
        assert len(client.get(address).content) == 2 * PIECE + 1
        assert client.get(address, headers={"range": f"bytes={PIECE}-"}).content == b"x" * (PIECE + 1)

        def lose(self: ObjectStore, key: str) -> NoReturn:
            raise FileNotFoundError(key)

        monkeypatch.setattr(ObjectStore, "open", lose)
        answer = client.get(address)
        assert answer.status_code == 404 and "gone from storage" in answer.json()["detail"]


def test_a_new_title_is_seen_without_a_new_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ops.serve.warmup.REFRESH_S", 0.1)
    monkeypatch.setattr("ops.serve.service.return_free_memory", lambda: None)  # that of the tests is large
    settings = desk_home(tmp_path / "home")
    with client_of(settings) as client:

        def title() -> str:
            answer = client.post("/api/search", json={"text": "red", "shows": ["Bikes"], "limit": 1}).json()
            return str(answer["hits"][0]["title"])

        before, version = title(), client.app.state.service.index_version()  # type: ignore[attr-defined]
        row = video_row(2, show="Bikes", title="Bikes, restored")
        settings.lake.write("videos", settings.resolve_partition(video_id(2)), [row])
        assert index_lake(settings) == version and before == "Film 2"
        until(lambda: title() == "Bikes, restored")


def test_since_when_is_told_the_same_everywhere(tmp_path: Path) -> None:
    settings = desk_home(tmp_path / "home")
    published = [datetime(2026, 1, 2, 12, 5, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)]
    asked: list[float] = []

    def runs(made: Sequence[tuple[str, str, float]]) -> list[dict[str, Any]]:
        found = []
        for asset, partition, computed in made:
            at = next((at for at in published if at.timestamp() >= computed), None)
            if asset == "search_index" and at:
                asked.append(computed)
                found.append({"asset": asset, "partition": partition, "run_id": "r", "at": at.isoformat()})
        return found

    since = SearchableSince(settings, runs)
    assert set(since.find_all(ENCODER).values()) == {published[0]} and len(asked) == 1
    for number, day in ((1, 15), (2, 16), (3, 20)):  # the last one after the last run
        rows = vector_rows(number, 4, created_timestamp=datetime(2026, 1 + (number == 3), day, tzinfo=UTC))
        settings.lake.write(f"shot_embeddings/{ENCODER}", settings.resolve_partition(video_id(number)), rows)
    times = since.find_all(ENCODER)
    assert [times[video_id(number)] for number in range(3)] == [published[0], published[1], published[1]]
    assert times[video_id(3)] == datetime(2026, 2, 20, tzinfo=UTC) and len(asked) == 2  # once for each run
    assert {number: since.find(video_id(number), ENCODER) for number in range(4)} == {
        number: times[video_id(number)] for number in range(4)
    }
    assert since.find(video_id(9), ENCODER) is None
    with client_of(desk_home(tmp_path / "other"), runs=runs) as client:
        shows = {show["show"]: show["searchable_since"] for show in client.get("/api/shows").json()["shows"]}
        told = client.get(f"/api/shots/{shot(1, 1)}").json()
        assert told["provenance"]["searchable_since"] == shows[told["show"]] == published[0].isoformat()


@pytest.mark.parametrize(
    "body",
    [{}, {"unlike": ["0123456789abcdef:0"]}, {"like": ["zzz"]}, {"text": "red", "shows": ["zzz"]},
     {"like": ["0123456789abcdef:0"]}],
)  # fmt: skip
def test_messages_are_for_whoever_asked(tmp_path: Path, body: dict[str, Any]) -> None:
    with client_of(desk_home(tmp_path / "home")) as client:
        detail = client.post("/api/search", json=body).json()["detail"]
        assert detail and not any(word in detail for word in ("--", "needle ", "[0-9", "pattern", "^"))


def test_media_in_a_bucket_are_served_in_parts(bucket: str, tmp_path: Path) -> None:
    settings = desk_home(tmp_path / "home", storage=f"{bucket}/media")
    with served(settings) as client:
        hit = client.post("/api/search", json={"text": "red", "limit": 1}).json()["hits"][0]
        whole = client.get(hit["proxy"])
        assert whole.status_code == 200 and whole.content == FILM and "immutable" in whole.headers["cache-control"]
        part = client.get(hit["proxy"], headers={"range": "bytes=300000-300099", "if-range": whole.headers["etag"]})
        assert part.status_code == 206 and part.content == FILM[300_000:300_100]
        assert client.head(hit["proxy"]).headers["content-length"] == str(len(FILM))
        assert client.get(hit["proxy"], headers={"if-none-match": whole.headers["etag"]}).status_code == 304
        assert client.get(f"/media/shots/{shot(0, 1)}/proxy.mp4").status_code == 404  # in the lake, not in storage
        assert client.get("/api/shows").json()["totals"]["ready"] == 4
        assert client.get(f"/api/shots/{shot(0, 0)}").json()["provenance"]["encoder_id"] == ENCODER


def test_stats_name_every_object_with_its_stamp(bucket: str, tmp_path: Path) -> None:
    for root in (bucket, str(tmp_path / "store")):
        store = load_settings(home=tmp_path, storage=root).store
        assert store.stats("lake") == {} and store.stat("lake/a") is None
        store.write_bytes("lake/a", b"one")
        store.write_bytes("lake/b/c", b"three")
        before = store.stats("lake")
        assert {key: stat.size for key, stat in before.items()} == {"lake/a": 3, "lake/b/c": 5}
        assert store.stat("lake/a") == before["lake/a"]
        store.write_bytes("lake/a", b"two")
        assert store.stat("lake/a") != before["lake/a"] and store.stats("lake")["lake/b/c"] == before["lake/b/c"]
        with store.open("lake/b/c") as file:
            file.seek(2)
            assert file.read(2) == b"re"


def test_the_run_behind_a_row_is_the_one_that_reported_it_first(tmp_path: Path) -> None:
    import time

    import dagster as dg

    settings = load_settings(home=tmp_path / "home")
    assert find_runs(settings, [("shots", "a", 0.0)]) == []  # nothing was ever run, and nothing is made for asking
    assert not (tmp_path / "home" / "dagster").exists()

    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(["a", "b"]))
    def shots() -> None: ...

    times, runs = [], []
    with dg.DagsterInstance.from_config(str(find_dagster_home(settings))) as instance:
        for partition in ("a", "b", "a"):
            times.append(time.time())
            runs.append(dg.materialize([shots], instance=instance, partition_key=partition).run_id)
    found = find_runs(settings, [("shots", "a", times[0]), ("shots", "b", times[0]), ("shots", "a", times[2])])
    assert [each["run_id"] for each in found] == runs
    assert [each["partition"] for each in found] == ["a", "b", "a"]
    assert find_runs(settings, [("shots", "a", time.time()), ("never", "", 0.0)]) == []
