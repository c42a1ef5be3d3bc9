"""``shot_corrections``: cuts that people corrected by hand."""

from assets.steps import StepAsset

ASSET = StepAsset(
    step="shot_corrections",
    description="A cut here, no cut there, from people: append-only, written by `needle shots` and the page.",
    group="footage",
    automation=None,
)
