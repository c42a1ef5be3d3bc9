"""The numbers that decide what is a cut, in one place, with where each comes from.

Fitted on the annotated films in ``../shared/footage`` leave-one-film-out: each number lies inside a range in which
the films that were *not* held out show no difference (``tests/quality/test_shots_quality.py`` repeats it).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class AdaptiveThresholds:
    """PySceneDetect's AdaptiveDetector: ratio to the neighbours' mean, least HSV change, least shot length (frames)."""

    ratio: float = 2.2
    min_content: float = 15.0
    min_length: int = 6


@dataclass(frozen=True, kw_only=True)
class ContentThresholds:
    """PySceneDetect's ContentDetector: HSV change and least shot length (frames)."""

    change: float = 31.0
    min_length: int = 8


@dataclass(frozen=True, kw_only=True)
class TransNetThresholds:
    """TransNetV2: the authors' own probability threshold and windows (Soucek and Lokoc 2020)."""

    probability: float = 0.5
    window: int = 100
    kept: int = 50
    gradual_length: int = 5


@dataclass(frozen=True, kw_only=True)
class DissolveThresholds:
    """A dissolve is a straight line from one picture to another, which no motion is.

    Checked ``half_lengths`` frames to each side: the change along the way is at most ``straightness`` times the
    change from end to end, no step is more than ``step`` times its share, the frames at a quarter, half and three
    quarters are mixtures up to ``misfit`` of the change, and the ends are two pictures (``least_deviation``,
    ``most_correlation``), of which neither is a stage of the other's fading. ``hits`` such frames make a dissolve,
    ``quiet`` frames without one end it. On the annotated films every hit lies in an annotated range.
    """

    half_lengths: tuple[int, ...] = (6, 10)
    least_change: float = 10.0
    straightness: float = 1.6
    step: float = 4.0
    misfit: float = 0.15
    least_deviation: float = 10.0
    most_correlation: float = 0.8
    hits: int = 4
    quiet: int = 16
    longest: int = 64


@dataclass(frozen=True, kw_only=True)
class AutoThresholds:
    """The default detector.

    ``sure`` and ``doubtful`` bound the contrast of a frame's change to the mean change of its ``reach`` neighbours
    on each side. Changes are mean absolute differences of 8-bit BGR pictures of 32 x 18 (``min_change``,
    ``calm``); ``min_histogram`` is the share of pixels that change their colour bin.
    """

    revision: int = 1
    reach: int = 3
    calm: float = 1.0
    sure: float = 4.0
    doubtful: float = 2.0
    min_change: float = 6.0
    min_doubtful_change: float = 12.0
    min_histogram: float = 0.15
    flash_length: int = 3
    flash_likeness: float = 0.35
    blend_likeness: float = 0.25
    second_opinion_window: int = 40
    blank_deviation: float = 4.0
    longest_black: int = 48
    dissolve: DissolveThresholds = DissolveThresholds()


ADAPTIVE = AdaptiveThresholds()
CONTENT = ContentThresholds()
TRANSNETV2 = TransNetThresholds()
AUTO = AutoThresholds()
