"""Feature services: one for each downstream use, so that a use names the features that it reads."""

from __future__ import annotations

from collections.abc import Sequence

from feast import FeatureService, FeatureView

from feature_repo.names import OWNER


def shot_classifier_v1(embedding: FeatureView, shots: FeatureView) -> FeatureService:
    """Training sets of shot classifiers: the current encoder's vectors and the shot's metadata."""
    return FeatureService(
        name="shot_classifier_v1",
        features=[embedding, shots],
        description="training sets for classifiers of shots; ask for it point in time",
        tags={"encoder_id": embedding.tags["encoder_id"], "dim": embedding.tags["dim"], "use": "training"},
        owner=OWNER,
    )


def shot_facets_v1(shots: FeatureView) -> FeatureService:
    """The scalars for filters and labels of search results, served online."""
    facets = ["video_id", "show", "index", "start_frame", "end_frame", "start_s", "end_s", "transition"]
    return FeatureService(
        name="shot_facets_v1",
        features=[shots[[*facets, "mean_luma", "is_blank", "poster_uri"]]],
        description="scalars of a shot, served online",
        tags={"use": "online"},
        owner=OWNER,
    )


def shot_classifier_v2(embedding: FeatureView, shots: FeatureView, probes: Sequence[FeatureView]) -> FeatureService:
    """As ``shot_classifier_v1``, with the scores of probes: for models that use them as features."""
    return FeatureService(
        name="shot_classifier_v2",
        features=[embedding, shots, *probes],
        description="training sets for classifiers of shots that build on probes; ask for it point in time",
        tags={"encoder_id": embedding.tags["encoder_id"], "dim": embedding.tags["dim"], "use": "training"},
        owner=OWNER,
    )


def shot_probes_v1(probes: Sequence[FeatureView]) -> FeatureService:
    """The scores of all probes for a shot, served online."""
    return FeatureService(
        name="shot_probes_v1",
        features=list(probes),
        description="scores of all probes of a shot, served online",
        tags={"use": "online"},
        owner=OWNER,
    )
