"""``search_index``: the nearest-neighbour index, replicated from the lake and compared with it."""

import dagster as dg

from assets.automation import whole_catalogue
from assets.resources import Needle, convert_check


def search_index_asset(encoder_id: str) -> dg.AssetsDefinition:
    @dg.asset(
        deps=["shots", "shot_embeddings"],
        group_name="search",
        code_version=f"1-{encoder_id}",
        kinds={"qdrant"},
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


@dg.asset_check(asset="search_index", name="same_rows_as_lake")
def same_rows_as_lake(needle: dg.ResourceParam[Needle]) -> dg.AssetCheckResult:
    """Lake and index have the same rows (digest), and some vectors read back are equal to the lake's."""
    from ops.index.build import check_index

    return convert_check(check_index(needle.settings, needle.encoder_id))
