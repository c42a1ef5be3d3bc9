"""``videos``: facts about each file of the library, or why it cannot be used."""

import dagster as dg

from assets.automation import NEW_VERSION
from assets.resources import Needle


def videos_asset(partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=partitions,
        group_name="footage",
        code_version="1",
        kinds={"parquet"},
        backfill_policy=dg.BackfillPolicy.single_run(),
        automation_condition=NEW_VERSION,
    )
    def videos(context: dg.AssetExecutionContext, needle: dg.ResourceParam[Needle]) -> dg.MaterializeResult:
        """Source footage: exact frame rate, size, audio, start timecode; unusable files with their reason."""
        from ops.videos.describe import describe_videos

        return needle.record(
            context,
            needle.contain(
                lambda: describe_videos(needle.settings, context.partition_keys, needle.now(), needle.progress)
            ),
        )

    return videos
