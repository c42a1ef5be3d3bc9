"""``shot_faces``: faces of each shot, and the people whom they show."""

import dagster as dg

from assets.steps import StepAsset
from ops.people.build import build_recipe

ASSET = StepAsset(
    step="shot_faces",
    description="Faces with box, quality and vector, and the people whom they show, if NEEDLE_PEOPLE is on.",
    group="footage",
    code_version=lambda settings, encoder_id: build_recipe(settings),
    checks=(
        dg.AssetCheckSpec(
            "people_in_shots", asset="shot_faces", description="shot_people has exactly the people of the shot's faces"
        ),
    ),
)
