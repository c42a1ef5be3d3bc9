"""Published figures of text-to-video retrieval, each with the paper that reports it. We measured none of them."""

from __future__ import annotations

from dataclasses import dataclass

CLIP = "Portillo-Quintero et al. 2021, arXiv:2102.12443"
CLIP4CLIP = "Luo et al. 2021, arXiv:2104.08860"
X_CLIP = "Ma et al. 2022, arXiv:2207.07285"
INTERNVIDEO = "Wang et al. 2022, arXiv:2212.03191"
AS_IS = "not trained on the set"
WITH_TRAINING = "trained on the set's training part"


@dataclass(frozen=True, kw_only=True)
class PublishedRecall:
    """Text-to-video recall at 1, 5 and 10 in percent, and median rank, of ``method``, as ``source`` reports them.

    A median rank that could not be checked is ``None``.
    """

    method: str
    recalls: tuple[float, float, float]
    median_rank: float | None
    source: str
    remark: str


def _internvideo(
    as_is: tuple[float, float, float], as_is_rank: float, trained: tuple[float, float, float]
) -> tuple[PublishedRecall, PublishedRecall]:
    return (
        PublishedRecall(method="InternVideo", recalls=as_is, median_rank=as_is_rank, source=INTERNVIDEO, remark=AS_IS),
        PublishedRecall(method="InternVideo", recalls=trained, median_rank=1, source=INTERNVIDEO, remark=WITH_TRAINING),
    )


PUBLISHED: dict[str, tuple[PublishedRecall, ...]] = {
    "msrvtt": (
        PublishedRecall(
            method="CLIP ViT-B/32, mean of frames",
            recalls=(31.2, 53.7, 64.2),
            median_rank=4,
            source=CLIP,
            remark=AS_IS,
        ),
        PublishedRecall(
            method="CLIP4Clip ViT-B/32, mean",
            recalls=(43.1, 70.4, 80.8),
            median_rank=2,
            source=CLIP4CLIP,
            remark=WITH_TRAINING,
        ),
        PublishedRecall(
            method="X-CLIP ViT-B/32", recalls=(46.1, 73.0, 83.1), median_rank=2, source=X_CLIP, remark=WITH_TRAINING
        ),
        *_internvideo((40.0, 65.3, 74.1), 2, (55.2, 79.6, 87.5)),
    ),
    "msvd": (
        PublishedRecall(
            method="CLIP ViT-B/32, mean of frames",
            recalls=(37.0, 64.1, 73.8),
            median_rank=3,
            source=CLIP,
            remark=AS_IS,
        ),
        PublishedRecall(
            method="CLIP4Clip ViT-B/32, mean",
            recalls=(46.2, 76.1, 84.6),
            median_rank=None,
            source=CLIP4CLIP,
            remark=WITH_TRAINING,
        ),
        *_internvideo((43.4, 69.9, 79.1), 2, (58.4, 84.5, 90.4)),
    ),
    "didemo": (
        PublishedRecall(
            method="CLIP4Clip ViT-B/32, mean",
            recalls=(43.4, 70.2, 80.6),
            median_rank=2,
            source=CLIP4CLIP,
            remark=WITH_TRAINING,
        ),
        *_internvideo((31.5, 57.6, 68.2), 3, (57.9, 82.4, 88.9)),
    ),
    "vatex": _internvideo((49.5, 79.7, 87.0), 2, (72.0, 95.1, 97.8)),
    "condensed-movies": (),
}
"""InternVideo's figures are in the README of its downstream video-text retrieval.

None is given for Condensed Movies: the tables of its paper (Bain et al. 2020, arXiv:2005.04208) could not be checked.
"""
