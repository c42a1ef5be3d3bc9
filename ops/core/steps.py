"""A step of the pipeline: an asset with partitions of videos, as plain functions.

``ops/pipeline.py`` finds the steps. Ingest, its progress bars, ``--retry``, ``needle forget``, the provenance of a shot
and the assets in ``assets/`` follow from them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ops.core.settings import Settings
from ops.core.types import Progress, StepReport


@dataclass(frozen=True, kw_only=True)
class StepRun:
    """One run of a step: ``now`` becomes the ``created_timestamp`` of its new rows."""

    settings: Settings
    encoder_id: str
    partitions: Sequence[str]
    now: datetime
    progress: Progress


IsDue = Callable[[Settings, str, Collection[str]], set[str]]
"""``(settings, encoder_id, video_ids)``: partitions of those of the videos whose rows are missing or out of date."""


DescribeOutside = Callable[[Settings, str, Collection[str]], Mapping[str, str | None]]
"""``(settings, encoder_id, video_ids)``: by partition, everything outside its ``decided_by`` that decides if it is due.

``None`` if that cannot be named: such a partition is asked about each time.
"""


def never_due(settings: Settings, encoder_id: str, video_ids: Collection[str]) -> set[str]:
    """For a step whose rows people write."""
    return set()


@dataclass(frozen=True, kw_only=True)
class Step:
    """A step of the pipeline, run for partitions of videos.

    ``name`` is that of its asset. ``title`` is the text of its progress bar, and ``stage`` the name under which
    ``build`` reports progress (default: ``name``). ``reads`` names the steps that come before it;
    ``reads_features``: also every step with a table that Feast serves. ``build`` brings ``tables`` up to date for some
    partitions, and writes nothing if ``is_due`` finds nothing. ``retry`` deletes the reasons for which these videos
    were set aside. ``folders`` of the object store have a folder for each video. ``child_modules`` contain the
    functions that ``build`` runs in child processes, which start with these modules imported.

    ``in_home``: its results are in the home, so another home on the same store has its own. It is then due for videos
    that the other home ingested.

    ``decided_by`` names the tables whose rows of a partition decide, with the objects in ``folders``, the settings and
    ``describe_outside``, if it is due. Then ``is_due`` is asked only about partitions where something of that changed.
    Without it, about all of them.
    """

    name: str
    title: str
    is_due: IsDue
    build: Callable[[StepRun], StepReport]
    tables: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    reads_features: bool = False
    stage: str = ""
    retry: Callable[[Settings, str, Collection[str], datetime], None] | None = None
    folders: tuple[str, ...] = ()
    child_modules: tuple[str, ...] = ()
    in_home: bool = False
    decided_by: tuple[str, ...] = ()
    describe_outside: DescribeOutside | None = None

    def run(self, run: StepRun) -> StepReport:
        """Call ``build`` under the work lock, so that ``needle forget`` waits for it, and it for ``needle forget``."""
        with run.settings.hold_work_lock():
            return self.build(run)
