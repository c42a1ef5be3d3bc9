"""Choose the engine of an encoder's index by the settings, and let one publisher at a time write to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path

from ops.core.errors import VectorIndexError
from ops.core.locks import lock_exclusively
from ops.core.qdrant_options import parse_qdrant_options
from ops.core.settings import Settings
from ops.index.backends.scan import ScanVersions
from ops.index.backends.server import ServerVersions
from ops.index.backends.server_versions import reuse_client
from ops.index.catalogue_name import pin_catalogue_name, read_catalogue_name, take_turns
from ops.index.points import Versions


def choose_engine(settings: Settings, encoder_id: str, *, publishes: bool = False) -> Versions:
    if settings.qdrant_url:
        options = parse_qdrant_options(settings.qdrant_options)
        client = reuse_client(settings.qdrant_url, settings.qdrant_api_key.get_secret_value(), options.grpc)
        catalogue = pin_catalogue_name(settings) if publishes else read_catalogue_name(settings)
        return ServerVersions(
            client,
            encoder_id,
            settings.qdrant_url,
            catalogue=catalogue,
            holder=settings.home_name,
            options=options,
            take_turns=partial(take_turns, settings),
        )
    if "/" in encoder_id or "\x00" in encoder_id or encoder_id.startswith("."):
        raise VectorIndexError(f"{encoder_id!r} cannot name an index folder: it has a slash or starts with a dot")
    return _find_folder(settings.home, encoder_id)


@lru_cache(maxsize=16)
def _find_folder(home: Path, encoder_id: str) -> ScanVersions:
    return ScanVersions(home / "index" / encoder_id)


@contextmanager
def hold_versions(settings: Settings, encoder_id: str, *, publishes: bool = True) -> Iterator[Versions]:
    """The versions of an encoder's index, for the only publisher: others wait."""
    versions = choose_engine(settings, encoder_id, publishes=publishes)
    with lock_exclusively(settings.home / "locks" / f"index-{encoder_id}.lock"):
        yield versions
