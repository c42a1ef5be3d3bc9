"""The shots of a video: boundaries, proxies and posters, in one decoding pass."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from ops.core.errors import MediaError
from ops.core.media import FACTS_REVISION, MediaInfo
from ops.core.process_limits import ProcessLimits
from ops.core.storage import ObjectStore
from ops.core.types import DetectedShot
from ops.shots.corrected import CorrectedDetector, PlannedCuts
from ops.shots.corrections import CutCorrection
from ops.shots.cutting import CutShot, FilmCutter, TimedFrame
from ops.shots.detector import Boundary
from ops.shots.detectors.choice import describe_parameters, load_detector
from ops.shots.encode_pool import EncodePool
from ops.shots.planning import Recut
from ops.shots.reading import read_ahead
from ops.shots.scratch import open_working_folder
from ops.videos.damage import Damage

logger = logging.getLogger(__name__)

PROGRESS_STEP = 100
"""Number of frames between two progress reports."""


def make_proxy_key(video_id: str, start: int, end: int) -> str:
    """Object key of the proxy of the shot ``[start, end)``, source frame numbers."""
    return f"proxies/{video_id}/{start}-{end}.mp4"


def make_poster_key(video_id: str, start: int, end: int) -> str:
    """Object key of the poster of the shot ``[start, end)``, source frame numbers."""
    return f"posters/{video_id}/{start}-{end}.jpg"


@cache
def compute_detector_version(name: str) -> str:
    """``<name>-<8 hex digits>``: changes with the algorithm, its numbers, the proxy recipe and ``FACTS_REVISION``.

    Loads no torch. Raises ``UsageError`` for an unknown name.
    """
    from ops.shots.proxies import RECIPE

    text = f"{describe_parameters(name)} {RECIPE} facts {FACTS_REVISION}"
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
    corrections: Sequence[CutCorrection] = (),
    detected: list[Boundary] | None = None,
    limits: ProcessLimits | None = None,
) -> list[DetectedShot]:
    """Find the shots of ``source`` and put the proxy and the poster of each into ``store``.

    Shots are consecutive and gapless from frame 0 to the last. The same video gives the same shots and the same bytes
    for any number of ``threads``. Nothing reaches the store before the whole video has been read. So a ``MediaError``
    or a kill leaves the store unchanged, and at most a folder in ``scratch`` that a later run removes. Objects of an
    earlier, different segmentation of the same video are removed.

    Damaged or missing parts are recorded in ``damage``. ``on_progress`` gets the number of frames read so far, at
    intervals and at the end. If people made ``corrections``, they change the detector's boundaries, and ``detected``
    gets the detector's own. ``limits`` are those of :func:`read_ahead`.

    Raises ``MediaError`` if nothing usable decodes.
    """
    cut_detector = load_detector(detector, info.fps)
    correcting_detector = CorrectedDetector(cut_detector, corrections) if corrections else None
    frames = 0
    with open_working_folder(scratch, video_id) as folder:
        with EncodePool(threads) as pool:
            cutter = FilmCutter(video_id, info, correcting_detector or cut_detector, pool, folder)
            with read_ahead(source, info, threads, damage, limits) as items:
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
    if correcting_detector and detected is not None:
        detected += correcting_detector.detected
    if on_progress:
        on_progress(frames)
    logger.info("%s: %d shots in %d frames", video_id, len(cut), frames)
    return [one.shot for one in cut]


def recut_video(
    source: Path,
    video_id: str,
    info: MediaInfo,
    store: ObjectStore,
    recut: Recut,
    *,
    threads: int = 1,
    scratch: Path,
    on_progress: Callable[[int], None] | None = None,
    limits: ProcessLimits | None = None,
) -> list[DetectedShot]:
    """Put the proxies and posters of some shots of a video into ``store``, and return these shots.

    The video is read from its beginning to the end of the last of them, because only then are frame numbers certain;
    nothing is detected. The bytes equal those that :func:`segment_video` writes for the same frames. Objects of other
    shots stay unchanged. Raises ``MediaError`` if the video does not have these frames.
    """
    boundaries = [Boundary(each.start_frame, "cut") for each in recut.shots[1:]]
    with open_working_folder(scratch, video_id) as folder:
        with EncodePool(threads) as pool:
            cutter = FilmCutter(video_id, info, PlannedCuts(boundaries), pool, folder, recut.wanted)
            with read_ahead(source, info, threads, limits=limits) as items:
                for item in items:
                    if isinstance(item, TimedFrame):
                        cutter.add_frame(item)
                        if on_progress and (item.index + 1) % PROGRESS_STEP == 0:
                            on_progress(item.index + 1)
                    else:
                        cutter.add_sound(item)
                    if cutter.is_complete:
                        break
            cut = cutter.finish()
        spans = {each.span for each in recut.shots if each.start_frame in recut.wanted}
        if spans != {(one.shot.start_frame, one.shot.end_frame) for one in cut}:
            raise MediaError("its frames differ from those of the first cut: ingest it again")
        _put(cut, video_id, store)
    logger.info("%s: %d shots cut again", video_id, len(cut))
    return [one.shot for one in cut]


def _store(cut: list[CutShot], video_id: str, store: ObjectStore) -> None:
    """Move the files in, then remove the objects of an earlier segmentation."""
    keys = _put(cut, video_id, store)
    for prefix in (f"proxies/{video_id}", f"posters/{video_id}"):
        store.delete_unfinished(prefix)
        for key in store.list(prefix):
            if key not in keys:
                store.delete(key)


def _put(cut: list[CutShot], video_id: str, store: ObjectStore) -> set[str]:
    """Move the files in; return their keys."""
    keys = set()
    for one in cut:
        span = (video_id, one.shot.start_frame, one.shot.end_frame)
        store.put_file(one.poster, make_poster_key(*span))
        store.put_file(one.proxy, make_proxy_key(*span))
        keys |= {make_poster_key(*span), make_proxy_key(*span)}
    return keys
