"""Convert a cosine to a relevance that users can compare, and compute the relevance below which hits are hidden.

A query's score for a shot is compared with the scores of *other* queries of the same kind on the same catalogue. These
are a hundred everyday texts, random shots of the catalogue as examples, or both combined. Measured with the starter
encoder on 22 November 2026 (``tests/quality/test_relevance_quality.py`` checks it):

* How far a score stands out from the query's own scores does not show if the subject is in the catalogue at all. On Big
  Buck Bunny, queries for absent subjects stood out more (AUC of the best z-score 0.31) than queries for present ones,
  which fit half of the film. The best score in units of the background separated them (AUC 0.94; Sintel 0.62,
  photographs 0.70).
* A logistic regression on Big Buck Bunny and 1,000 photographs gave the score in background sigmas a slope of 0.98.
  Everything else that was tried got no weight: the query's own median and spread, its best score, how often any query
  finds its best shots, the false discovery rate. So relevance has slope one.
* Matching shots are at 3.5 sigmas on photographs (middle half 2.8 to 4.2), but at 1.6 in the animated film.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from ops.search.query_encoding import combine
from ops.search.schema import DEFAULT_CUTOFF

Matrix = NDArray[np.float32]

# 1.4826 times the median absolute deviation estimates the standard deviation of a normal distribution
# (P. J. Rousseeuw and C. Croux, "Alternatives to the median absolute deviation", 1993).
MAD_TO_SIGMA = 1.4826

# Prior of a background before any shot is compared, and its weight as a number of shots.
PRIOR_CENTRE = 0.5
PRIOR_SIGMA = 0.05
PRIOR_WEIGHT = 10

# Relevance 0.5 is the score that CHANCE_HITS shots of the catalogue reach by chance: the larger the catalogue, the
# further a shot must stand out. But never beyond LATEST sigmas, which 83 % of the photographs' own captions still
# exceed: a large catalogue also has more shots that truly match.
CHANCE_HITS = 3.0
EARLIEST = 0.5
LATEST = 2.5

# A hit this many sigmas below the best one is hidden too. This costs at most 0.02 of the recall on photographs, and
# hides a tenth to a third of the hits.
BELOW_BEST = 2.0

# Examples of a query that a background imitates one by one; with more, their mean hardly changes.
MOST_EXAMPLES = 3


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """The scale for the hits of one query.

    ``relevance(score) = 1 / (1 + exp(half - z))`` with ``z = (score - centre) / sigma``. It rises with the score, and
    0.5 has the same meaning for every query, whatever the distribution of its scores.
    """

    centre: float
    sigma: float
    half: float

    @classmethod
    def of(cls, background: NDArray[np.float32], shots: int) -> Calibration:
        """Calibrate on a background, float (questions, S), NaN for a missing score, for a catalogue of ``shots``."""
        known = background[np.isfinite(background)].astype(np.float64)
        if not len(known):
            return cls(centre=PRIOR_CENTRE, sigma=PRIOR_SIGMA, half=half_relevant(shots))
        centre = float(np.median(known))
        seen = MAD_TO_SIGMA * float(np.median(np.abs(known - centre)))
        sample = background.shape[-1]
        variance = (sample * seen**2 + PRIOR_WEIGHT * PRIOR_SIGMA**2) / (sample + PRIOR_WEIGHT)
        sigma = math.sqrt(variance)
        # Cosines between shots are spread widely and end early: chance hits end sooner than in a normal distribution.
        tail = float(np.quantile(known, NormalDist().cdf(half_relevant(shots))))
        half = min(half_relevant(shots), max(EARLIEST, (tail - centre) / sigma))
        return cls(centre=centre, sigma=sigma, half=half)

    def relevance(self, score: float) -> float:
        """Return 0 to 1; it never falls while ``score`` rises."""
        z = (score - self.centre) / self.sigma
        return 0.5 * (1 + math.tanh((z - self.half) / 2))  # the logistic function, without overflow

    def cutoff(self, best: float | None) -> float:
        """Return the relevance below which hits are most likely wrong; ``best`` is the query's best score."""
        return DEFAULT_CUTOFF if best is None else max(DEFAULT_CUTOFF, self.relevance(best - BELOW_BEST * self.sigma))


def half_relevant(shots: int) -> float:
    """Return the sigmas of the background at which a shot in a catalogue of ``shots`` is half relevant."""
    chance = min(0.5, CHANCE_HITS / max(shots, 1))
    return min(LATEST, max(EARLIEST, NormalDist().inv_cdf(1 - chance)))


def background(sample: Matrix, texts: Matrix | None, likes: int, unlikes: int, questions: int = 100) -> Matrix:
    """Return the scores of other queries of one kind on a catalogue: float32 (questions, S), NaN if unusable.

    ``sample`` (S, D) are shots of the catalogue. ``texts`` (G, D) are vectors of generic texts, ``None`` for a query
    without words. Each query has ``likes`` and ``unlikes`` examples: shots of the sample, chosen by a fixed random
    seed. A shot has no score for a query that it is an example of.
    """
    if texts is not None and not likes and not unlikes:
        return np.asarray(texts @ sample.T, np.float32)
    likes, unlikes = min(likes, MOST_EXAMPLES), min(unlikes, MOST_EXAMPLES)
    if len(sample) <= likes + unlikes:
        return np.zeros((0, len(sample)), np.float32)
    generator = np.random.default_rng(0)
    scores = np.full((questions, len(sample)), np.nan, np.float32)
    for row in range(questions):
        chosen = generator.choice(len(sample), likes + unlikes, replace=False)
        wanted, unwanted = chosen[:likes], chosen[likes:]
        text = None if texts is None else texts[row % len(texts)]
        vector = combine(text, list(sample[wanted]), list(sample[unwanted]))
        scores[row] = sample @ vector
        scores[row, chosen] = np.nan
    return scores
