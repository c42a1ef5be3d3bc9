"""The code location: everything that Dagster can show and run.

Built when Dagster asks for it, not at import; loads no torch, ray or open_clip.
"""

from __future__ import annotations

import dagster as dg

from assets.automation import automation_sensors, corrections_sensor, failure_sensor, labels_sensor, library_sensor
from assets.dialogue import dialogue_index, same_lines_as_lake
from assets.index import merged_index, same_rows_as_lake, search_index_asset
from assets.library import describe_library, searchable_in_time
from assets.partitions import choose_partitions
from assets.probes import labels, probe_assets
from assets.reports import (
    active_learning,
    catalogue_report,
    cuts_report,
    downstream_asset,
    embedding_map,
    few_shot_report_asset,
    has_captions,
    retrieval_report,
    video_annotator_benchmark,
)
from assets.resources import RETRIES, Needle, write_json_logs_of_runs
from assets.saved_searches import saved_searches
from assets.screen_text import same_texts_as_lake, screen_text_index
from assets.steps import step_assets
from assets.training import caption_pairs_asset, encoder_asset
from assets.upgrade import (
    candidate_embeddings_asset,
    candidate_index,
    candidate_probes,
    encoder_comparison,
    live_encoder,
)
from ops.core.logs import LoggedProgress
from ops.core.settings import Settings, load_settings
from ops.core.tracing import start_tracing
from ops.embeddings.encoder import resolve_encoder
from ops.embeddings.registry import EncoderRegistry
from ops.probes.definitions import load_definitions
from ops.training.definitions import load_definitions as load_encoder_definitions
from ops.training.version import compute_code_version


def build_definitions(settings: Settings, needle: Needle) -> dg.Definitions:
    """Build all definitions for these settings; the encoder's and the detector's versions are code versions."""
    partitions = choose_partitions(settings)
    encoder_id = resolve_encoder(settings).encoder_id
    probes = load_definitions(settings)
    candidate = EncoderRegistry(settings.home).read_state().candidate
    encoders, fits = load_encoder_definitions(settings), compute_code_version()
    made_by = [
        dg.AssetKey(["encoder", name]) for name in encoders if candidate and candidate.spec == f"finetuned:{name}"
    ]
    assets: list[dg.AssetsDefinition | dg.AssetSpec] = [
        describe_library(settings),
        *step_assets(settings, encoder_id, partitions),
        search_index_asset(encoder_id),
        merged_index,
        dialogue_index,
        screen_text_index,
        saved_searches,
        catalogue_report,
        caption_pairs_asset(partitions),
        retrieval_report,
        *(encoder_asset(definition, fits) for definition in encoders.values()),
        candidate_embeddings_asset(partitions, candidate.encoder_id if candidate else "", made_by),
        candidate_index,
        candidate_probes,
        encoder_comparison,
        live_encoder,
        labels,
        *(asset for probe in probes.values() for asset in probe_assets(probe, encoder_id)),
        *(few_shot_report_asset(probe) for probe in probes.values()),
        active_learning,
        embedding_map,
        video_annotator_benchmark,
        cuts_report,
        downstream_asset(list(probes)),
    ]
    return dg.Definitions(
        assets=list(dg.map_asset_specs(add_owner, assets)),
        asset_checks=[searchable_in_time, same_rows_as_lake, same_lines_as_lake, same_texts_as_lake, has_captions],
        sensors=[
            *automation_sensors(),
            library_sensor(settings, partitions, needle),
            labels_sensor(settings),
            corrections_sensor(settings, partitions),
            failure_sensor(settings),
        ],
        resources={"needle": needle},
        executor=dg.in_process_executor,
    )


def add_owner(spec: dg.AssetSpec) -> dg.AssetSpec:
    """Return the asset owned by the team of its group, so that Dagster can filter and alert by it."""
    return spec.replace_attributes(owners=[f"team:{spec.group_name}"])


@dg.definitions
def defs() -> dg.Definitions:
    """Return the definitions for ``workspace.yaml``."""
    settings = load_settings()
    write_json_logs_of_runs(settings)
    start_tracing()
    return build_definitions(settings, Needle(LoggedProgress(), retries=RETRIES))
