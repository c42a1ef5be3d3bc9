"""What is wrong with a home and its store, and how `needle doctor --repair` mends it.

Stands alone because each step knows only its own part: objects that no row names, and what a killed process left,
belong to none of them.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from ops.cli import runs
from ops.cli.database_faults import describe_damage, drop_databases, find_damaged_databases, free_locks
from ops.cli.looks import find_due_partitions
from ops.cli.progress import Bars
from ops.core.errors import DamagedTableError, VectorIndexError
from ops.core.history import find_history_damage
from ops.core.locks import lock_exclusively, lock_if_free
from ops.core.plural import plural
from ops.core.settings import Settings
from ops.core.steps import never_due
from ops.core.store_leases import Lease, end_leases, find_stale_leases
from ops.embeddings.encoder import resolve_encoder
from ops.index.build import index_is_current
from ops.index.dialogue import has_current_lines
from ops.index.engines import choose_engine
from ops.index.index import VectorIndex, open_index, read_current_version
from ops.index.lines import NAME as DIALOGUE_LINES
from ops.index.lines import SCREEN_TEXT, LineIndex, choose_line_engine, open_lines
from ops.index.screen_text import has_current_texts, open_texts
from ops.pipeline import list_steps
from ops.probes.definitions import load_definitions
from ops.shots.build import read_shots
from ops.shots.segment import make_poster_key, make_proxy_key
from ops.shots.sheet import FOLDER, find_without_sheet, make_sheet_key, write_sheet
from ops.videos import catalogue
from ops.videos.damaged_tables import has_lost_path, put_away_all

MOST_NAMED = 3
SHOTS, LINES, TEXTS = "search_index", "dialogue_index", "index of writing"
LINE_INDEXES = {LINES: DIALOGUE_LINES, TEXTS: SCREEN_TEXT}


@dataclass(frozen=True, kw_only=True)
class HomeFaults:
    """Faults by kind; each is empty if there is none.

    ``damaged`` are messages about files of the lake, ``databases`` about those of the home, by their paths; while there
    are any, nothing else is judged. ``history`` are messages about files of earlier versions of rows, which cannot be
    mended. ``orphans`` are keys of objects that no row names; ``is_shared``: other homes may have the same store, so
    they stay. ``empty`` are keys of objects without a byte, as a power failure leaves them. ``due`` has the partitions
    for which a step would write, by step: objects, rows, vectors or features are missing or out of date.
    ``indexes`` are indexes that differ from the lake, ``broken`` embedded ones that cannot be opened, with the reason.
    ``without_sheet`` are videos with shots and without a contact sheet, ``unregistered`` those with shots that the
    table ``videos`` does not have, or whose path it lost.
    ``interrupted`` counts ingests that were killed, ``leftovers`` are folders of killed processes, ``leases`` those
    that they hold in the store. ``unreachable`` are paths of videos with something due whose source cannot be found.
    """

    damaged: tuple[str, ...] = ()
    databases: Mapping[Path, str] = field(default_factory=dict)
    history: tuple[str, ...] = ()
    empty: tuple[str, ...] = ()
    orphans: tuple[str, ...] = ()
    is_shared: bool = False
    due: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    indexes: tuple[str, ...] = ()
    broken: Mapping[str, str] = field(default_factory=dict)
    without_sheet: tuple[str, ...] = ()
    unregistered: tuple[str, ...] = ()
    interrupted: int = 0
    leftovers: tuple[Path, ...] = ()
    leases: tuple[Lease, ...] = ()
    unreachable: tuple[str, ...] = ()

    def describe(self) -> list[str]:
        """Return a line for each kind of fault."""
        lines = [*self.damaged, *self.databases.values(), *self.history]
        if self.empty:
            lines.append(f"{plural(len(self.empty), 'object is', 'objects are')} empty: {_name(self.empty)}")
        if self.orphans:
            objects = plural(len(self.orphans), "object that no row names", "objects that no row names")
            why = "; not deleted, because other homes may be writing to this store" if self.is_shared else ""
            lines.append(f"{objects}: {_name(self.orphans)}{why}")
        for step, partitions in self.due.items():
            lines.append(
                f"{step}: {plural(len(partitions), 'partition is', 'partitions are')} due: {_name(partitions)}"
            )
        lines += [f"{index} differs from the lake" for index in self.indexes if index not in self.broken]
        lines += [f"{index} cannot be opened: {reason}" for index, reason in self.broken.items()]
        if self.without_sheet:
            videos = plural(len(self.without_sheet), "video has", "videos have")
            lines.append(f"{videos} no contact sheet: {_name(self.without_sheet)}")
        if self.unregistered:
            lines.append(
                f"{plural(len(self.unregistered), 'video has', 'videos have')} shots, and no row in the table videos: "
                f"{_name(self.unregistered)}; `needle ingest --retry` of the library registers them again"
            )
        if self.interrupted:
            lines.append(f"{plural(self.interrupted, 'ingest was', 'ingests were')} killed before its end")
        if self.leftovers:
            lines.append(f"left by killed processes: {_name(map(str, self.leftovers))}")
        if self.leases:
            names = _name(lease.name for lease in self.leases)
            lines.append(f"{plural(len(self.leases), 'lease is', 'leases are')} held by ended processes: {names}")
        if self.unreachable:
            lines.append(f"their source cannot be found, so they stay as they are: {_name(self.unreachable)}")
        return lines


def find_faults(settings: Settings) -> HomeFaults:
    """Look for faults; writes nothing. Objects and markers of work that is going on are not faults."""
    damaged = tuple(map(str, settings.lake.find_damage()))
    databases = {path: describe_damage(settings, path, why) for path, why in find_damaged_databases(settings).items()}
    history = tuple(map(str, find_history_damage(settings.store)))
    if damaged or databases:
        return HomeFaults(damaged=damaged, databases=databases, history=history)
    encoder_id = resolve_encoder(settings).encoder_id
    rows = {row["video_id"]: row for row in catalogue.read_videos(settings.lake)}
    ready = [video_id for video_id, row in rows.items() if row["state"] == "ready"]
    is_busy = runs.count_running_ingests(settings) > 0
    due = {
        step.name: tuple(sorted(step.is_due(settings, encoder_id, ready)))
        for step in list_steps()
        if step.is_due is not never_due
    }
    due_partitions = {partition for partitions in due.values() for partition in partitions}
    lost_videos = [
        rows[video_id]["path"]
        for video_id in ready
        if settings.resolve_partition(video_id) in due_partitions and not catalogue.has_source(rows[video_id])
    ]
    checks: dict[str, Callable[[], bool]] = {
        SHOTS: lambda: index_is_current(settings, encoder_id),
        LINES: lambda: has_current_lines(settings),
        TEXTS: lambda: has_current_texts(settings),
    }
    lost_ids = {video_id for video_id, row in rows.items() if has_lost_path(settings, row)}
    cut = set(settings.lake.read("shots", None, ["video_id"])["video_id"].to_pylist())
    return HomeFaults(
        history=history,
        empty=tuple(find_empty_objects(settings)),
        orphans=() if is_busy else tuple(find_orphans(settings)),
        is_shared=bool(settings.storage),
        due={name: partitions for name, partitions in due.items() if partitions},
        indexes=tuple(name for name, is_current in checks.items() if ready and not is_current()),
        broken={} if settings.qdrant_url else _find_broken_indexes(settings, encoder_id),
        without_sheet=tuple(find_without_sheet(settings)),
        unregistered=tuple(sorted(cut - rows.keys() | lost_ids)),
        interrupted=len(runs.find_interrupted_ingests(settings)),
        leftovers=() if is_busy else tuple(_find_leftovers(settings)),
        leases=tuple(find_stale_leases(settings.store)),
        unreachable=tuple(lost_videos),
    )


def _find_broken_indexes(settings: Settings, encoder_id: str) -> dict[str, str]:
    """Return why an embedded index cannot be opened, by its name."""
    openers: dict[str, Callable[[], VectorIndex | LineIndex | None]] = {
        SHOTS: lambda: open_index(settings, encoder_id) if read_current_version(settings, encoder_id) else None,
        LINES: lambda: open_lines(settings),
        TEXTS: lambda: open_texts(settings),
    }
    broken = {}
    for name, open_current in openers.items():
        try:
            if index := open_current():
                with index:
                    if isinstance(index, VectorIndex):
                        index.counts("show")  # opens its segments
                    else:
                        index.search("the", limit=1)  # reads its words
        except VectorIndexError as error:
            broken[name] = str(error)
    return broken


def _drop_index(settings: Settings, encoder_id: str, name: str) -> None:
    if name == SHOTS:
        choose_engine(settings, encoder_id).drop_all()
    else:
        choose_line_engine(settings, LINE_INDEXES[name]).drop_all()


def find_orphans(settings: Settings) -> list[str]:
    """Return keys of proxies, posters and contact sheets that belong to no shot and no video of the lake.

    Raises ``DamagedTableError`` if shots cannot be read: their objects must not count as orphans.
    """
    damage: list[DamagedTableError] = []
    shots = settings.lake.read("shots", None, ["video_id", "start_frame", "end_frame"], damage=damage).to_pylist()
    if damage:
        raise damage[0]
    spans = [(row["video_id"], row["start_frame"], row["end_frame"]) for row in shots]
    wanted_keys = {make(*span) for span in spans for make in (make_proxy_key, make_poster_key)}
    wanted_keys |= {make_sheet_key(video_id) for video_id, _, _ in spans}
    cut = {video_id for video_id, _, _ in spans}
    uncut = {row["video_id"] for row in catalogue.read_videos(settings.lake)} - cut  # they may be cut again
    keys = [key for folder in _list_folders() for key in settings.store.list(folder) if key not in wanted_keys]
    return [key for key in keys if key.split("/")[1].removesuffix(".jpg") not in uncut]


def find_empty_objects(settings: Settings) -> list[str]:
    """Return keys of proxies, posters and contact sheets that have no byte."""
    stats = {key: stat for folder in _list_folders() for key, stat in settings.store.stats(folder).items()}
    return [key for key, stat in stats.items() if not stat.size]


def _list_folders() -> list[str]:
    return sorted({folder for step in list_steps() for folder in step.folders} | {FOLDER})


def repair(settings: Settings, faults: HomeFaults, bars: Bars) -> None:
    """Move damaged files away, delete orphans, leftovers and leases, and run what is due, as an ingest does.

    Empty objects and damaged databases are deleted, so that they are created again; contact sheets are written again.
    The history stays as it is.

    Raises ``NeedleError`` if a step fails, and as :func:`ops.cli.runs.run_pipeline`.
    """
    if faults.damaged or faults.databases:
        free_locks(settings, faults.databases)
        with lock_exclusively(settings.work_lock):
            drop_databases(settings, faults.databases)
        _put_damage_away(settings, bars)
        faults = find_faults(settings)
    for key in faults.empty:
        settings.store.delete(key)
    end_leases(settings.store, faults.leases)
    if faults.orphans and not faults.is_shared:
        with lock_exclusively(settings.work_lock):
            for key in find_orphans(settings):  # again: a step may have finished meanwhile
                settings.store.delete(key)
    runs.clear_scratch(settings)
    for folder in faults.leftovers:
        shutil.rmtree(folder, ignore_errors=True)
    encoder_id = resolve_encoder(settings).encoder_id
    if faults.broken:
        with lock_exclusively(settings.work_lock):
            for name in faults.broken:
                _drop_index(settings, encoder_id, name)
    rows = {row["video_id"]: row for row in catalogue.read_videos(settings.lake)}
    usable = (row for row in rows.values() if row["state"] in ("ready", "pending"))
    reachable = [row["video_id"] for row in usable if catalogue.has_source(row)]
    due = find_due_partitions(settings, encoder_id, reachable)
    due -= {settings.resolve_partition(video_id) for video_id, row in rows.items() if row["path"] in faults.unreachable}
    interrupted_runs = runs.find_interrupted_ingests(settings)
    if due or interrupted_runs or faults.indexes or faults.broken:
        last = (*(f"probe_scores/{label}" for label in load_definitions(settings)), "saved_searches")
        runs.run_pipeline(settings, sorted(due), interrupted_runs, bars, last=last, started_by="needle doctor")
    with lock_exclusively(settings.work_lock):
        for video_id in find_without_sheet(settings):
            write_sheet(settings.store, read_shots(settings, video_id))


def _put_damage_away(settings: Settings, bars: Bars) -> None:
    """Move damaged files away, and let the videos that lost rows be computed again, if their files are known."""
    encoder_id = resolve_encoder(settings).encoder_id
    put_away_all(settings, encoder_id, bars)
    rows = [row for row in catalogue.read_videos(settings.lake) if row["state"] == "set_aside"]
    video_ids = [row["video_id"] for row in rows if not has_lost_path(settings, row)]
    for step in list_steps():
        if step.retry:
            step.retry(settings, encoder_id, video_ids, datetime.now(UTC))


def _find_leftovers(settings: Settings) -> Iterable[Path]:
    with lock_if_free(settings.work_lock) as is_free:
        if is_free and settings.scratch.is_dir() and any(settings.scratch.iterdir()):
            yield settings.scratch


def _name(things: Iterable[str]) -> str:
    names = list(things)
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(names[:MOST_NAMED]) + more
