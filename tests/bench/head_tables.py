"""Whether several starter heads averaged, or another share of the ConSE half, would find more than the shipped head.

Heads of several seeds are joined side by side, each scaled to vectors of mean length 1, and folded back to the
dimensions of one by the principal directions of photographs and captions together: the same cost for a frame.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from ops.embeddings.starter.head import StarterHead
from ops.evaluation.shows import PARTS
from ops.training.model import build_starter_model, export_head
from ops.training.recipes import build_recipe
from tests.bench.recipe_tables import (
    MEAN,
    PART_TITLES,
    answer_task,
    build_clip_tasks,
    build_photograph_task,
    compare_answers,
)

if TYPE_CHECKING:
    from tests.bench.bench_adaptation import Study

log = logging.getLogger(__name__)
LESS_CONSE = 0.5
Matrix = NDArray[np.float32]


def compare_heads(study: Study, seeds: int) -> dict[str, Any]:
    """Return the figures of each way against the shipped head: photographs, and all captioned clips pooled."""
    recipe = build_recipe("starter_head")
    heads = []
    for seed in range(seeds):
        model, base = study.fitted("train", recipe, seed)
        heads.append(export_head(model, base.head))
        log.info("head of seed %d fitted", seed)
    train = study.examples("train", recipe)
    images_NF, texts_CH = train.frames_NVTX[:, 0, 0].numpy(), train.text_CX.numpy()
    folded_head = fold_heads(heads, images_NF, texts_CH, recipe.joint_dim)
    ways = {
        "one head, each of the seeds": heads,
        f"the same, ConSE weight {LESS_CONSE}": [replace(head, conse_weight=LESS_CONSE) for head in heads],
        f"{seeds} heads folded": [folded_head],
        f"{seeds} heads folded, ConSE weight {LESS_CONSE}": [replace(folded_head, conse_weight=LESS_CONSE)],
    }
    tasks, photographs = build_clip_tasks(study), build_photograph_task(study)
    test, still = study.pairs["test"], replace(MEAN, frames=1)

    def answer_clips(model: Any) -> list[Any]:
        return [answer_task(study, model, MEAN, task, study.clips[name]) for name, task in tasks.items()]

    def answer_photographs(model: Any) -> list[Any]:
        return [answer_task(study, model, still, photographs, test)]

    shipped_answers = answer_clips(None), answer_photographs(None)

    def measure(members: Sequence[StarterHead]) -> dict[str, Any]:
        models = [build_starter_model(MEAN, head, torch.from_numpy(head.text_mean_H)).eval() for head in members]
        clips = [answer_clips(model) for model in models]
        figures = {PART_TITLES[part]: compare_answers(part, shipped_answers[0], clips) for part in PARTS}
        answers = [answer_photographs(model) for model in models]
        return {**figures, "photographs": compare_answers("text_to_video", shipped_answers[1], answers)}

    return {way: measure(members) for way, members in ways.items()}


def fold_heads(heads: Sequence[StarterHead], images_NF: Matrix, texts_CH: Matrix, dim: int) -> StarterHead:
    """Return one head of ``dim`` joint dimensions from several; ``images_NF`` and ``texts_CH`` are tower features."""
    image = _join([head.image_weight_FJ for head in heads], [head.image_bias_J for head in heads], images_NF)
    text = _join([head.text_weight_HJ for head in heads], [head.text_bias_J for head in heads], texts_CH)
    joint_vectors = [images_NF @ image[0] + image[1], texts_CH @ text[0] + text[1]]
    # Both weigh the same, although there are five captions of a photograph.
    moments = sum(np.asarray(part.T @ part / len(part), np.float64) for part in joint_vectors)
    basis = np.linalg.eigh(moments)[1][:, ::-1][:, :dim].astype(np.float32)
    return replace(
        heads[0],
        image_weight_FJ=image[0] @ basis,
        image_bias_J=image[1] @ basis,
        text_weight_HJ=text[0] @ basis,
        text_bias_J=text[1] @ basis,
    )


def _join(weights: Sequence[Matrix], biases: Sequence[Matrix], features: Matrix) -> tuple[Matrix, Matrix]:
    scales = [
        1 / np.linalg.norm(features @ weight + bias, axis=1).mean()
        for weight, bias in zip(weights, biases, strict=True)
    ]
    joined = [
        np.concatenate([scale * part for scale, part in zip(scales, parts, strict=True)], axis=-1)
        for parts in (weights, biases)
    ]
    return joined[0], joined[1]


def format_heads(figures_by_way: Mapping[str, Any]) -> str:
    """Return the figures as a table: the gain of each way over the shipped head, with its interval."""
    rows = [(part, metric) for part in next(iter(figures_by_way.values())) for metric in ("R@1", "R@10", "nDCG@10")]
    lines = [f"| measured | shipped | {' | '.join(figures_by_way)} |", f"| --- | --- |{' --- |' * len(figures_by_way)}"]
    for part, metric in rows:
        figures = [way[part].get(metric) for way in figures_by_way.values()]
        if figures[0] is None:
            continue
        digits = 3 if metric == "nDCG@10" else 1
        gains = [
            f"{each['gain'][0]:+.{digits}f} [{each['gain'][1]:.{digits}f}, {each['gain'][2]:.{digits}f}], seeds "
            f"{each['seeds'][0]:.{digits}f} to {each['seeds'][1]:.{digits}f}"
            for each in figures
        ]
        lines.append(f"| {part}, {metric} | {figures[0]['base']:.{digits}f} | {' | '.join(gains)} |")
    return "\n".join(lines) + "\n"
