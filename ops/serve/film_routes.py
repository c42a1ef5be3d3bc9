"""``/api/videos/{video_id}``: a whole video with its shots, and corrections of its cuts by people."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from ops.core.rows import LakeShot, LakeVideo
from ops.probes.changed_labels import find_changed_labels
from ops.search.shot_details import VideoRow
from ops.serve.answers import CorrectedAnswer, CorrectionsAnswer, FilmAnswer, TranscriptAnswer
from ops.serve.answers.films import ChangedLabel, Correction, FilmShot
from ops.serve.documents import build_addresses, send_json
from ops.serve.fields import VIDEO_ID
from ops.serve.problems import ProblemError, describe_problems
from ops.serve.provenance import list_lines
from ops.serve.roles import choose_author
from ops.serve.schemas import CorrectionBody
from ops.serve.service import Service
from ops.shots.correcting import ACTIONS, CutState, correct_cuts, read_cut_state
from ops.shots.due import parse_version
from ops.videos.catalogue import read_videos

VideoPath = Annotated[str, Path(pattern=VIDEO_ID)]
VERBS = {action: verb for verb, action in ACTIONS.items()}


def build_film_routes(service: Service) -> APIRouter:
    """Return the four routes of this service."""
    router = APIRouter(tags=["films"])

    @router.get(
        "/api/videos/{video_id}",
        response_model=None,
        responses={200: {"model": FilmAnswer}, **describe_problems(404)},
        summary="A whole film: its shots in order, and the corrections of its cuts",
    )
    async def film(request: Request, video_id: VideoPath) -> Response:
        return send_json(request, await service.queues.lookup.run(_build_film, service, video_id))

    @router.get(
        "/api/videos/{video_id}/dialogue",
        response_model=None,
        responses={200: {"model": TranscriptAnswer}, **describe_problems(404)},
        summary="The transcript of a film: every line of dialogue in the order of time",
    )
    async def dialogue(request: Request, video_id: VideoPath) -> Response:
        return send_json(request, await service.queues.lookup.run(_build_transcript, service, video_id))

    @router.get(
        "/api/videos/{video_id}/corrections",
        response_model=None,
        responses={200: {"model": CorrectionsAnswer}, **describe_problems(404)},
        summary="Corrections of the cuts of a film, and the changes of the next ingest",
    )
    async def corrections(request: Request, video_id: VideoPath) -> Response:
        return send_json(request, await service.queues.lookup.run(_build_corrections, service, video_id))

    @router.post(
        "/api/videos/{video_id}/corrections",
        response_model=None,
        responses={200: {"model": CorrectedAnswer}, **describe_problems(404)},
        summary="Say that a shot begins at a frame, or that none does; the next ingest applies it",
    )
    async def correct(request: Request, video_id: VideoPath, body: CorrectionBody) -> Response:
        author = choose_author(request, body.author)
        return send_json(request, await service.queues.lookup.run(_correct, service, video_id, body, author))

    return router


def _build_film(service: Service, video_id: str) -> FilmAnswer:
    state = _read_state(service, video_id)
    video = state.video
    if service.details.list_starts(video_id) != [row["start_frame"] for row in state.rows]:
        service.details.forget()  # an ingest has cut the video again: posters and proxies are other files now
    versions = service.details.compute_media_versions([row["shot_id"] for row in state.rows])
    clock = VideoRow.build(video)
    return FilmAnswer(
        show=video["show"],
        title=video["title"],
        path=video["path"],
        fps=f"{video['fps_num']}/{video['fps_den']}",
        frames=state.frames,
        start_timecode=video["start_timecode"],
        has_audio=video["has_audio"],
        film_shots=[_build_shot(row, clock, versions.get(row["shot_id"], "")) for row in state.rows],
        **_describe_state(state).__dict__,
    )


def _build_shot(row: LakeShot, video: VideoRow, version: str) -> FilmShot:
    corrections = row["detector"].partition("+")[2]
    poster, proxy = build_addresses(row["shot_id"], version)
    return FilmShot(
        shot_id=row["shot_id"],
        start_frame=row["start_frame"],
        end_frame=row["end_frame"],
        start_s=row["start_s"],
        end_s=row["end_s"],
        transition=row["transition"],
        is_blank=row["is_blank"],
        start_timecode=video.timecode_at(row["start_frame"], row["start_s"]),
        corrections=corrections.split("+") if corrections else [],
        poster=poster,
        proxy=proxy,
    )


def _build_transcript(service: Service, video_id: str) -> TranscriptAnswer:
    clock = VideoRow.build(_find_video(service, video_id))
    return TranscriptAnswer(video_id=video_id, lines=list_lines(service, clock))


def _build_corrections(service: Service, video_id: str) -> CorrectionsAnswer:
    return _describe_state(_read_state(service, video_id))


def _correct(service: Service, video_id: str, body: CorrectionBody, author: str) -> CorrectedAnswer:
    """Append corrections and return the answer.

    Raises ``UsageError`` for an invalid correction, ``ProblemError`` 404 for an unknown video.
    """
    state = correct_cuts(
        service.settings,
        _find_video(service, video_id),
        [(VERBS[body.action], body.frame)],
        author=author,
        note=body.note,
        now=datetime.now(UTC),
    )
    changes = [ChangedLabel.model_validate(each.document()) for each in find_changed_labels(service.settings, state)]
    return CorrectedAnswer(labels=changes, **_describe_state(state).__dict__)


def _describe_state(state: CutState) -> CorrectionsAnswer:
    return CorrectionsAnswer(
        video_id=state.video["video_id"],
        corrections=[
            Correction(
                frame=each.frame,
                action=each.action,
                author=each.author,
                created_at=each.created_at.isoformat(),
                note=each.note,
                state=correction_state,
            )
            for each, correction_state in state.list_states()
        ],
        to_cut=state.to_cut,
        to_merge=state.to_merge,
        shots=len(state.rows),
        detected_by=parse_version(state.rows[0]),
    )


def _read_state(service: Service, video_id: str) -> CutState:
    return read_cut_state(service.settings, _find_video(service, video_id))


def _find_video(service: Service, video_id: str) -> LakeVideo:
    settings = service.settings
    rows = read_videos(settings.lake, [settings.resolve_partition(video_id)])
    video = next((row for row in rows if row["video_id"] == video_id), None)
    if video is None:
        raise ProblemError(404, f"no video {video_id!r} in the catalogue: `needle status` lists them")
    return video
