"""Digests of lines by video: they name a version of the index of lines before it is built."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from ops.core.tables import compute_digest
from ops.index.line_points import LineRow, list_values
from ops.index.points import VideoDigest, hash_text
from ops.index.words import choose_stemmer

_MODULUS = 1 << 128


class LineSums:
    """Digests of lines by video, and the stemmers of the lines. Sums do not depend on the order of the lines."""

    def __init__(self, rows: Iterable[LineRow] = ()) -> None:
        self.stemmers: set[str] = set()
        self._sums: dict[str, tuple[int, int]] = {}
        for row in rows:
            self.add(row)

    def add(self, row: LineRow) -> None:
        """Add a line."""
        self.stemmers.add(choose_stemmer(row.language))
        count, total = self._sums.get(row.video_id, (0, 0))
        self._sums[row.video_id] = count + 1, (total + hash_text("\x00".join(_describe(row)))) % _MODULUS

    def update(self, other: LineSums) -> None:
        """Add the lines of other videos."""
        self.stemmers |= other.stemmers
        self._sums |= other._sums

    @property
    def videos(self) -> Mapping[str, VideoDigest]:
        """Return the digests, which add up to :func:`compute_line_digest`; ``content`` is 0."""
        return {
            video_id: VideoDigest(rows=count, content=0, digest=total)
            for video_id, (count, total) in self._sums.items()
        }

    def write(self) -> str:
        """Return the sums as JSON."""
        return json.dumps(
            [sorted(self.stemmers), {name: [count, f"{total:x}"] for name, (count, total) in self._sums.items()}]
        )

    @classmethod
    def parse(cls, text: str) -> LineSums:
        """Return the sums of :meth:`write`."""
        stemmers, videos = json.loads(text)
        sums = cls()
        sums.stemmers.update(stemmers)
        sums._sums |= {name: (count, int(total, 16)) for name, (count, total) in videos.items()}
        return sums


def compute_line_digest(rows: Iterable[LineRow]) -> str:
    """Return an order-independent digest of all stored values of the rows."""
    return compute_digest(map(_describe, rows))


def _describe(row: LineRow) -> tuple[str, str]:
    return row.line_id, json.dumps(list_values(row))
