"""The library of generated videos that a module ingests, and a small open_clip model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.builders.films import Film
from tests.builders.homes import make_library


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Film]]:
    folder = tmp_path_factory.mktemp("footage")
    return folder, make_library(folder)


@pytest.fixture
def tiny_open_clip(tmp_path: Path) -> str:
    """Setting for a small open_clip model with weights made here; known to this process only."""
    import open_clip
    import torch

    config = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 32, "layers": 1, "width": 32, "head_width": 16, "patch_size": 16},
        "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
    }
    (tmp_path / "needle-tiny.json").write_text(json.dumps(config))
    open_clip.add_model_config(tmp_path / "needle-tiny.json")
    torch.manual_seed(7)
    torch.save(open_clip.create_model("needle-tiny").state_dict(), tmp_path / "weights.pt")
    return f"open_clip:needle-tiny/{tmp_path}/weights.pt"
