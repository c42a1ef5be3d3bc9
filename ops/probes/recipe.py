"""The names of the ways in which probes are made; a change of the way is a change of the name."""

from __future__ import annotations

RECIPE = "logistic-1"
ZERO_SHOT_RECIPE = "zero-shot-1"
