"""``media_features``: the lake's rows as Feast serves them, offline and online."""

import dagster as dg

from assets.automation import PER_VIDEO
from assets.resources import Needle


def media_features_asset(partitions: dg.PartitionsDefinition[str], encoder_id: str) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=partitions,
        deps=["videos", "shots", "shot_embeddings", "dialogue"],
        group_name="features",
        code_version=f"2-{encoder_id}",
        kinds={"feast"},
        backfill_policy=dg.BackfillPolicy.single_run(),
        automation_condition=PER_VIDEO,
    )
    def media_features(context: dg.AssetExecutionContext, needle: dg.ResourceParam[Needle]) -> dg.MaterializeResult:
        """The media feature store: vectors offline (duckdb over the lake), facets and dialogue online."""
        from ops.features import build_features

        return needle.record(
            context,
            needle.contain(
                lambda: build_features(needle.settings, needle.encoder_id, context.partition_keys, needle.progress)
            ),
        )

    return media_features
