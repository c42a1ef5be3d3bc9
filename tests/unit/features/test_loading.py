"""Importing Feast cheaply leaves nothing behind that others could notice."""

from __future__ import annotations

import subprocess
import sys

CHECK = """
import sys, typeguard
from ops.features.store import load_feast
before = typeguard.typechecked
load_feast()
assert "torch" not in sys.modules, "Feast loaded torch"
assert typeguard.typechecked is before, "the decorator was not put back"
load_feast()
import torch
from feast import Entity, FeatureStore
assert Entity(name="shot", join_keys=["shot_id"]).join_key == "shot_id"
assert torch.ones(2).sum() == 2
"""


def test_feast_loads_without_torch_and_everything_is_put_back() -> None:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", CHECK], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
