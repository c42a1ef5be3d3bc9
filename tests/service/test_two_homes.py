"""Two homes on one bucket of an S3 server: nothing is lost, and each serves what the other one added."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ops.core.settings import Settings, load_settings
from ops.core.storage import ObjectStore
from ops.core.store_leases import end_leases, find_stale_leases, hold_lease
from ops.core.tables import Lake
from ops.features import online_features
from ops.index import catalogue_name
from tests.builders.films import make_film
from tests.builders.homes import Home
from tests.builders.lakes import shot_rows, video_id

CHECKOUT = Path(__file__).resolve().parents[2]
HOLD = """
import os, signal, sys
from ops.core.storage import ObjectStore
from ops.core.store_leases import hold_lease
with hold_lease(ObjectStore(sys.argv[1]), "labels/a b"):
    os.kill(os.getpid(), signal.SIGKILL)
"""
WRITE = """
import sys
from ops.core.settings import load_settings
from tests.builders.lakes import shot_rows, video_id, video_row
settings = load_settings(home=sys.argv[1], storage=sys.argv[2], partitions="bucket:1")
for number in map(int, sys.argv[3:]):
    settings.lake.update("videos", "bucket-00000", video_id(number), [video_row(number)])
    settings.lake.update("shots", "bucket-00000", video_id(number), shot_rows(number))
    with settings.lake.hold_lock("labels-cat"):
        names = settings.store.read_bytes("names").decode() if settings.store.exists("names") else ""
        settings.store.write_bytes("names", f"{names} {number}".encode())
"""


def test_rows_that_two_homes_write_into_one_file_are_all_kept(bucket: str, tmp_path: Path) -> None:
    numbers = [str(number) for number in range(12)]
    processes = [
        subprocess.Popen([sys.executable, "-c", WRITE, str(tmp_path / name), bucket, *numbers[start::2]], cwd=CHECKOUT)
        for start, name in enumerate(("one", "two"))
    ]
    assert [process.wait(120) for process in processes] == [0, 0]
    lake = Lake(ObjectStore(bucket))
    assert sorted(row["video_id"] for row in lake.read("videos").to_pylist()) == sorted(map(video_id, range(12)))
    assert len(lake.read("shots")) == 12 * len(shot_rows(0))
    assert sorted(lake.store.read_bytes("names").decode().split(), key=int) == numbers
    assert lake.store.list("locks") == []


def test_homes_that_publish_for_the_first_time_at_the_same_moment_pin_one_name(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = (load_settings(home=str(tmp_path / name), storage=bucket) for name in ("one", "two"))
    is_pinned, names = catalogue_name._is_pinned, []

    def let_the_other_one_pin(settings: Settings, name: str) -> bool:
        """The other home pins after this one has found no name, and before it writes one."""
        monkeypatch.setattr(catalogue_name, "_is_pinned", is_pinned)
        names.append(catalogue_name.pin_catalogue_name(one))
        return False

    monkeypatch.setattr(catalogue_name, "_is_pinned", let_the_other_one_pin)
    assert [catalogue_name.pin_catalogue_name(two)] == names
    assert json.loads(two.store.read_bytes(catalogue_name.KEY))["name"] == names[0]


def test_homes_take_leases_on_a_qdrant_server_in_turns(bucket: str, tmp_path: Path) -> None:
    one, two = (load_settings(home=str(tmp_path / name), storage=bucket) for name in ("one", "two"))
    events = []

    def take() -> None:
        with catalogue_name.take_turns(two):
            events.append("two")

    with catalogue_name.take_turns(one):
        other = threading.Thread(target=take)
        other.start()
        other.join(0.5)
        events.append("one")
    other.join(30)
    assert events == ["one", "two"] and two.store.list("locks") == []


def test_a_write_that_is_overtaken_writes_nothing(bucket: str) -> None:
    store = ObjectStore(bucket)
    assert store.write_if("a", b"one", None) and not store.write_if("a", b"two", None)
    data, version = store.read_version("a")
    assert data == b"one" and store.write_if("a", b"two", version) and not store.write_if("a", b"three", version)
    store.delete("a")
    assert not store.write_if("a", b"four", version)
    assert not store.exists("a")


def test_a_lease_excludes_others_and_ends_with_its_holder(bucket: str) -> None:
    store, steps = ObjectStore(bucket), list[str]()

    def hold(name: str, pause_s: float) -> None:
        with hold_lease(store, "labels/a b"):
            steps.append(f"{name} begins")
            time.sleep(pause_s)
            steps.append(f"{name} ends")

    threads = [threading.Thread(target=hold, args=(name, 0.1)) for name in ("one", "two", "three")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [step.split()[1] for step in steps] == ["begins", "ends"] * 3
    assert store.list("locks") == []
    store.write_bytes("locks/labels%2Fa%20b.json", b"of a process that was killed")
    start = time.monotonic()
    with hold_lease(store, "labels/a b", lease_s=0.5):
        assert time.monotonic() - start >= 0.5
    assert store.list("locks") == []


def test_the_doctor_names_leases_of_ended_processes_and_ends_them(bucket: str, tmp_path: Path) -> None:
    store, home = ObjectStore(bucket), Home(tmp_path / "home")
    killed = subprocess.run([sys.executable, "-c", HOLD, bucket], cwd=CHECKOUT, check=False)
    assert killed.returncode == -signal.SIGKILL and len(store.list("locks")) == 1
    environment = {"NEEDLE_STORAGE": bucket} | {
        name: os.environ[name] for name in os.environ if name.startswith("AWS_")
    }
    told = home.fork("doctor", "--faults", expect=1, **environment).stdout
    assert "1 lease is held by ended processes: labels/a b" in told
    assert "no faults" in home.fork("doctor", "--repair", **environment).stdout
    assert store.list("locks") == []


def test_a_lease_is_stale_only_if_its_holder_keeps_it_too_long(bucket: str) -> None:
    store = ObjectStore(bucket)
    store.write_bytes("locks/elsewhere.json", b'{"machine": "another", "process": 1, "lease": "x"}')
    with hold_lease(store, "busy"):
        begun = time.monotonic()
        assert [lease.name for lease in find_stale_leases(store, lease_s=0.5)] == ["busy", "elsewhere"]
        assert time.monotonic() - begun >= 0.5
    (stale,) = find_stale_leases(store, lease_s=0.1)
    store.write_bytes("locks/elsewhere.json", b"taken over meanwhile")
    end_leases(store, [stale])
    assert store.read_bytes("locks/elsewhere.json") == b"taken over meanwhile"


def test_each_home_serves_what_the_other_added_and_forgets_what_it_forgot(bucket: str, tmp_path: Path) -> None:
    library = tmp_path / "library"
    for number, show in enumerate(("one", "two")):
        (library / show).mkdir(parents=True)
        make_film(library / show / f"{show}.mp4", cuts=(30,), frames=60, seed=number)
    homes = {name: Home(tmp_path / name) for name in ("one", "two")}
    environment = {"NEEDLE_STORAGE": f"{bucket}/needle"} | {
        name: os.environ[name] for name in os.environ if name.startswith("AWS_")
    }

    def ingest(name: str) -> None:
        homes[name].start("ingest", str(library / name), **environment)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(ingest, homes))
    for name, home in homes.items():  # what the other one finished after this one's index was built
        home.start("ingest", str(library / name), **environment)
    hits = {}
    for name, home in homes.items():
        status = home.json("status", **environment)
        assert [video["state"] for video in status["videos"]] == ["ready"] * 2
        hits[name] = [hit["shot_id"] for hit in home.json("search", "stripes", **environment)["hits"]]
        settings = load_settings(home=str(home.path), storage=f"{bucket}/needle")
        shows = online_features(settings, hits[name], ["shot_metadata:show"])
        assert {row["show"] for row in shows} == {"one", "two"}
    assert set(hits["one"]) == set(hits["two"]) and len(hits["one"]) == 4
    for name, home in homes.items():
        assert home.json("ingest", str(library / name), **environment)["up_to_date"]

    forgotten = next(video for video in status["videos"] if video["show"] == "one")["video_id"]
    homes["one"].start("forget", forgotten, "--yes", **environment)
    done = homes["two"].start("ingest", str(library / "two"), **environment)
    assert forgotten in done.stderr + done.stdout
    left = [hit["shot_id"] for hit in homes["two"].json("search", "stripes", **environment)["hits"]]
    assert left and not any(shot_id.startswith(forgotten) for shot_id in left)
    settings = load_settings(home=str(homes["two"].path), storage=f"{bucket}/needle")
    lost = [shot_id for shot_id in hits["two"] if shot_id.startswith(forgotten)]
    assert {row["show"] for row in online_features(settings, lost, ["shot_metadata:show"])} == {None}
    assert homes["two"].json("ingest", str(library / "two"), **environment)["up_to_date"]
