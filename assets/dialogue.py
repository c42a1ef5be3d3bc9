"""``dialogue``: spoken lines from subtitles and from speech recognition, with their shots."""

import dagster as dg

from assets.automation import whole_catalogue
from assets.resources import Needle, convert_check
from assets.steps import StepAsset
from ops.dialogue.recipe import build_dialogue_recipe

ASSET = StepAsset(
    step="dialogue",
    description="Lines of subtitle files beside the video, of its text tracks, or of its recognised speech.",
    group="footage",
    code_version=lambda settings, encoder_id: build_dialogue_recipe(settings.speech, settings.speech_language),
    checks=(
        dg.AssetCheckSpec(
            "lines_in_shots", asset="dialogue", blocking=True, description="each line names the shots it is spoken in"
        ),
        dg.AssetCheckSpec("complete", asset="dialogue", description="every shot has its row in shot_dialogue"),
    ),
)


@dg.asset(
    deps=["dialogue"],
    group_name="search",
    code_version="1",
    kinds={"qdrant", "tantivy"},
    automation_condition=whole_catalogue(dg.AssetKey("dialogue_index")),
)
def dialogue_index(context: dg.AssetExecutionContext, needle: dg.ResourceParam[Needle]) -> dg.MaterializeResult:
    """One immutable version of the index of lines (BM25 and phrases), published atomically."""
    from ops.index.dialogue import build_lines

    return needle.record(context, needle.contain(lambda: build_lines(needle.settings, needle.progress), context))


@dg.asset_check(asset="dialogue_index", name="same_lines_as_lake")
def same_lines_as_lake(needle: dg.ResourceParam[Needle]) -> dg.AssetCheckResult:
    """Lake and index have the same lines, read back one by one."""
    from ops.index.dialogue import check_lines

    return convert_check(check_lines(needle.settings))
