"""The step ``media_features``: the rows of every table that Feast serves, written online."""

from __future__ import annotations

from collections.abc import Collection

from ops.core.schemas import list_served_tables
from ops.core.settings import Settings
from ops.core.steps import Step, StepRun
from ops.core.types import StepReport
from ops.features.build import build_features, has_current_features
from ops.features.store import is_lake_registered
from ops.features.store_state import read_store_name


def _build(run: StepRun) -> StepReport:
    return build_features(run.settings, run.encoder_id, run.partitions, run.progress, now=run.now)


def _is_due(settings: Settings, encoder_id: str, video_ids: Collection[str]) -> set[str]:
    partitions = {settings.resolve_partition(video_id) for video_id in video_ids}
    if not is_lake_registered(settings):
        return partitions
    return {partition for partition in partitions if not has_current_features(settings, [partition])}


def _describe_store(settings: Settings, encoder_id: str, video_ids: Collection[str]) -> dict[str, str | None]:
    """Name the online store that has the rows; one that was deleted and written again has another name."""
    name = read_store_name(settings) if is_lake_registered(settings) else ""
    return {settings.resolve_partition(video_id): name or None for video_id in video_ids}


STEPS = (
    Step(
        name="media_features",
        title="Feature store",
        stage="features",
        reads=("shot_embeddings",),
        reads_features=True,
        is_due=_is_due,
        build=_build,
        in_home=True,
        decided_by=tuple(table.name for table in list_served_tables().values()),
        describe_outside=_describe_store,
    ),
)
