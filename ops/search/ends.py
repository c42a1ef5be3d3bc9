"""Compare the first and last frames of shots, or their motion: what could follow or precede a shot in a cut.

All shots are compared: for 100,000 shots that takes 75 ms. The vectors are read from the lake at the first such search,
because most searches do not need them.

A frame alone is a noisy description of a camera set-up, the mean of a shot hides its changes. Their sum is better than
either (28 November 2026, ``make bench BENCH=match_cuts``): of 188 shots cut in two, the second half is the best match
of the first for 0.92 (frames alone 0.91, means 0.81); for cuts back to the same set-up, the average precision is 0.83
(0.70, 0.81).

Motion is compared by logarithms of its measures, so that slow motion counts, too; the score is ``exp(-distance)``.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from threading import Lock
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from ops.core.errors import DamagedTableError, NotFoundError, UsageError
from ops.core.plural import plural
from ops.core.settings import Settings
from ops.core.types import make_shot_id, parse_shot_id
from ops.embeddings.build import convert_to_matrix, name_table
from ops.embeddings.ends import name_ends_table, read_ends
from ops.embeddings.motion import NAMES, describe_motion
from ops.embeddings.motion import TABLE as MOTION
from ops.index.fetching import Fetched
from ops.search.calibration import Calibration
from ops.search.query_encoding import SHORTEST
from ops.search.retrieval import Candidate, VisualPart, exclude
from ops.search.retriever import IndexSnapshot
from ops.search.schema import Query
from ops.search.searched_catalogue import Scope

log = logging.getLogger(__name__)

Vector = NDArray[np.float32]
Matrix = NDArray[np.float32]
Side = Literal["first", "last", "motion"]

# Vectors may arrive without a new version of the index, if shots were embedded before this table existed.
REREAD_AFTER_S = 10.0
# Shots that are compared with a sample of the others for the scale of relevance.
QUESTIONS, SAMPLE = 100, 2000
# Share of the shot's mean in the vector of its end; from 0.25 to 0.5 all figures are better than at 0 and 1.
MEAN_SHARE = 0.5
_COLUMNS = ("shot_id", "video_id", "show")
_SIDES: dict[str, tuple[Side, Side]] = {
    "ending": ("last", "first"),
    "beginning": ("first", "last"),
    "motion": ("motion", "motion"),
}
"""What is compared of the example, and of the other shots."""


@dataclass(frozen=True, kw_only=True, eq=False)
class EndVectors:
    """One side of N shots: ``vectors``, float32 (N, D).

    First or last frames are unit vectors, each with the mean of its shot. They were read at ``read_at`` for a
    ``version`` of the index. ``shows``, ``video_ids`` and ``is_blank`` (N,) are the
    filters of a search.
    """

    side: Side
    read_at: float
    version: str
    shot_ids: Sequence[str]
    shows: NDArray[np.object_]
    video_ids: NDArray[np.object_]
    is_blank: NDArray[np.bool_]
    vectors: Matrix

    @cached_property
    def calibration(self) -> Calibration:
        """Return the scale of cosines, from random pairs of shots."""
        shown = np.flatnonzero(~self.is_blank)
        generator = np.random.default_rng(0)
        asked, sample = generator.permutation(shown)[:QUESTIONS], generator.permutation(shown)[:SAMPLE]
        scores = np.stack([self.compare(self.vectors[row], sample) for row in asked] or [np.zeros(0, np.float32)])
        scores[asked[:, None] == sample[None, :]] = np.nan
        return Calibration.fit(scores, len(self.shot_ids))

    def compare(self, vector: Vector, rows: NDArray[np.int64] | slice = slice(None)) -> Vector:
        """Return the scores of rows with a vector (D,): cosines, for motion ``exp(-distance)``."""
        if self.side == "motion":
            return np.asarray(np.exp(-np.linalg.norm(self.vectors[rows] - vector, axis=1)), np.float32)
        return np.asarray(self.vectors[rows] @ vector, np.float32)

    def select(self, scope: Scope, *, include_blank: bool) -> NDArray[np.bool_]:
        """Return the shots of a scope: bool (N,)."""
        wanted = np.ones(len(self.shot_ids), np.bool_) if include_blank else ~self.is_blank
        if scope.shows:
            wanted &= np.isin(self.shows, scope.shows)
        if scope.videos is not None:
            wanted &= np.isin(self.video_ids, scope.video_ids)
        return wanted


class EndsRanking:
    """Shots by the score of one of their sides with a vector, float32 (D,), best first; all are compared."""

    falls = True

    def __init__(self, ends: EndVectors, vector: Vector, wanted: NDArray[np.bool_]) -> None:
        self._ends = ends
        self._vector = vector
        self._wanted = wanted

    def best(self, count: int) -> Fetched[Candidate]:
        """See :class:`ops.search.retrieval.Ranking`."""
        relevance, shot_ids, scores = self._ends.calibration.relevance, self._ends.shot_ids, self._scores
        candidates = [
            Candidate(shot_id=shot_ids[row], score=float(scores[row]), relevance=relevance(float(scores[row])))
            for row in self._order[:count]
        ]
        return Fetched(items=candidates, is_all=count >= len(self._order), looked_at=len(candidates))

    @cached_property
    def _scores(self) -> Vector:
        return self._ends.compare(self._vector)

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        """Rows by falling score; ties by shot id."""
        rows = np.flatnonzero(self._wanted)
        return rows[np.argsort(-self._scores[rows], kind="stable")]


class ShotEndsIndex:
    """The end vectors of the searched shots; read on first use, and again for another version of the index.

    While shots are missing, they are read again after ten seconds. Safe to use from several threads.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = Lock()
        self._known: dict[Side, EndVectors] = {}

    def get(self, encoder_id: str, snapshot: IndexSnapshot, side: Side) -> EndVectors:
        """Return the vectors of one end of the shots in a version of the encoder's index."""
        with self._lock:
            known = self._known.get(side)
            if known is None or known.version != snapshot.version or _may_have_grown(known, snapshot):
                known = self._known[side] = self._read(encoder_id, snapshot, side)
            return known

    def find_matches(
        self,
        query: Query,
        scope: Scope,
        encoder_id: str,
        snapshot: IndexSnapshot,
        starts_of: Callable[[str], list[int]],
    ) -> VisualPart:
        """Return the shots that could follow or precede the example of a query, or move as it does.

        For cuts, the shots next to it in its video are left out: they follow or precede it already. ``starts_of``
        returns the start frames of a video's shots. Raises ``UsageError`` if the example is an image,
        ``NotFoundError`` if its frames or its motion are unknown.
        """
        (shot_id,) = query.like
        parsed = parse_shot_id(shot_id)
        if parsed is None:
            raise UsageError(f"by '{query.by}' compares shots: {shot_id!r} is not a shot id")
        own, other = _SIDES[query.by]
        vector = self._read_vector(encoder_id, snapshot, shot_id, own)
        if vector is None:
            raise _report_missing(shot_id, own, is_shot=parsed[1] in starts_of(parsed[0]))
        ends = self.get(encoder_id, snapshot, other)
        neighbours = [] if own == "motion" else list_neighbours(shot_id, starts_of)
        return VisualPart(
            ranking=EndsRanking(ends, vector, ends.select(scope, include_blank=query.include_blank)),
            filters=(exclude({shot_id, *neighbours}),),
            vector=vector,
            calibration=ends.calibration,
            notes=_describe(query, ends, snapshot, neighbours),
        )

    def _read_vector(self, encoder_id: str, snapshot: IndexSnapshot, shot_id: str, side: Side) -> Vector | None:
        """Return the vector of one side of a shot, ``None`` if it is not stored."""
        if side == "motion":
            table = self._settings.lake.read(MOTION, [self._settings.resolve_partition(shot_id.partition(":")[0])])
            motion = table.filter(pc.equal(table["shot_id"], shot_id)).drop_null()
            return _describe_motion(motion)[0] if len(motion) else None
        columns = ("shot_id", "video_id", side)
        rows = read_ends(self._settings, encoder_id, shot_id.partition(":")[0], columns)
        frame = next((row[side] for row in rows if row["shot_id"] == shot_id), None)
        mean = snapshot.index.vectors([shot_id]).get(shot_id)
        if frame is None or mean is None:
            return None
        vector: Vector = _add_mean(np.asarray(frame, np.float32)[np.newaxis], mean[np.newaxis])[0]
        return vector

    def _read(self, encoder_id: str, snapshot: IndexSnapshot, side: Side) -> EndVectors:
        lake, videos = self._settings.lake, pa.array(sorted(snapshot.shots_by_video), pa.string())
        parts: list[pa.Table] = []
        matrices: list[Matrix] = [np.zeros((0, 1), np.float32)]
        table, columns = (MOTION, NAMES) if side == "motion" else (name_ends_table(encoder_id), (side,))
        for name in lake.list_partitions(table):
            try:
                rows = lake.read(table, [name], (*_COLUMNS, *columns)).drop_null()
                means = lake.read(name_table(encoder_id), [name], ("shot_id", "embedding"))
                shots = lake.read("shots", [name], ("shot_id", "is_blank"))
            except DamagedTableError as error:
                log.warning("%s; its shots are not compared", error)
                continue
            rows = rows.filter(pc.is_in(rows["video_id"], videos))
            rows = _join(_join(rows, means), shots)
            if len(rows):
                matrices.append(_describe_motion(rows) if side == "motion" else _describe_frames(rows, side))
                parts.append(rows.drop_columns([*columns, "embedding"]))
        return _build_vectors(side, parts, matrices, snapshot.version)


def _describe_frames(rows: pa.Table, side: Side) -> Matrix:
    return _add_mean(convert_to_matrix(rows[side]), convert_to_matrix(rows["embedding"]))


def _describe_motion(rows: pa.Table) -> Matrix:
    return describe_motion(np.stack([rows[name].to_numpy() for name in NAMES], axis=1).reshape(-1, len(NAMES)))


def _join(rows: pa.Table, others: pa.Table) -> pa.Table:
    """Return the rows with the other columns of the same shots, without those that have none.

    ``pa.Table.join`` refuses columns of lists.
    """
    at = pc.index_in(rows["shot_id"], others["shot_id"].combine_chunks())
    is_known = pc.is_valid(at)
    rows, others = rows.filter(is_known), others.take(at.filter(is_known))
    for name in others.column_names:
        rows = rows if name == "shot_id" else rows.append_column(name, others[name])
    return rows


def _build_vectors(side: Side, parts: Sequence[pa.Table], matrices: Sequence[Matrix], version: str) -> EndVectors:
    """Join the rows of all partitions, in the order of their shot ids."""
    columns: dict[str, list[Any]] = {name: [] for name in (*_COLUMNS, "is_blank")}
    for part in parts:
        for name, values in columns.items():
            values.extend(part[name].to_pylist())
    order = sorted(range(len(columns["shot_id"])), key=columns["shot_id"].__getitem__)
    vectors = np.concatenate(matrices[1:] or matrices)
    return EndVectors(
        side=side,
        read_at=time.monotonic(),
        version=version,
        shot_ids=[columns["shot_id"][row] for row in order],
        shows=np.asarray(columns["show"], np.object_)[order],
        video_ids=np.asarray(columns["video_id"], np.object_)[order],
        is_blank=np.asarray(columns["is_blank"], np.bool_)[order],
        vectors=vectors[order],
    )


def _may_have_grown(known: EndVectors, snapshot: IndexSnapshot) -> bool:
    is_old = time.monotonic() > known.read_at + REREAD_AFTER_S
    return is_old and len(known.shot_ids) < snapshot.index.count()


def _add_mean(frames_ND: Matrix, mean_ND: Matrix) -> Matrix:
    """Return unit vectors (N, D) of frames, with ``MEAN_SHARE`` of the means of their shots."""
    sums_ND = (1 - MEAN_SHARE) * frames_ND + MEAN_SHARE * mean_ND
    sums_ND /= np.maximum(np.linalg.norm(sums_ND, axis=1, keepdims=True), SHORTEST)
    return np.asarray(sums_ND, np.float32)


def list_neighbours(shot_id: str, starts_of: Callable[[str], list[int]]) -> list[str]:
    """Return the shots before and after a shot in its video."""
    video_id, start = parse_shot_id(shot_id) or ("", 0)
    starts = sorted(starts_of(video_id))
    if start not in starts:
        return []
    at = starts.index(start)
    return [make_shot_id(video_id, starts[near]) for near in (at - 1, at + 1) if 0 <= near < len(starts)]


def _describe(query: Query, ends: EndVectors, snapshot: IndexSnapshot, neighbours: Sequence[str]) -> tuple[str, ...]:
    which = {"ending": "begin as this shot ends", "beginning": "end as this shot begins", "motion": "move as this shot"}
    apart = "; the shots next to it in its film are left out" if neighbours else ""
    notes = [f"shots that {which[query.by]}{apart}"]
    if missing := snapshot.index.count() - len(ends.shot_ids):
        measured = "measures their motion, unless they are too short" if query.by == "motion" else _READS
        notes.append(f"{plural(missing, 'shot')} not compared: `needle ingest` {measured}")
    return tuple(notes)


_READS = "reads their first and last frames"


def _report_missing(shot_id: str, side: Side, *, is_shot: bool) -> NotFoundError:
    if is_shot and side == "motion":
        return NotFoundError(
            f"the motion of shot {shot_id} is unknown: it is too short, or `needle ingest` on its film measures it"
        )
    if is_shot:
        return NotFoundError(
            f"the first and last frames of shot {shot_id} are not embedded: run `needle ingest` on its film"
        )
    return NotFoundError(f"no shot {shot_id!r} is indexed: `needle shots VIDEO` lists the shots of a video")
