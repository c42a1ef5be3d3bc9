"""Measure an encoder on a public set of captioned videos, by the protocol of its papers.

A video is its sampled frames, pooled as those of a shot. Readers decode a few videos ahead of the model.
Legend: N frames, V videos, D dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import MediaError, UsageError
from ops.core.plural import plural
from ops.core.settings import count_cores
from ops.core.types import Progress
from ops.embeddings.embed import map_ahead
from ops.embeddings.encoder import Encoder
from ops.evaluation.caption_sets.layouts import SETS, CaptionedVideo, CaptionSet, CaptionSetData, load_caption_set
from ops.evaluation.caption_sets.published import PUBLISHED
from ops.evaluation.clip_cuts import SetAsideClip
from ops.evaluation.figures import compute_figures
from ops.evaluation.retrieval import PartFigures
from ops.evaluation.shows import ShowTask, answer
from ops.training.clip_frames import read_clip_frames
from ops.videos.film_errors import convert_film_errors

FRAMES = 12
"""Frames of a video, as in CLIP4Clip's scripts for MSR-VTT and MSVD (``--max_frames 12``)."""
INTERVALS = "95 %, percentile bootstrap over videos, whose captions are drawn together"


class PublishedFigures(TypedDict):
    """Published text-to-video figures of a method, in percent, with their source."""

    method: str
    recall: dict[str, float]
    median_rank: float | None
    source: str
    remark: str


class RetrievalBenchmark(TypedDict):
    """The document that ``needle benchmark`` prints for a set of captioned videos."""

    benchmark: str
    title: str
    data: str
    form: str
    encoder_id: str
    videos: int
    annotated: int
    captions: int
    frames_per_video: int
    protocol: str
    intervals: str
    text_to_video: PartFigures
    video_to_text: PartFigures
    published: list[PublishedFigures]
    comparable: bool
    notes: list[str]
    set_aside: list[dict[str, str]]


def run_caption_set(
    name: str, folder: Path, encoder: Encoder, progress: Progress, *, frames: int = FRAMES
) -> RetrievalBenchmark:
    """Measure text → video and video → text retrieval on the set ``name`` in ``folder``.

    Each direction: ``r@1``, ``r@5``, ``r@10`` in percent, ``median_rank``, ``ndcg@10`` (0-1), and intervals. A video's
    rank is that of its best caption. A video is skipped if it is missing or cannot be read; ``comparable`` says whether
    all videos of the published figures were searched. Raises ``UsageError`` if fewer than two videos can be used.
    """
    data = load_caption_set(name, folder)
    progress.start("clips", len(data.videos) + len(data.set_aside), "videos")
    for clip in data.set_aside:
        progress.set_aside("clips", clip.name, clip.reason)
        progress.advance("clips")
    videos: list[CaptionedVideo] = []
    vectors: list[NDArray[np.float32]] = []
    for video, vector in _encode_videos(data.videos, encoder, frames, SETS[name].seconds):
        if isinstance(vector, str):
            data.set_aside.append(SetAsideClip(name=video.name, reason=vector))
            progress.set_aside("clips", video.name, vector)
        else:
            videos.append(video)
            vectors.append(vector)
        progress.advance("clips")
    if len(videos) < 2:
        reasons = [f"{clip.name}: {clip.reason}" for clip in data.set_aside[:10]]
        raise UsageError("\n".join([f"{plural(len(videos), 'video')} can be used, a search needs two:", *reasons]))
    progress.finish("clips")
    return _build_document(name, folder, encoder, frames, data, videos, np.stack(vectors))


def _encode_videos(
    videos: Sequence[CaptionedVideo], encoder: Encoder, count: int, seconds: float | None
) -> Iterator[tuple[CaptionedVideo, NDArray[np.float32] | str]]:
    """Yield each video with its vector (D,), or with the reason why it has none."""

    def read(video: CaptionedVideo) -> NDArray[Any] | str:
        try:
            with convert_film_errors(video.name, "measuring it"):
                return encoder.prepare(read_clip_frames(video.path, count, seconds))
        except MediaError as error:
            return str(error)

    readers = count_cores()
    with ThreadPoolExecutor(readers, thread_name_prefix="needle-read") as pool:
        for video, frames in zip(videos, map_ahead(pool, read, videos, readers), strict=True):
            if isinstance(frames, str):
                yield video, frames
                continue
            vector = encoder.pool(encoder.encode_prepared(frames))
            yield video, vector if np.isfinite(vector).all() else "its frames have no direction in common"


def _build_document(
    name: str,
    folder: Path,
    encoder: Encoder,
    frames: int,
    data: CaptionSetData,
    videos: Sequence[CaptionedVideo],
    vectors_VD: NDArray[np.float32],
) -> RetrievalBenchmark:
    task = ShowTask(
        show=name,
        items=tuple(video.name for video in videos),
        captions=tuple(video.captions for video in videos),
    )
    figures = compute_figures([answer(task, vectors_VD, encoder.encode_text)])
    caption_set, texts = SETS[name], task.texts
    return {
        "benchmark": name,
        "title": caption_set.title,
        "data": str(folder),
        "form": data.form,
        "encoder_id": encoder.encoder_id,
        "videos": len(videos),
        "annotated": data.annotated,
        "captions": len(texts),
        "frames_per_video": frames,
        "protocol": _describe_protocol(caption_set, frames),
        "intervals": INTERVALS,
        "text_to_video": figures["text_to_video"],
        "video_to_text": figures["video_to_text"],
        "published": [
            {
                "method": each.method,
                "recall": {f"r@{k}": value for k, value in zip((1, 5, 10), each.recalls, strict=True)},
                "median_rank": each.median_rank,
                "source": each.source,
                "remark": each.remark,
            }
            for each in PUBLISHED[name]
        ],
        "comparable": not caption_set.videos or len(videos) == caption_set.videos,
        "notes": [*data.notes, *_list_notes(caption_set, encoder, len(videos), texts)],
        "set_aside": [{"clip": clip.name, "reason": clip.reason} for clip in data.set_aside],
    }


def _describe_protocol(caption_set: CaptionSet, frames: int) -> str:
    part = f"the first {caption_set.seconds:g} seconds" if caption_set.seconds else "the whole video"
    return (
        f"Queries: {caption_set.queries}. All videos of the test part are searched at once. A video is the pooled "
        f"vector of {plural(frames, 'frame')}, the centres of equal parts of {part}; sound and subtitles are not used. "
        "A tie counts as a miss. A video is found by its best caption."
    )


def _list_notes(caption_set: CaptionSet, encoder: Encoder, videos: int, texts: Sequence[str]) -> list[str]:
    notes = []
    if caption_set.videos and videos != caption_set.videos:
        direction = "fewer videos are easier" if videos < caption_set.videos else "more videos are harder"
        notes.append(
            f"{videos:,} videos were searched, the published figures are of {caption_set.videos:,}: {direction} to "
            "search, do not compare the figures"
        )
    too_long = sum(encoder.read_length(text) < len(text) for text in texts)
    if too_long:
        notes.append(f"{plural(too_long, 'caption')} of {len(texts):,} longer than the encoder reads: cut there")
    return notes
