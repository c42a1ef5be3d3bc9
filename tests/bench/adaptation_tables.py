"""Figures of ``bench_adaptation`` as the tables of docs/training.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Figures = Mapping[str, Any]

_METRICS = ("r@1", "r@5", "r@10", "ndcg@10")
_WAYS = {
    "no captions": "no captions at all (the half made of class names)",
    "ridge": "ridge regression, strength by the dev split",
    "shipped": "the shipped head",
}
_FILMS = {"bbb": "Big Buck Bunny", "sintel": "Sintel trailer"}
_ROWS = (
    ("caption → shot", "R@1"),
    ("caption → shot", "R@10"),
    ("caption → shot", "nDCG@10"),
    ("shot → caption", "nDCG@10"),
    ("graded queries", "nDCG@10"),
    ("photographs", "R@1"),
    ("photographs", "nDCG@10"),
)
"""Rows of a table that compares recipes; the others are printed in the table of one recipe."""


def format_photographs(found: Figures) -> str:
    """Return the table of heads fitted on photographs, and that of the same heads on films."""
    lines = [
        "**Photographs: `starter_head`, fitted on Flickr8k train, 1,000 test photographs, caption → photograph**",
        "",
        "| what | R@1 | R@5 | R@10 | nDCG@10 |",
        "| --- | --- | --- | --- | --- |",
        *_list_head_rows(found["photographs -> test"]),
        "",
        "**Photographs → film: the same heads on films they never saw, caption → shot, against no captions at all**",
        "",
        "| tested on | R@1 | R@10 | nDCG@10 | gain in R@1 | in R@10 | in nDCG@10 |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for film, title in _FILMS.items():
        head = found[f"photographs -> {film}"]["starter_head"]["text_to_video"]
        names = ("r@1", "r@10", "ndcg@10")
        cells = [f"{head[name][0]:.{_digits(name)}f}" for name in names]
        gains = [_format_gain(head[f"{name} minus no captions"], _digits(name)) for name in names]
        lines.append(_format_row(title, cells + gains))
    return "\n".join(lines) + "\n"


def _list_head_rows(ways: Figures) -> Iterator[str]:
    head = ways["starter_head"]["text_to_video"]
    yield _format_row(f"`starter_head`, {ways['starter_head']['seeds']} seeds", _list_figures(head))
    spans = {name: head[f"{name}_seeds"] for name in _METRICS}
    ranges = [f"{low:.{_digits(name)}f}–{high:.{_digits(name)}f}" for name, (low, high) in spans.items()]
    yield _format_row("the seeds, lowest to highest", ranges)
    for way, title in _WAYS.items():
        yield _format_row(title, _list_figures(ways[way]["text_to_video"]))
    for other in ("no captions", "ridge"):
        gains = [_format_gain(head[f"{name} minus {other}"], _digits(name)) for name in _METRICS]
        yield _format_row(f"gain over {other}", gains)
    back = ways["starter_head"]["video_to_text"]
    yield _format_row("back, photograph → caption", _list_figures(back))


def _list_figures(rows: Figures) -> list[str]:
    cells = []
    for name in _METRICS:
        value, low, high = rows[name]
        digits = _digits(name)
        cells.append(f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]")
    return cells


def format_recipes(found: Mapping[str, Figures]) -> str:
    """Return a table for each direction: every recipe side by side, or all rows of one that stands alone."""
    return "\n".join(_format_direction(title, recipes) for title, recipes in found.items())


def _format_direction(title: str, recipes: Figures) -> str:
    names = list(recipes)
    first = recipes[names[0]]
    if len(names) == 1:
        head = ["measured", "shipped", f"`{names[0]}`", "gain", "relative"]
        rows = [(part, metric) for part, metrics in first.items() if part != "fits" for metric in metrics]
    else:
        head = ["measured", "shipped", f"`{names[0]}`: gain", "relative", *(f"`{name}`: gain" for name in names[1:])]
        rows = list(_ROWS)
    lines = [f"**{title}** ({first['fits']} fits of each recipe)", "", _format_row(head[0], head[1:])]
    lines.append(_format_row("---", ["---"] * (len(head) - 1)))
    lines += [_format_metric(part, metric, [recipes[name] for name in names]) for part, metric in rows]
    return "\n".join(lines) + "\n"


def _format_metric(part: str, metric: str, recipes: Sequence[Figures]) -> str:
    digits = _digits(metric.lower())
    row = recipes[0][part][metric]
    share, least, most = row["relative_percent"]
    relative = f"{share:+.0f} % [{least:.0f}, {most:.0f}]"
    gains = [_format_gain(each[part][metric]["gain"], digits) for each in recipes]
    fitted = [f"{row['fitted']:.{digits}f}"] if len(recipes) == 1 else []
    return _format_row(f"{part}, {metric}", [f"{row['base']:.{digits}f}", *fitted, gains[0], relative, *gains[1:]])


def _format_gain(values: Sequence[float], digits: int) -> str:
    """Return a difference with its interval, bold if it is beyond noise."""
    gain, low, high = values
    bold = "**" if low > 0 or high < 0 else ""
    return f"{bold}{gain:+.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]{bold}".replace("-", "−")


def _format_row(first: str, cells: Sequence[str]) -> str:
    return f"| {first} | {' | '.join(cell if set(cell) == {'-'} else cell.replace('-', '−') for cell in cells)} |"


def _digits(metric: str) -> int:
    return 3 if metric.startswith("ndcg") else 1
