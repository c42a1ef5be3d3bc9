"""The shots of a collection, as frame ranges that survive another cutting of their video."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import datetime

from pydantic import TypeAdapter

from ops.core.rows import LakeShot
from ops.core.settings import Settings
from ops.core.types import parse_shot_id
from ops.shots.build import read_shots
from ops.videos.forgotten import read_forgotten_ids

FORGOTTEN = "its video was forgotten"
UNKNOWN = "its video has no such shot in the catalogue"


@dataclass(frozen=True, kw_only=True)
class PickedShot:
    """A shot that somebody picks, with source frames ``[in_frame, out_frame)`` that may extend beyond it.

    Without frames it is the whole shot. The other fields are those of the search that found it, and the editor's note.
    """

    shot_id: str
    in_frame: int | None = None
    out_frame: int | None = None
    note: str = ""
    query: str | None = None
    score: float | None = None
    relevance: float | None = None
    encoder_id: str | None = None
    index_version: str | None = None
    matched: tuple[str, ...] = ()
    dialogue_version: str | None = None
    line_ids: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CollectionEntry(PickedShot):
    """A shot in a collection. The frames are always known, and they count: a shot id changes if its video is cut again.

    ``[shot_start, shot_end)`` is the shot when it was added. ``added_by`` and ``added_at`` stay when others save.
    """

    in_frame: int
    out_frame: int
    shot_start: int
    shot_end: int
    added_by: str
    added_at: datetime

    @property
    def video_id(self) -> str:
        return self.shot_id.partition(":")[0]

    @property
    def frames(self) -> tuple[str, int, int]:
        """Video and range, which identify the entry if its shot id has changed."""
        return self.video_id, self.in_frame, self.out_frame


@dataclass(frozen=True, kw_only=True)
class ResolvedEntry:
    """An entry with its shot of today: the stored one, otherwise the one that holds its first frame.

    ``shot_id`` is the stored id if there is no such shot; then ``missing_reason`` explains it. ``is_recut``: the shot
    has other frames than when it was added. The entry keeps its range.
    """

    entry: CollectionEntry
    shot_id: str
    missing_reason: str = ""
    is_recut: bool = False


@dataclass(frozen=True, kw_only=True)
class RefusedShot:
    """A shot that cannot be in a collection, with the reason."""

    shot_id: str
    reason: str


_ENTRIES = TypeAdapter(tuple[CollectionEntry, ...])


def encode_entries(entries: Iterable[CollectionEntry]) -> str:
    """The entries as JSON."""
    return _ENTRIES.dump_json(tuple(entries)).decode()


def decode_entries(text: str) -> tuple[CollectionEntry, ...]:
    """The entries of :func:`encode_entries`. Raises ``ValueError`` for any other text."""
    return _ENTRIES.validate_json(text)


class ShotFinder:
    """Finds the shots of today for ids and frames; reads each video's shots once."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._by_video: dict[str, list[LakeShot]] = {}
        self.forgotten_ids = read_forgotten_ids(settings.store)

    def list_shots(self, video_id: str) -> list[LakeShot]:
        """The shots of a video, in order; empty if the catalogue has none."""
        if video_id not in self._by_video:
            self._by_video[video_id] = read_shots(self._settings, video_id)
        return self._by_video[video_id]

    def find_shot(self, shot_id: str, first_frame: int | None) -> LakeShot | None:
        """The shot with this id, otherwise the one of its video that holds ``first_frame``."""
        rows = self.list_shots(shot_id.partition(":")[0])
        row_of_shot = next((row for row in rows if row["shot_id"] == shot_id), None)
        if row_of_shot or first_frame is None:
            return row_of_shot
        frame = max(first_frame, 0)
        return next((row for row in rows if row["start_frame"] <= frame < row["end_frame"]), None)

    def resolve(self, entry: CollectionEntry) -> ResolvedEntry:
        """The entry with its shot of today."""
        if entry.video_id in self.forgotten_ids:
            return ResolvedEntry(entry=entry, shot_id=entry.shot_id, missing_reason=FORGOTTEN)
        shot = self.find_shot(entry.shot_id, entry.in_frame)
        if shot is None:
            return ResolvedEntry(entry=entry, shot_id=entry.shot_id, missing_reason=UNKNOWN)
        is_recut = (shot["start_frame"], shot["end_frame"]) != (entry.shot_start, entry.shot_end)
        return ResolvedEntry(entry=entry, shot_id=shot["shot_id"], is_recut=is_recut)


def resolve_entries(settings: Settings, entries: Iterable[CollectionEntry]) -> list[ResolvedEntry]:
    """The entries, each with its shot of today."""
    finder = ShotFinder(settings)
    return [finder.resolve(entry) for entry in entries]


def accept_picks(
    finder: ShotFinder, picks: Sequence[PickedShot], before: Sequence[CollectionEntry], author: str, now: datetime
) -> tuple[tuple[CollectionEntry, ...], tuple[RefusedShot, ...]]:
    """The entries of ``picks``, in their order, and the picks that cannot be kept.

    An entry that was there ``before`` keeps its author and time, also if its shot is missing at the moment.
    """
    by_shot = {entry.shot_id: entry for entry in before}
    by_frames = {entry.frames: entry for entry in before}
    entries: list[CollectionEntry] = []
    refused_shots: list[RefusedShot] = []
    for pick in picks:
        frames = (pick.shot_id.partition(":")[0], pick.in_frame or 0, pick.out_frame or 0)
        old = by_frames.get(frames) or by_shot.get(pick.shot_id)
        result = _accept(finder, pick, old, author, now)
        if isinstance(result, RefusedShot):
            refused_shots.append(result)
        else:
            entries.append(result)
    return tuple(entries), tuple(refused_shots)


def _accept(
    finder: ShotFinder, pick: PickedShot, old: CollectionEntry | None, author: str, now: datetime
) -> CollectionEntry | RefusedShot:
    id_parts = parse_shot_id(pick.shot_id)
    if id_parts is None:
        return RefusedShot(
            shot_id=pick.shot_id, reason="not a shot id: it reads VIDEO:FRAME, such as 0123456789abcdef:489"
        )
    if id_parts[0] in finder.forgotten_ids:
        return RefusedShot(shot_id=pick.shot_id, reason=FORGOTTEN)
    shot = finder.find_shot(pick.shot_id, pick.in_frame)
    if shot is None and old is None:
        return RefusedShot(shot_id=pick.shot_id, reason=UNKNOWN)
    start, end = (shot["start_frame"], shot["end_frame"]) if shot else _require(old)
    first = start if pick.in_frame is None else pick.in_frame
    last = end if pick.out_frame is None else pick.out_frame
    rows = finder.list_shots(id_parts[0])
    if first >= last or last <= 0 or (rows and first >= rows[-1]["end_frame"]):
        return RefusedShot(shot_id=pick.shot_id, reason=f"frames {first} to {last} hold no frame of its video")
    return CollectionEntry(
        **(
            {each.name: getattr(pick, each.name) for each in fields(PickedShot)}
            | {"shot_id": shot["shot_id"] if shot else pick.shot_id, "in_frame": first, "out_frame": last}
        ),
        shot_start=start,
        shot_end=end,
        added_by=old.added_by if old else author,
        added_at=old.added_at if old else now,
    )


def _require(old: CollectionEntry | None) -> tuple[int, int]:
    assert old is not None, "an unknown shot was refused"
    return old.shot_start, old.shot_end
