"""Compute the vector of a query from texts, shots and images.

Example images come from untrusted sources: any size, any camera, and possibly hostile.
"""

from __future__ import annotations

import io
import stat
import struct
import zlib
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import NotFoundError, UsageError
from ops.core.settings import Settings
from ops.core.types import parse_shot_id
from ops.embeddings.encoder import Encoder, encode_images, load_encoder, resolve_encoder
from ops.index.index import VectorIndex

Vector = NDArray[np.float32]
Pictures = Callable[[str], NDArray[np.uint8]]

# Rocchio's weights of query, wanted and unwanted examples (J. J. Rocchio, "Relevance feedback in information
# retrieval", 1971). Manning, Raghavan and Schuetze, "Introduction to Information Retrieval" (2008), section 9.1.1, give
# 1 / 0.75 / 0.15 for long lists of judged documents. Here examples are few and chosen by hand, so a wanted one counts
# as much as the words, and an unwanted one half as much.
TEXT_WEIGHT = 1.0
LIKE_WEIGHT = 1.0
UNLIKE_WEIGHT = 0.5
# Unwanted words weigh less: from 0.4 on they push the right shots of annotated queries down, too
# (`tests/quality/test_exclusion_quality.py`, 28 November 2026).
UNLIKE_WORDS_WEIGHT = 0.3

# A sum shorter than this has no meaningful direction: its parts cancel out.
SHORTEST = 1e-3

# Formats that Pillow decodes itself; EPS and similar formats would start other programs.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
MAX_BYTES = 64 * 1024 * 1024
# Twice the largest common camera; as RGB 300 MB during decoding.
MAX_PIXELS = 100_000_000
# Encoders look at 224 to 448 pixels; more would only cost memory.
MAX_SIDE = 1024


class QueryEncoder:
    """Computes vectors of queries; safe to use from several threads.

    The encoder is loaded when it is first needed: its text half for words, all of it for images, none of it for shots.
    ``pictures`` converts an example that is not a shot id into RGB uint8 (H, W, 3).
    """

    def __init__(self, settings: Settings, encoder: Encoder | None, pictures: Pictures) -> None:
        self._settings = settings
        self._given_encoder = encoder
        self._pictures = pictures
        self._lock = Lock()

    @cached_property
    def encoder_id(self) -> str:
        """Return the id of the encoder; resolved at first use, without loading the encoder."""
        return self._given_encoder.encoder_id if self._given_encoder else resolve_encoder(self._settings).encoder_id

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors, float32 (B, D)."""
        with self._lock:  # loads once, also if several threads call at first
            encoder = self._text_encoder
        return encoder.encode_text([text.strip() for text in texts])

    def encode_text(self, text: str) -> Vector | None:
        """Return a unit vector, float32 (D,), or ``None`` if the text is blank."""
        return np.asarray(self.encode_texts([text])[0], np.float32) if text.strip() else None

    def languages(self) -> tuple[str, ...]:
        """Return languages of the texts that it reads, ISO 639-1; empty for any."""
        with self._lock:
            return self._text_encoder.languages

    def read_length(self, text: str) -> int:
        """Return how many characters of a text it reads, from the first."""
        with self._lock:
            encoder = self._text_encoder
        return encoder.read_length(text)

    def encode_frames(self, frames_NHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return unit vectors, float32 (N, D), of RGB images of one size, encoded as shots of one frame.

        Raises ``EncoderError``.
        """
        with self._lock:
            encoder = self._whole_encoder
        return encode_images(encoder, frames_NHWC)

    def encode_examples(
        self, index: VectorIndex, names: Sequence[str], starts_of: Callable[[str], list[int]]
    ) -> dict[str, Vector]:
        """Return unit vectors, float32 (D,), by example: a shot id of the index, or an image.

        ``starts_of`` returns the start frames of a video's shots, for the message about an unknown shot.
        Raises ``NotFoundError`` for an unknown shot, and the errors of ``pictures``.
        """
        if not names:
            return {}
        vectors = index.vectors([name for name in names if parse_shot_id(name)])
        for name in names:
            if name not in vectors:
                if id_parts := parse_shot_id(name):
                    raise _report_unknown_shot(name, id_parts[1], starts_of(id_parts[0]))
                vectors[name] = np.asarray(self.encode_frames(self._pictures(name)[np.newaxis])[0], np.float32)
        return vectors

    @cached_property
    def _text_encoder(self) -> Encoder:
        return self._given_encoder or load_encoder(self.encoder_id, self._settings.home, part="text")

    @cached_property
    def _whole_encoder(self) -> Encoder:
        return self._given_encoder or load_encoder(self.encoder_id, self._settings.home, part="both")


def _report_unknown_shot(shot_id: str, frame: int, starts: Sequence[int]) -> NotFoundError:
    video_id = shot_id.rpartition(":")[0]
    if not starts:
        return NotFoundError(f"no shot {shot_id!r}: the catalogue has no video {video_id}")
    nearest = sorted(sorted(starts, key=lambda start: abs(start - frame))[:3])
    shot_ids = ", ".join(f"{video_id}:{start}" for start in nearest)
    return NotFoundError(f"no shot {shot_id!r} is indexed; shots near that frame: {shot_ids}")


def combine(
    text: NDArray[np.float32] | None,
    like: Sequence[NDArray[np.float32]],
    unlike: Sequence[NDArray[np.float32]],
    unlike_words: Sequence[NDArray[np.float32]] = (),
) -> NDArray[np.float32]:
    """Return one unit vector, float32 (D,), for a query of unit vectors (D,).

    ``TEXT_WEIGHT * text + LIKE_WEIGHT * mean(like) - UNLIKE_WEIGHT * mean(unlike)
    - UNLIKE_WORDS_WEIGHT * mean(unlike_words)``, normalised to unit length. Missing parts count nothing.
    Raises ``UsageError`` without text and ``like``, and if the parts cancel out.
    """
    if text is None and not like:
        raise UsageError("describe what to search for: a text, or an example; negative examples alone are not enough")
    parts = [] if text is None else [TEXT_WEIGHT * text.astype(np.float64)]
    if like:
        parts.append(LIKE_WEIGHT * np.mean(np.asarray(like, np.float64), axis=0))
    if unlike:
        parts.append(-UNLIKE_WEIGHT * np.mean(np.asarray(unlike, np.float64), axis=0))
    if unlike_words:
        parts.append(-UNLIKE_WORDS_WEIGHT * np.mean(np.asarray(unlike_words, np.float64), axis=0))
    total = np.sum(parts, axis=0)
    length = float(np.linalg.norm(total))
    if not length > SHORTEST:
        raise UsageError("the examples of this query cancel each other out: take one of them away")
    return np.asarray(total / length, np.float32)


def read_image_file(name: str) -> NDArray[np.uint8]:
    """Read the image in a local file as RGB uint8 (H, W, 3); errors as :func:`read_image`."""
    return read_image(Path(name).expanduser())


def read_image(path: Path) -> NDArray[np.uint8]:
    """Read an image, upright, RGB: uint8 (H, W, 3), both sides at most 1,024; of an animation the first frame.

    Raises ``NotFoundError`` if the file does not exist. Raises ``UsageError`` if it is not a usable image, or too large
    to open safely.
    """
    _refuse_unusual(path)
    return _decode(path, repr(str(path)))


def read_image_bytes(data: bytes) -> NDArray[np.uint8]:
    """Apply :func:`read_image` to the content of an untrusted file. Raises ``UsageError``."""
    if len(data) > MAX_BYTES:
        raise UsageError(f"the picture has {len(data) >> 20} MB; it may have {MAX_BYTES >> 20}")
    return _decode(io.BytesIO(data), "the uploaded file")


def _decode(source: Path | io.BytesIO, name: str) -> NDArray[np.uint8]:
    from PIL import Image, ImageOps

    try:
        with Image.open(source, formats=FORMATS) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise _report_too_large(name)
            picture.draft("RGB", (MAX_SIDE, MAX_SIDE))  # JPEG only: decode at a fraction of the size
            upright = ImageOps.exif_transpose(picture)
            upright.thumbnail((MAX_SIDE, MAX_SIDE))
            return np.asarray(_flatten(upright), np.uint8).copy()
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _report_too_large(name) from error
    # Errors that Pillow's decoders raise on damaged files.
    except (OSError, SyntaxError, ValueError, TypeError, IndexError, OverflowError, struct.error, zlib.error) as error:
        raise UsageError(
            f"{name} is not a picture that can be read ({', '.join(FORMATS)}): save it again as JPEG or PNG"
        ) from error


def _refuse_unusual(path: Path) -> None:
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        raise NotFoundError(
            f"{str(path)!r} is neither a shot id nor a file: `needle shots VIDEO` lists the shots of a video"
        ) from error
    if not stat.S_ISREG(status.st_mode):
        raise UsageError(f"{str(path)!r} is not a file: give a picture or a shot id")
    if status.st_size > MAX_BYTES:
        raise UsageError(f"{str(path)!r} has {status.st_size >> 20} MB; a picture may have {MAX_BYTES >> 20}")


def _report_too_large(name: str) -> UsageError:
    return UsageError(f"{name} has more than {MAX_PIXELS // 1_000_000} million pixels: scale it down")


def _flatten(picture: object) -> object:
    """Convert to RGB; transparent areas become white, as on a page."""
    from PIL import Image

    assert isinstance(picture, Image.Image)
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    rgba = picture.convert("RGBA")
    flat = Image.new("RGB", rgba.size, "white")
    flat.paste(rgba, mask=rgba.getchannel("A"))
    return flat
