"""``labels``, and for each probe of probes.yaml ``probe/<label>`` and ``probe_scores/<label>``."""

import dagster as dg

from assets.automation import whole_catalogue
from assets.resources import Needle
from ops.probes.definitions import ProbeDefinition
from ops.probes.fit import RECIPE


@dg.asset(group_name="probes", code_version="1", kinds={"parquet"})
def labels(context: dg.AssetExecutionContext, needle: dg.ResourceParam[Needle]) -> dg.MaterializeResult:
    """Annotations of single shots by people, yes or no: append-only, written by `needle label` and the page."""
    from ops.probes.build import build_labels

    return needle.record(context, build_labels(needle.settings))


def probe_assets(definition: ProbeDefinition, encoder_id: str) -> list[dg.AssetsDefinition]:
    """Return the two assets of one probe."""
    return [probe_asset(definition, encoder_id), probe_scores_asset(definition, encoder_id)]


def probe_asset(definition: ProbeDefinition, encoder_id: str) -> dg.AssetsDefinition:
    key = dg.AssetKey(["probe", definition.label])

    @dg.asset(
        key=key,
        deps=["labels", "shot_embeddings"],
        group_name="probes",
        code_version=f"{RECIPE}-{encoder_id}",
        kinds={"scikitlearn"},
        description=definition.description or f"Whether a shot is {definition.label}: fitted on labels and vectors.",
        check_specs=[
            dg.AssetCheckSpec(
                "not_worse", asset=key, blocking=True, description="the last fit is not worse than its predecessor"
            )
        ],
        automation_condition=whole_catalogue(key),
    )
    def probe(context: dg.AssetExecutionContext, needle: dg.ResourceParam[Needle]) -> dg.MaterializeResult:
        from ops.notebooks.report_files import build_latest_url
        from ops.probes.build import build_probe

        report = needle.contain(
            lambda: build_probe(needle.settings, needle.encoder_id, definition.label, needle.now(), needle.progress),
            context,
        )
        page = build_latest_url(needle.settings, "few_shot_report", definition.label)
        return needle.record(context, report, page=page)

    return probe


def probe_scores_asset(definition: ProbeDefinition, encoder_id: str) -> dg.AssetsDefinition:
    key = dg.AssetKey(["probe_scores", definition.label])

    @dg.asset(
        key=key,
        deps=[dg.AssetKey(["probe", definition.label]), "shot_embeddings"],
        group_name="probes",
        code_version=f"1-{encoder_id}",
        kinds={"parquet", "feast"},
        description=f"How likely each shot is {definition.label}, 0 to 1, in the lake and as a feature.",
        automation_condition=whole_catalogue(key),
    )
    def probe_scores(context: dg.AssetExecutionContext, needle: dg.ResourceParam[Needle]) -> dg.MaterializeResult:
        from ops.features import publish_scores
        from ops.probes.scores import build_scores

        report = needle.contain(
            lambda: build_scores(needle.settings, definition.label, needle.now(), needle.progress), context
        )
        needle.contain(lambda: publish_scores(needle.settings, needle.encoder_id, definition.label))
        return needle.record(context, report)

    return probe_scores
