"""``catalogue_report``: the notebook that shows what the catalogue holds."""

import dagster as dg

from assets.automation import WHOLE_CATALOGUE
from assets.resources import Needle


@dg.asset(
    deps=["search_index", "media_features"],
    group_name="reports",
    code_version="1",
    kinds={"jupyter"},
    automation_condition=WHOLE_CATALOGUE,
)
def catalogue_report(context: dg.AssetExecutionContext, needle: dg.ResourceParam[Needle]) -> dg.MaterializeResult:
    """Shots by show, shot lengths, a map of the embeddings, a sheet of posters: executed notebook and HTML."""
    from ops.notebooks import build_catalogue_report

    report = build_catalogue_report(needle.settings, needle.encoder_id, context.run.run_id)
    return dg.MaterializeResult(
        metadata={
            **report.details,
            "notebook": dg.MetadataValue.notebook(report.notebook),
            "html": dg.MetadataValue.path(report.html),
        }
    )
