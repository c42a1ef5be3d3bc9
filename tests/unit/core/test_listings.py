"""Listings of local folders: what is remembered, and what is seen at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.core import listings
from ops.core.listings import remember_listings
from ops.core.storage import ObjectStore


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ObjectStore]:
    """A store whose folders changed long ago, within the block that remembers."""
    store = ObjectStore(str(tmp_path))
    for key in ("lake/a/1", "lake/a/2", "lake/b/1", "top"):
        store.write_bytes(key, key.encode())
    settle(tmp_path)
    with remember_listings():
        yield store


def settle(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        if path.is_dir():
            os.utime(path, (1_700_000_000, 1_700_000_000))


@pytest.fixture
def scans(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The folders that were listed."""
    seen: list[str] = []
    scandir = os.scandir

    def list_folder(path: str) -> object:
        seen.append(os.path.basename(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", list_folder)
    return seen


def test_only_changed_folders_are_listed_again(store: ObjectStore, scans: list[str]) -> None:
    first = store.stats("lake")
    assert sorted(first) == ["lake/a/1", "lake/a/2", "lake/b/1"] and sorted(scans) == ["a", "b", "lake"]
    scans.clear()
    assert store.stats("lake") == first and not scans
    store.write_bytes("lake/b/1", b"other")
    store.delete("lake/a/2")
    store.write_bytes("lake/c/1", b"new")
    again = store.stats("lake")
    assert sorted(again) == ["lake/a/1", "lake/b/1", "lake/c/1"] and sorted(scans) == ["a", "b", "c", "lake"]
    assert again["lake/b/1"] != first["lake/b/1"] and again["lake/a/1"] == first["lake/a/1"]
    assert store.stats("lake/missing") == store.stats("top") == {}


def test_a_folder_that_has_just_changed_is_not_remembered(store: ObjectStore, scans: list[str]) -> None:
    store.write_bytes("lake/b/2", b"x")
    store.stats("lake/b")
    scans.clear()
    store.stats("lake/b")
    assert scans == ["b"]


def test_files_that_are_changed_in_place_are_seen_by_the_next_command_and_after_some_seconds(
    store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = store.stats("lake/b")
    Path(store.path("lake/b/1")).write_bytes(b"changed in place")
    assert store.stats("lake/b") == first
    with remember_listings():
        assert store.stats("lake/b") != first
    monkeypatch.setattr(listings, "REMEMBERED_NS", 0)
    assert store.stats("lake/b") != first


def test_a_block_within_a_block_ends_alone(store: ObjectStore, scans: list[str]) -> None:
    """At its end both remember nothing yet, so they are equal."""
    with remember_listings():
        pass
    first = store.stats("lake")
    scans.clear()
    assert store.stats("lake") == first and not scans


def test_without_the_block_nothing_is_remembered(tmp_path: Path, scans: list[str]) -> None:
    store = ObjectStore(str(tmp_path))
    store.write_bytes("lake/1", b"x")
    settle(tmp_path)
    before = store.stats("lake")
    Path(store.path("lake/1")).write_bytes(b"in place")
    assert store.stats("lake") != before and scans[-2:] == ["lake", "lake"]
