"""An index that the process which searches it keeps up to date itself, in ``<home>/cache/``.

Stands alone because its publisher is a reader of the lake: it serves searches that most people never make, so no run
builds it. It grows by videos like the published index, and vectors stay on disk.
"""

from __future__ import annotations

import logging
import shutil
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from pathlib import Path

from ops.core.errors import VectorIndexError
from ops.core.locks import lock_exclusively
from ops.core.settings import Settings
from ops.index.backends.scan import ScanVersions
from ops.index.index import VectorIndex, open_versions
from ops.index.lake_videos import LakeVideos, RowSource
from ops.index.plan import Plan, plan_videos
from ops.index.points import IndexRow
from ops.index.publishing import publish_vectors

log = logging.getLogger(__name__)


def name_cache(settings: Settings, encoder_id: str) -> Path:
    """Return the folder of an encoder's cached indexes; it may be deleted at any time."""
    return settings.home / "cache" / "vectors" / encoder_id


def open_cached_index(
    settings: Settings, encoder_id: str, source: RowSource, video_ids: Collection[str]
) -> VectorIndex:
    """Bring the index of a source's rows up to date, for these videos, and open it.

    Only changed partitions are read, and only the points of changed videos written. A damaged index is built again.
    """
    folder = name_cache(settings, encoder_id) / source.name
    with lock_exclusively(settings.home / "locks" / f"index-{encoder_id}-{source.name}.lock"):
        try:
            return _publish(settings, encoder_id, source, video_ids, folder)
        except VectorIndexError as error:
            log.warning("%s: the index %s is built again", error, folder)
            shutil.rmtree(folder, ignore_errors=True)
            return _publish(settings, encoder_id, source, video_ids, folder)


def _publish(
    settings: Settings, encoder_id: str, source: RowSource, video_ids: Collection[str], folder: Path
) -> VectorIndex:
    versions = ScanVersions(folder)

    def plan_rows() -> Plan:
        lake = LakeVideos(settings, encoder_id, source)
        lake.store()
        videos = {name: digest for name, digest in lake.videos.items() if name in video_ids}
        return plan_videos(encoder_id, videos, lake.dim, datetime.now(UTC))

    def read_rows(wanted_ids: Collection[str] | None) -> Iterator[IndexRow]:
        wanted_ids = video_ids if wanted_ids is None else wanted_ids
        partitions = {settings.resolve_partition(video_id) for video_id in wanted_ids}
        for partition in settings.lake.list_partitions(source.tables[0]):
            if partition in partitions:
                yield from source.read_partition(partition, wanted_ids)

    publish_vectors(versions, encoder_id, plan_rows, read_rows)
    index = open_versions(versions, encoder_id)
    index.counts("show")  # opens the files: damaged ones are found now
    return index
