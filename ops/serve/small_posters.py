"""Small versions of posters: one as an object of the store, or many at once as ``data:`` URIs."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

from PIL import UnidentifiedImageError

from ops.core.storage import ObjectStore
from ops.shots.thumbnails import read_thumbnail, shrink_poster

KEPT_POSTERS = 512
READERS = 8


class SmallPosters:
    """Small versions of posters; safe to use from several threads.

    Posters of earlier versions have none in their files. They are scaled when they are requested, and the last ones
    are kept in memory.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._shrink = lru_cache(KEPT_POSTERS)(shrink_poster)

    def find(self, key: str) -> bytes | None:
        """Return the small version of the poster ``key`` as a JPEG file; ``None`` if it is missing or unreadable."""
        try:
            poster = self._store.read_bytes(key)
            return read_thumbnail(poster) or self._shrink(poster)
        except (FileNotFoundError, UnidentifiedImageError):
            return None

    def build_uris(self, keys: Mapping[str, str]) -> dict[str, str]:
        """Return the small version of each poster as a ``data:`` URI by the name of its key; without missing ones."""
        if self._store.is_local:
            posters = [self.find(key) for key in keys.values()]
        else:
            with ThreadPoolExecutor(READERS) as pool:
                posters = list(pool.map(self.find, keys.values()))
        return {
            name: f"data:image/jpeg;base64,{b64encode(poster).decode()}"
            for name, poster in zip(keys, posters, strict=True)
            if poster is not None
        }
