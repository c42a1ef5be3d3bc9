"""Comparison of two encoders on the same shows, as one document for the command line and the notebook."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import TypedDict, cast

from ops.evaluation.figures import Figures, Gains, compute_figures, compute_gains
from ops.evaluation.retrieval import PartFigures
from ops.evaluation.shows import ShowAnswer
from ops.evaluation.verdict import EncoderVerdict, judge_answers

Answered = tuple[str, Sequence[ShowAnswer]]
"""An encoder's id and its answers, one per show or video."""


class EncoderFigures(TypedDict, total=False):
    """The figures of :func:`compute_figures`, and the paired differences from another encoder."""

    text_to_video: PartFigures
    video_to_text: PartFigures
    graded: PartFigures
    gain: Gains


class AgainstDocument(EncoderFigures):
    """The figures of the second encoder, pooled and by show."""

    encoder_id: str
    shows: dict[str, Figures]


class EncoderDocument(EncoderFigures):
    """The figures of the first encoder, pooled and by show."""

    encoder_id: str
    learned_from: list[str]
    pooled_is_fair: bool
    shows: dict[str, EncoderFigures]


class ComparisonDocument(EncoderDocument, total=False):
    """The result of :func:`compare_answers`; ``against`` and ``verdict`` only with a second encoder."""

    against: AgainstDocument
    verdict: EncoderVerdict


NOTHING: Mapping[str, Collection[str]] = MappingProxyType({})


def compare_answers(
    answers_by_encoder: Sequence[Answered], learned_by: Mapping[str, Collection[str]] = NOTHING
) -> ComparisonDocument:
    """The document of an evaluation, compared with a second encoder if there is one.

    It holds figures of the first encoder, pooled and under ``shows``, and of the second under ``against``. Next to each
    is ``gain``: the paired ``[difference, low, high]`` of the first minus the second. ``verdict`` reports whether the
    first may replace the second (:func:`ops.evaluation.verdict.judge_answers`).

    ``learned_by`` names, by encoder id, shows that it was fitted on. They are listed as ``learned_from`` and excluded
    from the pooled figures, unless there are no others (then ``pooled_is_fair`` is false). Shows of one item are
    excluded too, because the item is always first, unless there are no larger ones.
    """
    encoder_id, answers = answers_by_encoder[0]
    training_shows = {show for own_id, _ in answers_by_encoder for show in learned_by.get(own_id, ())}
    shows = sorted({each.task.show for each in answers})
    fair = [show for show in shows if show not in training_shows]
    larger = {each.task.show for each in answers if len(each.task.items) > 1}
    pooled_shows = [show for show in fair or shows if show in larger] or fair or shows
    figures: EncoderDocument = {
        "encoder_id": encoder_id,
        "learned_from": [show for show in shows if show in training_shows],
        "pooled_is_fair": bool(fair) or not shows,
        **_compute_figures(answers_by_encoder, pooled_shows),
        "shows": {show: _compute_figures(answers_by_encoder, [show]) for show in shows},
    }
    document = cast(ComparisonDocument, figures)
    if len(answers_by_encoder) > 1:
        document["against"] = {
            "encoder_id": answers_by_encoder[1][0],
            **cast(EncoderFigures, compute_figures(_select_answers(answers_by_encoder[1], pooled_shows))),
            "shows": {show: compute_figures(_select_answers(answers_by_encoder[1], [show])) for show in shows},
        }
        document["verdict"] = judge_answers(
            answers,
            answers_by_encoder[1][1],
            learned=learned_by.get(encoder_id, ()),
            live_learned=learned_by.get(answers_by_encoder[1][0], ()),
        )
    return document


def _compute_figures(answers: Sequence[Answered], shows: Collection[str]) -> EncoderFigures:
    figures = cast(EncoderFigures, compute_figures(_select_answers(answers[0], shows)))
    if len(answers) > 1:
        figures["gain"] = compute_gains(_select_answers(answers[0], shows), _select_answers(answers[1], shows))
    return figures


def _select_answers(answers: Answered, shows: Collection[str]) -> list[ShowAnswer]:
    return [each for each in answers[1] if each.task.show in shows]
