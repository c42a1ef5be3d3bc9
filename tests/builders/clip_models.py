"""open_clip models with random weights, in the place of those that must be downloaded."""

from __future__ import annotations

from pathlib import Path


def save_random_model(name: str, folder: Path) -> str:
    """Save a model of open_clip with random weights; return ``<model>/<file>``, the form of the encoder."""
    import open_clip
    import torch

    torch.manual_seed(0)
    weights = folder / f"{name}.pt"
    torch.save(open_clip.create_model(name).state_dict(), weights)
    return f"{name}/{weights}"
