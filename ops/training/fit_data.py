"""The data of a fit: pairs that are known before the first step, or shards that are streamed; and held-out pairs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from itertools import islice
from pathlib import Path

from ops.core.plural import plural
from ops.core.settings import Settings
from ops.core.types import Progress
from ops.training.bases import find_base_shows, identify_base
from ops.training.lineage import FitInputs
from ops.training.pair_table import STAGE, build_pairs, load_pairs, store_pairs
from ops.training.pairs import (
    CaptionPair,
    describe_pairs,
    digest_pairs,
    drop_similar,
    merge_pairs,
    require_pairs,
    split_by_show,
)
from ops.training.recipes import Recipe
from ops.training.shards import Sample, Shard, ShardSet, expand_braces, find_shards, read_samples
from ops.training.sources import collect_pairs
from ops.training.version import compute_code_version
from ops.videos import catalogue

_MOST_VALIDATED = 500
"""Samples of held-out shards that are measured after a fit; they are copied beside its checkpoint."""


@dataclass(frozen=True, kw_only=True)
class FitData:
    """Pairs to train on (``learn``, or ``shards``) and to validate on.

    ``too_near`` is the number of validation pairs that were dropped as too similar to the training data.
    """

    learn: list[CaptionPair]
    validate: list[CaptionPair]
    too_near: int = 0
    shards: ShardSet | None = None

    def collect_inputs(self, settings: Settings, recipe: Recipe) -> tuple[FitInputs, str]:
        """Return the inputs of a fit, and 8 hex digits of them.

        Raises ``UsageError`` if there are too few pairs, and as ``identify_base``.
        """
        if not self.shards:
            require_pairs(self.learn, recipe.batch)
        shows = self.shards.list_shows() if self.shards else {pair.show for pair in self.learn}
        inputs: FitInputs = {
            "recipe": asdict(recipe),
            "base_id": identify_base(recipe, settings),
            "pairs_digest": self.shards.digest() if self.shards else digest_pairs(self.learn),
            "shows": sorted({*shows, *find_base_shows(recipe, settings)}),
            "code_version": compute_code_version(),
        }
        return inputs, hashlib.blake2b(json.dumps(inputs, sort_keys=True).encode(), digest_size=4).hexdigest()

    def count_shards(self) -> int:
        """Return the number of shards that are streamed; 0 if the pairs are known."""
        return len(self.shards.learn) if self.shards else 0

    def copy_validation_samples(self, folder: Path, progress: Progress) -> FitData:
        """Copy samples of held-out shards into ``folder``, and return the data with them as pairs to validate on."""
        if not self.shards:
            return self
        return replace(self, validate=_copy_samples(self.shards.held_out, folder, progress))


def collect_fit_data(
    settings: Settings, recipe: Recipe, data: Sequence[str | Path], now: datetime, progress: Progress
) -> FitData:
    """Collect the pairs of ``data`` (default: of the catalogue's table), or list its shards if they are streamed."""
    addresses = expand_braces(list(map(str, data)))
    if shards := find_shards(addresses, recipe.hold_out):
        count = f"{plural(len(shards.learn), 'shard')} of about {shards.pairs:,} pairs"
        progress.note(STAGE, f"{count} are streamed, with {plural(len(shards.held_out), 'shard')} for validation")
        for address, reason in shards.skipped.items():
            progress.set_aside(STAGE, address, reason)
        return FitData(learn=[], validate=[], shards=shards)
    skip_reasons: dict[str, str] = {}
    if not data:
        build_pairs(settings, settings.lake.list_partitions(catalogue.TABLE), now, progress)
        pairs = load_pairs(settings)
        more = ", also images that earlier fits read" if any(not pair.shot_id for pair in pairs) else ""
        progress.note(STAGE, f"without --data all captions of the catalogue are used{more}: {describe_pairs(pairs)}")
        learn, validate = split_by_show(pairs, recipe.hold_out)
    else:
        progress.start(STAGE, 0, "pairs")
        with settings.hold_work_lock():
            collection = collect_pairs(settings, addresses)
            store_pairs(settings, collection.learn, now)
        progress.advance(STAGE, len(collection.learn) + len(collection.validate))
        progress.finish(STAGE)
        learn, held_out = split_by_show(merge_pairs(collection.learn), recipe.hold_out)
        validate, skip_reasons = [*collection.validate, *held_out], collection.skipped
    distant, near = drop_similar(learn, validate, find_base_shows(recipe, settings))
    for thing, reason in (skip_reasons | near).items():
        progress.set_aside(STAGE, thing, reason)
    return FitData(learn=learn, validate=distant, too_near=len(validate) - len(distant))


def collect_unlike_pairs(
    settings: Settings, recipe: Recipe, forgetting: Sequence[str | Path], data: FitData, progress: Progress
) -> list[CaptionPair]:
    """Return pairs that neither the fit nor its validation uses, of shows that the fit does not know."""
    base_shows = find_base_shows(recipe, settings)
    with settings.hold_work_lock():
        if not forgetting:
            validation_ids = {pair.pair_id for pair in data.validate}
            others = [pair for pair in load_pairs(settings) if pair.pair_id not in validation_ids]
            return drop_similar(data.learn, others, base_shows)[0]
        collection = collect_pairs(settings, forgetting)
    unlike, near = drop_similar(data.learn, [*collection.learn, *collection.validate], base_shows)
    for thing, reason in (collection.skipped | near).items():
        progress.set_aside(STAGE, thing, reason)
    return unlike


def _copy_samples(shards: Sequence[Shard], folder: Path, progress: Progress) -> list[CaptionPair]:
    """Copy the first samples of each held-out shard into ``folder``, and return them as pairs, each once.

    Their ``input_hash`` is the digest of their media, by which the stream leaves them out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    pairs: dict[str, CaptionPair] = {}
    for number, shard in enumerate(shards):
        most = -(-(_MOST_VALIDATED - len(pairs)) // (len(shards) - number))
        samples = read_samples(shard, lambda thing, reason: progress.set_aside(STAGE, thing, reason))
        for sample in islice((each for each in samples if each), max(0, most)):
            pairs.setdefault(sample.digest, _copy_sample(sample, folder))
    return list(pairs.values())


def _copy_sample(sample: Sample, folder: Path) -> CaptionPair:
    path = folder / f"{sample.digest}{sample.ending}"
    path.write_bytes(sample.media)
    return CaptionPair(
        pair_id=f"sample:{sample.digest}",
        kind="clip" if sample.is_clip else "image",
        show=sample.show,
        captions=sample.captions,
        input_hash=sample.digest,
        source=str(path),
        member=sample.thing,
    )
