"""``needle models``: pretrained encoders, with cost, licence, languages and published retrieval figures."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from ops.cli.options import json_option, print_json

if TYPE_CHECKING:
    from ops.embeddings.models import KnownModel, Starter

_COLUMNS = "{:<53}{:>6}{:>7}{:>8}{:>8}{:>8}  {:<11}{:<9}{}"
_TITLES = ("model", "COCO", "Flickr", "MSR-VTT", "frame", "text", "licence", "language", "weights")
_UNITS = ("", "R@1 %", "R@1 %", "R@1 %", "GFLOPs", "GFLOPs", "", "", "")


@click.command(name="models")
@json_option
def command(as_json: bool) -> None:
    """List encoders for NEEDLE_ENCODER and `needle upgrade --encoder`, and the choice of `auto` here.

    `starter` is part of Needle and needs no download. Any other model and tag of open_clip works too. Retrieval figures
    are R@1 in percent, text to image (COCO, Flickr30k) or video (MSR-VTT), zero-shot, as published. Work is in GFLOPs,
    of one frame and of one text.

    \b
    Example: needle models
    """
    from ops.embeddings.models import MODELS, STARTER
    from ops.embeddings.pretrained import choose_auto, is_cached

    is_local = [is_cached(model) for model in MODELS]
    spec, reason = choose_auto()
    if as_json:
        models = [{**asdict(model), "cached": here} for model, here in zip(MODELS, is_local, strict=True)]
        print_json({"models": models, "starter": asdict(STARTER), "auto": {"spec": spec, "reason": reason}})
        return
    for line in _format_table(MODELS, is_local, STARTER):
        click.echo(line)
    click.echo(f"auto takes {spec}: {reason}")


def _format_table(models: Sequence[KnownModel], is_cached: Sequence[bool], starter: Starter) -> Iterator[str]:
    yield _COLUMNS.format(*_TITLES).rstrip()
    yield _COLUMNS.format(*_UNITS).rstrip()
    for model, here in zip(models, is_cached, strict=True):
        figures = (model.coco, model.flickr, model.msrvtt, model.image_gflops, model.text_gflops)
        cells = ("–" if value is None else f"{value:g}" for value in figures)
        yield _COLUMNS.format(model.spec, *cells, model.licence, model.languages, "cached" if here else "").rstrip()
    starter_cells = ("–", "–", "–", f"{starter.image_gflops:g}", "–")
    yield _COLUMNS.format(starter.spec, *starter_cells, starter.licence, starter.languages, "shipped")
    yield f"starter: {starter.remark}"
    for source in dict.fromkeys(model.source for model in models):
        families = [model.spec.partition(":")[2].split("-")[0] for model in models if model.source == source]
        yield f"figures of {', '.join(dict.fromkeys(families))} models: {source}"
