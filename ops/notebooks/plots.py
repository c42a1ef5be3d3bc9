"""Plots and images on the pages of notebooks, in one style, with alternative texts.

Imported by notebooks only: matplotlib takes a while to load.
"""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ops.evaluation.classification import Bin
from ops.notebooks.page import put_html

COLOURS = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000"]  # Okabe and Ito, 2008
MARKERS = "os^DvXP"
OTHERS = "#9A9A9A"
PX_AN_INCH = 102

_STYLE: dict[str, Any] = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.axisbelow": True,
    "figure.facecolor": "white",
    "grid.color": "#E3E3E3",
    "legend.frameon": False,
    "text.parse_math": False,  # a dollar in a name is a dollar
}


def create_plot(width: float = 8.0, height: float = 4.0) -> tuple[Figure, Axes]:
    """Return an empty plot of this size in inches, in the style of all notebooks."""
    plt.style.use(_STYLE)
    return plt.subplots(figsize=(width, height), layout="constrained")


def show(figure: Figure, axes: Axes) -> None:
    """Put the plot on the page; its title and axes are its alternative text."""
    words = "; ".join(filter(None, (axes.get_title(loc="left"), axes.get_xlabel(), axes.get_ylabel())))
    buffer = io.BytesIO()
    figure.savefig(buffer, dpi=180)
    plt.close(figure)
    width_px = round(figure.get_figwidth() * PX_AN_INCH)
    put_html(render_image("png", buffer.getvalue(), words, f"width:min(100%, {width_px}px)"))


def plot_reliability(bins: Sequence[Bin], score: str, outcome: str, title: str) -> None:
    """Plot the share of ``outcome`` against ``score``, with the line of honest scores."""
    promised_shares, came = [each.promised for each in bins], [each.came for each in bins]
    reach = [[each.came - each.low for each in bins], [each.high - each.came for each in bins]]
    figure, axes = create_plot(6, 4.6)
    axes.plot([0, 1], [0, 1], color=OTHERS, linestyle="--", label="honest scores")
    axes.errorbar(promised_shares, came, yerr=reach, fmt="o-", color=COLOURS[0], capsize=4, label="measured")
    end = min(1.0, 1.1 * max(max(each.promised, each.high) for each in bins))  # low scores fill the plot, too
    axes.set(xlim=(-0.02 * end, 1.02 * end), ylim=(-0.02 * end, 1.02 * end), title=title)
    axes.set(xlabel=score, ylabel=f"share of {outcome}, with 95 % interval")
    axes.grid()
    axes.legend(loc="upper left")
    show(figure, axes)


def render_image(kind: str, data: bytes, words: str, style: str) -> str:
    """Return an image as self-contained HTML, with its alternative text."""
    address = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    return f'<img alt="{html.escape(words)}" style="{style}" src="{address}">'


def shorten(name: str, length: int = 30) -> str:
    """Return the name, shortened to ``length`` characters."""
    return name if len(name) <= length else name[: length - 1] + "…"
