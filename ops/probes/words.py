"""The words alone as a probe: the text score of its queries, before there are labels and as their measure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ops.probes.definitions import ProbeDefinition
from ops.probes.names import name_made_of
from ops.probes.recipe import ZERO_SHOT_RECIPE
from ops.probes.thresholds import fixed_threshold
from ops.probes.versions import ProbeVersion

# Without labels nothing can be calibrated: a shot is a yes where its text score lies two standard deviations above
# the catalogue's mean, as one in forty does where scores are normal.
_YES_AT, _STEEPNESS = 2.0, 2.0

TextEncoder = Callable[[Sequence[str]], NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True)
class CatalogueTextScores:
    """Mean and spread of the queries' text score over a whole catalogue; ``digest`` names its vectors."""

    mean: float
    spread: float
    digest: str


def zero_shot_name(definition: ProbeDefinition, encoder_id: str, digest: str) -> str:
    """Name of the text score's version over a catalogue with that digest of vectors."""
    return name_made_of([ZERO_SHOT_RECIPE, definition.queries, definition.threshold, encoder_id, digest])


def text_direction(encode: TextEncoder, queries: Sequence[str]) -> NDArray[np.float32]:
    """Unit vector (D,) between the queries."""
    mean = encode(list(queries)).mean(axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-9), np.float32)


def zero_shot(
    definition: ProbeDefinition,
    encoder_id: str,
    text_D: NDArray[np.float32],
    scores: CatalogueTextScores,
    created_at: str,
) -> ProbeVersion:
    """The text score as a probe: a logistic curve over how far it lies from the catalogue's mean."""
    steep = _STEEPNESS / max(scores.spread, 1e-9)
    return ProbeVersion(
        label=definition.label,
        version=zero_shot_name(definition, encoder_id, scores.digest),
        kind="zero_shot",
        recipe=ZERO_SHOT_RECIPE,
        encoder_id=encoder_id,
        queries=definition.queries,
        policy=definition.threshold,
        created_at=created_at,
        weights=tuple((steep * text_D.astype(np.float64)).tolist()),
        bias=-steep * scores.mean - _STEEPNESS * _YES_AT,
        threshold=fixed_threshold(definition.threshold, 0.5),
        text_weight=1.0,
    )
