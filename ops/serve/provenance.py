"""Provenance of a shot: file and hash, detector, encoder, index, features, and the runs that computed each of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from fractions import Fraction
from typing import Any

import pyarrow.compute as pc

from feature_repo.names import embedding_view
from ops.core.schemas import SCORES, TABLES, find_key_column, find_schema
from ops.core.steps import Step
from ops.dialogue.spoken_words import UNSURE
from ops.embeddings.build import name_table
from ops.pipeline import list_steps, list_tables
from ops.search.shot_details import VideoRow
from ops.serve.answers import ShotAnswer
from ops.serve.answers.details import VideoFacts
from ops.serve.answers.provenance import Dialogue, DialogueSource, Provenance, Run, Source
from ops.serve.answers.shots import HitText, ProbeScore, SpokenLine
from ops.serve.problems import ProblemError
from ops.serve.service import Service
from ops.shots.proxy_times import read_proxy_times

VECTORS = "shot_embeddings"
_DIALOGUE_SOURCE = ("path", "source", "language", "language_tag", "content_hash", "lines", "reason")


def build_shot_document(service: Service, shot_id: str) -> ShotAnswer:
    """Return the document of ``GET /api/shots/{id}``. Raises ``ProblemError`` 404."""
    shots = service.details.read([shot_id])
    video = service.details.find_video(shot_id.partition(":")[0])
    if not shots or video is None:
        raise ProblemError(404, f"no shot {shot_id!r} in the catalogue: search, or list those of a video")
    previous, following = service.details.find_neighbours(shot_id)
    shot = shots[shot_id]
    is_indexed = service.index_version() is not None
    return ShotAnswer(
        **shot.public,
        is_blank=shot.is_blank,
        is_title=is_indexed and service.searcher.is_title(shot_id),
        previous=previous,
        next=following,
        frame_times=read_proxy_times(
            service.settings.store, shot.video_id, shot.start_frame, shot.end_frame, Fraction(shot.fps)
        ),
        lines=list_lines(service, video, shot_id),
        texts=list_texts(service, video, shot_id),
        probes=list_probes(service, shot_id),
        video=VideoFacts(**{name: getattr(video, name) for name in VideoFacts.model_fields}),
        provenance=_build_provenance(service, shot_id, video),
    )


def list_lines(service: Service, video: VideoRow, shot_id: str | None = None) -> list[SpokenLine]:
    """Return the dialogue of a video, or of one of its shots, in the order of time."""
    names = ("line_id", "text", "start_s", "end_s", "start_frame", "end_frame", "language", "source")
    partition = service.settings.resolve_partition(video.video_id)
    columns = (*names, "shot_ids", "video_id", "certainty")
    rows = service.settings.lake.read("dialogue", [partition], columns).to_pylist()
    return [
        SpokenLine(
            start_timecode=video.timecode_at(row["start_frame"], row["start_s"]),
            is_unsure=row["certainty"] is not None and row["certainty"] < UNSURE,
            **{name: row[name] for name in names},
        )
        for row in sorted(rows, key=lambda row: (row["start_frame"], row["line_id"]))
        if row["video_id"] == video.video_id and (shot_id is None or shot_id in row["shot_ids"])
    ]


def list_texts(service: Service, video: VideoRow, shot_id: str) -> list[HitText]:
    """Return the writing in the picture of a shot, in the order of time and from top to bottom."""
    columns = ("text_id", "text", "start_frame", "end_frame", "start_s", "shot_id", "kind", "box")
    rows = service.settings.lake.read(
        "screen_text", [service.settings.resolve_partition(video.video_id)], columns
    ).to_pylist()
    texts = [row for row in rows if row["shot_id"] == shot_id and row["kind"] == "text"]
    return [
        HitText(
            start_timecode=video.timecode_at(row["start_frame"], row["start_s"]),
            **{name: row[name] for name in ("text_id", "text", "start_frame", "end_frame")},
        )
        for row in sorted(texts, key=lambda row: (row["start_frame"], row["box"][1]))
    ]


def list_probes(service: Service, shot_id: str) -> list[ProbeScore]:
    """Return the probe scores of the shot, the highest first."""
    partition = service.settings.resolve_partition(shot_id.partition(":")[0])
    rows = {probe: _read_row(service, f"{SCORES}/{probe}", partition, shot_id) for probe in service.list_probes()}
    scores = [ProbeScore(probe=probe, score=round(row["score"], 6)) for probe, row in rows.items() if row]
    return sorted(scores, key=lambda each: (-each.score, each.probe))


def _build_provenance(service: Service, shot_id: str, video: VideoRow) -> Provenance:
    partition = service.settings.resolve_partition(video.video_id)
    retriever = service.searcher.retriever
    encoder_id = retriever.encoder_id
    shot = _read_row(service, "shots", partition, shot_id)
    vector = _read_row(service, name_table(encoder_id), partition, shot_id)
    index = retriever.index() if service.index_version() is not None else None
    is_indexed = index is not None and shot_id in index.vectors([shot_id])
    runs = service.runs(_list_assets(service, shot_id, video, encoder_id, partition)) if service.runs else []
    since = service.since.find(video.video_id, encoder_id) if is_indexed else None
    return Provenance(
        source=Source(path=video.path, content_hash=video.content_hash, bytes=video.bytes),
        detector=shot["detector"] if shot else "",
        shot_computed_at=_format_time(shot["created_timestamp"]) if shot else None,
        encoder_id=encoder_id,
        embedding_computed_at=_format_time(vector["created_timestamp"]) if vector else None,
        vector_hash=vector["vector_hash"] if vector else None,
        frames_used=vector["frames_used"] if vector else None,
        index_version=index.version if index and is_indexed else None,
        indexed_at=index.created if index and is_indexed else None,
        dialogue=_build_dialogue(service, video.video_id, shot_id),
        feature_views=_list_feature_views(service, encoder_id, partition),
        searchable_since=_format_time(since) if since else None,
        runs=[Run.model_validate(each) for each in runs],
    )


def _build_dialogue(service: Service, video_id: str, shot_id: str) -> Dialogue:
    """Return the dialogue of a shot in the answer of ``GET /api/shots/{id}``.

    ``sources`` are those of the video, usable or not. ``content_hash`` is the SHA-256 of a subtitle file, the SHA-256
    of the video file for a track in it, or the model's name for recognised speech.
    """
    lake, partition = service.settings.lake, service.settings.resolve_partition(video_id)
    sources = lake.read("subtitles", [partition], ("video_id", *_DIALOGUE_SOURCE))
    rows = sources.filter(pc.equal(sources["video_id"], video_id)).to_pylist()
    shots = lake.read("shot_dialogue", [partition], ("shot_id", "created_timestamp"))
    read = shots.filter(pc.equal(shots["shot_id"], shot_id))["created_timestamp"].to_pylist()
    lines = service.searcher.open_lines()
    return Dialogue(
        dialogue_version=lines.version if lines else None,
        read_at=read[0].isoformat(timespec="seconds") if read else None,
        sources=[DialogueSource(**{name: row[name] for name in _DIALOGUE_SOURCE}) for row in rows],
    )


def _list_assets(
    service: Service, shot_id: str, video: VideoRow, encoder_id: str, partition: str
) -> list[tuple[str, str, float]]:
    """Return the assets that the shot is in, with its partition or "" and the Unix time of the computation."""
    assets = []
    for step in list_steps():
        computed_at = _find_time(service, step, shot_id, video, encoder_id, partition)
        if computed_at:
            at = computed_at.timestamp()
            assets += [(step.name, partition, at)]
            assets += [(asset, partition if has_partitions else "", at) for asset, has_partitions in _list_copies(step)]
    return assets


def _list_copies(step: Step) -> tuple[tuple[str, bool], ...]:
    """Return the assets that copy the rows of a step, and whether they have partitions."""
    copies = {
        VECTORS: (("media_features", True), ("search_index", False)),
        "dialogue": (("dialogue_index", False),),
        "screen_text": (("screen_text_index", False),),
    }
    return copies.get(step.name, ())


def _find_time(
    service: Service, step: Step, shot_id: str, video: VideoRow, encoder_id: str, partition: str
) -> datetime | None:
    """Return the time of the step's row of the shot, or of its video; ``None`` if it has no such row."""
    for table in list_tables(step):
        identifier = {"shot_id": shot_id, "video_id": video.video_id}.get(table.key)
        if identifier:
            row = _read_row(service, table.name_for_encoder(encoder_id), partition, identifier)
            return row["created_timestamp"] if row else None
    return None


def _list_feature_views(service: Service, encoder_id: str, partition: str) -> list[str]:
    """Return the names of the Feast views that serve features of the shot."""
    views = []
    for table in TABLES.values():
        if table.name == VECTORS:
            views.append(embedding_view(encoder_id))
        elif table.feature_view and service.settings.lake.exists(table.name, partition):
            views.append(table.feature_view.name)
    return views + [f"probe_score__{probe}" for probe in service.list_probes()]


def _read_row(service: Service, table: str, partition: str, identifier: str) -> Mapping[str, Any] | None:
    """Return the shot's or the video's row of a table, without the vector itself."""
    names = [name for name in find_schema(table).names if name != "embedding"]
    rows = service.settings.lake.read(table, [partition], names)
    matching: list[Mapping[str, Any]] = rows.filter(pc.equal(rows[find_key_column(table)], identifier)).to_pylist()
    return matching[0] if matching else None


def _format_time(when: datetime) -> str:
    return when.isoformat(timespec="seconds")
