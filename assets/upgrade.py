"""The upgrade of the live encoder: the candidate's vectors, index and probes, a comparison, the switch."""

import dagster as dg

from assets.resources import Needle

GROUP = "encoders"


def candidate_embeddings_asset(
    partitions: dg.PartitionsDefinition[str], candidate_id: str, made_by: list[dg.AssetKey]
) -> dg.AssetsDefinition:
    """``made_by`` is the asset of the candidate if it was fine-tuned in this home."""

    @dg.asset(
        partitions_def=partitions,
        deps=["shots", *made_by],
        group_name=GROUP,
        code_version=candidate_id or "none",
        kinds={"parquet", "pytorch"},
        check_specs=[
            dg.AssetCheckSpec(
                "unit_vectors", asset="candidate_embeddings", blocking=True, description="length 1, no NaN"
            ),
            dg.AssetCheckSpec("complete", asset="candidate_embeddings", description="every shot has its vector"),
        ],
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def candidate_embeddings(
        context: dg.AssetExecutionContext, needle: dg.ResourceParam[Needle]
    ) -> dg.MaterializeResult:
        """Shot vectors of the candidate of `needle upgrade`, stored next to those of the live encoder."""
        from ops.upgrade.candidate import embed_candidate

        return needle.record(
            context,
            needle.contain(
                lambda: embed_candidate(needle.settings, context.partition_keys, needle.now(), needle.progress),
                context,
            ),
        )

    return candidate_embeddings


@dg.asset(deps=["candidate_embeddings"], group_name=GROUP, code_version="1", kinds={"qdrant"})
def candidate_index(context: dg.AssetExecutionContext, needle: dg.ResourceParam[Needle]) -> dg.MaterializeResult:
    """The candidate's own index, which is not searched yet."""
    from ops.upgrade.candidate import index_candidate

    return needle.record(context, needle.contain(lambda: index_candidate(needle.settings, needle.progress), context))


@dg.asset(deps=["labels", "candidate_embeddings"], group_name=GROUP, code_version="1", kinds={"scikitlearn"})
def candidate_probes(context: dg.AssetExecutionContext, needle: dg.ResourceParam[Needle]) -> dg.MaterializeResult:
    """Every probe, fitted again on the candidate's vectors, with its scores."""
    from ops.upgrade.candidate import fit_candidate_probes

    return needle.record(
        context, needle.contain(lambda: fit_candidate_probes(needle.settings, needle.now(), needle.progress), context)
    )


@dg.asset(
    deps=["candidate_index", "candidate_probes", "search_index", "caption_pairs"],
    group_name=GROUP,
    code_version="1",
    check_specs=[
        dg.AssetCheckSpec(
            "not_worse",
            asset="encoder_comparison",
            blocking=True,
            description="the candidate is not worse than the live encoder, or a person accepts it with a reason",
        )
    ],
)
def encoder_comparison(context: dg.AssetExecutionContext, needle: dg.ResourceParam[Needle]) -> dg.MaterializeResult:
    """Candidate and live encoder compared: on captions, on search results, by their probes."""
    from ops.upgrade.compare import compare

    return needle.record(context, compare(needle.settings, needle.now(), needle.progress))


# Not by the comparison alone: a rollback goes without one, and the switch must still come last.
@dg.asset(deps=["encoder_comparison", "candidate_index", "candidate_probes"], group_name=GROUP, code_version="1")
def live_encoder(context: dg.AssetExecutionContext, needle: dg.ResourceParam[Needle]) -> dg.MaterializeResult:
    """The encoder for searches and new footage; switched in one step, with its index and its probes."""
    from ops.upgrade.switch import switch

    return needle.record(context, switch(needle.settings, needle.now()))
