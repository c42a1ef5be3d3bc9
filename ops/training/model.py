"""The model of a fit: two towers, pooling over frames, and a temperature.

Legend: B pairs, T frames, M = B * T, D dimensions of a vector, J of the joint half, F and H tower features.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.functional import dropout, normalize

from ops.core.errors import UsageError
from ops.embeddings.encoders.finetuned import HEAD, MODEL, TEMPORAL
from ops.embeddings.starter.head import StarterHead
from ops.training.examples import Batch
from ops.training.loss import Vectors
from ops.training.recipes import Recipe
from ops.training.temporal import TemporalModule, pool_mean

START_TEMPERATURE = 0.07
"""The start value of CLIP."""


class DualEncoder(nn.Module):
    """``image`` and ``text`` return unit vectors of frames and texts; ``temporal``, or the mean, pools frames."""

    def __init__(self, image: nn.Module, text: nn.Module, temporal: TemporalModule | None, log_scale: float) -> None:
        super().__init__()
        self.image, self.text, self.temporal = image, text, temporal
        self.log_scale = nn.Parameter(torch.tensor(log_scale))

    def train(self, mode: bool = True) -> DualEncoder:
        """Set the mode of training; layers with batch normalisation keep the statistics of the base.

        Statistics of a batch depend on its parts and workers, so ``micro_batch`` and ``workers`` would change the fit.
        """
        super().train(mode)
        for layer in self.list_batch_norms():
            layer.eval()
        return self

    def list_batch_norms(self) -> list[nn.Module]:
        """Return the layers with batch normalisation, of which some image towers have many."""
        return [layer for layer in self.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]

    def encode(self, batch: Batch) -> Vectors:
        """Return unit vectors (B, D) of the batch's shots and of its texts."""
        shots, frames = batch.mask_BT.shape
        semantic = [] if batch.semantic_BTX is None else [batch.semantic_BTX.flatten(0, 1)]
        frames_BTD = self.image(batch.frames_BTX.flatten(0, 1), *semantic).unflatten(0, (shots, frames))
        if self.temporal is not None:
            image_BD = self.temporal(frames_BTD.float(), batch.mask_BT)
        else:
            image_BD = frames_BTD[:, 0] if frames == 1 else pool_mean(frames_BTD, batch.mask_BT)
        return image_BD, self.text(batch.text_BX)

    def learning(self) -> list[nn.Parameter]:
        """Return every trainable parameter except the temperature."""
        parameters = self.named_parameters()
        return [parameter for name, parameter in parameters if parameter.requires_grad and name != "log_scale"]


class LinearTower(nn.Module):
    """A linear map of tower features into the joint half, next to a half that is not trained.

    ``semantic_weight`` > 0 appends ``sqrt(weight)`` times the ``semantic`` unit vectors to the joint half, as the
    starter head does; 0 returns the joint half alone.
    """

    def __init__(self, features: int, joint: int, drop: float, semantic_weight: float) -> None:
        super().__init__()
        self.linear = nn.Linear(features, joint)
        self.drop, self.semantic_weight = drop, semantic_weight

    def forward(self, features_MF: torch.Tensor, semantic_MH: torch.Tensor | None = None) -> torch.Tensor:
        joint_MJ = normalize(self.linear(dropout(features_MF, self.drop, self.training)), dim=1)
        if not self.semantic_weight or semantic_MH is None:
            return joint_MJ
        return normalize(torch.cat([joint_MJ, math.sqrt(self.semantic_weight) * semantic_MH], dim=1), dim=1)


class LinearText(nn.Module):
    """The text side of a starter head: features (B, H); the untrained half is their difference from ``mean_H``."""

    mean_H: torch.Tensor

    def __init__(self, tower: LinearTower, mean_H: torch.Tensor) -> None:
        super().__init__()
        self.tower = tower
        self.register_buffer("mean_H", mean_H)

    def forward(self, text_BH: torch.Tensor) -> torch.Tensor:
        vectors: torch.Tensor = self.tower(text_BH, normalize(text_BH - self.mean_H, dim=1))
        return vectors


class PrecomputedVectors(nn.Module):
    """Vectors that a locked tower computed before."""

    def forward(self, vectors_MD: torch.Tensor) -> torch.Tensor:
        return vectors_MD


class ClipImage(nn.Module):
    """The image tower of an open_clip model."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.visual = model.visual

    def forward(self, frames_MCHW: torch.Tensor) -> torch.Tensor:
        return normalize(self.visual(frames_MCHW), dim=1)


class ClipText(nn.Module):
    """The text tower of an open_clip model; ``model`` without its image tower, which is trained elsewhere."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens_BL: torch.Tensor) -> torch.Tensor:
        vectors: torch.Tensor = self.model.encode_text(tokens_BL, normalize=True)
        return vectors


def build_starter_model(recipe: Recipe, head: StarterHead | None, text_mean_H: torch.Tensor) -> DualEncoder:
    """Build the model of the starter encoder: new heads, or those of ``head``. Uses torch's random numbers."""
    weight = recipe.conse_weight if head is None else head.conse_weight
    weight = weight if recipe.space == "whole" else 0.0
    features = (1280, 384) if head is None else (head.image_weight_FJ.shape[0], head.text_weight_HJ.shape[0])
    joint = recipe.joint_dim if head is None else head.image_weight_FJ.shape[1]
    image = LinearTower(features[0], joint, recipe.image_dropout, weight)
    text = LinearTower(features[1], joint, recipe.text_dropout, weight)
    if head is not None:
        _take(image.linear, head.image_weight_FJ, head.image_bias_J)
        _take(text.linear, head.text_weight_HJ, head.text_bias_J)
    for tower, learns in ((image, recipe.image), (text, recipe.text)):
        tower.requires_grad_(learns != "locked")
    dim = joint + (features[1] if weight else 0)
    return DualEncoder(image, LinearText(text, text_mean_H), _build_temporal(recipe, dim), -math.log(START_TEMPERATURE))


def build_clip_model(recipe: Recipe, model: Any, dim: int) -> DualEncoder:
    """Build the model around an open_clip model, locked by the recipe, without its image tower if that is locked.

    Raises ``UsageError`` if the model's towers cannot be locked or trained like that.
    """
    _lock_towers(recipe, model)
    if recipe.recompute:
        _recompute_activations(recipe, model)
    image = PrecomputedVectors() if recipe.image == "locked" else ClipImage(model)
    if recipe.image == "all":
        model.visual.requires_grad_(True)
    model.visual = None
    text = ClipText(model)
    if recipe.text == "all":
        text.requires_grad_(True)
    model.logit_scale.requires_grad_(False)
    if getattr(model, "logit_bias", None) is not None:
        model.logit_bias.requires_grad_(False)
    return DualEncoder(image, text, _build_temporal(recipe, dim), float(model.logit_scale))


def _lock_towers(recipe: Recipe, model: Any) -> None:
    settings_by_tower = (
        ("lock_text_tower", "text", "unlocked_layers"),
        ("lock_image_tower", "image", "unlocked_groups"),
    )
    for method, side, option in settings_by_tower:
        if not hasattr(model, method):
            raise UsageError(
                f"base {recipe.base!r}: a {type(model).__name__} model cannot be fine-tuned, because its {side} tower "
                "is not separate: choose a CLIP or SigLIP model"
            )
        part = getattr(recipe, side)
        try:
            getattr(model, method)(**{option: recipe.last_blocks if part == "last" else 0})
        except (AssertionError, NotImplementedError, AttributeError) as error:
            raise UsageError(
                f"base {recipe.base!r}: its {side} tower cannot learn with {side} = {part!r}"
                f"{f' ({error})' if str(error) else ''}: choose {side} = 'all' or 'locked'"
            ) from error


def _recompute_activations(recipe: Recipe, model: Any) -> None:
    """Keep no activations of blocks of the towers that learn.

    Raises ``UsageError`` for towers that cannot do so: open_clip then goes on without, with a warning or with none.
    """
    towers = {"image": model.visual, "text": getattr(model, "text", model)}
    for side, tower in towers.items():
        if getattr(recipe, side) == "locked":
            continue
        trunk = getattr(tower, "trunk", tower)
        parts: list[Any] = [trunk, getattr(trunk, "transformer", None)]
        blocks = [part for part in parts if hasattr(part, "grad_checkpointing")]
        if not blocks:
            raise UsageError(
                f"base {recipe.base!r}: its {side} tower ({type(trunk).__name__}) cannot compute activations again: "
                "leave out --recompute, and lower --micro-batch to save memory"
            )
        for part in blocks:
            part.grad_checkpointing = True


def copy_weights(model: DualEncoder) -> dict[str, torch.Tensor]:
    """Return a copy of every weight that learns."""
    return {name: value.detach().cpu().clone() for name, value in model.named_parameters() if value.requires_grad}


def blend_weights(model: DualEncoder, base: dict[str, torch.Tensor], share: float) -> None:
    """Move the weights back towards ``base``: ``share`` (0-1) of the way from there stays."""
    with torch.no_grad():
        for name, value in model.named_parameters():
            if name in base:
                value.copy_(torch.lerp(base[name].to(value.device), value, share))


def export_head(model: DualEncoder, base: StarterHead) -> StarterHead:
    """Return ``base`` with the fitted maps."""
    image, text = model.image.linear, model.text.tower.linear  # type: ignore[union-attr]
    values = (value for layer in (image, text) for value in _read_weight_and_bias(layer))
    arrays = [value.detach().float().cpu().numpy().T.copy() for value in values]
    return replace(
        base, image_weight_FJ=arrays[0], image_bias_J=arrays[1], text_weight_HJ=arrays[2], text_bias_J=arrays[3]
    )


def save_weights(model: DualEncoder, folder: Path, head: StarterHead | None, clip: dict[str, torch.Tensor]) -> None:
    """Write the fitted weights into ``folder``: the starter's head, or all of ``clip`` with the trained part."""
    if head is not None:
        export_head(model, head).save(folder / HEAD)
    else:
        from safetensors.torch import save_file

        learned_state = clip | _select_clip_state(model)
        learned_state["logit_scale"] = model.log_scale.detach()
        save_file(
            {name: value.detach().float().cpu().contiguous().clone() for name, value in learned_state.items()},
            folder / MODEL,
        )
    if model.temporal is not None:
        model.temporal.build_head().save(folder / TEMPORAL)


def _select_clip_state(model: DualEncoder) -> dict[str, torch.Tensor]:
    text = {name.removeprefix("model."): value for name, value in model.text.state_dict().items()}
    return text | dict(model.image.state_dict())


def _build_temporal(recipe: Recipe, dim: int) -> TemporalModule | None:
    return TemporalModule(dim, recipe.width, recipe.heads, recipe.layers) if recipe.pooling == "temporal" else None


def _take(layer: nn.Linear, weight_FJ: Any, bias_J: Any) -> None:
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight_FJ.T.copy()))
        layer.bias.copy_(torch.from_numpy(bias_J))


def _read_weight_and_bias(layer: Any) -> tuple[torch.Tensor, torch.Tensor]:
    return layer.weight, layer.bias


def group_parameters(model: DualEncoder, recipe: Recipe) -> list[dict[str, Any]]:
    """Return the optimiser's groups: weight decay is for matrices, not for biases, gains and the temperature."""
    learning = model.learning()
    with_decay = [parameter for parameter in learning if parameter.ndim > 1 or recipe.as_shipped]
    plain = [parameter for parameter in learning if parameter.ndim <= 1 and not recipe.as_shipped]
    groups: list[tuple[list[torch.nn.Parameter], float]] = [
        (with_decay, recipe.weight_decay),
        ([*plain, model.log_scale], 0.0),
    ]
    return [{"params": parameters, "weight_decay": decay} for parameters, decay in groups]


def choose_dtype(recipe: Recipe, device: str) -> torch.dtype | None:
    """Return the type for autocast; ``auto`` is bf16 or fp16 on CUDA and full precision on a CPU."""
    if recipe.precision == "auto":
        if not device.startswith("cuda"):
            return None
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[recipe.precision]
