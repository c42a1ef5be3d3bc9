"""``shot_embeddings``: one unit vector per shot, from the home's encoder."""

import dagster as dg

from assets.automation import PER_VIDEO
from assets.resources import Needle


def shot_embeddings_asset(partitions: dg.PartitionsDefinition[str], encoder_id: str) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=partitions,
        deps=["shots"],
        group_name="footage",
        code_version=encoder_id,
        kinds={"parquet", "pytorch"},
        check_specs=[
            dg.AssetCheckSpec("unit_vectors", asset="shot_embeddings", blocking=True, description="length 1, no NaN"),
            dg.AssetCheckSpec("complete", asset="shot_embeddings", description="every shot has its vector"),
        ],
        backfill_policy=dg.BackfillPolicy.single_run(),
        automation_condition=PER_VIDEO,
    )
    def shot_embeddings(context: dg.AssetExecutionContext, needle: dg.ResourceParam[Needle]) -> dg.MaterializeResult:
        """Shot vectors: frames spread over the proxy, each embedded, mean-pooled to unit length."""
        from ops.embeddings.build import build_embeddings

        return needle.record(
            context,
            needle.contain(
                lambda: build_embeddings(
                    needle.settings, needle.encoder_id, context.partition_keys, needle.now(), needle.progress
                )
            ),
        )

    return shot_embeddings
