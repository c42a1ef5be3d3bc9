"""A small home to serve, and the service on it: as an application in this process, or behind a real socket."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np
from fastapi import FastAPI
from numpy.typing import NDArray
from PIL import Image
from starlette.testclient import TestClient

from ops.core.settings import Settings, load_settings
from ops.core.types import shot_id_of
from ops.index.build import wanted_rows
from ops.index.index import publish
from ops.serve.app import create_app
from ops.serve.server import listen, run, stop
from ops.shots.segment import poster_key, proxy_key
from tests.lakes import DIM, ENCODER, shot_rows, vector_rows, video_id, video_row

COLOURS = ("red", "green", "blue")

FILM = np.random.default_rng(0).bytes(700_000)
"""What the proxy of the first shot holds: more than two pieces of a stream."""


class ColourEncoder:
    """An encoder over colours and their names; every vector leans on a fourth axis, as real encoders' do."""

    encoder_id = ENCODER
    dim = DIM
    batch_frames = 8

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.stack([lean([text.lower().split().count(colour) for colour in COLOURS]) for text in texts])

    def encode_frames(self, frames_NHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self.encode_prepared(self.prepare(frames_NHWC))

    def prepare(self, frames_NHWC: NDArray[np.uint8]) -> NDArray[Any]:
        return frames_NHWC.astype(np.float32) / 255

    def encode_prepared(self, prepared_N: NDArray[Any]) -> NDArray[np.float32]:
        return np.stack([lean(frame.mean(axis=(0, 1))) for frame in prepared_N])


def lean(colour: Sequence[float] | NDArray[np.float32], detail: float = 0.0) -> NDArray[np.float32]:
    """The unit vector of a colour (3,), set apart from others of it by ``detail``."""
    vector = np.zeros(DIM, np.float32)
    vector[:3], vector[3], vector[4] = colour, 0.5, detail
    return vector / np.linalg.norm(vector)


def write_video(settings: Settings, number: int, vectors: list[NDArray[np.float32]], **changes: Any) -> None:
    """A film whose shots have the given vectors; shot 2 is blank (tests.lakes)."""
    partition = settings.partition_of(video_id(number))
    video = video_row(number, **changes)
    show = {"show": video["show"]}
    rows = [
        row | {"embedding": vector, "vector_hash": vector.tobytes().hex()[:32]}
        for row, vector in zip(vector_rows(number, len(vectors), **show), vectors, strict=True)
    ]
    settings.lake.write("videos", partition, [video])
    settings.lake.write("shots", partition, shot_rows(number, len(vectors), **show))
    settings.lake.write(f"shot_embeddings/{ENCODER}", partition, rows)


def index_lake(settings: Settings) -> str:
    """Publish what the lake holds."""
    return publish(settings, ENCODER, lambda: wanted_rows(settings, ENCODER))


def shot(number: int, index: int) -> str:
    """Id of a shot of film ``number``."""
    return shot_id_of(video_id(number), 24 * index)


def desk_home(home: Any, **changes: Any) -> Settings:
    """Three films with red, green, black (blank) and blue shots, and a grey one with thirty."""
    settings = load_settings(home=home, **changes)
    for number in range(3):
        vectors = [lean(axis, 0.1 * number) for axis in ((1, 0, 0), (0, 1, 0), (0, 0, 0), (0, 0, 1))]
        write_video(settings, number, vectors, show=("Red Dawn", "Ünder <the> Sea", "Bikes")[number])
    generator = np.random.default_rng(1)
    grey = [lean(0.3 + 0.03 * generator.standard_normal(3), 0.2 * generator.standard_normal()) for _ in range(30)]
    write_video(settings, 3, grey, show="Grey")
    settings.store.write_bytes(proxy_key(video_id(0), 0, 24), FILM)
    settings.store.write_bytes(poster_key(video_id(0), 0, 24), jpeg("red"))
    index_lake(settings)
    return settings


def jpeg(colour: str = "blue", size: tuple[int, int] = (64, 36)) -> bytes:
    """A picture of one colour."""
    target = io.BytesIO()
    Image.new("RGB", size, colour).save(target, "JPEG")
    return target.getvalue()


@contextmanager
def client_of(settings: Settings, **options: Any) -> Iterator[TestClient]:
    """A client of the application in this process, warm."""
    app = create_app(settings, encoder=ColourEncoder(), **options)
    with TestClient(app, base_url="http://localhost", raise_server_exceptions=False) as client:
        warm(app)
        yield client


def warm(app: FastAPI) -> None:
    """Wait until the service has its encoder and its index."""
    until = time.monotonic() + 20
    while app.state.service.status == "warming":
        assert time.monotonic() < until, "the service does not get warm"
        time.sleep(0.01)


@contextmanager
def served(settings: Settings, **options: Any) -> Iterator[httpx.Client]:
    """A client of the service behind a socket on loopback; the server ends with the block."""
    app = create_app(settings, encoder=ColourEncoder(), **options)
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    thread = threading.Thread(target=run, args=(app, listener))
    thread.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
            warm(app)
            yield client
    finally:
        stop(app)
        thread.join(20)
        assert not thread.is_alive(), "the server does not stop"
