"""JSON logs: one object a line, with the ids that a record is about, whatever the message contains."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.core.logs import JsonFormatter, find_ids, name_in_logs
from tests.builders.homes import CHECKOUT, Home

VIDEO, OTHER = "0123456789abcdef", "fedcba9876543210"


def read_record(message: str, *arguments: object, **extra: Any) -> dict[str, str]:
    record = logging.LogRecord("ops.test", logging.WARNING, __file__, 1, message, arguments, None)
    record.__dict__.update(extra)
    document: dict[str, str] = json.loads(JsonFormatter().format(record))
    return document


@pytest.mark.parametrize(
    ("message", "ids"),
    [
        (f"{VIDEO}: 7 shots in 200 frames", {"video_id": VIDEO}),
        (f"the poster of {VIDEO}:24 is missing", {"video_id": VIDEO, "shot_id": f"{VIDEO}:24"}),
        (f"{VIDEO}:24 and {VIDEO}:48", {"video_id": VIDEO}),
        (f"{VIDEO}:24 looks like {OTHER}:0", {}),
        (f"lake/shots/{VIDEO}.parquet is damaged", {"video_id": VIDEO}),
        (f"'lake/collections/{VIDEO}.parquet': no space", {}),
        (f"'saved_matches/{VIDEO}.json', of {OTHER}:24", {"video_id": OTHER, "shot_id": f"{OTHER}:24"}),
        (f"encoder starter-{VIDEO}", {}),
        (f"sha256 {VIDEO}{OTHER}", {}),
        ("nothing", {}),
    ],
)
def test_ids_of_one_video_and_one_shot_are_found_in_messages(message: str, ids: dict[str, str]) -> None:
    assert find_ids(message) == ids


@given(st.text(), st.text())
def test_every_message_is_one_line_of_json(message: str, value: str) -> None:
    with name_in_logs(request_id=value):
        record = logging.LogRecord("ops.test", logging.INFO, __file__, 1, "%s", (message,), None)
        line = JsonFormatter().format(record)
    assert "\n" not in line and line.isascii()
    assert json.loads(line)["message"] == message and json.loads(line)["request_id"] == value


def test_ids_of_blocks_are_nested_and_end_with_their_block() -> None:
    with name_in_logs(run_id="r1"), name_in_logs(stage="shots"):
        assert read_record("%d done", 3) | {"time": ""} == {
            "time": "",
            "level": "warning",
            "logger": "ops.test",
            "message": "3 done",
            "run_id": "r1",
            "stage": "shots",
        }
    assert "run_id" not in read_record("later")


def test_records_that_dagster_captured_have_its_run_and_step() -> None:
    metadata = {"run_id": "r2", "step_key": "shots", "job_name": "j", "orig_message": "done"}
    document = read_record("j - r2 - shots - done", dagster_meta=metadata)
    assert (document["run_id"], document["step"], document["message"]) == ("r2", "shots", "done")
    assert "step" not in read_record("done", dagster_meta={"run_id": "r2", "step_key": None})


def test_a_command_writes_its_error_as_json(tmp_path: Path) -> None:
    environment = Home(tmp_path / "home").environment(NEEDLE_LOG="json")
    command = [sys.executable, "-m", "ops.cli", "shots", "missing.mp4"]
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
    records = [json.loads(line) for line in done.stderr.splitlines()]
    assert done.returncode == 1 and records[-1]["level"] == "error" and "missing.mp4" in records[-1]["message"]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["token", "add", "ann", "--role", "look"], 0, "the token of ann "),
        (["compact"], 0, "waiting until nothing is being computed"),
        (["label"], 0, "no labels yet"),
        (["search", ""], 2, "the query is empty"),
    ],
)
def test_every_line_on_standard_error_is_json(tmp_path: Path, arguments: list[str], status: int, message: str) -> None:
    environment = Home(tmp_path / "home").environment(NEEDLE_LOG="json")
    command = [sys.executable, "-m", "ops.cli", *arguments]
    done = subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    records = [json.loads(line) for line in done.stderr.splitlines()]
    assert any(message in record["message"] for record in records)
