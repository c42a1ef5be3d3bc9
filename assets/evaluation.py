"""``retrieval_report``: the notebook that says how well encoders find captioned shots."""

import dagster as dg

from assets.reports import pages_of
from assets.resources import Needle


@dg.asset(deps=["caption_pairs", "shot_embeddings"], group_name="reports", code_version="1", kinds={"jupyter"})
def retrieval_report(context: dg.AssetExecutionContext, needle: dg.ResourceParam[Needle]) -> dg.MaterializeResult:
    """How well the newest fine-tuned encoder finds captioned shots, against the current one: notebook and HTML."""
    from ops.notebooks import build_report
    from ops.training.evaluate_catalogue import contest_of

    contest = contest_of(needle.settings, needle.encoder_id)
    report = build_report(
        needle.settings,
        "retrieval_report",
        context.run.run_id,
        encoder_id=contest.encoder_id,
        against_id=contest.against_id,
    )
    return pages_of(report)
