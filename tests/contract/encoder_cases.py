"""An encoder of each kind, with weights made here or installed, for the suite that every kind must pass.

A new kind gets a case here; the suite fails for a kind without one.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ops.embeddings.encoder import load_encoder
from ops.embeddings.pooling import POSITION_SLOTS, TemporalHead
from ops.embeddings.starter.head import SHIPPED_HEAD

TINY = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "head_width": 32, "patch_size": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}
MODEL = "needle-contract"
PREPROCESSING = {"size": 32, "mode": "RGB", "mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic"}
PREPROCESSING |= {"resize_mode": "shortest", "fill_color": 0}


@dataclass(frozen=True, kw_only=True)
class Case:
    """A spec in a home; ``weights`` are its own files, which a test may damage in a copy of the home."""

    spec: str
    home: Path
    weights: tuple[Path, ...] = ()
    set_up: str = ""
    """Code that a fresh process needs first."""


def know_model(folder: Path) -> str:
    """Make open_clip know the tiny model; the code that does so in another process."""
    import open_clip

    (folder / f"{MODEL}.json").write_text(json.dumps(TINY))
    open_clip.add_model_config(folder / f"{MODEL}.json")
    return f"import open_clip; open_clip.add_model_config({str(folder / MODEL)!r} + '.json')"


def random_weights(seed: int = 1) -> dict[str, object]:
    """A state of the tiny model."""
    import open_clip
    import torch

    torch.manual_seed(seed)
    state: dict[str, object] = open_clip.create_model(MODEL).state_dict()
    return state


def temporal_head(dim: int, seed: int = 0, width: int = 16) -> TemporalHead:
    """A random head that moves vectors well away from their mean."""
    rng = np.random.default_rng(seed)
    shapes: dict[str, tuple[int, ...]] = {
        "narrow.weight": (width, dim),
        "position": (POSITION_SLOTS, width),
        "widen.weight": (dim, width),
    }
    layer = {"norm1.weight": (width,), "norm1.bias": (width,), "norm2.weight": (width,), "norm2.bias": (width,)}
    layer |= {"qkv.bias": (3 * width,), "out.bias": (width,), "up.bias": (4 * width,), "down.bias": (width,)}
    matrices = {"qkv.weight": (3 * width, width), "out.weight": (width, width), "up.weight": (4 * width, width)}
    matrices |= {"down.weight": (width, 4 * width)}
    shapes |= {f"layers.0.{name}": shape for name, shape in {**layer, **matrices}.items()}
    weights = {name: rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
    return TemporalHead(weights=weights, heads=2)


def starter(folder: Path) -> Case:
    return Case(spec="starter", home=folder / "home")


def open_clip(folder: Path) -> Case:
    import torch

    set_up = know_model(folder)
    torch.save(random_weights(), folder / "weights.pt")
    spec = f"open_clip:{MODEL}/{folder / 'weights.pt'}"
    return Case(spec=spec, home=folder / "home", weights=(folder / "weights.pt",), set_up=set_up)


def finetuned_starter(folder: Path) -> Case:
    own = folder / "home" / "encoders" / "mine"
    own.mkdir(parents=True)
    shutil.copy(SHIPPED_HEAD, own / "head.npz")
    return Case(spec="finetuned:mine", home=folder / "home", weights=(own / "head.npz",))


def finetuned_starter_temporal(folder: Path) -> Case:
    case = finetuned_starter(folder)
    temporal = case.weights[0].with_name("temporal.npz")
    temporal_head(load_encoder(case.spec, case.home, part="text").dim).save(temporal)
    return Case(spec=case.spec, home=case.home, weights=(*case.weights, temporal))


def finetuned_open_clip(folder: Path) -> Case:
    from safetensors.torch import save_file

    set_up = know_model(folder)
    own = folder / "home" / "encoders" / "mine"
    own.mkdir(parents=True)
    save_file(random_weights(2), own / "model.safetensors")  # type: ignore[arg-type]
    (own / "encoder.json").write_text(json.dumps({"model": MODEL, "preprocessing": PREPROCESSING}))
    weights = (own / "model.safetensors", own / "encoder.json")
    return Case(spec="finetuned:mine", home=folder / "home", weights=weights, set_up=set_up)


def finetuned_open_clip_temporal(folder: Path) -> Case:
    case = finetuned_open_clip(folder)
    temporal = case.weights[0].with_name("temporal.npz")
    temporal_head(TINY["embed_dim"]).save(temporal)  # type: ignore[arg-type]
    return Case(spec=case.spec, home=case.home, weights=(*case.weights, temporal), set_up=case.set_up)


CASES: dict[str, Callable[[Path], Case]] = {
    "starter": starter,
    "open_clip": open_clip,
    "finetuned starter": finetuned_starter,
    "finetuned starter, temporal": finetuned_starter_temporal,
    "finetuned open_clip": finetuned_open_clip,
    "finetuned open_clip, temporal": finetuned_open_clip_temporal,
}
