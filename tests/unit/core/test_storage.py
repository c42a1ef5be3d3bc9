from __future__ import annotations

import errno
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

from ops.core.errors import StorageError
from ops.core.storage import ObjectStore, resolve_local_path, write_atomically

CHECKOUT = Path(__file__).resolve().parents[3]


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore(str(tmp_path / "a store"))


def test_objects_come_back_and_go(store: ObjectStore, tmp_path: Path) -> None:
    store.write_bytes("a/b.bin", b"one")
    made = tmp_path / "made.bin"
    made.write_bytes(b"two")
    store.put_file(made, "a/c.bin")
    assert not made.exists()
    assert store.list("a") == ["a/b.bin", "a/c.bin"]
    assert store.read_bytes("a/c.bin") == b"two"
    store.delete("a/b.bin")
    store.delete("a/b.bin")
    assert not store.exists("a/b.bin")
    store.delete_tree("a")
    assert store.list() == []


def test_the_uri_leads_back(store: ObjectStore) -> None:
    store.write_bytes("x y/ä.bin", b"1")
    uri = store.uri("x y/ä.bin")
    assert uri.startswith("file:///")
    assert " " not in uri
    assert ObjectStore(store.uri("")).read_bytes("x y/ä.bin") == b"1"


@pytest.mark.parametrize("key", ["../x", "a/../../x", "/etc/passwd", "a\x00b"])
def test_a_key_cannot_climb_out(store: ObjectStore, key: str) -> None:
    with pytest.raises(StorageError, match="not a key"):
        store.read_bytes(key)


def test_dots_in_a_path_lead_where_the_system_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "archive" / "films").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "archive" / "films")
    monkeypatch.chdir(tmp_path / "archive")
    assert resolve_local_path("../link/x..y.mp4") == str(tmp_path / "link" / "x..y.mp4")
    assert resolve_local_path(f"{tmp_path}/link/season/../x.mp4") == str(tmp_path / "link" / "x.mp4")
    assert resolve_local_path(f"{tmp_path}/link/../x.mp4") == str(tmp_path / "archive" / "x.mp4")
    assert (
        resolve_local_path("films/..") == resolve_local_path(f"file://{tmp_path}/link/..") == str(tmp_path / "archive")
    )
    assert resolve_local_path("/../..") == "/"


def test_the_root_is_not_deleted_by_accident(store: ObjectStore) -> None:
    with pytest.raises(StorageError, match="whole object store"):
        store.delete_tree("")


def test_a_failed_write_leaves_the_old_object_and_no_litter(tmp_path: Path) -> None:
    target = tmp_path / "x"
    target.write_text("old")
    with pytest.raises(RuntimeError, match="stop"), write_atomically(target) as temporary:
        temporary.write_text("half")
        raise RuntimeError("stop")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_unfinished_writes_are_not_listed(store: ObjectStore) -> None:
    store.write_bytes("a/b", b"")
    (Path(store.path("a")) / ".tmp-half").write_bytes(b"")
    assert store.list() == ["a/b"]


def test_what_a_killed_process_was_writing_goes_and_what_others_write_stays(store: ObjectStore) -> None:
    store.write_bytes("a/b/c.jpg", b"")
    write = "from ops.core.storage import write_atomically; from pathlib import Path; import os, sys\n"
    write += "with write_atomically(Path(sys.argv[1])): os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", write, store.path("a/b/d.jpg")], check=False, cwd=CHECKOUT)
    left = [path for path in Path(store.path("a/b")).iterdir() if path.name != "c.jpg"]
    assert len(left) == 1
    with write_atomically(Path(store.path("a/b/d.jpg"))) as temporary:
        store.delete_unfinished("a")
        assert temporary.exists() and not left[0].exists()
        store.delete_unfinished("nothing here")
    assert store.list() == ["a/b/c.jpg", "a/b/d.jpg"]


def test_a_missing_object_is_file_not_found(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        store.read_bytes("nope")
    with pytest.raises(FileNotFoundError), store.fetch_local_file("nope", tmp_path):
        pass


def test_it_travels_to_worker_processes(store: ObjectStore) -> None:
    store.write_bytes("a", b"1")
    copy: ObjectStore = pickle.loads(pickle.dumps(store))
    assert copy.read_bytes("a") == b"1"


def test_stamps_of_a_store_change_with_each_write(store: ObjectStore) -> None:
    for key in ("a/b/c.bin", "a/d.bin", "e/f.bin"):
        store.write_bytes(key, b"one")
    (Path(store.path("a")) / ".tmp-half").write_bytes(b"")
    (Path(store.path("a")) / "link").symlink_to(Path(store.path("e")))
    before = store.stats("a")
    assert before == {key: store.stat(key) for key in store.list("a")} and set(before) == {"a/b/c.bin", "a/d.bin"}
    folders = store.stat_folders("a")
    assert set(folders) == {"b", "link"}
    store.write_bytes("a/b/c.bin", b"two")
    assert {key for key, stat in store.stats("a").items() if stat != before[key]} == {"a/b/c.bin"}
    assert {name for name, stamp in store.stat_folders("a").items() if stamp != folders[name]} == {"b"}
    assert store.stats("nothing here") == store.stat_folders("nothing here") == {}
    assert store.stats("a/d.bin") == {} and store.list("a/d.bin") == []


@pytest.mark.parametrize("is_named", [False, True])
def test_a_write_without_room_names_the_file(tmp_path: Path, is_named: bool) -> None:
    target = tmp_path / "tokens.json"
    with pytest.raises(OSError, match="No space left") as raised, write_atomically(target) as temporary:
        # as the system does: writes to an open file name none, opening one names the temporary file
        raise OSError(errno.ENOSPC, "No space left on device", *([str(temporary)] if is_named else []))
    assert raised.value.filename == str(target) and not list(tmp_path.iterdir())
    with pytest.raises(OSError, match="Input/output") as other, write_atomically(target):
        raise OSError(errno.EIO, "Input/output error")
    assert other.value.filename is None, "errors of other causes stay as they are"
