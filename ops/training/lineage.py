"""The lineage of a fine-tuned encoder: the inputs of its fit, and the figures, as its manifest stores them."""

from __future__ import annotations

from typing import TypedDict

from ops.evaluation.figures import Figures, Gains


class FitInputs(TypedDict):
    """All inputs of a fit: the same inputs give the same weights."""

    recipe: dict[str, object]
    base_id: str
    pairs_digest: str
    shows: list[str]
    code_version: str


class FitFigures(TypedDict):
    """The figures of a fit; ``set_aside`` has the reason for each pair that could not be read."""

    pairs: int
    set_aside: dict[str, str]
    steps: int
    last_loss: float
    threads: int
    workers: int


class FitValidation(TypedDict, total=False):
    """Figures of the encoder and of its base on held-out pairs; empty if there were too few pairs."""

    pairs: int
    shows: list[str]
    encoder: Figures
    base: Figures
    gain: Gains
    set_aside: dict[str, str]


class Lineage(FitInputs, FitFigures):
    """The content of a manifest that training adds to that of the encoder's kind."""

    validation: FitValidation
    trained_at: str
