"""``screen_text``: the writing in the picture, from signs and titles to captions."""

import dagster as dg

from assets.automation import whole_catalogue
from assets.resources import Needle, convert_check
from assets.steps import StepAsset
from ops.screen_text.build import build_recipe

ASSET = StepAsset(
    step="screen_text",
    description="Writing in the picture, with its place and its frames, if NEEDLE_SCREEN_TEXT is on.",
    group="footage",
    code_version=lambda settings, encoder_id: build_recipe(settings.screen_text),
    checks=(
        dg.AssetCheckSpec(
            "texts_in_shots", asset="screen_text", description="shot_screen_text counts each searchable text"
        ),
    ),
)


@dg.asset(
    deps=["screen_text"],
    group_name="search",
    code_version="1",
    kinds={"qdrant", "tantivy"},
    automation_condition=whole_catalogue(dg.AssetKey("screen_text_index")),
)
def screen_text_index(context: dg.AssetExecutionContext, needle: dg.ResourceParam[Needle]) -> dg.MaterializeResult:
    """One immutable version of the index of writing (BM25 and phrases), published atomically."""
    from ops.index.screen_text import build_texts

    return needle.record(context, needle.contain(lambda: build_texts(needle.settings, needle.progress), context))


@dg.asset_check(asset="screen_text_index", name="same_texts_as_lake")
def same_texts_as_lake(needle: dg.ResourceParam[Needle]) -> dg.AssetCheckResult:
    """Lake and index have the same texts, read back one by one."""
    from ops.index.screen_text import check_texts

    return convert_check(check_texts(needle.settings))
