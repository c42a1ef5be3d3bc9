"""Frames of pairs: images from parquet and tar files, shots from their proxies.

Legend: T frames, H x W pixels, C = RGB.
"""

from __future__ import annotations

import io
import math
import struct
import threading
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ops.core.errors import MediaError, StorageError
from ops.core.settings import Settings
from ops.embeddings.frames import read_frames, sample_positions
from ops.shots.segment import make_proxy_key
from ops.training.clip_frames import read_clip_frames
from ops.training.pairs import CaptionPair
from ops.training.shard_members import list_members
from ops.videos.film_errors import convert_film_errors

Pixels = NDArray[np.uint8]

_FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
"""Formats that Pillow decodes itself; for EPS it would start another program."""
_IMAGE_ERRORS = (
    OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, OverflowError, EOFError, struct.error, zlib.error
)  # fmt: skip
"""Errors of Pillow for damaged images."""


class PairReader:
    """Reads the frames of pairs; safe for many threads. Files stay open until :meth:`close`."""

    def __init__(self, settings: Settings, pairs: Sequence[CaptionPair], frames: int) -> None:
        self._store = settings.store
        self._frames = frames
        self._opening = threading.Lock()
        self._files: dict[str, _File] = {}
        partitions = {settings.resolve_partition(pair.video_id) for pair in pairs if pair.shot_id}
        shots = settings.lake.read("shots", sorted(partitions)).to_pylist() if partitions else []
        self._shots = {shot["shot_id"]: shot for shot in shots}

    def __getstate__(self) -> dict[str, object]:
        """Leave out open files: another process opens its own."""
        return {"_store": self._store, "_frames": self._frames, "_shots": self._shots}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state, _files={}, _opening=threading.Lock())

    def __enter__(self) -> PairReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for file in self._files.values():
            file.close()
        self._files.clear()

    def read(self, pair: CaptionPair) -> list[Pixels]:
        """Return RGB frames of a pair, each (H, W, C): one of an image, several of a shot.

        Raises ``MediaError`` if an image, ``StorageError`` if a proxy cannot be read.
        """
        if pair.kind == "clip":
            return list(_read_clip(pair, self._frames))
        if not pair.shot_id:
            return [decode_image(f"{pair.member} of {pair.source}", self._read_bytes(pair))]
        shot = self._shots.get(pair.shot_id)
        if shot is None:
            raise StorageError(f"shot {pair.shot_id} is not in the catalogue any more")
        length = shot["end_frame"] - shot["start_frame"]
        key = make_proxy_key(pair.video_id, shot["start_frame"], shot["end_frame"])
        try:
            return list(read_frames(self._store, key, sample_positions(length, self._frames), length))
        except StorageError as error:
            raise StorageError(f"the proxy of shot {pair.shot_id} {error}") from error

    def _read_bytes(self, pair: CaptionPair) -> bytes:
        try:
            return self._open_file(pair.source).read(pair.member)
        except (OSError, LookupError, ValueError, TypeError, pa.ArrowException) as error:
            raise MediaError(
                f"the image {pair.member} is not in {pair.source} any more ({type(error).__name__}: {error})"
            ) from error

    def _open_file(self, source: str) -> _File:
        with self._opening:
            if source not in self._files:
                kind = _KINDS.get(source.rpartition(".")[2], _Single)
                self._files[source] = kind(source)
            return self._files[source]


class _File:
    def read(self, member: str) -> bytes:
        raise NotImplementedError

    def close(self) -> None: ...


class _Parquet(_File):
    """The images of a parquet file, mapped into memory if it is not compressed."""

    def __init__(self, source: str) -> None:
        try:
            self._images: Any = pq.read_table(source, columns=["image"], memory_map=True)["image"]
        except (OSError, KeyError, pa.ArrowException) as error:
            raise MediaError(f"{source} cannot be read: {error}") from error

    def read(self, member: str) -> bytes:
        return bytes(self._images[int(member)].as_py())


class _Shard(_File):
    """Members of a tar file by name."""

    def __init__(self, source: str) -> None:
        try:
            self._handle = open(source, "rb")  # noqa: SIM115 - stays open, close() closes it
            size = Path(source).stat().st_size
        except OSError as error:
            raise MediaError(f"{source} cannot be read: {error}") from error
        places = list_members(self._handle, size, source, lambda thing, reason: None)  # faults are reported before
        self._places = {place.name: (place.offset, place.size) for place in places}
        self._reading = threading.Lock()

    def read(self, member: str) -> bytes:
        offset, size = self._places[member]
        with self._reading:
            self._handle.seek(offset)
            return self._handle.read(size)

    def close(self) -> None:
        self._handle.close()


class _Single(_File):
    """A file that is one image."""

    def __init__(self, source: str) -> None:
        self._source = source

    def read(self, member: str) -> bytes:
        return Path(self._source).read_bytes()


_KINDS: dict[str, Callable[[str], _File]] = {"tar": _Shard, "parquet": _Parquet}


def _read_clip(pair: CaptionPair, frames: int) -> Pixels:
    with convert_film_errors(pair.source, "reading its frames"):
        return read_clip_frames(Path(pair.source), frames)


def decode_image(name: str, data: bytes) -> Pixels:
    """Return the RGB pixels (H, W, C) of an encoded image, upright. Raises ``MediaError`` with its ``name``."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            # Pillow refuses twice as many (268 MB as RGB, in each thread), and only warns of these.
            if image.width * image.height > (Image.MAX_IMAGE_PIXELS or math.inf):
                raise ValueError(f"it has {image.width * image.height:,} pixels, which is too many")
            return np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except (*_IMAGE_ERRORS, Image.DecompressionBombError) as error:
        # For unknown formats Pillow's message has the address of a buffer, so it would differ each time.
        reason = "its format is unknown" if isinstance(error, UnidentifiedImageError) else str(error)
        raise MediaError(f"the image {name} cannot be decoded: {reason}") from error
