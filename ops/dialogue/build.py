"""Bring the dialogue of some partitions up to date: lines, the dialogue of each shot, and the sources.

Stands alone because this makes a re-run a no-op: a video's sources are read again only if its subtitle files, its shots
or the recipe for reading them changed. ``shot_dialogue`` records that, and is written last, so that the next run
finishes a killed one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from fractions import Fraction
from typing import Any

from ops.core.errors import DamagedTableError, MediaError, UsageError, make_home_error
from ops.core.plural import plural
from ops.core.rows import LakeLine, LakeShot, LakeShotDialogue, LakeSubtitle, LakeVideo
from ops.core.settings import Settings
from ops.core.speech_language import find_speech_language
from ops.core.tables import compute_digest
from ops.core.types import Progress, StepReport
from ops.dialogue.alignment import FrameClock
from ops.dialogue.checks import check_dialogue
from ops.dialogue.lines import DialogueLine, limit_notes, merge_lines
from ops.dialogue.recipe import RECIPE
from ops.dialogue.rows import build_line_rows, build_shot_rows, build_subtitle_rows, renew_subtitle_row
from ops.dialogue.sources import (
    SPEECH,
    SubtitleRequest,
    SubtitleSource,
    order_sidecars,
    read_sources,
    recognise_speech,
    refuse_sidecar,
)
from ops.dialogue.speech import OFF, explain_speech_problem, load_recogniser
from ops.dialogue.stored_speech import (
    find_earlier_speech,
    forget_speech,
    group_by_video,
    has_other_speech,
    read_line,
)
from ops.dialogue.timing import PLAIN, SubtitleTiming, propose_timing, read_timing, read_timings
from ops.shots.proxy_times import read_proxy_times
from ops.videos import catalogue
from ops.videos.damaged_tables import FILM, LOST_DIALOGUE
from ops.videos.film_errors import convert_film_errors
from ops.videos.film_process import FilmProcess, FilmStep
from ops.videos.speech_sound import SoundRequest, write_speech_sound
from ops.videos.subtitles import Sidecar, find_sidecars, find_unowned_subtitles

TABLES = ("dialogue", "subtitles", "shot_dialogue")
STAGE = "dialogue"
LIMIT = "NEEDLE_OPEN_SECONDS and the length of the film"
STEP = FilmStep(doing="reading its dialogue", did="read its dialogue", limit=LIMIT)
SOUND_STEP = FilmStep(doing="reading its sound", did="read its sound", limit=LIMIT)
MOST_NOTES = 3
"""Notes of one source that are reported while it is read; all are in the table ``subtitles``."""

Due = tuple[LakeVideo, list[LakeShot], list[Sidecar]]
ReadSubtitles = Callable[[SubtitleRequest], list[SubtitleSource]]
ReadSound = Callable[[SoundRequest], None]
SubtitleProcess = FilmProcess[SubtitleRequest, list[SubtitleSource]]
SoundProcess = FilmProcess[SoundRequest, None]


def build_dialogue(
    settings: Settings,
    partitions: Sequence[str],
    now: datetime,
    progress: Progress,
    *,
    read: ReadSubtitles = read_sources,
    read_sound: ReadSound = write_speech_sound,
) -> StepReport:
    """Read the dialogue of every ready video of the partitions that is not read yet.

    An unusable source is reported with its reason, and the rest goes on. Films and subtitle files are read by ``read``
    in another process, and sound by ``read_sound``, so that one that crashes it, or takes too much time or memory,
    costs its own dialogue only. Each video's rows are written as soon as it is done.
    """
    limits = settings.film_limits
    with (
        settings.hold_work_lock(),
        FilmProcess(read, STEP, limits) as process,
        FilmProcess(read_sound, SOUND_STEP, limits) as sound_process,
    ):
        progress.start(STAGE, 0, "lines")
        reading = _DialogueReader(settings, now, progress, process, sound_process)
        changes = sum(map(reading.bring_up_to_date, find_due(settings, partitions)))
        changes += sum(settings.lake.ensure(table, partition) for partition in partitions for table in TABLES)
        changes += _rename(settings, partitions, now)
        _require_intact(settings, partitions)
        reading.tell_of_speech()
        progress.finish(STAGE)
        return _report(settings, partitions, changes, reading)


def find_due(settings: Settings, partitions: Iterable[str]) -> list[Due]:
    """Return ``(video, shots, subtitle files)`` of each cut, ready video of the partitions with outdated dialogue."""
    due = []
    hears = not explain_speech_problem(settings.speech)
    videos = [row for row in catalogue.read_videos(settings.lake, list(partitions)) if row["state"] == "ready"]
    sidecars = find_sidecars(settings, videos)  # of all at once: each folder is listed once
    stored = [set(settings.lake.list_partitions(table)) for table in TABLES]
    by_partition: dict[str, list[LakeVideo]] = {}
    for row in videos:
        by_partition.setdefault(settings.resolve_partition(row["video_id"]), []).append(row)
    for partition, members in sorted(by_partition.items()):
        shots = group_by_video(settings, "shots", partition)
        read = group_by_video(settings, "shot_dialogue", partition)
        sources = group_by_video(settings, "subtitles", partition) if hears or settings.speech == OFF else {}
        timings = read_timings(settings, partition)
        for video in members:
            video_shots = sorted(shots.get(video["video_id"], []), key=lambda row: row["index"])
            files = sidecars.get(video["video_id"])
            stored_rows = read.get(video["video_id"], [])
            video_sources = sources.get(video["video_id"], [])
            is_other_speech = has_other_speech(settings, video, video_sources, hears=hears)
            if not video_shots or (files is None and stored_rows and not (settings.speech == OFF and is_other_speech)):
                continue  # not cut yet; or its folder cannot be read just now: its stored dialogue stays
            inputs = hash_inputs(video_shots, files or [], timings.get(video["video_id"], PLAIN))
            current = {(shot["shot_id"], inputs) for shot in video_shots}
            is_read = {(row["shot_id"], row["input_hash"]) for row in stored_rows} == current
            is_whole = all(partition in names for names in stored)  # each table has a file, even without a row
            if not is_read or not is_whole or is_other_speech:
                due.append((video, video_shots, files or []))
    return due


def hash_inputs(shots: Sequence[LakeShot], sidecars: Sequence[Sidecar], timing: SubtitleTiming) -> str:
    """Return the hash of all inputs of a video's lines and ties; its id stands for the subtitles inside it."""
    spans = [(shot["shot_id"], shot["end_frame"], shot["start_s"], shot["end_s"]) for shot in shots]
    files = sorted((file.path, file.content_hash, file.language) for file in sidecars)
    # Videos without a timing keep the hash that they had before timings existed.
    timings = [] if timing.is_plain else [[timing.shift_s, timing.stretch]]
    return hashlib.blake2b(json.dumps([RECIPE, spans, files, *timings]).encode(), digest_size=8).hexdigest()


class _DialogueReader:
    """The state of one run: its counts and reports, and the reason if speech cannot be recognised."""

    def __init__(
        self,
        settings: Settings,
        now: datetime,
        progress: Progress,
        process: SubtitleProcess,
        sound_process: SoundProcess,
    ) -> None:
        self.settings, self.now, self.progress = settings, now, progress
        self.process, self.sound_process = process, sound_process
        self.silent: list[str] = []
        self.unheard: dict[str, list[str]] = {}
        """Paths of films with sound of which a model made no line, by the reason."""
        self.refusals: dict[str, str] = {}
        self.problem = explain_speech_problem(settings.speech)

    def bring_up_to_date(self, due: Due) -> int:
        """Read one video and write its rows; return the number of tables that changed."""
        video, shots, sidecars = due
        clock = self._build_clock(video, shots)
        timing = read_timing(self.settings, video["video_id"])
        inputs = hash_inputs(shots, sidecars, timing)
        if reason := _explain_loss(self.settings, video):
            return self._set_aside(video, clock, reason, inputs, LOST_DIALOGUE)
        if self.settings.speech == OFF and not catalogue.has_source(video):
            return self._put_stored(video, clock, inputs)  # without speech
        try:
            with convert_film_errors(video["path"], "reading its dialogue"):
                sources = self._read(video, sidecars, clock.length_s, timing)
                if video["has_audio"] and not any(source.lines for source in sources):
                    sources += self._find_speech(video, clock)
        except MediaError as error:  # an error of the store does not concern the video, and ends the run
            reason = f"its dialogue cannot be read: {error}"
            return self._set_aside(video, clock, reason, inputs, video["content_hash"] or "")
        except OSError as error:
            raise make_home_error(self.settings.scratch, error) from error
        sources = self._compare(video, sources, timing)
        self._tell(video, sources)
        lines = merge_lines(source.lines for source in sources)
        return self._write(video, clock, lines, sources, inputs)

    def _read(
        self, video: LakeVideo, sidecars: Sequence[Sidecar], length_s: float, timing: SubtitleTiming
    ) -> list[SubtitleSource]:
        """Read the sources of a video together, or one by one if one of them ends the process or the time."""
        whole = SubtitleRequest(
            video=video, sidecars=tuple(sidecars), length_s=length_s, timing=timing, scratch=self.settings.scratch
        )
        try:
            return self._ask(whole)
        except MediaError:
            if not sidecars:
                raise
        tracks = self._ask(replace(whole, sidecars=()))
        return [self._read_one(whole, each) for each in order_sidecars(sidecars)] + tracks

    def _read_one(self, whole: SubtitleRequest, sidecar: Sidecar) -> SubtitleSource:
        try:
            (source,) = self._ask(replace(whole, sidecars=(sidecar,), tracks=False))
            return source
        except MediaError as error:
            return refuse_sidecar(sidecar, str(error))

    def _ask(self, request: SubtitleRequest) -> list[SubtitleSource]:
        # Reading the subtitles is faster than watching the film.
        limit_s = self.settings.open_seconds + request.length_s
        return self.process.ask(request, request.video["path"], limit_s)

    def _build_clock(self, video: LakeVideo, shots: list[LakeShot]) -> FrameClock:
        """Return the clock of a video; if a shot's frames do not follow the rate, it uses the times in its proxy."""
        fps = Fraction(video["fps_num"], video["fps_den"])

        def read_times(shot: LakeShot) -> list[float] | None:
            span = (shot["start_frame"], shot["end_frame"])
            return read_proxy_times(self.settings.store, video["video_id"], *span, fps)

        return FrameClock(fps, shots, read_times)

    def _compare(self, video: LakeVideo, sources: list[SubtitleSource], timing: SubtitleTiming) -> list[SubtitleSource]:
        """Return the sources, with a note on subtitles that disagree with speech recognised earlier."""
        speech = (
            find_earlier_speech(self.settings, video) if any(source.source != SPEECH for source in sources) else None
        )
        if speech is None:
            return sources
        proposals = [propose_timing(speech.lines, each.lines, timing) for each in sources]
        return [
            replace(source, notes=[proposal.note(video["path"]), *source.notes])
            if proposal and source.source != SPEECH
            else source
            for source, proposal in zip(sources, proposals, strict=True)
        ]

    def _find_speech(self, video: LakeVideo, clock: FrameClock) -> list[SubtitleSource]:
        """Return the speech of a video without subtitles, stored or recognised now.

        If the model cannot be used, it is that of an earlier model, which stays until the new one can hear the video.
        """
        settings = self.settings
        if settings.speech == OFF:
            return []
        self.silent.append(video["path"])
        speech = find_earlier_speech(settings, video)
        if speech is None and not self.problem:
            language = find_speech_language(settings.speech_language, video["show"])
            try:
                hear = load_recogniser(settings.speech, language)
                speech = recognise_speech(settings, video, hear, clock.length_s, self.sound_process)
            except UsageError as error:
                self.problem = str(error)
        if speech is None:
            speech = find_earlier_speech(settings, video, any_model=True)
        return [speech] if speech else []

    def _set_aside(self, video: LakeVideo, clock: FrameClock, reason: str, inputs: str, content_hash: str) -> int:
        """Note why a video's dialogue cannot be read, and keep the lines that were read before."""
        self.refusals[video["path"]] = reason
        self.progress.set_aside(STAGE, video["path"], reason)
        film = SubtitleSource(path=video["path"], source=FILM, language="", content_hash=content_hash, reason=reason)
        return self._put_stored(video, clock, inputs, build_subtitle_rows(video, [film], self.now))

    def _put_stored(self, video: LakeVideo, clock: FrameClock, inputs: str, film: Sequence[LakeSubtitle] = ()) -> int:
        """Write the stored lines and sources again, without speech if that is off, with the fault of the film."""
        partition, video_id = self.settings.resolve_partition(video["video_id"]), video["video_id"]
        stored_rows = group_by_video(self.settings, "dialogue", partition).get(video_id, [])
        old_rows = group_by_video(self.settings, "subtitles", partition).get(video_id, [])
        if self.settings.speech == OFF:
            forget_speech(self.settings, video)
            stored_rows, old_rows = (
                [row for row in rows if row["source"] != SPEECH] for rows in (stored_rows, old_rows)
            )
        sources = [*(renew_subtitle_row(row) for row in old_rows if not film or row["source"] != FILM), *film]
        line_rows = build_line_rows(video, clock, list(map(read_line, stored_rows)), self.now)
        return self._put(video, line_rows, sources, build_shot_rows(video, clock, line_rows, inputs, self.now))

    def _write(
        self, video: LakeVideo, clock: FrameClock, lines: list[DialogueLine], sources: list[SubtitleSource], inputs: str
    ) -> int:
        line_rows = build_line_rows(video, clock, lines, self.now)
        subtitle_rows = build_subtitle_rows(video, sources, self.now)
        if self.settings.speech == OFF:
            forget_speech(self.settings, video)
        return self._put(video, line_rows, subtitle_rows, build_shot_rows(video, clock, line_rows, inputs, self.now))

    def _put(
        self, video: LakeVideo, line_rows: list[LakeLine], sources: list[LakeSubtitle], shots: list[LakeShotDialogue]
    ) -> int:
        lake, video_id = self.settings.lake, video["video_id"]
        partition = self.settings.resolve_partition(video_id)
        # The last table marks the video as done.
        tables = zip(TABLES, (line_rows, sources, shots), strict=True)
        changes = sum(lake.update(table, partition, video_id, rows) for table, rows in tables)
        self.progress.advance(STAGE, len(line_rows))
        return changes

    def _tell(self, video: LakeVideo, sources: Iterable[SubtitleSource]) -> None:
        for source in sources:
            name = source.path if source.source == "sidecar" else f"{video['path']}, {source.path}"
            if source.is_refused:
                self.refusals[source.path] = str(source.reason)
                self.progress.set_aside(STAGE, source.path, str(source.reason))
            elif source.reason:
                self.progress.note(STAGE, f"{name}: {source.reason}")
            if source.source == SPEECH and source.notes:
                self.unheard.setdefault(source.notes[0], []).append(video["path"])
                continue
            notes = limit_notes(source.notes)
            for note in notes[:MOST_NOTES]:
                self.progress.note(STAGE, f"{name}: {note}")
            if len(source.notes) > MOST_NOTES:
                self.progress.note(STAGE, f"{name}: and {len(source.notes) - MOST_NOTES} more like these")

    def tell_of_speech(self) -> None:
        """Report once why videos with unrecognised speech were not processed, or have no line."""
        for reason, paths in self.unheard.items():
            names = ", ".join(paths[:MOST_NOTES]) + (f" and {len(paths) - MOST_NOTES} more" * (len(paths) > MOST_NOTES))
            self.progress.note(STAGE, f"{plural(len(paths), 'film')} without dialogue ({names}): {reason}")
        if self.silent and self.problem:
            self.progress.note(STAGE, f"films with sound and no subtitles: {len(self.silent)}; {self.problem}")


def _explain_loss(settings: Settings, video: LakeVideo) -> str:
    """Return why a video's dialogue is set aside until a retry because a table of it was damaged; else empty."""
    rows = group_by_video(settings, "subtitles", settings.resolve_partition(video["video_id"])).get(
        video["video_id"], []
    )
    return next((str(row["reason"]) for row in rows if row["content_hash"] == LOST_DIALOGUE), "")


def retry_dialogue(settings: Settings, video_ids: Iterable[str]) -> None:
    """Make the next run read the dialogue of those videos again whose dialogue or speech could not be read."""
    ids = set(video_ids)
    existing = set(settings.lake.list_partitions("subtitles"))
    for partition in sorted({settings.resolve_partition(video_id) for video_id in ids} & existing):
        for video_id, rows in group_by_video(settings, "subtitles", partition).items():
            remaining = [row for row in rows if not (row["source"] in (FILM, SPEECH) and row["reason"])]
            if video_id in ids and len(remaining) < len(rows):
                settings.lake.update("subtitles", partition, video_id, remaining)
                settings.lake.update("shot_dialogue", partition, video_id, [])


def _rename(settings: Settings, partitions: Sequence[str], now: datetime) -> int:
    """Give a video that was moved its new show; nothing is read again for that."""
    changes = 0
    for partition in partitions:
        shows = {row["video_id"]: row["show"] for row in catalogue.read_videos(settings.lake, [partition])}
        for table in ("dialogue", "shot_dialogue"):
            for video_id, rows in group_by_video(settings, table, partition).items():
                new_rows = [
                    row | {"show": shows[video_id], "created_timestamp": now}
                    for row in rows
                    if video_id in shows and row["show"] != shows[video_id]
                ]
                if new_rows:
                    changes += settings.lake.update(table, partition, video_id, new_rows)
    return changes


def _require_intact(settings: Settings, partitions: Sequence[str]) -> None:
    """Raise ``DamagedTableError`` if a partition's lines do not fit its shots, although both fitted when written."""
    for partition in partitions:
        lines, shots, read = (
            group_by_video(settings, table, partition) for table in ("dialogue", "shots", "shot_dialogue")
        )
        for video_id, rows in read.items():
            checks = check_dialogue(lines.get(video_id, []), shots.get(video_id, []), rows)
            if failed := [check.name for check in checks if not check.passed]:
                fault = f"its lines do not fit the shots of {video_id}: {', '.join(failed)}"
                path = settings.lake.path(f"dialogue/{partition}.parquet")
                raise DamagedTableError(path, "dialogue", partition, fault)


def _report(settings: Settings, partitions: Sequence[str], changes: int, reading: _DialogueReader) -> StepReport:
    lines, shots, shot_dialogue, sources = (
        settings.lake.read(table, partitions).to_pylist()
        for table in ("dialogue", "shots", "shot_dialogue", "subtitles")
    )
    videos = [row for row in catalogue.read_videos(settings.lake, partitions) if row["state"] == "ready"]
    ready = {row["video_id"] for row in videos}
    read = {row["video_id"] for row in shot_dialogue} & ready
    by_partition: dict[str, dict[str, Any]] = {name: {"lines": 0, "sources": []} for name in partitions}
    for line in lines:
        by_partition[settings.resolve_partition(line["video_id"])]["lines"] += 1
    for row in sources:
        text = f"{row['source']} {row['path']}: {row['reason'] or str(row['lines']) + ' lines'}"
        by_partition[settings.resolve_partition(row["video_id"])]["sources"].append(text)
    content = ((line["line_id"], f"{line['show']} {line['shot_ids']}") for line in lines)
    return StepReport(
        changed=changes,
        data_version=compute_digest(content),
        details={
            "lines": len(lines),
            "films_with_dialogue": len({line["video_id"] for line in lines}),
            "set_aside": reading.refusals,
            "subtitles_of_no_video": find_unowned_subtitles(videos),
            "notes": limit_notes([f"{row['path']}: {note}" for row in sources for note in row["notes"]]),
            "speech_model": settings.speech or "",
            **(
                {"speech": f"{plural(len(reading.silent), 'film')}: {reading.problem}"}
                if reading.silent and reading.problem
                else {}
            ),
        },
        by_partition=by_partition,
        checks=check_dialogue(
            [line for line in lines if line["video_id"] in read],
            [shot for shot in shots if shot["video_id"] in read],
            [row for row in shot_dialogue if row["video_id"] in read],
        ),
    )
