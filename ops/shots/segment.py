"""A film in, its shots out: boundaries, proxies and posters, in one decoding pass."""

from __future__ import annotations

import hashlib
import logging
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing import get_context
from multiprocessing.queues import SimpleQueue
from pathlib import Path

from ops.core.errors import MediaError, NeedleError, StorageError
from ops.core.media import FACTS_REVISION, MediaInfo
from ops.core.storage import ObjectStore
from ops.core.types import Shot
from ops.shots.cutting import CutShot, FilmCutter, TimedFrame
from ops.shots.detectors.choice import detector_parameters, load_detector
from ops.shots.lanes import Crew
from ops.shots.reading import read_ahead
from ops.shots.scratch import working_folder
from ops.videos.damage import Damage
from ops.videos.library import local_source
from ops.videos.probe import probe

logger = logging.getLogger(__name__)

PROGRESS_STEP = 100
"""Frames between two reports of progress."""
REPORT_EVERY_S = 0.3


def proxy_key(video_id: str, start: int, end: int) -> str:
    """Object key of the proxy of the shot ``[start, end)``, source frame numbers."""
    return f"proxies/{video_id}/{start}-{end}.mp4"


def poster_key(video_id: str, start: int, end: int) -> str:
    """Object key of the poster of the shot ``[start, end)``, source frame numbers."""
    return f"posters/{video_id}/{start}-{end}.jpg"


@cache
def detector_version(name: str) -> str:
    """``<name>-<8 hex digits>``: changes with the algorithm, its numbers, the recipe of the proxies and the revision of
    the facts about sources. Loads no torch.

    Raises ``UsageError`` for an unknown name.
    """
    from ops.shots.proxies import RECIPE

    text = f"{detector_parameters(name)} {RECIPE} facts {FACTS_REVISION}"
    return f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def segment_video(
    source: Path,
    video_id: str,
    info: MediaInfo,
    store: ObjectStore,
    *,
    detector: str = "auto",
    threads: int = 1,
    scratch: Path,
    on_progress: Callable[[int], None] | None = None,
    damage: Damage | None = None,
) -> list[Shot]:
    """Find the shots of ``source`` and put the proxy and the poster of each into ``store``.

    Shots are consecutive and gapless from frame 0 to the last. The same film gives the same shots and the same
    bytes for any number of ``threads``. Nothing reaches the store before the whole film has been read: a
    ``MediaError`` (raised if nothing useful decodes) or a kill leaves the store as it was, and at most a folder
    in ``scratch`` that a later run removes. Objects of an earlier, different segmentation of the same video are
    removed. What is damaged or missing is recorded in ``damage``. ``on_progress`` gets the number of frames read so
    far, now and then and at the end.
    """
    chosen = load_detector(detector)
    frames = 0
    with working_folder(scratch, video_id) as folder:
        with Crew(threads) as crew:
            cutter = FilmCutter(video_id, info, chosen, crew, folder)
            with read_ahead(source, info, threads, damage) as items:
                for item in items:
                    if isinstance(item, TimedFrame):
                        cutter.add_frame(item)
                        frames = item.index + 1
                        if on_progress and frames % PROGRESS_STEP == 0:
                            on_progress(frames)
                    else:
                        cutter.add_sound(item)
            cut = cutter.finish()
        _store(cut, video_id, store)
    if on_progress:
        on_progress(frames)
    logger.info("%s: %d shots in %d frames", video_id, len(cut), frames)
    return [one.shot for one in cut]


def _store(cut: list[CutShot], video_id: str, store: ObjectStore) -> None:
    """Move the files in, then remove what an earlier segmentation left."""
    keys = set()
    for one in cut:
        span = (video_id, one.shot.start_frame, one.shot.end_frame)
        store.put_file(one.poster, poster_key(*span))
        store.put_file(one.proxy, proxy_key(*span))
        keys |= {poster_key(*span), proxy_key(*span)}
    for prefix in (f"proxies/{video_id}", f"posters/{video_id}"):
        store.delete_unfinished(prefix)
        for key in store.list(prefix):
            if key not in keys:
                store.delete(key)


@dataclass(frozen=True, kw_only=True)
class SegmentJob:
    """One film to cut: its path or ``s3://`` address, its id, and where the results go. Picklable.

    ``frames`` is about how long it is; the longest films are begun first.
    """

    path: str
    video_id: str
    frames: int
    store: ObjectStore
    detector: str = "auto"
    scratch: Path


@dataclass(frozen=True, kw_only=True)
class Segmentation:
    """The shots of one film, and what was damaged or missing in it, in sentences. Picklable."""

    shots: list[Shot]
    notes: list[str]


def segment_videos(
    jobs: Sequence[SegmentJob], workers: int, *, on_progress: Callable[[str, int], None] | None = None
) -> Iterator[tuple[SegmentJob, Segmentation | MediaError]]:
    """Cut many films, yielding each when it is done, in any order; damage in one is a result, not an end.

    Films are spread over ``workers`` spawned processes (a decoder that crosses ``fork`` hangs), the longest
    first, with at least two threads each, so that a long film does not end on one core; a single film is cut in
    this process. A film from an object store is fetched by the process that cuts it, and removed afterwards.
    ``on_progress`` gets a video id and how many of its frames were read, in this process. Raises ``NeedleError``
    if a process dies, and whatever else :func:`segment_video` raises. Where the caller stops (Ctrl-C), so do the
    processes, in the middle of their films.
    """
    processes = min(workers, len(jobs))
    if processes <= 1:
        yield from ((job, _run(job, workers, on_progress)) for job in jobs)
        return
    longest_first = sorted(jobs, key=lambda job: job.frames, reverse=True)
    context = get_context("spawn")
    reports = context.SimpleQueue() if on_progress else None
    pool = ProcessPoolExecutor(processes, mp_context=context, initializer=_report_to, initargs=(reports,))
    try:
        threads = max(2, workers // processes)
        with _interrupts_held_back():  # as the processes that this starts have them, until they ignore them
            running = {pool.submit(_run_in_process, job, threads): job for job in longest_first}
        waiting = set(running)
        while waiting:
            done, waiting = wait(waiting, timeout=REPORT_EVERY_S if on_progress else None, return_when=FIRST_COMPLETED)
            while on_progress and reports and not reports.empty():
                on_progress(*reports.get())
            for future in done:
                yield running[future], future.result()
    except BrokenProcessPool as error:
        raise NeedleError(
            "a process that was cutting footage ended suddenly, maybe for want of memory: run again with fewer workers"
        ) from error
    except Exception:
        raise
    except BaseException:  # a person stops it: nobody waits for what is under way
        for process in list(pool._processes.values()):
            process.terminate()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _run(
    job: SegmentJob, threads: int, on_progress: Callable[[str, int], None] | None = None
) -> Segmentation | MediaError:
    damage = Damage()
    with ExitStack() as stack:
        try:
            source = stack.enter_context(local_source(job.path, job.scratch))
        except MediaError as error:
            return error
        except StorageError as error:
            return MediaError(f"it could not be fetched ({error}): try again with `needle ingest --retry`")
        try:
            shots = segment_video(
                source,
                job.video_id,
                probe(source),
                job.store,
                detector=job.detector,
                threads=threads,
                scratch=job.scratch,
                on_progress=partial(on_progress, job.video_id) if on_progress else None,
                damage=damage,
            )
            return Segmentation(shots=shots, notes=damage.notes())
        except MediaError as error:
            return error


_reports: SimpleQueue[tuple[str, int]] | None = None
"""In a worker process, where its progress goes; a queue can only be handed over at the start of a process."""


def _report_to(reports: SimpleQueue[tuple[str, int]] | None) -> None:
    global _reports
    _reports = reports
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # who started this process ends it


def _run_in_process(job: SegmentJob, threads: int) -> Segmentation | MediaError:
    def report(video_id: str, frames: int) -> None:
        assert _reports is not None
        _reports.put((video_id, frames))

    return _run(job, threads, report if _reports is not None else None)
