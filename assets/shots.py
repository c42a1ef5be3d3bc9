"""``shots``: runs of frames between two cuts, each with its proxy and poster in object storage."""

import dagster as dg

from assets.automation import PER_VIDEO
from assets.resources import Needle


def shots_asset(partitions: dg.PartitionsDefinition[str], detector_version: str) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=partitions,
        deps=["videos", "shot_corrections"],
        group_name="footage",
        code_version=detector_version,
        kinds={"parquet", "mp4"},
        check_specs=[
            dg.AssetCheckSpec("gapless", asset="shots", blocking=True, description="shots start at 0 and leave no gap"),
            dg.AssetCheckSpec("unique_ids", asset="shots", blocking=True, description="no two shots share an id"),
            dg.AssetCheckSpec("complete", asset="shots", description="every ready video has shots to its last frame"),
        ],
        backfill_policy=dg.BackfillPolicy.single_run(),
        automation_condition=PER_VIDEO,
    )
    def shots(context: dg.AssetExecutionContext, needle: dg.ResourceParam[Needle]) -> dg.MaterializeResult:
        """Shots, gapless from frame 0, each with a proxy mp4 and a poster; blank ones are marked."""
        from ops.shots.build import build_shots

        return needle.record(
            context,
            needle.contain(lambda: build_shots(needle.settings, context.partition_keys, needle.now(), needle.progress)),
        )

    return shots
