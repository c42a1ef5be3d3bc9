"""Uploaded images to search by: checked, scaled, re-encoded and cached for a while, named by their content.

Nothing of an upload is stored as received: no name, no metadata, no bytes that only resemble an image.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import io
import re
from collections.abc import Iterator
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import NotFoundError, UsageError
from ops.core.storage import write_atomically
from ops.search.query_encoding import read_image_bytes

KEPT = 1_000
QUALITY = 90
PREFIX = "image:"
_HASH = re.compile(r"[0-9a-f]{32}")


class Uploads:
    """Images below ``folder``, at most ``kept`` of them: the least recently used are deleted first."""

    def __init__(self, folder: Path, kept: int = KEPT) -> None:
        self._folder = folder
        self._kept = kept
        self._lock = Lock()

    def keep(self, data: bytes) -> str:
        """Store the image in ``data`` and return its name, ``image:<32 hex digits>``.

        Raises ``UsageError`` if it is not an image, or too large to open safely.
        """
        from PIL import Image

        picture = read_image_bytes(data)
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "JPEG", quality=QUALITY)
        name = hashlib.blake2b(buffer.getvalue(), digest_size=16).hexdigest()
        path = self._build_path(name)
        if path.exists():
            path.touch()
        else:
            with write_atomically(path) as temporary:
                temporary.write_bytes(buffer.getvalue())
            self._drop_oldest()
        return PREFIX + name

    def keep_data_uri(self, uri: str) -> str:
        """Apply :meth:`keep` to a ``data:image/...;base64,...`` URI."""
        try:
            return self.keep(base64.b64decode(uri.partition(",")[2], validate=True))
        except binascii.Error as error:
            raise UsageError("the data: URI of a picture is not base64: encode it again") from error

    def find_path(self, name: str) -> Path:
        """Return the JPEG of a stored image, by its 32 hex digits. Raises ``NotFoundError``."""
        if not _HASH.fullmatch(name) or not self._build_path(name).exists():
            raise NotFoundError(f"no picture {name[:40]!r} is kept here (any more): upload it again")
        return self._build_path(name)

    def read_picture(self, example: str) -> NDArray[np.uint8]:
        """Return the image that ``image:<32 hex digits>`` names: RGB uint8 (H, W, 3). Raises ``NotFoundError``."""
        path = self.find_path(example.removeprefix(PREFIX))
        path.touch()
        return read_image_bytes(path.read_bytes())

    def _build_path(self, name: str) -> Path:
        return self._folder / f"{name}.jpg"

    def _drop_oldest(self) -> None:
        with self._lock:
            files = sorted(self._list_ages(), reverse=True)
            for _, path in files[self._kept :]:
                path.unlink(missing_ok=True)

    def _list_ages(self) -> Iterator[tuple[int, Path]]:
        for path in self._folder.glob("[0-9a-f]*.jpg"):
            yield path.stat().st_mtime_ns, path
