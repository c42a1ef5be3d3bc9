"""``search_index``: the nearest-neighbour index, replicated from the lake and compared with it; merged at night."""

import dagster as dg

from assets.automation import nightly, whole_catalogue
from assets.resources import Needle, convert_check


def search_index_asset(encoder_id: str) -> dg.AssetsDefinition:
    @dg.asset(
        deps=["shots", "shot_embeddings"],
        group_name="search",
        code_version=f"1-{encoder_id}",
        kinds={"qdrant", "numpy"},
        automation_condition=whole_catalogue(dg.AssetKey("search_index")),
    )
    def search_index(context: dg.AssetExecutionContext, needle: dg.ResourceParam[Needle]) -> dg.MaterializeResult:
        """One immutable version of the vector index, published atomically."""
        from ops.index.build import build_index

        return needle.record(
            context,
            needle.contain(
                lambda: build_index(needle.settings, needle.encoder_id, needle.progress, needle.now), context
            ),
        )

    return search_index


@dg.asset(
    deps=["search_index"],
    group_name="maintenance",
    code_version="1",
    automation_condition=nightly(dg.AssetKey("merged_index")),
)
def merged_index(context: dg.AssetExecutionContext, needle: dg.ResourceParam[Needle]) -> dg.MaterializeResult:
    """The embedded index in one segment, without the points of changed and removed videos. Answers stay the same."""
    from ops.index.build import merge_segments

    return needle.record(
        context, needle.contain(lambda: merge_segments(needle.settings, needle.encoder_id, needle.progress))
    )


@dg.asset_check(asset="search_index", name="same_rows_as_lake")
def same_rows_as_lake(needle: dg.ResourceParam[Needle]) -> dg.AssetCheckResult:
    """Lake and index have the same rows (digest), and some vectors read back are equal to the lake's."""
    from ops.index.build import check_index

    return convert_check(check_index(needle.settings, needle.encoder_id))
