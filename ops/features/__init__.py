"""The only Feast client: apply definitions, write and read features, forget.

Offline rows are the lake's own files, which this package never writes. Online, Feast's sqlite store keeps scalars
below ``<home>/feast/``. The definitions are in ``feature_repo/``.
"""

from ops.features.build import build_features, has_current_features, has_published_scores, publish_scores
from ops.features.historical import historical_features
from ops.features.online import forget_features, online_features, served_features, write_online
from ops.features.store import apply_features

__all__ = [
    "apply_features",
    "build_features",
    "forget_features",
    "has_current_features",
    "has_published_scores",
    "historical_features",
    "online_features",
    "publish_scores",
    "served_features",
    "write_online",
]
