"""``shot_corrections``: cuts that people corrected by hand."""

import dagster as dg

from assets.resources import Needle


def shot_corrections_asset(partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=partitions,
        group_name="footage",
        code_version="1",
        kinds={"parquet"},
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def shot_corrections(context: dg.AssetExecutionContext, needle: dg.ResourceParam[Needle]) -> dg.MaterializeResult:
        """A cut here, no cut there, from people: append-only, written by `needle shots` and the page."""
        from ops.shots.waiting import build_corrections

        return needle.record(
            context, needle.contain(lambda: build_corrections(needle.settings, context.partition_keys))
        )

    return shot_corrections
