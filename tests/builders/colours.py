"""Films of plain colours as a lake and an index, and an encoder that knows colours and their names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ops.core.settings import Settings
from ops.core.types import make_shot_id
from ops.embeddings.pooling import pool_mean
from ops.index.lake_videos import read_wanted_rows
from ops.index.publishing import publish
from tests.builders.filled import portable
from tests.builders.lakes import DIM, ENCODER, shot_rows, vector_rows, video_id, video_row

COLOURS = ("red", "green", "blue")
SHOWS = ("Red Dawn", "Ünder <the> Sea", "Bikes")


class ColourEncoder:
    """An encoder over colours and their names; every vector leans on a fourth axis, as real encoders' do."""

    encoder_id = ENCODER
    dim = DIM
    batch_frames, parallel_calls = 8, 1
    languages: tuple[str, ...] = ("en",)

    def read_length(self, text: str) -> int:
        return len(text)

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([lean([text.lower().split().count(colour) for colour in COLOURS]) for text in texts])

    def encode_frames(self, frames_NHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self.encode_prepared(self.prepare(frames_NHWC))

    def prepare(self, frames_NHWC: NDArray[np.uint8]) -> NDArray[Any]:
        return frames_NHWC.astype(np.float32) / 255

    def encode_prepared(self, prepared_N: NDArray[Any]) -> NDArray[np.float32]:
        return np.stack([lean(frame.mean(axis=(0, 1))) for frame in prepared_N])

    def pool(self, frame_vectors_ND: NDArray[np.float32]) -> NDArray[np.float32]:
        return pool_mean(frame_vectors_ND)


def lean(colour: Sequence[float] | NDArray[np.float32], detail: float = 0.0) -> NDArray[np.float32]:
    """The unit vector of a colour (3,), set apart from others of it by ``detail``."""
    vector = np.zeros(DIM, np.float32)
    vector[:3], vector[3], vector[4] = colour, 0.5, detail
    return vector / np.linalg.norm(vector)


def write_video(settings: Settings, number: int, vectors: list[NDArray[np.float32]], **changes: Any) -> None:
    """A film whose shots have the given vectors; shot 2 is blank (tests.builders.lakes)."""
    partition = settings.resolve_partition(video_id(number))
    video = video_row(number, **changes)
    show = {"show": video["show"]}
    rows = [
        row | {"embedding": vector, "vector_hash": vector.tobytes().hex()[:32]}
        for row, vector in zip(vector_rows(number, len(vectors), **show), vectors, strict=True)
    ]
    settings.lake.write("videos", partition, [video])
    settings.lake.write("shots", partition, shot_rows(number, len(vectors), **show))
    settings.lake.write(f"shot_embeddings/{ENCODER}", partition, rows)


def write_ends(settings: Settings, number: int, ends: list[tuple[NDArray[np.float32], NDArray[np.float32]]]) -> None:
    """The vectors of the first and last frames of a film's shots, which :func:`write_video` has written."""
    partition = settings.resolve_partition(video_id(number))
    shots = settings.lake.read("shots", [partition]).to_pylist()
    rows = [
        {name: row[name] for name in ("shot_id", "video_id", "show", "event_timestamp", "created_timestamp")}
        | {"first": first, "last": last, "reason": None, "input_hash": "0" * 16}
        for row, (first, last) in zip(shots, ends, strict=True)
    ]
    settings.lake.write(f"shot_ends/{ENCODER}", partition, rows)


def write_motion(settings: Settings, number: int, motion: list[tuple[float | None, ...]]) -> None:
    """Pan, tilt, zoom, roll and activity of a film's shots, which :func:`write_video` has written."""
    partition = settings.resolve_partition(video_id(number))
    shots = settings.lake.read("shots", [partition]).to_pylist()
    rows = [
        {name: row[name] for name in ("shot_id", "video_id", "show", "event_timestamp", "created_timestamp")}
        | dict(zip(("pan", "tilt", "zoom", "roll", "activity"), values, strict=True))
        | {"input_hash": "0" * 16}
        for row, values in zip(shots, motion, strict=True)
    ]
    settings.lake.write("shot_motion", partition, rows)


@portable
def fill_with_colours(settings: Settings) -> None:
    """The toy catalogue: three films with red, green, black (blank) and blue shots, a grey one with thirty, an index.

    The colours of each film differ a little from those of the others.
    """
    for number, show in enumerate(SHOWS):
        vectors = [lean(axis, 0.1 * number) for axis in ((1, 0, 0), (0, 1, 0), (0, 0, 0), (0, 0, 1))]
        write_video(settings, number, vectors, show=show)
    generator = np.random.default_rng(1)
    grey = [lean(0.3 + 0.03 * generator.standard_normal(3), 0.2 * generator.standard_normal()) for _ in range(30)]
    write_video(settings, len(SHOWS), grey, show="Grey")
    index_lake(settings)


def index_lake(settings: Settings) -> str:
    """Publish what the lake holds."""
    return publish(settings, ENCODER, lambda: read_wanted_rows(settings, ENCODER))


def shot(number: int, index: int) -> str:
    """Id of a shot of film ``number``."""
    return make_shot_id(video_id(number), 24 * index)
