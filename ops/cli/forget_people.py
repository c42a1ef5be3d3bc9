"""Remove people from the whole catalogue, permanently: for ``needle forget --person`` and ``needle people --off``."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from datetime import UTC, datetime

from ops.cli.main import announce, make_printable
from ops.collections.store import forget_entry_queries
from ops.core.locks import lock_exclusively
from ops.core.plural import plural
from ops.core.rows import LakePerson
from ops.core.settings import Settings
from ops.core.types import Progress, SilentProgress
from ops.embeddings.encoder import resolve_encoder
from ops.features import forget_features
from ops.features.build import build_features
from ops.people.forget import forget_all_people, forget_person, list_names
from ops.search.person_queries import names_people
from ops.search.saved_searches import forget_person_searches
from ops.videos.damaged_tables import put_away_all
from ops.videos.division import delete_copies


def delete_people(settings: Settings, person: LakePerson | None, progress: Progress | None = None) -> list[str]:
    """Remove a person, or everybody, from lake, history, features, searches and reports; return their shots.

    Faces are in no index, and pictures of them in no cache. The footage stays. Standard output stays empty: an ingest
    prints its document there. ``progress`` gets notes on damaged files.
    """
    encoder_id = resolve_encoder(settings).encoder_id
    # Rows cannot be removed from unreadable files. This comes before the lock, because each of these calls holds it.
    put_away_all(settings, encoder_id, progress or SilentProgress())
    announce("waiting until nothing is being computed")
    now = datetime.now(UTC)
    with lock_exclusively(settings.work_lock):
        delete_copies(settings)
        if person is None:
            names = None
            shots = forget_all_people(settings, now)
        else:
            names = list_names(settings, person)
            shots = forget_person(settings, person, now)
        for search in forget_person_searches(settings, names):
            announce(f"saved search deleted, because it names them: {make_printable(search)}")
        forget_names_in_collections(settings, names, now)
        partitions = sorted({settings.resolve_partition(shot.split(":")[0]) for shot in shots})
        if shots:
            forget_features(settings, [], shots)
        shutil.rmtree(settings.home / "reports", ignore_errors=True)  # some show features; the next run makes new ones
        settings.lake_memory.forget(partitions)
    if partitions:  # takes the lock itself; if it is killed before, the next ingest writes these rows
        build_features(settings, encoder_id, partitions, SilentProgress(), now=now)
    return shots


def forget_names_in_collections(settings: Settings, names: Collection[str] | None, now: datetime) -> None:
    """Remove searches that name these people, ``None`` for anybody, from the entries of collections, and print it."""
    if count := forget_entry_queries(settings, lambda text: names_people(text, names), now):
        searches = plural(count, "shot of a collection", "shots of collections")
        announce(f"the search that found {searches} is removed, because it names them")
