"""Code of the steps that read frames of each shot: inputs, videos, a model that may fail, frames, retries.

Stands alone because ``screen_text`` and ``shot_faces`` are due, fail and are tried again by the same rules.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Collection, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import MediaError
from ops.core.rows import LakeShot, LakeVideo
from ops.core.settings import Settings
from ops.core.types import Progress
from ops.shots.build import read_shots_by_video
from ops.shots.proxies import read_key_frames, read_proxy
from ops.shots.segment import make_proxy_key
from ops.videos import catalogue

EXACT_FRAMES = 60
"""Shots with more frames are looked at in their key frames, which are half a second apart."""

Rows = TypeVar("Rows")
Model = TypeVar("Model")


def hash_shot_inputs(shot: LakeShot, recipe: str) -> str:
    """Return the hash of all inputs of a look at a shot under a recipe: 16 hex digits of BLAKE2b."""
    text = f"{recipe} {shot['shot_id']}-{shot['end_frame']} {shot['detector']}"
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def is_usable(video: LakeVideo) -> bool:
    """Return True if the shots of a video are looked at."""
    return video["state"] in ("ready", "pending")


def load_videos(
    settings: Settings, partitions: Iterable[str], load: Callable[[Settings, str, list[LakeShot]], Rows]
) -> list[Rows]:
    """Return ``load(settings, video_id, shots)`` of the usable videos, and of those whose shots are gone.

    The rows of the latter are to be deleted. Those of a removed video stay: its file may come back.
    """
    videos = []
    for partition in partitions:
        shots = read_shots_by_video(settings, partition)
        rows: list[LakeVideo] = catalogue.read_videos(settings.lake, [partition])
        for video in rows:
            video_shots = shots.get(video["video_id"], [])
            if is_usable(video) or (not video_shots and video["state"] != "removed"):
                videos.append(load(settings, video["video_id"], video_shots))
    return videos


def load_model_or_report(
    make: Callable[[], Model], progress: Progress, stage: str, thing: str
) -> tuple[Model | None, str]:
    """Return the model that ``make`` loads, or ``None`` with the reason why it fails, which is reported."""
    try:
        return make(), ""
    except MediaError as error:
        progress.set_aside(stage, thing, str(error))
        return None, str(error)


def read_pictures(settings: Settings, shot: LakeShot, positions: Sequence[int]) -> NDArray[np.uint8]:
    """Return the frames at these positions of a shot's proxy, RGB uint8 (N, H, W, 3).

    Raises ``MediaError`` if the proxy is missing or unreadable.
    """
    with _fetch_proxy(settings, shot) as path:
        return read_proxy(path, positions, shot["end_frame"] - shot["start_frame"])


def read_near_pictures(
    settings: Settings, shot: LakeShot, positions: Sequence[int]
) -> Generator[tuple[int, NDArray[np.uint8]]]:
    """Yield frames near these positions of a shot's proxy, by their own position, ascending, RGB uint8 (H, W, 3).

    They are the nearest key frames, at most a quarter of a second away, or in a short shot the frames themselves. The
    proxy is fetched once, and of a long shot one frame is in memory. Raises ``MediaError`` as :func:`read_pictures`.
    """
    if not positions:
        return
    if shot["end_frame"] - shot["start_frame"] <= EXACT_FRAMES:
        yield from zip(positions, read_pictures(settings, shot, positions), strict=True)
        return
    with _fetch_proxy(settings, shot) as path:
        yield from read_key_frames(path, positions, shot["end_frame"] - shot["start_frame"])


@contextmanager
def _fetch_proxy(settings: Settings, shot: LakeShot) -> Iterator[Path]:
    key = make_proxy_key(shot["video_id"], shot["start_frame"], shot["end_frame"])
    try:
        with (
            tempfile.TemporaryDirectory(prefix="needle-") as scratch,
            settings.store.fetch_local_file(key, Path(scratch)) as path,
        ):
            yield path
    except FileNotFoundError as error:
        raise MediaError("is missing") from error


def retry_unread(settings: Settings, table: str, video_ids: Collection[str]) -> None:
    """Delete the rows with a reason of these videos, so that the next run looks at those shots again."""
    for video_id in video_ids:
        partition = settings.resolve_partition(video_id)
        rows = settings.lake.read(table, [partition]).to_pylist()
        own_rows = [row for row in rows if row["video_id"] == video_id]
        if any(row["reason"] for row in own_rows):
            settings.lake.update(table, partition, video_id, [row for row in own_rows if not row["reason"]])
