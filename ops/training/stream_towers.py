"""The towers of a base for pairs that stream in: frozen ones run batch by batch, as nothing of all pairs is kept.

Legend: M frames, B texts, K classes, H numbers of the untrained half; X is what a model gets for one frame or text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ops.core.errors import UsageError
from ops.embeddings.encoders.open_clip import OpenClipEncoder
from ops.embeddings.encoders.starter import StarterEncoder
from ops.embeddings.starter.head import StarterHead, compute_class_probabilities, compute_image_features
from ops.embeddings.starter.text_tower import TextTower
from ops.training.recipes import Recipe
from ops.training.shard_stream import ShardStream, StreamTowers
from ops.training.shards import ShardSet


class StarterTowers:
    """The frozen towers of the starter encoder."""

    def __init__(self, home: Path, head: StarterHead, threads: int, *, joins_semantic: bool) -> None:
        self._home, self._head, self._threads, self._joins_semantic = home, head, threads, joins_semantic

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_encoder", "_text_tower")}

    @cached_property
    def _encoder(self) -> StarterEncoder:
        return StarterEncoder(self._home, device=_choose_device(), threads=self._threads)

    @cached_property
    def _text_tower(self) -> TextTower:
        return TextTower(self._threads)

    def prepare(self, frames_THWC: NDArray[np.uint8]) -> NDArray[Any]:
        return self._encoder.prepare(frames_THWC)

    def embed_frames(self, prepared_MX: NDArray[Any]) -> tuple[torch.Tensor, torch.Tensor | None]:
        pooled_MX, logits_MK = self._encoder.run_image_tower(prepared_MX)
        semantic = torch.from_numpy(compute_semantic(self._head, logits_MK)) if self._joins_semantic else None
        return torch.from_numpy(compute_image_features(pooled_MX)), semantic

    def embed_texts(self, texts: Sequence[str]) -> torch.Tensor:
        return torch.from_numpy(self._text_tower(texts))


class LockedClip:
    """A locked image tower of open_clip."""

    def __init__(self, rest: str, preprocessing: dict[str, Any], threads: int) -> None:
        self._rest, self._preprocessing, self._threads = rest, preprocessing, threads

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_encoder"}

    @cached_property
    def _encoder(self) -> OpenClipEncoder:
        device = _choose_device()
        return OpenClipEncoder(self._rest, device=device, threads=self._threads, preprocessing=self._preprocessing)

    def prepare(self, frames_THWC: NDArray[np.uint8]) -> NDArray[Any]:
        return self._encoder.prepare(frames_THWC)

    def encode(self, prepared_MX: NDArray[Any]) -> NDArray[np.float32]:
        return self._encoder.encode_prepared(prepared_MX)


class ClipTowers:
    """An open_clip model: its own input if the image tower learns, else vectors of ``locked_clip``."""

    def __init__(
        self,
        prepare: Callable[[NDArray[np.uint8]], NDArray[Any]],
        tokenizer: Callable[[list[str]], torch.Tensor],
        locked_clip: LockedClip | None,
    ) -> None:
        self._prepare, self._tokenizer, self._locked_clip = prepare, tokenizer, locked_clip

    def prepare(self, frames_THWC: NDArray[np.uint8]) -> NDArray[Any]:
        return self._locked_clip.prepare(frames_THWC) if self._locked_clip else self._prepare(frames_THWC)

    def embed_frames(self, prepared_MX: NDArray[Any]) -> tuple[torch.Tensor, torch.Tensor | None]:
        return torch.from_numpy(self._locked_clip.encode(prepared_MX) if self._locked_clip else prepared_MX), None

    def embed_texts(self, texts: Sequence[str]) -> torch.Tensor:
        return self._tokenizer(list(texts))


def open_stream(
    recipe: Recipe, shards: ShardSet, towers: StreamTowers, excluded_digests: frozenset[str]
) -> ShardStream:
    """Return the stream of a recipe. Raises ``UsageError`` if it needs all pairs before its first step."""
    if recipe.start == "fresh" or recipe.crops:
        raise UsageError(
            f"recipe {recipe.name}: a fresh head and random crops need all pairs before the first step, and these "
            "shards are streamed: take --recipe adapt, or fewer images on this machine"
        )
    return ShardStream(
        shards, towers, batch=recipe.batch, frames=recipe.frames, seed=recipe.seed, excluded_digests=excluded_digests
    )


def compute_semantic(head: StarterHead, logits_XK: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the untrained half (..., H) of class logits (..., K) as unit vectors."""
    flat_MK = logits_XK.reshape(-1, logits_XK.shape[-1])
    semantic_MH = compute_class_probabilities(flat_MK, head.temperature, head.top) @ head.class_text_KH
    semantic_MH /= np.maximum(np.linalg.norm(semantic_MH, axis=1, keepdims=True), 1e-12)
    return np.asarray(semantic_MH.reshape(*logits_XK.shape[:-1], -1))


def _choose_device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"
