"""Retrieval figures of a fitted encoder and its base on other pairs, measured as by ``needle evaluate``.

Each show is measured alone, with the frames per shot of ingest. Held-out pairs show the gain. Photographs and footage
of another look show what the fit forgets. Legend: T frames, N items, D dimensions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import MediaError, StorageError
from ops.core.plural import plural
from ops.core.settings import Settings, count_cores
from ops.core.types import Progress
from ops.embeddings.encoder import Encoder, LoadOptions, load_encoder
from ops.embeddings.encoders.finetuned import FinetunedEncoder, find_files_in
from ops.embeddings.encoders.starter import StarterEncoder
from ops.evaluation.figures import compute_figures, compute_gains
from ops.evaluation.shows import ShowAnswer, ShowTask, answer
from ops.evaluation.verdict import ALL, judge_answers
from ops.training.lineage import FitValidation, OverallLoss
from ops.training.pair_reader import PairReader
from ops.training.pairs import CaptionPair
from ops.training.recipes import Recipe

STAGE = "validation"
_MOST = {"held-out pairs": 1000, "photographs": 500, "other footage": 200}
"""Most pairs of each kind that are measured after a fit; a quick figure, not one to publish."""

_PairsByVideo = dict[str, list[tuple[CaptionPair, list[NDArray[np.float32]]]]]
"""Pairs by show, each with the vector (D,) from each encoder."""


class FitCheck:
    """The encoder of a fit, its base and, if it was blended, the encoder before that; loaded at the first use."""

    def __init__(self, settings: Settings, recipe: Recipe, folder: Path, progress: Progress) -> None:
        self._settings, self._recipe, self._folder, self._progress = settings, recipe, folder, progress
        self._encoders: list[Encoder] = []

    def validate(self, pairs: Sequence[CaptionPair], *, too_near: int = 0) -> FitValidation:
        """Return figures of encoder and base on held-out pairs, with paired differences (``gain``).

        Unreadable pairs and shows of one pair are skipped. If too few pairs are left, a note reports it and no figure
        is returned. ``too_near`` is the number of pairs that were dropped before, as too similar to trained ones.
        """
        validation = self._measure(pairs, "held-out pairs")
        if "pairs" not in validation:
            unread = len(validation.get("set_aside", {}))
            note = _explain_missing_validation(self._recipe, len(pairs), unread, too_near)
            self._progress.note(STAGE, note)
        return validation

    def measure_forgetting(self, pairs: Sequence[CaptionPair], *, is_requested: bool) -> dict[str, FitValidation]:
        """Return the same for photographs and for footage that the fit did not learn from, if there are any.

        Unless the data were requested, unreadable pairs are only a note: no data of the command are incomplete.
        """
        kinds = {
            "photographs": [pair for pair in pairs if not pair.shot_id],
            "other footage": [pair for pair in pairs if pair.shot_id],
        }
        losses = {
            kind: self._measure(pairs_of_kind, kind, is_requested=is_requested)
            for kind, pairs_of_kind in kinds.items()
            if len(pairs_of_kind) > 1
        }
        if not any("pairs" in each for each in losses.values()):
            self._progress.note(
                STAGE,
                "what the fit forgets is not measured: name captioned photographs or footage of another kind with "
                "--forgetting",
            )
        return losses

    def _measure(self, pairs: Sequence[CaptionPair], kind: str, *, is_requested: bool = True) -> FitValidation:
        skip_reasons: dict[str, str] = {}
        by_show: _PairsByVideo = {}
        if len(pairs) > 1:
            sample = sample_pairs(pairs, _MOST[kind])
            if len(sample) < len(pairs):
                self._progress.note(STAGE, f"{len(sample):,} of {len(pairs):,} {kind}, drawn at random, are measured")
            by_show = self._embed_pairs(sample, skip_reasons)
            self._report_skipped(skip_reasons, kind, is_requested=is_requested)
        report: FitValidation = {"set_aside": skip_reasons} if skip_reasons else {}
        by_show = {show: members for show, members in by_show.items() if len(members) > 1}  # one alone is always first
        if not by_show:
            return report
        answers = self._answer(by_show)
        validation: FitValidation = {
            "pairs": sum(len(each.task.items) for each in answers[0]),
            "shows": [each.task.show for each in answers[0]],
            "encoder": compute_figures(answers[0]),
            "base": compute_figures(answers[1]),
            "gain": compute_gains(answers[0], answers[1]),
            "overall": _compute_overall(answers[0], answers[1]),
        }
        if len(answers) > 2:
            validation["fitted"] = compute_figures(answers[2])
            validation["fitted_gain"] = compute_gains(answers[2], answers[1])
        validation.update(report)
        return validation

    def _report_skipped(self, skip_reasons: Mapping[str, str], kind: str, *, is_requested: bool) -> None:
        if is_requested:
            for thing, reason in skip_reasons.items():
                self._progress.set_aside(STAGE, thing, reason)
        elif skip_reasons:
            first = ": ".join(next(iter(skip_reasons.items())))
            more = f", and {len(skip_reasons) - 1:,} more" if len(skip_reasons) > 1 else ""
            self._progress.note(
                STAGE, f"of the catalogue's {kind}, by which forgetting is measured, some cannot be read: {first}{more}"
            )

    def _answer(self, by_show: _PairsByVideo) -> list[list[ShowAnswer]]:
        tasks = [
            ShowTask(
                show=show,
                items=tuple(pair.pair_id for pair, _ in members),
                captions=tuple(pair.captions for pair, _ in members),
            )
            for show, members in sorted(by_show.items())
        ]
        return [
            [
                answer(task, np.stack([vectors[number] for _, vectors in by_show[task.show]]), encoder.encode_text)
                for task in tasks
            ]
            for number, encoder in enumerate(self._load_encoders())
        ]

    def _load_encoders(self) -> list[Encoder]:
        if not self._encoders:
            options = LoadOptions(home=self._settings.home, device="cpu", threads=count_cores())
            fitted_folder = self._folder.with_name("fitted")
            self._encoders = [
                FinetunedEncoder(find_files_in(self._folder), options),
                load_encoder(self._recipe.base, self._settings.home),
                *([FinetunedEncoder(find_files_in(fitted_folder), options)] if fitted_folder.exists() else []),
            ]
        return self._encoders

    def _embed_pairs(self, pairs: Sequence[CaptionPair], skip_reasons: dict[str, str]) -> _PairsByVideo:
        """Embed the pairs that can be read; add the reasons for the others to ``skip_reasons``."""
        by_show: _PairsByVideo = {}
        encoders = self._load_encoders()
        self._progress.start(STAGE, len(pairs), "pairs")
        with PairReader(self._settings, pairs, self._settings.frames_per_shot) as reader:
            for pair in pairs:
                self._progress.advance(STAGE)
                vectors = _embed_pair(pair, reader, encoders)
                if isinstance(vectors, str):
                    skip_reasons[pair.thing] = vectors
                else:
                    by_show.setdefault(pair.show, []).append((pair, vectors))
        self._progress.finish(STAGE)
        return by_show


def sample_pairs(pairs: Sequence[CaptionPair], most: int) -> list[CaptionPair]:
    """Return at most ``most`` pairs, always the same ones, in their order; they do not depend on that order."""
    sample = sorted(pairs, key=lambda pair: hashlib.blake2b(pair.pair_id.encode()).digest())[:most]
    pair_ids = {pair.pair_id for pair in sample}
    return [pair for pair in pairs if pair.pair_id in pair_ids]


def _compute_overall(encoder: Sequence[ShowAnswer], base: Sequence[ShowAnswer]) -> OverallLoss:
    verdict = judge_answers(encoder, base)
    part = verdict["parts"][ALL]
    return {
        "base": part["live"],
        "encoder": part["candidate"],
        "difference": part["difference"],
        "low": part["low"],
        "high": part["high"],
        "margin": verdict["margin"],
    }


def _embed_pair(pair: CaptionPair, reader: PairReader, encoders: Sequence[Encoder]) -> list[NDArray[np.float32]] | str:
    """Return each encoder's vector (D,) of a pair, or the reason why there is none."""
    try:
        frames = reader.read(pair)
    except (MediaError, StorageError) as error:
        return str(error)
    vectors_TD = _encode_by_each(encoders, np.stack(frames))  # of one image or one proxy, so of one size
    vectors = [encoder.pool(each) for encoder, each in zip(encoders, vectors_TD, strict=True)]
    is_finite = all(np.isfinite(vector).all() for vector in vectors)
    return vectors if is_finite else "the vectors of its frames cancel each other"


def _encode_by_each(encoders: Sequence[Encoder], frames_THWC: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
    """Return each encoder's frame vectors (T, D). Heads of the starter encoder share its tower, which runs once."""
    starters = [each.starter if isinstance(each, FinetunedEncoder) else each for each in encoders]
    heads = [each for each in starters if isinstance(each, StarterEncoder)]
    if len(heads) < len(encoders):
        return [encoder.encode_frames(frames_THWC) for encoder in encoders]
    outputs = heads[0].run_image_tower(heads[0].prepare(frames_THWC))
    return [head.embed_tower_outputs(*outputs) for head in heads]


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
