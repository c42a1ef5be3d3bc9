"""How good an encoder is on captioned photographs, and encoder and detector are on annotated films.

The same frames and the same pooling as ingest uses; films are decoded once, for detection and retrieval
together. Legend: Q queries, N images or shots, D dimensions.
"""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ops.core.errors import MediaError, UsageError
from ops.core.types import Progress, SilentProgress
from ops.embeddings.encoder import Encoder, pool_each
from ops.embeddings.frames import sample_positions
from ops.evaluation.clip_cuts import INTERVALS, METRICS, ClipCuts, CutEvaluation, SetAsideClip, clip_name, compare_clip
from ops.evaluation.comparison import NOTHING, comparison_of
from ops.evaluation.cuts import ShotAnnotation
from ops.evaluation.figures import figures_of, gains_of
from ops.evaluation.shows import ShowAnswer, ShowTask, answer
from ops.shots.cutting import TimedFrame
from ops.shots.detector import Detector
from ops.shots.detectors.choice import load_detector
from ops.shots.pictures import glimpse_of
from ops.shots.reading import proxy_frames
from ops.training.pairs import spoken
from ops.videos.film_errors import film_errors
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


@dataclass(frozen=True, kw_only=True)
class FootageEvaluation:
    """The figures of a folder of annotated clips as ``needle evaluate`` prints them, and what was found on each."""

    document: dict[str, Any]
    cuts: CutEvaluation


def evaluate_footage(
    folder: Path,
    encoder: Encoder,
    detector: str = "auto",
    frames_per_shot: int = 8,
    *,
    against: Encoder | None = None,
    learned_by: Mapping[str, Collection[str]] = NOTHING,
) -> dict[str, Any]:
    """The document of :func:`evaluate_clips` for one encoder, or for one ``against`` another."""
    encoders = [encoder, *([against] if against is not None else [])]
    return evaluate_clips(folder, encoders, detector, frames_per_shot, learned_by=learned_by).document


def evaluate_clips(
    folder: Path,
    encoders: Sequence[Encoder],
    detector: str = "auto",
    frames_per_shot: int = 8,
    *,
    learned_by: Mapping[str, Collection[str]] = NOTHING,
    progress: Progress | None = None,
) -> FootageEvaluation:
    """Shot detection and retrieval on the annotated clips of a folder (formats in its ``SOURCE.md``).

    A clip takes part with what is beside it: ``.shots.json`` (F1 of hard cuts and of gradual transitions, ±2 frames,
    and under ``faults`` each false and each missed boundary), ``.captions.jsonl`` (caption → shot and, under
    ``video_to_text``, back: R@1/5/10 in percent and median rank among the clip's own) and ``.queries.jsonl`` (nDCG@10,
    0-1, on graded queries). Figures are pooled over clips, then given for each. Intervals of cuts are over clips
    (:func:`ops.evaluation.clip_cuts.interval_over_clips`), the other ``*_interval`` 95 % bootstrap intervals over
    queries, captions of one shot drawn together. ``retrieval`` is the same by show, with that of a second encoder and
    the differences (:func:`comparison_of`); a clip is decoded once for both. Shows that an encoder was fitted on,
    ``learned_by`` its id, count in the pooled figures only if there is no other. Without ``encoders`` only boundaries
    are measured, of the clips that have a ``.shots.json``.

    A clip that cannot be read, or whose annotation is damaged, is set aside with its reason, and so is an annotation
    without a clip. Raises ``UsageError`` if nothing is annotated, or every clip is set aside.
    """
    progress = progress or SilentProgress()
    endings = _ANNOTATIONS if encoders else _ANNOTATIONS[:1]
    paths, lonely = _annotated_clips(folder, endings)
    if not paths and not lonely:
        raise UsageError(f"{folder} holds no film with {', '.join(f'<file>{ending}' for ending in endings)} beside it")
    films: list[_Film] = []
    aside: list[SetAsideClip] = []
    progress.start("clips", len(paths), "clips")
    for path, reason in [*((path, "") for path in paths), *lonely]:
        try:
            if reason:
                raise UsageError(reason)
            films.append(_evaluate_film(path, folder, encoders, detector, frames_per_shot))
        except (MediaError, UsageError) as error:
            name = clip_name(path, folder)
            aside.append(SetAsideClip(name=name, reason=str(error)))
            progress.set_aside("clips", name, str(error))
        progress.advance("clips", not reason)
    if not films:
        raise UsageError("\n".join(["no clip can be evaluated:", *(f"{own.name}: {own.reason}" for own in aside)]))
    progress.finish("clips")
    cuts = CutEvaluation(
        detector=detector, clips=tuple(film.cuts for film in films if film.cuts), set_aside=tuple(aside)
    )
    return FootageEvaluation(document=_document(films, encoders, cuts, learned_by), cuts=cuts)


def _annotated_clips(folder: Path, endings: Sequence[str]) -> tuple[list[Path], list[tuple[Path, str]]]:
    """Clips with an annotation, and annotations without a clip, each with the reason why it cannot be used."""
    files = [path for path in sorted(folder.rglob("*")) if not path.is_dir()] if folder.is_dir() else []
    clips = {
        path.with_name(path.name.removesuffix(end))
        for path in files
        for end in endings
        if path.name.endswith(end) and path.name != end and not path.name.startswith("._")  # those are macOS's
    }
    lonely = [
        (clip, "its annotation is there, the clip is not: put it beside the annotation, or remove both")
        for clip in sorted(clips)
        if not clip.is_file()
    ]
    return [clip for clip in sorted(clips) if clip.is_file()], lonely


def _document(
    films: list[_Film], encoders: Sequence[Encoder], cuts: CutEvaluation, learned_by: Mapping[str, Collection[str]]
) -> dict[str, Any]:
    document: dict[str, Any] = {
        "encoder_id": encoders[0].encoder_id if encoders else "",
        "detector": cuts.detector,
        **_cut_figures(cuts.clips),
    }
    if cuts.clips:
        document |= {_metric_name(name): interval and list(interval) for name, interval in cuts.intervals().items()}
        document["cut_intervals"] = INTERVALS
    learned = {show for shows in learned_by.values() for show in shows}
    fair = [film for film in films if film.show not in learned] or films
    document |= _flat(figures_of([film.answers[0] for film in fair if film.answers]))
    document["films"] = {film.name: _film_figures(film) for film in films}
    document["faults"] = [fault.as_json() for fault in cuts.faults]
    document["set_aside"] = [{"clip": own.name, "reason": own.reason} for own in cuts.set_aside]
    if encoders:
        asked = [film for film in films if film.answers]
        document["retrieval"] = comparison_of(
            [(own.encoder_id, [film.answers[number] for film in asked]) for number, own in enumerate(encoders)],
            learned_by,
        )
    return document


def _film_figures(film: _Film) -> dict[str, Any]:
    figures = _cut_figures([film.cuts]) if film.cuts else {}
    if film.cuts and film.cuts.notes:
        figures["notes"] = list(film.cuts.notes)
    return figures | _flat(figures_of(film.answers[:1]))


_ANNOTATIONS = (".shots.json", ".captions.jsonl", ".queries.jsonl")


@dataclass(kw_only=True)
class _Film:
    """What was measured on one film: its cuts, and each encoder's answers; empty where it is not annotated so."""

    name: str
    show: str
    cuts: ClipCuts | None = None
    answers: list[ShowAnswer] = field(default_factory=list)


def _evaluate_film(path: Path, folder: Path, encoders: Sequence[Encoder], detector: str, frames_per_shot: int) -> _Film:
    name = path.relative_to(folder)
    film = _Film(name=clip_name(path, folder), show=name.parts[0] if len(name.parts) > 1 else path.stem)
    with _annotation_errors(path):
        shots, captions, queries = (_annotation(path, ending) for ending in _ANNOTATIONS)
        annotation = ShotAnnotation.from_document(shots[0]) if shots else None
        ranges = [(int(row["start_frame"]), int(row["end_frame"])) for row in captions] if encoders else []
        task = _task(film.show, captions, queries) if captions and encoders else None
    with film_errors(film.name, "measuring it"):
        fps = probe(path).fps
        watched = _watch(path, encoders, load_detector(detector, fps) if annotation else None, ranges, frames_per_shot)
    if annotation:
        film.cuts = _compare(path, film.name, fps, watched, annotation)
    if task:
        with _annotation_errors(path):
            pairs = zip(watched.vectors, encoders, strict=True)
            film.answers = [answer(task, own, used.encode_text) for own, used in pairs]
    return film


@contextmanager
def _annotation_errors(path: Path) -> Iterator[None]:
    """Report what an annotation of another form raises as ``UsageError``."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise UsageError(f"an annotation beside {path} is broken: {type(error).__name__}: {error}") from error
    except UsageError as error:
        raise UsageError(f"an annotation beside {path} is broken: {error}") from error


def _compare(path: Path, name: str, fps: Fraction, watched: _Watched, annotation: ShotAnnotation) -> ClipCuts:
    return compare_clip(
        name=name,
        path=path,
        fps=fps,
        times_s=watched.times_s,
        boundaries=watched.boundaries,
        annotation=annotation,
    )


def _task(show: str, captions: list[dict[str, Any]], queries: list[dict[str, Any]]) -> ShowTask:
    return ShowTask(
        show=show,
        items=tuple(str(row["shot"]) for row in captions),
        captions=tuple(spoken(row["captions"]) for row in captions),
        queries=tuple((row["query"], row["relevant"]) for row in queries),
    )


@dataclass(kw_only=True)
class _Watched:
    """What one pass over a film gave: times of its frames, boundaries, and vectors (N, D) of each encoder."""

    times_s: list[float] = field(default_factory=list)
    boundaries: list[tuple[int, bool]] = field(default_factory=list)
    vectors: list[Floats] = field(default_factory=list)


def _watch(
    path: Path,
    encoders: Sequence[Encoder],
    cutter: Detector | None,
    ranges: list[tuple[int, int]],
    frames_per_shot: int,
) -> _Watched:
    """Decode a film once: its boundaries, ``(first frame, whether gradual)``, and the vectors of given shots."""
    wanted: dict[int, list[int]] = {}
    for shot, (start, end) in enumerate(ranges):
        for position in sample_positions(end - start, frames_per_shot):
            wanted.setdefault(start + position, []).append(shot)
    vectors: list[list[list[Floats]]] = [[[] for _ in ranges] for _ in encoders]
    watched = _Watched()
    cuts = watched.boundaries
    with closing(_frames(path)) as frames:
        for item in frames:
            watched.times_s.append(float(item.time_s))
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
    for shot, found in enumerate(vectors[0] if vectors else []):
        if not found:
            raise UsageError(f"{path} has no frames {ranges[shot]}: the annotation beside it is of another file")
    watched.vectors = [_pooled(own, encoder) for own, encoder in zip(vectors, encoders, strict=True)]
    return watched


def _pooled(frames: list[list[Floats]], encoder: Encoder) -> Floats:
    pooled = [encoder.pool(np.stack(found)) for found in frames]
    return np.stack(pooled) if pooled else np.zeros((0, encoder.dim), dtype=np.float32)


def _frames(path: Path) -> Generator[TimedFrame, None, None]:
    """The film's pictures as a proxy has them, before it is encoded."""
    for item in proxy_frames(path, probe(path), threads=1):
        if isinstance(item, TimedFrame):
            yield item


def _cut_figures(clips: Sequence[ClipCuts]) -> dict[str, Any]:
    if not clips:
        return {}
    total = CutEvaluation(detector="", clips=tuple(clips)).pooled
    figures: dict[str, Any] = {}
    for kind, counts, own in (("hard", "cuts", total.hard), ("gradual", "gradual", total.gradual)):
        figures |= {_metric_name(f"{kind}_{metric}", ""): getattr(own, metric) for metric in METRICS}
        figures |= {f"{counts}_right": own.right, f"{counts}_false": own.false, f"{counts}_missed": own.missed}
    return figures


def _metric_name(name: str, ending: str = "_interval") -> str:
    """The name in the document of ``hard_f1`` and the like: hard cuts are called ``shot`` there."""
    return name.replace("hard_", "shot_") + ending


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
    parts = [pool_each(encoder, encoder.encode_prepared(part)) for part in _pictures(parquet, encoder, captions)]
    images_ND = np.concatenate(parts)
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
    if not file.exists() and not file.is_symlink():
        return []
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{file.name} cannot be read: {error.strerror or error}") from error
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
