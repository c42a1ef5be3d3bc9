"""Pretrained open_clip models that suit Needle: cost, licence, languages, and published retrieval figures.

``auto`` takes the best one that the device can run. Figures are those of text-to-image retrieval, not the average over
tasks, which prefers models that classify better. Sources: open_clip's openclip_retrieval_results.csv and
model_profile.csv (read at commit 05e7db4), and the table of Meta's perception_models README for PE-Core. Plain data,
without imports of torch.
"""

from __future__ import annotations

from dataclasses import dataclass

OPEN_CLIP = "open_clip, openclip_retrieval_results.csv"
PERCEPTION = "facebookresearch/perception_models README"
ANY = "many"


@dataclass(frozen=True, kw_only=True)
class KnownModel:
    """One model. ``coco``, ``flickr`` and ``msrvtt`` are R@1 in percent, text -> image or video, zero-shot.

    ``image_gflops`` and ``text_gflops`` are the work of one frame and of one text; those of PE-Core are of a tower of
    the same architecture. ``devices``: those on which ``auto`` may take it.
    """

    spec: str
    repository: str
    image_gflops: float
    text_gflops: float | None
    licence: str
    languages: str
    coco: float
    flickr: float | None
    msrvtt: float | None
    source: str
    devices: tuple[str, ...] = ()


MODELS: tuple[KnownModel, ...] = (
    KnownModel(
        spec="open_clip:PE-Core-L-14-336/meta",
        repository="timm/PE-Core-L-14-336",
        image_gflops=382,
        text_gflops=None,
        licence="Apache-2.0",
        languages="en",
        coco=57.1,
        flickr=None,
        msrvtt=50.3,
        source=PERCEPTION,
        devices=("cuda",),
    ),
    KnownModel(
        spec="open_clip:ViT-SO400M-14-SigLIP-384/webli",
        repository="timm/ViT-SO400M-14-SigLIP-384",
        image_gflops=670.4,
        text_gflops=53.1,
        licence="Apache-2.0",
        languages="en",
        coco=54.2,
        flickr=83.0,
        msrvtt=None,
        source=OPEN_CLIP,
    ),
    KnownModel(
        spec="open_clip:ViT-L-16-SigLIP-256/webli",
        repository="timm/ViT-L-16-SigLIP-256",
        image_gflops=162.6,
        text_gflops=39.1,
        licence="Apache-2.0",
        languages="en",
        coco=52.3,
        flickr=79.0,
        msrvtt=None,
        source=OPEN_CLIP,
    ),
    KnownModel(
        spec="open_clip:PE-Core-B-16/meta",
        repository="timm/PE-Core-B-16",
        image_gflops=35.1,
        text_gflops=None,
        licence="Apache-2.0",
        languages="en",
        coco=50.9,
        flickr=None,
        msrvtt=47.6,
        source=PERCEPTION,
        devices=("cuda",),
    ),
    KnownModel(
        spec="open_clip:ViT-B-16-SigLIP/webli",
        repository="timm/ViT-B-16-SigLIP",
        image_gflops=35.4,
        text_gflops=11.0,
        licence="Apache-2.0",
        languages="en",
        coco=47.8,
        flickr=74.7,
        msrvtt=None,
        source=OPEN_CLIP,
    ),
    KnownModel(
        spec="open_clip:ViT-B-16-SigLIP-i18n-256/webli",
        repository="timm/ViT-B-16-SigLIP-i18n-256",
        image_gflops=46.8,
        text_gflops=11.0,
        licence="Apache-2.0",
        languages=ANY,
        coco=44.9,
        flickr=72.2,
        msrvtt=None,
        source=OPEN_CLIP,
    ),
    KnownModel(
        spec="open_clip:ViT-B-32-256/datacomp_s34b_b86k",
        repository="laion/CLIP-ViT-B-32-256x256-DataComp-s34B-b86K",
        image_gflops=11.5,
        text_gflops=6.0,
        licence="MIT",
        languages="en",
        coco=39.9,
        flickr=64.9,
        msrvtt=None,
        source=OPEN_CLIP,
    ),
    KnownModel(
        spec="open_clip:ViT-B-32/laion2b_s34b_b79k",
        repository="laion/CLIP-ViT-B-32-laion2B-s34B-b79K",
        image_gflops=8.8,
        text_gflops=6.0,
        licence="MIT",
        languages="en",
        coco=39.3,
        flickr=66.8,
        msrvtt=None,
        source=OPEN_CLIP,
        devices=("cpu", "cuda"),
    ),
    KnownModel(
        spec="open_clip:xlm-roberta-base-ViT-B-32/laion5b_s13b_b90k",
        repository="laion/CLIP-ViT-B-32-xlm-roberta-base-laion5B-s13B-b90k",
        image_gflops=8.8,
        text_gflops=97.1,
        licence="MIT",
        languages=ANY,
        coco=37.8,
        flickr=64.5,
        msrvtt=None,
        source=OPEN_CLIP,
    ),
)
"""Best first, by R@1 on COCO."""


@dataclass(frozen=True, kw_only=True)
class Starter:
    """The encoder that is part of Needle. It has no published figures: ``docs/measurements.md`` has ours."""

    spec: str = "starter"
    image_gflops: float = 1.7
    """Counted by torch's ``FlopCounterMode`` on 2026-11-30; the work of a text grows with its length."""
    licence: str = "see below"
    languages: str = "en"
    remark: str = (
        "needs no download; its head was fitted on photographs for non-commercial research (docs/licences.md); "
        "figures: docs/measurements.md"
    )


STARTER = Starter()


def list_auto_models(device: str) -> list[KnownModel]:
    """Return the models that ``auto`` may take on a device, the best first."""
    return [model for model in MODELS if device in model.devices]
