"""How a fitted encoder and its base find what was held out, measured as ``needle evaluate`` measures.

Each show is asked on its own, with as many frames of a shot as ingest takes. Legend: T frames, N items, D dimensions.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import MediaError, StorageError
from ops.core.plural import plural
from ops.core.settings import Settings
from ops.core.types import Progress
from ops.embeddings.encoder import Encoder, LoadOptions, load_encoder
from ops.embeddings.encoders.finetuned import FinetunedEncoder, files_in
from ops.evaluation.figures import figures_of, gains_of
from ops.evaluation.shows import ShowTask, answer
from ops.training.pairs import CaptionPair
from ops.training.pictures import Pictures
from ops.training.recipes import Recipe

STAGE = "validation"
_VALIDATED = 1000
"""At most so many pairs are asked for after a fit; a figure to look at, not to publish."""

_Kept = dict[str, list[tuple[CaptionPair, list[NDArray[np.float32]]]]]
"""Pairs by show, each with the vector (D,) that each encoder gives it."""


def validation_of(
    settings: Settings,
    recipe: Recipe,
    folder: Path,
    pairs: Sequence[CaptionPair],
    progress: Progress,
    *,
    too_near: int = 0,
) -> dict[str, Any]:
    """Figures of the encoder in ``folder`` and of its base on pairs that were held out, as of ``figures_of``, and under
    ``gain`` the paired differences. What cannot be read is set aside, a show of one pair is not asked; where too little
    is left, that is said and nothing measured. ``too_near`` is how many more pairs there were, before what is near to
    what is learned from was left out."""
    aside: dict[str, str] = {}
    kept: _Kept = {}
    if len(pairs) > 1:
        encoders = [
            FinetunedEncoder(
                files_in(folder), LoadOptions(home=settings.home, device="cpu", threads=os.cpu_count() or 1)
            ),
            load_encoder(recipe.base, settings.home),
        ]
        kept = _embedded(settings, pairs[:_VALIDATED], encoders, aside, progress)
    told = {"set_aside": aside} if aside else {}
    kept = {show: own for show, own in kept.items() if len(own) > 1}  # one alone is always first
    if not kept:
        progress.note(STAGE, _unvalidated(recipe, len(pairs), len(aside), too_near))
        return told
    tasks = [
        ShowTask(
            show=show,
            items=tuple(pair.pair_id for pair, _ in own),
            captions=tuple(pair.captions for pair, _ in own),
        )
        for show, own in sorted(kept.items())
    ]
    answers = [
        [
            answer(task, np.stack([vectors[number] for _, vectors in kept[task.show]]), encoder.encode_text)
            for task in tasks
        ]
        for number, encoder in enumerate(encoders)
    ]
    return {
        "pairs": sum(len(task.items) for task in tasks),
        "shows": [task.show for task in tasks],
        "encoder": figures_of(answers[0]),
        "base": figures_of(answers[1]),
        "gain": gains_of(*answers),
        **told,
    }


def _embedded(
    settings: Settings,
    pairs: Sequence[CaptionPair],
    encoders: Sequence[Encoder],
    aside: dict[str, str],
    progress: Progress,
) -> _Kept:
    """The pairs that can be read; why not the others is added to ``aside``."""
    kept: _Kept = {}
    progress.start(STAGE, len(pairs), "pairs")
    with Pictures(settings, pairs, settings.frames_per_shot) as pictures:
        for pair in pairs:
            progress.advance(STAGE)
            vectors = _vectors_of(pair, pictures, encoders)
            if isinstance(vectors, str):
                aside[pair.thing] = vectors
                progress.set_aside(STAGE, pair.thing, vectors)
            else:
                kept.setdefault(pair.show, []).append((pair, vectors))
    progress.finish(STAGE)
    return kept


def _vectors_of(pair: CaptionPair, pictures: Pictures, encoders: Sequence[Encoder]) -> list[NDArray[np.float32]] | str:
    """Each encoder's vector (D,) of a pair, or why there are none."""
    try:
        frames = pictures.frames_of(pair)
    except (MediaError, StorageError) as error:
        return str(error)
    frames_THWC = np.stack(frames)  # of one picture or one proxy, so of one size
    vectors = [encoder.pool(encoder.encode_frames(frames_THWC)) for encoder in encoders]
    return vectors if all(np.isfinite(own).all() for own in vectors) else "the vectors of its frames cancel each other"


def _unvalidated(recipe: Recipe, held_out: int, unread: int, too_near: int) -> str:
    if too_near and not held_out:
        pairs = plural(too_near, "pair for validation is", "pairs for validation are")
        why = f"{pairs} too near what is learned from: add data of another show"
    elif unread:
        why = f"of {held_out} pairs that were held out {unread} cannot be read, and no two of one show are left"
    elif held_out:
        why = "no two pairs of one show were held out, and one alone ranks against nothing"
    elif recipe.hold_out:
        why = "all pairs are of one show, so none could be held out: add data of another show"
    else:
        why = "nothing was held out: --hold-out 0.2 keeps a fifth of the shows"
    return f"the fit is not validated: {why}; `needle evaluate` measures it on other data"
