"""Many videos in parallel, in processes: a video that crashes its process is skipped, and the others go on."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.process import BaseProcess
from multiprocessing.queues import SimpleQueue
from pathlib import Path

import cv2

from ops.core.child_processes import copy_environment, get_child_context, set_environment
from ops.core.errors import MediaError, StorageError, make_home_error
from ops.core.interrupts import hold_back_interrupts
from ops.core.media import MediaInfo
from ops.core.process_limits import ProcessLimits
from ops.core.storage import ObjectStore
from ops.core.types import DetectedShot
from ops.shots.corrections import CutCorrection
from ops.shots.detector import Boundary
from ops.shots.planning import Recut
from ops.shots.segment import recut_video, segment_video
from ops.videos.damage import Damage
from ops.videos.film_errors import convert_film_errors
from ops.videos.library import open_local_source
from ops.videos.probe import probe

REPORT_EVERY_S = 0.3


@dataclass(frozen=True, kw_only=True)
class SegmentJob:
    """One video to cut: its path or ``s3://`` address, its id, and the store for the results. Picklable.

    ``frames`` is its approximate length; the longest videos are started first. ``info`` is the record of facts about
    it; if it is ``None``, the video is probed. ``corrections`` change the detector's boundaries. With ``recut`` nothing
    is detected, and only its wanted shots are written. ``limits`` are those of the process that cuts it.
    """

    path: str
    video_id: str
    frames: int
    store: ObjectStore
    detector: str = "auto"
    scratch: Path
    info: MediaInfo | None = None
    corrections: tuple[CutCorrection, ...] = ()
    recut: Recut | None = None
    limits: ProcessLimits = field(default_factory=ProcessLimits)


@dataclass(frozen=True, kw_only=True)
class Segmentation:
    """The shots of one video, with sentences about damaged or missing parts. Picklable.

    ``detected`` are the detector's own boundaries, if people corrected them. In a recut, ``shots`` are the written
    ones.
    """

    shots: list[DetectedShot]
    notes: list[str]
    detected: list[Boundary] = field(default_factory=list)


OnProgress = Callable[[str, int], None]
Result = tuple[SegmentJob, Segmentation | MediaError]


def segment_videos(
    jobs: Sequence[SegmentJob], workers: int, *, on_progress: OnProgress | None = None
) -> Iterator[Result]:
    """Cut many videos and yield each result when it is ready, in any order; damage in one is a result, not an end.

    Videos are spread over ``workers`` child processes, the longest first.
    Each process has at least two threads, so that a long video does not end on one core. A video from an object store
    is downloaded by the process that cuts it, and removed afterwards.

    If a process dies, the videos in progress are cut one at a time; one that ends its process again is a
    ``MediaError``. ``on_progress`` is called in this process with a video id and the number of its frames read. If the
    caller stops (Ctrl-C), the processes stop too, in the middle of their videos.

    Raises ``StorageError`` if the store or the scratch folder cannot be written.
    """
    left = deque(sorted(jobs, key=lambda job: job.frames, reverse=True))
    while left:
        suspects, _ = yield from _cut_side_by_side(left, workers, on_progress)
        for job in suspects:
            dead, exit_codes = yield from _cut_side_by_side(deque([job]), workers, on_progress)
            if dead:
                yield job, MediaError(_explain_death(exit_codes, job.limits))


def _cut_side_by_side(
    left: deque[SegmentJob], workers: int, on_progress: OnProgress | None
) -> Generator[Result, None, tuple[list[SegmentJob], list[int]]]:
    """Cut videos until none is left or a process dies; return the videos then in progress and the exit codes."""
    processes = min(workers, len(left))
    threads = workers if processes == 1 else max(2, workers // processes)
    context = get_child_context()
    reports = context.SimpleQueue() if on_progress else None
    pool = ProcessPoolExecutor(
        processes, mp_context=context, initializer=_begin, initargs=(reports, copy_environment())
    )
    members: dict[int, BaseProcess] = {}
    running: dict[Future[Segmentation | MediaError], SegmentJob] = {}
    dead: list[SegmentJob] = []
    try:
        while (left or running) and not dead:
            while left and len(running) < processes:  # no more than can run, so each submitted video is in progress
                with hold_back_interrupts():  # the new processes inherit the block until they ignore SIGINT
                    future = pool.submit(_run_in_process, left[0], threads)
                running[future] = left.popleft()
                members.update(pool._processes)
            finished_jobs, _ = wait(
                running, timeout=REPORT_EVERY_S if on_progress else None, return_when=FIRST_COMPLETED
            )
            while on_progress and reports and not reports.empty():
                on_progress(*reports.get())
            if any(_is_dead(future) for future in finished_jobs):
                finished_jobs, _ = wait(running)
            for future in finished_jobs:
                job = running.pop(future)
                if _is_dead(future):
                    dead.append(job)
                else:
                    yield job, future.result()
    except BrokenProcessPool:  # between two videos: the pool accepts no other
        dead = list(running.values())
    except Exception:
        raise
    except BaseException:  # the user stops it: work in progress is abandoned
        for process in list(pool._processes.values()):
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return dead, [process.exitcode or 0 for process in members.values()]


def _is_dead(future: Future[Segmentation | MediaError]) -> bool:
    return isinstance(future.exception(), BrokenProcessPool)


def _explain_death(exit_codes: Sequence[int], limits: ProcessLimits) -> str:
    """The reason why a video that was cut alone has no result, from the exit code of its process."""
    code = next((code for code in exit_codes if code), 0)
    if code == -signal.SIGALRM:
        return (
            f"cutting it was given up: no frame came for {limits.pause_s:g} seconds (NEEDLE_OPEN_SECONDS), or it took "
            f"more than {limits.total_s / 3600:g} hours (NEEDLE_FILM_HOURS); convert it, or allow more time"
        )
    if code == -signal.SIGKILL:
        return "the process that cut it was killed (SIGKILL), most often for want of memory: free memory and try again"
    how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
    return f"the process that cut it crashed ({how}), twice: convert it, for example with ffmpeg, or report it"


def run_job(
    job: SegmentJob, threads: int, on_progress: Callable[[str, int], None] | None = None
) -> Segmentation | MediaError:
    """Cut one video in this process; an error about the video is the result.

    This must be a child process, because it ends if the video takes too long. Raises ``StorageError`` if the store or
    the scratch folder cannot be written.
    """
    with ExitStack() as stack:
        try:
            source = stack.enter_context(open_local_source(job.path, job.scratch))
        except MediaError as error:
            return error
        except StorageError as error:
            return MediaError(f"it could not be fetched ({error}): try again with `needle ingest --retry`")
        stack.enter_context(job.limits.limit_files())
        try:
            with job.limits.limit_memory(), convert_film_errors(job.path, "cutting it", cv2.error):
                return _cut(job, source, threads, partial(on_progress, job.video_id) if on_progress else None)
        except MediaError as error:
            return error
        except OSError as error:
            raise make_home_error(job.scratch, error) from error


def _cut(job: SegmentJob, source: Path, threads: int, on_progress: Callable[[int], None] | None) -> Segmentation:
    info = job.info or probe(source)
    if job.recut:
        shots = recut_video(
            source,
            job.video_id,
            info,
            job.store,
            job.recut,
            threads=threads,
            scratch=job.scratch,
            on_progress=on_progress,
            limits=job.limits,
        )
        return Segmentation(shots=shots, notes=[])
    damage, boundaries = Damage(), list[Boundary]()
    shots = segment_video(
        source,
        job.video_id,
        info,
        job.store,
        detector=job.detector,
        threads=threads,
        scratch=job.scratch,
        on_progress=on_progress,
        damage=damage,
        corrections=job.corrections,
        detected=boundaries,
        limits=job.limits,
    )
    return Segmentation(shots=shots, notes=damage.notes(), detected=boundaries)


_reports: SimpleQueue[tuple[str, int]] | None = None
"""In a worker process, the queue for its progress; a queue can only be passed at the start of a process."""


def _begin(reports: SimpleQueue[tuple[str, int]] | None, environment: dict[str, str]) -> None:
    global _reports
    _reports = reports
    set_environment(environment)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process ends this one


def _run_in_process(job: SegmentJob, threads: int) -> Segmentation | MediaError:
    def report(video_id: str, frames: int) -> None:
        assert _reports is not None
        _reports.put((video_id, frames))

    return run_job(job, threads, report if _reports is not None else None)
