"""`needle doctor` finds what the other commands would fail on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from ops.cli.main import cli
from ops.core.errors import SettingsError, StorageError
from ops.core.settings import load_settings
from ops.embeddings.encoder import resolve_encoder
from ops.index.lake_videos import read_wanted_rows
from ops.index.publishing import publish
from ops.videos.catalogue import LAYOUT, require_layout
from tests.builders.lakes import shot_rows, vector_rows, video_id, video_row


def doctor(home: Path, *options: str) -> tuple[dict[str, Any], int]:
    """The checks by name, and the exit status."""
    arguments = ["doctor", "--json", "--encoder", "starter", "--home", str(home), *options]
    done = CliRunner().invoke(cli, arguments, standalone_mode=False, catch_exceptions=False)
    return json.loads(done.stdout)["checks"], done.return_value


def test_an_index_that_no_search_can_use_is_a_failure(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path, encoder="starter")
    checks, status = doctor(tmp_path)
    assert (checks["index"]["ok"], status) == (True, 0), "nothing is ingested yet"

    encoder_id = resolve_encoder(settings).encoder_id
    partition = settings.resolve_partition(video_id(0))
    settings.lake.write("videos", partition, [video_row(0)])
    settings.lake.write("shots", partition, shot_rows(0))
    settings.lake.write(f"shot_embeddings/{encoder_id}", partition, vector_rows(0))
    publish(settings, encoder_id, lambda: read_wanted_rows(settings, encoder_id))
    assert doctor(tmp_path)[0]["index"] == {"ok": True, "note": "matches the lake"}

    shutil.rmtree(tmp_path / "index")
    checks, status = doctor(tmp_path)
    assert (checks["index"]["ok"], status) == (False, 1)
    assert "run `needle ingest" in checks["index"]["note"]


def test_another_division_than_the_lakes_is_a_failure_and_refused_where_rows_would_be_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = load_settings(home=tmp_path, encoder="starter")
    require_layout(settings)
    settings.lake.write("videos", settings.resolve_partition(video_id(0)), [video_row(0)])
    before = settings.store.list("lake")
    monkeypatch.setenv("NEEDLE_PARTITIONS", "bucket:8")
    monkeypatch.setenv("NEEDLE_HOME", str(tmp_path))
    checks, status = doctor(tmp_path)
    assert (checks["lake"]["ok"], status) == (False, 1) and "set NEEDLE_PARTITIONS=video" in checks["lake"]["note"]
    for arguments in (
        ["doctor", "--faults"],
        ["doctor", "--repair"],
        ["shots", video_id(0)],
        ["dialogue", video_id(0)],
        ["label", "fox", f"{video_id(0)}:0", "--value", "yes"],
    ):
        refused = CliRunner().invoke(cli, arguments, standalone_mode=False)
        assert isinstance(refused.exception, SettingsError), (arguments, refused.output)
        assert "set NEEDLE_PARTITIONS=video" in str(refused.exception)
    assert settings.store.list("lake") == before


def test_a_home_that_cannot_be_written_is_a_failure(tmp_path: Path) -> None:
    assert doctor(tmp_path / "good")[0]["home"]["ok"]
    assert not list((tmp_path / "good").glob("doctor*"))
    for home in ("/proc/self", "/proc/nope", str(tmp_path / "file" / "home")):  # not even root may write there
        (tmp_path / "file").touch()
        checks, status = doctor(Path(home), "--storage", str(tmp_path / "media"))
        assert (checks["home"]["ok"], checks["storage"]["ok"], status) == (False, True, 1)
        assert "cannot be written" in checks["home"]["note"] and home in checks["home"]["note"]


def test_speech_that_cannot_be_heard_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor(tmp_path)[0]["speech"] == {"ok": True, "note": "off"}
    monkeypatch.setenv("NEEDLE_SPEECH", str(tmp_path / "no-model"))
    checks, status = doctor(tmp_path)
    assert (checks["speech"]["ok"], status) == (False, 1)
    assert "pip install 'needle[speech]'" in checks["speech"]["note"] or "model.bin" in checks["speech"]["note"]


@pytest.mark.parametrize("text", [b"{", b"[]", b"\xff", b"{}", b'{"partitions": "video", "version": "x"}'])
def test_a_damaged_layout_is_named_with_the_way_out(tmp_path: Path, text: bytes) -> None:
    settings = load_settings(home=tmp_path, encoder="starter")
    require_layout(settings)
    settings.store.write_bytes(LAYOUT, text)
    for arguments in (["doctor", "--faults"], ["search", "a fox"], ["ingest", str(tmp_path)]):
        with pytest.raises(StorageError, match=r"layout.json in .* is damaged .*: restore it from a backup; or, if"):
            CliRunner().invoke(
                cli, [*arguments, "--home", str(tmp_path)], standalone_mode=False, catch_exceptions=False
            )
    checks, status = doctor(tmp_path)
    assert (checks["lake"]["ok"], status) == (False, 1) and "is damaged" in checks["lake"]["note"]
    settings.store.delete(LAYOUT)
    require_layout(settings)
    assert doctor(tmp_path)[1] == 0
