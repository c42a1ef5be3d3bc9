"""Lakes whose vectors tell yes from no in one direction, and labels of them, for the suites of probes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from ops.core.settings import Settings
from ops.core.types import SilentProgress
from ops.probes.annotations import Annotation
from ops.probes.build import build_probe
from ops.probes.definitions import define
from ops.probes.labels import append_annotations, resolve_labels
from ops.probes.scores import build_scores
from ops.probes.zero_shot import TextEncoder
from tests.builders.filled import portable
from tests.builders.lakes import ENCODER, shot_rows, vector_rows, video_id, video_row

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
DIM = 16


def direction() -> NDArray[np.float32]:
    """Unit vector (16,): shots of the label lie this way, as its text does."""
    vector_D = np.random.default_rng(99).normal(size=DIM)
    return (vector_D / np.linalg.norm(vector_D)).astype(np.float32)


def is_yes(video: int, shot: int) -> bool:
    """The truth of generated shots: a third of them, spread over all films."""
    return (shot * 7 + video) % 3 == 0


@portable
def fill_told_apart(
    settings: Settings,
    videos: int = 6,
    shots: int = 20,
    *,
    gap: float = 3.0,
    shows: int = 3,
    encoder: str = ENCODER,
    way: NDArray[np.float32] | None = None,
) -> None:
    """Films whose yes-shots lie ``gap`` standard deviations along ``way`` (D,), by default :func:`direction`."""
    way = direction() if way is None else way
    for number in range(videos):
        partition = settings.resolve_partition(video_id(number))
        show = f"show {number % shows}"
        rows = vector_rows(number, shots, show=show)
        for at, row in enumerate(rows):
            noise = np.random.default_rng([number, at]).normal(size=len(way))
            vector = (noise + (gap * way if is_yes(number, at) else 0)).astype(np.float32)
            vector /= np.linalg.norm(vector)
            row["embedding"] = vector.tolist()
            row["vector_hash"] = f"{number:08x}{at:08x}{int(gap * 10):016x}"
        settings.lake.write("videos", partition, [video_row(number, show=show)])
        settings.lake.write("shots", partition, shot_rows(number, shots, show=show))
        settings.lake.write(f"shot_embeddings/{encoder}", partition, rows)


def shot_ids(videos: int = 6, shots: int = 20) -> list[tuple[str, bool]]:
    """Every generated shot with its truth, in an order that mixes films."""
    shots_with_truth = [(f"{video_id(v)}:{s * 24}", is_yes(v, s)) for v in range(videos) for s in range(shots)]
    return [shots_with_truth[at] for at in np.random.default_rng(3).permutation(len(shots_with_truth))]


def judge(
    settings: Settings,
    shots: Iterable[tuple[str, bool | None]],
    *,
    label: str = "closeup",
    annotator: str = "ann",
    later_s: float = 0,
) -> int:
    """Append judgements; how many rows were written."""
    at = NOW + timedelta(seconds=later_s)
    annotations = [
        Annotation(label=label, shot_id=shot, value=value, annotator=annotator, created_at=at, origin="test")
        for shot, value in shots
    ]
    return append_annotations(settings, annotations, at).written


def usable_labels(settings: Settings, label: str) -> dict[str, bool]:
    """What counts, by id of the shots that are there."""
    return {each.latest.shot_id: each.value for each in resolve_labels(settings, [label]) if not each.missing_reason}


def said(texts: Sequence[str]) -> NDArray[np.float32]:
    """Texts in the space of the generated vectors (B, 16): they point the way of the label, not exactly."""
    vector = direction() + np.random.default_rng(5).normal(size=DIM) * 0.2
    return np.tile((vector / np.linalg.norm(vector)).astype(np.float32), (len(texts), 1))


def fit_and_score(
    settings: Settings,
    *,
    label: str = "closeup",
    encoder: str = ENCODER,
    later_s: float = 0,
    encode: TextEncoder = said,
) -> None:
    """Define the probe where it is not, fit it on its labels and score the catalogue."""
    now = NOW + timedelta(seconds=later_s)
    define(settings, label, "", (), "")
    build_probe(settings, encoder, label, now, SilentProgress(), encode)
    build_scores(settings, label, now, SilentProgress())
