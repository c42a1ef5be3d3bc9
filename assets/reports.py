"""Notebooks as assets, each with its executed notebook and HTML: reports on the catalogue, probes and features."""

from collections.abc import Sequence
from typing import Any

import dagster as dg
from pydantic import Field

from assets.automation import when_refitted, whole_catalogue
from assets.resources import Needle, convert_check
from ops.probes.definitions import ProbeDefinition
from ops.probes.fit import LEAST
from ops.probes.simulation import LEAST_LABELS


@dg.asset(
    deps=["search_index", "media_features"],
    group_name="reports",
    code_version="1",
    kinds={"jupyter"},
    automation_condition=whole_catalogue(dg.AssetKey("catalogue_report")),
)
def catalogue_report(context: dg.AssetExecutionContext, needle: dg.ResourceParam[Needle]) -> dg.MaterializeResult:
    """Shots by show, shot lengths, a map of the embeddings, a sheet of posters: executed notebook and HTML."""
    from ops.notebooks import build_catalogue_report

    return record_pages(build_catalogue_report(needle.settings, needle.encoder_id, context.run.run_id))


def few_shot_report_asset(definition: ProbeDefinition) -> dg.AssetsDefinition:
    probe = dg.AssetKey(["probe", definition.label])

    @dg.asset(
        key=dg.AssetKey(["few_shot_report", definition.label]),
        deps=[probe, dg.AssetKey(["probe_scores", definition.label])],
        group_name="reports",
        code_version="1",
        kinds={"jupyter"},
        description=f"How well {definition.label} is separated from the rest; calibration, hits and errors as posters.",
        automation_condition=when_refitted(probe),
    )
    def few_shot_report(context: dg.AssetExecutionContext, needle: dg.ResourceParam[Needle]) -> dg.MaterializeResult:
        from ops.notebooks import build_few_shot_report

        return record_pages(build_few_shot_report(needle.settings, definition.label))

    return few_shot_report


class ActiveLearningConfig(dg.Config):
    """``labels``: the labels to replay; by default all with enough labelled shots."""

    labels: list[str] = Field(default_factory=list)
    seeds: int = 5


@dg.asset(
    deps=["labels", "shot_embeddings"],
    group_name="reports",
    code_version="1",
    kinds={"jupyter"},
    description=(
        "Labels replayed: average precision against number of labels, by feeds, at random, and by text score alone. "
        f"Needs a label with {LEAST_LABELS} labelled shots, {2 * LEAST} of each answer."
    ),
)
def active_learning(
    context: dg.AssetExecutionContext, config: ActiveLearningConfig, needle: dg.ResourceParam[Needle]
) -> dg.MaterializeResult:
    from ops.notebooks import build_active_learning

    run_id = context.run.run_id
    return record_pages(build_active_learning(needle.settings, needle.encoder_id, config.labels, config.seeds, run_id))


class EmbeddingMapConfig(dg.Config):
    """``probe``: its scores colour the map; by default the shows do."""

    probe: str = ""


@dg.asset(deps=["shot_embeddings"], group_name="reports", code_version="1", kinds={"jupyter"})
def embedding_map(
    context: dg.AssetExecutionContext, config: EmbeddingMapConfig, needle: dg.ResourceParam[Needle]
) -> dg.MaterializeResult:
    """The vectors in two dimensions: clusters with a poster each, outliers, and near-duplicates."""
    from ops.notebooks import build_report

    parameters = {"encoder_id": needle.encoder_id, "probe": config.probe}
    return record_pages(build_report(needle.settings, "embedding_map", context.run.run_id, **parameters))


class VideoAnnotatorConfig(dg.Config):
    """``data``: the unpacked folder that Netflix publishes with Video Annotator."""

    data: str = ""


@dg.asset(group_name="reports", code_version="1", kinds={"jupyter"})
def video_annotator_benchmark(
    context: dg.AssetExecutionContext, config: VideoAnnotatorConfig, needle: dg.ResourceParam[Needle]
) -> dg.MaterializeResult:
    """Needle's probes on Netflix's published labels and vectors: average precision by label, and the paper's gain."""
    from ops.notebooks import build_benchmark

    return record_pages(build_benchmark(needle.settings, config.data, context.run.run_id))


class DownstreamConfig(dg.Config):
    """``label``: the label to predict; by default the one with the most labelled shots."""

    label: str = ""


def downstream_asset(probes: Sequence[str]) -> dg.AssetsDefinition:
    scores = [dg.AssetKey(["probe_scores", probe]) for probe in probes]

    @dg.asset(
        deps=["labels", "media_features", *scores], group_name="reports", code_version="1", kinds={"jupyter", "feast"}
    )
    def downstream(
        context: dg.AssetExecutionContext, config: DownstreamConfig, needle: dg.ResourceParam[Needle]
    ) -> dg.MaterializeResult:
        """A classifier trained on features from Feast: vectors, scores of other probes, facts about the shot."""
        from ops.notebooks import build_report

        parameters = {"encoder_id": needle.encoder_id, "label": config.label}
        return record_pages(build_report(needle.settings, "downstream", context.run.run_id, **parameters))

    return downstream


@dg.asset_check(
    asset="retrieval_report",
    name="has_captions",
    additional_deps=["caption_pairs"],
    description="shots have captions, which the report needs; runs without the report",
)
def has_captions(needle: dg.ResourceParam[Needle]) -> dg.AssetCheckResult:
    from ops.training.pair_table import check_captions

    return convert_check(check_captions(needle.settings))


@dg.asset(deps=["caption_pairs", "shot_embeddings"], group_name="reports", code_version="1", kinds={"jupyter"})
def retrieval_report(context: dg.AssetExecutionContext, needle: dg.ResourceParam[Needle]) -> dg.MaterializeResult:
    """How well a candidate, or the newest fine-tuned encoder, finds captioned shots, against the current one.

    Needs captions: `<film>.captions.jsonl` next to an ingested film. The check `has_captions` reports whether there are
    any; run it before this, it takes a second. Without them the page explains how to add them.
    """
    from ops.notebooks import build_report
    from ops.training.evaluate_catalogue import choose_encoders

    encoders = choose_encoders(needle.settings, needle.encoder_id)
    report = build_report(
        needle.settings,
        "retrieval_report",
        context.run.run_id,
        encoder_id=encoders.encoder_id,
        against_id=encoders.against_id,
    )
    return record_pages(report)


class CutsReportConfig(dg.Config):
    """``footage``: the folder of clips with their annotated shot boundaries."""

    footage: str = ""


@dg.asset(group_name="reports", code_version="1", kinds={"jupyter"})
def cuts_report(
    context: dg.AssetExecutionContext, config: CutsReportConfig, needle: dg.ResourceParam[Needle]
) -> dg.MaterializeResult:
    """The detector on annotated clips: figures by clip, and each false and each missed boundary as frames."""
    from ops.notebooks import build_cuts_report

    return record_pages(build_cuts_report(needle.settings, config.footage, context.run.run_id))


def record_pages(report: Any) -> dg.MaterializeResult:
    """Return a materialisation with the figures of a notebook's run, and links to its pages for a browser."""
    return dg.MaterializeResult(
        metadata={
            **report.details,
            "page": dg.MetadataValue.url(report.page_url),
            "latest_page": dg.MetadataValue.url(report.latest_url),
            "notebook": dg.MetadataValue.notebook(report.notebook),
            "html": dg.MetadataValue.path(report.html),
        }
    )
