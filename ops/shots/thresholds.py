"""The numbers that decide about cuts, in one place.

Those of the default detector were set on the annotated clips of ``../shared/footage`` and on generated transitions.
They are evaluated leave-one-clip-out (``tests/quality/test_shots_quality.py``).
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
class GradualThresholds:
    """Dissolves, fades and wipes: a difference between two sides that motion does not explain.

    ``half_lengths_s`` are half-lengths of transitions in seconds. The two sides must

    - differ by ``least_change`` (mean absolute difference of 8-bit images) and by ``least_steadiness`` times the motion
      within the sides,
    - correlate by less than ``most_correlation``,
    - be less alike than ``most_likeness`` (:func:`ops.shots.detectors.likeness.compare`).

    The frames between them must not change by more than ``most_step`` of the difference at once. They must be a mixture
    of both sides up to ``most_misfit`` of the change.

    TransNetV2 confirms if its two probabilities (middle of a transition, any part of one) plus ``steadiness_weight``
    times the steadiness (up to ``most_steadiness``) reach ``evidence``, and the first of them is at least
    ``least_last``. It gets ``context`` frames on each side.

    A ``plain`` transition needs no confirmation: its sides do not move (``plain_steadiness``), its frames are mixtures
    of both (``plain_misfit``, share of the change), progress hardly goes back (``plain_backward``) or jumps
    (``plain_step``).

    A wipe needs none either, if four features of its moving front give logarithmic odds of at least ``front_evidence``
    (``front_weights`` and ``front_bias``; :class:`ops.shots.detectors.fronts.FrontFeatures`). They were fitted to
    397 proposals of 26 films cut again and of the annotated clips; ``make bench BENCH=reedits`` fits them to few films.

    A fade through one colour, a dip (:mod:`ops.shots.detectors.dips`), lowers the contrast to at most ``dip_share``, in
    steps of at most ``dip_step`` of the fall, while the image correlates with itself by at least ``dip_correlation``.
    If both sides are alike (``dip_likeness``, and that correlation), a light filled the image of one shot.

    ``longest_black_s``: if one colour lasts up to that long between two fades, they are one transition.
    """

    half_lengths_s: tuple[float, ...] = (0.17, 0.34, 0.68)
    least_change: float = 15.0
    least_steadiness: float = 1.4
    most_correlation: float = 0.85
    most_likeness: float = 0.85
    least_last: float = 0.05
    evidence: float = 0.86
    steadiness_weight: float = 0.15
    most_step: float = 0.5
    most_misfit: float = 0.22
    context: int = 25
    most_steadiness: float = 5.0
    plain_steadiness: float = 5.0
    plain_misfit: float = 0.15
    plain_change: float = 20.0
    plain_correlation: float = 0.7
    plain_backward: float = 0.1
    plain_step: float = 0.35
    front_weights: tuple[float, float, float, float] = (15.0, 1.76, 3.73, 4.82)
    front_bias: float = -20.45
    front_evidence: float = 0.5
    dip_share: float = 0.35
    dip_step: float = 0.6
    dip_correlation: float = 0.5
    dip_likeness: float = 0.75
    blank_deviation: float = 4.0
    longest_black_s: float = 1.6


@dataclass(frozen=True, kw_only=True)
class AutoThresholds:
    """The default detector.

    A frame is a candidate for a hard cut by three rules: ``min_change`` (mean absolute difference to the frame before,
    of 8-bit BGR images of 32 x 18); ``min_share``, the share of the image that changes by more than ``moved`` (a
    caption is less); and ``min_contrast``, the ratio of the change to the mean of its ``reach`` neighbours on each side
    plus ``calm``.

    It is a cut if four features make the logarithm of the odds positive (``cut_weights`` and ``cut_bias``;
    :class:`ops.shots.detectors.hard_cuts.CutFeatures`). Both are fitted: ``make bench BENCH=cuts``.

    A candidate is a flash if the image comes back within ``few_frames``; or within ``flash_s`` seconds, if brightness
    changed by ``flash_luma``; or within ``long_flash_s``, if it became brighter; or within ``fading_flash_s``, if it
    also returns in steps of at most ``fading_step`` of the change. Coming back means a difference of at most
    ``flash_likeness`` times the change (half of that in a flash that fades).

    It is a very short shot instead, an insert, if four conditions hold. The evidence for a cut is at least
    ``insert_evidence``; both images have texture in a share ``insert_texture`` of their blocks; they correlate by at
    most ``insert_correlation``; the grey levels of the darker one explain at most ``insert_relit`` of the brighter one
    (a flash that saturates half of an image leaves little correlation, but that: 0.76 to 0.90 in generated flashes, at
    most 0.4 between other shots).
    """

    revision: int = 6
    reach: int = 3
    calm: float = 1.0
    min_change: float = 6.0
    min_contrast: float = 1.5
    min_share: float = 0.25
    moved: int = 12
    cut_weights: tuple[float, float, float, float] = (1.107, -10.145, 3.432, -2.68)
    cut_bias: float = 4.407
    few_frames: int = 3
    flash_s: float = 0.2
    long_flash_s: float = 0.5
    fading_flash_s: float = 1.0
    fading_step: float = 0.2
    flash_luma: float = 15.0
    flash_likeness: float = 0.35
    insert_evidence: float = 4.0
    insert_texture: float = 0.3
    insert_correlation: float = 0.6
    insert_relit: float = 0.65
    blend_likeness: float = 0.25
    gradual: GradualThresholds = GradualThresholds()


ADAPTIVE = AdaptiveThresholds()
CONTENT = ContentThresholds()
TRANSNETV2 = TransNetThresholds()
AUTO = AutoThresholds()
