"""The published form of Video Annotator's data: read, split and measured, on a small folder like it."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from ops.core.errors import UsageError
from ops.notebooks import video_annotator
from ops.notebooks.video_annotator import AnnotatorData, is_held_out, run_benchmark
from tests.builders.annotator_data import DIM, write_annotator_data


def test_labels_are_measured_and_what_cannot_be_is_told(tmp_path: Path) -> None:
    write_annotator_data(tmp_path)
    found = {each.label: each for each in run_benchmark(AnnotatorData(tmp_path))}
    told, mood, rare = found["closeup"], found["mood"], found["timelapse"]
    assert told.ap and told.ap.value > 0.85 and told.ap.low < told.ap.value < told.ap.high
    assert told.words is not None and 0.5 < told.words < told.ap.value
    assert told.baseline is not None and told.gain == pytest.approx(100 * (told.ap.value - told.baseline))
    assert told.gain > 0  # two thirds of the baseline's labels are noise
    assert mood.ap and 0.3 < mood.ap.value < 0.75
    assert mood.words is None and mood.gain is None
    assert rare.ap is None and rare.skipped.startswith("a fit needs 3 of each answer")
    assert (rare.yes, rare.no) == (1, 399)
    assert 50 < told.held_out < 110


def test_missing_packages_are_named_with_their_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_annotator_data(tmp_path)
    monkeypatch.setattr(video_annotator, "PACKAGES", ("numpy", "not_installed_here"))
    with pytest.raises(UsageError, match=r"needs not_installed_here: install them with .*needle\[annotator\]"):
        AnnotatorData(tmp_path)


def test_the_split_is_the_paper_s() -> None:
    """By MurmurHash3 x86 32 with seed 0: its value for a known key, and a fifth of many."""
    import mmh3

    assert mmh3.hash("hello", 0) == 613153351
    assert is_held_out("hello") == (613153351 % 5 == 0)
    share = np.mean([is_held_out(f"gOJJm_cSRds|{frame}") for frame in range(5000)])
    assert share == pytest.approx(0.2, abs=0.02)


def test_vectors_are_of_their_keys_and_of_unit_length(tmp_path: Path) -> None:
    write_annotator_data(tmp_path)
    data = AnnotatorData(tmp_path)
    found = data.read_vectors(["clip0003|80", "clip0000|0", "nobody|0"])
    assert set(found) == {"clip0003|80", "clip0000|0"}
    with h5py.File(tmp_path / "embeddings.h5") as file:
        stored = file["embeddings"][20]
    assert found["clip0003|80"] == pytest.approx(stored / np.linalg.norm(stored), abs=1e-6)
    assert found["clip0003|80"].shape == (DIM,)
    assert data.find_clip("clip0003|80") == "clip0003"


def test_a_folder_without_baselines_is_enough(tmp_path: Path) -> None:
    write_annotator_data(tmp_path, with_baselines=False)
    found = {each.label: each for each in run_benchmark(AnnotatorData(tmp_path))}
    assert found["closeup"].ap and found["closeup"].gain is None and found["closeup"].words is None


def test_a_text_vector_that_is_none_costs_its_label_only(tmp_path: Path) -> None:
    write_annotator_data(tmp_path)
    (tmp_path / "text-embeddings.json").write_text(json.dumps({"closeup": ["x"]}))
    found = {each.label: each for each in run_benchmark(AnnotatorData(tmp_path))}
    assert found["closeup"].ap is None and "closeup is not a vector of" in found["closeup"].skipped
    assert found["mood"].ap


def test_folders_of_another_form_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no embeddings.h5, shot-data.csv, agg: unpack the data file"):
        AnnotatorData(tmp_path)
    write_annotator_data(tmp_path)
    with h5py.File(tmp_path / "embeddings.h5", "w") as file:
        file["embeddings"] = np.zeros((3, DIM), np.float32)
    with pytest.raises(UsageError, match="one vector for each of the 900 keys"):
        list(run_benchmark(AnnotatorData(tmp_path)))
    (tmp_path / "text-embeddings.json").write_text(json.dumps({"closeup": [1, 2]}))
    with pytest.raises(UsageError, match=rf"text-embeddings.json: closeup is not a vector of {DIM} numbers"):
        AnnotatorData(tmp_path).read_text_vector("closeup", DIM)
    (tmp_path / "text-embeddings.json").write_text("[1]")
    with pytest.raises(UsageError, match=r"text-embeddings.json: expected an object with a vector for each label"):
        AnnotatorData(tmp_path)
    (tmp_path / "shot-data.csv").write_text("key,clip\n")
    with pytest.raises(UsageError, match="has no column yt_id"):
        AnnotatorData(tmp_path)
    (tmp_path / "shot-data.csv").write_bytes(b"key,yt_id\n\xff\xfe,a\n")
    with pytest.raises(UsageError, match=r"shot-data.csv cannot be read as CSV"):
        AnnotatorData(tmp_path)


@pytest.mark.parametrize("size", [0, 100, 60_000])
def test_damaged_vectors_are_told_with_the_way_out(tmp_path: Path, size: int) -> None:
    write_annotator_data(tmp_path)
    path = tmp_path / "embeddings.h5"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(UsageError, match=r"embeddings.h5 cannot be read .*damaged or incomplete, unpack the data file"):
        list(run_benchmark(AnnotatorData(tmp_path)))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"votes": []}', "expected 'data' with rows of 'key' and 'agg'"),
        ('{"data": [{"key": "clip0000|0", "agg": "no"}]}', "expected true or false as 'agg', not 'no'"),
        ("{", "cannot be read as JSON"),
    ],
)
def test_a_label_that_cannot_be_read_does_not_stop_the_others(tmp_path: Path, content: str, reason: str) -> None:
    write_annotator_data(tmp_path)
    (tmp_path / "agg" / "mood.json").write_text(content)
    found = {each.label: each for each in run_benchmark(AnnotatorData(tmp_path))}
    assert found["closeup"].ap
    assert found["mood"].ap is None and "mood.json" in found["mood"].skipped and reason in found["mood"].skipped


def test_votes_of_shots_without_a_vector_are_left_out_and_counted(tmp_path: Path) -> None:
    write_annotator_data(tmp_path)
    whole = next(each for each in run_benchmark(AnnotatorData(tmp_path)) if each.label == "closeup")
    path = tmp_path / "agg" / "closeup.json"
    votes = json.loads(path.read_text())
    votes["data"] += [{"key": f"nowhere|{number}", "agg": True} for number in range(7)]
    path.write_text(json.dumps(votes))
    with h5py.File(tmp_path / "embeddings.h5", "r+") as file:
        file["embeddings"][:2] = [[np.nan] * DIM, [0] * DIM]
    found = next(each for each in run_benchmark(AnnotatorData(tmp_path)) if each.label == "closeup")
    assert found.without_vector == 9 and found.yes + found.no == whole.yes + whole.no - 2
    assert found.ap and whole.ap and found.ap.value == pytest.approx(whole.ap.value, abs=0.05)
