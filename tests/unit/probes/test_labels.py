"""The labels table: nothing is lost, nothing is hidden, and what cannot be used is named."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from ops.cli.main import cli
from ops.core.errors import NotFoundError, UsageError
from ops.core.settings import CHECKOUT, Settings, load_settings
from ops.probes.annotations import SETTLED_KEY, Annotation, require_name
from ops.probes.label_files import export_labels, import_labels
from ops.probes.labels import append_annotations, digest_labels, list_labels, read_annotations, resolve_labels
from ops.probes.suggestions import find_annotated_shots
from ops.videos.forgotten import write_tombstone
from tests.builders.labelled import NOW, fill_told_apart, judge, usable_labels
from tests.builders.lakes import video_id

SHOT, OTHER = f"{video_id(0)}:0", f"{video_id(0)}:24"


pytestmark = pytest.mark.home(fill=partial(fill_told_apart, videos=2, shots=4))


def test_the_latest_counts_and_every_judgement_is_kept(settings: Settings) -> None:
    assert judge(settings, [(SHOT, True)]) == 1
    assert judge(settings, [(SHOT, False)], later_s=1) == 1
    assert usable_labels(settings, "closeup") == {SHOT: False}
    assert [each.value for each in read_annotations(settings)] == [True, False]


def test_people_who_differ_are_in_conflict_until_they_agree(settings: Settings) -> None:
    judge(settings, [(SHOT, True)], annotator="ann")
    judge(settings, [(SHOT, False)], annotator="bob", later_s=1)
    (standing,) = resolve_labels(settings)
    assert standing.in_conflict and standing.latest.annotator == "bob"
    assert {name: vote.value for name, vote in standing.by_annotator.items()} == {"ann": True, "bob": False}
    judge(settings, [(SHOT, False)], annotator="ann", later_s=2)
    assert not resolve_labels(settings)[0].in_conflict


def test_a_conflict_is_settled_until_somebody_contradicts_again(settings: Settings) -> None:
    def say(value: bool, who: str, later_s: float, origin: str = "test") -> int:
        at = NOW + timedelta(seconds=later_s)
        given = Annotation(label="closeup", shot_id=SHOT, value=value, annotator=who, created_at=at, origin=origin)
        return append_annotations(settings, [given], at).written

    assert [say(True, "ann", 0), say(False, "bob", 1), say(False, "bob", 2, SETTLED_KEY)] == [1, 1, 1]
    (standing,) = resolve_labels(settings)
    assert not standing.in_conflict and standing.value is False
    assert {name: vote.value for name, vote in standing.by_annotator.items()} == {"ann": True, "bob": False}
    assert say(False, "bob", 3, SETTLED_KEY) == 0, "there is nothing to settle any more"
    assert say(True, "ann", 4) == 1
    (standing,) = resolve_labels(settings)
    assert standing.in_conflict and standing.value is True


def test_what_was_said_can_be_taken_back_and_all_of_it_is_kept(settings: Settings, tmp_path: Path) -> None:
    assert judge(settings, [(SHOT, True), (OTHER, True)], annotator="ann") == 2
    assert judge(settings, [(SHOT, False)], annotator="bob", later_s=1) == 1
    assert judge(settings, [(SHOT, None)], annotator="bob", later_s=2) == 1
    assert usable_labels(settings, "closeup") == {SHOT: True, OTHER: True}
    assert judge(settings, [(SHOT, None)], annotator="bob", later_s=3) == 0, "it was taken back before"
    assert judge(settings, [(SHOT, None)], annotator="ann", later_s=4) == 1
    assert usable_labels(settings, "closeup") == {OTHER: True}
    assert (
        find_annotated_shots(settings, "closeup") == {OTHER} and find_annotated_shots(settings, "nobody_said") == set()
    )
    assert judge(settings, [(SHOT, True)], annotator="ann", later_s=5) == 1
    assert len(read_annotations(settings)) == 6
    elsewhere = load_settings(home=str(tmp_path / "elsewhere"))
    fill_told_apart(elsewhere, videos=2, shots=4)
    export_labels(settings, tmp_path / "labels.csv")
    assert import_labels(elsewhere, tmp_path / "labels.csv", NOW, annotator="me", origin="import").written == 6
    assert usable_labels(elsewhere, "closeup") == usable_labels(settings, "closeup")


def test_saying_the_same_again_writes_nothing_unless_somebody_contradicted(settings: Settings) -> None:
    judge(settings, [(SHOT, True)])
    before = settings.store.read_bytes("lake/labels/closeup.parquet")
    assert judge(settings, [(SHOT, True)], later_s=1) == 0
    assert settings.store.read_bytes("lake/labels/closeup.parquet") == before
    judge(settings, [(SHOT, False)], annotator="bob", later_s=2)
    assert judge(settings, [(SHOT, True)], later_s=3) == 1
    assert usable_labels(settings, "closeup") == {SHOT: True}


def test_a_late_arrival_of_an_earlier_judgement_does_not_count_more(settings: Settings) -> None:
    judge(settings, [(SHOT, False)], annotator="bob", later_s=10)
    judge(settings, [(SHOT, True)], annotator="ann", later_s=0)
    assert usable_labels(settings, "closeup") == {SHOT: False}


def test_unknown_shots_are_named_and_the_rest_is_taken(settings: Settings) -> None:
    given = [
        Annotation(label="closeup", shot_id=shot, value=True, annotator="ann", created_at=NOW, origin="test")
        for shot in (SHOT, f"{video_id(0)}:7", "nonsense")
    ]
    done = append_annotations(settings, given, NOW)
    assert done.written == 1
    assert dict(done.refused)["nonsense"].startswith("not a shot id")
    assert "no such shot" in dict(done.refused)[f"{video_id(0)}:7"]


def test_labels_of_a_forgotten_film_are_kept_named_and_not_used(settings: Settings) -> None:
    judge(settings, [(SHOT, True), (f"{video_id(1)}:0", False)])
    write_tombstone(settings, video_id(0), NOW)
    settings.lake.delete("shots", video_id(0))
    gone = {each.latest.shot_id: each.missing_reason for each in resolve_labels(settings)}
    assert gone == {SHOT: "its video was forgotten", f"{video_id(1)}:0": ""}
    assert usable_labels(settings, "closeup") == {f"{video_id(1)}:0": False}


def test_two_processes_that_label_at_once_lose_nothing(settings: Settings) -> None:
    script = """
import sys
from datetime import UTC, datetime
from ops.core.settings import load_settings
from ops.probes.annotations import Annotation
from ops.probes.labels import append_annotations
settings = load_settings(home=sys.argv[1])
for number in range(25):
    now = datetime.now(UTC)
    value = number % 2 == 0
    given = Annotation(label="busy", shot_id=sys.argv[2], value=value, annotator=sys.argv[3], created_at=now, origin="")
    assert append_annotations(settings, [given], now).written == 1
"""
    several = [
        subprocess.Popen([sys.executable, "-c", script, str(settings.home), SHOT, name], cwd=CHECKOUT)
        for name in ("ann", "bob", "cy")
    ]
    assert [each.wait(timeout=120) for each in several] == [0, 0, 0]
    rows = read_annotations(settings, ["busy"])
    assert {name: sum(row.annotator == name for row in rows) for name in ("ann", "bob", "cy")} == {
        "ann": 25,
        "bob": 25,
        "cy": 25,
    }


@pytest.mark.parametrize("name", ["Close-Up", "1st", "", "a b", "a/b", "x" * 64, "ü"])
def test_names_that_cannot_be_labels(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be a label"):
        require_name(name)


def test_a_name_that_would_do_is_told() -> None:
    with pytest.raises(UsageError, match="'close_up' would do"):
        require_name("Close-Up")


def test_an_unknown_label_names_those_that_exist(settings: Settings) -> None:
    judge(settings, [(SHOT, True)])
    with pytest.raises(NotFoundError, match="there are closeup"):
        read_annotations(settings, ["wide"])


def test_a_file_goes_round_with_people_and_dates(settings: Settings, tmp_path: Path) -> None:
    judge(settings, [(SHOT, True), (OTHER, False)])
    judge(settings, [(SHOT, False)], annotator="bob", later_s=5)
    judge(settings, [(OTHER, True)], label="wide")
    assert export_labels(settings, tmp_path / "all.csv") == 4
    other = load_settings(home=str(tmp_path / "other"))
    fill_told_apart(other, videos=2, shots=4)
    done = import_labels(other, tmp_path / "all.csv", NOW + timedelta(days=1), annotator="x", origin="y")
    assert (done.written, done.unchanged, done.refused) == (4, 0, ())
    assert read_annotations(other) == read_annotations(settings)
    assert digest_labels(other) == digest_labels(settings)
    assert import_labels(other, tmp_path / "all.csv", NOW, annotator="x", origin="y").written == 0


def test_a_plain_file_twice_writes_nothing_the_second_time(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "plain.csv"
    path.write_text(f"label,shot_id,value,annotator\ncloseup,{SHOT},yes,ann\ncloseup,{SHOT},no,bob\n")
    assert import_labels(settings, path, NOW, annotator="x", origin="y").written == 2
    again = import_labels(settings, path, NOW + timedelta(hours=1), annotator="x", origin="y")
    assert (again.written, again.unchanged) == (0, 2)


def test_bad_lines_are_named_and_the_rest_is_taken(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "some.csv"
    lines = ["label,shot_id,value,created_at", f"closeup,{SHOT},yes,", f"closeup,{OTHER},perhaps,"]
    lines += [f"Close Up,{OTHER},yes,", "closeup,0123456789abcdef:9,no,", f"closeup,{OTHER},no,yesterday"]
    path.write_text("\n".join(lines))
    done = import_labels(settings, path, NOW, annotator="ann", origin="test")
    assert done.written == 1
    reasons = dict(done.refused)
    assert "write yes or no" in reasons["line 3"]
    assert "'close_up' would do" in reasons["line 4"]
    assert "no such shot" in reasons["line 5"]
    assert "created_at 'yesterday'" in reasons["line 6"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("shot,answer\n1,2\n", "has no column label, shot_id, value"),
        ("label,shot_id,value,mood\na,b,yes,good\n", "has the column 'mood'"),
        ("label,label,shot_id,value\na,a,b,yes\n", "names twice"),
        ("", "has no column"),
        (b"\xff\xfe\x00label", "cannot be read as CSV"),
    ],
)
def test_a_file_of_another_form_is_refused_whole(
    settings: Settings, tmp_path: Path, content: str | bytes, told: str
) -> None:
    path = tmp_path / "other.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(UsageError, match=told):
        import_labels(settings, path, NOW, annotator="ann", origin="test")
    assert list_labels(settings) == []


def run(settings: Settings, *arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(cli, ["label", *arguments, "--home", str(settings.home)], standalone_mode=False)
    if done.exception:
        raise done.exception
    return int(done.return_value or 0), done.output


def test_the_command_judges_lists_and_shows_conflicts(settings: Settings) -> None:
    status, told = run(settings, "closeup", SHOT, OTHER, "--value", "yes")
    assert status == 0 and "2 yes, 0 no" in told
    run(settings, "closeup", SHOT, "--value", "no", "--annotator", "bob")
    status, told = run(settings, "closeup", "--json")
    by_shot = {row["shot_id"]: row for row in json.loads(told)["labels"]}
    assert by_shot[SHOT]["conflict"] and by_shot[SHOT]["value"] == "no"
    assert not by_shot[OTHER]["conflict"]
    assert "CONFLICT: me yes, bob no" in run(settings)[1]


def test_the_command_tells_of_shots_that_are_gone_and_in_conflict(settings: Settings) -> None:
    write_tombstone(settings, video_id(1), NOW)
    gone = f"{video_id(1)}:0"
    status, told = run(settings, "closeup", gone, "--value", "yes")
    assert status == 0 and "0 yes, 0 no, 1 of a shot that is gone (kept, not used) (1 new answer)" in told
    assert f"{gone} yes (me) gone: its video was forgotten" in told
    run(settings, "closeup", SHOT, "--value", "yes")
    told = run(settings, "closeup", SHOT, "--value", "no", "--annotator", "bob")[1]
    assert "CONFLICT: me yes, bob no" in told and gone not in told
    summary = json.loads(run(settings, "closeup", SHOT, gone, "--value", "no", "--annotator", "bob", "--json")[1])
    assert (summary["yes"], summary["no"], summary["conflicts"], summary["gone"]) == (0, 1, 2, 1)
    assert {each["shot_id"]: (each["conflict"], each["gone"]) for each in summary["shots"]} == {
        SHOT: (True, ""),
        gone: (True, "its video was forgotten"),
    }


def test_the_command_sets_unknown_shots_aside(settings: Settings) -> None:
    assert run(settings, "closeup", SHOT, "nonsense", "--value", "yes")[0] == 3
    with pytest.raises(NotFoundError, match="nonsense"):
        run(settings, "closeup", "nonsense", "--value", "yes")


@pytest.mark.parametrize("arguments", [("closeup", SHOT), ("closeup", "--value", "yes"), ("a", "--import", "f.csv")])
def test_half_a_command_is_refused(settings: Settings, arguments: tuple[str, ...]) -> None:
    with pytest.raises(UsageError):
        run(settings, *arguments)
