"""Runs of ``needle train``: the definition in ``encoders.yaml``, and its asset ``encoder/<name>``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from ops.cli import runs
from ops.cli.progress import Bars
from ops.core.errors import NeedleError
from ops.core.settings import Settings
from ops.core.storage import resolve_local_path
from ops.training.definitions import EncoderDefinition, define, undefine
from ops.training.recipes import Recipe, build_recipe
from ops.training.shards import is_remote
from ops.training.train import TrainedEncoder, choose_default_name, load_trained_encoder, require_possible
from ops.videos import catalogue


def train_as_asset(
    settings: Settings,
    recipe: Recipe,
    data: Sequence[str],
    now: datetime,
    bars: Bars,
    *,
    name: str,
    threads: int | None,
    workers: int | None = None,
    gpu: bool | None = None,
    forgetting: Sequence[str] = (),
) -> TrainedEncoder:
    """Define the encoder and materialise it; errors as of ``train``.

    If no data are given, the caption pairs of the catalogue are built first; otherwise they are not needed.
    """
    require_possible(settings, recipe, gpu)
    paths = tuple(map(_make_absolute, data))
    name = name or choose_default_name(settings, recipe, paths, now)
    was_there = (settings.home / "encoders" / name).exists()
    before = vars(build_recipe(recipe.name))
    changes = {key: value for key, value in vars(recipe).items() if before[key] != value}
    definition = EncoderDefinition(
        name=name,
        recipe=recipe.name,
        data=paths,
        forgetting=tuple(map(_make_absolute, forgetting)),
        changes=changes,
        threads=threads,
        workers=workers,
        gpu=gpu,
    )
    is_added = define(settings, definition)
    try:
        _materialise(settings, name, [] if data else settings.lake.list_partitions(catalogue.TABLE), bars)
    except (NeedleError, KeyboardInterrupt):
        if is_added:
            undefine(settings, definition)
        raise
    return load_trained_encoder(settings, name, is_new=not was_there)


def _materialise(settings: Settings, name: str, partitions: Sequence[str], bars: Bars) -> None:
    runs.run_pipeline(
        settings,
        partitions,
        [each for each in runs.find_interrupted_ingests(settings) if not each.partitions],
        bars,
        (f"encoder/{name}",),
        partitioned_steps=("caption_pairs",),
        indexes=(),
        started_by="needle train",
    )


def _make_absolute(address: str) -> str:
    return address if is_remote(address) else resolve_local_path(address)
