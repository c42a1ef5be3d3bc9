"""Grouping of faces on four annotated live-action clips: the bounds that the project promises."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from ops.people.face_models.dlib_faces import DlibFaceModel
from tests.bench.bench_people import measure

FOOTAGE = Path(__file__).resolve().parents[3] / "shared" / "footage"


@pytest.mark.shared
@pytest.mark.skipif(not FOOTAGE.is_dir(), reason="no ../shared/footage")
@pytest.mark.skipif(not all(map(find_spec, ("dlib", "face_recognition_models"))), reason="pip install 'needle[people]'")
def test_people_of_annotated_clips_are_told_apart() -> None:
    figures = measure(FOOTAGE, DlibFaceModel())
    assert figures.annotated == 71 and figures.people == 8
    assert figures.precision >= 0.95 and figures.recall >= 0.75 and figures.recall_of_all >= 0.75
    assert figures.average_precision >= 0.95
