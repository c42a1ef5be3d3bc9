"""The published form of Video Annotator's data: read, split and measured, on a small folder like it."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from ops.core.errors import UsageError
from ops.notebooks.video_annotator import AnnotatorData, benchmark, is_held_out
from tests.annotator_data import DIM, write_annotator_data


def test_labels_are_measured_and_what_cannot_be_is_told(tmp_path: Path) -> None:
    write_annotator_data(tmp_path)
    found = {each.label: each for each in benchmark(AnnotatorData(tmp_path))}
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
    found = data.vectors(["clip0003|80", "clip0000|0", "nobody|0"])
    assert set(found) == {"clip0003|80", "clip0000|0"}
    with h5py.File(tmp_path / "embeddings.h5") as file:
        stored = file["embeddings"][20]
    assert found["clip0003|80"] == pytest.approx(stored / np.linalg.norm(stored), abs=1e-6)
    assert found["clip0003|80"].shape == (DIM,)
    assert data.film("clip0003|80") == "clip0003"


def test_a_folder_without_baselines_is_enough(tmp_path: Path) -> None:
    write_annotator_data(tmp_path, with_baselines=False)
    found = {each.label: each for each in benchmark(AnnotatorData(tmp_path))}
    assert found["closeup"].ap and found["closeup"].gain is None and found["closeup"].words is None


def test_folders_of_another_form_are_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"has no embeddings.h5, shot-data.csv, agg: unpack the data file"):
        AnnotatorData(tmp_path)
    write_annotator_data(tmp_path)
    with h5py.File(tmp_path / "embeddings.h5", "w") as file:
        file["embeddings"] = np.zeros((3, DIM), np.float32)
    with pytest.raises(UsageError, match="one vector for each of the 900 rows"):
        list(benchmark(AnnotatorData(tmp_path)))
    (tmp_path / "agg" / "mood.json").write_text(json.dumps({"votes": []}))
    with pytest.raises(UsageError, match=r"mood.json: expected 'data' with rows of 'key' and 'agg'"):
        AnnotatorData(tmp_path).votes("mood")
    (tmp_path / "agg" / "mood.json").write_text("{")
    with pytest.raises(UsageError, match=r"mood.json cannot be read as JSON"):
        AnnotatorData(tmp_path).votes("mood")
    (tmp_path / "shot-data.csv").write_text("key,clip\n")
    with pytest.raises(UsageError, match="has no column yt_id"):
        AnnotatorData(tmp_path)
