"""Print how well first and last frames find match cuts, beside the mean of the shots: ``make bench BENCH=match_cuts``.

``python -m tests.bench.bench_match_cuts FOOTAGE [HOME]``. FOOTAGE is a folder of films. They are ingested into HOME, or
into a home that is deleted afterwards (four minutes). Two sets of pairs: long shots cut in two, whose second half
follows the first; and the labels of ``tests/quality/match_cuts.csv``. Figures have 95 % intervals.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np

from ops.core.rows import LakeShot
from ops.core.settings import Settings, load_settings
from ops.embeddings.build import read_embeddings
from ops.embeddings.encoder import load_encoder, resolve_encoder
from ops.embeddings.ends import read_ends
from ops.shots.build import read_shots
from ops.videos import catalogue
from tests.builders.homes import Home
from tests.quality.match_cuts import (
    SHARES,
    Parts,
    average_precision,
    bound,
    cut_in_two,
    find_wanted,
    rank_second_halves,
)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(sys.argv[2]) if len(sys.argv) > 2 else Path(folder) / "home", frames=None)
        home.run("ingest", sys.argv[1])
        settings = load_settings(home=home.path, encoder="starter")
        shots = {
            Path(video["path"]).name: read_shots(settings, video["video_id"])
            for video in catalogue.read_videos(settings.lake, settings.lake.list_partitions("videos"))
            if video["state"] == "ready"
        }
        _print_halves(settings, [shot for rows in shots.values() for shot in rows])
        _print_labels(settings, shots)


def _print_halves(settings: Settings, shots: list[LakeShot]) -> None:
    encoder = load_encoder(resolve_encoder(settings).encoder_id, settings.home, part="both")
    halves = cut_in_two(settings, encoder, shots)
    change = 1 - (halves.first[::2] * halves.last[1::2]).sum(axis=1)
    changes = change >= np.median(change)
    print(f"{len(halves.mean) // 2} shots cut in two; {changes.sum()} of them change more than the median")
    for share in SHARES:
        ranks = rank_second_halves(halves.score(share))
        figures = [("first", ranks == 1), ("first, shots that change", ranks[changes] == 1), ("1/rank", 1 / ranks)]
        print(f"  mean {share:4}  " + "  ".join(f"{name} {_text(values)}" for name, values in figures))


def _print_labels(settings: Settings, shots: dict[str, list[LakeShot]]) -> None:
    encoder_id = resolve_encoder(settings).encoder_id
    ordered = [shot for rows in shots.values() for shot in rows]
    video_ids = list(dict.fromkeys(shot["video_id"] for shot in ordered))
    ends = {row["shot_id"]: row for video_id in video_ids for row in read_ends(settings, encoder_id, video_id)}
    means = {row["shot_id"]: row for video_id in video_ids for row in read_embeddings(settings, encoder_id, video_id)}
    parts = Parts(
        first=np.asarray([ends[shot["shot_id"]]["first"] for shot in ordered], np.float32),
        last=np.asarray([ends[shot["shot_id"]]["last"] for shot in ordered], np.float32),
        mean=np.asarray([means[shot["shot_id"]]["embedding"] for shot in ordered], np.float32),
    )
    videos = np.asarray([shot["video_id"] for shot in ordered])
    indexes = np.asarray([shot["index"] for shot in ordered])
    left_out = (videos[:, None] == videos) & (np.abs(indexes[:, None] - indexes) <= 1)
    blank = np.asarray([shot["is_blank"] for shot in ordered])
    wanted, lost = find_wanted(shots)
    print(
        f"{len(wanted)} shots with {sum(map(len, wanted.values()))} labelled matches; {lost} pairs lost to other cuts"
    )
    for share in SHARES:
        precision = average_precision(parts.score(share), wanted, left_out | blank)
        print(f"  mean {share:4}  average precision {_text(precision)}")


def _text(values: np.ndarray) -> str:
    figure, low, high = bound(values.astype(np.float32))
    return f"{figure:.3f} [{low:.3f} {high:.3f}]"


if __name__ == "__main__":
    main()
