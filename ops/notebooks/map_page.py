"""The page of the map of embeddings: plots, and clusters, outliers and near-duplicates as posters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnnotationBbox, OffsetImage

from ops.core.settings import Settings
from ops.embeddings.encoder import resolve_encoder
from ops.notebooks import landscape, verdicts
from ops.notebooks.landscape import sample_shots
from ops.notebooks.map_plot import MapPoints, render_map
from ops.notebooks.page import escape_text, explain_empty, put_html, put_text, put_verdict
from ops.notebooks.plots import COLOURS, MARKERS, OTHERS, create_plot, shorten, show
from ops.notebooks.posters import Posters
from ops.probes.scores import scores_table

TOO_FEW = "A map needs the vectors of three shots that are not blank: run `needle ingest` on some footage."
FEWEST = 3
GROUPS, SHOWN_OF_GROUP, ON_MAP = 6, 4, 60


class MapPage:
    """A sample of the catalogue's vectors with places on a map, clusters and outliers.

    ``encoder_id`` empty: the current one. ``probe``: colour by its scores. ``posters`` at most of a kind.
    """

    def __init__(
        self, settings: Settings, encoder_id: str, probe: str, map_points: int, posters: int, seed: int
    ) -> None:
        self._encoder_id = encoder_id or resolve_encoder(settings).encoder_id
        self._probe = probe
        self._sample = sample_shots(settings, self._encoder_id, map_points)
        self._ids = self._sample.shot_ids
        self._settings = settings
        self._sheet = Posters(settings)
        rows = settings.lake.read(scores_table(probe), columns=["shot_id", "score"]).to_pylist() if probe else []
        scores_by_shot = {row["shot_id"]: row["score"] for row in rows}
        self._is_scored = bool(scores_by_shot)
        self._scores = np.array([scores_by_shot.get(shot_id, np.nan) for shot_id in self._ids], np.float64)
        self._enough = len(self._ids) >= FEWEST
        vectors = self._sample.vectors
        self._places = np.zeros((len(self._ids), 2))
        self._clusters, self._centres = np.zeros(len(self._ids), int), list[int]()
        self._farthest, self._isolation, self._groups = list[int](), np.zeros(0), list[list[int]]()
        if self._enough:
            self._places = np.asarray(landscape.compute_map(vectors, seed=seed))
            self._clusters = np.asarray(landscape.cluster_shots(vectors, seed=seed))
            self._centres = list(landscape.find_centres(vectors, self._clusters))
            self._isolation = np.asarray(landscape.measure_isolation(vectors))
            self._farthest = np.argsort(-self._isolation, kind="stable")[:posters].tolist()
            self._groups = [list(rows) for rows in landscape.group_near_duplicates(vectors)]
        self._on_map = 0

    def put_summary(self) -> None:
        """Put the number of shots on the map."""
        if not self._enough:
            explain_empty(TOO_FEW)
            return
        count, total = len(self._ids), self._sample.total
        put_text(f"{count:,} of {total:,} shots (blank ones are left out), vectors of `{self._encoder_id}`.")
        if self._probe and not self._is_scored:
            name = escape_text(self._probe)
            explain_empty(f"The probe {name} has no scores: `needle probe fit` makes some. Coloured by show instead.")

    def put_map(self) -> None:
        """Plot the shots, coloured by show or score, with the numbers of the clusters."""
        if not self._enough:
            explain_empty(TOO_FEW)
            return
        figure, axes = create_plot(8, 6)
        look: dict[str, Any] = {"s": 34 if len(self._ids) < 1500 else 12, "alpha": 0.8, "linewidths": 0}
        if self._is_scored:
            self._draw_scores(figure, axes, look)
        else:
            self._draw_shows(axes, look)
        box = {"boxstyle": "circle,pad=0.25", "facecolor": "white", "edgecolor": "#333333", "linewidth": 0.8}
        for number, row in enumerate(self._centres):
            x, y = self._places[row]
            axes.annotate(str(number + 1), (x, y), ha="center", va="center", fontsize=9, bbox=box)
        axes.set_aspect("equal", "datalim")
        axes.set(xticks=[], yticks=[], xlabel="the axes have no unit: only neighbourhoods count")
        colouring = f"by score of {self._probe}" if self._is_scored else "by show"
        axes.set_title(f"{len(self._ids):,} shots, {colouring}; numbers are clusters")
        show(figure, axes)

    def _draw_shows(self, axes: Axes, look: dict[str, Any]) -> None:
        shows = np.array(self._sample.shows, str)
        names, counts = np.unique(shows, return_counts=True)
        named_shows = list(names[np.argsort(-counts, kind="stable")][: len(COLOURS)])
        for name, colour, marker in zip(named_shows, COLOURS, MARKERS, strict=False):
            x, y = self._places[shows == name].T
            axes.scatter(x, y, c=colour, marker=marker, label=shorten(name, 24), **look)
        rest = ~np.isin(shows, named_shows)
        if rest.any():
            others = f"{len(names) - len(named_shows)} others"
            x, y = self._places[rest].T
            axes.scatter(x, y, c=OTHERS, marker=".", zorder=0, label=others, **look)
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0)

    def _draw_scores(self, figure: Figure, axes: Axes, look: dict[str, Any]) -> None:
        unknown = np.isnan(self._scores)
        x, y = self._places[unknown].T
        axes.scatter(x, y, c=OTHERS, marker=".", label="not scored", **look)
        x, y = self._places[~unknown].T
        points = axes.scatter(x, y, c=self._scores[~unknown], cmap="cividis", vmin=0, vmax=1, **look)
        figure.colorbar(points, ax=axes, label=f"score of {self._probe}, 0 to 1")

    def put_interactive_map(self) -> None:
        """Put a map in which shots can be selected; points have the colour of their cluster."""
        if not self._enough:
            explain_empty(TOO_FEW)
            return
        points = MapPoints(
            places=self._places,
            shot_ids=self._ids,
            names=[self._sheet.name(shot_id) for shot_id in self._ids],
            clusters=self._clusters.tolist(),
        )
        put_html(render_map(self._settings, points))

    def put_pictures(self) -> None:
        """Plot posters where their shots are, as many as fit without hiding each other."""
        if not self._enough:
            explain_empty(TOO_FEW)
            return
        figure, axes = create_plot(8, 6)
        x, y = self._places.T
        axes.scatter(x, y, c=self._clusters, cmap="tab20", s=14, linewidths=0)
        reach = np.ptp(self._places, axis=0).max() * np.array([0.125, 0.075])
        rows_shown: list[int] = []
        for row in [*self._centres, *range(len(self._ids))]:
            place = self._places[row]
            apart = all((np.abs(place - self._places[other]) > reach).any() for other in rows_shown)
            picture = self._sheet.picture(self._ids[row]) if apart and len(rows_shown) < ON_MAP else None
            if picture is not None:
                rows_shown.append(row)
                image = OffsetImage(np.asarray(picture), zoom=46 / max(picture.size))
                axes.add_artist(AnnotationBbox(image, (place[0], place[1]), frameon=False, pad=0))
        axes.set_aspect("equal", "datalim")
        axes.set(xticks=[], yticks=[], xlabel="points are shots without a poster here; their colours are clusters")
        axes.set_title(f"{len(rows_shown)} posters where their shots lie")
        show(figure, axes)
        self._on_map = len(rows_shown)

    def put_clusters(self) -> None:
        """Put the shot nearest to the middle of each cluster."""
        sizes = np.bincount(self._clusters)
        self._put_posters(
            (self._ids[row], f"cluster {number + 1}, {sizes[number]} shots") for number, row in enumerate(self._centres)
        )

    def put_outliers(self) -> None:
        """Put the shots that are farthest from their nearest neighbours."""
        self._put_posters((self._ids[row], f"distance {self._isolation[row]:.2f}") for row in self._farthest)
        if self._enough:
            put_verdict(verdicts.judge_outliers(self._isolation))

    def put_near_duplicates(self) -> None:
        """Put groups of shots that show the same pictures, the largest first."""
        groups = self._groups
        if not groups:
            explain_empty("No two shots show the same pictures." if self._enough else TOO_FEW)
            return
        put_text(f"{len(groups)} groups with {sum(map(len, groups))} shots; the largest first, at most four of each.")
        for number, rows in enumerate(groups[:GROUPS]):
            put_text(f"Group {number + 1}: {len(rows)} shots")
            self._put_posters((self._ids[row], f"cluster {self._clusters[row] + 1}") for row in rows[:SHOWN_OF_GROUP])
        put_verdict(verdicts.judge_same_images(len(self._ids), len(groups), sum(map(len, groups))))

    def _put_posters(self, shots: Iterable[tuple[str, str]]) -> None:
        if self._enough:
            self._sheet.sheet(shots)
        else:
            explain_empty(TOO_FEW)

    def results(self) -> dict[str, object]:
        """Return the figures for the asset."""
        return {
            "shots": self._sample.total,
            "mapped": len(self._ids) if self._enough else 0,
            "coloured_by": f"score of {self._probe}" if self._is_scored else "show",
            "clusters": len(self._centres),
            "farthest_outlier": self._ids[self._farthest[0]] if self._enough else "none",
            "groups_of_same_pictures": len(self._groups),
            "posters_on_map": self._on_map,
            "posters_shown": self._sheet.shown,
            "posters_missing": self._sheet.missing,
        }
