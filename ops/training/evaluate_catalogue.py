"""How well encoders find the captioned shots of this home's catalogue.

The questions are the captions and graded queries beside the films; the vectors are those of the lake where it has
them, and are computed from the proxies where not, without being kept. Legend: N shots, D dimensions.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import EncoderError, StorageError
from ops.core.settings import Settings
from ops.core.types import Progress
from ops.embeddings.build import input_hash, matrix_of, table_of
from ops.embeddings.embed import ShotToEmbed, UnusableShot, embed_shots
from ops.embeddings.encoder import load_encoder
from ops.embeddings.encoders.finetuned import MANIFEST, finetuned_files
from ops.embeddings.pins import EncoderPins
from ops.embeddings.set_aside import SET_ASIDE, set_aside_shots
from ops.evaluation.comparison import Answered
from ops.evaluation.shows import ShowAnswer, ShowTask, answer
from ops.shots.segment import proxy_key
from ops.training.pair_table import stored_pairs
from ops.training.sources import annotations_beside, shots_by_number
from ops.videos import catalogue

QUERIES = ".queries.jsonl"
STAGE = "evaluation"
ASKING = "questions"


@dataclass(frozen=True, kw_only=True)
class Contest:
    """Ids of the encoder to look at and of the one it is measured against ("" for none)."""

    encoder_id: str
    against_id: str = ""


def contest_of(settings: Settings, current_id: str) -> Contest:
    """What there is to compare in a home: an encoder that is to become live, or else the newest fine-tuned one, with
    the current one; where that is the current one, with the base it was made from; else the current one alone."""
    pins = EncoderPins(settings.home)
    candidate = pins.succession().candidate
    if candidate and candidate.encoder_id != current_id and pins.id_of(candidate.spec) == candidate.encoder_id:
        return Contest(encoder_id=candidate.encoder_id, against_id=current_id)
    found = sorted(_fine_tuned(settings), key=lambda entry: entry[0], reverse=True)
    for _, spec, base_id in found:
        encoder_id = pins.id_of(spec)
        if encoder_id == current_id:
            return Contest(encoder_id=current_id, against_id=base_id if pins.spec_of(base_id) else "")
        if encoder_id:
            return Contest(encoder_id=encoder_id, against_id=current_id)
    return Contest(encoder_id=current_id)


def learned_by(settings: Settings, encoder_ids: Collection[str]) -> dict[str, set[str]]:
    """Shows that each of these encoders was fitted on, by its id, as their manifests say."""
    shows: dict[str, set[str]] = {encoder_id: set() for encoder_id in encoder_ids}
    for encoder_id in shows:
        kind, _, name = (EncoderPins(settings.home).spec_of(encoder_id) or "").partition(":")
        if kind == "finetuned":
            shows[encoder_id] |= set(finetuned_files(settings.home, name).manifest.get("shows", ()))
    return shows


def catalogue_tasks(settings: Settings, progress: Progress) -> list[ShowTask]:
    """What the captions (table ``caption_pairs``) and graded queries of the catalogue ask of each show, sorted by show;
    empty where there are no captions. Shots are named by id; a file of queries that cannot be read is set aside, and so
    is a shot that an encoder has no vector for."""
    captions: dict[str, dict[str, tuple[str, ...]]] = {}
    # Both sides of a comparison must answer the same questions, so a shot that one of them lacks is left out.
    refused = {
        row["shot_id"]: row["reason"]
        for encoder_id in settings.lake.tables_below(SET_ASIDE)
        for row in set_aside_shots(settings, encoder_id)
    }
    for pair in stored_pairs(settings):
        if pair.shot_id in refused:
            progress.set_aside(ASKING, f"shot {pair.shot_id}", refused[pair.shot_id])
        elif pair.shot_id:
            captions.setdefault(pair.show, {})[pair.shot_id] = pair.captions
    queries: dict[str, list[tuple[str, dict[str, float]]]] = {}
    progress.start(ASKING, 0, "graded queries")
    for video in catalogue.videos_of(settings.lake):
        if video["state"] == "ready" and video["show"] in captions:
            asked = _queries(settings, video, captions[video["show"]], progress)
            queries.setdefault(video["show"], []).extend(asked)
            progress.advance(ASKING, len(asked))
    progress.finish(ASKING)
    return [
        ShowTask(show=show, items=tuple(own), captions=tuple(own.values()), queries=tuple(queries.get(show, ())))
        for show, own in sorted(captions.items())
    ]


def answer_catalogue(
    settings: Settings, encoder_id: str, tasks: Sequence[ShowTask], progress: Progress
) -> list[ShowAnswer]:
    """An encoder's answers to the tasks. Raises ``EncoderError`` for one that cannot be loaded, ``StorageError`` for a
    proxy that cannot be read."""
    wanted = [item for task in tasks for item in task.items]
    vectors = _stored_vectors(settings, encoder_id, wanted)
    missing = [item for item in wanted if item not in vectors]
    encoder = load_encoder(encoder_id, settings.home, part="both" if missing else "text")
    progress.start(STAGE, len(missing), "shots")
    shots = {shot["shot_id"]: shot for shot in _shots(settings, missing)} if missing else {}
    to_embed = [
        ShotToEmbed(
            shot_id=item,
            proxy_key=proxy_key(shots[item]["video_id"], shots[item]["start_frame"], shots[item]["end_frame"]),
            frames=shots[item]["end_frame"] - shots[item]["start_frame"],
        )
        for item in missing
    ]
    for found in embed_shots(to_embed, settings.store, encoder, frames_per_shot=settings.frames_per_shot):
        if isinstance(found, UnusableShot):
            raise StorageError(f"shot {found.shot_id} cannot be used: {found.reason}; run `needle ingest --retry`")
        vectors[found.shot_id] = found.embedding
        progress.advance(STAGE)
    progress.finish(STAGE)
    return [answer(task, np.stack([vectors[item] for item in task.items]), encoder.encode_text) for task in tasks]


def answered_by(settings: Settings, contest: Contest, tasks: Sequence[ShowTask], progress: Progress) -> list[Answered]:
    """Both encoders' answers, as :func:`ops.evaluation.comparison.comparison_of` takes them."""
    ids = [encoder_id for encoder_id in (contest.encoder_id, contest.against_id) if encoder_id]
    return [(encoder_id, answer_catalogue(settings, encoder_id, tasks, progress)) for encoder_id in ids]


def _queries(
    settings: Settings, video: dict[str, Any], captioned: Collection[str], progress: Progress
) -> list[tuple[str, dict[str, float]]]:
    """Graded queries beside a film, with the shots of the catalogue that the annotated ones are."""
    rows = annotations_beside(video["path"], QUERIES)
    if isinstance(rows, str):
        progress.set_aside(ASKING, f"{video['path']}{QUERIES}", rows)
    if isinstance(rows, str) or not rows:
        return []
    by_number = shots_by_number(settings, video)
    found = []
    for line, row in enumerate(rows, 1):
        try:
            grades = {by_number.get(int(shot), ""): float(grade) for shot, grade in row["relevant"].items()}
            query = str(row["query"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            reason = f"is no graded query ({type(error).__name__}: {error})"
            progress.set_aside(ASKING, f"{video['path']}{QUERIES} line {line}", reason)
            continue
        grades = {shot: grade for shot, grade in grades.items() if shot in captioned and grade > 0}
        if grades:
            found.append((query, grades))
    return found


def _stored_vectors(settings: Settings, encoder_id: str, wanted: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """Those of the lake that were made of what the shots are now."""
    table = settings.lake.read(table_of(encoder_id), columns=["shot_id", "embedding", "input_hash"])
    shots = _shots(settings, wanted)
    current = {shot["shot_id"]: input_hash(shot, settings.frames_per_shot) for shot in shots}
    ids, hashes = table["shot_id"].to_pylist(), table["input_hash"].to_pylist()
    rows = [row for row, shot_id in enumerate(ids) if current.get(shot_id) == hashes[row]]
    vectors_ND = matrix_of(table["embedding"].take(rows)) if rows else np.zeros((0, 0), np.float32)
    return {ids[row]: vector for row, vector in zip(rows, vectors_ND, strict=True)}


def _shots(settings: Settings, wanted: Sequence[str]) -> list[dict[str, Any]]:
    ids = set(wanted)
    partitions = sorted({settings.partition_of(shot_id.partition(":")[0]) for shot_id in ids})
    rows: list[dict[str, Any]] = settings.lake.read("shots", partitions).to_pylist()
    return [row for row in rows if row["shot_id"] in ids]


def _fine_tuned(settings: Settings) -> list[tuple[str, str, str]]:
    """``(trained_at, spec, base_id)`` of every fine-tuned encoder of the home that can be read."""
    found = []
    for manifest in (settings.home / "encoders").glob(f"*/{MANIFEST}"):
        try:
            told = finetuned_files(settings.home, manifest.parent.name).manifest
        except EncoderError:
            continue
        found.append((str(told.get("trained_at", "")), f"finetuned:{manifest.parent.name}", str(told.get("base_id"))))
    return found
