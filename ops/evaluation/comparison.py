"""Comparison of two encoders on the same shows, as one document for the command line and the notebook."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from ops.evaluation.figures import figures_of, gains_of
from ops.evaluation.shows import ShowAnswer
from ops.evaluation.verdict import verdict_of

Answered = tuple[str, Sequence[ShowAnswer]]
"""An encoder's id and its answers, one per show or video."""
NOTHING: Mapping[str, Collection[str]] = MappingProxyType({})


def comparison_of(answered: Sequence[Answered], learned_by: Mapping[str, Collection[str]] = NOTHING) -> dict[str, Any]:
    """The document of an evaluation, compared with a second encoder if there is one.

    It holds figures of the first encoder, pooled and under ``shows``, and of the second under ``against``. Next to each
    is ``gain``: the paired ``[difference, low, high]`` of the first minus the second. ``verdict`` reports whether the
    first may replace the second (:func:`ops.evaluation.verdict.verdict_of`).

    ``learned_by`` names, by encoder id, shows that it was fitted on. They are listed as ``learned_from`` and excluded
    from the pooled figures, unless there are no others (then ``pooled_is_fair`` is false). Shows of one item are
    excluded too, because the item is always first, unless there are no larger ones.
    """
    encoder_id, answers = answered[0]
    learned = {show for own_id, _ in answered for show in learned_by.get(own_id, ())}
    shows = sorted({own.task.show for own in answers})
    fair = [show for show in shows if show not in learned]
    larger = {own.task.show for own in answers if len(own.task.items) > 1}
    pooled = [show for show in fair or shows if show in larger] or fair or shows
    document: dict[str, Any] = {
        "encoder_id": encoder_id,
        "learned_from": [show for show in shows if show in learned],
        "pooled_is_fair": bool(fair) or not shows,
        **_told(answered, pooled),
        "shows": {show: _told(answered, [show]) for show in shows},
    }
    if len(answered) > 1:
        document["against"] = {
            "encoder_id": answered[1][0],
            **figures_of(_of(answered[1], pooled)),
            "shows": {show: figures_of(_of(answered[1], [show])) for show in shows},
        }
        document["verdict"] = verdict_of(
            answers,
            answered[1][1],
            learned=learned_by.get(encoder_id, ()),
            live_learned=learned_by.get(answered[1][0], ()),
        )
    return document


def _told(answered: Sequence[Answered], shows: Collection[str]) -> dict[str, Any]:
    figures = figures_of(_of(answered[0], shows))
    if len(answered) > 1:
        figures["gain"] = gains_of(_of(answered[0], shows), _of(answered[1], shows))
    return figures


def _of(answered: Answered, shows: Collection[str]) -> list[ShowAnswer]:
    return [own for own in answered[1] if own.task.show in shows]
