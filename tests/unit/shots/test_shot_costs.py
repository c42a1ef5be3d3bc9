"""What a step does for n videos grows with n: reads of the lake, and steps of the report."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from types import FrameType
from typing import Any

import pytest

from ops.core.settings import Settings, load_settings
from ops.core.tables import Lake
from ops.core.types import SilentProgress
from ops.embeddings.build import build_embeddings, hash_inputs
from ops.shots import build
from ops.shots.segment import compute_detector_version, make_poster_key, make_proxy_key
from tests.builders.lakes import COMPUTED, ENCODER, shot_rows, vector_rows, video_id, video_row

LATER = COMPUTED + timedelta(days=1)


def fill_current(settings: Settings, videos: int) -> list[str]:
    """Videos that are cut and embedded; return their partitions."""
    version = compute_detector_version(settings.detector)
    partitions = sorted({settings.resolve_partition(video_id(number)) for number in range(videos)})
    for number in range(videos):
        partition, shots = settings.resolve_partition(video_id(number)), shot_rows(number, 10, detector=version)
        settings.lake.update("videos", partition, video_id(number), [video_row(number)])
        settings.lake.update("shots", partition, video_id(number), shots)
        vectors = [
            row | {"input_hash": hash_inputs(shot, settings.frames_per_shot)}  # type: ignore[arg-type]
            for row, shot in zip(vector_rows(number, 10), shots, strict=True)
        ]
        settings.lake.update(f"shot_embeddings/{ENCODER}", partition, video_id(number), vectors)
        ends = [
            {name: row[name] for name in row if name not in ("embedding", "vector_hash", "frames_used")}
            | {"first": row["embedding"], "last": row["embedding"], "reason": None}
            for row in vectors
        ]
        settings.lake.update(f"shot_ends/{ENCODER}", partition, video_id(number), ends)
        still = dict.fromkeys(("pan", "tilt", "zoom", "roll", "activity"), 0.0)
        names = ("shot_id", "video_id", "show", "input_hash", "event_timestamp", "created_timestamp")
        motion = [{name: row[name] for name in names} | still for row in vectors]
        settings.lake.update("shot_motion", partition, video_id(number), motion)
        for shot in shots:
            for make_key in (make_proxy_key, make_poster_key):
                settings.store.write_bytes(make_key(shot["video_id"], shot["start_frame"], shot["end_frame"]), b"x")
    return partitions


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Reads of the lake by family of tables, with ``<table> vectors`` for those that read whole vectors."""
    found = Counter[str]()
    original = Lake._read

    def count(self: Lake, table: str, partition: str, columns: Any) -> Any:
        found[table.split("/")[0]] += 1
        if (columns is None and table.startswith("shot_e")) or "embedding" in (columns or ()):
            found["vectors"] += 1
        return original(self, table, partition, columns)

    monkeypatch.setattr(Lake, "_read", count)
    return found


def test_a_bucket_is_read_as_often_for_many_videos_as_for_few(settings: Settings, reads: Counter[str]) -> None:
    counts = []
    for videos in (4, 16):
        own = load_settings(home=settings.home / str(videos), partitions="bucket:1")
        partitions = fill_current(own, videos)
        reads.clear()
        assert build.build_shots(own, partitions, LATER, SilentProgress()).changed == 0
        counts.append(dict(reads))
    assert counts[0] == counts[1]


def test_vectors_that_are_current_are_read_once_for_their_check(settings: Settings, reads: Counter[str]) -> None:
    partitions = fill_current(settings, 3)
    reads.clear()
    assert build_embeddings(settings, ENCODER, partitions, LATER, SilentProgress()).changed == 0
    assert reads["vectors"] == 3  # one for each partition, as a matrix
    renamed = [video_row(1, show="renamed")]
    settings.lake.write("videos", video_id(1), renamed)
    build.build_shots(settings, partitions, LATER, SilentProgress())
    assert (
        build_embeddings(settings, ENCODER, partitions, LATER, SilentProgress()).changed == 3
    )  # vectors, ends and motion
    shows = settings.lake.read(f"shot_embeddings/{ENCODER}", [video_id(1)], ["show"])["show"].to_pylist()
    assert set(shows) == {"renamed"}


def test_the_report_of_shots_grows_with_the_videos(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "write_sheet", lambda store, shots: f"sheets/{shots[0]['video_id']}.jpg")
    steps = []
    for videos in (20, 40):
        own = load_settings(home=settings.home / str(videos), partitions="bucket:1")
        partitions = fill_current(own, videos)
        cut = [video_id(number) for number in range(videos)]
        steps.append(count_steps(partial(build._report, own, partitions, videos, cut, 1.0)))
        report = build._report(own, partitions, videos, cut, 1.0)
        assert report.details["times_realtime"] == pytest.approx(videos * 10 * 1.001, rel=0.01)
    assert steps[1] < 2.2 * steps[0]


def count_steps(call: Callable[[], object]) -> int:
    """Steps of the interpreter in the module ``build`` during a call, those of comprehensions included."""
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        if frame.f_code.co_filename != build.__file__:
            return None
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(None)
    return count
