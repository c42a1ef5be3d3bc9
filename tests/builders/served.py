"""A small home to serve, and the service on it: as an application in this process, or behind a real socket."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np
from fastapi import FastAPI
from PIL import Image
from starlette.testclient import TestClient

from ops.core.settings import Settings, load_settings
from ops.serve.app import create_app
from ops.serve.server import listen, run, stop
from ops.shots.segment import poster_key, proxy_key
from tests.builders.colours import ColourEncoder, index_lake, lean, write_video
from tests.builders.lakes import video_id

FILM = np.random.default_rng(0).bytes(700_000)
"""What the proxy of the first shot holds: more than two pieces of a stream."""


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
    with listening(create_app(settings, encoder=ColourEncoder(), **options)) as client:
        yield client


@contextmanager
def listening(app: FastAPI) -> Iterator[httpx.Client]:
    """:func:`served` of a given application."""
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
