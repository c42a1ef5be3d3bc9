"""Bring the tables ``faces``, ``shot_people`` and ``people`` up to date for some partitions.

Stands alone because it makes a re-run a no-op: a shot is read again only if its frames, model or recipe changed.
``shot_people`` records that and is written last, so the next run finishes a killed one. If the setting is off,
everything that earlier runs and people stored is deleted, and each shot has an empty row, which replaces its row in
Feast too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import MediaError
from ops.core.history import forget_versions
from ops.core.known_rows import count_rows
from ops.core.rows import LakeFace, LakeShot, LakeShotPeople
from ops.core.settings import Settings
from ops.core.tables import DAMAGE_FOLDER, compute_digest
from ops.core.types import CheckOutcome, Progress, StepReport
from ops.people import catalogue as people_table
from ops.people import changes
from ops.people.changes import Identities, apply_changes, read_changes
from ops.people.choice import describe_model, load_model, require_decision
from ops.people.clusters import PlacedFace, group_faces, inherit_groups
from ops.people.face_model import FaceModel
from ops.people.rows import ShotFaces, build_face_rows, build_shot_row, has_quality, name_people, read_box
from ops.people.sampling import count_looks, list_looks, look_for_faces
from ops.shots.build import read_shots_by_video
from ops.shots.looking import hash_shot_inputs, is_usable, load_model_or_report, load_videos
from ops.videos import catalogue

TABLES = ("faces", "shot_people")
STAGE = "shot_faces"
RECIPE = 1
"""Changes with how faces are looked for or graded: then all shots are read again."""
MOST_REASONS = 20
"""Maximum number of unread shots in the report; all are in the table."""
NEAR_S = 1.0
"""A face that is looked for again keeps the group of a face in the same place up to this much earlier or later."""

MakeModel = Callable[[Settings], FaceModel]


def build_recipe(settings: Settings) -> str:
    """Return the code version of ``shot_faces`` under the settings."""
    return f"{RECIPE}-{describe_model(settings)}" if settings.people == "on" else "off"


@dataclass(frozen=True, kw_only=True)
class VideoFaces:
    """A video with its shots in order and all its stored rows; ``current`` are shots with a current row."""

    video_id: str
    shots: list[LakeShot]
    inputs: dict[str, str]
    shot_rows: list[LakeShotPeople]
    face_rows: list[LakeFace]
    current: frozenset[str]

    @property
    def due_shots(self) -> list[LakeShot]:
        """Return the shots without a current row."""
        return [shot for shot in self.shots if shot["shot_id"] not in self.current]

    @property
    def kept_faces(self) -> list[LakeFace]:
        """Return the stored faces of shots with a current row."""
        return [row for row in self.face_rows if row["shot_id"] in self.current]

    def is_current(self, identities: Identities) -> bool:
        """Return True if nothing is due, no stored row is out of date, and all people are who they are now."""
        return (
            not self.due_shots
            and len(self.shot_rows) == len(self.current)
            and len(self.kept_faces) == len(self.face_rows)
            and all(
                row["person_id"] == identities.resolve(row["face_id"], row["cluster_id"])
                for row in self.face_rows
                if has_quality(row)
            )
        )


def load_faces(settings: Settings, video_id: str, shots: list[LakeShot]) -> VideoFaces:
    """Return the stored rows of one video, compared with its shots."""
    partition, recipe = settings.resolve_partition(video_id), build_recipe(settings)
    inputs = {shot["shot_id"]: hash_shot_inputs(shot, recipe) for shot in shots}
    shot_rows: list[LakeShotPeople] = settings.lake.read("shot_people", [partition]).to_pylist()
    face_rows: list[LakeFace] = settings.lake.read("faces", [partition]).to_pylist()
    shot_rows = [row for row in shot_rows if row["video_id"] == video_id]
    face_rows = [row for row in face_rows if row["video_id"] == video_id]
    frames: dict[str, dict[int, int]] = {}
    for face in face_rows:
        if inputs.get(face["shot_id"]) == face["input_hash"]:
            by_frame = frames.setdefault(face["shot_id"], {})
            by_frame[face["frame"]] = by_frame.get(face["frame"], 0) + 1
    # A damaged file of faces was put away: its shots are read again.
    current = frozenset(
        row["shot_id"]
        for row in shot_rows
        if inputs.get(row["shot_id"]) == row["input_hash"]
        and (row["faces"] or 0) == max(frames.get(row["shot_id"], {}).values(), default=0)
    )
    return VideoFaces(
        video_id=video_id, shots=shots, inputs=inputs, shot_rows=shot_rows, face_rows=face_rows, current=current
    )


def find_due(settings: Settings, video_ids: Collection[str]) -> set[str]:
    """Return the partitions of those of the videos whose faces are missing, out of date, or to be deleted."""
    partitions = sorted(set(map(settings.resolve_partition, video_ids)))
    if settings.people == "off" and has_people_tables(settings):
        return set(partitions)
    identities = apply_changes(read_changes(settings))
    videos = [video for video in list_videos(settings, partitions) if video.video_id in video_ids]
    due = {settings.resolve_partition(video.video_id) for video in videos if not video.is_current(identities)}
    if any(row["person_id"] for video in videos for row in video.face_rows):
        known_people = {row["person_id"] for row in people_table.read_people(settings)}
        due |= {
            settings.resolve_partition(video.video_id)
            for video in videos
            if not {row["person_id"] for row in video.face_rows} - {None} <= known_people
        }
    return due


def has_people_tables(settings: Settings) -> bool:
    """Return True if the tables of people and of changes exist."""
    tables = ((people_table.TABLE, people_table.PARTITION), (changes.TABLE, changes.PARTITION))
    return any(settings.lake.exists(table, partition) for table, partition in tables)


def count_stored_faces(settings: Settings) -> int:
    """Return the number of stored faces, clear or not; without those of damaged files."""
    return count_rows(settings.lake, "faces", damage=[]).total()


def has_stored_people(settings: Settings) -> bool:
    """Return True if anything about people is stored: one of their tables, a face, or a shot that was looked through.

    Faces of some videos may be left although the tables are deleted: a run deletes those of its own videos only.
    """
    if has_people_tables(settings) or count_stored_faces(settings):
        return True
    return bool(count_rows(settings.lake, "shot_people", column="faces", damage=[]))


def describe_changes(settings: Settings, video_ids: Collection[str]) -> dict[str, str | None]:
    """Return, by partition, what decides besides the step's own tables if it is due: the changes by people."""
    stamps = [settings.lake.stat_partitions(table) for table in (changes.TABLE, people_table.TABLE)]
    text = repr((stamps[0], bool(stamps[1])))
    return {settings.resolve_partition(video_id): text for video_id in video_ids}


def build_faces(
    settings: Settings,
    partitions: Sequence[str],
    now: datetime,
    progress: Progress,
    *,
    make: MakeModel = load_model,
) -> StepReport:
    """Find the faces of every shot of the partitions that was not read yet, and the people whom they show.

    Deletes all of it if the setting is off; if it is off by default and people have names, raises ``SettingsError``. A
    shot whose proxy cannot be read is skipped with its reason. ``make`` gets the model, only if there are shots to
    read. If it fails, that is reported, and the shots stay due.
    """
    with settings.hold_work_lock():
        return build_under_lock(settings, partitions, now, progress, make)


def build_under_lock(
    settings: Settings, partitions: Sequence[str], now: datetime, progress: Progress, make: MakeModel = load_model
) -> StepReport:
    """As :func:`build_faces`; the caller holds the work lock."""
    require_decision(settings)
    lake = settings.lake
    change_count = sum(lake.ensure(table, partition) for partition in partitions for table in TABLES)
    videos = list_videos(settings, partitions)
    due = sum(len(video.due_shots) for video in videos) if settings.people == "on" else 0
    progress.start(STAGE, due, "shots")
    model, problem = load_model_or_report(lambda: make(settings), progress, STAGE, "faces") if due else (None, "")
    known = people_table.KnownPeople(settings, model.model_id) if model else None
    for video in videos if not problem else ():
        change_count += _bring_up_to_date(settings, video, model, known, now, progress)
    with lake.hold_lock(changes.LOCK):
        if settings.people == "off":
            change_count += delete_people_tables(settings)
        elif not problem:
            change_count += people_table.write_people(settings, apply_changes(read_changes(settings)), now)
    progress.finish(STAGE)
    return _report(settings, partitions, change_count, problem)


def list_videos(settings: Settings, partitions: Iterable[str]) -> list[VideoFaces]:
    """Return the usable videos with shots, and those without shots, whose faces are to be deleted."""
    return load_videos(settings, partitions, load_faces)


def list_stored_videos(settings: Settings, partitions: Iterable[str]) -> list[VideoFaces]:
    """Return every video with stored faces or rows of shots, also if its file is gone or it was set aside."""
    videos = []
    for partition in partitions:
        shots = read_shots_by_video(settings, partition)
        ids = {each for table in TABLES for each in _read_video_ids(settings, table, partition)}
        videos += [load_faces(settings, video_id, shots.get(video_id, [])) for video_id in sorted(ids)]
    return videos


def _read_video_ids(settings: Settings, table: str, partition: str) -> set[str]:
    return set(settings.lake.read(table, [partition], ["video_id"])["video_id"].to_pylist())


def list_partitions(settings: Settings) -> list[str]:
    """Return the partitions with stored faces or rows of shots."""
    return sorted({partition for table in TABLES for partition in settings.lake.list_partitions(table)})


def delete_people_tables(settings: Settings) -> int:
    """Delete names, changes, counts, and damaged files of these tables; return the number of deleted tables.

    What is stored of videos whose files are gone is deleted, too, because no run computes them.
    """
    if has_people_tables(settings):
        for partition in list_partitions(settings):
            usable = {row["video_id"] for row in catalogue.read_videos(settings.lake, [partition]) if is_usable(row)}
            for video in list_stored_videos(settings, [partition]):
                if video.video_id not in usable:
                    _delete_versions(settings, video)
                    settings.lake.update("faces", partition, video.video_id, [])
    count = 0
    for table, partition in ((people_table.TABLE, people_table.PARTITION), (changes.TABLE, changes.PARTITION)):
        count += settings.lake.exists(table, partition)
        settings.lake.delete_table(table, keep_versions=False)
    for table in (*TABLES, people_table.TABLE, changes.TABLE):
        settings.store.delete_tree(f"{DAMAGE_FOLDER}/{table}")
    return count


def _delete_versions(settings: Settings, video: VideoFaces) -> None:
    """Delete the rows of a video's shots with their history. The rows go last: after a kill this is done again."""
    partition = settings.resolve_partition(video.video_id)
    forget_versions(settings.store, {video.video_id: partition}, "shot_people")
    settings.lake.update("shot_people", partition, video.video_id, [], keep_versions=False)


def _bring_up_to_date(
    settings: Settings,
    video: VideoFaces,
    model: FaceModel | None,
    known: people_table.KnownPeople | None,
    now: datetime,
    progress: Progress,
) -> int:
    """Read the due shots of one video, and write its rows if they differ; return the number of changed tables."""
    read = [_read_shot(settings, video, shot, model, progress) for shot in video.due_shots]
    fresh_rows = [row for each in read for row in build_face_rows(each, model.model_id if model else "", now)]
    shots = {shot["shot_id"]: shot for shot in video.shots}
    rows = [
        row | {"show": shots[row["shot_id"]]["show"], "index": shots[row["shot_id"]]["index"]}
        for row in [*video.kept_faces, *fresh_rows]
    ]
    rows.sort(key=lambda row: (row["index"], row["frame"], row["face_id"]))
    unread = {each.shot["shot_id"] for each in read if each.looks is None}
    unread |= {row["shot_id"] for row in video.shot_rows if row["shot_id"] in video.current and row["faces"] is None}
    reasons = {row["shot_id"]: row["reason"] for row in video.shot_rows if row["shot_id"] in video.current}
    reasons |= {each.shot["shot_id"]: each.reason for each in read}
    if settings.people == "off" and video.due_shots and (video.shot_rows or video.face_rows):
        _delete_versions(settings, video)
    with settings.lake.hold_lock(changes.LOCK):
        identities = apply_changes(read_changes(settings))
        groups = _group(video, rows, model, known) if model and known else {}
        return _write(settings, video, name_people(rows, groups, identities), unread, reasons, now)


def _group(
    video: VideoFaces, rows: Sequence[LakeFace], model: FaceModel, known: people_table.KnownPeople
) -> dict[str, str]:
    """Return the groups of those faces that have none yet."""
    fresh_rows = [row for row in rows if row["cluster_id"] is None and has_quality(row)]
    if not fresh_rows:
        return {}
    shots = {shot["shot_id"]: shot for shot in video.shots}
    faces = [_place(row, shots[row["shot_id"]]) for row in fresh_rows]
    first = video.shots[0]
    rate = (first["end_frame"] - first["start_frame"]) / max(first["end_s"] - first["start_s"], 1e-3)
    earlier = [
        (row["frame"], read_box(row["box"]), row["person_id"] or "")
        for row in video.face_rows
        if row["shot_id"] not in video.current and has_quality(row) and row["cluster_id"] is not None
    ]
    groups = inherit_groups(faces, earlier, round(NEAR_S * rate))
    others = [face for face in faces if face.face_id not in groups]
    examples = known.read()
    vectors: dict[str, list[NDArray[np.float32]]] = {}
    frames: dict[str, set[tuple[str, int]]] = {}
    for face in faces:
        if group := groups.get(face.face_id):
            vectors.setdefault(group, []).append(face.vector_D)
            frames.setdefault(group, set()).add((face.shot_id, face.frame))
    examples |= {group: np.stack(members) for group, members in vectors.items() if group not in examples}
    return groups | group_faces(others, examples, model.same_distance, frames)


def _place(row: LakeFace, shot: LakeShot) -> PlacedFace:
    looks = list_looks(shot)
    position = row["frame"] - shot["start_frame"]
    return PlacedFace(
        face_id=row["face_id"],
        shot_id=row["shot_id"],
        frame=row["frame"],
        look=int(np.searchsorted(looks, position)),
        box=read_box(row["box"]),
        vector_D=np.asarray(row["embedding"], np.float32),
    )


def _write(
    settings: Settings,
    video: VideoFaces,
    rows: list[LakeFace],
    unread: Collection[str],
    reasons: dict[str, str | None],
    now: datetime,
) -> int:
    by_shot: dict[str, list[LakeFace]] = {}
    for row in rows:
        by_shot.setdefault(row["shot_id"], []).append(row)
    shot_rows = [
        build_shot_row(
            shot,
            None if shot["shot_id"] in unread else by_shot.get(shot["shot_id"], ()),
            count_looks(shot),
            reasons.get(shot["shot_id"]),
            video.inputs[shot["shot_id"]],
            now,
        )
        for shot in video.shots
    ]
    partition = settings.resolve_partition(video.video_id)
    stamped_rows = [row | {"created_timestamp": now} for row in rows]
    # The last table marks the shots as done.
    changed = settings.lake.update("faces", partition, video.video_id, stamped_rows)
    return changed + settings.lake.update("shot_people", partition, video.video_id, shot_rows)


def _read_shot(
    settings: Settings, video: VideoFaces, shot: LakeShot, model: FaceModel | None, progress: Progress
) -> ShotFaces:
    """Return the faces of one shot; none if ``model`` is ``None``."""
    input_hash = video.inputs[shot["shot_id"]]
    if model is None:
        return ShotFaces(shot=shot, looks=None, reason=None, input_hash=input_hash)
    progress.advance(STAGE)
    try:
        looks = look_for_faces(settings, shot, model)
    except MediaError as error:
        reason = f"its proxy {error}"
        progress.set_aside(STAGE, f"shot {shot['shot_id']}", f"its faces are unknown: {reason}")
        return ShotFaces(shot=shot, looks=None, reason=reason, input_hash=input_hash)
    return ShotFaces(shot=shot, looks=looks, reason=None, input_hash=input_hash)


def _report(settings: Settings, partitions: Sequence[str], change_count: int, problem: str) -> StepReport:
    shots: list[LakeShotPeople] = settings.lake.read("shot_people", partitions).to_pylist()
    faces = settings.lake.read("faces", partitions, ["face_id", "video_id", "shot_id", "person_id"]).to_pylist()
    model = {"model": describe_model(settings)} if settings.people == "on" else {}
    by_partition: dict[str, dict[str, Any]] = {
        name: {"faces": 0, "people": 0, "named_people": 0, "shots_with_people": 0, **model} for name in partitions
    }
    named = {row["person_id"] for row in people_table.read_people(settings) if row["name"]}
    seen: dict[str, set[str]] = {name: set() for name in partitions}
    for face in faces:
        partition = settings.resolve_partition(face["video_id"])
        by_partition[partition]["faces"] += 1
        seen[partition] |= {face["person_id"]} - {None}
    for name, people in seen.items():
        by_partition[name] |= {"people": len(people), "named_people": len(people & named)}
    for row in shots:
        by_partition[settings.resolve_partition(row["video_id"])]["shots_with_people"] += bool(row["people"])
    unread = {row["shot_id"]: row["reason"] for row in shots if row["reason"]}
    in_faces = {(row["shot_id"], row["person_id"]) for row in faces if row["person_id"]}
    in_shots = {(row["shot_id"], person) for row in shots for person in (row["people"] or "").split(",") if person}
    return StepReport(
        changed=change_count,
        data_version=compute_digest((row["face_id"], row["person_id"] or "") for row in faces),
        details={
            "faces": len(faces),
            "people": len({person for _, person in in_faces}),
            "named_people": len({person for _, person in in_faces} & named),
            "shots_with_people": len({shot for shot, _ in in_shots}),
            **model,
            "faces_without_person": sum(row["person_id"] is None for row in faces),
            "set_aside": dict(list(unread.items())[:MOST_REASONS]),
            **({"problem": problem} if problem else {}),
        },
        by_partition=by_partition,
        checks=[
            CheckOutcome(
                name="people_in_shots",
                passed=in_faces == in_shots,
                details={"people_in_shots": len(in_shots), "people_of_faces": len(in_faces)},
            )
        ],
    )
