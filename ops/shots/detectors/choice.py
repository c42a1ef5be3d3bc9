"""The detectors by name. Separate from the interface, which they all import."""

from __future__ import annotations

from fractions import Fraction

from ops.core.errors import UsageError
from ops.shots.detector import Detector

NOMINAL_RATE = Fraction(25)
DETECTOR_NAMES = ("auto", "adaptive", "content", "transnetv2")


def load_detector(name: str, fps: Fraction = NOMINAL_RATE) -> Detector:
    """A new detector for one video at ``fps`` frames per second. Raises ``UsageError`` for an unknown name.

    Loads no torch: TransNetV2 is loaded when it is first used.
    """
    match name:
        case "auto":
            from ops.shots.detectors.auto import AutoDetector

            return AutoDetector(fps=fps)
        case "adaptive":
            from ops.shots.detectors.adaptive import AdaptiveShotDetector

            return AdaptiveShotDetector()
        case "content":
            from ops.shots.detectors.content import ContentShotDetector

            return ContentShotDetector()
        case "transnetv2":
            from ops.shots.detectors.transnetv2 import TransNetDetector

            return TransNetDetector()
    raise UsageError(f"{name!r} is not a detector: choose one of {', '.join(DETECTOR_NAMES)}")


def describe_parameters(name: str) -> str:
    """All parameters that determine the boundaries of detector ``name``, as text for a version hash.

    Loads no third-party package. Raises ``UsageError`` for an unknown name.
    """
    from ops.shots import thresholds

    if name not in DETECTOR_NAMES:
        raise UsageError(f"{name!r} is not a detector: choose one of {', '.join(DETECTOR_NAMES)}")
    used_thresholds = {"auto": (thresholds.AUTO, thresholds.TRANSNETV2)}.get(name, (getattr(thresholds, name.upper()),))
    return repr(used_thresholds)
