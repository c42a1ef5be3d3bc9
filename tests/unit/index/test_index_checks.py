"""Checks of the indexes look and never write: whatever they find, the home stays as it was."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from assets.definitions import build_definitions
from assets.resources import Needle
from ops.core.columns import SHOT_EMBEDDINGS
from ops.core.settings import Settings
from ops.core.types import SilentProgress
from ops.embeddings.encoder import resolve_encoder
from ops.index.build import build_index, check_index
from ops.index.dialogue import build_lines, check_lines
from tests.builders.lakes import fill, vector_rows, video_id

VIDEO = video_id(0)


def name_table(settings: Settings) -> str:
    return f"shot_embeddings/{resolve_encoder(settings).encoder_id}"


def fill_with_index(settings: Settings) -> None:
    """Three films with vectors of the encoder that the settings resolve to, and both indexes."""
    fill(settings)
    for number in range(3):
        settings.lake.write(name_table(settings), video_id(number), vector_rows(number))
    build_index(settings, resolve_encoder(settings).encoder_id, SilentProgress())
    build_lines(settings, SilentProgress())


pytestmark = pytest.mark.home(fill=fill_with_index, encoder="starter")


def content_of(folder: Path) -> dict[str, tuple[int, str]]:
    """Inode and hash of every file, without lock files and Dagster's own records.

    Without the shard's files too: the engine rewrites them, with the same points, whenever it opens them.
    """
    found = {}
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        parts = path.relative_to(folder).parts
        if not {"locks", "dagster", "shard"} & set(parts):
            found["/".join(parts)] = (path.stat().st_ino, _hash(path))
    return found


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def remove_a_vector(settings: Settings) -> None:
    settings.lake.write(name_table(settings), VIDEO, vector_rows(0)[1:])


def change_a_vector(settings: Settings) -> None:
    settings.lake.write(name_table(settings), VIDEO, vector_rows(0, seed=7))


def remove_all_vectors(settings: Settings) -> None:
    for partition in settings.lake.list_partitions(name_table(settings)):
        settings.lake.write(name_table(settings), partition, SHOT_EMBEDDINGS.empty_table())


def damage_the_lake(settings: Settings) -> None:
    (settings.home / "media" / "lake" / name_table(settings) / f"{VIDEO}.parquet").write_bytes(b"PAR1 no more")


def remove_the_index(settings: Settings) -> None:
    (settings.home / "index" / resolve_encoder(settings).encoder_id / "current").unlink()


FAULTS: list[Callable[[Settings], None]] = [
    remove_a_vector,
    change_a_vector,
    remove_all_vectors,
    damage_the_lake,
    remove_the_index,
]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_check_reports_a_difference_and_leaves_it(settings: Settings, fault: Callable[[Settings], None]) -> None:
    encoder_id = resolve_encoder(settings).encoder_id
    intact = check_index(settings, encoder_id)
    assert intact.passed
    fault(settings)
    before = content_of(settings.home)
    for _ in range(2):
        outcome = check_index(settings, encoder_id)
        assert not outcome.passed and outcome.details["problems"]
        assert outcome.details.get("digest", intact.details["digest"]) == intact.details["digest"]
    assert content_of(settings.home) == before


def test_a_check_of_lines_leaves_a_difference(settings: Settings) -> None:
    assert check_lines(settings).passed
    table = settings.home / "media" / "lake" / "dialogue" / f"{VIDEO}.parquet"
    table.parent.mkdir(parents=True, exist_ok=True)
    table.write_bytes(b"not parquet")
    before = content_of(settings.home)
    outcome = check_lines(settings)
    assert not outcome.passed and str(table) in outcome.details["problems"][0]
    assert content_of(settings.home) == before


def test_every_check_that_dagster_can_run_alone_writes_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEEDLE_HOME", str(settings.home))
    monkeypatch.setenv("NEEDLE_ENCODER", "starter")
    remove_a_vector(settings)
    before, link = content_of(settings.home), settings.home / "index" / resolve_encoder(settings).encoder_id / "current"
    version = os.readlink(link)
    definitions = build_definitions(settings, Needle())
    alone = [key for check in definitions.asset_checks or [] for key in check.check_keys]  # type: ignore[union-attr]
    with dg.DagsterInstance.ephemeral() as instance:
        job = dg.define_asset_job("checks", dg.AssetSelection.checks(*alone))
        both = dg.Definitions(**{**_parts(definitions), "jobs": [job]})
        done = both.resolve_job_def("checks").execute_in_process(instance=instance, raise_on_error=False)
    found = {check.check_name: check.passed for check in done.get_asset_check_evaluations()}
    expected = {"same_rows_as_lake": False, "same_lines_as_lake": True, "searchable_in_time": True}
    assert expected.items() <= found.items()
    assert content_of(settings.home) == before and os.readlink(link) == version


def _parts(definitions: dg.Definitions) -> dict[str, object]:
    return {
        "assets": definitions.assets,
        "asset_checks": definitions.asset_checks,
        "resources": definitions.resources,
        "executor": definitions.executor,
    }
