"""``media_features``: the lake's rows as Feast serves them, offline and online."""

from assets.steps import StepAsset

ASSET = StepAsset(
    step="media_features",
    description="The media feature store: vectors offline (duckdb over the lake), facets and dialogue online.",
    group="features",
    kinds=frozenset({"feast"}),
    code_version=lambda settings, encoder_id: f"2-{encoder_id}",
)
