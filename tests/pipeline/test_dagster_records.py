"""Dagster's records, whose engines are shared by all homes of a process."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ops.cli.dagster_home import open_instance
from ops.core.errors import StorageError
from ops.core.settings import load_settings


def test_records_that_were_deleted_are_created_again(tmp_path: Path) -> None:
    settings, other = load_settings(home=tmp_path / "home"), load_settings(home=tmp_path / "other")
    for _ in range(2):
        with open_instance(settings) as instance:
            assert instance.get_dynamic_partitions("videos") == []
            instance.add_dynamic_partitions("videos", ["one"])
        with open_instance(settings) as instance:
            assert instance.get_dynamic_partitions("videos") == ["one"]
        with open_instance(other) as instance:
            assert instance.get_dynamic_partitions("videos") == []
        shutil.rmtree(settings.home)


def test_records_are_closed_after_a_run(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path / "home")
    with open_instance(settings) as instance:
        instance.add_dynamic_partitions("videos", ["one"])
        assert list(settings.home.rglob("*.db-wal")), "they are open during the run"
    assert not list(settings.home.rglob("*.db-wal"))


def test_damaged_records_are_named_with_the_way_out(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path / "home")
    with open_instance(settings):
        pass
    (damaged,) = settings.home.rglob("runs.db")
    damaged.write_bytes(b"no database" * 1000)
    with (
        pytest.raises(StorageError, match=r"home/dagster cannot be .*: file is not a .* delete the folder"),
        open_instance(settings) as instance,
    ):
        instance.get_runs()
    shutil.rmtree(settings.home / "dagster")
    with open_instance(settings) as instance:
        assert instance.get_runs() == []
