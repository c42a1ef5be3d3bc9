"""Published figures of the test sets, each with the paper that reports it. We measured none of them."""

from __future__ import annotations

from dataclasses import dataclass

TRANSNET_V2 = "Soucek and Lokoc 2020, arXiv:2008.04838"
AUTOSHOT = "Zhu et al. 2023, arXiv:2304.06116"
CLIPSHOTS = "Tang et al. 2018, arXiv:1808.04234"


@dataclass(frozen=True, kw_only=True)
class PublishedF1:
    """F1 in percent of ``method``, as ``source`` reports it; ``remark`` is a caveat for comparisons."""

    method: str
    f1: float
    source: str
    remark: str = ""


_BEST_THRESHOLD = "best threshold on the test set itself"
_BY_TRANSNET_AUTHORS = "measured by the authors of TransNet V2"
PUBLISHED: dict[str, tuple[PublishedF1, ...]] = {
    "bbc": (
        PublishedF1(method="TransNet V2", f1=96.2, source=TRANSNET_V2),
        PublishedF1(method="TransNet", f1=92.9, source=TRANSNET_V2),
        PublishedF1(method="Hassanien et al. (DSBD)", f1=92.6, source=TRANSNET_V2, remark=_BY_TRANSNET_AUTHORS),
        PublishedF1(method="Tang et al., ResNet", f1=89.3, source=TRANSNET_V2, remark=_BY_TRANSNET_AUTHORS),
    ),
    "rai": (
        PublishedF1(method="TransNet V2", f1=93.9, source=TRANSNET_V2),
        PublishedF1(method="TransNet", f1=94.3, source=TRANSNET_V2),
        PublishedF1(method="Hassanien et al. (DSBD)", f1=93.9, source=TRANSNET_V2, remark=_BY_TRANSNET_AUTHORS),
        PublishedF1(method="Tang et al., ResNet", f1=92.8, source=TRANSNET_V2, remark=_BY_TRANSNET_AUTHORS),
    ),
    "clipshots": (
        PublishedF1(method="TransNet V2", f1=77.9, source=TRANSNET_V2),
        PublishedF1(method="TransNet", f1=73.5, source=TRANSNET_V2),
        PublishedF1(method="Hassanien et al. (DSBD)", f1=75.9, source=TRANSNET_V2, remark=_BY_TRANSNET_AUTHORS),
        PublishedF1(method="Tang et al., ResNet", f1=76.1, source=TRANSNET_V2, remark=_BY_TRANSNET_AUTHORS),
    ),
    "autoshot": (
        PublishedF1(method="AutoShot", f1=84.1, source=AUTOSHOT, remark=_BEST_THRESHOLD),
        PublishedF1(method="TransNet V2", f1=79.9, source=AUTOSHOT),
    ),
}
"""TransNet V2's table is in the README of github.com/soCzech/TransNetV2 too.

AutoShot's two figures are those of its evaluation script (github.com/wentaozhu/AutoShot,
``compare_inference_baseline_groundtruth_v2.py``: 0.8405 and 0.7993, tolerance 2, counts of all videos added). The 4.2
points between them are those of its abstract.
"""

BY_KIND = {
    "cut": (
        PublishedF1(method="DSM", f1=84.8, source=CLIPSHOTS),
        PublishedF1(method="deepSBD, ResNet-18", f1=83.1, source=CLIPSHOTS),
    ),
    "gradual": (
        PublishedF1(method="DSM", f1=87.0, source=CLIPSHOTS),
        PublishedF1(method="deepSBD, ResNet-18", f1=68.8, source=CLIPSHOTS),
    ),
}
"""ClipShots by kind of transition, by its own rule: README of github.com/Tangshitao/ClipShots."""

REMARKS = {
    "bbc": "AutoShot reports 0.9 points more than the best before it (Zhu et al. 2023, abstract).",
    "rai": "AutoShot reports 1.2 points more than the best before it (Zhu et al. 2023, abstract).",
    "clipshots": "AutoShot reports 1.1 points more than the best before it (Zhu et al. 2023, abstract).",
    "autoshot": "",
}
