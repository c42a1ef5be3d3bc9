"""How good an encoder is on captioned photographs, and encoder and detector are on annotated films.

The same frames and the same pooling as ingest uses; films are decoded once, for detection and retrieval
together. Legend: Q queries, N images or shots, D dimensions.
"""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ops.core.errors import UsageError
from ops.embeddings.encoder import Encoder
from ops.embeddings.frames import sample_positions
from ops.evaluation.comparison import NOTHING, comparison_of
from ops.evaluation.cuts import BoundaryScore, ShotAnnotation, score_boundaries
from ops.evaluation.figures import figures_of, gains_of
from ops.evaluation.shows import ShowAnswer, ShowTask, answer
from ops.shots.cutting import TimedFrame
from ops.shots.detector import Detector
from ops.shots.detectors.choice import load_detector
from ops.shots.pictures import glimpse_of
from ops.shots.reading import proxy_frames
from ops.training.pairs import spoken
from ops.videos.probe import probe

Floats = NDArray[np.float32]


def evaluate_captions(parquet: Path, encoder: Encoder, against: Encoder | None = None) -> dict[str, Any]:
    """Text → image and image → text retrieval over a parquet of ``image`` (JPEG bytes) and ``captions``.

    Each direction: ``r@1``, ``r@5``, ``r@10`` in percent, ``median_rank``, ``queries`` and ``images`` counts,
    and their 95 % bootstrap intervals (``*_interval``; the captions of a picture are drawn together). An image's rank
    is that of its best caption. ``against`` another encoder: its figures too, and under ``gain`` the paired
    ``[difference, low, high]``. Raises ``UsageError`` for a file of another form or a picture that cannot be read.
    """
    answers = [[_answer_pictures(parquet, own)] for own in (encoder, against) if own is not None]
    document: dict[str, Any] = {"encoder_id": encoder.encoder_id, **_of_images(figures_of(answers[0]))}
    if against is not None:
        document["against"] = {"encoder_id": against.encoder_id, **_of_images(figures_of(answers[1]))}
        document["gain"] = _of_images(gains_of(*answers))
    return document


def evaluate_footage(
    folder: Path,
    encoder: Encoder,
    detector: str = "auto",
    frames_per_shot: int = 8,
    *,
    against: Encoder | None = None,
    learned_by: Mapping[str, Collection[str]] = NOTHING,
) -> dict[str, Any]:
    """Shot detection and retrieval on the annotated films of a folder (formats in its ``SOURCE.md``).

    A film takes part with what lies beside it: ``.shots.json`` (F1 of hard cuts and of gradual transitions, ±2 frames),
    ``.captions.jsonl`` (caption → shot and, under ``video_to_text``, back: R@1/5/10 in percent and median rank
    among the film's own) and ``.queries.jsonl`` (nDCG@10, 0-1, on graded queries). Figures are pooled over films, then
    given for each; ``*_interval`` are 95 % bootstrap intervals over queries, captions of one shot drawn together.
    ``retrieval`` is the same by show, with that of ``against`` and the differences (:func:`comparison_of`); a film is
    decoded once for both encoders. Shows that an encoder was fitted on, ``learned_by`` its id, count in the pooled
    figures only where there is no other.
    Raises ``UsageError`` where nothing is annotated or an annotation is broken, ``MediaError`` where a film is.
    """
    encoders = [encoder, *([against] if against is not None else [])]
    films = [
        _evaluate_film(path, folder, encoders, detector, frames_per_shot)
        for path in sorted(folder.rglob("*") if folder.is_dir() else ())
        if path.is_file() and any(_beside(path, ending).exists() for ending in _ANNOTATIONS)
    ]
    if not films:
        raise UsageError(
            f"{folder} holds no film with {', '.join(f'<file>{ending}' for ending in _ANNOTATIONS)} beside it"
        )
    asked = [film for film in films if film.answers]
    compared = comparison_of(
        [(own.encoder_id, [film.answers[number] for film in asked]) for number, own in enumerate(encoders)], learned_by
    )
    learned = {show for shows in learned_by.values() for show in shows}
    fair = [film for film in films if film.show not in learned] or films
    return {
        "encoder_id": encoder.encoder_id,
        "detector": detector,
        **_cut_figures(films),
        **_flat(figures_of([film.answers[0] for film in fair if film.answers])),
        "films": {film.name: _cut_figures([film]) | _flat(figures_of(film.answers[:1])) for film in films},
        "retrieval": compared,
    }


_ANNOTATIONS = (".shots.json", ".captions.jsonl", ".queries.jsonl")


@dataclass(kw_only=True)
class _Film:
    """What was measured on one film: its cuts, and each encoder's answers; empty where it is not annotated so."""

    name: str
    show: str
    cuts: BoundaryScore | None = None
    answers: list[ShowAnswer] = field(default_factory=list)


def _evaluate_film(path: Path, folder: Path, encoders: Sequence[Encoder], detector: str, frames_per_shot: int) -> _Film:
    name = path.relative_to(folder)
    film = _Film(name=name.as_posix(), show=name.parts[0] if len(name.parts) > 1 else path.stem)
    try:
        shots, captions, queries = (_annotation(path, ending) for ending in _ANNOTATIONS)
        ranges = [(int(row["start_frame"]), int(row["end_frame"])) for row in captions]
        cutter = load_detector(detector, probe(path).fps) if shots else None
        found, vectors = _watch(path, encoders, cutter, ranges, frames_per_shot)
        if shots:
            film.cuts = score_boundaries(found, ShotAnnotation.from_document(shots[0]))
        if captions:
            task = _task(film.show, captions, queries)
            film.answers = [answer(task, own, used.encode_text) for own, used in zip(vectors, encoders, strict=True)]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"an annotation beside {path} is broken: {type(error).__name__}: {error}") from error
    except UsageError as error:
        raise UsageError(f"an annotation beside {path} is broken: {error}") from error
    return film


def _task(show: str, captions: list[dict[str, Any]], queries: list[dict[str, Any]]) -> ShowTask:
    return ShowTask(
        show=show,
        items=tuple(str(row["shot"]) for row in captions),
        captions=tuple(spoken(row["captions"]) for row in captions),
        queries=tuple((row["query"], row["relevant"]) for row in queries),
    )


def _watch(
    path: Path,
    encoders: Sequence[Encoder],
    cutter: Detector | None,
    ranges: list[tuple[int, int]],
    frames_per_shot: int,
) -> tuple[list[tuple[int, bool]], list[Floats]]:
    """Decode a film once: its boundaries, ``(first frame, whether gradual)``, and the vectors (N, D) of given shots.

    One array of vectors for each encoder.
    """
    wanted: dict[int, list[int]] = {}
    for shot, (start, end) in enumerate(ranges):
        for position in sample_positions(end - start, frames_per_shot):
            wanted.setdefault(start + position, []).append(shot)
    vectors: list[list[list[Floats]]] = [[[] for _ in ranges] for _ in encoders]
    cuts: list[tuple[int, bool]] = []
    with closing(_frames(path)) as frames:
        for item in frames:
            if cutter:
                cuts += [(each.frame, each.transition == "gradual") for each in cutter.push(glimpse_of(item.frame))]
            if item.index not in wanted:
                continue
            pixels_HWC = np.asarray(item.frame.to_ndarray(format="rgb24"), dtype=np.uint8)
            for own, encoder in zip(vectors, encoders, strict=True):
                vector = encoder.encode_frames(pixels_HWC[None])[0]
                for shot in wanted[item.index]:
                    own[shot].append(vector)
    if cutter:
        cuts += [(each.frame, each.transition == "gradual") for each in cutter.finish()]
    for shot, found in enumerate(vectors[0]):
        if not found:
            raise UsageError(f"it has no frames {ranges[shot]}: the annotation is of another file")
    return cuts, [_pooled(own, encoder) for own, encoder in zip(vectors, encoders, strict=True)]


def _pooled(frames: list[list[Floats]], encoder: Encoder) -> Floats:
    pooled = [encoder.pool(np.stack(found)) for found in frames]
    return np.stack(pooled) if pooled else np.zeros((0, encoder.dim), dtype=np.float32)


def _frames(path: Path) -> Generator[TimedFrame, None, None]:
    """The film's pictures as a proxy has them, before it is encoded."""
    for item in proxy_frames(path, probe(path), threads=1):
        if isinstance(item, TimedFrame):
            yield item


def _cut_figures(films: Iterable[_Film]) -> dict[str, Any]:
    scored = [film.cuts for film in films if film.cuts]
    if not scored:
        return {}
    total = reduce(add, scored)
    figures: dict[str, Any] = {}
    for prefix, counts, own in (("shot", "cuts", total.hard), ("gradual", "gradual", total.gradual)):
        figures |= {f"{prefix}_f1": own.f1, f"{prefix}_precision": own.precision, f"{prefix}_recall": own.recall}
        figures |= {f"{counts}_right": own.right, f"{counts}_false": own.false, f"{counts}_missed": own.missed}
    return figures


def _flat(figures: dict[str, Any]) -> dict[str, Any]:
    """Captions' figures beside those of graded queries, which alone are called ``ndcg@10`` here."""
    flat: dict[str, Any] = {}
    if "text_to_video" in figures:
        forward = {name: value for name, value in figures["text_to_video"].items() if not name.startswith("ndcg")}
        back = dict(figures["video_to_text"])
        flat = {**forward, "captions": forward["queries"], "video_to_text": {**back, "shots": back["queries"]}}
        for name in ("queries", "items"):
            del flat[name], flat["video_to_text"][name]
    flat |= figures.get("graded", {})
    return flat


def _answer_pictures(parquet: Path, encoder: Encoder) -> ShowAnswer:
    captions: list[list[str]] = []
    images_ND = np.concatenate([encoder.encode_prepared(part) for part in _pictures(parquet, encoder, captions)])
    task = ShowTask(
        show=parquet.stem, items=tuple(map(str, range(len(captions)))), captions=tuple(map(tuple, captions))
    )
    return answer(task, images_ND, encoder.encode_text)


def _of_images(figures: dict[str, Any]) -> dict[str, Any]:
    """The same, with the names that photographs have."""
    named = {"text_to_video": "text_to_image", "video_to_text": "image_to_text"}
    renamed = {named[name]: dict(values) for name, values in figures.items()}
    for values in renamed.values():
        if "items" in values:
            values["images"] = values.pop("items")
    return renamed


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
