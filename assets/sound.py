"""``sound``: loudness, silence and speech in the sound of each shot."""

import dagster as dg

from assets.steps import StepAsset
from ops.sound.build import build_recipe

ASSET = StepAsset(
    step="sound",
    description="Loudness by EBU R 128, silence and speech of each shot, if NEEDLE_SOUND is on.",
    group="footage",
    code_version=lambda settings, encoder_id: build_recipe(settings.sound),
    checks=(
        dg.AssetCheckSpec(
            "ranges_in_shares", asset="sound", description="stretches of silence and speech agree with their shares"
        ),
    ),
)
