"""Replicate lines of the lake to an index of lines: spoken lines, or writing in the picture.

Digests of the lines are kept by partition, with the stamps of the files from which they were computed. So whether the
index is current is known without reading a partition whose files did not change.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from ops.core.code_stamp import describe_code
from ops.core.errors import DamagedTableError, VectorIndexError
from ops.core.settings import Settings
from ops.core.tables import count_digested
from ops.core.types import CheckOutcome, Progress, StepReport
from ops.index.line_publishing import name_line_version, plan_lines, publish_planned_lines
from ops.index.line_sums import LineSums, compute_line_digest
from ops.index.lines import LineRow, open_lines, read_current_line_version
from ops.index.plan import Plan

ATTEMPTS = 3


@dataclass(frozen=True, kw_only=True)
class LineReplica:
    """An index of lines and its source.

    ``read_partition`` returns every line of a partition of ``table`` that belongs in the index; it reads no other table
    than this one and ``videos``. ``name`` is that of the index, ``stage`` that of its progress, ``check`` that of its
    check. ``version_key`` and ``unit`` name the version and the number of lines in reports.
    """

    name: str
    stage: str
    version_key: str
    unit: str
    check: str
    table: str
    read_partition: Callable[[Settings, str], Iterable[LineRow]]

    def compute_wanted_digest(self, settings: Settings) -> str:
        """Return the digest of the lines that belong in the index; only changed partitions are read."""
        return self._plan(settings).manifest["digest"]

    def _plan(self, settings: Settings) -> Plan:
        """Return the version of the index that belongs to the lake."""
        sums = LineSums()
        for each in self._sum_partitions(settings).values():
            sums.update(each)
        return plan_lines(sums)

    def _read_videos(self, settings: Settings, video_ids: Collection[str] | None) -> Iterator[LineRow]:
        """Yield the lines of some videos, or of all."""
        for partition, sums in self._sum_partitions(settings).items():
            if video_ids is None or not sums.videos.keys().isdisjoint(video_ids):
                rows = self.read_partition(settings, partition)
                yield from (row for row in rows if video_ids is None or row.video_id in video_ids)

    def _sum_partitions(self, settings: Settings) -> dict[str, LineSums]:
        """Return the sums of each partition's lines; only changed partitions are read."""
        lake = settings.lake
        # The listings come first: a file that is replaced after them has a new stamp in the next ones.
        stamps, video_stamps = lake.stat_partitions(self.table), lake.stat_partitions("videos")
        kind, place = f"digests of {self.name}", lake.path(self.table)
        known_contents = lake.memory.read_contents(kind, place) if lake.memory else {}
        contents, code = dict[str, tuple[str, str]](), describe_code()
        for partition, stamp in stamps.items():
            inputs, known_content = f"{code} {stamp} {video_stamps.get(partition)}", known_contents.get(partition)
            contents[partition] = (
                known_content
                if known_content is not None and known_content[0] == inputs
                else (inputs, LineSums(self.read_partition(settings, partition)).write())
            )
        fresh = {name: content for name, content in contents.items() if known_contents.get(name) != content}
        if lake.memory and (fresh or known_contents.keys() - contents.keys()):
            lake.memory.put_contents(kind, place, fresh, sorted(known_contents.keys() - contents.keys()))
        return {partition: LineSums.parse(content) for partition, (_, content) in contents.items()}

    def is_current(self, settings: Settings) -> bool:
        """Return True if the index is built from the lake's current lines."""
        current, digest = read_current_line_version(settings, self.name), self.compute_wanted_digest(settings)
        return current == name_line_version(digest) if current or count_digested(digest) else True

    def build(self, settings: Settings, progress: Progress) -> StepReport:
        """Publish the lake's lines as the current version of their index; a no-op if they already are."""
        progress.start(self.stage, 0, self.unit)
        version = before = read_current_line_version(settings, self.name)
        plans = [self._plan(settings)]

        def plan_rows() -> Plan:
            plans.append(self._plan(settings))
            return plans[-1]

        if version != plans[0].version:
            version = publish_planned_lines(settings, plan_rows, partial(self._read_videos, settings), name=self.name)
        digest = plans[-1].manifest["digest"]
        progress.advance(self.stage, count_digested(digest))
        progress.finish(self.stage)
        return StepReport(
            changed=int(version != before),
            data_version=version or "none",
            details={self.version_key: version or "", self.unit: count_digested(digest), "digest": digest},
            rows=count_digested(digest),
        )

    def check_index(self, settings: Settings) -> CheckOutcome:
        """Compare the published lines, read back one by one, with the lake's. Writes nothing.

        If the lake changes during the comparison, it is compared again. A damaged table or index fails the check.
        """
        try:
            index_digest, lake_digest = self._compare(settings)
        except (DamagedTableError, VectorIndexError) as error:
            return CheckOutcome(name=self.check, passed=False, details={"problems": [str(error)]})
        return CheckOutcome(
            name=self.check,
            passed=index_digest == lake_digest,
            details={
                self.version_key: read_current_line_version(settings, self.name) or "",
                "digest": index_digest,
                "expected_digest": lake_digest,
            },
        )

    def _compare(self, settings: Settings) -> tuple[str, str]:
        """Return the digests of the published lines and of the lake's."""
        for _ in range(ATTEMPTS):
            lake_digest = self.compute_wanted_digest(settings)
            index = open_lines(settings, self.name)
            index_digest = compute_line_digest([]) if index is None else index.digest()
            if index is not None:
                index.close()
            if index_digest == lake_digest or lake_digest == self.compute_wanted_digest(settings):
                break
        return index_digest, lake_digest
