"""``caption_pairs``: what encoders are fine-tuned on."""

import dagster as dg

from assets.automation import PER_VIDEO
from assets.resources import Needle


def caption_pairs_asset(partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=partitions,
        deps=["shots"],
        group_name="training",
        code_version="1",
        kinds={"parquet"},
        check_specs=[
            dg.AssetCheckSpec("shots_exist", asset="caption_pairs", description="each pair is of a shot that is there")
        ],
        backfill_policy=dg.BackfillPolicy.single_run(),
        automation_condition=PER_VIDEO,
    )
    def caption_pairs(context: dg.AssetExecutionContext, needle: dg.ResourceParam[Needle]) -> dg.MaterializeResult:
        """Shots with what was written about them, from the captions file beside each film."""
        from ops.training.pair_table import build_pairs

        return needle.record(
            context, build_pairs(needle.settings, context.partition_keys, needle.now(), needle.progress)
        )

    return caption_pairs
