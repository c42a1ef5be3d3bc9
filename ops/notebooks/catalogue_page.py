"""The page of the catalogue: counts, lengths, a map of the vectors, and posters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ops.core.plural import plural
from ops.core.settings import Settings
from ops.embeddings.build import convert_to_matrix, name_table
from ops.embeddings.encoder import resolve_encoder
from ops.notebooks import verdicts
from ops.notebooks.page import explain_empty, put_text, put_verdict
from ops.notebooks.plots import COLOURS, MARKERS, OTHERS, create_plot, shorten, show
from ops.notebooks.posters import Posters
from ops.videos import catalogue

MOST_SHOWS = 20
LENGTHS_S = (0.04, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 60, 120, 300, 600, 1800, 3600)


class CataloguePage:
    """The shots of all ready videos. ``encoder_id`` empty: the current one."""

    def __init__(self, settings: Settings, encoder_id: str = "") -> None:
        self._settings = settings
        self._encoder_id = encoder_id or resolve_encoder(settings).encoder_id
        self._videos = {row["video_id"] for row in catalogue.read_videos(settings.lake) if row["state"] == "ready"}
        shots: pd.DataFrame = settings.lake.read("shots").to_pandas()
        self._shots = shots[shots["video_id"].isin(list(self._videos))].reset_index(drop=True)
        self._shots["length_s"] = self._shots["end_s"] - self._shots["start_s"]
        self._shows = self._shots["show"].value_counts()
        self._sheet = Posters(settings)
        self._map_shots = 0
        self._share: NDArray[np.floating[Any]] = np.zeros(2)

    def put_counts(self) -> None:
        """Put the number of shows, videos and shots, and how long they are."""
        shots = self._shots
        if shots.empty:
            explain_empty("The catalogue holds no shots yet: run `needle ingest` on some footage.")
            return
        figures = {
            "Shows": len(self._shows),
            "Videos": len(self._videos),
            "Shots": f"{len(shots):,}",
            "Footage": _format_length(shots["length_s"].sum()),
            "Median shot": f"{shots['length_s'].median():.1f} s",
            "Blank shots": f"{int(shots['is_blank'].sum()):,}",
        }
        lines = [" | ".join(figures), "|".join("---" for _ in figures), " | ".join(map(str, figures.values()))]
        put_text("\n".join(lines))
        embedded_ids = self._settings.lake.read(name_table(self._encoder_id), columns=["shot_id"])["shot_id"]
        missing = len(set(shots["shot_id"]) - set(embedded_ids.to_pylist()))
        put_verdict(verdicts.judge_catalogue(len(shots), int(shots["is_blank"].sum()), missing))

    def put_shows(self) -> None:
        """Plot the number of shots of each show."""
        counts = self._shows
        if counts.empty:
            explain_empty("No shots to count.")
            return
        top = counts.head(MOST_SHOWS)
        names, values = [shorten(str(name)) for name in top.index], [int(value) for value in top]
        if len(counts) > MOST_SHOWS:
            names.append(f"{len(counts) - MOST_SHOWS} other shows")
            values.append(int(counts.iloc[MOST_SHOWS:].sum()))
        figure, axes = create_plot(8, 0.9 + 0.32 * len(names))
        bars = axes.barh(range(len(names)), values, color=[COLOURS[0]] * len(top) + [OTHERS])
        axes.bar_label(bars, [f"{value:,}" for value in values], padding=4)
        axes.set_yticks(range(len(names)), names)
        axes.tick_params(axis="y", length=0)
        axes.invert_yaxis()
        axes.margins(x=0.1, y=0.02)
        axes.set(xlabel="shots", title=f"{plural(int(counts.sum()), 'shot')} in {plural(len(counts), 'show')}")
        show(figure, axes)

    def put_lengths(self) -> None:
        """Plot how long shots are."""
        if self._shots.empty:
            explain_empty("No shots to measure.")
            return
        lengths = self._shots["length_s"].to_numpy(np.float64)
        low, high = max(lengths.min(), 0.01) * 0.95, max(lengths.max(), 0.1) * 1.05
        bins = np.geomspace(low, high, min(31, 6 + len(lengths) // 4)).tolist()
        middle = float(np.median(lengths))
        figure, axes = create_plot(8, 3.4)
        axes.hist(lengths, bins, color=COLOURS[0], edgecolor="white", linewidth=0.6)
        axes.axvline(middle, color=COLOURS[5], linewidth=1.8, label=f"median {middle:.1f} s")
        axes.set_xscale("log")
        ticks = [tick for tick in LENGTHS_S if low <= tick <= high]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        axes.grid(axis="y")
        axes.locator_params(axis="y", integer=True)
        axes.legend()
        axes.set(xlabel="length of a shot in seconds (logarithmic)", ylabel="shots")
        axes.set_title(f"Half of all shots last less than {middle:.1f} s; the longest, {lengths.max():,.1f} s")
        show(figure, axes)
        put_verdict(verdicts.judge_lengths(lengths))

    def put_map(self, map_points: int) -> None:
        """Plot at most ``map_points`` vectors on their two principal axes."""
        shots = self._shots
        vectors = self._settings.lake.read(name_table(self._encoder_id), columns=["shot_id", "embedding"])
        rows = {shot_id: row for row, shot_id in enumerate(vectors["shot_id"].to_pylist())}
        map_rows = _spread_evenly(shots[shots["shot_id"].isin(list(rows))], map_points)
        self._map_shots = len(map_rows)
        if self._map_shots < 3:
            explain_empty(
                f"{self._map_shots} of {len(shots)} shots have a vector of {self._encoder_id}; a map needs three: "
                "run `needle ingest`."
            )
            return
        map_vectors = vectors.take([rows[shot_id] for shot_id in map_rows["shot_id"]])
        places, self._share = _find_principal_axes(convert_to_matrix(map_vectors["embedding"]))
        self._plot_map(places, map_rows["show"].to_numpy(str))

    def _plot_map(self, places_N2: NDArray[Any], shows_N: NDArray[np.str_]) -> None:
        figure, axes = create_plot(8, 5.6)
        named_shows = [str(name) for name in self._shows.index[: len(COLOURS)]]
        look: dict[str, Any] = {"s": 26 if len(places_N2) < 1500 else 10, "alpha": 0.75, "linewidths": 0}
        for name, colour, marker in zip(named_shows, COLOURS, MARKERS, strict=False):
            x, y = places_N2[shows_N == name].T
            if len(x):
                axes.scatter(x, y, c=colour, marker=marker, label=shorten(name, 24), **look)
        x, y = places_N2[~np.isin(shows_N, named_shows)].T
        if len(x):
            others = f"{len(self._shows) - len(named_shows)} other shows"
            axes.scatter(x, y, c=OTHERS, marker=".", zorder=0, label=others, **look)
        axes.set_aspect("equal", "datalim")
        axes.grid()
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), borderaxespad=0)
        first, second = self._share
        axes.set(xlabel=f"first axis: {first:.1%} of the variance", ylabel=f"second axis: {second:.1%} of the variance")
        axes.set_title(f"{len(places_N2):,} shots on two axes that hold {first + second:.0%} of the variance")
        show(figure, axes)

    def put_posters(self, posters: int) -> None:
        """Put at most ``posters`` posters, spread evenly over the catalogue, without blank shots."""
        shots = self._shots
        sample = _spread_evenly(shots[~shots["is_blank"].astype(bool)], posters)
        if sample.empty:
            explain_empty("No posters to show.")
            return
        put_text(f"{len(sample)} shots, spread evenly over {len(shots):,}; blank ones are left out.")
        pairs = zip(sample["shot_id"], sample["length_s"], strict=True)
        self._sheet.sheet((shot_id, f"{length_s:.1f} s") for shot_id, length_s in pairs)

    def results(self) -> dict[str, object]:
        """Return the figures for the asset."""
        lengths = self._shots["length_s"]
        return {
            "shows": len(self._shows),
            "videos": len(self._videos),
            "shots": len(self._shots),
            "footage_s": round(float(lengths.sum()), 3),
            "median_shot_s": round(float(lengths.median()), 3) if len(lengths) else 0.0,
            "shots_mapped": self._map_shots,
            "variance_mapped": round(float(self._share.sum()), 4),
            "posters_shown": self._sheet.shown,
            "posters_missing": self._sheet.missing,
        }


def _format_length(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d} h" if minutes >= 60 else f"{minutes}:{rest:02d} min"


def _spread_evenly(rows: pd.DataFrame, most: int) -> pd.DataFrame:
    return rows.iloc[np.unique(np.linspace(0, max(len(rows) - 1, 0), min(len(rows), most)).astype(int))]


def _find_principal_axes(vectors_ND: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return places (N, 2) on the two principal axes, and each axis's share of the variance."""
    centred_ND = vectors_ND - vectors_ND.mean(axis=0)
    left_NK, size_K, axes_KD = np.linalg.svd(centred_ND, full_matrices=False)
    signs = np.sign(axes_KD[np.arange(2), np.abs(axes_KD[:2]).argmax(axis=1)])  # svd leaves them open
    return left_NK[:, :2] * size_K[:2] * signs, (size_K**2 / max((size_K**2).sum(), 1e-12))[:2]
