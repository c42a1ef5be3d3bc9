"""From pairs and a recipe to a fine-tuned encoder in the home, with where it comes from."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ops.core.errors import UsageError
from ops.core.locks import exclusive
from ops.core.settings import Settings
from ops.core.types import Progress, SilentProgress
from ops.embeddings.encoder import load_encoder
from ops.embeddings.encoders.finetuned import (
    MANIFEST,
    FinetunedEncoder,
    files_in,
    finetuned_files,
    identify_finetuned,
)
from ops.embeddings.pins import EncoderPins
from ops.evaluation.retrieval import caption_ranks, ranks_figures
from ops.training.bases import base_of
from ops.training.loop import Checkpoint, fit, total_steps
from ops.training.pair_table import build_pairs, store_pairs, stored_pairs
from ops.training.pairs import CaptionPair, digest_of_pairs, require_pairs, split_by_show
from ops.training.pictures import Pictures
from ops.training.recipes import Recipe
from ops.training.sources import gather
from ops.training.team import Team, team_of
from ops.training.version import code_version
from ops.videos import catalogue

STAGE = "training"
_NAME = re.compile(r"^[a-z0-9][a-z0-9_-]{0,63}$")
_VALIDATED = 1000
"""At most so many pairs are ranked against each other after a fit; a figure to look at, not to publish."""


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

    The same pairs, recipe, code and ``threads`` make the same weights, and the same name where none is given: then
    nothing is fitted again. A fit that was stopped goes on from its last checkpoint. Raises ``UsageError`` for data
    that cannot be learned from and for a name that is taken by something else, ``TrainingError`` for a fit that
    cannot go on, ``ClusterError`` for what Ray refuses.
    """
    learn, validate = _pairs(settings, recipe, data, now, progress)
    lineage, key = _lineage(recipe, learn)
    name = name or f"{recipe.name}-{key}"
    if not _NAME.match(name):
        raise UsageError(f"--name {name!r}: small letters, digits, - and _, at most 64")
    folder = settings.home / "encoders" / name
    with settings.working(), exclusive(settings.home / "locks" / f"train-{name}.lock"):
        if folder.exists():
            return _existing(settings, name, lineage)
        work = settings.home / "training" / name
        shared = partial(team_of, settings.ray_address, recipe, workers, gpu, threads)
        with shared() if settings.engine == "ray" else nullcontext() as team:
            lineage |= _fit(settings, recipe, learn, work, key, progress, threads, team)
        lineage |= {"validation": _validation(settings, recipe, work / "encoder", validate, progress)}
        lineage |= {"trained_at": now.isoformat(timespec="seconds")}
        _note(work / "encoder" / MANIFEST, lineage)
        folder.parent.mkdir(parents=True, exist_ok=True)
        (work / "encoder").rename(folder)
        shutil.rmtree(work)
    return trained_encoder(settings, name, is_new=True)


def name_of(settings: Settings, recipe: Recipe, data: Sequence[Path], now: datetime) -> str:
    """The name that :func:`train` gives where none is given; errors as there."""
    learn, _ = _pairs(settings, recipe, data, now, SilentProgress())
    return f"{recipe.name}-{_lineage(recipe, learn)[1]}"


def _lineage(recipe: Recipe, learn: Sequence[CaptionPair]) -> tuple[dict[str, Any], str]:
    """What a fit is made of, and 8 hex digits of it. Raises ``UsageError`` where there is too little to learn from."""
    require_pairs(learn, recipe.batch)
    lineage = {
        "recipe": asdict(recipe),
        "pairs_digest": digest_of_pairs(learn),
        "pairs": len(learn),
        "shows": sorted({pair.show for pair in learn}),
        "code_version": code_version(),
    }
    return lineage, hashlib.blake2b(json.dumps(lineage, sort_keys=True).encode(), digest_size=4).hexdigest()


def _pairs(
    settings: Settings, recipe: Recipe, data: Sequence[Path], now: datetime, progress: Progress
) -> tuple[list[CaptionPair], list[CaptionPair]]:
    """Pairs to learn from, and to validate on."""
    if not data:
        build_pairs(settings, settings.lake.partitions(catalogue.TABLE), now, progress)
        return split_by_show(stored_pairs(settings), recipe.hold_out)
    progress.start("pairs", 0, "pairs")
    gathered = gather(settings, data)
    progress.advance("pairs", len(gathered.learn) + len(gathered.validate))
    for thing, reason in gathered.refused.items():
        progress.set_aside("pairs", thing, reason)
    progress.finish("pairs")
    store_pairs(settings, gathered.learn, now)
    learn, held_out = split_by_show(gathered.learn, recipe.hold_out)
    return learn, [*gathered.validate, *held_out]


def _fit(
    settings: Settings,
    recipe: Recipe,
    pairs: Sequence[CaptionPair],
    work: Path,
    identity: str,
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
        examples = base.examples(pairs, pictures, progress)
        torch.manual_seed(recipe.seed)
        torch.set_num_threads(count)  # sums are rounded differently with another number of threads
        try:
            model = base.model()
            progress.start(STAGE, total_steps(recipe, len(examples)), "steps")
            checkpoint = Checkpoint(path=work / "checkpoint.pt", identity=identity)
            done = _Steps(progress)
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
        progress.finish(STAGE)
        shutil.rmtree(work / "encoder", ignore_errors=True)
        (work / "encoder").mkdir()
        told = {
            "base_id": base.base_id,
            "steps": len(fitted.losses),
            "last_loss": fitted.losses[-1],
            "threads": team.threads if team else count,
            "workers": team.crew.workers if team else 1,
        }
        base.save(model, work / "encoder", told)
    return told


class _Steps:
    """Steps on a progress bar: those of an earlier fit count, those that a lost worker does again do not."""

    def __init__(self, progress: Progress) -> None:
        self._progress, self._reached = progress, 0

    def reach(self, step: int) -> None:
        self._progress.advance(STAGE, max(0, step - self._reached))
        self._reached = max(self._reached, step)


def _validation(
    settings: Settings, recipe: Recipe, folder: Path, pairs: Sequence[CaptionPair], progress: Progress
) -> dict[str, Any]:
    """How the fitted encoder and its base rank the pairs that were held out; empty, and said, where none were."""
    shown = list(pairs)[:_VALIDATED] if len(pairs) > 1 else []
    if not shown:
        progress.note("validation", _unvalidated(recipe, len(pairs)))
        return {}
    progress.start("validation", 2 * len(shown), "pairs")
    encoders = {
        "encoder": FinetunedEncoder(settings.home, files_in(folder), threads=os.cpu_count() or 1),
        "base": load_encoder(recipe.base, settings.home),
    }
    figures: dict[str, Any] = {}
    with Pictures(settings, shown, recipe.frames) as pictures:
        for name, encoder in encoders.items():
            items_ND = []
            for pair in shown:
                frames = [encoder.encode_frames(frame[None])[0] for frame in pictures.frames_of(pair)]
                items_ND.append(encoder.pool(np.stack(frames)))
                progress.advance("validation")
            texts_QD = encoder.encode_text([text for pair in shown for text in pair.captions])
            owner_Q = np.repeat(np.arange(len(shown)), [len(pair.captions) for pair in shown])
            ranks = caption_ranks(texts_QD, np.stack(items_ND), owner_Q)
            figures[name] = {"text_to_video": ranks_figures(ranks[0]), "video_to_text": ranks_figures(ranks[1])}
    progress.finish("validation")
    return {"pairs": len(shown), "shows": sorted({pair.show for pair in shown}), **figures}


def _unvalidated(recipe: Recipe, held_out: int) -> str:
    if held_out:
        why = "one pair alone was held out, which ranks against nothing"
    elif recipe.hold_out:
        why = "all pairs are of one show, so none could be held out: add data of another show"
    else:
        why = "nothing was held out: --hold-out 0.2 keeps a fifth of the shows"
    return f"the fit is not validated: {why}; `needle evaluate` measures it on other data"


def _existing(settings: Settings, name: str, lineage: dict[str, Any]) -> Trained:
    """The encoder of that name, if it is what would be fitted now. Raises ``UsageError`` where it is not."""
    found = trained_encoder(settings, name, is_new=False)
    if any(found.lineage.get(key) != value for key, value in lineage.items()):
        raise UsageError(
            f"{found.folder} holds another encoder (other recipe, data or code): choose another --name; "
            "nothing was changed"
        )
    return found


def trained_encoder(settings: Settings, name: str, *, is_new: bool) -> Trained:
    """The encoder of that name as it lies in the home. Raises ``EncoderError`` where there is none."""
    files = finetuned_files(settings.home, name)
    encoder_id, deciding = identify_finetuned(settings.home, name)
    EncoderPins(settings.home).record(encoder_id, f"finetuned:{name}", deciding)
    return Trained(name=name, encoder_id=encoder_id, folder=files.folder, lineage=files.manifest, is_new=is_new)


def _note(manifest: Path, lineage: dict[str, Any]) -> None:
    """Put the lineage into the manifest, beside what the base said of its weights."""
    told = json.loads(manifest.read_text(encoding="utf-8")) | lineage
    text = json.dumps(told, indent=1, sort_keys=True, ensure_ascii=False)
    manifest.write_text(text + "\n", encoding="utf-8")
