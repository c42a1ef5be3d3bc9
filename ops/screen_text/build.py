"""Bring the tables ``screen_text`` and ``shot_screen_text`` of some partitions up to date.

Stands alone because it makes a re-run a no-op: a shot is read again only if its frames, its proxy or the recipe
changed. ``shot_screen_text`` records that and is written last, so the next run finishes a killed one. If the setting
is off, the texts of earlier runs are deleted, and each shot has an empty row, which replaces its row in Feast too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import MediaError
from ops.core.history import forget_versions
from ops.core.rows import LakeScreenText, LakeShot, LakeShotScreenText
from ops.core.settings import Settings
from ops.core.tables import compute_digest
from ops.core.types import CheckOutcome, Progress, StepReport
from ops.screen_text.counters import may_be_counter
from ops.screen_text.reader import (
    DETECTOR,
    RECOGNISER,
    RapidTextReader,
    SeenText,
    TextReader,
    explain_problem,
    find_model_folder,
)
from ops.screen_text.rows import ShotTexts, build_shot_row, build_text_rows, mark_kinds
from ops.screen_text.sampling import (
    MOST_TEXTS,
    choose_first,
    choose_more,
    drop_needless,
    has_changed,
    is_read_in_part,
)
from ops.screen_text.tracking import follow_texts
from ops.shots.looking import hash_shot_inputs, load_model_or_report, load_videos, read_near_pictures
from ops.shots.segment import make_proxy_key

TABLES = ("screen_text", "shot_screen_text")
STAGE = "screen_text"
RECIPE = 5
"""Changes with how text is looked for, read or followed: then all shots are read again."""
"""Frames of a shot in memory at once."""
MOST_REASONS = 20
"""Maximum number of unread shots in the report; all are in the table."""

MakeReader = Callable[[], TextReader]


def build_recipe(setting: str) -> str:
    """Return the code version of ``screen_text`` under a setting of NEEDLE_SCREEN_TEXT."""
    return str(RECIPE) if setting == "on" else "off"


def make_reader() -> TextReader:
    """Return the reader of the installed models, loaded once a process. Raises ``MediaError`` if it is unusable."""
    return RapidTextReader(find_model_folder())


@dataclass(frozen=True, kw_only=True)
class VideoTexts:
    """A video with its shots in order, and the stored rows that are still current, by shot id."""

    video_id: str
    shots: list[LakeShot]
    inputs: dict[str, str]
    shot_rows: dict[str, LakeShotScreenText]
    text_rows: dict[str, list[LakeScreenText]]
    stored: int
    """Stored rows of both tables, current or not."""

    @property
    def due_shots(self) -> list[LakeShot]:
        """Return the shots without a current row."""
        return [shot for shot in self.shots if shot["shot_id"] not in self.shot_rows]

    @property
    def is_current(self) -> bool:
        """Return True if nothing is due, and no stored row is out of date."""
        texts = sum(map(len, self.text_rows.values()))
        return not self.due_shots and self.stored == len(self.shot_rows) + texts


def load_texts(settings: Settings, video_id: str, shots: list[LakeShot]) -> VideoTexts:
    """Return the stored rows of one video, compared with its shots."""
    partition = settings.resolve_partition(video_id)
    recipe = build_recipe(settings.screen_text)
    inputs = {shot["shot_id"]: hash_shot_inputs(shot, recipe) for shot in shots}
    shot_rows: list[LakeShotScreenText] = settings.lake.read("shot_screen_text", [partition]).to_pylist()
    text_rows: list[LakeScreenText] = settings.lake.read("screen_text", [partition]).to_pylist()
    shot_rows = [row for row in shot_rows if row["video_id"] == video_id]
    text_rows = [row for row in text_rows if row["video_id"] == video_id]
    by_shot: dict[str, list[LakeScreenText]] = {}
    for row in text_rows:
        if inputs.get(row["shot_id"]) == row["input_hash"]:
            by_shot.setdefault(row["shot_id"], []).append(row)
    # A damaged file of texts was put away: its shots are read again.
    current = {
        row["shot_id"]: row
        for row in shot_rows
        if inputs.get(row["shot_id"]) == row["input_hash"]
        and (row["texts"] or 0) == sum(text["kind"] == "text" for text in by_shot.get(row["shot_id"], ()))
    }
    by_shot = {shot_id: rows for shot_id, rows in by_shot.items() if shot_id in current}
    return VideoTexts(
        video_id=video_id,
        shots=shots,
        inputs=inputs,
        shot_rows=current,
        text_rows=by_shot,
        stored=len(shot_rows) + len(text_rows),
    )


def find_due(settings: Settings, video_ids: Collection[str]) -> set[str]:
    """Return the partitions of those of the videos whose texts are missing, out of date, or to be deleted."""
    partitions = sorted(set(map(settings.resolve_partition, video_ids)))
    videos = [video for video in load_videos(settings, partitions, load_texts) if video.video_id in video_ids]
    return {settings.resolve_partition(video.video_id) for video in videos if not video.is_current}


def build_screen_text(
    settings: Settings,
    partitions: Sequence[str],
    now: datetime,
    progress: Progress,
    *,
    make: MakeReader = make_reader,
) -> StepReport:
    """Read the writing in every shot of the partitions that was not read yet; delete it if the setting is off.

    A shot whose proxy cannot be read is skipped with its reason. A video's rows are written as soon as its last shot
    is read. ``make`` loads the models, only if there are shots to read. If it fails, that is reported, and the shots
    stay due.
    """
    with settings.hold_work_lock():
        changes = sum(settings.lake.ensure(table, partition) for partition in partitions for table in TABLES)
        videos = load_videos(settings, partitions, load_texts)
        due = sum(len(video.due_shots) for video in videos) if settings.screen_text == "on" else 0
        progress.start(STAGE, due, "shots")
        reader, problem = load_model_or_report(make, progress, STAGE, "writing in the picture") if due else (None, "")
        for video in videos if not problem else ():
            changes += _bring_up_to_date(settings, video, reader, now, progress)
        progress.finish(STAGE)
        return _report(settings, partitions, changes, problem)


def _bring_up_to_date(
    settings: Settings, video: VideoTexts, reader: TextReader | None, now: datetime, progress: Progress
) -> int:
    """Read the due shots of one video, and write its rows if they differ; return the number of changed tables."""
    read = [_read_shot(settings, video, shot, reader, progress) for shot in video.due_shots]
    fresh_rows = build_text_rows(read, now)
    reasons = {each.shot["shot_id"]: each.reason for each in read}
    unread = {each.shot["shot_id"] for each in read if each.runs is None}
    unread |= {row["shot_id"] for row in video.shot_rows.values() if row["texts"] is None}
    rows_by_shot = dict(video.text_rows)
    for row in fresh_rows:
        rows_by_shot.setdefault(row["shot_id"], []).append(row)
    ordered_rows = [
        row | {"show": shot["show"], "index": shot["index"], "created_timestamp": now}
        for shot in video.shots
        for row in rows_by_shot.get(shot["shot_id"], ())
    ]
    marked_rows = mark_kinds(ordered_rows, len(video.shots))
    marked_by_shot: dict[str, list[LakeScreenText]] = {}
    for row in marked_rows:
        marked_by_shot.setdefault(row["shot_id"], []).append(row)
    shot_rows = [
        build_shot_row(
            shot,
            None if shot["shot_id"] in unread else marked_by_shot.get(shot["shot_id"], ()),
            reasons.get(shot["shot_id"]) or _find_reason(video, shot["shot_id"]),
            video.inputs[shot["shot_id"]],
            now,
        )
        for shot in video.shots
    ]
    partition = settings.resolve_partition(video.video_id)
    if reader is None and video.due_shots and settings.screen_text == "off":
        # Earlier versions have texts, too. A kill in between leaves no row, so the next run does this again.
        settings.lake.update("shot_screen_text", partition, video.video_id, [])
        forget_versions(settings.store, {video.video_id: partition}, "shot_screen_text")
    # The last table marks the shots as done.
    tables = zip(TABLES, (marked_rows, shot_rows), strict=True)
    return sum(settings.lake.update(table, partition, video.video_id, rows) for table, rows in tables)


def _find_reason(video: VideoTexts, shot_id: str) -> str | None:
    return video.shot_rows[shot_id]["reason"] if shot_id in video.shot_rows else None


def _read_shot(
    settings: Settings, video: VideoTexts, shot: LakeShot, reader: TextReader | None, progress: Progress
) -> ShotTexts:
    """Return the texts of one shot; none if ``reader`` is ``None``."""
    input_hash = video.inputs[shot["shot_id"]]
    if reader is None:
        return ShotTexts(shot=shot, runs=None, reason=None, input_hash=input_hash)
    progress.advance(STAGE)
    try:
        samples, end_frame, gap = ShotFrames(settings, shot).look(reader)
    except MediaError as error:
        key = make_proxy_key(shot["video_id"], shot["start_frame"], shot["end_frame"])
        reason = f"its proxy ({settings.store.uri(key)}) {error}"
        progress.set_aside(STAGE, f"shot {shot['shot_id']}", f"its writing is unknown: {reason}")
        return ShotTexts(shot=shot, runs=None, reason=reason, input_hash=input_hash)
    if end_frame < shot["end_frame"]:
        about = f"shot {shot['shot_id']} has more writing than is read: {MOST_TEXTS} texts, to frame {end_frame}"
        progress.note(STAGE, about)
    elif gap:
        looks = f"it is looked at {len(samples)} times, and what is there for moments in between is not read"
        progress.note(STAGE, f"shot {shot['shot_id']} has {gap}: {looks}")
    rate = (shot["end_frame"] - shot["start_frame"]) / (shot["end_s"] - shot["start_s"])
    runs = follow_texts(samples, shot["start_frame"], end_frame, rate)
    return ShotTexts(shot=shot, runs=tuple(runs), reason=None, input_hash=input_hash)


class ShotFrames:
    """The frames of one shot's proxy, in which a reader looks for text."""

    def __init__(self, settings: Settings, shot: LakeShot) -> None:
        self._settings = settings
        self._shot = shot
        self._frames = shot["end_frame"] - shot["start_frame"]
        self._seconds = shot["end_s"] - shot["start_s"]

    def look(self, reader: TextReader) -> tuple[list[tuple[int, list[SeenText]]], int, str]:
        """Return ``(source frame, texts)`` of each sample, ascending, and the end of the frames that they stand for.

        That is the end of the shot, or the first sample after ``MOST_TEXTS``. Also return why samples of a shot with
        writing are further apart than they should be: for its length, or for ``MOST_TEXTS``; empty if they are not. A
        sample whose picture equals the one before is not read again, unless it has numbers. Raises ``MediaError`` if
        the proxy is unreadable.
        """
        start = self._shot["start_frame"]
        first = choose_first(self._frames, self._seconds)
        texts, end = self._read(reader, first)
        gap = ""
        if any(texts.values()) and end == self._frames:
            seen = {position: [each.text for each in found] for position, found in texts.items()}
            positions = choose_more(self._frames, self._seconds, first)
            needed = drop_needless(positions, seen, self._frames / self._seconds)
            more, end_of_more = self._read(reader, needed, seen.values())
            texts = more | texts
            if end_of_more < self._frames:
                gap = f"more than {MOST_TEXTS} texts"
            elif is_read_in_part(self._seconds):
                gap = f"writing and {round(self._seconds / 60)} minutes"
        return [(start + position, texts[position]) for position in sorted(texts)], start + end, gap

    def _read(
        self, reader: TextReader, positions: list[int], earlier: Iterable[list[str]] = ()
    ) -> tuple[dict[int, list[SeenText]], int]:
        """Return the texts near these positions, and the position before which they were read.

        ``earlier`` are the texts of earlier looks, which count towards ``MOST_TEXTS``.
        """
        texts: dict[int, list[SeenText]] = {}
        before: NDArray[np.uint8] | None = None
        known_texts: list[SeenText] = []
        read_texts = {text for each in earlier for text in each}
        with closing(read_near_pictures(self._settings, self._shot, positions)) as pictures:
            for position, frame in pictures:
                if len(read_texts) >= MOST_TEXTS:
                    return texts, position
                # Small digits that run change no block of the picture enough.
                has_numbers = any(may_be_counter(each.text) for each in known_texts)
                if before is None or has_numbers or has_changed(before, frame):
                    known_texts, before = reader.read(frame), frame
                texts[position] = known_texts
                read_texts.update(each.text for each in known_texts)
        return texts, self._frames


def _report(settings: Settings, partitions: Sequence[str], changes: int, problem: str) -> StepReport:
    shots: list[LakeShotScreenText] = settings.lake.read("shot_screen_text", partitions).to_pylist()
    texts = settings.lake.read("screen_text", partitions, ["text_id", "video_id", "kind", "text"]).to_pylist()
    model = {"model": f"{DETECTOR}, {RECOGNISER}"} if settings.screen_text == "on" else {}
    counts = {name: {"texts": 0, "shots_with_text": 0} for name in partitions}
    for row in shots:
        figures = counts[settings.resolve_partition(row["video_id"])]
        figures["texts"] += row["texts"] or 0
        figures["shots_with_text"] += bool(row["texts"])
    count = sum(row["texts"] or 0 for row in shots)
    searchable = sum(row["kind"] == "text" for row in texts)
    unread = {row["shot_id"]: row["reason"] for row in shots if row["reason"]}
    return StepReport(
        changed=changes,
        data_version=compute_digest((row["text_id"], f"{row['kind']} {row['text']}") for row in texts),
        details={
            "texts": searchable,
            "shots_with_text": sum(bool(row["texts"]) for row in shots),
            "left_out_of_search": len(texts) - searchable,
            **model,
            "set_aside": dict(list(unread.items())[:MOST_REASONS]),
            **({"problem": problem} if problem else {}),
        },
        by_partition={name: {**figures, **model} for name, figures in counts.items()},
        checks=[
            CheckOutcome(
                name="texts_in_shots",
                passed=count == searchable,
                details={"texts": searchable, "texts_counted_in_shots": count},
            )
        ],
    )


def explain_setting(setting: str) -> str:
    """Return why no text can be read under a setting of NEEDLE_SCREEN_TEXT; empty if it is off or usable."""
    return explain_problem(find_model_folder()) if setting == "on" else ""
