"""From a cosine to a relevance that people can compare, and the relevance under which hits are hidden.

A query's score for a shot is judged against what *other* questions of the same kind score with the same
catalogue: a hundred everyday texts, random shots of the catalogue as examples, or both put together. What was
measured (starter encoder, 22 November 2026; ``tests/quality/test_relevance_quality.py`` keeps it):

* Standing out from the query's own scores says nothing of whether the thing is there at all. On Big Buck
  Bunny, queries for what the film does not have stood out more (AUC of the best z-score 0.31) than queries
  for what it has, which fit half of the film. The best score in units of the background told them apart
  (AUC 0.94; Sintel 0.62, photographs 0.70).
* A logistic regression on Big Buck Bunny and 1,000 photographs gave the score in background sigmas a slope
  of 0.98, and nothing to all else that was tried (the query's own median and spread, its best score, how
  often its best shots are found by anything, the false discovery rate). So relevance has slope one.
* Shots that match lie at 3.5 sigmas on photographs (middle half 2.8 to 4.2), but at 1.6 in the animated film.
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

# What is believed of a background before any shot is seen, and how many shots that belief is worth.
PRIOR_CENTRE = 0.5
PRIOR_SIGMA = 0.05
PRIOR_WEIGHT = 10

# Relevance 0.5 is where chance alone puts so many shots of the catalogue: the larger the catalogue, the
# further a shot must stand out. But never beyond LATEST sigmas, where 83 % of the photographs' own captions
# still lie: a large catalogue also has more shots that truly match.
CHANCE_HITS = 3.0
EARLIEST = 0.5
LATEST = 2.5

# A hit so many sigmas below the best one is hidden too. Costs at most 0.02 of the recall on photographs, and
# takes away a tenth to a third of what is shown.
BELOW_BEST = 2.0

# Examples of a query that a background imitates one by one; their mean hardly changes beyond.
MOST_EXAMPLES = 3


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """The scale on which the hits of one query are judged.

    ``relevance(score) = 1 / (1 + exp(half - z))`` with ``z = (score - centre) / sigma``: it rises with the
    score, and 0.5 means the same for every query, whatever its own scores are like.
    """

    centre: float
    sigma: float
    half: float

    @classmethod
    def of(cls, background: NDArray[np.float32], shots: int) -> Calibration:
        """From a background, float (questions, S), NaN where there is no score; ``shots`` are in the catalogue."""
        known = background[np.isfinite(background)].astype(np.float64)
        if not len(known):
            return cls(centre=PRIOR_CENTRE, sigma=PRIOR_SIGMA, half=half_relevant(shots))
        centre = float(np.median(known))
        seen = MAD_TO_SIGMA * float(np.median(np.abs(known - centre)))
        sample = background.shape[-1]
        variance = (sample * seen**2 + PRIOR_WEIGHT * PRIOR_SIGMA**2) / (sample + PRIOR_WEIGHT)
        sigma = math.sqrt(variance)
        # Cosines of shots with shots spread wide and end early: there chance ends sooner than a normal
        # distribution says.
        tail = float(np.quantile(known, NormalDist().cdf(half_relevant(shots))))
        half = min(half_relevant(shots), max(EARLIEST, (tail - centre) / sigma))
        return cls(centre=centre, sigma=sigma, half=half)

    def relevance(self, score: float) -> float:
        """0 to 1, never falling while ``score`` rises."""
        z = (score - self.centre) / self.sigma
        return 0.5 * (1 + math.tanh((z - self.half) / 2))  # the logistic function, without overflow

    def cutoff(self, best: float | None) -> float:
        """Relevance under which hits are most likely not what was meant; ``best`` is the query's best score."""
        return DEFAULT_CUTOFF if best is None else max(DEFAULT_CUTOFF, self.relevance(best - BELOW_BEST * self.sigma))


def half_relevant(shots: int) -> float:
    """Sigmas of the background at which a shot of a catalogue of ``shots`` counts as half relevant."""
    chance = min(0.5, CHANCE_HITS / max(shots, 1))
    return min(LATEST, max(EARLIEST, NormalDist().inv_cdf(1 - chance)))


def background(sample: Matrix, texts: Matrix | None, likes: int, unlikes: int, questions: int = 100) -> Matrix:
    """What other questions of a kind score with a catalogue: float32 (questions, S), NaN where not to be used.

    ``sample`` (S, D) are shots of the catalogue, ``texts`` (G, D) vectors of generic texts, ``None`` for a
    question without words. A question has ``likes`` and ``unlikes`` examples, which are shots of the sample
    taken at random (always the same); a shot does not judge a question that it is an example of.
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
