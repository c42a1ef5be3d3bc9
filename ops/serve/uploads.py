"""Uploaded images to search by: checked, scaled, re-encoded and cached for a while, named by their content.

Nothing of an upload is stored as received: no name, no metadata, no bytes that only resemble an image.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import NotFoundError, UsageError
from ops.core.storage import ObjectStore, write_atomically
from ops.search.query_encoding import read_image_bytes
from ops.search.saved_pictures import PREFIX, encode_picture, make_picture_key

MOST_PICTURES = 1_000
_HASH = re.compile(r"[0-9a-f]{32}")


class Uploads:
    """Images below ``folder``, at most ``most`` of them: the least recently used are deleted first.

    Pictures of saved searches are read from ``store`` under the same names.
    """

    def __init__(self, folder: Path, store: ObjectStore, most: int = MOST_PICTURES) -> None:
        self._folder = folder
        self._store = store
        self._most = most
        self._lock = Lock()

    def keep(self, data: bytes) -> str:
        """Store the image in ``data`` and return its name, ``image:<32 hex digits>``.

        Raises ``UsageError`` if it is not an image, or too large to open safely.
        """
        name, content = encode_picture(read_image_bytes(data))
        path = self._build_path(name.removeprefix(PREFIX))
        if path.exists():
            path.touch()
        else:
            with write_atomically(path) as temporary:
                temporary.write_bytes(content)
            self._drop_oldest()
        return name

    def keep_data_uri(self, uri: str) -> str:
        """Apply :meth:`keep` to a ``data:image/...;base64,...`` URI."""
        try:
            return self.keep(base64.b64decode(uri.partition(",")[2], validate=True))
        except binascii.Error as error:
            raise UsageError("the data: URI of a picture is not base64: encode it again") from error

    def locate(self, name: str) -> tuple[ObjectStore, str]:
        """Return where the JPEG of an image is, by its 32 hex digits: a store and a key. Raises ``NotFoundError``."""
        if _HASH.fullmatch(name):
            path, key = self._build_path(name), make_picture_key(name)
            if path.exists():
                path.touch()
                return ObjectStore(str(path.parent)), path.name
            if self._store.exists(key):
                return self._store, key
        raise NotFoundError(f"no picture {name[:40]!r} is kept here (any more): upload it again")

    def read_picture(self, example: str) -> NDArray[np.uint8]:
        """Return the image that ``image:<32 hex digits>`` names: RGB uint8 (H, W, 3). Raises ``NotFoundError``."""
        store, key = self.locate(example.removeprefix(PREFIX))
        return read_image_bytes(store.read_bytes(key))

    def _build_path(self, name: str) -> Path:
        return self._folder / f"{name}.jpg"

    def _drop_oldest(self) -> None:
        with self._lock:
            files = sorted(self._list_ages(), reverse=True)
            for _, path in files[self._most :]:
                path.unlink(missing_ok=True)

    def _list_ages(self) -> Iterator[tuple[int, Path]]:
        for path in self._folder.glob("[0-9a-f]*.jpg"):
            yield path.stat().st_mtime_ns, path
