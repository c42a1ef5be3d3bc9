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
from ops.shots.segment import make_poster_key, make_proxy_key
from tests.builders.colours import ColourEncoder, fill_with_colours
from tests.builders.filled import portable
from tests.builders.lakes import video_id

FILM = np.random.default_rng(0).bytes(700_000)
"""What the proxy of the first shot holds: more than two pieces of a stream."""


def desk_home(home: Any, **changes: Any) -> Settings:
    """A home with :func:`fill_desk`."""
    settings = load_settings(home=home, **changes)
    fill_desk(settings)
    return settings


@portable
def fill_desk(settings: Settings) -> None:
    """The toy catalogue, and the media of its first shot."""
    fill_with_colours(settings)
    settings.store.write_bytes(make_proxy_key(video_id(0), 0, 24), FILM)
    settings.store.write_bytes(make_poster_key(video_id(0), 0, 24), jpeg("red"))


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
