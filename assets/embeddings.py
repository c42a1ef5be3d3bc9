"""``shot_embeddings``: one unit vector per shot, from the home's encoder."""

import dagster as dg

from assets.steps import StepAsset

ASSET = StepAsset(
    step="shot_embeddings",
    description="Shot vectors: frames spread over the proxy, each embedded, mean-pooled to unit length.",
    group="footage",
    kinds=frozenset({"parquet", "pytorch"}),
    code_version=lambda settings, encoder_id: encoder_id,
    checks=(
        dg.AssetCheckSpec("unit_vectors", asset="shot_embeddings", blocking=True, description="length 1, no NaN"),
        dg.AssetCheckSpec("complete", asset="shot_embeddings", description="every shot has its vector"),
    ),
)
