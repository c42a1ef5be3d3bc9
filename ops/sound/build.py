"""Bring the table ``shot_sound`` of some partitions up to date.

Stands alone because it makes a re-run a no-op: the sound of a film is measured again only if its shots, its tracks or
the recipe changed, or if speech can be found now and could not be before. A film is measured as a whole, because
loudness is judged against that of all of it. If the setting is off, the measures of earlier runs are deleted, and each
shot has an empty row, which replaces its row in Feast too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ops.core.errors import MediaError
from ops.core.history import forget_versions
from ops.core.media import MediaInfo, SoundTrack
from ops.core.plural import plural
from ops.core.rows import LakeShot, LakeShotSound, LakeVideo
from ops.core.settings import Settings
from ops.core.tables import compute_digest
from ops.core.types import CheckOutcome, Progress, StepReport
from ops.shots.looking import hash_shot_inputs, load_videos
from ops.sound.kinds import KINDS
from ops.sound.measure import FilmSound, MeasureRequest, measure_sound
from ops.sound.rows import build_shot_row, find_silence, measure_shot
from ops.sound.speech import explain_no_speech
from ops.videos import catalogue
from ops.videos.film_process import FilmProcess, FilmStep
from ops.videos.library import open_local_source

TABLES = ("shot_sound",)
TABLE = TABLES[0]
STAGE = "sound"
RECIPE = 1
"""Changes with how sound is measured, or what a kind of sound is: then all films are measured again."""
STEP = FilmStep(
    doing="measuring its sound", did="measured its sound", limit="NEEDLE_OPEN_SECONDS and the length of the film"
)
MOST_REASONS = 20
"""Maximum number of unmeasured shots in the report; all are in the table."""
MOST_NAMED = 3
"""Films that a note names."""

Measure = Callable[[MeasureRequest], FilmSound]
Process = FilmProcess[MeasureRequest, FilmSound]


def build_recipe(setting: str) -> str:
    """Return the code version of ``sound`` under a setting of NEEDLE_SOUND."""
    return str(RECIPE) if setting == "on" else "off"


@dataclass(frozen=True, kw_only=True)
class VideoSound:
    """A video with its shots in order, the tracks to measure, and its stored rows."""

    video: LakeVideo
    shots: list[LakeShot]
    tracks: tuple[SoundTrack, ...]
    inputs: dict[str, str]
    rows: dict[str, LakeShotSound]
    lacks_speech: bool
    """Whether speech can be found now, and was not looked for in sound that was measured."""

    @property
    def is_current(self) -> bool:
        """Return True if each shot has a current row, and no other row is stored."""
        hashes = {shot_id: row["input_hash"] for shot_id, row in self.rows.items()}
        return hashes == self.inputs and not self.lacks_speech


def load_sound(settings: Settings, video: LakeVideo, shots: list[LakeShot]) -> VideoSound:
    """Return the stored rows of one video, compared with its shots and tracks."""
    is_on = settings.sound == "on"
    tracks = MediaInfo.from_json(video["facts"]).heard_tracks if is_on and video["facts"] else ()
    recipe = " ".join([build_recipe(settings.sound), *(str(track.stream) for track in tracks)])
    rows: list[LakeShotSound] = settings.lake.read(TABLE, [settings.resolve_partition(video["video_id"])]).to_pylist()
    own_rows = {row["shot_id"]: row for row in rows if row["video_id"] == video["video_id"]}
    lacks_speech = any(row["silence"] is not None and row["speech"] is None for row in own_rows.values())
    return VideoSound(
        video=video,
        shots=shots,
        tracks=tracks,
        inputs={shot["shot_id"]: hash_shot_inputs(shot, recipe) for shot in shots},
        rows=own_rows,
        lacks_speech=lacks_speech and is_on and not explain_no_speech(),
    )


def load_partitions(settings: Settings, partitions: Sequence[str]) -> list[VideoSound]:
    """Return the usable videos of the partitions with their sound."""
    videos = {row["video_id"]: row for row in catalogue.read_videos(settings.lake, list(partitions))}
    return load_videos(settings, partitions, lambda _, video_id, shots: load_sound(settings, videos[video_id], shots))


def find_due(settings: Settings, video_ids: Collection[str]) -> set[str]:
    """Return the partitions of those of the videos whose sound is missing, out of date, or to be deleted."""
    partitions = sorted(set(map(settings.resolve_partition, video_ids)))
    due = (each for each in load_partitions(settings, partitions) if not each.is_current)
    return {settings.resolve_partition(each.video["video_id"]) for each in due if each.video["video_id"] in video_ids}


def build_sound(
    settings: Settings,
    partitions: Sequence[str],
    now: datetime,
    progress: Progress,
    *,
    measure: Measure = measure_sound,
) -> StepReport:
    """Measure the sound of every film of the partitions that was not measured yet; delete it if the setting is off.

    A film whose sound cannot be measured is skipped with its reason. ``measure`` runs in another process, so that a
    film that crashes it, or takes too much time or memory, costs its own sound only. Each film's rows are written as
    soon as it is measured.
    """
    with settings.hold_work_lock(), FilmProcess(measure, STEP, settings.film_limits) as process:
        changes = sum(settings.lake.ensure(TABLE, partition) for partition in partitions)
        videos = load_partitions(settings, partitions)
        due = [video for video in videos if not video.is_current] if settings.sound == "on" else []
        progress.start(STAGE, sum(len(video.shots) for video in due), "shots")
        building = _SoundBuilder(settings, now, progress, process)
        changes += sum(map(building.bring_up_to_date, videos))
        building.report_notes()
        progress.finish(STAGE)
        return _report(settings, partitions, changes, building.problem)


class _SoundBuilder:
    """The state of one run: films without sound, and films in which speech was not looked for."""

    def __init__(self, settings: Settings, now: datetime, progress: Progress, process: Process) -> None:
        self.settings, self.now, self.progress, self.process = settings, now, progress, process
        self.without_sound: list[str] = []
        self.without_speech: list[str] = []
        self.no_speech = explain_no_speech()

    @property
    def problem(self) -> str:
        """Return why speech was not looked for; empty if it was, or if no film was measured."""
        return self.no_speech if self.without_speech else ""

    def bring_up_to_date(self, video: VideoSound) -> int:
        """Measure one film if it is due, and write its rows if they differ; return the number of changed tables."""
        settings, video_id = self.settings, video.video["video_id"]
        partition = settings.resolve_partition(video_id)
        if video.is_current:
            rows = [
                video.rows[shot["shot_id"]]
                | {"show": shot["show"], "index": shot["index"], "created_timestamp": self.now}
                for shot in video.shots
            ]
        else:
            rows = self._build_rows(video)
            if settings.sound == "off" and video.rows:
                # Earlier versions have measures, too. A kill in between leaves no row, so the next run does this again.
                settings.lake.update(TABLE, partition, video_id, [])
                forget_versions(settings.store, {video_id: partition}, TABLE)
        return settings.lake.update(TABLE, partition, video_id, rows)

    def _build_rows(self, video: VideoSound) -> list[LakeShotSound]:
        film, reason = self._measure(video) if self.settings.sound == "on" and video.shots else (None, None)
        silence = find_silence(film) if film else None
        return [
            build_shot_row(
                shot,
                measure_shot(film, silence, shot["start_s"], shot["end_s"]) if film else None,
                reason,
                video.inputs[shot["shot_id"]],
                self.now,
            )
            for shot in video.shots
        ]

    def _measure(self, video: VideoSound) -> tuple[FilmSound | None, str | None]:
        """Return the sound of a film, or the reason why it is unknown; neither without a sound track."""
        settings, path = self.settings, video.video["path"]
        self.progress.advance(STAGE, len(video.shots))
        if not video.video["has_audio"]:
            self.without_sound.append(path)
            return None, None
        length_s = video.shots[-1]["end_s"]
        settings.scratch.mkdir(parents=True, exist_ok=True)
        try:
            with open_local_source(path, settings.scratch) as local:
                request = MeasureRequest(
                    path=local, tracks=video.tracks, length_s=length_s, finds_speech=not self.no_speech
                )
                # Sound is decoded, and searched for speech, faster than it plays.
                film = self.process.ask(request, path, settings.open_seconds + length_s)
        except MediaError as error:
            self.progress.set_aside(STAGE, path, f"its sound is unknown: {error}")
            return None, str(error)
        for note in film.notes:
            self.progress.note(STAGE, f"{path}: {note}")
        if film.speech is None:
            self.without_speech.append(path)
        return film, None

    def report_notes(self) -> None:
        """Report films without sound once, and why speech was not looked for."""
        if self.without_sound:
            self.progress.note(STAGE, f"{_name_films(self.without_sound)} without a sound track")
        if self.problem:
            films = _name_films(self.without_speech)
            self.progress.note(STAGE, f"{films}: loudness and silence are measured, speech is unknown: {self.problem}")


def _name_films(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - MOST_NAMED} more" if len(paths) > MOST_NAMED else ""
    return f"{plural(len(paths), 'film')} ({', '.join(paths[:MOST_NAMED])}{more})"


def _report(settings: Settings, partitions: Sequence[str], changes: int, problem: str) -> StepReport:
    shots: list[LakeShotSound] = settings.lake.read(TABLE, partitions).to_pylist()
    counts = {name: dict.fromkeys(("shots_measured", *KINDS), 0) for name in partitions}
    for row in shots:
        figures = counts[settings.resolve_partition(row["video_id"])]
        figures["shots_measured"] += row["silence"] is not None
        for kind in _list_kinds(row):
            figures[kind] += 1
    unknown = {row["shot_id"]: row["reason"] for row in shots if row["reason"]}
    faulty_ids = [row["shot_id"] for row in shots if not _is_consistent(row)]
    details: dict[str, Any] = {
        name: sum(figures[name] for figures in counts.values()) for name in ("shots_measured", *KINDS)
    }
    return StepReport(
        changed=changes,
        data_version=compute_digest(
            (row["shot_id"], f"{row['loudness']} {row['silence']} {row['speech']} {row['kinds']}") for row in shots
        ),
        details={
            **details,
            "set_aside": dict(list(unknown.items())[:MOST_REASONS]),
            **({"problem": problem} if problem else {}),
        },
        by_partition={name: dict(figures) for name, figures in counts.items()},
        checks=[
            CheckOutcome(
                name="ranges_in_shares",
                passed=not faulty_ids,
                details={"shots": len(shots), "faulty": faulty_ids[:MOST_REASONS]},
            )
        ],
    )


def _list_kinds(row: LakeShotSound) -> Iterable[str]:
    return filter(None, (row["kinds"] or "").split(","))


def _is_consistent(row: LakeShotSound) -> bool:
    """Return True if ranges are ascending, and there are some exactly if the share says so."""
    pairs = ((row["silence"], row["silence_ms"]), (row["speech"], row["speech_ms"]))
    return all(
        (share is None) == (ranges is None)
        and (share is None or ranges is None or (0 <= share <= 1 and ranges == sorted(ranges)))
        and bool(ranges) >= bool(share)
        for share, ranges in pairs
    ) and set(_list_kinds(row)) <= set(KINDS)


def explain_setting(setting: str) -> str:
    """Return why speech cannot be found under a setting of NEEDLE_SOUND; empty if it is off or usable."""
    return explain_no_speech() if setting == "on" else ""
