"""Processes that cut films: one that dies takes its film with it, and no other."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import av
import pytest

from ops.core.errors import MediaError, StorageError
from ops.core.media import Orientation
from ops.core.process_limits import ProcessLimits
from ops.core.storage import ObjectStore
from ops.shots.processes import Segmentation, SegmentJob, segment_videos
from ops.shots.segment import make_proxy_key
from ops.videos.probe import probe
from tests.builders.crashes import CrashingStore
from tests.builders.films import Film, make_film


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Film]:
    folder = tmp_path_factory.mktemp("films")
    return [make_film(folder / f"{n}.mp4", cuts=(20,), frames=40 + n, seed=n, width=160, height=90) for n in range(3)]


def jobs_of(films: list[Film], folder: Path, crashing: int, signal_number: int, times: int) -> list[SegmentJob]:
    root = str(folder / "store")
    stores = [ObjectStore(root) for _ in films]
    stores[crashing] = CrashingStore(root, signal_number, times, folder)
    return [
        SegmentJob(
            path=str(film.path), video_id=f"{n:016x}", frames=film.frames, store=stores[n], scratch=folder / "scratch"
        )
        for n, film in enumerate(films)
    ]


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("signal_number", [signal.SIGSEGV, signal.SIGKILL])
def test_a_film_that_ends_its_process_is_set_aside_and_no_other(
    films: list[Film], tmp_path: Path, workers: int, signal_number: int
) -> None:
    jobs = jobs_of(films, tmp_path, 2, signal_number, times=2)  # the longest, so the first
    results = {job.video_id: result for job, result in segment_videos(jobs, workers)}
    reason = results.pop(jobs[2].video_id)
    assert isinstance(reason, MediaError)
    assert ("memory" if signal_number == signal.SIGKILL else "SIGSEGV") in str(reason)
    for job, film in zip(jobs[:2], films[:2], strict=True):
        result = results[job.video_id]
        assert isinstance(result, Segmentation)
        assert [(shot.start_frame, shot.end_frame) for shot in result.shots] == film.shots


def test_a_process_that_was_killed_once_costs_no_film(films: list[Film], tmp_path: Path) -> None:
    jobs = jobs_of(films, tmp_path, 1, signal.SIGKILL, times=1)
    results = [result for _, result in segment_videos(jobs, 2)]
    assert all(isinstance(result, Segmentation) for result in results) and len(results) == 3


@pytest.mark.parametrize(
    ("limits", "size", "reason"),
    [
        (ProcessLimits(memory_bytes=40 << 20), (7680, 4320), "more than NEEDLE_FILM_MEMORY_GB allows"),
        (ProcessLimits(file_bytes=1000), (160, 90), "a larger file than NEEDLE_FILM_FILE_GB allows"),
        (ProcessLimits(total_s=0.05), (160, 90), "NEEDLE_FILM_HOURS"),
    ],
    ids=["memory", "file", "time"],
)
def test_a_single_film_is_cut_within_limits_in_a_process_of_its_own(
    tmp_path: Path, limits: ProcessLimits, size: tuple[int, int], reason: str
) -> None:
    width, height = size
    frames = 2 if width > 1000 else 200
    film = make_film(tmp_path / "film.mp4", cuts=(1,), frames=frames, width=width, height=height)
    (job,) = jobs_of([film], tmp_path, 0, signal.SIGSEGV, times=0)
    ((_, result),) = segment_videos([replace(job, limits=limits)], 2)
    assert isinstance(result, MediaError) and reason in str(result)


def test_a_single_film_that_ends_its_process_is_set_aside(films: list[Film], tmp_path: Path) -> None:
    (job,) = jobs_of(films[:1], tmp_path, 0, signal.SIGSEGV, times=2)
    ((_, result),) = segment_videos([job], 2)
    assert isinstance(result, MediaError) and "SIGSEGV" in str(result)


@pytest.mark.parametrize("count", [1, 2])
def test_a_folder_that_cannot_be_written_is_an_error_of_the_run(films: list[Film], tmp_path: Path, count: int) -> None:
    (tmp_path / "scratch").write_text("a file is in the way")
    jobs = jobs_of(films, tmp_path, 0, signal.SIGSEGV, times=0)[:count]
    with pytest.raises(StorageError, match="NEEDLE_HOME"):
        list(segment_videos(jobs, 2))


def test_a_film_is_cut_by_the_facts_of_its_record(films: list[Film], tmp_path: Path) -> None:
    (job,) = jobs_of(films[:1], tmp_path, 0, signal.SIGSEGV, times=0)
    # No other evidence than the record turns this film.
    turned = replace(probe(films[0].path), orientation=Orientation(quarter_turns=1), width=90, height=160)
    ((_, result),) = segment_videos([replace(job, info=turned)], 1)
    assert isinstance(result, Segmentation)
    first = result.shots[0]
    key = make_proxy_key(job.video_id, first.start_frame, first.end_frame)
    with job.store.fetch_local_file(key, tmp_path) as path, av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height) == (90, 160)
