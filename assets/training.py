"""``caption_pairs``: the data for fine-tuning; and for each encoder of encoders.yaml ``encoder/<name>``."""

import dagster as dg

from assets.automation import per_video
from assets.resources import Needle
from ops.training.definitions import EncoderDefinition


def caption_pairs_asset(partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    @dg.asset(
        partitions_def=partitions,
        deps=["shots"],
        group_name="training",
        code_version="1",
        kinds={"parquet"},
        check_specs=[
            dg.AssetCheckSpec("shots_exist", asset="caption_pairs", description="the shot of each pair exists")
        ],
        backfill_policy=dg.BackfillPolicy.single_run(),
        automation_condition=per_video(dg.AssetKey("caption_pairs")),
    )
    def caption_pairs(context: dg.AssetExecutionContext, needle: dg.ResourceParam[Needle]) -> dg.MaterializeResult:
        """Captioned shots, from the captions file beside each video."""
        from ops.training.pair_table import build_pairs

        return needle.record(
            context,
            needle.contain(
                lambda: build_pairs(needle.settings, context.partition_keys, needle.now(), needle.progress), context
            ),
        )

    return caption_pairs


def encoder_asset(definition: EncoderDefinition, code_version: str) -> dg.AssetsDefinition:
    """A fine-tuned encoder. Only a person starts its fit, because that is long and its data were chosen."""

    @dg.asset(
        key=dg.AssetKey(["encoder", definition.name]),
        deps=["caption_pairs"],
        group_name="training",
        code_version=f"{definition.fit.digest()}-{code_version}",
        kinds={"pytorch"},
        description=f"finetuned:{definition.name}, by the recipe {definition.recipe} from {definition.fit.base}.",
    )
    def encoder(context: dg.AssetExecutionContext, needle: dg.ResourceParam[Needle]) -> dg.MaterializeResult:
        from ops.training.train import build_encoder

        return needle.record(context, build_encoder(needle.settings, definition.name, needle.now(), needle.progress))

    return encoder
