"""Convert a cosine to a relevance: the probability that a shot is right.

A query's score for a shot is compared with the scores of *other* queries of the same kind on the same catalogue. These
are a hundred everyday texts, random shots of the catalogue as examples, or both combined. The result is a number of
sigmas of this background. How relevance rises with it is fitted on annotated queries, per encoder (``SCALES``); other
encoders and queries with examples use a slope of one, and one half at what chance hardly reaches.

Measured with the starter encoder:

* How far a score stands out from the query's own scores does not show if the subject is in the catalogue at all. On Big
  Buck Bunny, queries for absent subjects stood out more (AUC of the best z-score 0.31) than queries for present ones,
  which fit half of the film. The best score in units of the background separated them (AUC 0.94; Sintel 0.62,
  photographs 0.70; five films together 0.58). So this alone decides whether anything clearly matches, and only a note
  comes of it (``tests/quality/test_relevance_quality.py``).
* In a logistic regression on annotated queries nothing else made relevance more honest: not the query's best score, its
  own median and spread, nor the false discovery rate (``make bench BENCH=relevance``).
* Right shots are spread over the ranking. A bound on relevance hides most of them for one query and none for another; a
  distance from the query's best score does so evenly, in a film and in the whole catalogue.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from ops.search.query_encoding import combine

Matrix = NDArray[np.float32]

# 1.4826 times the median absolute deviation estimates the standard deviation of a normal distribution
# (P. J. Rousseeuw and C. Croux, "Alternatives to the median absolute deviation", 1993).
MAD_TO_SIGMA = 1.4826

# Prior of a background before any shot is compared, and its weight as a number of shots.
PRIOR_CENTRE = 0.5
PRIOR_SIGMA = 0.05
PRIOR_WEIGHT = 10

# CHANCE_HITS shots of the catalogue stand out so far by chance: the larger the catalogue, the further. But never beyond
# LATEST sigmas, which 83 % of the photographs' own captions still exceed: a large catalogue also has more shots that
# truly match.
CHANCE_HITS = 3.0
EARLIEST = 0.5
LATEST = 2.5

# Without a fitted scale, the divider is at 0.5, or this many sigmas below the best hit if that is higher.
BELOW_BEST = 2.0

# Examples of a query that a background imitates one by one; with more, their mean hardly changes.
MOST_EXAMPLES = 3
# Generic texts next to each other are about similar things; an unwanted one is taken from this far away.
_APART = 37


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How the relevance of one encoder's scores rises, in sigmas of the background, for queries by words alone.

    Relevance is ``1 / (1 + exp(slope * (half - z)))``, ``half`` for a search among ``SCALE_SHOTS`` shots. Among ten
    times as many, a right shot is rarer, and the same z means ``rise`` sigmas less. The divider lies ``below_best``
    sigmas below the best hit.
    """

    slope: float
    half: float
    rise: float
    below_best: float

    def find_half(self, shots: int) -> float:
        """Return the z of relevance 0.5 in a search among ``shots``; counts that were not measured are cut off."""
        return self.half + self.rise * math.log10(min(max(shots, 1), MOST_SCALE_SHOTS) / SCALE_SHOTS)


SCALE_SHOTS = 100
MOST_SCALE_SHOTS = 1_000
"""Fitted on films of 14 to 138 shots, and on 202; checked on 100 to 1,000 photographs, and not beyond."""

# By the first part of an encoder's id. Fitted by ``make bench BENCH=relevance`` on five annotated films.
SCALES = {"starter": Scale(slope=0.727, half=5.44, rise=2.33, below_best=1.65)}


def find_scale(encoder_id: str) -> Scale | None:
    """Return the fitted scale of an encoder, ``None`` if its scores were never compared with annotations."""
    return SCALES.get(encoder_id.partition("_")[0])


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """The relevance of the hits of one query.

    ``relevance(score) = 1 / (1 + exp(slope * (half - z)))`` with ``z = (score - centre) / sigma``. It rises with the
    score. ``chance`` is the z that hardly a shot of this catalogue reaches by chance, ``clear`` the one that the best
    shot reaches for half of all descriptions. ``below_best`` is that of a fitted :class:`Scale`, ``None`` without one.
    """

    centre: float
    sigma: float
    half: float
    slope: float = 1.0
    chance: float = 0.0
    clear: float = 0.0
    below_best: float | None = None

    @classmethod
    def fit(
        cls, background: NDArray[np.float32], shots: int, scale: Scale | None = None, shots_in_scope: int | None = None
    ) -> Calibration:
        """Calibrate on a background, float (questions, S), NaN for a missing score, for a catalogue of ``shots``.

        ``shots_in_scope`` of them are searched (default: all); :attr:`clear` is the best of these, and the
        ``scale`` is that of as many.
        """
        shots_in_scope = shots if shots_in_scope is None else shots_in_scope
        scores = background[np.isfinite(background)].astype(np.float64)
        if not len(scores):
            least = expect_sigmas(shots)
            return _build_calibration(scale, shots_in_scope, PRIOR_CENTRE, PRIOR_SIGMA, chance=least, clear=least)
        centre = float(np.median(scores))
        deviation = MAD_TO_SIGMA * float(np.median(np.abs(scores - centre)))
        sample = background.shape[-1]
        variance = (sample * deviation**2 + PRIOR_WEIGHT * PRIOR_SIGMA**2) / (sample + PRIOR_WEIGHT)
        sigma = math.sqrt(variance)
        # Cosines between shots are spread widely and end early: chance hits end sooner than in a normal distribution.
        tail = float(np.quantile(scores, NormalDist().cdf(expect_sigmas(shots))))
        chance = min(expect_sigmas(shots), max(EARLIEST, (tail - centre) / sigma))
        bests = [_best_score(row[np.isfinite(row)], shots_in_scope) for row in background if np.isfinite(row).any()]
        clear = (float(np.median(bests)) - centre) / sigma + _expect_rise(sample, shots_in_scope)
        return _build_calibration(scale, shots_in_scope, centre, sigma, chance=chance, clear=clear)

    def relevance(self, score: float) -> float:
        """Return 0 to 1; it never falls while ``score`` rises."""
        return self._relevance_at((score - self.centre) / self.sigma)

    def is_strong(self, score: float) -> bool:
        """Return True if the best shot has a lower score for half of all descriptions."""
        return (score - self.centre) / self.sigma >= self.clear

    @property
    def by_chance(self) -> float:
        """Return the relevance that hardly a shot of this catalogue reaches by chance."""
        return self._relevance_at(self.chance)

    def cutoff(self, best: float | None) -> float:
        """Return the relevance of the divider between likely and weak hits; ``best`` is the query's best score."""
        if best is None:
            return self.by_chance
        if self.below_best is None:
            return max(self.by_chance, self.relevance(best - BELOW_BEST * self.sigma))
        return self.relevance(best - self.below_best * self.sigma)

    def _relevance_at(self, z: float) -> float:
        return 0.5 * (1 + math.tanh(self.slope * (z - self.half) / 2))  # the logistic function, without overflow


def _build_calibration(
    scale: Scale | None, shots_in_scope: int, centre: float, sigma: float, *, chance: float, clear: float
) -> Calibration:
    calibration = Calibration(centre=centre, sigma=sigma, half=chance, chance=chance, clear=clear)
    if scale is None:
        return calibration
    return replace(calibration, half=scale.find_half(shots_in_scope), slope=scale.slope, below_best=scale.below_best)


def _best_score(scores: NDArray[np.float32], shots_in_scope: int) -> float:
    """Return the best of the scores, or the median of the best of ``shots_in_scope`` random ones if these are fewer."""
    share = 1.0 if shots_in_scope >= len(scores) else 0.5 ** (1 / max(shots_in_scope, 1))
    return float(np.quantile(scores, share))


def _expect_rise(sample: int, shots: int) -> float:
    """Return how much higher the best of ``shots`` lies than the best of a ``sample`` of them, in sigmas."""
    if shots <= sample or sample < 2:
        return 0.0
    return NormalDist().inv_cdf(1 - 1 / shots) - NormalDist().inv_cdf(1 - 1 / sample)


def expect_sigmas(shots: int) -> float:
    """Return the sigmas of the background that CHANCE_HITS shots of a catalogue of ``shots`` reach by chance."""
    chance = min(0.5, CHANCE_HITS / max(shots, 1))
    return min(LATEST, max(EARLIEST, NormalDist().inv_cdf(1 - chance)))


def score_background(
    sample: Matrix,
    texts: Matrix | None,
    likes: int,
    unlikes: int,
    questions: int = 100,
    *,
    has_text: bool = True,
    unlike_words: int = 0,
) -> Matrix:
    """Return the scores of other queries of one kind on a catalogue: float32 (questions, S), NaN if unusable.

    ``sample`` (S, D) are shots of the catalogue. ``texts`` (G, D) are vectors of generic texts, ``None`` for a query
    without words. Each query has ``likes`` and ``unlikes`` examples: shots of the sample, chosen by a fixed random
    seed; the next ``unlike_words`` texts are unwanted. A shot has no score for a query that it is an example of.
    ``has_text``: ``texts`` are also wanted.
    """
    query_texts = texts if has_text else None
    if query_texts is not None and not likes and not unlikes and not unlike_words:
        return np.asarray(query_texts @ sample.T, np.float32)
    likes, unlikes, unlike_words = (min(count, MOST_EXAMPLES) for count in (likes, unlikes, unlike_words))
    if len(sample) <= likes + unlikes:
        return np.zeros((0, len(sample)), np.float32)
    generator = np.random.default_rng(0)
    scores = np.full((questions, len(sample)), np.nan, np.float32)
    for row in range(questions):
        picks = generator.choice(len(sample), likes + unlikes, replace=False)
        likes_at, dislikes_at = picks[:likes], picks[likes:]
        text = None if query_texts is None else query_texts[row % len(query_texts)]
        words = [] if texts is None else [texts[(row + _APART * (at + 1)) % len(texts)] for at in range(unlike_words)]
        vector = combine(text, list(sample[likes_at]), list(sample[dislikes_at]), words)
        scores[row] = sample @ vector
        scores[row, picks] = np.nan
    return scores
