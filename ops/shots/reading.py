"""Decode and scale ahead of the detector, in a separate thread."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager
from fractions import Fraction
from pathlib import Path

from ops.core.media import MediaInfo
from ops.core.process_limits import ProcessLimits
from ops.shots.cutting import TimedFrame, compute_exact_time
from ops.shots.scaling import FrameScaler
from ops.videos.damage import Damage
from ops.videos.reader import DecodedFrame, Sound, read_media

AHEAD = 24
"""Number of items between decoder and detector."""
MANY_THREADS = 4
"""Number of threads from which the decoder gets a second one; it costs 20-40 % more CPU for the same frames."""


def read_proxy_frames(
    source: Path, info: MediaInfo, threads: int, damage: Damage | None = None
) -> Iterator[TimedFrame | Sound]:
    """Proxy frames with exact times, and sound, in the order of the file.

    Damaged or missing parts are recorded in ``damage``. Raises ``MediaError`` if nothing usable decodes.
    """
    scaler = FrameScaler(info)
    streams = [track.stream for track in info.heard_tracks]
    times: deque[tuple[int, Fraction]] = deque()
    decoders = 2 if threads >= MANY_THREADS else 1
    reading = read_media(source, threads=decoders, audio=streams, damage=damage)
    with closing(reading) as items:  # type: ignore[type-var]
        for item in items:
            if isinstance(item, DecodedFrame):
                times.append((item.index, compute_exact_time(item.index, item.time_s, info)))
                for frame in scaler.push(item.frame):
                    yield TimedFrame(*times.popleft(), frame)
            else:
                yield item
        for frame in scaler.finish():
            yield TimedFrame(*times.popleft(), frame)


@contextmanager
def read_ahead(
    source: Path,
    info: MediaInfo,
    threads: int,
    damage: Damage | None = None,
    limits: ProcessLimits | None = None,
) -> Iterator[Iterator[TimedFrame | Sound]]:
    """The items of :func:`read_proxy_frames`, computed in another thread if ``threads`` is more than one.

    With ``limits``, this process ends if an item, or all of them, take longer: it must be a child.
    """
    with _read_in_thread(source, info, threads, damage) as items:
        if limits is None:
            yield items
            return
        with closing(limits.watch(items)) as watched_items:  # type: ignore[type-var]
            yield watched_items


@contextmanager
def _read_in_thread(
    source: Path, info: MediaInfo, threads: int, damage: Damage | None
) -> Iterator[Iterator[TimedFrame | Sound]]:
    if threads <= 1:
        yield read_proxy_frames(source, info, threads, damage)
        return
    ready: queue.Queue[TimedFrame | Sound | BaseException | None] = queue.Queue(AHEAD)
    stop = threading.Event()

    def put(item: TimedFrame | Sound | BaseException | None) -> bool:
        while not stop.is_set():
            try:
                ready.put(item, timeout=0.2)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for item in read_proxy_frames(source, info, threads, damage):
                if not put(item):
                    return
            put(None)
        except BaseException as error:  # noqa: BLE001 - raised in the caller's thread
            put(error)

    def items() -> Iterator[TimedFrame | Sound]:
        while (item := ready.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item

    thread = threading.Thread(target=work, name="decode", daemon=True)
    thread.start()
    try:
        yield items()
    finally:
        stop.set()
        thread.join()
