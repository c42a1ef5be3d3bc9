"""Read a picture that somebody gives as an example: any size, any camera, and possibly hostile."""

from __future__ import annotations

import io
import stat
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import NotFoundError, UsageError

# Formats that Pillow decodes by itself; EPS and the like would start other programs.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
MAX_BYTES = 64 * 1024 * 1024
# Twice the largest common camera; as RGB 300 MB for a moment.
MAX_PIXELS = 100_000_000
# Encoders look at 224 to 448 pixels; more would only cost memory.
MAX_SIDE = 1024


def read_image(path: Path) -> NDArray[np.uint8]:
    """The picture, upright, RGB: uint8 (H, W, 3), both sides at most 1,024; of an animation the first frame.

    Raises ``NotFoundError`` where there is no such file, ``UsageError`` where it is no usable picture or is
    too large to be opened safely.
    """
    _refuse_unusual(path)
    return _decoded(path, repr(str(path)))


def read_image_bytes(data: bytes) -> NDArray[np.uint8]:
    """:func:`read_image` of a file's content that came from outside. Raises ``UsageError``."""
    if len(data) > MAX_BYTES:
        raise UsageError(f"the picture has {len(data) >> 20} MB; it may have {MAX_BYTES >> 20}")
    return _decoded(io.BytesIO(data), "what was sent")


def _decoded(source: Path | io.BytesIO, name: str) -> NDArray[np.uint8]:
    from PIL import Image, ImageOps

    try:
        with Image.open(source, formats=FORMATS) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise _too_large(name)
            picture.draft("RGB", (MAX_SIDE, MAX_SIDE))  # JPEG only: decode at a fraction of the size
            upright = ImageOps.exif_transpose(picture)
            upright.thumbnail((MAX_SIDE, MAX_SIDE))
            return np.asarray(_flat(upright), np.uint8).copy()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(name) from error
    # What Pillow's decoders raise on damaged files.
    except (OSError, SyntaxError, ValueError, TypeError, IndexError, OverflowError, struct.error, zlib.error) as error:
        raise UsageError(
            f"{name} is not a picture that can be read ({', '.join(FORMATS)}): save it again as JPEG or PNG"
        ) from error


def _refuse_unusual(path: Path) -> None:
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        raise NotFoundError(
            f"{str(path)!r} is neither a shot id nor a file: `needle shots VIDEO` lists the shots of a video"
        ) from error
    if not stat.S_ISREG(found.st_mode):
        raise UsageError(f"{str(path)!r} is not a file: give a picture or a shot id")
    if found.st_size > MAX_BYTES:
        raise UsageError(f"{str(path)!r} has {found.st_size >> 20} MB; a picture may have {MAX_BYTES >> 20}")


def _too_large(name: str) -> UsageError:
    return UsageError(f"{name} has more than {MAX_PIXELS // 1_000_000} million pixels: scale it down")


def _flat(picture: object) -> object:
    """RGB; what is transparent becomes white, as on a page."""
    from PIL import Image

    assert isinstance(picture, Image.Image)
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    layered = picture.convert("RGBA")
    flat = Image.new("RGB", layered.size, "white")
    flat.paste(layered, mask=layered.getchannel("A"))
    return flat
