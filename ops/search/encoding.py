"""From texts, shots and pictures to vectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import NotFoundError
from ops.core.settings import Settings
from ops.core.types import parse_shot_id
from ops.embeddings.encoder import Encoder, load_encoder, resolve_encoder
from ops.index.index import VectorIndex
from ops.search.images import read_image

Vector = NDArray[np.float32]
Pictures = Callable[[str], NDArray[np.uint8]]


def picture_file(name: str) -> NDArray[np.uint8]:
    """The picture in a local file as RGB uint8 (H, W, 3); errors as :func:`read_image`."""
    return read_image(Path(name).expanduser())


class QueryEncoder:
    """Vectors of what people ask with; safe to use from several threads.

    The encoder is loaded when it is first needed: its text half for words, all of it for pictures, none for
    shots. ``pictures`` turns an example that is no shot id into RGB uint8 (H, W, 3).
    """

    def __init__(self, settings: Settings, given: Encoder | None, pictures: Pictures) -> None:
        self._settings = settings
        self._given = given
        self._pictures = pictures
        self._lock = Lock()

    @cached_property
    def encoder_id(self) -> str:
        """Id of the encoder; resolved at first use, and never loaded for it."""
        return self._given.encoder_id if self._given else resolve_encoder(self._settings).encoder_id

    def texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors, float32 (B, D)."""
        with self._lock:  # loads once, however many ask at first
            encoder = self._text_encoder
        return encoder.encode_text([text.strip() for text in texts])

    def text(self, text: str) -> Vector | None:
        """Unit vector, float32 (D,), or ``None`` where the text is blank."""
        return np.asarray(self.texts([text])[0], np.float32) if text.strip() else None

    def languages(self) -> tuple[str, ...]:
        """Languages of the texts that it reads, ISO 639-1; empty for any."""
        with self._lock:
            return self._text_encoder.languages

    def read_length(self, text: str) -> int:
        """How many characters of a text it reads, from the first."""
        with self._lock:
            encoder = self._text_encoder
        return encoder.read_length(text)

    def frames(self, frames_NHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Unit vectors, float32 (N, D), of RGB pictures of one size. Raises ``EncoderError``."""
        with self._lock:
            encoder = self._whole_encoder
        return encoder.encode_frames(frames_NHWC)

    def examples(
        self, index: VectorIndex, names: Sequence[str], starts_of: Callable[[str], list[int]]
    ) -> dict[str, Vector]:
        """Unit vectors, float32 (D,), by example: a shot id of the index, or a picture.

        ``starts_of`` gives the start frames of a video's shots, for the message about a shot that is not
        there. Raises ``NotFoundError`` for such a shot and as ``pictures`` does.
        """
        if not names:
            return {}
        vectors = index.vectors([name for name in names if parse_shot_id(name)])
        for name in names:
            if name not in vectors:
                if parsed := parse_shot_id(name):
                    raise _unknown_shot(name, parsed[1], starts_of(parsed[0]))
                vectors[name] = np.asarray(self.frames(self._pictures(name)[np.newaxis])[0], np.float32)
        return vectors

    @cached_property
    def _text_encoder(self) -> Encoder:
        return self._given or load_encoder(self.encoder_id, self._settings.home, part="text")

    @cached_property
    def _whole_encoder(self) -> Encoder:
        return self._given or load_encoder(self.encoder_id, self._settings.home, part="both")


def _unknown_shot(shot_id: str, frame: int, starts: Sequence[int]) -> NotFoundError:
    video_id = shot_id.rpartition(":")[0]
    if not starts:
        return NotFoundError(f"no shot {shot_id!r}: the catalogue has no video {video_id}")
    nearest = sorted(sorted(starts, key=lambda start: abs(start - frame))[:3])
    known = ", ".join(f"{video_id}:{start}" for start in nearest)
    return NotFoundError(f"no shot {shot_id!r} is indexed; shots near that frame: {known}")
