"""``saved_searches``: shots of new footage that match searches which people saved."""

import dagster as dg

from assets.automation import whole_catalogue
from assets.resources import Needle


@dg.asset(
    deps=["search_index", "dialogue_index", "screen_text_index"],
    group_name="search",
    code_version="1",
    kinds={"json"},
    automation_condition=whole_catalogue(dg.AssetKey("saved_searches")),
)
def saved_searches(context: dg.AssetExecutionContext, needle: dg.ResourceParam[Needle]) -> dg.MaterializeResult:
    """New matches of each saved search: above the divider, of videos that were not searchable when people looked."""
    from ops.search.saved_matches import build_matches

    return needle.record(
        context, needle.contain(lambda: build_matches(needle.settings, needle.encoder_id, needle.progress), context)
    )
