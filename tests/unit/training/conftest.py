"""A tiny open_clip model, for the tests of training and upgrade."""

from __future__ import annotations

import json

import pytest
import torch

TINY = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 64, "head_width": 32, "patch_size": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
}


@pytest.fixture(scope="session")
def tiny_clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Spec of a small open_clip model with weights made here."""
    import open_clip

    folder = tmp_path_factory.mktemp("clip")
    (folder / "needle-trained.json").write_text(json.dumps(TINY))
    open_clip.add_model_config(folder / "needle-trained.json")
    torch.manual_seed(3)
    torch.save(open_clip.create_model("needle-trained").state_dict(), folder / "tiny.pt")
    return f"open_clip:needle-trained/{folder}/tiny.pt"
