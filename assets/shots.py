"""``shots``: runs of frames between two cuts, each with its proxy and poster in object storage."""

import dagster as dg

from assets.steps import StepAsset
from ops.shots.segment import compute_detector_version

ASSET = StepAsset(
    step="shots",
    description="Shots, gapless from frame 0, each with a proxy mp4 and a poster; blank ones are marked.",
    group="footage",
    kinds=frozenset({"parquet", "mp4"}),
    code_version=lambda settings, encoder_id: compute_detector_version(settings.detector),
    checks=(
        dg.AssetCheckSpec("gapless", asset="shots", blocking=True, description="shots start at 0 and leave no gap"),
        dg.AssetCheckSpec("unique_ids", asset="shots", blocking=True, description="no two shots share an id"),
        dg.AssetCheckSpec("complete", asset="shots", description="every ready video has shots to its last frame"),
    ),
)
