"""Divide the lake in another way: one file for each of several videos, in place of one for each video, or the reverse.

A lake of ten thousand videos has ten files for each; divided into buckets of four or more videos it has at most three.
No row changes, and earlier versions stay in the history.

The new files are written next to the lake, in ``divided/``, and take its place when all of them are there. From that
moment the lake's layout names the division as unfinished: no ingest begins (``catalogue.require_layout``), and the same
command goes on after a kill.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from collections.abc import Set as AbstractSet

import pyarrow as pa

from ops.core.errors import SettingsError
from ops.core.history import compact_history, divide_history, require_intact_history
from ops.core.schemas import find_family
from ops.core.settings import Settings
from ops.core.storage import ObjectStore
from ops.core.tables import Lake, resolve_partition
from ops.videos.catalogue import DIVIDING, TABLE, read_layout, write_layout

_STAGING = "divided"


def divide_lake(settings: Settings, division: str) -> tuple[int, int]:
    """Divide the lake by ``division`` (``video`` or ``bucket:<count>``); return its numbers of files before and after.

    A no-op if it is divided so already. The caller must exclude every other reader and writer, in all homes.
    Raises ``SettingsError`` if another division is unfinished. Raises ``DamagedTableError``, or ``LakeError`` for the
    history, before anything was changed.
    """
    layout, store, lake = read_layout(settings), settings.store, settings.lake
    tables = [table for table in lake.list_tables() if (family := find_family(table)) and family.per_video]
    before = sum(len(lake.list_partitions(table)) for table in tables)
    unfinished_division = layout.get(DIVIDING)
    if unfinished_division not in (None, division):
        raise SettingsError(
            f"the lake is being divided by {unfinished_division!r}: run `needle compact --divide {unfinished_division}`"
        )
    if layout["partitions"] == division and unfinished_division is None:
        return before, before
    staged_lake = Lake(ObjectStore(store.path(_STAGING)))
    if unfinished_division is None:
        store.delete_tree(_STAGING)
        members: dict[str, set[str]] = defaultdict(set)
        for video_id in lake.read(TABLE, None, ["video_id"])["video_id"].to_pylist():
            members[resolve_partition(video_id, layout["partitions"])].add(video_id)
        for table in tables:
            _stage(lake, staged_lake, table, division, members)
        require_intact_history(store)
        write_layout(store, {**layout, DIVIDING: division})
    for key in staged_lake.store.list("lake"):
        store.write_bytes(key, staged_lake.store.read_bytes(key))
    after = 0
    for table in tables:
        names = set(staged_lake.list_partitions(table))
        after += len(names)
        for name in set(lake.list_partitions(table)) - names:
            if names or not len(lake.read(table, [name], ["video_id"])):  # rows of a table that was not staged stay
                store.delete(f"{lake.folder(table)}/{name}.parquet")
    divide_history(store, lambda video_id: resolve_partition(video_id, division))
    compact_history(store)
    write_layout(store, {name: text for name, text in layout.items() if name != DIVIDING} | {"partitions": division})
    store.delete_tree(_STAGING)
    return before, after


def delete_copies(settings: Settings) -> None:
    """Delete copies of rows that a killed division left, unless it goes on from them."""
    if DIVIDING not in read_layout(settings):
        settings.store.delete_tree(_STAGING)


def _stage(lake: Lake, staged_lake: Lake, table: str, division: str, members: Mapping[str, AbstractSet[str]]) -> None:
    """Write the files of one table in the new division; the rows of one of them are in memory at a time.

    ``members`` are the videos of each file now: one without rows shows by its file that its step has run.
    """
    sources: dict[str, list[str]] = defaultdict(list)
    for partition in lake.list_partitions(table):
        ids = set(lake.read(table, [partition], ["video_id"])["video_id"].to_pylist()) | members.get(partition, set())
        for name in {_choose_partition(each, partition, division) for each in ids}:
            sources[name].append(partition)
    for name, partitions in sources.items():
        rows = lake.read(table, partitions)
        is_member = [_choose_partition(each, name, division) == name for each in rows["video_id"].to_pylist()]
        order = [("video_id", "ascending")] + ([("index", "ascending")] if "index" in rows.column_names else [])
        staged_lake.write(table, name, rows.filter(pa.array(is_member, pa.bool_())).sort_by(order), keep_versions=False)


def _choose_partition(video_id: str, partition: str, division: str) -> str:
    """Return the partition of a row. One of no video, such as a photograph's captions, stays where it is."""
    return resolve_partition(video_id, division) if video_id else partition
