"""Measure encoder and detector on annotated clips.

Frames and pooling are those of ingest; a clip is decoded once, for detection and retrieval.
Legend: Q queries, N shots, D dimensions.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import MediaError, UsageError
from ops.core.types import JsonObject, Progress, SilentProgress
from ops.embeddings.encoder import Encoder
from ops.embeddings.frames import sample_positions
from ops.evaluation.clip_cuts import INTERVALS, METRICS, ClipCuts, CutEvaluation, SetAsideClip, compare_clip, name_clip
from ops.evaluation.comparison import NOTHING, compare_answers
from ops.evaluation.cuts import ShotAnnotation
from ops.evaluation.figures import Figures, compute_figures
from ops.evaluation.galleries import Gallery, describe_gallery, explain_lone_shot, widen_tasks
from ops.evaluation.shows import ShowAnswer, ShowTask, answer_tasks
from ops.shots.cutting import TimedFrame
from ops.shots.detector import Detector
from ops.shots.detectors.choice import load_detector
from ops.shots.pictures import make_detector_frame
from ops.shots.reading import read_proxy_frames
from ops.training.sources import join_captions
from ops.videos.film_errors import convert_film_errors
from ops.videos.probe import probe

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class FootageEvaluation:
    """The figures of a folder of annotated clips as ``needle evaluate`` prints them, and the result for each clip."""

    document: Mapping[str, object]
    cuts: CutEvaluation


def evaluate_footage(
    folder: Path,
    encoder: Encoder,
    detector: str = "auto",
    frames_per_shot: int = 8,
    *,
    against: Encoder | None = None,
    learned_by: Mapping[str, Collection[str]] = NOTHING,
    gallery: Gallery = "show",
) -> Mapping[str, object]:
    """The document of :func:`evaluate_clips` for one encoder, or for one ``against`` another."""
    encoders = [encoder, *([against] if against is not None else [])]
    return evaluate_clips(folder, encoders, detector, frames_per_shot, learned_by=learned_by, gallery=gallery).document


def evaluate_clips(
    folder: Path,
    encoders: Sequence[Encoder],
    detector: str = "auto",
    frames_per_shot: int = 8,
    *,
    learned_by: Mapping[str, Collection[str]] = NOTHING,
    gallery: Gallery = "show",
    progress: Progress | None = None,
) -> FootageEvaluation:
    """Measure shot detection and retrieval on the annotated clips of a folder (formats in its ``SOURCE.md``).

    The files beside a clip decide its part:

    - ``.shots.json``: F1 of hard cuts and of gradual transitions, ±2 frames; ``faults`` lists each false and each
      missed boundary.
    - ``.captions.jsonl``: caption → shot and, under ``video_to_text``, back; R@1/5/10 in percent and median rank.
    - ``.queries.jsonl``: nDCG@10 (0-1) of graded queries.

    ``gallery`` decides which captioned shots compete (:mod:`ops.evaluation.galleries`): by default those of all clips
    of the show, which is the clip's first folder below ``folder``, or the clip itself.

    Figures are pooled over clips, then given for each. Intervals of cuts are over clips
    (:func:`ops.evaluation.clip_cuts.estimate_interval_over_clips`). The other ``*_interval`` are 95 % bootstrap
    intervals over queries, with the captions of one shot drawn together. ``retrieval`` has the figures by show, with
    those of a second encoder and the differences (:func:`compare_answers`); a clip is decoded once for both. Shows that
    an encoder was fitted on (``learned_by`` its id) count in the pooled figures only if there are no others. Without
    ``encoders`` only boundaries are measured, of the clips that have a ``.shots.json``.

    Skipped with a reason: a clip that cannot be read or has a damaged annotation, an annotation without a clip, the
    questions of a clip whose gallery has one shot. Raises ``UsageError`` if nothing is annotated or left.
    """
    progress = progress or SilentProgress()
    endings = _ANNOTATIONS if encoders else _ANNOTATIONS[:1]
    paths, lonely = _find_annotated_clips(folder, endings)
    if not paths and not lonely:
        raise UsageError(f"{folder} has no film with {', '.join(f'<file>{ending}' for ending in endings)} next to it")
    results: list[_ClipResult] = []
    skipped_clips: list[SetAsideClip] = []

    skip = partial(_skip_clip, skipped_clips, progress)
    progress.start("clips", len(paths), "clips")
    for path, reason in [*((path, "") for path in paths), *lonely]:
        try:
            if reason:
                raise UsageError(reason)
            results.append(_evaluate_clip(path, folder, encoders, detector, frames_per_shot))
        except (MediaError, UsageError) as error:
            skip(name_clip(path, folder), str(error))
        progress.advance("clips", not reason)
    _answer_clips(results, encoders, gallery, skip)
    if not any(result.answers or result.cuts for result in results):
        raise UsageError(
            "\n".join(["no clip can be evaluated:", *(f"{clip.name}: {clip.reason}" for clip in skipped_clips)])
        )
    progress.finish("clips")
    cuts = CutEvaluation(
        detector=detector, clips=tuple(result.cuts for result in results if result.cuts), set_aside=tuple(skipped_clips)
    )
    return FootageEvaluation(document=_build_document(results, encoders, cuts, learned_by, gallery), cuts=cuts)


def _skip_clip(skipped_clips: list[SetAsideClip], progress: Progress, name: str, reason: str) -> None:
    skipped_clips.append(SetAsideClip(name=name, reason=reason))
    progress.set_aside("clips", name, reason)


def _find_annotated_clips(folder: Path, endings: Sequence[str]) -> tuple[list[Path], list[tuple[Path, str]]]:
    """Return clips with an annotation, and annotations without a clip, each with the reason why it is skipped."""
    files = [path for path in sorted(folder.rglob("*")) if not path.is_dir()] if folder.is_dir() else []
    clips = {
        path.with_name(path.name.removesuffix(end))
        for path in files
        for end in endings
        if path.name.endswith(end) and path.name != end and not path.name.startswith("._")  # those are macOS's
    }
    lonely = [
        (clip, "its annotation is there, the clip is not: put it next to the annotation, or remove both")
        for clip in sorted(clips)
        if not clip.is_file()
    ]
    return [clip for clip in sorted(clips) if clip.is_file()], lonely


def _build_document(
    results: list[_ClipResult],
    encoders: Sequence[Encoder],
    cuts: CutEvaluation,
    learned_by: Mapping[str, Collection[str]],
    gallery: Gallery,
) -> dict[str, object]:
    document: dict[str, object] = {
        "encoder_id": encoders[0].encoder_id if encoders else "",
        "detector": cuts.detector,
        **_cut_figures(cuts.clips),
    }
    if cuts.clips:
        document |= {
            _rename_metric(name): interval and list(interval) for name, interval in cuts.estimate_intervals().items()
        }
        document["cut_intervals"] = INTERVALS
    training_shows = {show for shows in learned_by.values() for show in shows}
    fair = [result for result in results if result.show not in training_shows] or results
    document |= _flatten_figures(compute_figures([result.answers[0] for result in fair if result.answers]))
    document["films"] = {result.name: _describe_clip(result) for result in results}
    document["faults"] = [fault.as_json() for fault in cuts.faults]
    document["set_aside"] = [{"clip": clip.name, "reason": clip.reason} for clip in cuts.set_aside]
    if encoders:
        with_answers = [result for result in results if result.answers]
        document["gallery"] = describe_gallery(gallery, [result.answers[0].task for result in with_answers])
        document["retrieval"] = compare_answers(
            [
                (encoder.encoder_id, [result.answers[number] for result in with_answers])
                for number, encoder in enumerate(encoders)
            ],
            learned_by,
        )
    return document


def _describe_clip(result: _ClipResult) -> dict[str, object]:
    figures = _cut_figures([result.cuts] if result.cuts else [])
    if result.cuts and result.cuts.notes:
        figures["notes"] = list(result.cuts.notes)
    return figures | _flatten_figures(compute_figures(result.answers[:1]))


_ANNOTATIONS = (".shots.json", ".captions.jsonl", ".queries.jsonl")


@dataclass(kw_only=True)
class _ClipResult:
    """The measurements of one clip: its cuts, its questions, each encoder's vectors (N, D) of its shots and answers.

    Empty without that annotation.
    """

    name: str
    show: str
    cuts: ClipCuts | None = None
    task: ShowTask | None = None
    vectors: list[Floats] = field(default_factory=list)
    answers: list[ShowAnswer] = field(default_factory=list)


def _evaluate_clip(
    path: Path, folder: Path, encoders: Sequence[Encoder], detector: str, frames_per_shot: int
) -> _ClipResult:
    name = path.relative_to(folder)
    result = _ClipResult(name=name_clip(path, folder), show=name.parts[0] if len(name.parts) > 1 else path.stem)
    with _report_annotation_errors(path):
        shots, captions, queries = (_read_annotation(path, ending) for ending in _ANNOTATIONS)
        annotation = ShotAnnotation.from_document(shots[0]) if shots else None
        captions = captions if encoders else []
        spans = join_captions(captions)
        ranges = [(int(row["start_frame"]), int(row["end_frame"])) for row in spans]
        result.task = _build_task(result, spans, captions, queries) if captions else None
    with convert_film_errors(result.name, "measuring it"):
        fps = probe(path).fps
        clip_data = _decode_clip(
            path, encoders, load_detector(detector, fps) if annotation else None, ranges, frames_per_shot
        )
    if annotation:
        result.cuts = _compare(path, result.name, fps, clip_data, annotation)
    result.vectors = clip_data.vectors if result.task else []
    return result


def _answer_clips(
    results: Sequence[_ClipResult], encoders: Sequence[Encoder], gallery: Gallery, skip: Callable[[str, str], None]
) -> None:
    """Give each clip with questions its answers; ``skip`` those whose gallery has one shot."""
    results_with_task = [(result, result.task) for result in results if result.task]
    wide = zip(results_with_task, widen_tasks([task for _, task in results_with_task], gallery), strict=True)
    shots = sum(len(task.items) for _, task in results_with_task)
    pairs: list[tuple[_ClipResult, ShowTask]] = []
    for (result, _), task in wide:
        if len(task.items) > 1:
            pairs.append((result, task))
        else:
            skip(result.name, explain_lone_shot(gallery, shots))
    for number, encoder in enumerate(encoders):
        by_item = {
            item: vector
            for result, task_of_clip in results_with_task
            for item, vector in zip(task_of_clip.items, result.vectors[number], strict=True)
        }
        answers = answer_tasks([task for _, task in pairs], by_item, encoder.encode_text)
        for (result, _), answer in zip(pairs, answers, strict=True):
            result.answers.append(answer)


@contextmanager
def _report_annotation_errors(path: Path) -> Iterator[None]:
    """Raise ``UsageError`` for the errors of an annotation in another form."""
    try:
        yield
    except KeyError as error:
        raise UsageError(f"an annotation of {path} is broken: it has no {error.args[0]!r}") from error
    except (TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
        raise UsageError(f"an annotation of {path} is broken: {type(error).__name__}: {error}") from error
    except UsageError as error:
        raise UsageError(f"an annotation of {path} is broken: {error}") from error


def _compare(path: Path, name: str, fps: Fraction, clip_data: _DecodedClip, annotation: ShotAnnotation) -> ClipCuts:
    return compare_clip(
        name=name,
        path=path,
        fps=fps,
        times_s=clip_data.times_s,
        boundaries=clip_data.boundaries,
        annotation=annotation,
    )


def _build_task(
    clip: _ClipResult, spans: list[JsonObject], rows: list[JsonObject], queries: list[JsonObject]
) -> ShowTask:
    """Return the questions of a clip; an item is called ``<clip> <shot>``, because other clips have its number too.

    ``spans`` are the ``rows`` of its captions, joined. Raises ``UsageError`` if a query has no relevant shot.
    """
    items = {(int(row["start_frame"]), int(row["end_frame"])): f"{clip.name} {row['shot']}" for row in spans}
    numbers = {str(row["shot"]): items[int(row["start_frame"]), int(row["end_frame"])] for row in rows}
    graded_queries = []
    for row in queries:
        grades = {numbers.get(shot, f"{clip.name} {shot}"): float(grade) for shot, grade in row["relevant"].items()}
        if not any(grade > 0 for grade in grades.values()):
            raise UsageError(f"the query {row['query']!r} has no relevant shot")
        graded_queries.append((str(row["query"]), grades))
    captions = tuple(row["captions"] for row in spans)
    return ShowTask(show=clip.show, items=tuple(items.values()), captions=captions, queries=tuple(graded_queries))


@dataclass(kw_only=True)
class _DecodedClip:
    """The result of one pass over a clip: times of its frames, boundaries, and vectors (N, D) of each encoder."""

    times_s: list[float] = field(default_factory=list)
    boundaries: list[tuple[int, bool]] = field(default_factory=list)
    vectors: list[Floats] = field(default_factory=list)


def _decode_clip(
    path: Path,
    encoders: Sequence[Encoder],
    cutter: Detector | None,
    ranges: list[tuple[int, int]],
    frames_per_shot: int,
) -> _DecodedClip:
    """Decode a clip once; return its boundaries, ``(first frame, whether gradual)``, and the vectors of ``ranges``."""
    shots_by_frame: dict[int, list[int]] = {}
    for shot, (start, end) in enumerate(ranges):
        for position in sample_positions(end - start, frames_per_shot):
            shots_by_frame.setdefault(start + position, []).append(shot)
    vectors: list[list[list[Floats]]] = [[[] for _ in ranges] for _ in encoders]
    clip_data = _DecodedClip()
    cuts = clip_data.boundaries
    with closing(_read_frames(path)) as frames:
        for item in frames:
            clip_data.times_s.append(float(item.time_s))
            if cutter:
                cuts += [
                    (each.frame, each.transition == "gradual") for each in cutter.push(make_detector_frame(item.frame))
                ]
            if item.index not in shots_by_frame:
                continue
            pixels_HWC = np.asarray(item.frame.to_ndarray(format="rgb24"), dtype=np.uint8)
            for shot_frames, encoder in zip(vectors, encoders, strict=True):
                vector = encoder.encode_frames(pixels_HWC[None])[0]
                for shot in shots_by_frame[item.index]:
                    shot_frames[shot].append(vector)
    if cutter:
        cuts += [(each.frame, each.transition == "gradual") for each in cutter.finish()]
    for shot, shot_vectors in enumerate(vectors[0] if vectors else []):
        if not shot_vectors:
            raise UsageError(f"{path} has no frames {ranges[shot]}: its annotation is of another file")
    clip_data.vectors = [_pool_shots(each, encoder) for each, encoder in zip(vectors, encoders, strict=True)]
    if not all(np.isfinite(each).all() for each in clip_data.vectors):
        raise UsageError(f"{path}: the vectors of a shot's frames cancel each other")
    return clip_data


def _pool_shots(frames: list[list[Floats]], encoder: Encoder) -> Floats:
    vectors = [encoder.pool(np.stack(shot_frames)) for shot_frames in frames]
    return np.stack(vectors) if vectors else np.zeros((0, encoder.dim), dtype=np.float32)


def _read_frames(path: Path) -> Generator[TimedFrame, None, None]:
    """Yield the clip's frames as of a proxy, before that is encoded."""
    for item in read_proxy_frames(path, probe(path), threads=1):
        if isinstance(item, TimedFrame):
            yield item


def _cut_figures(clips: Sequence[ClipCuts]) -> dict[str, object]:
    if not clips:
        return {}
    total = CutEvaluation(detector="", clips=tuple(clips)).pooled
    figures: dict[str, object] = {}
    for kind, counts, scores in (("hard", "cuts", total.hard), ("gradual", "gradual", total.gradual)):
        figures |= {_rename_metric(f"{kind}_{metric}", ""): getattr(scores, metric) for metric in METRICS}
        figures |= {f"{counts}_right": scores.right, f"{counts}_false": scores.false, f"{counts}_missed": scores.missed}
    return figures


def _rename_metric(name: str, ending: str = "_interval") -> str:
    """Return the name of ``hard_f1`` and the like in the document, which calls hard cuts ``shot``."""
    return name.replace("hard_", "shot_") + ending


def _flatten_figures(figures: Figures) -> dict[str, object]:
    """Join the figures of captions and of graded queries; only the latter are called ``ndcg@10`` here."""
    flat: dict[str, object] = {}
    if "text_to_video" in figures:
        forward, back = figures["text_to_video"], figures["video_to_text"]
        counts = ("queries", "items")
        flat = {name: value for name, value in forward.items() if not name.startswith("ndcg") and name not in counts}
        flat["captions"] = forward["queries"]
        reverse = {name: value for name, value in back.items() if name not in counts}
        flat["video_to_text"] = {**reverse, "shots": back["queries"]}
    return flat | figures.get("graded", {})


def _find_annotation(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _read_annotation(path: Path, ending: str) -> list[JsonObject]:
    """Return the objects of a ``.json`` (one) or ``.jsonl`` (one a line) file; none if it does not exist."""
    file = _find_annotation(path, ending)
    if not file.exists() and not file.is_symlink():
        return []
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{file.name} cannot be read: {error.strerror or error}") from error
    pieces = [text] if ending.endswith(".json") else [line for line in text.splitlines() if line.strip()]
    rows: list[JsonObject] = [json.loads(piece) for piece in pieces]
    return rows
