"""Measure how well encoders find the captioned shots of this home's catalogue.

Queries are the captions and graded queries beside the videos. Vectors come from the lake; missing ones are computed
from the proxies and not stored. Legend: N shots, D dimensions.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import EncoderError, StorageError, UsageError
from ops.core.rows import LakeShot, LakeVideo
from ops.core.settings import Settings
from ops.core.types import Progress
from ops.embeddings.build import convert_to_matrix, hash_inputs, name_table
from ops.embeddings.embed import ShotToEmbed, UnusableShot, embed_shots
from ops.embeddings.encoder import load_encoder
from ops.embeddings.encoders.finetuned import MANIFEST, find_finetuned_files
from ops.embeddings.registry import EncoderRegistry
from ops.embeddings.set_aside import SET_ASIDE, set_aside_shots
from ops.evaluation.comparison import Answered
from ops.evaluation.galleries import Gallery, explain_lone_shot, widen_tasks
from ops.evaluation.shows import ShowAnswer, ShowTask, answer_tasks
from ops.shots.segment import make_proxy_key
from ops.training.pair_table import load_pairs
from ops.training.sources import map_shot_numbers, read_annotations
from ops.videos import catalogue
from ops.videos.forgotten import read_forgotten_ids

QUERIES = ".queries.jsonl"
STAGE = "evaluation"
ASKING = "questions"


@dataclass(frozen=True, kw_only=True)
class ComparedEncoders:
    """Ids of the measured encoder and of the one that it is compared with ("" for none)."""

    encoder_id: str
    against_id: str = ""


def choose_encoders(settings: Settings, current_id: str) -> ComparedEncoders:
    """Choose the encoders to compare in a home.

    The first is the candidate for the live encoder, or else the newest fine-tuned one; the second is the current one.
    If the first is the current one, the second is its base. Without any candidate, the current one alone.
    """
    registry = EncoderRegistry(settings.home)
    candidate = registry.read_state().candidate
    if candidate and candidate.encoder_id != current_id and registry.find_id(candidate.spec) == candidate.encoder_id:
        return ComparedEncoders(encoder_id=candidate.encoder_id, against_id=current_id)
    fine_tuned = sorted(_list_fine_tuned(settings), key=lambda entry: entry[0], reverse=True)
    for _, spec, base_id in fine_tuned:
        encoder_id = registry.find_id(spec)
        if encoder_id == current_id:
            return ComparedEncoders(encoder_id=current_id, against_id=base_id if registry.find_spec(base_id) else "")
        if encoder_id:
            return ComparedEncoders(encoder_id=encoder_id, against_id=current_id)
    return ComparedEncoders(encoder_id=current_id)


def find_training_shows(settings: Settings, encoder_ids: Collection[str]) -> dict[str, set[str]]:
    """Return the shows that each of these encoders was fitted on, by its id, from their manifests."""
    shows: dict[str, set[str]] = {encoder_id: set() for encoder_id in encoder_ids}
    for encoder_id in shows:
        kind, _, name = (EncoderRegistry(settings.home).find_spec(encoder_id) or "").partition(":")
        if kind == "finetuned":
            shows[encoder_id] |= set(find_finetuned_files(settings.home, name).manifest.get("shows", ()))
    return shows


def build_tasks(settings: Settings, progress: Progress) -> list[ShowTask]:
    """Return captions (table ``caption_pairs``) and graded queries of the catalogue by show; empty without captions.

    Shots are named by id. Skips and reports a file of queries that cannot be read, and a shot without a vector from one
    of the encoders. Both sides of a comparison must answer the same queries.
    """
    captions: dict[str, dict[str, tuple[str, ...]]] = {}
    skipped_reasons = {
        row["shot_id"]: row["reason"]
        for encoder_id in settings.lake.list_tables_below(SET_ASIDE)
        for row in set_aside_shots(settings, encoder_id)
    }
    for pair in load_pairs(settings):
        if pair.shot_id in skipped_reasons:
            progress.set_aside(ASKING, f"shot {pair.shot_id}", skipped_reasons[pair.shot_id])
        elif pair.shot_id:
            captions.setdefault(pair.show, {})[pair.shot_id] = pair.captions
    queries: dict[str, list[tuple[str, dict[str, float]]]] = {}
    progress.start(ASKING, 0, "graded queries")
    for video in catalogue.read_videos(settings.lake):
        if video["state"] == "ready" and video["show"] in captions:
            graded_queries = _read_queries(settings, video, captions[video["show"]], progress)
            queries.setdefault(video["show"], []).extend(graded_queries)
            progress.advance(ASKING, len(graded_queries))
    progress.finish(ASKING)
    return [
        ShowTask(show=show, items=tuple(shots), captions=tuple(shots.values()), queries=tuple(queries.get(show, ())))
        for show, shots in sorted(captions.items())
    ]


def choose_competitors(
    settings: Settings, tasks: Sequence[ShowTask], gallery: Gallery, progress: Progress
) -> list[ShowTask]:
    """Return the tasks with the competing shots of their gallery; ``catalogue`` adds shots without a caption.

    A task whose gallery has one shot is skipped and reported. Raises ``UsageError`` if none is left.
    """
    if gallery == "video":
        wide = [part for task in tasks for part in _split_by_video(task)]
    else:
        wide = widen_tasks(tasks, gallery, _list_usable_shots(settings) if gallery == "catalogue" else ())
    reason = explain_lone_shot(gallery, sum(len(task.items) for task in tasks))
    for task in wide:
        if len(task.items) < 2:
            progress.set_aside(ASKING, task.items[0], reason)
    tasks_with_choice = [task for task in wide if len(task.items) > 1]
    if not tasks_with_choice:
        raise UsageError(f"nothing can be measured: {reason}")
    return tasks_with_choice


def _list_usable_shots(settings: Settings) -> list[str]:
    ready = {video["video_id"] for video in catalogue.read_videos(settings.lake) if video["state"] == "ready"}
    ready -= read_forgotten_ids(settings.store)
    skipped_ids = {
        row["shot_id"]
        for encoder_id in settings.lake.list_tables_below(SET_ASIDE)
        for row in set_aside_shots(settings, encoder_id)
    }
    rows = settings.lake.read("shots", columns=["shot_id", "video_id"]).to_pylist()
    return [row["shot_id"] for row in rows if row["video_id"] in ready and row["shot_id"] not in skipped_ids]


def _split_by_video(task: ShowTask) -> list[ShowTask]:
    videos = dict.fromkeys(item.partition(":")[0] for item in task.items)
    parts = []
    for video in videos:
        items_by_video = {
            item: captions
            for item, captions in zip(task.items, task.captions, strict=True)
            if item.partition(":")[0] == video
        }
        queries = (
            (text, {item: grade for item, grade in grades.items() if item in items_by_video})
            for text, grades in task.queries
        )
        parts.append(
            ShowTask(
                show=task.show,
                items=tuple(items_by_video),
                captions=tuple(items_by_video.values()),
                queries=tuple((text, grades) for text, grades in queries if grades),
            )
        )
    return parts


def answer_catalogue(
    settings: Settings, encoder_id: str, tasks: Sequence[ShowTask], progress: Progress
) -> list[ShowAnswer]:
    """Return an encoder's answers to the tasks.

    Raises ``EncoderError`` if it cannot be loaded, ``StorageError`` if a proxy cannot be read.
    """
    items = list(dict.fromkeys(item for task in tasks for item in task.items))
    vectors = _read_vectors(settings, encoder_id, items)
    missing = [item for item in items if item not in vectors]
    encoder = load_encoder(encoder_id, settings.home, part="both" if missing else "text")
    progress.start(STAGE, len(missing), "shots")
    shots = {shot["shot_id"]: shot for shot in _read_shots(settings, missing)} if missing else {}
    to_embed = [
        ShotToEmbed(
            shot_id=item,
            proxy_key=make_proxy_key(shots[item]["video_id"], shots[item]["start_frame"], shots[item]["end_frame"]),
            frames=shots[item]["end_frame"] - shots[item]["start_frame"],
        )
        for item in missing
    ]
    for result in embed_shots(to_embed, settings.store, encoder, frames_per_shot=settings.frames_per_shot):
        if isinstance(result, UnusableShot):
            raise StorageError(f"shot {result.shot_id} cannot be used: {result.reason}; run `needle ingest --retry`")
        vectors[result.shot_id] = result.embedding
        progress.advance(STAGE)
    progress.finish(STAGE)
    return answer_tasks(tasks, vectors, encoder.encode_text)


def answer_both(
    settings: Settings, contest: ComparedEncoders, tasks: Sequence[ShowTask], progress: Progress
) -> list[Answered]:
    """Return both encoders' answers, as input of :func:`ops.evaluation.comparison.compare_answers`."""
    ids = [encoder_id for encoder_id in (contest.encoder_id, contest.against_id) if encoder_id]
    return [(encoder_id, answer_catalogue(settings, encoder_id, tasks, progress)) for encoder_id in ids]


def _read_queries(
    settings: Settings, video: LakeVideo, captioned_ids: Collection[str], progress: Progress
) -> list[tuple[str, dict[str, float]]]:
    """Return graded queries beside a video, with the catalogue's shots instead of the annotated numbers."""
    lines = read_annotations(video["path"], QUERIES)
    file = f"{video['path']}{QUERIES}"
    if isinstance(lines, str):
        progress.set_aside(ASKING, file, lines)
        return []
    for number, reason in lines.faults.items():
        progress.set_aside(ASKING, f"{file} line {number}", reason)
    by_number = map_shot_numbers(settings, video) if lines.rows else {}
    queries = []
    for number, row in lines.rows.items():
        try:
            grades = {by_number.get(int(shot), ""): float(grade) for shot, grade in row["relevant"].items()}
            query = str(row["query"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            reason = f"is not a graded query ({type(error).__name__}: {error})"
            progress.set_aside(ASKING, f"{file} line {number}", reason)
            continue
        grades = {shot: grade for shot, grade in grades.items() if shot in captioned_ids and grade > 0}
        if grades:
            queries.append((query, grades))
    return queries


def _read_vectors(settings: Settings, encoder_id: str, shot_ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """Return the lake's vectors of these shots that are current."""
    table = settings.lake.read(name_table(encoder_id), columns=["shot_id", "embedding", "input_hash"])
    shots = _read_shots(settings, shot_ids)
    current = {shot["shot_id"]: hash_inputs(shot, settings.frames_per_shot) for shot in shots}
    ids, hashes = table["shot_id"].to_pylist(), table["input_hash"].to_pylist()
    rows = [row for row, shot_id in enumerate(ids) if current.get(shot_id) == hashes[row]]
    vectors_ND = convert_to_matrix(table["embedding"].take(rows)) if rows else np.zeros((0, 0), np.float32)
    return {ids[row]: vector for row, vector in zip(rows, vectors_ND, strict=True)}


def _read_shots(settings: Settings, shot_ids: Sequence[str]) -> list[LakeShot]:
    ids = set(shot_ids)
    partitions = sorted({settings.resolve_partition(shot_id.partition(":")[0]) for shot_id in ids})
    rows: list[LakeShot] = settings.lake.read("shots", partitions).to_pylist()
    return [row for row in rows if row["shot_id"] in ids]


def _list_fine_tuned(settings: Settings) -> list[tuple[str, str, str]]:
    """Return ``(trained_at, spec, base_id)`` of every fine-tuned encoder of the home that can be read."""
    encoders = []
    for manifest in (settings.home / "encoders").glob(f"*/{MANIFEST}"):
        try:
            content = find_finetuned_files(settings.home, manifest.parent.name).manifest
        except EncoderError:
            continue
        spec = f"finetuned:{manifest.parent.name}"
        encoders.append((str(content.get("trained_at", "")), spec, str(content.get("base_id"))))
    return encoders
