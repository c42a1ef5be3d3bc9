"""Gain and forgetting of every recipe for footage: one film to another, and leave-one-clip-out."""

from __future__ import annotations

import logging
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from ops.core.types import SilentProgress
from ops.evaluation.questions import list_questions, pool_ranks
from ops.evaluation.retrieval import estimate_interval, estimate_paired_interval
from ops.evaluation.shows import PARTS, ShowAnswer, ShowTask, answer
from ops.training.evaluate_catalogue import QUERIES, build_tasks
from ops.training.loop import fit
from ops.training.model import blend_weights, copy_weights
from ops.training.pair_table import build_pairs
from ops.training.recipes import Recipe, build_recipe
from ops.training.sources import CAPTIONS
from ops.videos import catalogue

if TYPE_CHECKING:
    from tests.bench.bench_adaptation import Study

log = logging.getLogger(__name__)
RECIPES = ("adapt", "lit_temporal", "full_finetune")
MEAN = build_recipe("lit_temporal", pooling="mean")
"""The shipped encoder: eight frames, mean-pooled."""
PART_TITLES = {"text_to_video": "caption → shot", "video_to_text": "shot → caption", "graded": "graded queries"}
Values = tuple[NDArray[Any], NDArray[np.int64]]
"""One metric of every question (M,), and the bootstrap group of each."""


def ingest(footage: Path) -> tuple[Path, Path]:
    """Ingest the captioned clips of a folder into a new home, each as a show; return the home and the clips' folder."""
    folder = Path(tempfile.mkdtemp(prefix="needle-adaptation-"))
    home, clips = folder / "home", folder / "clips"
    for captions in sorted(footage.rglob(f"*{CAPTIONS}")):
        clip = captions.with_name(captions.name.removesuffix(CAPTIONS))
        (clips / clip.stem).mkdir(parents=True)
        for file in (clip, captions, clip.with_name(f"{clip.name}{QUERIES}")):
            if file.exists():
                (clips / clip.stem / file.name).symlink_to(file.resolve())
    command = [sys.executable, "-m", "ops.cli", "ingest", str(clips), "--home", str(home), "--encoder", "starter"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    log.info("next time: --footage %s --home %s", clips, home)
    return home, clips


@dataclass(frozen=True, kw_only=True)
class Fold:
    """Films to learn from and the one to test on, by file name."""

    sources: tuple[str, ...]
    target: str


def compare_recipes(study: Study, seeds: int) -> dict[str, Any]:
    """Return the figures of every recipe in every direction, and what its fits forget of photographs."""
    tasks = build_clip_tasks(study)
    bunny, sintel = (name for name in study.clips if name.startswith(("bbb", "sintel")))
    directions = {
        "Big Buck Bunny → Sintel trailer": [Fold(sources=(bunny,), target=sintel)],
        "Sintel trailer → Big Buck Bunny": [Fold(sources=(sintel,), target=bunny)],
        f"Leave-one-clip-out: learned from all but one of {len(study.clips)} clips, tested on that one": [
            Fold(sources=tuple(name for name in study.clips if name != target), target=target) for target in study.clips
        ],
    }
    return {
        title: {
            # Leave-one-clip-out is for the recipe that is recommended: five fits a seed.
            name: _measure(study, tasks, name, folds, seeds)
            for name in (RECIPES if len(folds) == 1 else RECIPES[:1])
        }
        for title, folds in directions.items()
    }


def build_clip_tasks(study: Study) -> dict[str, ShowTask]:
    """Return the captions and graded queries of each captioned clip, by file name."""
    build_pairs(
        study.settings, study.settings.lake.list_partitions(catalogue.TABLE), datetime.now(UTC), SilentProgress()
    )
    tasks = {task.items[0].partition(":")[0]: task for task in build_tasks(study.settings, SilentProgress())}
    return {name: tasks[pairs[0].video_id] for name, pairs in study.clips.items()}


def _measure(
    study: Study, tasks: Mapping[str, ShowTask], name: str, folds: Sequence[Fold], seeds: int
) -> dict[str, Any]:
    """Return base, fitted and gain of each part and metric over the questions of all folds."""
    recipe = build_recipe(name)
    base = [answer_task(study, None, MEAN, tasks[fold.target], study.clips[fold.target]) for fold in folds]
    after: list[list[ShowAnswer]] = []
    photographs: list[ShowAnswer] = []
    task = build_photograph_task(study)
    still = replace(MEAN, frames=1)
    before = answer_task(study, None, still, task, study.pairs["test"])
    for seed in range(seeds):
        answers = []
        for fold in folds:
            model = _fit(study, recipe, [pair for source in fold.sources for pair in study.clips[source]], seed)
            answers.append(answer_task(study, model, recipe, tasks[fold.target], study.clips[fold.target]))
            photographs.append(answer_task(study, model, replace(recipe, frames=1), task, study.pairs["test"]))
        after.append(answers)
        log.info("%s, seed %d: %d fits done", name, seed, len(folds))
    figures: dict[str, Any] = {PART_TITLES[part]: compare_answers(part, base, after) for part in PARTS}
    figures["photographs"] = compare_answers("text_to_video", [before], [[each] for each in photographs])
    return {**figures, "fits": seeds * len(folds)}


def _fit(study: Study, recipe: Recipe, pairs: Sequence[Any], seed: int) -> Any:
    recipe = replace(recipe, batch=min(recipe.batch, len(pairs)))
    base = study.base(recipe)
    examples = study.read(pairs, recipe, base)
    torch.manual_seed(seed)
    model = base.build_model()
    start = copy_weights(model) if recipe.blend < 1 else {}
    fit(model, examples, recipe)
    blend_weights(model, start, recipe.blend)
    return model.eval()


def answer_task(study: Study, model: Any, recipe: Recipe, task: ShowTask, pairs: Sequence[Any]) -> ShowAnswer:
    """Answer a task with a model, or with the shipped encoder's; texts go through the same cached tower features."""
    from tests.bench.bench_adaptation import vectors

    base = study.base(replace(recipe, batch=2))
    model = model or base.build_model().eval()
    images = vectors(model, study.read(pairs, replace(recipe, batch=2), base))[0]
    by_item = {pair.shot_id or pair.pair_id: vector for pair, vector in zip(pairs, images, strict=True)}

    def encode(texts: Sequence[str]) -> NDArray[np.float32]:
        features = torch.from_numpy(base._text_tower(texts).astype(np.float16).astype(np.float32))
        with torch.no_grad():
            encoded: NDArray[np.float32] = model.text(features).numpy()
        return encoded

    return answer(task, np.stack([by_item[item] for item in task.items]), encode)


def build_photograph_task(study: Study) -> ShowTask:
    pairs = study.pairs["test"]
    items = tuple(pair.pair_id for pair in pairs)
    return ShowTask(show="photographs", items=items, captions=tuple(pair.captions for pair in pairs))


def compare_answers(part: str, base: Sequence[ShowAnswer], after: Sequence[Sequence[ShowAnswer]]) -> dict[str, Any]:
    figures = {}
    for metric, read in _list_metrics(part).items():
        before, groups = read(base)
        values = np.mean([read(answers)[0] for answers in after], axis=0)
        by_seed = [float(read(answers)[0].mean()) for answers in after]
        figures[metric] = {
            "base": float(before.mean()),
            "fitted": float(values.mean()),
            "seeds": [min(by_seed), max(by_seed)],
            "gain": list(estimate_paired_interval(values, before, groups_M=groups)),
            "relative_percent": _estimate_relative(values, before, groups),
        }
    return figures


def _list_metrics(part: str) -> dict[str, Callable[[Sequence[ShowAnswer]], Values]]:
    def read_gains(answers: Sequence[ShowAnswer]) -> Values:
        return list_questions(answers, [part])

    def read_recall(k: int) -> Callable[[Sequence[ShowAnswer]], Values]:
        return lambda answers: (100.0 * (pool_ranks(answers, part) <= k), list_questions(answers, [part])[1])

    recalls = {} if part == "graded" else {f"R@{k}": read_recall(k) for k in (1, 5, 10)}
    return {**recalls, "nDCG@10": read_gains}


def _estimate_relative(after: NDArray[Any], before: NDArray[Any], groups: NDArray[np.int64]) -> list[float]:
    """Return the gain as a share of the base's figure in percent, with the interval of that ratio."""
    numbers = np.arange(len(after), dtype=np.float64)

    def ratio(draws: NDArray[np.float64]) -> NDArray[np.float64]:
        rows = draws.astype(np.int64)
        return np.asarray(100.0 * (after[rows].mean(axis=1) / np.maximum(before[rows].mean(axis=1), 1e-9) - 1.0))

    low, high = estimate_interval(numbers, ratio, groups_M=groups)
    return [float(100.0 * (after.mean() / before.mean() - 1.0)), low, high]
