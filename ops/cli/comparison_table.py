"""Figures of one or two encoders as lines of at most 100 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from ops.core.plural import plural

_TITLES = {
    "text_to_video": "caption → shot: {captions} of {shots}",
    "video_to_text": "shot → caption: {queried_shots}",
    "text_to_image": "caption → picture: {captions} of {images}",
    "image_to_text": "picture → caption: {queried_pictures}",
    "graded": "graded queries: {queries}",
}
_METRICS = (("r@1", "R@1 %", 1), ("r@5", "R@5 %", 1), ("r@10", "R@10 %", 1), ("median_rank", "median rank", 0))
_COLUMN = 24


def format_comparison(document: Mapping[str, Any]) -> Iterator[str]:
    """Format :func:`ops.evaluation.comparison.compare_answers`, or the figures of photographs, with 95 % intervals.

    A difference whose interval holds 0 is marked as within noise.
    """
    against = document.get("against", {})
    yield f"encoder   {document['encoder_id']}"
    if against:
        yield f"against   {against['encoder_id']}"
    gallery = document.get("gallery")
    if gallery and gallery["largest"]:
        yield _format_gallery(gallery)
    shows, training_shows = document.get("shows", {}), document.get("learned_from", [])
    if training_shows:
        fate = "left out of pooled figures" if document["pooled_is_fair"] else "no other show, so no fair figure"
        yield f"learned from {', '.join(training_shows)}: {fate}"
    fair = [show for show in shows if show not in training_shows] or list(shows)
    if len(fair) != 1:
        yield from _format_block("all shows" if fair else "", document, against)
    for show, figures in shows.items():
        mark = " (learned from)" if show in training_shows else ""
        yield from _format_block(f"{show[:40]}{mark}", figures, against.get("shows", {}).get(show, {}))
    if against:
        yield ""
        yield "≈ within noise: the 95 % interval of the difference holds 0"
    if "verdict" in document:
        yield from _format_verdict(document["verdict"])


def _format_gallery(gallery: Mapping[str, Any]) -> str:
    sizes = sorted({gallery["smallest"], gallery["largest"]})
    return f"gallery   {gallery['competing']}: {' to '.join(f'{size:,}' for size in sizes)}"


def _format_verdict(verdict: Mapping[str, Any]) -> Iterator[str]:
    """Format the verdict of ``needle upgrade`` on captions and queries, by the same rule.

    Searches and probes, which the upgrade compares too, are not part of it here.
    """
    against = [f"against it: {reason}" for reason in (*verdict["worse"], *verdict["too_little"])]
    yield ""
    yield "its captions and queries, as `needle upgrade` compares them:"
    for sentence in against or [f"a loss above {verdict['margin']:.2g} nDCG@10 is excluded"]:
        yield from textwrap.wrap(sentence, 100, initial_indent="  ", subsequent_indent="    ")


def _format_counts(figures: Mapping[str, Any]) -> dict[str, str]:
    """Format the counts of a part in words, by the names that titles have for them."""
    queries, items, images = (figures.get(name, 0) for name in ("queries", "items", "images"))
    return {
        "captions": plural(queries, "caption"),
        "shots": plural(items, "shot"),
        "images": plural(images, "picture"),
        "queried_shots": plural(queries, "shot"),
        "queried_pictures": plural(queries, "picture"),
        "queries": f"{queries:,}",
    }


def _format_block(name: str, figures: Mapping[str, Any], against: Mapping[str, Any]) -> Iterator[str]:
    for part, title in _TITLES.items():
        values, other = figures.get(part), against.get(part)
        if not values:
            continue
        yield ""
        yield f"{name}{' · ' if name else ''}{title.format(**_format_counts(values))}"
        if other:
            yield f"  {'':<12} {'encoder':<{_COLUMN}} {'against':<{_COLUMN}} difference"
        gain = figures.get("gain", {}).get(part, {})
        for key, label, digits in (*_METRICS, ("ndcg@10", "nDCG@10", 3)):
            if key in values:
                cells = [_format_figure(values, key, digits), _format_figure(other, key, digits) if other else ""]
                last = _format_gain(gain[key], digits) if key in gain else ""
                yield f"  {label:<12} {cells[0]:<{_COLUMN}} {cells[1]:<{_COLUMN}} {last}".rstrip()


def _format_figure(figures: Mapping[str, Any], key: str, digits: int) -> str:
    low, high = figures[f"{key}_interval"]
    return f"{figures[key]:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def _format_gain(values: list[float], digits: int) -> str:
    difference, low, high = values
    return f"{difference:+z.{digits}f} [{low:+z.{digits}f}, {high:+z.{digits}f}]{' ≈' if low <= 0 <= high else ''}"
