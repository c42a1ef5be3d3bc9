"""Retrieval figures of a fitted encoder and its base on held-out pairs, measured as by ``needle evaluate``.

Each show is measured alone, with the frames per shot of ingest. Legend: T frames, N items, D dimensions.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import MediaError, StorageError
from ops.core.plural import plural
from ops.core.settings import Settings
from ops.core.types import Progress
from ops.embeddings.encoder import Encoder, LoadOptions, load_encoder
from ops.embeddings.encoders.finetuned import FinetunedEncoder, find_files_in
from ops.evaluation.figures import compute_figures, compute_gains
from ops.evaluation.shows import ShowTask, answer
from ops.training.lineage import FitValidation
from ops.training.pair_reader import PairReader
from ops.training.pairs import CaptionPair
from ops.training.recipes import Recipe

STAGE = "validation"
_VALIDATED = 1000
"""Most pairs that are measured after a fit; a quick figure, not one to publish."""

_Kept = dict[str, list[tuple[CaptionPair, list[NDArray[np.float32]]]]]
"""Pairs by show, each with the vector (D,) from each encoder."""


def validate_fit(
    settings: Settings,
    recipe: Recipe,
    folder: Path,
    pairs: Sequence[CaptionPair],
    progress: Progress,
    *,
    too_near: int = 0,
) -> FitValidation:
    """Return figures of the encoder in ``folder`` and its base on held-out pairs, with paired differences (``gain``).

    Unreadable pairs and shows of one pair are skipped. If too few pairs are left, a note reports it and no figure is
    returned. ``too_near`` is the number of pairs that were dropped before, as too similar to trained ones.
    """
    skip_reasons: dict[str, str] = {}
    by_show: _Kept = {}
    if len(pairs) > 1:
        encoders = [
            FinetunedEncoder(
                find_files_in(folder), LoadOptions(home=settings.home, device="cpu", threads=os.cpu_count() or 1)
            ),
            load_encoder(recipe.base, settings.home),
        ]
        by_show = _embed_pairs(settings, pairs[:_VALIDATED], encoders, skip_reasons, progress)
    report: FitValidation = {"set_aside": skip_reasons} if skip_reasons else {}
    by_show = {show: members for show, members in by_show.items() if len(members) > 1}  # one alone always ranks first
    if not by_show:
        progress.note(STAGE, _explain_missing_validation(recipe, len(pairs), len(skip_reasons), too_near))
        return report
    tasks = [
        ShowTask(
            show=show,
            items=tuple(pair.pair_id for pair, _ in members),
            captions=tuple(pair.captions for pair, _ in members),
        )
        for show, members in sorted(by_show.items())
    ]
    answers = [
        [
            answer(task, np.stack([vectors[number] for _, vectors in by_show[task.show]]), encoder.encode_text)
            for task in tasks
        ]
        for number, encoder in enumerate(encoders)
    ]
    return {
        "pairs": sum(len(task.items) for task in tasks),
        "shows": [task.show for task in tasks],
        "encoder": compute_figures(answers[0]),
        "base": compute_figures(answers[1]),
        "gain": compute_gains(*answers),
        **report,
    }


def _embed_pairs(
    settings: Settings,
    pairs: Sequence[CaptionPair],
    encoders: Sequence[Encoder],
    skip_reasons: dict[str, str],
    progress: Progress,
) -> _Kept:
    """Embed the pairs that can be read; add the reasons for the others to ``skip_reasons``."""
    by_show: _Kept = {}
    progress.start(STAGE, len(pairs), "pairs")
    with PairReader(settings, pairs, settings.frames_per_shot) as reader:
        for pair in pairs:
            progress.advance(STAGE)
            vectors = _embed_pair(pair, reader, encoders)
            if isinstance(vectors, str):
                skip_reasons[pair.thing] = vectors
                progress.set_aside(STAGE, pair.thing, vectors)
            else:
                by_show.setdefault(pair.show, []).append((pair, vectors))
    progress.finish(STAGE)
    return by_show


def _embed_pair(pair: CaptionPair, reader: PairReader, encoders: Sequence[Encoder]) -> list[NDArray[np.float32]] | str:
    """Return each encoder's vector (D,) of a pair, or the reason why there is none."""
    try:
        frames = reader.read(pair)
    except (MediaError, StorageError) as error:
        return str(error)
    frames_THWC = np.stack(frames)  # of one image or one proxy, so of one size
    vectors = [encoder.pool(encoder.encode_frames(frames_THWC)) for encoder in encoders]
    is_finite = all(np.isfinite(vector).all() for vector in vectors)
    return vectors if is_finite else "the vectors of its frames cancel each other"


def _explain_missing_validation(recipe: Recipe, held_out: int, unread: int, too_near: int) -> str:
    if too_near and not held_out:
        pairs = plural(too_near, "pair for validation is", "pairs for validation are")
        reason = f"{pairs} too similar to the training data: add data of another show"
    elif unread:
        reason = f"{unread} of {held_out} held-out pairs cannot be read, and no two of one show are left"
    elif held_out:
        reason = "no two pairs of one show were held out, and one alone ranks against nothing"
    elif recipe.hold_out:
        reason = "all pairs are of one show, so none could be held out: add data of another show"
    else:
        reason = "nothing was held out: --hold-out 0.2 keeps a fifth of the shows"
    return f"the fit is not validated: {reason}; `needle evaluate` measures it on other data"
