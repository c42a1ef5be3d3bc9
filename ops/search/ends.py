"""Compare the first and last frames of shots, or their motion: what could follow or precede a shot in a cut.

All shots are compared. Vectors of frames are in an index of their own, which the first such search brings up to date
(:mod:`ops.index.cached_index`), because most searches do not need it: like the published index it has codes mapped into
memory, and vectors on disk. Of motion, five numbers a shot are in memory.

A frame alone is a noisy description of a camera set-up, the mean of a shot hides its changes. Their sum is better than
either (28 November 2026, ``make bench BENCH=match_cuts``): of 188 shots cut in two, the second half is the best match
of the first for 0.92 (frames alone 0.91, means 0.81); for cuts back to the same set-up, the average precision is 0.83
(0.70, 0.81).

Motion is compared by logarithms of its measures, so that slow motion counts, too; the score is ``exp(-distance)``.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cached_property
from threading import Lock
from typing import Literal, Protocol

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
from ops.index.cached_index import open_cached_index
from ops.index.fetching import Fetched
from ops.index.index import VectorIndex
from ops.index.lake_videos import RowSource
from ops.index.points import IndexRow
from ops.search.calibration import Calibration
from ops.search.query_encoding import SHORTEST
from ops.search.retrieval import Candidate, Ranking, VisualPart, exclude
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


class EndShots(Protocol):
    """One side of the searched shots, read at ``read_at`` for a ``version`` of the index."""

    version: str
    read_at: float

    def count(self) -> int:
        """Return the number of shots."""

    @property
    def calibration(self) -> Calibration:
        """Return the scale of scores, from random pairs of shots."""

    def rank(self, vector: Vector, scope: Scope, *, include_blank: bool) -> Ranking:
        """Return the shots of a scope by the score of this side with a vector (D,), best first, ties by shot id."""


class FrameShots:
    """First or last frames of shots, each with the mean of its shot, in an open index of unit vectors."""

    def __init__(self, index: VectorIndex, version: str) -> None:
        self.version = version
        self.read_at = time.monotonic()
        self.index = index

    def count(self) -> int:
        return self.index.count()

    @cached_property
    def calibration(self) -> Calibration:
        sample = self.index.sample
        scores = sample[:QUESTIONS] @ sample.T
        np.fill_diagonal(scores, np.nan)
        return Calibration.fit(scores, self.count())

    def rank(self, vector: Vector, scope: Scope, *, include_blank: bool) -> Ranking:
        return FrameRanking(self, vector, scope, include_blank)


class FrameRanking:
    """Shots by the cosine of their frames with a vector; all are compared."""

    falls = True

    def __init__(self, frames: FrameShots, vector: Vector, scope: Scope, include_blank: bool) -> None:
        self._frames = frames
        self._vector = vector
        self._scope = scope
        self._include_blank = include_blank

    def best(self, count: int) -> Fetched[Candidate]:
        """See :class:`ops.search.retrieval.Ranking`."""
        if self._scope.is_empty or count < 1:
            return Fetched(items=[], is_all=self._scope.is_empty)
        hits = self._frames.index.search(
            self._vector,
            limit=count,
            shows=self._scope.shows,
            videos=self._scope.video_ids,
            exclude_blank=not self._include_blank,
            exact=True,
            with_payload=False,
        )
        relevance = self._frames.calibration.relevance
        items = [Candidate(shot_id=hit.shot_id, score=hit.score, relevance=relevance(hit.score)) for hit in hits]
        return Fetched(items=items, is_all=len(hits) < count, looked_at=len(hits))


class MotionShots:
    """The motion of N shots, float32 (N, D), and the filters of a search: a few bytes a shot, in memory."""

    def __init__(self, rows: pa.Table, vectors_ND: Matrix, version: str) -> None:
        self.version = version
        self.read_at = time.monotonic()
        order = pc.sort_indices(rows["shot_id"]).to_numpy()
        rows = rows.take(pa.array(order))
        self._vectors_ND = vectors_ND[order]
        self._starts = np.asarray([int(each.rpartition(":")[2]) for each in rows["shot_id"].to_pylist()], np.int64)
        self._videos, self._video_numbers = _number_values(rows["video_id"])
        self._shows, self._show_numbers = _number_values(rows["show"])
        self._is_blank: NDArray[np.bool_] = rows["is_blank"].to_numpy()

    def count(self) -> int:
        return len(self._starts)

    @cached_property
    def calibration(self) -> Calibration:
        visible = np.flatnonzero(~self._is_blank)
        generator = np.random.default_rng(0)
        questions, sample = generator.permutation(visible)[:QUESTIONS], generator.permutation(visible)[:SAMPLE]
        scores = np.stack(
            [self.compare(self._vectors_ND[row], sample) for row in questions] or [np.zeros(0, np.float32)]
        )
        scores[questions[:, None] == sample[None, :]] = np.nan
        return Calibration.fit(scores, self.count())

    def compare(self, vector: Vector, rows: NDArray[np.int64] | slice = slice(None)) -> Vector:
        """Return the scores of rows with a vector (D,): ``exp(-distance)``."""
        return np.asarray(np.exp(-np.linalg.norm(self._vectors_ND[rows] - vector, axis=1)), np.float32)

    def rank(self, vector: Vector, scope: Scope, *, include_blank: bool) -> Ranking:
        return MotionRanking(self, vector, self._select(scope, include_blank))

    def name_shot(self, row: int) -> str:
        """Return the shot id of a row."""
        return make_shot_id(self._videos[self._video_numbers[row]], int(self._starts[row]))

    def _select(self, scope: Scope, include_blank: bool) -> NDArray[np.bool_]:
        """Return the shots of a scope: bool (N,)."""
        is_candidate = np.ones(self.count(), np.bool_) if include_blank else ~self._is_blank
        if scope.shows:
            is_candidate &= np.isin(np.asarray(self._shows, np.object_), scope.shows)[self._show_numbers]
        if scope.videos is not None:
            is_candidate &= np.isin(np.asarray(self._videos, np.object_), scope.video_ids)[self._video_numbers]
        return is_candidate


class MotionRanking:
    """Shots by the score of their motion; all are compared."""

    falls = True

    def __init__(self, motion: MotionShots, vector: Vector, is_wanted: NDArray[np.bool_]) -> None:
        self._motion = motion
        self._vector = vector
        self._is_wanted = is_wanted

    def best(self, count: int) -> Fetched[Candidate]:
        """See :class:`ops.search.retrieval.Ranking`."""
        relevance, scores = self._motion.calibration.relevance, self._scores
        candidates = [
            Candidate(
                shot_id=self._motion.name_shot(row), score=float(scores[row]), relevance=relevance(float(scores[row]))
            )
            for row in self._order[:count]
        ]
        return Fetched(items=candidates, is_all=count >= len(self._order), looked_at=len(candidates))

    @cached_property
    def _scores(self) -> Vector:
        return self._motion.compare(self._vector)

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        """Rows by falling score; ties by shot id."""
        rows = np.flatnonzero(self._is_wanted)
        return rows[np.argsort(-self._scores[rows], kind="stable")]


class ShotEndsIndex:
    """The ends and the motion of the searched shots; read on first use, and again for another version of the index.

    While shots are missing, they are read again after ten seconds. Safe to use from several threads.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = Lock()
        self._cached_shots: dict[Side, EndShots] = {}

    def get(self, encoder_id: str, snapshot: IndexSnapshot, side: Side) -> EndShots:
        """Return one side of the shots in a version of the encoder's index."""
        with self._lock:
            cached_matches = self._cached_shots.get(side)
            if (
                cached_matches is None
                or cached_matches.version != snapshot.version
                or _may_have_grown(cached_matches, snapshot)
            ):
                cached_matches = self._cached_shots[side] = self._read(encoder_id, snapshot, side)
            return cached_matches

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
        id_parts = parse_shot_id(shot_id)
        if id_parts is None:
            raise UsageError(f"by '{query.by}' compares shots: {shot_id!r} is not a shot id")
        own_side, other = _SIDES[query.by]
        vector = self._read_vector(encoder_id, snapshot, shot_id, own_side)
        if vector is None:
            raise _report_missing(shot_id, own_side, is_shot=id_parts[1] in starts_of(id_parts[0]))
        ends = self.get(encoder_id, snapshot, other)
        neighbours = [] if own_side == "motion" else list_neighbours(shot_id, starts_of)
        return VisualPart(
            ranking=ends.rank(vector, scope, include_blank=query.include_blank),
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

    def _read(self, encoder_id: str, snapshot: IndexSnapshot, side: Side) -> EndShots:
        if side == "motion":
            return _read_motion(self._settings, snapshot)
        source = RowSource(
            name=f"{encoder_id}-{side}",
            tables=(name_ends_table(encoder_id), name_table(encoder_id), "shots"),
            read_partition=lambda partition, video_ids: _read_frames(
                self._settings, encoder_id, side, partition, video_ids
            ),
        )
        index = open_cached_index(self._settings, encoder_id, source, snapshot.shots_by_video.keys())
        return FrameShots(index, snapshot.version)


def _read_frames(
    settings: Settings, encoder_id: str, side: Side, partition: str, video_ids: Collection[str] | None
) -> Iterator[IndexRow]:
    """Yield the frames of a partition's shots, with the means of their shots; those that are missing are left out."""
    lake = settings.lake
    try:
        rows = lake.read(name_ends_table(encoder_id), [partition], (*_COLUMNS, side)).drop_null()
        means = lake.read(name_table(encoder_id), [partition], ("shot_id", "embedding"))
        shots = lake.read("shots", [partition], ("shot_id", "is_blank"))
    except DamagedTableError as error:
        log.warning("%s; its shots are not compared", error)
        return
    if video_ids is not None:
        rows = rows.filter(pc.is_in(rows["video_id"], pa.array(sorted(video_ids), pa.string())))
    rows = _join(_join(rows, means), shots)
    if not len(rows):
        return
    vectors_ND = _add_mean(convert_to_matrix(rows[side]), convert_to_matrix(rows["embedding"]))
    for row, vector in zip(rows.drop_columns([side, "embedding"]).to_pylist(), vectors_ND, strict=True):
        shot_id = row.pop("shot_id")
        if vector.any():  # not the opposite of its mean
            vector_hash = hashlib.blake2b(vector.tobytes(), digest_size=16).hexdigest()
            yield IndexRow(shot_id=shot_id, vector=vector, vector_hash=vector_hash, payload=row)


def _read_motion(settings: Settings, snapshot: IndexSnapshot) -> MotionShots:
    lake, videos = settings.lake, pa.array(sorted(snapshot.shots_by_video), pa.string())
    parts: list[pa.Table] = []
    matrices: list[Matrix] = []
    for name in lake.list_partitions(MOTION):
        try:
            rows = lake.read(MOTION, [name], (*_COLUMNS, *NAMES)).drop_null()
            shots = lake.read("shots", [name], ("shot_id", "is_blank"))
        except DamagedTableError as error:
            log.warning("%s; its shots are not compared", error)
            continue
        rows = _join(rows.filter(pc.is_in(rows["video_id"], videos)), shots)
        matrices.append(_describe_motion(rows))
        parts.append(rows.drop_columns([*NAMES]))
    columns = pa.schema([*((name, pa.string()) for name in _COLUMNS), ("is_blank", pa.bool_())])
    together = pa.concat_tables(parts) if parts else columns.empty_table()
    vectors_ND = np.concatenate(matrices) if matrices else np.zeros((0, len(NAMES)), np.float32)
    return MotionShots(together, vectors_ND, snapshot.version)


def _describe_motion(rows: pa.Table) -> Matrix:
    return describe_motion(np.stack([rows[name].to_numpy() for name in NAMES], axis=1).reshape(-1, len(NAMES)))


def _number_values(column: pa.ChunkedArray) -> tuple[list[str], NDArray[np.int32]]:
    """Return the different values, and for each row the number of its value."""
    dictionary = pc.dictionary_encode(column.combine_chunks())
    return dictionary.dictionary.to_pylist(), dictionary.indices.to_numpy()


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


def _may_have_grown(cached_shots: EndShots, snapshot: IndexSnapshot) -> bool:
    is_old = time.monotonic() > cached_shots.read_at + REREAD_AFTER_S
    return is_old and cached_shots.count() < snapshot.index.count()


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


def _describe(query: Query, ends: EndShots, snapshot: IndexSnapshot, neighbours: Sequence[str]) -> tuple[str, ...]:
    which = {"ending": "begin as this shot ends", "beginning": "end as this shot begins", "motion": "move as this shot"}
    apart = "; the shots next to it in its film are left out" if neighbours else ""
    notes = [f"shots that {which[query.by]}{apart}"]
    if missing := snapshot.index.count() - ends.count():
        verb = "measures their motion, unless they are too short" if query.by == "motion" else _READS
        notes.append(f"{plural(missing, 'shot')} not compared: `needle ingest` {verb}")
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
