"""Small true lakes: generated videos, shots and vectors, written through the real tables."""

from __future__ import annotations

import hashlib
import io
from datetime import UTC, datetime
from typing import Any

import numpy as np
from PIL import Image

from ops.core.settings import Settings
from ops.core.types import make_shot_id

ENCODER = "test-encoder.v1"
DIM = 8
FILMED = datetime(2026, 1, 1, tzinfo=UTC)  # when the footage became available
COMPUTED = datetime(2026, 1, 2, 12, 0, 0, 123456, tzinfo=UTC)  # when the rows were computed


def video_id(number: int) -> str:
    return hashlib.sha256(str(number).encode()).hexdigest()[:16]


def video_row(number: int, **changes: Any) -> dict[str, Any]:
    row = {
        "video_id": video_id(number),
        "path": f"/footage/film {number}.mp4",
        "show": f"show {number % 3}",
        "title": f"Film {number}",
        "season": None,
        "episode": number,
        "content_hash": hashlib.sha256(str(number).encode()).hexdigest(),
        "bytes": 5_000_000_000 + number,
        "fps_num": 24000,
        "fps_den": 1001,
        "frames": 240,
        "width": 640,
        "height": 360,
        "codec": "h264",
        "has_audio": True,
        "start_timecode": "01:00:00:00",
        "state": "ready",
        "reason": "",
        "available_at": FILMED,
        "event_timestamp": FILMED,
        "created_timestamp": COMPUTED,
    }
    return row | changes


def shot_rows(number: int, count: int = 4, **changes: Any) -> list[dict[str, Any]]:
    """``count`` shots of 24 frames each of one video."""
    video = video_id(number)
    return [
        {
            "shot_id": make_shot_id(video, index * 24),
            "video_id": video,
            "show": f"show {number % 3}",
            "index": index,
            "start_frame": index * 24,
            "end_frame": index * 24 + 24,
            "start_s": index * 1.001,
            "end_s": index * 1.001 + 1.001,
            "transition": "cut" if index else "start",
            "proxy_uri": f"proxies/{video}/{index}.mp4",
            "poster_uri": f"posters/{video}/{index}.jpg",
            "mean_luma": 100.25 + index,
            "is_blank": index == 2,
            "detector": "test",
            "event_timestamp": FILMED,
            "created_timestamp": COMPUTED,
        }
        | changes
        for index in range(count)
    ]


def vector_rows(number: int, count: int = 4, seed: int = 0, **changes: Any) -> list[dict[str, Any]]:
    """A unit vector for each shot of :func:`shot_rows`."""
    random = np.random.default_rng([number, seed])
    vectors = random.normal(size=(count, DIM)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return [
        {
            "shot_id": shot["shot_id"],
            "video_id": shot["video_id"],
            "show": shot["show"],
            "embedding": vector.tolist(),
            "vector_hash": hashlib.sha256(vector.tobytes()).hexdigest()[:32],
            "frames_used": 8,
            "input_hash": "0" * 16,
            "event_timestamp": FILMED,
            "created_timestamp": COMPUTED,
        }
        | changes
        for shot, vector in zip(shot_rows(number, count), vectors, strict=True)
    ]


def fill(settings: Settings, videos: int = 3, shots: int = 4) -> None:
    """A lake of ``videos`` films with ``shots`` shots each, embedded."""
    for number in range(videos):
        partition = settings.resolve_partition(video_id(number))
        settings.lake.write("videos", partition, [video_row(number)])
        settings.lake.write("shots", partition, shot_rows(number, shots))
        settings.lake.write(f"shot_embeddings/{ENCODER}", partition, vector_rows(number, shots))


def picture_of(number: int, index: int) -> bytes:
    """A poster for a shot: one colour, JPEG."""
    buffer = io.BytesIO()
    Image.new("RGB", (640, 360), (60 * number % 256, 60 * index % 256, 120)).save(buffer, "JPEG")
    return buffer.getvalue()
