"""Recipes: functions that return one frozen object with all settings of a fit.

adapt            the one to begin with: both maps or towers, mean-pooled, blended with the base's weights
debug            takes seconds anywhere; checks that the whole path works
starter_head     both linear maps of the starter encoder, from scratch; made the shipped head
lit_temporal     locked image tower; trains the text side and a temporal head over frames (Zhai et al., "LiT", 2022)
full_finetune    every trainable parameter, slowly
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

from ops.core.errors import UsageError

Learning = Literal["locked", "last", "all"]
Pooling = Literal["mean", "temporal"]
Precision = Literal["auto", "fp32", "bf16", "fp16"]
Start = Literal["base", "fresh"]
Space = Literal["whole", "joint"]

MOST_SEED = 2**63 - 1
"""Largest ``--seed``. Not a rule of the recipe: a home may hold the definition of an encoder with another one."""
_CHOICES: dict[str, tuple[str, ...]] = {
    "start": get_args(Start),
    "space": get_args(Space),
    "image": get_args(Learning),
    "text": get_args(Learning),
    "pooling": get_args(Pooling),
    "precision": get_args(Precision),
}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All settings of a fit, without the pairs. Raises ``UsageError`` for an invalid value.

    - ``base``: ``starter``, ``open_clip:<model>/<tag or file>``, or ``finetuned:<name>`` of the home.
    - ``start``: the base's weights, or ``fresh`` (starter only): new linear maps of ``joint_dim``.
    - ``space``: the vectors whose cosine is trained: ``whole`` vectors or (starter) their ``joint`` half.
    - ``image`` and ``text``: the part of each tower that is trained; for the starter encoder only the linear maps.
    - ``batch``: the number of negatives over all workers, computed in parts of ``micro_batch`` (0: at once).
    - ``tower_learning_rate``: instead of ``learning_rate`` if towers learn and not linear maps; 0: the same.
    - ``blend``: share (0-1) of the fitted weights in the result, the rest is the base's (Wortsman et al., "Robust
      fine-tuning of zero-shot models", 2022): most of the gain stays, most of the forgetting goes.
    - ``crops``: random crops beside the image and its mirror image; ``frames``: frames of a shot.
    - ``recompute``: compute activations of open_clip towers again in the backward pass instead of keeping them
      (activation checkpointing): less memory, about a third more time, the same gradients.
    - ``conse_weight``, ``temperature`` and ``top`` are values of a fresh starter head.
    - ``as_shipped``: optimise as on 2026-11-22, when the shipped head was fitted: momentum rises and falls against the
      rate, biases are decayed too, and pairs with the same caption are each other's negatives.
    """

    name: str
    base: str = "starter"
    start: Start = "base"
    space: Space = "whole"
    image: Learning = "all"
    text: Learning = "all"
    last_blocks: int = 2
    pooling: Pooling = "mean"
    width: int = 128
    heads: int = 4
    layers: int = 1
    epochs: int = 20
    batch: int = 64
    micro_batch: int = 0
    learning_rate: float = 3e-4
    tower_learning_rate: float = 0.0
    blend: float = 1.0
    weight_decay: float = 1e-2
    warmup: float = 0.1
    image_dropout: float = 0.0
    text_dropout: float = 0.0
    crops: int = 0
    frames: int = 8
    joint_dim: int = 512
    conse_weight: float = 0.7
    temperature: float = 2.0
    top: int = 100
    precision: Precision = "auto"
    checkpoint_steps: int = 50
    recompute: bool = False
    hold_out: float = 0.0
    seed: int = 0
    as_shipped: bool = False

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            self._require(f"must be one of {', '.join(choices)}", getattr(self, name) in choices, name)
        for name in ("epochs", "batch", "frames", "width", "heads", "layers", "checkpoint_steps"):
            self._require("must be at least 1", getattr(self, name) >= 1, name)
        for name in ("micro_batch", "crops"):
            self._require("must not be negative", getattr(self, name) >= 0, name)
        for name in ("image_dropout", "text_dropout", "warmup", "hold_out"):
            self._require("must be from 0 to below 1", 0 <= getattr(self, name) < 1, name)
        self._require("must be above 0 and at most 100", 0 < self.learning_rate <= 100, "learning_rate")
        rate = self.tower_learning_rate
        self._require("must be from 0 to 100", 0 <= rate <= 100, "tower_learning_rate")
        self._require("must be above 0 and at most 1", 0 < self.blend <= 1, "blend")
        blends = self.blend == 1 or (self.start == "base" and self.pooling == "mean")
        self._require("only weights that the base has can be blended", blends, "blend", "start", "pooling")
        self._require("width must be a multiple of heads", self.width % self.heads == 0, "width", "heads")
        plain = self.base == "starter" or (self.start == "base" and self.space == "whole")
        is_tower = not self.recompute or self.base != "starter"
        self._require("the starter encoder's maps have no activations to compute again", is_tower, "base", "recompute")
        self._require("start=fresh and space=joint are for the starter encoder", plain, "base", "start", "space")
        learns = self.image != "locked" or self.text != "locked" or self.pooling == "temporal"
        advice = "nothing learns: unlock image or text, or use a temporal head"
        self._require(advice, learns, "image", "text", "pooling")
        whole = self.pooling == "mean" or self.space == "whole"
        self._require("a temporal head learns on whole vectors", whole, "pooling", "space")

    def _require(self, rule: str, holds: bool, *names: str) -> None:
        if not holds:
            values = ", ".join(f"{name} = {getattr(self, name)!r}" for name in names)
            raise UsageError(f"recipe {self.name}: {values}: {rule}")

    def digest(self) -> str:
        """16 hex digits that change with any value."""
        text = json.dumps(dataclasses.asdict(self), sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def adapt() -> Recipe:
    """Adapts an encoder to new footage: both maps or towers, half of the way (``docs/training.md`` has the figures)."""
    return Recipe(name="adapt", epochs=30, batch=16, learning_rate=1e-3, tower_learning_rate=1e-5, blend=0.5)


def debug() -> Recipe:
    """Two epochs with batches of four pairs."""
    return Recipe(name="debug", epochs=2, batch=4, frames=2, pooling="temporal", width=16, heads=2, checkpoint_steps=1)


def starter_head() -> Recipe:
    """The shipped head of the starter encoder; each value was chosen on the Flickr8k dev split (see its model card)."""
    return Recipe(
        name="starter_head",
        start="fresh",
        space="joint",
        epochs=40,
        batch=500,
        learning_rate=3e-3,
        image_dropout=0.2,
        text_dropout=0.1,
        crops=2,
        frames=1,
        as_shipped=True,
    )


def lit_temporal() -> Recipe:
    """Locks the image tower and its head; trains the text side and a temporal head over eight frames."""
    return Recipe(name="lit_temporal", image="locked", pooling="temporal", epochs=30, batch=16, learning_rate=1e-4)


def full_finetune() -> Recipe:
    """Trains both towers (starter encoder: both maps) at a small learning rate, mean-pooled."""
    return Recipe(name="full_finetune", epochs=20, batch=64, micro_batch=16, learning_rate=1e-5, weight_decay=0.1)


RECIPES: dict[str, Callable[[], Recipe]] = {
    "adapt": adapt,
    "debug": debug,
    "starter_head": starter_head,
    "lit_temporal": lit_temporal,
    "full_finetune": full_finetune,
}


def require_contrast(recipe: Recipe) -> None:
    """Raise ``UsageError`` for a batch of one pair, which has no other pair to contrast it with."""
    if recipe.batch < 2:
        raise UsageError(
            f"recipe {recipe.name}: batch = {recipe.batch}: must be at least 2, as a pair is contrasted with the "
            "others of its batch"
        )


def require_precision(recipe: Recipe, *, is_cuda: bool) -> None:
    """Raise ``UsageError`` if the device cannot compute in the precision of the recipe."""
    if recipe.precision == "fp16" and not is_cuda:
        raise UsageError(
            "--precision fp16 needs a CUDA device, and the fit would run on a CPU: choose fp32, bf16, or auto, which "
            "takes what the device has"
        )


def build_recipe(name: str, **changes: Any) -> Recipe:
    """Return the named recipe with changed values; a value of ``None`` changes nothing. Raises ``UsageError``."""
    if name not in RECIPES:
        raise UsageError(f"no recipe {name!r}: choose one of {', '.join(RECIPES)}")
    values = {key: value for key, value in changes.items() if value is not None}
    if "learning_rate" in values:
        values.setdefault("tower_learning_rate", 0.0)
    return dataclasses.replace(RECIPES[name](), **values)
