"""The external asset of the library: what its sensor reports, and when; owners, freshness and retries."""

from __future__ import annotations

import errno
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import yaml  # type: ignore[import-untyped]  # no stubs among the dependencies

from assets.definitions import build_definitions
from assets.library import KEY, REPORT_EVERY_S, report_library
from assets.resources import RETRIES, Needle
from ops.core.errors import (
    IndexUnavailableError,
    LakeError,
    StorageError,
    StoreUnavailableError,
    UsageError,
    VectorIndexError,
)
from ops.core.settings import CHECKOUT, load_settings
from ops.core.storage import ObjectStore
from ops.index.backends.server import ServerVersions
from ops.index.backends.server_versions import connect
from ops.videos.watch import Watch

FIGURES = {"videos": 2, "bytes": 900, "waiting": 0, "being_copied": 0, "left_out": 0, "set_aside": 0}


def test_a_look_is_reported_when_it_differs_or_after_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEEDLE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NEEDLE_ENCODER", "starter")

    with dg.DagsterInstance.ephemeral() as instance:

        def report(figures: dict[str, int], seconds: float) -> list[str]:
            watch = Watch(due=[], message="", cursor="", figures=figures)
            events = report_library(instance, Needle(), watch, datetime.now(UTC) + timedelta(seconds=seconds))
            for event in events:
                instance.report_runless_asset_event(event)
            return [type(event).__name__ for event in events]

        both = ["AssetMaterialization", "AssetCheckEvaluation"]
        assert report(FIGURES, 0) == both
        assert report(FIGURES, 15) == []
        assert report(FIGURES | {"waiting": 1}, 30) == both
        assert report(FIGURES | {"waiting": 1}, 45) == []
        assert report({}, 2 * REPORT_EVERY_S) == []  # the library could not be read
        assert report(FIGURES | {"waiting": 1}, 2 * REPORT_EVERY_S) == both
        record = instance.get_latest_materialization_event(KEY)
        assert record and record.asset_materialization
        assert {name: value.value for name, value in record.asset_materialization.metadata.items()}["waiting"] == 1


def test_every_asset_has_an_owner_and_the_library_is_upstream_of_videos(tmp_path: Path) -> None:
    (tmp_path / "probes.yaml").write_text("closeup:\n  description: One face\n")
    settings = load_settings(home=str(tmp_path), encoder="starter", library="s3://films/all")
    graph = build_definitions(settings, Needle()).resolve_asset_graph()
    for node in graph.asset_nodes:
        assert node.owners == [f"team:{node.group_name}"]
    assert graph.get(dg.AssetKey("videos")).parent_keys == {KEY}
    library = graph.get(KEY)
    assert library.is_external and library.freshness_policy and "s3://films/all" in (library.description or "")
    assert yaml.safe_load((CHECKOUT / "dagster.yaml").read_text())["freshness"]["enabled"]


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        (StoreUnavailableError("the bucket does not answer"), 1 + RETRIES),
        (IndexUnavailableError("the server does not answer"), 1 + RETRIES),
        (StorageError("access denied"), 1),
        (VectorIndexError("a vector is not of unit length"), 1),
        (LakeError("keys repeat"), 1),
        (UsageError("no such label"), 1),
        (ValueError("a fault of Needle"), 1),
    ],
)
def test_a_step_is_tried_again_only_if_that_can_help(
    error: Exception, tries: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEEDLE_HOME", str(tmp_path))
    monkeypatch.setattr("assets.resources.RETRY_AFTER_S", 0)
    calls = []

    @dg.asset
    def shots(needle: dg.ResourceParam[Needle]) -> None:
        def step() -> None:
            calls.append(1)
            raise error

        needle.contain(step)

    with dg.DagsterInstance.ephemeral() as instance:
        done = dg.materialize(
            [shots], resources={"needle": Needle(retries=RETRIES)}, instance=instance, raise_on_error=False
        )
    assert not done.success and len(calls) == tries


@pytest.mark.parametrize(
    ("error", "is_transient"),
    [
        (ConnectionResetError(), True),
        (TimeoutError("read timed out"), True),
        (OSError(errno.EBUSY, "Please reduce your request rate"), True),
        (OSError(errno.ESTALE, "Stale file handle"), True),
        (OSError(errno.ENOSPC, "No space left on device"), False),
        (PermissionError(errno.EACCES, "Permission denied"), False),
        (IsADirectoryError(errno.EISDIR, "Is a directory"), False),
    ],
)
def test_only_a_store_that_does_not_answer_is_unavailable(
    error: OSError, is_transient: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path) -> bytes:
        raise error

    monkeypatch.setattr(Path, "read_bytes", fail)
    with pytest.raises(StorageError) as failure:
        ObjectStore(str(tmp_path)).read_bytes("lake/a.parquet")
    assert isinstance(failure.value, StoreUnavailableError) == is_transient


def test_a_server_that_does_not_answer_is_unavailable_and_a_wrong_address_is_not() -> None:
    versions = ServerVersions(connect("http://127.0.0.1:9", ""), "encoder")
    with pytest.raises(IndexUnavailableError, match="check NEEDLE_QDRANT_URL"):
        versions.current()
    with pytest.raises(VectorIndexError) as failure:
        connect("http://host:port", "")
    assert not isinstance(failure.value, IndexUnavailableError)


def test_the_command_line_does_not_wait_for_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEEDLE_HOME", str(tmp_path))

    def step() -> None:
        raise StoreUnavailableError("the bucket does not answer")

    with pytest.raises(StoreUnavailableError):
        Needle().contain(step)
