"""An interactive map of shots as HTML without any request: hover shows a shot, a lasso gives ids and a link.

Drawn by Bokeh, whose script is in the page: 1.3 MB, against 4.8 MB of plotly.js.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from bokeh.embed import components
from bokeh.models import ColumnDataSource, CustomJS, HoverTool, LassoSelectTool
from bokeh.palettes import Category20_20
from bokeh.plotting import figure
from bokeh.resources import Resources
from numpy.typing import NDArray

from ops.core.addresses import build_page_address
from ops.core.settings import Settings

MOST_LINKED = 200
"""Shots of a link, as many as the page takes (``fromlink.js``)."""

_ON_SELECT = """
const ids = source.selected.indices.map((row) => source.data.shot[row]);
const box = document.getElementById("selected-shots");
if (box) {
  box.querySelector("output").textContent = `${ids.length} shots selected`;
  const link = box.querySelector("a");
  link.href = base + ids.slice(0, most).join(",");
  link.hidden = !ids.length;
  link.textContent = `Put ${Math.min(ids.length, most)} into the tray`;
  box.querySelector("textarea").value = ids.join("\\n");
}
"""


@dataclass(frozen=True, kw_only=True)
class MapPoints:
    """Shots on a map: ``places`` (N, 2), and for each its id, a text to show, and its cluster from 0."""

    places: NDArray[np.float64]
    shot_ids: Sequence[str]
    names: Sequence[str]
    clusters: Sequence[int]


def render_map(settings: Settings, points: MapPoints) -> str:
    """Return the map as HTML with its scripts; points have the colour of their cluster."""
    source = ColumnDataSource(
        {
            "x": points.places[:, 0],
            "y": points.places[:, 1],
            "shot": list(points.shot_ids),
            "name": list(points.names),
            "cluster": [number + 1 for number in points.clusters],
            "colour": [Category20_20[number % 20] for number in points.clusters],
        }
    )
    lasso = LassoSelectTool()
    plot = figure(
        width=820,
        height=560,
        tools=["pan", "wheel_zoom", "box_select", "tap", "reset", lasso, _build_hover()],
        active_drag=lasso,
        active_scroll=None,
        match_aspect=True,
        toolbar_location="right",
    )
    plot.toolbar.logo = None
    plot.axis.visible = False
    plot.scatter("x", "y", source=source, size=9, color="colour", alpha=0.85, line_color=None, nonselection_alpha=0.15)
    base = build_page_address(settings, tray="")
    arguments = {"source": source, "base": base, "most": MOST_LINKED}
    source.selected.js_on_change("indices", CustomJS(args=arguments, code=_ON_SELECT))
    script, element = components(plot)
    return f"{Resources(mode='inline', components=['bokeh']).render_js()}{element}{_render_selection(base)}{script}"


def _build_hover() -> HoverTool:
    return HoverTool(tooltips=[("shot", "@shot"), ("at", "@name"), ("cluster", "@cluster")])


def _render_selection(base: str) -> str:
    return (
        '<div id="selected-shots" style="font:13px sans-serif"><output>Draw around points to select their shots.'
        f'</output> <a hidden href="{html.escape(base)}" target="_blank" rel="noopener">Put them into the tray</a>'
        '<br><textarea readonly rows="3" cols="40" aria-label="Ids of the selected shots" '
        'placeholder="ids of the selected shots, for needle label"></textarea></div>'
    )
