"""Fit the head of the starter encoder on captioned photographs; the shipped ``head.npz`` comes from here.

    python -m ops.training.starter_head --captions DIR --out head.npz [--recipe debug] [--features DIR]

``DIR`` holds ``flickr8k_train.parquet`` and ``flickr8k_dev.parquet`` (columns ``image`` and ``captions``).
The same data, recipe and versions give the same bytes. Legend: N photographs, V views, G captions each,
B batch, F and H tower features, J joint dimensions, K classes.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ops.core.errors import UsageError
from ops.core.storage import atomic_path
from ops.embeddings.starter.head import StarterHead, image_features
from ops.embeddings.starter.image_tower import ImageTower
from ops.embeddings.starter.text_tower import TextTower
from ops.embeddings.starter.torch_tower import IMAGE_SIZE
from ops.evaluation.retrieval import ranks_of, retrieval_summary

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

log = logging.getLogger(__name__)

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class HeadRecipe:
    """All that decides a fit. The defaults were chosen on the dev split (see the model card).

    ``crops`` random crops with changed colours are seen beside the photograph and its mirror image.
    """

    epochs: int = 40
    batch: int = 500
    learning_rate: float = 3e-3
    weight_decay: float = 1e-2
    image_dropout: float = 0.2
    text_dropout: float = 0.1
    joint_dim: int = 512
    crops: int = 2
    conse_weight: float = 0.7
    temperature: float = 2.0
    top: int = 100
    seed: int = 0


RECIPES = {"shipped": HeadRecipe(), "debug": HeadRecipe(epochs=2, batch=8, crops=0, joint_dim=16)}


@dataclass(frozen=True, kw_only=True)
class CaptionFeatures:
    """Tower features of captioned photographs: ``pooled_VNF`` (the first view is the photograph itself),
    its class ``logits_NK``, and ``text_NGH``, all float32."""

    pooled_VNF: Floats
    logits_NK: Floats
    text_NGH: Floats


def extract_features(
    photographs: Path,
    image_tower: ImageTower,
    text_tower: TextTower,
    *,
    crops: int,
    seed: int,
    cache: Path | None = None,
) -> CaptionFeatures:
    """Run both towers over a parquet of ``image`` and ``captions``; kept in ``cache`` for the next fit.

    Every photograph must have the same number of captions. Raises ``UsageError`` otherwise.
    """
    key = hashlib.sha256(photographs.read_bytes() + f" {crops} {seed}".encode()).hexdigest()[:16]
    stored = cache / f"features-{key}.npz" if cache else None
    if stored and stored.exists():
        with np.load(stored) as arrays:
            return CaptionFeatures(**{name: arrays[name].astype(np.float32) for name in arrays.files})
    table = pq.read_table(photographs, columns=["image", "captions"])
    captions = table["captions"].to_pylist()
    each = {len(texts) for texts in captions}
    if len(each) != 1:
        raise UsageError(f"{photographs}: every image must have the same number of captions, found {sorted(each)}")
    text_NGH = text_tower([text for texts in captions for text in texts]).reshape(len(captions), each.pop(), -1)
    # Each crop has its own generator, so that more crops leave the first ones as they are.
    crop_rngs = [np.random.default_rng(seed + 8 + crop) for crop in range(crops)]
    pooled, logits = [], []
    for row in range(len(captions)):
        views = _views(_decoded(table["image"][row].as_py()), crop_rngs)
        pooled_VF, logits_VK = image_tower(np.stack(views))
        pooled.append(pooled_VF)
        logits.append(logits_VK[0])
        if row % 500 == 0:
            log.info("features of %s: %d of %d photographs", photographs.name, row, len(captions))
    found = {"pooled_VNF": np.stack(pooled, axis=1), "logits_NK": np.stack(logits), "text_NGH": text_NGH}
    half = {name: value.astype(np.float16) for name, value in found.items()}
    if stored:
        with atomic_path(stored) as temporary:
            np.savez(temporary, **half)  # type: ignore[arg-type]  # numpy's stub takes every keyword for allow_pickle
    # Rounded even where nothing is stored, so that a fit from stored features gives the same head.
    return CaptionFeatures(**{name: value.astype(np.float32) for name, value in half.items()})


def fit_head(features: CaptionFeatures, class_text_KH: Floats, recipe: HeadRecipe) -> StarterHead:
    """Fit both linear maps with symmetric InfoNCE, and build the ConSE half from the class texts."""
    image, text = _fit_linear(features, recipe)
    captions_MH = features.text_NGH.reshape(-1, features.text_NGH.shape[2])
    return StarterHead(
        image_weight_FJ=image[0],
        image_bias_J=image[1],
        text_weight_HJ=text[0],
        text_bias_J=text[1],
        class_text_KH=class_text_KH - class_text_KH.mean(axis=0),
        text_mean_H=captions_MH.mean(axis=0),
        conse_weight=recipe.conse_weight,
        temperature=recipe.temperature,
        top=recipe.top,
    )


def symmetric_infonce(image_BJ: torch.Tensor, text_BJ: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of image -> text and text -> image over the batch; rows are unit vectors in pairs."""
    import torch
    from torch.nn.functional import cross_entropy

    logits_BB = scale * image_BJ @ text_BJ.T
    own_B = torch.arange(len(logits_BB), device=logits_BB.device)
    return (cross_entropy(logits_BB, own_B) + cross_entropy(logits_BB.T, own_B)) / 2


def _fit_linear(features: CaptionFeatures, recipe: HeadRecipe) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    import torch
    from torch.nn.functional import dropout, normalize

    pooled_VNF = torch.from_numpy(image_features(features.pooled_VNF))
    text_NGH = torch.from_numpy(features.text_NGH)
    views, photographs = pooled_VNF.shape[:2]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        image = torch.nn.Linear(pooled_VNF.shape[2], recipe.joint_dim)
        text = torch.nn.Linear(text_NGH.shape[2], recipe.joint_dim)
        log_scale = torch.nn.Parameter(torch.tensor(float(np.log(1 / 0.07))))  # the start that CLIP uses
        optimizer, schedule, batches = _optimizer(
            [*image.parameters(), *text.parameters()], log_scale, photographs, recipe
        )
        for epoch in range(recipe.epochs):
            order = torch.randperm(photographs)
            for rows in torch.split(order, recipe.batch)[:batches]:
                view = torch.randint(views, (len(rows),))
                caption = torch.randint(text_NGH.shape[1], (len(rows),))
                image_BF = dropout(pooled_VNF[view, rows], recipe.image_dropout)
                text_BH = dropout(text_NGH[rows, caption], recipe.text_dropout)
                loss = symmetric_infonce(
                    normalize(image(image_BF), dim=1), normalize(text(text_BH), dim=1), log_scale.exp().clamp(max=100)
                )
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                schedule.step()
            log.info("epoch %d: loss %.3f", epoch, loss.item())
    return _weights_of(image), _weights_of(text)


def _optimizer(weights: list[Any], log_scale: Any, photographs: int, recipe: HeadRecipe) -> tuple[Any, Any, int]:
    import torch

    batches = max(1, photographs // recipe.batch)
    groups = [{"params": weights, "weight_decay": recipe.weight_decay}, {"params": [log_scale], "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, recipe.learning_rate, total_steps=recipe.epochs * batches, pct_start=0.1
    )
    return optimizer, schedule, batches


def _weights_of(layer: torch.nn.Linear) -> tuple[Floats, Floats]:
    return layer.weight.detach().numpy().T.copy(), layer.bias.detach().numpy().copy()


def class_texts() -> list[str]:
    """Names and definition of the 1,000 ImageNet classes, in the order of the logits."""
    from timm.data.imagenet_info import ImageNetInfo

    info: Any = ImageNetInfo()
    return [str(info.index_to_description(index, detailed=True)) for index in range(info.num_classes())]


def _decoded(data: bytes) -> Image:
    from PIL import Image

    return Image.open(io.BytesIO(data)).convert("RGB")


def _views(photograph: Image, crop_rngs: Sequence[np.random.Generator]) -> list[NDArray[np.uint8]]:
    """The photograph, and for training its mirror image and random crops with changed colours."""
    from PIL import Image, ImageOps

    size = (IMAGE_SIZE, IMAGE_SIZE)
    whole = [photograph, ImageOps.mirror(photograph)] if crop_rngs else [photograph]
    pictures = [picture.resize(size, Image.Resampling.BICUBIC) for picture in whole]
    pictures += [_crop(photograph, size, rng) for rng in crop_rngs]
    return [np.asarray(picture) for picture in pictures]


def _crop(photograph: Image, size: tuple[int, int], rng: np.random.Generator) -> Image:
    from PIL import Image, ImageEnhance, ImageOps

    area, aspect = rng.uniform(0.35, 1.0), np.exp(rng.uniform(-0.35, 0.35))
    width, height = min(1.0, np.sqrt(area * aspect)), min(1.0, np.sqrt(area / aspect))
    left, top = rng.uniform(0, 1 - width), rng.uniform(0, 1 - height)
    box = np.array([left, top, left + width, top + height]) * np.array(photograph.size * 2)
    picture = photograph.resize(size, Image.Resampling.BICUBIC, box=tuple(box.tolist()))
    if rng.random() < 0.5:
        picture = ImageOps.mirror(picture)
    for change, low, high in (
        (ImageEnhance.Color, 0.3, 1.6),
        (ImageEnhance.Brightness, 0.5, 1.4),
        (ImageEnhance.Contrast, 0.6, 1.4),
    ):
        picture = change(picture).enhance(rng.uniform(low, high))
    return picture


def caption_ranks(head: StarterHead, features: CaptionFeatures) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ranks of text -> image and image -> text retrieval among the photographs of ``features``."""
    each = features.text_NGH.shape[1]
    images_ND = head.embed_images(features.pooled_VNF[0], features.logits_NK)
    texts_MD = head.embed_texts(features.text_NGH.reshape(-1, features.text_NGH.shape[2]))
    scores_MN = texts_MD @ images_ND.T
    own_MN = np.repeat(np.eye(len(images_ND), dtype=bool), each, axis=0)
    return ranks_of(scores_MN, own_MN), ranks_of(scores_MN.T, own_MN.T)


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit and save a head; logs the figures on the dev split."""
    parser = argparse.ArgumentParser(prog="python -m ops.training.starter_head", description=fit_head.__doc__)
    parser.add_argument("--captions", type=Path, required=True, help="folder of flickr8k_{train,dev}.parquet")
    parser.add_argument("--out", type=Path, required=True, help="the head to write, an .npz")
    parser.add_argument("--recipe", choices=sorted(RECIPES), default="shipped")
    parser.add_argument("--features", type=Path, help="folder that keeps tower features between fits")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    import torch

    recipe = RECIPES[options.recipe]
    torch.set_num_threads(options.threads)  # sums are rounded differently with another number of threads
    text_tower = TextTower(options.threads)
    image_tower = ImageTower(options.features or options.out.parent, "cpu", options.threads)
    splits = {}
    for split, crops in (("train", recipe.crops), ("dev", 0)):
        splits[split] = extract_features(
            options.captions / f"flickr8k_{split}.parquet",
            image_tower,
            text_tower,
            crops=crops,
            seed=recipe.seed,
            cache=options.features,
        )
    head = fit_head(splits["train"], text_tower(class_texts()), recipe)
    head.save(options.out)
    for name, ranks in zip(("text -> image", "image -> text"), caption_ranks(head, splits["dev"]), strict=True):
        log.info("dev, %s: %s", name, retrieval_summary(ranks))
    return 0


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    sys.exit(main())
