"""The lineage of a fine-tuned encoder: the inputs of its fit, and the figures, as its manifest stores them."""

from __future__ import annotations

from typing import TypedDict

from ops.evaluation.figures import Figures, Gains
from ops.training.metrics import FitSpeed


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
    speed: FitSpeed


class FitValidation(TypedDict, total=False):
    """Figures of the encoder and of its base on other pairs; empty if there were too few pairs.

    ``fitted`` is the encoder before it was blended with its base. ``overall`` is nDCG@10 over all questions.
    """

    pairs: int
    shows: list[str]
    encoder: Figures
    base: Figures
    gain: Gains
    fitted: Figures
    fitted_gain: Gains
    overall: OverallLoss
    set_aside: dict[str, str]


class OverallLoss(TypedDict):
    """nDCG@10 of encoder and base, their difference with its 95 % interval, and the accepted loss, ``margin``."""

    base: float
    encoder: float
    difference: float
    low: float
    high: float
    margin: float


def describe_loss(kind: str, validation: FitValidation) -> str:
    """Return a sentence about a loss beyond noise that may be larger than the margin; empty if there is none."""
    overall = validation.get("overall")
    if not overall or overall["high"] >= 0 or overall["low"] >= -overall["margin"]:
        return ""
    change = f"{overall['difference']:+z.3f}, {overall['low']:+z.3f} to {overall['high']:+z.3f}"
    return (
        f"it forgets {kind}: nDCG@10 {overall['base']:.3f} → {overall['encoder']:.3f} ({change}) on "
        f"{validation['pairs']:,} that its fit did not learn from; {overall['margin']:.2g} is accepted"
    )


class Lineage(FitInputs, FitFigures):
    """The content of a manifest that training adds to that of the encoder's kind."""

    validation: FitValidation
    forgetting: dict[str, FitValidation]
    trained_at: str
