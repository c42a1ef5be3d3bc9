"""Zero-shot probes: the text score of a probe's queries, used without labels and as the baseline of a fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ops.probes.definitions import ProbeDefinition
from ops.probes.thresholds import parse_threshold
from ops.probes.versions import ProbeVersion, hash_inputs

RECIPE = "zero-shot-1"
"""The name of this way to make a probe; change it with the way."""

# Without labels nothing can be calibrated: a shot is a yes if its text score is two standard deviations above the
# catalogue's mean, as one in forty is if scores are normal.
_YES_AT, _STEEPNESS = 2.0, 2.0

TextEncoder = Callable[[Sequence[str]], NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True)
class CatalogueTextScores:
    """Mean and spread of the queries' text score over a whole catalogue; ``digest`` identifies its vectors."""

    mean: float
    spread: float
    digest: str


def name_zero_shot(definition: ProbeDefinition, encoder_id: str, digest: str) -> str:
    """Return the name of the zero-shot version for a catalogue with this digest of vectors."""
    return hash_inputs([RECIPE, definition.queries, definition.threshold, encoder_id, digest])


def encode_queries(encode: TextEncoder, queries: Sequence[str]) -> NDArray[np.float32]:
    """Return the unit vector (D,) of the queries' mean."""
    mean = encode(list(queries)).mean(axis=0)
    return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-9), np.float32)


def build_zero_shot(
    definition: ProbeDefinition,
    encoder_id: str,
    text_D: NDArray[np.float32],
    scores: CatalogueTextScores,
    created_at: str,
) -> ProbeVersion:
    """Build the zero-shot version: a logistic curve over the distance of the text score from the catalogue's mean."""
    steep = _STEEPNESS / max(scores.spread, 1e-9)
    return ProbeVersion(
        label=definition.label,
        version=name_zero_shot(definition, encoder_id, scores.digest),
        kind="zero_shot",
        recipe=RECIPE,
        encoder_id=encoder_id,
        queries=definition.queries,
        policy=definition.threshold,
        created_at=created_at,
        weights=tuple((steep * text_D.astype(np.float64)).tolist()),
        bias=-steep * scores.mean - _STEEPNESS * _YES_AT,
        threshold=parse_threshold(definition.threshold, 0.5),
        text_weight=1.0,
    )
