"""``videos``: facts about each file of the library, or why it cannot be used."""

from assets.automation import on_new_version
from assets.steps import StepAsset

ASSET = StepAsset(
    step="videos",
    description="Source footage: exact frame rate, size, audio, start timecode; unusable files with their reason.",
    group="footage",
    automation=on_new_version,
    upstreams=("library",),
)
