"""Base encoders that a recipe starts from: the model around one, its examples, and how the result is saved.

Legend: N pairs, T frames, F and H tower features, K classes.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from ops.core.errors import EncoderError, UsageError
from ops.core.plural import plural
from ops.core.settings import Settings
from ops.core.types import Progress
from ops.embeddings.encoders.finetuned import MANIFEST, FinetunedFiles, find_finetuned_files, identify_finetuned
from ops.embeddings.encoders.open_clip import (
    OpenClipEncoder,
    identify_open_clip,
    list_tokenizer_files,
    load_tower,
    require_trainable,
)
from ops.embeddings.encoders.starter import StarterEncoder, compute_starter_id, compute_towers_id
from ops.embeddings.pooling import load_temporal
from ops.embeddings.starter.head import StarterHead, compute_image_features, load_head
from ops.embeddings.starter.image_tower import ImageTower
from ops.embeddings.starter.text_tower import TextTower
from ops.embeddings.starter.torch_tower import IMAGE_SIZE
from ops.training.examples import Examples, InMemory, Streamed
from ops.training.features import Features, LockedTower, compute_features
from ops.training.lineage import FitFigures
from ops.training.model import DualEncoder, build_clip_model, build_starter_model, save_weights
from ops.training.pair_reader import PairReader
from ops.training.pairs import CaptionPair
from ops.training.recipes import Recipe
from ops.training.shard_stream import ShardStream
from ops.training.shards import ShardSet
from ops.training.stream_towers import ClipTowers, LockedClip, StarterTowers, compute_semantic, open_stream
from ops.training.temporal import TemporalModule


class Base(Protocol):
    """A base encoder, ready to be fine-tuned."""

    def read_examples(self, pairs: Sequence[CaptionPair], reader: PairReader, progress: Progress) -> Examples:
        """Return the pairs as tensors for the model. Raises ``UsageError`` if too few can be read."""
        ...

    def open_stream(self, shards: ShardSet, excluded_digests: frozenset[str]) -> ShardStream:
        """Return the pairs of shards as a stream. Raises ``UsageError`` if the recipe needs all pairs at the start."""
        ...

    def build_model(self) -> DualEncoder:
        """Return the model before the first step; uses torch's random numbers."""
        ...

    def save(self, model: DualEncoder, folder: Path, figures: FitFigures) -> None:
        """Write the fitted encoder and the figures of the fit."""
        ...


def identify_base(recipe: Recipe, settings: Settings) -> str:
    """Return an id of the base's weights, made of their bytes; for a fresh start those of the towers. Loads no model.

    Raises ``UsageError`` if the recipe names no base, ``EncoderError`` if weights cannot be read.
    """
    if recipe.base == "starter":
        return compute_starter_id() if recipe.start == "base" else compute_towers_id()
    if files := _find_finetuned_base(recipe, settings):
        return identify_finetuned(files).encoder_id
    return identify_open_clip(_parse_clip_spec(recipe)).encoder_id


def require_base(recipe: Recipe, settings: Settings) -> None:
    """Raise ``UsageError`` if the base does not exist or cannot be fine-tuned; downloads and loads no weights."""
    if recipe.base == "starter":
        return
    try:
        if not _find_finetuned_base(recipe, settings):
            require_trainable(_parse_clip_spec(recipe))
    except EncoderError as error:
        raise UsageError(f"--base {recipe.base}: {error}") from error


def find_base_shows(recipe: Recipe, settings: Settings) -> list[str]:
    """Return the shows that the base was fitted on. A fit that starts from it knows them too."""
    files = _find_finetuned_base(recipe, settings)
    return sorted(map(str, files.manifest.get("shows", ()))) if files else []


def has_linear_maps(recipe: Recipe, settings: Settings) -> bool:
    """Return whether the fit learns the linear maps of the starter encoder, and not towers."""
    files = _find_finetuned_base(recipe, settings)
    return files.is_starter if files else recipe.base == "starter"


def settle_learning_rate(recipe: Recipe, settings: Settings) -> Recipe:
    """Return the recipe with the one learning rate of its kind of base."""
    is_tower = recipe.tower_learning_rate and not has_linear_maps(recipe, settings)
    rate = recipe.tower_learning_rate if is_tower else recipe.learning_rate
    return replace(recipe, learning_rate=rate, tower_learning_rate=0.0)


def load_base(recipe: Recipe, settings: Settings, device: str, threads: int) -> Base:
    """Load the base of a recipe; errors as of :func:`identify_base`."""
    files = _find_finetuned_base(recipe, settings)
    if recipe.base == "starter" or (files and files.is_starter):
        return StarterBase(recipe, settings, device, threads, files)
    rest = f"{files.manifest['model']}/{files.weights}" if files else _parse_clip_spec(recipe)
    return ClipBase(recipe, settings, rest, device, threads, files)


def _find_finetuned_base(recipe: Recipe, settings: Settings) -> FinetunedFiles | None:
    """Return the files of a base ``finetuned:<name>``, ``None`` for another kind.

    Raises ``UsageError`` if it has a temporal head that the fit would drop.
    """
    kind, _, name = recipe.base.partition(":")
    if kind != "finetuned":
        return None
    files = find_finetuned_files(settings.home, name)
    if files.temporal and recipe.pooling != "temporal":
        raise UsageError(f"base {recipe.base!r} has a temporal head: keep it with --pooling temporal")
    return files


def _parse_clip_spec(recipe: Recipe) -> str:
    kind, _, rest = recipe.base.partition(":")
    if kind != "open_clip" or not rest:
        raise UsageError(
            f"base {recipe.base!r}: write starter, open_clip:<model>/<pretrained tag or file>, or finetuned:<name>"
        )
    return rest


def _take_temporal_head(model: DualEncoder, files: FinetunedFiles | None, dim: int) -> DualEncoder:
    """Replace a new temporal head by that of the base, whatever its size."""
    if files and files.temporal:
        head = load_temporal(files.temporal, dim)
        model.temporal = TemporalModule(dim, len(head.weights["narrow.weight"]), head.heads, head.layers)
        model.temporal.take(head)
    return model


class StarterBase:
    """Frozen towers without torch; the linear maps of their features are trained."""

    def __init__(
        self, recipe: Recipe, settings: Settings, device: str, threads: int, files: FinetunedFiles | None = None
    ) -> None:
        self._recipe, self._cache, self._files = recipe, settings.home / "cache" / "training", files
        self._home, self._threads = settings.home, threads
        self._text_tower = TextTower(threads)
        self._encoder = StarterEncoder(settings.home, threads=threads)
        image_tower: list[ImageTower] = []

        def run(frames_NHWC: Any) -> tuple[Any, ...]:
            image_tower[:] = image_tower or [ImageTower(settings.home / "cache" / "encoders", device, threads)]
            return image_tower[0](frames_NHWC)

        self._tower = LockedTower(
            prepare=self._encoder.prepare,
            run=run,
            size=IMAGE_SIZE,
            batch_frames=self._encoder.batch_frames,
            key=compute_towers_id(),
        )
        head = load_head(files.weights) if files else load_head()
        self.head = head if recipe.start == "base" else self._create_head()

    def read_examples(self, pairs: Sequence[CaptionPair], reader: PairReader, progress: Progress) -> InMemory:
        recipe = self._recipe
        features, kept_pairs = _compute_locked_features(pairs, reader, self._tower, recipe, self._cache, progress)
        captions = [text for pair in kept_pairs for text in pair.captions]
        # Rounded as the image features are, which are stored in half precision.
        text_CH = self._text_tower(captions).astype(np.float16).astype(np.float32)
        if recipe.start == "fresh":
            self.head = _set_text_mean(self.head, text_CH)
        return InMemory(
            torch.from_numpy(compute_image_features(features.frames_NVTX)),
            torch.from_numpy(features.mask_NT),
            torch.from_numpy(text_CH),
            np.cumsum([0, *(len(pair.captions) for pair in kept_pairs)]).tolist(),
            torch.from_numpy(compute_semantic(self.head, features.others_NTX[0])) if recipe.space == "whole" else None,
            _list_skipped_pairs(features, pairs),
        )

    def open_stream(self, shards: ShardSet, excluded_digests: frozenset[str]) -> ShardStream:
        recipe = self._recipe
        towers = StarterTowers(self._home, self.head, self._threads, joins_semantic=recipe.space == "whole")
        return open_stream(recipe, shards, towers, excluded_digests)

    def build_model(self) -> DualEncoder:
        head = self.head if self._recipe.start == "base" else None
        model = build_starter_model(self._recipe, head, torch.from_numpy(self.head.text_mean_H))
        return _take_temporal_head(model, self._files, self.head.dim)

    def save(self, model: DualEncoder, folder: Path, figures: FitFigures) -> None:
        save_weights(model, folder, self.head, {})
        _write_manifest(folder, figures)

    def _create_head(self) -> StarterHead:
        """Return a head without maps; its other half comes from the class texts."""
        recipe = self._recipe
        class_text_KH = self._text_tower(list_class_texts())
        zeros = np.zeros((1, recipe.joint_dim), dtype=np.float32)
        return StarterHead(
            image_weight_FJ=zeros,
            image_bias_J=zeros[0],
            text_weight_HJ=zeros,
            text_bias_J=zeros[0],
            class_text_KH=class_text_KH - class_text_KH.mean(axis=0),
            text_mean_H=np.zeros(class_text_KH.shape[1], dtype=np.float32),
            conse_weight=recipe.conse_weight,
            temperature=recipe.temperature,
            top=recipe.top,
        )


class ClipBase:
    """An open_clip model; if its image tower is locked, its vectors are computed once and cached."""

    def __init__(
        self,
        recipe: Recipe,
        settings: Settings,
        rest: str,
        device: str,
        threads: int,
        files: FinetunedFiles | None = None,
    ) -> None:
        if recipe.crops and recipe.image != "locked":
            raise UsageError(f"recipe {recipe.name}: crops need a locked image tower, whose features are cached")
        self._recipe, self._settings, self._rest, self._device = recipe, settings, rest, device
        self._threads, self._files = threads, files
        self._cache = settings.home / "cache" / "training"
        preprocessing = files.manifest["preprocessing"] if files else None
        self._model, self._tokenizer, self._prepare, self._preprocessing = load_tower(rest, preprocessing)
        self.dim = int(self._model.encode_text(self._tokenizer(["a"])).shape[1])

    def read_examples(self, pairs: Sequence[CaptionPair], reader: PairReader, progress: Progress) -> Examples:
        recipe = self._recipe
        if recipe.image != "locked":
            return Streamed(pairs, reader, self._prepare, self._tokenize(pairs), recipe.frames)
        encoder = OpenClipEncoder(
            self._rest, device=self._device, threads=self._threads, preprocessing=self._preprocessing
        )
        tower = LockedTower(
            prepare=encoder.prepare,
            run=lambda frames: (encoder.encode_prepared(frames),),
            size=int(np.max(self._preprocessing["size"])),
            batch_frames=encoder.batch_frames,
            key=encoder.encoder_id,
        )
        features, kept_pairs = _compute_locked_features(pairs, reader, tower, recipe, self._cache, progress)
        return InMemory(
            torch.from_numpy(features.frames_NVTX),
            torch.from_numpy(features.mask_NT),
            self._tokenize(kept_pairs),
            np.cumsum([0, *(len(pair.captions) for pair in kept_pairs)]).tolist(),
            skipped=_list_skipped_pairs(features, pairs),
        )

    def open_stream(self, shards: ShardSet, excluded_digests: frozenset[str]) -> ShardStream:
        is_locked = self._recipe.image == "locked"
        locked_clip = LockedClip(self._rest, self._preprocessing, self._threads) if is_locked else None
        return open_stream(
            self._recipe, shards, ClipTowers(self._prepare, self._tokenizer, locked_clip), excluded_digests
        )

    def build_model(self) -> DualEncoder:
        model, *_ = load_tower(self._rest)
        return _take_temporal_head(build_clip_model(self._recipe, model, self.dim), self._files, self.dim)

    def save(self, model: DualEncoder, folder: Path, figures: FitFigures) -> None:
        save_weights(model, folder, None, self._model.state_dict())
        for file in list_tokenizer_files(self._rest):
            shutil.copy(file, folder)
        name = self._rest.partition("/")[0]
        _write_manifest(folder, {"model": name, "preprocessing": self._preprocessing, **figures})

    def _tokenize(self, pairs: Sequence[CaptionPair]) -> torch.Tensor:
        tokens: torch.Tensor = self._tokenizer([text for pair in pairs for text in pair.captions])
        return tokens


def list_class_texts() -> list[str]:
    """Return the names and definitions of the 1,000 ImageNet classes, in the order of the logits."""
    from timm.data.imagenet_info import ImageNetInfo

    info: Any = ImageNetInfo()
    return [str(info.index_to_description(index, detailed=True)) for index in range(info.num_classes())]


def _set_text_mean(head: StarterHead, text_CH: Any) -> StarterHead:
    return replace(head, text_mean_H=text_CH.mean(axis=0))


def _compute_locked_features(
    pairs: Sequence[CaptionPair],
    reader: PairReader,
    tower: LockedTower,
    recipe: Recipe,
    cache: Path,
    progress: Progress,
) -> tuple[Features, list[CaptionPair]]:
    """Return the features of a locked tower, and the pairs that were read. Raises ``UsageError`` if too few were."""
    features = compute_features(
        pairs,
        reader,
        tower,
        crops=recipe.crops,
        seed=recipe.seed,
        frames=recipe.frames,
        cache=cache,
        progress=progress,
    )
    _require(features, len(pairs), recipe)
    return features, [pairs[number] for number in features.kept]


def _list_skipped_pairs(features: Features, pairs: Sequence[CaptionPair]) -> dict[str, str]:
    return {pairs[number].thing: reason for number, reason in features.skipped.items()}


def _require(features: Features, pairs: int, recipe: Recipe) -> None:
    if len(features.kept) < max(2, recipe.batch):
        raise UsageError(
            f"only {len(features.kept)} of {plural(pairs, 'pair')} can be read, and a batch needs {recipe.batch}: "
            "repair the images, or lower --batch"
        )


def _write_manifest(folder: Path, content: Mapping[str, object]) -> None:
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")
