"""From pairs and a recipe to a fine-tuned encoder in the home, with where it comes from."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from ops.core.errors import UsageError
from ops.core.locks import exclusive
from ops.core.settings import Settings
from ops.core.types import Progress, SilentProgress
from ops.embeddings.encoders.finetuned import MANIFEST, finetuned_files, identify_finetuned
from ops.embeddings.pins import EncoderPins
from ops.training.bases import base_id_of, base_of
from ops.training.examples import Examples
from ops.training.loop import Checkpoint, fit, total_steps
from ops.training.pair_table import STAGE as PAIRS
from ops.training.pair_table import build_pairs, store_pairs, stored_pairs
from ops.training.pairs import CaptionPair, apart, digest_of_pairs, require_pairs, split_by_show
from ops.training.pictures import Pictures
from ops.training.recipes import Recipe
from ops.training.sources import gather
from ops.training.team import Team, team_of
from ops.training.validate import validation_of
from ops.training.version import code_version
from ops.videos import catalogue

STAGE = "training"
_NAME = re.compile(r"^[a-z0-9][a-z0-9_-]{0,63}$")


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A fine-tuned encoder: ``finetuned:<name>``, its id, its folder, and what its manifest says."""

    name: str
    encoder_id: str
    folder: Path
    lineage: dict[str, Any]
    is_new: bool


def train(
    settings: Settings,
    recipe: Recipe,
    data: Sequence[Path],
    now: datetime,
    progress: Progress,
    *,
    name: str = "",
    threads: int | None = None,
    workers: int | None = None,
    gpu: bool | None = None,
) -> Trained:
    """Fit an encoder on the pairs of ``data`` (default: all that the catalogue's table holds).

    With the engine ``ray``, ``workers`` of a cluster share each batch (see ``team_of``), with a GPU each where ``gpu``
    says so or there are some; here one process does, with CUDA where there is any.

    The same pairs, as far as they could be read, recipe, base weights, code and ``threads`` make the same weights, and
    the same pairs the same name where none is given: then nothing is fitted again. A fit that was stopped goes on from
    its last checkpoint. Pictures that cannot be read, or not any more, are set aside; the work lock is held only while
    pairs are read, features of shots are computed and the result is written, so that footage can be forgotten
    meanwhile. Raises ``UsageError`` for data that cannot be
    learned from and for a name that is taken by something else, ``TrainingError`` for a fit that cannot go on,
    ``ClusterError`` for what Ray refuses.
    """
    learn, validate, too_near = _pairs(settings, recipe, data, now, progress)
    lineage, key = _lineage(recipe, learn)
    name = name or f"{recipe.name}-{key}"
    if not _NAME.match(name):
        raise UsageError(f"--name {name!r}: small letters, digits, - and _, at most 64")
    folder = settings.home / "encoders" / name
    with exclusive(settings.home / "locks" / f"train-{name}.lock"):
        if folder.exists():
            return _existing(settings, name, lineage, progress)
        work = settings.home / "training" / name
        shared = partial(team_of, settings.ray_address, recipe, workers, gpu, threads)
        with shared() if settings.engine == "ray" else nullcontext() as team:
            lineage |= _fit(settings, recipe, learn, work, key, progress, threads, team)
        found = validation_of(settings, recipe, work / "encoder", validate, progress, too_near=too_near)
        lineage |= {"validation": found, "trained_at": now.isoformat(timespec="seconds")}
        with settings.working():
            _note(work / "encoder" / MANIFEST, lineage)
            folder.parent.mkdir(parents=True, exist_ok=True)
            (work / "encoder").rename(folder)
            shutil.rmtree(work)
    return trained_encoder(settings, name, is_new=True)


def name_of(settings: Settings, recipe: Recipe, data: Sequence[Path], now: datetime) -> str:
    """The name that :func:`train` gives where none is given; errors as there."""
    learn, *_ = _pairs(settings, recipe, data, now, SilentProgress())
    return f"{recipe.name}-{_lineage(recipe, learn)[1]}"


def _lineage(recipe: Recipe, learn: Sequence[CaptionPair]) -> tuple[dict[str, Any], str]:
    """What a fit is made of, and 8 hex digits of it. Raises ``UsageError`` where there is too little to learn from, and
    as ``base_id_of``."""
    require_pairs(learn, recipe.batch)
    lineage = {
        "recipe": asdict(recipe),
        "base_id": base_id_of(recipe),
        "pairs_digest": digest_of_pairs(learn),
        "shows": sorted({pair.show for pair in learn}),
        "code_version": code_version(),
    }
    return lineage, hashlib.blake2b(json.dumps(lineage, sort_keys=True).encode(), digest_size=4).hexdigest()


def _pairs(
    settings: Settings, recipe: Recipe, data: Sequence[Path], now: datetime, progress: Progress
) -> tuple[list[CaptionPair], list[CaptionPair], int]:
    """Pairs to learn from, those to validate on, and how many of these were left out as too near the former."""
    refused: dict[str, str] = {}
    if not data:
        build_pairs(settings, settings.lake.partitions(catalogue.TABLE), now, progress)
        learn, validate = split_by_show(stored_pairs(settings), recipe.hold_out)
    else:
        progress.start(PAIRS, 0, "pairs")
        with settings.working():
            gathered = gather(settings, data)
            store_pairs(settings, gathered.learn, now)
        progress.advance(PAIRS, len(gathered.learn) + len(gathered.validate))
        progress.finish(PAIRS)
        learn, held_out = split_by_show(gathered.learn, recipe.hold_out)
        validate, refused = [*gathered.validate, *held_out], gathered.refused
    distant, near = apart(learn, validate)
    for thing, reason in (refused | near).items():
        progress.set_aside(PAIRS, thing, reason)
    return learn, distant, len(validate) - len(distant)


def _fit(
    settings: Settings,
    recipe: Recipe,
    pairs: Sequence[CaptionPair],
    work: Path,
    key: str,
    progress: Progress,
    threads: int | None,
    team: Team | None,
) -> dict[str, Any]:
    """Fit, and write the encoder into ``work / "encoder"``; what there is to say of the fit."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    count = threads or torch.get_num_threads()
    work.mkdir(parents=True, exist_ok=True)
    base = base_of(recipe, settings, device, count)
    before = torch.get_num_threads()
    with Pictures(settings, pairs, recipe.frames) as pictures, torch.random.fork_rng():
        # Features that are kept must not outlive a film that is being forgotten.
        with settings.working() if any(pair.shot_id for pair in pairs) else nullcontext():
            examples = base.examples(pairs, pictures, progress)
        torch.manual_seed(recipe.seed)
        torch.set_num_threads(count)  # sums are rounded differently with another number of threads
        try:
            model = base.model()
            progress.start(STAGE, total_steps(recipe, len(examples)), "steps")
            checkpoint = Checkpoint(path=work / "checkpoint.pt", identity=_identity(key, examples))
            done = _Steps(progress, examples)
            if team:
                team.fit(model, examples, recipe, checkpoint, done.reach)
            fitted = fit(
                model,
                examples,
                recipe,
                device=device,
                checkpoint=checkpoint,
                on_step=lambda step, loss: done.reach(step),
            )
        finally:
            torch.set_num_threads(before)
        done.tell(fitted.aside)
        progress.finish(STAGE)
        shutil.rmtree(work / "encoder", ignore_errors=True)
        (work / "encoder").mkdir()
        told = {
            "pairs": len(pairs) - len(fitted.aside),
            "set_aside": fitted.aside,
            "steps": len(fitted.losses),
            "last_loss": fitted.losses[-1],
            "threads": team.threads if team else count,
            "workers": team.crew.workers if team else 1,
        }
        base.save(model, work / "encoder", told)
    return told


def _identity(key: str, examples: Examples) -> str:
    """What a checkpoint is of: also of what could be read at the start, for its steps name rows of that."""
    return f"{key}-{hashlib.blake2b(json.dumps(sorted(examples.aside)).encode(), digest_size=4).hexdigest()}"


class _Steps:
    """Steps on a progress bar: those of an earlier fit count, those that a lost worker does again do not. And what
    could not be read on the way, each once."""

    def __init__(self, progress: Progress, examples: Examples) -> None:
        self._progress, self._reached = progress, 0
        self._examples, self._told = examples, set(examples.aside)

    def reach(self, step: int) -> None:
        self._progress.advance(STAGE, max(0, step - self._reached))
        self._reached = max(self._reached, step)
        self.tell(self._examples.aside)

    def tell(self, aside: Mapping[str, str]) -> None:
        for thing in sorted(set(aside) - self._told):
            self._progress.set_aside(STAGE, thing, aside[thing])
        self._told |= set(aside)


def _existing(settings: Settings, name: str, lineage: dict[str, Any], progress: Progress) -> Trained:
    """The encoder of that name, if it is what would be fitted now; what was set aside for it is told again.

    Raises ``UsageError`` where it is not.
    """
    found = trained_encoder(settings, name, is_new=False)
    if any(found.lineage.get(key) != value for key, value in lineage.items()):
        raise UsageError(
            f"{found.folder} holds another encoder (other recipe, base, data or code): choose another --name; "
            "nothing was changed"
        )
    aside = found.lineage.get("set_aside", {}) | found.lineage.get("validation", {}).get("set_aside", {})
    for thing, reason in aside.items():
        progress.set_aside(PAIRS, thing, f"{reason} (when it was fitted; another --name fits anew)")
    return found


def trained_encoder(settings: Settings, name: str, *, is_new: bool) -> Trained:
    """The encoder of that name as it lies in the home. Raises ``EncoderError`` where there is none."""
    files = finetuned_files(settings.home, name)
    identity = identify_finetuned(files)
    EncoderPins(settings.home).record(identity.encoder_id, f"finetuned:{name}", list(identity.files))
    return Trained(
        name=name, encoder_id=identity.encoder_id, folder=files.folder, lineage=files.manifest, is_new=is_new
    )


def _note(manifest: Path, lineage: dict[str, Any]) -> None:
    """Put the lineage into the manifest, beside what the base said of its weights."""
    told = json.loads(manifest.read_text(encoding="utf-8")) | lineage
    text = json.dumps(told, indent=1, sort_keys=True, ensure_ascii=False)
    manifest.write_text(text + "\n", encoding="utf-8")
