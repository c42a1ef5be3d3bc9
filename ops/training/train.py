"""Fit an encoder from pairs and a recipe, and write it with its lineage into the home."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, cast

from ops.core.errors import UsageError
from ops.core.locks import lock_exclusively
from ops.core.plural import plural
from ops.core.settings import Settings
from ops.core.types import Progress, SilentProgress, StepReport
from ops.embeddings.encoders.finetuned import MANIFEST, find_finetuned_files, identify_finetuned
from ops.embeddings.registry import EncoderRegistry
from ops.shots.devices import has_cuda
from ops.training.bases import Base, load_base, require_base, settle_learning_rate
from ops.training.checkpoint import Checkpoint
from ops.training.definitions import find_definition
from ops.training.examples import Examples
from ops.training.fit_data import FitData, collect_fit_data, collect_unlike_pairs
from ops.training.lineage import FitFigures, FitInputs, FitValidation, Lineage
from ops.training.loop import count_steps, fit
from ops.training.metrics import move_metrics, summarise_metrics
from ops.training.model import DualEncoder, blend_weights, copy_weights
from ops.training.pair_reader import PairReader
from ops.training.pair_table import STAGE as PAIRS
from ops.training.ray_fit import RayFit, plan_ray_fit
from ops.training.recipes import Recipe, require_contrast, require_precision
from ops.training.shard_stream import ShardStream
from ops.training.validate import FitCheck

if TYPE_CHECKING:
    from torch import Tensor

STAGE = "training"
_NAME = re.compile(r"^[a-z0-9][a-z0-9_-]{0,63}$")


@dataclass(frozen=True, kw_only=True)
class TrainedEncoder:
    """A fine-tuned encoder: ``finetuned:<name>``, its id, its folder, and its manifest as ``lineage``."""

    name: str
    encoder_id: str
    folder: Path
    lineage: Lineage
    is_new: bool


def train(
    settings: Settings,
    recipe: Recipe,
    data: Sequence[str | Path],
    now: datetime,
    progress: Progress,
    *,
    name: str = "",
    threads: int | None = None,
    workers: int | None = None,
    gpu: bool | None = None,
    forgetting: Sequence[str | Path] = (),
) -> TrainedEncoder:
    """Fit an encoder on the pairs of ``data`` (default: all pairs of the catalogue's table).
    ``forgetting`` (default: pairs of the table that the fit does not use) shows what the fit forgets.

    With the engine ``ray``, ``workers`` of a cluster share each batch (see ``plan_ray_fit``). Each has a GPU if ``gpu``
    is true, or, by default, if the cluster has GPUs. Otherwise one process fits, with CUDA if it is available.

    Readable pairs, recipe, base weights, code and ``threads`` determine the weights, and the pairs the default name.
    If that encoder exists, nothing is fitted again. A stopped fit continues from its last checkpoint.

    Images that cannot be read are skipped and reported. The lock is held only while pairs are read, features of
    shots are computed, and the result is written, so footage can be forgotten during a fit.

    Raises:
        UsageError: the data cannot be used, or another encoder has that name.
        TrainingError: the fit cannot continue.
        ClusterError: Ray refuses.
    """
    start = time.monotonic()
    require_possible(settings, recipe, gpu)
    recipe = settle_learning_rate(recipe, settings)
    fit_data = collect_fit_data(settings, recipe, data, now, progress)
    inputs, key = fit_data.collect_inputs(settings, recipe)
    name = name or f"{recipe.name}-{key}"
    if not _NAME.match(name):
        raise UsageError(f"--name {name!r}: small letters, digits, - and _, at most 64")
    folder = settings.home / "encoders" / name
    with lock_exclusively(settings.home / "locks" / f"train-{name}.lock"):
        if folder.exists():
            return _load_existing(settings, name, inputs, progress)
        work = settings.home / "training" / name
        fit_data = fit_data.copy_validation_samples(work / "validation", progress)
        unlike = collect_unlike_pairs(settings, recipe, forgetting, fit_data, progress)
        plan = partial(plan_ray_fit, settings.ray_address, recipe, workers, gpu, threads, fit_data.count_shards())
        kept_at = choose_ray_storage(settings, name)
        with plan(kept_at) if settings.engine == "ray" else nullcontext() as ray_fit:
            figures = _fit(settings, recipe, fit_data, work, key, progress, threads, ray_fit)
        check = FitCheck(settings, recipe, work / "encoder", progress)
        lineage: Lineage = {
            **inputs,
            **figures,
            "validation": check.validate(fit_data.validate, too_near=fit_data.too_near),
            "forgetting": check.measure_forgetting(unlike, is_requested=bool(forgetting)),
            "trained_at": (now + timedelta(seconds=time.monotonic() - start)).isoformat(timespec="seconds"),
        }
        _publish(settings, work, folder, lineage, kept_at)
    return load_trained_encoder(settings, name, is_new=True)


def require_possible(settings: Settings, recipe: Recipe, gpu: bool | None = None) -> None:
    """Raise ``UsageError`` for a batch of one, an unknown base, and a precision that the device cannot have."""
    require_contrast(recipe)
    require_base(recipe, settings)
    # Workers of a cluster check their own devices (plan_ray_fit).
    is_on_cpu = gpu is False if settings.engine == "ray" else not has_cuda()
    if is_on_cpu:
        require_precision(recipe, is_cuda=False)


def choose_default_name(settings: Settings, recipe: Recipe, data: Sequence[str | Path], now: datetime) -> str:
    """Return the name that :func:`train` uses by default; errors as there."""
    recipe = settle_learning_rate(recipe, settings)
    fit_data = collect_fit_data(settings, recipe, data, now, SilentProgress())
    return f"{recipe.name}-{fit_data.collect_inputs(settings, recipe)[1]}"


def _fit(
    settings: Settings,
    recipe: Recipe,
    data: FitData,
    work: Path,
    key: str,
    progress: Progress,
    threads: int | None,
    ray_fit: RayFit | None,
) -> FitFigures:
    """Fit, and write the encoder into ``work / "encoder"``; return figures of the fit for its lineage."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    count = threads or torch.get_num_threads()
    work.mkdir(parents=True, exist_ok=True)
    base = load_base(recipe, settings, device, count)
    before = torch.get_num_threads()
    with PairReader(settings, data.learn, recipe.frames) as reader, torch.random.fork_rng():
        examples = _read_examples(settings, base, data, reader, progress)
        torch.manual_seed(recipe.seed)
        torch.set_num_threads(count)  # another number of threads rounds sums differently
        try:
            model = base.build_model()
            start = copy_weights(model) if recipe.blend < 1 else {}
            if layer_count := len(model.list_batch_norms()):
                progress.note(
                    STAGE, f"{plural(layer_count, 'layer')} with batch normalisation keep the base's statistics"
                )
            checkpoint = Checkpoint(path=work / "checkpoint.pt", identity=_identify_checkpoint(key, examples))
            steps = _Steps(progress, examples, count_steps(recipe, len(examples)))
            worker_count = 1
            if ray_fit:
                worker_count = ray_fit.fit(model, examples, recipe, checkpoint, steps.reach, steps.resume)
            fit_result = fit(
                model,
                examples,
                recipe,
                device=device,
                checkpoint=checkpoint,
                on_step=lambda step, loss: steps.reach(step),
                on_resume=None if ray_fit else steps.resume,  # after a cluster's fit, its result is read in this way
            )
        finally:
            torch.set_num_threads(before)
        steps.report(fit_result.skipped)
        progress.finish(STAGE)
        for folder in ("encoder", "fitted"):
            shutil.rmtree(work / folder, ignore_errors=True)
    figures: FitFigures = {
        "pairs": data.shards.pairs if data.shards else len(data.learn) - len(fit_result.skipped),
        "set_aside": fit_result.skipped,
        "steps": len(fit_result.losses),
        "last_loss": fit_result.losses[-1],
        "threads": ray_fit.threads if ray_fit else count,
        "workers": worker_count,
        "speed": summarise_metrics(work),
    }
    _save(base, model, work, figures, start, recipe.blend)
    return figures


def _publish(settings: Settings, work: Path, folder: Path, lineage: Lineage, storage: str) -> None:
    """Move the finished encoder to its place, and delete what its fit needed."""
    with settings.hold_work_lock():
        _note(work / "encoder" / MANIFEST, lineage)
        folder.parent.mkdir(parents=True, exist_ok=True)
        (work / "encoder").rename(folder)
        shutil.rmtree(work)
    if storage:
        settings.store.delete_tree(f"{STAGE}/{folder.name}")


def choose_ray_storage(settings: Settings, name: str) -> str:
    """Return the folder in the object store for checkpoints of a cluster's workers; empty if the store is local."""
    return "" if settings.store.is_local or settings.engine != "ray" else settings.store.path(f"{STAGE}/{name}")


def _read_examples(
    settings: Settings, base: Base, data: FitData, reader: PairReader, progress: Progress
) -> Examples | ShardStream:
    if data.shards:
        return base.open_stream(data.shards, frozenset(pair.input_hash for pair in data.validate))
    # Cached features must not outlive a video that is being forgotten.
    with settings.hold_work_lock() if any(pair.shot_id for pair in data.learn) else nullcontext():
        return base.read_examples(data.learn, reader, progress)


def _save(
    base: Base, model: DualEncoder, work: Path, figures: FitFigures, start: dict[str, Tensor], blend: float
) -> None:
    """Write the encoder; before it is blended with its base also into ``fitted``, to be measured."""
    if start:
        (work / "fitted").mkdir()
        base.save(model, work / "fitted", figures)
        blend_weights(model, start, blend)
    (work / "encoder").mkdir()
    base.save(model, work / "encoder", figures)
    move_metrics(work, work / "encoder")


def _identify_checkpoint(key: str, examples: Examples | ShardStream) -> str:
    """Identify what a checkpoint belongs to, including the unreadable pairs: its steps name rows of the rest."""
    return f"{key}-{hashlib.blake2b(json.dumps(sorted(examples.skipped)).encode(), digest_size=4).hexdigest()}"


class _Steps:
    """Reports steps, and each unreadable pair once.

    Steps of an earlier run of the same fit count; steps that are repeated after the loss of a worker do not.
    """

    def __init__(self, progress: Progress, examples: Examples | ShardStream, total: int) -> None:
        self._progress, self._last_step, self._total = progress, 0, total
        self._examples, self._reported_things = examples, set(examples.skipped)
        progress.start(STAGE, total, "steps")

    def resume(self, step: int) -> None:
        """Report the number of steps that an earlier run of the same fit finished."""
        if step < self._total:
            text = f"the fit goes on after step {step} of {self._total}, from the checkpoint of an earlier run"
        else:
            text = f"all {step} steps of the fit were done by an earlier run: the rest follows"
        self._progress.note(STAGE, text)
        self.reach(step)

    def reach(self, step: int) -> None:
        self._progress.advance(STAGE, max(0, step - self._last_step))
        self._last_step = max(self._last_step, step)
        self.report(self._examples.skipped)

    def report(self, skip_reasons: Mapping[str, str]) -> None:
        for thing in sorted(set(skip_reasons) - self._reported_things):
            self._progress.set_aside(STAGE, thing, skip_reasons[thing])
        self._reported_things |= set(skip_reasons)


def _load_existing(settings: Settings, name: str, inputs: FitInputs, progress: Progress) -> TrainedEncoder:
    """Return the encoder of that name if its fit had the same inputs; report again what was skipped for it.

    Raises ``UsageError`` if it had other inputs.
    """
    existing = load_trained_encoder(settings, name, is_new=False)
    if any(existing.lineage.get(key) != value for key, value in inputs.items()):
        raise UsageError(
            f"{existing.folder} holds another encoder (other recipe, base, data or code): choose another --name; "
            "nothing was changed"
        )
    skip_reasons = existing.lineage.get("set_aside", {}) | existing.lineage.get("validation", {}).get("set_aside", {})
    for thing, reason in skip_reasons.items():
        progress.set_aside(PAIRS, thing, f"{reason} (when it was fitted; another --name fits again)")
    return existing


def load_trained_encoder(settings: Settings, name: str, *, is_new: bool) -> TrainedEncoder:
    """Load the encoder of that name from the home. Raises ``EncoderError`` if it does not exist."""
    files = find_finetuned_files(settings.home, name)
    identity = identify_finetuned(files)
    EncoderRegistry(settings.home).record(identity.encoder_id, f"finetuned:{name}", list(identity.files))
    return TrainedEncoder(
        name=name,
        encoder_id=identity.encoder_id,
        folder=files.folder,
        lineage=cast(Lineage, files.manifest),
        is_new=is_new,
    )


def _note(manifest: Path, lineage: Lineage) -> None:
    """Add the lineage to the manifest that the base wrote."""
    content = json.loads(manifest.read_text(encoding="utf-8")) | dict(lineage)
    text = json.dumps(content, indent=1, sort_keys=True, ensure_ascii=False)
    manifest.write_text(text + "\n", encoding="utf-8")


_REPORT_FIELDS = (
    "base_id",
    "code_version",
    "pairs",
    "pairs_digest",
    "set_aside",
    "shows",
    "steps",
    "last_loss",
    "threads",
    "trained_at",
)


def build_encoder(settings: Settings, name: str, now: datetime, progress: Progress) -> StepReport:
    """Fit an encoder of ``encoders.yaml``: the asset ``encoder/<name>``.

    A no-op if it exists with the same recipe, base, pairs and code. An encoder with another lineage is never replaced.
    Raises ``NotFoundError`` if it is not defined, and as :func:`train`.
    """
    definition = find_definition(settings, name)
    is_ray = settings.engine == "ray"
    result = train(
        settings,
        definition.fit,
        definition.data,
        now,
        progress,
        name=name,
        forgetting=definition.forgetting,
        threads=definition.threads,
        workers=definition.workers if is_ray else None,
        gpu=definition.gpu if is_ray else None,
    )
    lineage = result.lineage
    facts: dict[str, object] = {**lineage}
    return StepReport(
        changed=int(result.is_new),
        data_version=result.encoder_id,
        details={
            "encoder": f"finetuned:{name}",
            "encoder_id": result.encoder_id,
            "manifest": str(result.folder / MANIFEST),
            "recipe": lineage["recipe"],
            "base": lineage["recipe"]["base"],
            **{key: facts[key] for key in _REPORT_FIELDS if key in facts},
            **(lineage.get("speed") or {}),
            **_format_validation(lineage.get("validation") or {}),
            **_format_forgetting(lineage.get("forgetting") or {}),
        },
    )


def _format_validation(validation: FitValidation) -> dict[str, object]:
    """Return figures of the fitted encoder and its base on held-out shows, and the gain, with 95 % intervals."""
    details: dict[str, object] = {"validated_on": validation.get("shows", [])}
    for side, parts in (("encoder", validation.get("encoder", {})), ("base", validation.get("base", {}))):
        for direction, figures in parts.items():
            for metric in ("r@1", "r@5", "r@10", "ndcg@10", "median_rank"):
                low, high = cast(list[float], figures[f"{metric}_interval"])
                details[f"{side} {direction} {metric}"] = f"{figures[metric]:.3f} ({low:.3f} to {high:.3f})"
    for direction, gains in validation.get("gain", {}).items():
        for metric, (gain, low, high) in gains.items():
            details[f"gain {direction} {metric}"] = f"{gain:+z.3f} ({low:+z.3f} to {high:+z.3f})"
    return details


def _format_forgetting(forgetting: Mapping[str, FitValidation]) -> dict[str, object]:
    """Return the change of nDCG@10 over all questions on each kind of data that the fit did not learn from."""
    return {
        f"change on {kind} nDCG@10": "{difference:+z.3f} ({low:+z.3f} to {high:+z.3f})".format(**change["overall"])
        for kind, change in forgetting.items()
        if "overall" in change
    }
