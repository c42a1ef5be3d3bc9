"""Restores: a backup copied into an empty home and an empty store, or into none."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

from ops.core.backup import STAGE, list_home_files, list_left_out, report_full_disk
from ops.core.backup_manifest import Manifest, find_damage, read_manifest
from ops.core.errors import StorageError, UsageError
from ops.core.locks import lock_if_free
from ops.core.restore_marker import MARKER, RestoreMarker, read_marker, write_marker
from ops.core.settings import Settings
from ops.core.types import Progress

MOST_NAMED = 5


def restore(settings: Settings, source: Path, progress: Progress) -> Manifest:
    """Copy a backup into an empty home and an empty store, after its files were compared with their digests.

    A restore that was killed is begun again by the same command, which knows it by a file in the home. Until then no
    other command accepts the home.

    Raises ``NotFoundError`` if the folder has no backup, ``StorageError`` if files of it are missing or damaged, its
    list was changed, or the disk is full, and ``UsageError`` if the home or the store is in use.
    """
    manifest = read_manifest(source)
    _require_usable_links(settings, source, manifest)
    if damage := find_damage(source, manifest):
        more = f" and {len(damage) - MOST_NAMED} more" if len(damage) > MOST_NAMED else ""
        names = ", ".join(damage[:MOST_NAMED]) + more
        raise StorageError(f"the backup {source} is incomplete or damaged: {names}; nothing was restored")
    with (
        report_full_disk(f"{settings.home} or of {settings.storage_uri}"),
        lock_if_free(settings.home / "locks" / "restore.lock") as is_free,
    ):
        if not is_free:
            raise UsageError(f"another `needle restore` is writing into {settings.home}: wait until it has ended")
        _require_place(settings, manifest)
        _copy_back(settings, source, manifest, progress)
    return manifest


def _require_usable_links(settings: Settings, source: Path, manifest: Manifest) -> None:
    """Raise ``StorageError`` if a link of the backup would take the place of a folder that no backup has."""
    left_out = list_left_out(settings)
    store_parents = Path(settings.store.path("")).parents if settings.store.is_local else ()
    for name in manifest.links:
        link = settings.home / name
        if not left_out.isdisjoint((link, *link.parents)) or link in store_parents:
            raise StorageError(
                f"the backup {source} has the link {name!r} in the place of a folder of the home; nothing was "
                "restored: use another backup"
            )


def _require_place(settings: Settings, manifest: Manifest) -> None:
    """Raise ``UsageError`` if home or store are in use, unless this backup's restore into them was interrupted."""
    marker = read_marker(settings.home)
    if marker is None:
        _require_empty(settings)
        return
    is_same_store = marker.storage_uri in ("", settings.storage_uri)
    if marker.created_at != manifest.created_at.isoformat() or not is_same_store:
        raise UsageError(
            f"{settings.home} has an unfinished restore of another backup or into another object store: "
            f"{marker.describe_command(settings.home)} finishes it; or name a new home by --home or NEEDLE_HOME"
        )


def _require_empty(settings: Settings) -> None:
    left_out = list_left_out(settings)
    if settings.home.exists():
        links = (path for path in settings.home.rglob("*") if path.is_symlink() and path not in left_out)
        if first := next(itertools.chain(list_home_files(settings), links), None):
            raise UsageError(
                f"the home {settings.home} has files ({first.name}): name a new one by --home or NEEDLE_HOME"
            )
    if keys := settings.store.list():
        raise UsageError(
            f"the object store {settings.storage_uri} has objects ({keys[0]}): name another one by --storage or "
            "NEEDLE_STORAGE"
        )


def _copy_back(settings: Settings, source: Path, manifest: Manifest, progress: Progress) -> None:
    created_at = manifest.created_at.isoformat()
    write_marker(
        settings.home,
        RestoreMarker(created_at=created_at, source=str(source), storage_uri=settings.storage_uri),
    )
    progress.start(STAGE, len(manifest.files), "files")
    store, copy = settings.store, settings.scratch / "restored"
    for name in manifest.files:
        place, _, rest = name.partition("/")
        target = copy if place == "store" else settings.home / rest
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / name, target)
        if place == "store":
            store.put_file(copy, rest)
        progress.advance(STAGE)
    for name, link_target in manifest.links.items():
        link = settings.home / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)  # of a restore that was killed
        link.symlink_to(link_target)
    (settings.home / MARKER).unlink()
    progress.finish(STAGE)
