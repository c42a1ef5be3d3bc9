"""``needle collections``: what people type."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from ops.cli.main import main
from ops.collections.entries import PickedShot
from ops.collections.store import create_collection
from ops.core.settings import Settings
from tests.builders.lakes import COMPUTED as NOW
from tests.builders.timelines import fill_lake


@pytest.fixture
def shots(settings: Settings) -> list[str]:
    """A film's shots; two of them are in a collection, each with a note."""
    ids: list[str] = fill_lake(settings, 1, Fraction(24000, 1001))
    picks = [PickedShot(shot_id=ids[2], note="the reply"), PickedShot(shot_id=ids[0], note="opens", query="a door")]
    create_collection(settings, "Night", picks, author="ann", now=NOW)
    return ids


def run(capsys: pytest.CaptureFixture[str], settings: Settings, *arguments: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["collections", *arguments, "--home", str(settings.home)])
    printed = capsys.readouterr()
    return int(ended.value.code or 0), printed.out, printed.err


def test_list_and_show(settings: Settings, shots: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, settings, "list")
    assert status == 0 and "Night: 2 shots, created by ann on 2026-01-02" in out
    listed: dict[str, Any] = json.loads(run(capsys, settings, "list", "--json")[1])
    assert [(each["name"], each["shots"], each["created_by"]) for each in listed["collections"]] == [
        ("Night", 2, "ann")
    ]
    status, out, _ = run(capsys, settings, "show", "night")
    assert status == 0 and out.index("the reply") < out.index("opens")
    shown = json.loads(run(capsys, settings, "show", listed["collections"][0]["collection_id"], "--json")[1])
    assert [(each["shot_id"], each["note"]) for each in shown["entries"]] == [
        (shots[2], "the reply"),
        (shots[0], "opens"),
    ]
    status, _, err = run(capsys, settings, "show", "Day")
    assert status == 1 and "there are Night" in err


def test_an_export_has_the_order_and_the_notes_as_markers(
    settings: Settings, shots: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "night.edl"
    status, out, _ = run(capsys, settings, "export", "Night", "-o", str(target), "--json")
    assert status == 0 and json.loads(out)["clips"] == 2
    text = target.read_text()
    assert text.startswith("TITLE: Night") and text.index("the reply") < text.index("opens")
    assert "a door" in text
    status, _, err = run(capsys, settings, "export", "Night", "-o", str(target))
    assert status == 2 and "--force" in err
    facts = tmp_path / "night.json"
    run(capsys, settings, "export", "Night", "-o", str(facts))
    assert '"added_by": "ann"' in facts.read_text() and '"collection": "Night"' in facts.read_text()


def test_missing_shots_are_named_and_the_rest_is_exported(
    settings: Settings, shots: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = settings.lake.read("shots").to_pylist()
    settings.lake.write("shots", settings.resolve_partition(shots[0].split(":")[0]), rows[:2])
    status, _, err = run(capsys, settings, "show", "Night")
    assert status == 3 and f"missing {shots[2]}" in err
    status, out, err = run(capsys, settings, "export", "Night", "-o", str(tmp_path / "n.csv"))
    assert status == 3 and "1 clip" in out and shots[2] in err


def test_rename_and_delete(settings: Settings, shots: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert "Night is now Dusk" in run(capsys, settings, "rename", "Night", "Dusk", "--author", "bob")[1]
    status, _, err = run(capsys, settings, "delete", "Dusk")
    assert status == 2 and "nothing was deleted" in err
    assert json.loads(run(capsys, settings, "delete", "Dusk", "--yes", "--json")[1])["deleted"]
    assert "no collections yet" in run(capsys, settings, "list")[2]
