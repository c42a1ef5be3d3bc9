"""How good an encoder is on captioned photographs, and encoder and detector are on annotated films.

The same frames and the same pooling as ingest uses; films are decoded once, for detection and retrieval
together. Legend: Q queries, N images or shots, D dimensions.
"""

from __future__ import annotations

import io
import json
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ops.core.errors import UsageError
from ops.embeddings.encoder import Encoder
from ops.embeddings.frames import sample_positions
from ops.evaluation.cuts import CutScore, score_cuts
from ops.evaluation.retrieval import bootstrap_interval, caption_ranks, ndcg_at, ranks_figures
from ops.shots.cutting import TimedFrame
from ops.shots.detector import Detector
from ops.shots.detectors.choice import load_detector
from ops.shots.pictures import glimpse_of
from ops.shots.reading import proxy_frames
from ops.videos.probe import probe

Floats = NDArray[np.float32]


def evaluate_captions(parquet: Path, encoder: Encoder) -> dict[str, Any]:
    """Text → image and image → text retrieval over a parquet of ``image`` (JPEG bytes) and ``captions``.

    Each direction: ``r@1``, ``r@5``, ``r@10`` in percent, ``median_rank``, ``queries`` and ``images`` counts,
    and their 95 % bootstrap intervals (``*_interval``). An image's rank is that of its best caption. Raises
    ``UsageError`` for a file of another form or a picture that cannot be read.
    """
    captions: list[list[str]] = []
    images_ND = np.concatenate([encoder.encode_prepared(part) for part in _pictures(parquet, encoder, captions)])
    texts_QD = encoder.encode_text([text for texts in captions for text in texts])
    owner_Q = np.repeat(np.arange(len(captions)), [len(texts) for texts in captions])
    ranks = caption_ranks(texts_QD, images_ND, owner_Q)
    return {
        "encoder_id": encoder.encoder_id,
        "text_to_image": _direction(ranks[0], len(captions)),
        "image_to_text": _direction(ranks[1], len(captions)),
    }


def evaluate_footage(
    folder: Path, encoder: Encoder, detector: str = "auto", frames_per_shot: int = 8
) -> dict[str, Any]:
    """Shot detection and retrieval on the annotated films of a folder (formats in its ``SOURCE.md``).

    A film takes part with what lies beside it: ``.shots.json`` (F1 of hard cuts, ±2 frames),
    ``.captions.jsonl`` (caption → shot and, under ``video_to_text``, back: R@1/5/10 in percent and median rank
    among the film's own) and
    ``.queries.jsonl`` (nDCG@10, 0-1, on graded queries). Figures are pooled over films, then given for
    each; ``*_interval`` are 95 % bootstrap intervals over queries. Raises ``UsageError`` where nothing
    is annotated or an annotation is broken, ``MediaError`` where a film is.
    """
    films = [
        _evaluate_film(path, encoder, detector, frames_per_shot)
        for path in sorted(folder.iterdir() if folder.is_dir() else ())
        if path.is_file() and any(_beside(path, ending).exists() for ending in _ANNOTATIONS)
    ]
    if not films:
        raise UsageError(
            f"{folder} holds no film with {', '.join(f'<file>{ending}' for ending in _ANNOTATIONS)} beside it"
        )
    return {
        "encoder_id": encoder.encoder_id,
        "detector": detector,
        **_figures(films),
        "films": {film.name: _figures([film]) for film in films},
    }


_ANNOTATIONS = (".shots.json", ".captions.jsonl", ".queries.jsonl")


@dataclass(kw_only=True)
class _Film:
    """What was measured on one film; empty where it is not annotated so."""

    name: str
    cuts: CutScore | None = None
    caption_ranks: list[int] = field(default_factory=list)
    shot_ranks: list[int] = field(default_factory=list)
    gains: list[float] = field(default_factory=list)


def _evaluate_film(path: Path, encoder: Encoder, detector: str, frames_per_shot: int) -> _Film:
    try:
        shots, captions, queries = (_annotation(path, ending) for ending in _ANNOTATIONS)
        ranges = [(int(row["start_frame"]), int(row["end_frame"])) for row in captions]
        cutter = load_detector(detector) if shots else None
        found, shots_ND = _watch(path, encoder, cutter, ranges, frames_per_shot)
        film = _Film(name=path.name)
        if shots:
            film.cuts = score_cuts(
                found,
                shots[0]["hard_cuts"],
                gradual=[(first, last) for first, last, *_ in shots[0]["gradual"]],
                frames=shots[0]["frames_annotated"],
            )
        if captions:
            film.caption_ranks, film.shot_ranks = _caption_ranks(captions, shots_ND, encoder)
        if captions and queries:
            film.gains = _query_gains(queries, [row["shot"] for row in captions], shots_ND, encoder)
    except (KeyError, TypeError, ValueError) as error:
        raise UsageError(f"an annotation beside {path} is broken: {type(error).__name__}: {error}") from error
    return film


def _watch(
    path: Path, encoder: Encoder, cutter: Detector | None, ranges: list[tuple[int, int]], frames_per_shot: int
) -> tuple[list[int], Floats]:
    """Hard cuts found in, and vectors (N, D) of the given shots of, a film decoded once."""
    wanted: dict[int, list[int]] = {}
    for shot, (start, end) in enumerate(ranges):
        for position in sample_positions(end - start, frames_per_shot):
            wanted.setdefault(start + position, []).append(shot)
    vectors: list[list[Floats]] = [[] for _ in ranges]
    cuts: list[int] = []
    with closing(_frames(path)) as frames:
        for item in frames:
            if cutter:
                cuts += [boundary.frame for boundary in cutter.push(glimpse_of(item.frame))]
            for shot in wanted.get(item.index, ()):
                pixels_HWC = np.asarray(item.frame.to_ndarray(format="rgb24"), dtype=np.uint8)
                vectors[shot].append(encoder.encode_frames(pixels_HWC[None])[0])
    if cutter:
        cuts += [boundary.frame for boundary in cutter.finish()]
    for shot, found in enumerate(vectors):
        if not found:
            raise UsageError(f"{path} has no frames {ranges[shot]}: the annotation is of another file")
    pooled = [encoder.pool(np.stack(found)) for found in vectors]
    return cuts, np.stack(pooled) if pooled else np.zeros((0, encoder.dim), dtype=np.float32)


def _frames(path: Path) -> Generator[TimedFrame, None, None]:
    """The film's pictures as a proxy has them, before it is encoded."""
    for item in proxy_frames(path, probe(path), threads=1):
        if isinstance(item, TimedFrame):
            yield item


def _caption_ranks(captions: list[dict[str, Any]], shots_ND: Floats, encoder: Encoder) -> tuple[list[int], list[int]]:
    texts = [(row, text) for row, entry in enumerate(captions) for text in entry["captions"]]
    texts_QD = encoder.encode_text([text for _, text in texts])
    to_shot, to_text = caption_ranks(texts_QD, shots_ND, [row for row, _ in texts])
    return to_shot.tolist(), to_text.tolist()


def _query_gains(queries: list[dict[str, Any]], shots: list[int], shots_ND: Floats, encoder: Encoder) -> list[float]:
    place = {shot: position for position, shot in enumerate(shots)}
    grades_QN = np.zeros((len(queries), len(shots)))
    for row, entry in enumerate(queries):
        for shot, grade in entry["relevant"].items():
            grades_QN[row, place[int(shot)]] = grade
    scores_QN = encoder.encode_text([entry["query"] for entry in queries]) @ shots_ND.T
    gains: list[float] = ndcg_at(scores_QN, grades_QN).tolist()
    return gains


def _figures(films: Iterable[_Film]) -> dict[str, Any]:
    """Figures pooled over films; those that no film is annotated for are left out."""
    films = list(films)
    figures: dict[str, Any] = {}
    scored = [film.cuts for film in films if film.cuts]
    if scored:
        total = sum(scored, CutScore(right=0, false=0, missed=0))
        figures |= {"shot_f1": total.f1, "shot_precision": total.precision, "shot_recall": total.recall}
        figures |= {"cuts_right": total.right, "cuts_false": total.false, "cuts_missed": total.missed}
    ranks = [rank for film in films for rank in film.caption_ranks]
    if ranks:
        back = [rank for film in films for rank in film.shot_ranks]
        both = {name: value for name, value in ranks_figures(ranks).items() if not name.startswith("ndcg")}
        figures |= {**both, "captions": len(ranks), "video_to_text": {**ranks_figures(back), "shots": len(back)}}
    gains = [gain for film in films for gain in film.gains]
    if gains:
        low, high = bootstrap_interval(gains)
        figures |= {"ndcg@10": float(np.mean(gains)), "ndcg@10_interval": [low, high], "queries": len(gains)}
    return figures


def _direction(ranks: NDArray[np.int64], images: int) -> dict[str, Any]:
    return {**ranks_figures(ranks), "queries": len(ranks), "images": images}


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _annotation(path: Path, ending: str) -> list[dict[str, Any]]:
    """Objects of a ``.json`` (one) or ``.jsonl`` (one a line) file; empty where there is none."""
    file = _beside(path, ending)
    if not file.exists():
        return []
    text = file.read_text(encoding="utf-8")
    pieces = [text] if ending.endswith(".json") else [line for line in text.splitlines() if line.strip()]
    rows: list[dict[str, Any]] = [json.loads(piece) for piece in pieces]
    return rows


def _pictures(parquet: Path, encoder: Encoder, captions: list[list[str]]) -> Iterator[NDArray[Any]]:
    """Prepared pictures, a few at a time; their captions are appended to ``captions``."""
    from PIL import Image, ImageOps

    try:
        file = pq.ParquetFile(parquet)
        for batch in file.iter_batches(batch_size=encoder.batch_frames, columns=["image", "captions"]):
            prepared = []
            for row in batch.to_pylist():
                with Image.open(io.BytesIO(row["image"])) as picture:
                    pixels = np.asarray(ImageOps.exif_transpose(picture).convert("RGB"))
                prepared.append(encoder.prepare(pixels[None]))
                captions.append([str(text) for text in row["captions"]])
            if prepared:
                yield np.concatenate(prepared)
    except (OSError, pa.ArrowException, KeyError, TypeError) as error:
        raise UsageError(
            f"{parquet} cannot be used (near row {len(captions)}): it needs the columns image (JPEG bytes) and "
            f"captions (list of strings): {error}"
        ) from error
    if not any(captions):
        raise UsageError(f"{parquet} holds no captioned image")
