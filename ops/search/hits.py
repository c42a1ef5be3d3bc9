"""Build the hits of an answer from candidates."""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Mapping, Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from ops.core.time import SPOKEN_PADDING_S, pad_frames
from ops.index.index import VectorIndex
from ops.index.lines import LineHit
from ops.search.probe_filters import ProbeScores
from ops.search.retrieval import Candidate
from ops.search.schema import Hit, HitLine, HitText, ProbeScore, Span
from ops.search.shot_details import ShotDetail, ShotDetails

log = logging.getLogger(__name__)


class HitWriter:
    """Writes candidates as hits.

    ``titles`` are ids of title cards, ``lines`` and ``texts`` the matching lines and writing, by id.
    """

    def __init__(
        self,
        details: ShotDetails,
        probes: ProbeScores,
        titles: Collection[str],
        lines: Mapping[str, LineHit],
        texts: Mapping[str, LineHit],
    ) -> None:
        self._details = details
        self._probes = probes
        self._titles = titles
        self._lines = lines
        self._texts = texts

    def write(self, page: Sequence[Candidate], offset: int) -> tuple[Hit, ...]:
        """Return one hit per candidate, ranked from ``offset + 1``; shots missing from the lake are left out."""
        shot_ids = [each.shot_id for each in page] + [each.then.shot_id for each in page if each.then]
        details = self._details.read(shot_ids)
        scores = {
            shot_id: tuple(ProbeScore(probe=name, score=round(score, 6)) for name, score in pairs)
            for shot_id, pairs in self._probes.find_matching(shot_ids).items()
        }
        if missing := [shot_id for shot_id in shot_ids if shot_id not in details]:
            # Not an error if a client pages through a version from before `needle forget`.
            log.warning("%d shots are indexed but not in the lake (%s): left out", len(missing), missing[0])
        candidates = [
            each for each in page if each.shot_id in details and (not each.then or each.then.shot_id in details)
        ]
        return tuple(
            self._build_hit(each, rank, details, scores) for rank, each in enumerate(candidates, start=offset + 1)
        )

    def _build_hit(
        self,
        candidate: Candidate,
        rank: int,
        details: Mapping[str, ShotDetail],
        scores: Mapping[str, tuple[ProbeScore, ...]],
    ) -> Hit:
        shot = details[candidate.shot_id]
        match = candidate.match
        lines = (
            tuple([self._build_line(self._lines[name]) for name in candidate.line_ids]) if candidate.line_ids else ()
        )
        # If the frames must fulfil other conditions too, the lines are only a part of the match.
        is_spoken = bool(lines) and (candidate.match is None or candidate.matched == ("dialogue",))
        values: dict[str, object] = {
            "rank": rank,
            "score": round(candidate.score, 6),
            "relevance": round(candidate.relevance, 6),
            **shot.public,
            "matched": candidate.matched,
            "lines": lines,
            "texts": tuple([self._build_text(self._texts[name]) for name in candidate.text_ids])
            if candidate.text_ids
            else (),
            "probes": scores.get(candidate.shot_id, ()),
            "folded": candidate.folded,
            "is_weak": candidate.is_weak,
            "is_blank": shot.is_blank,
            "is_title": candidate.shot_id in self._titles,
            "match": Span(start_frame=match[0], end_frame=match[1]) if match else shot.frames,
            "spoken": self._compute_spoken_span(lines, shot) if is_spoken else None,
            "then": self._build_hit(candidate.then, rank, details, scores) if candidate.then else None,
        }
        return Hit.assemble(values)

    def _compute_spoken_span(self, lines: Sequence[HitLine], shot: ShotDetail) -> Span:
        """Return the frames from the first to the last of the lines with the usual padding, within the video."""
        video = self._details.find_video(shot.video_id)
        first, last = min(line.start_frame for line in lines), max(line.end_frame for line in lines)
        start, end = pad_frames(first, last, Fraction(shot.fps), SPOKEN_PADDING_S)
        frames = video.frames if video else None
        return Span(start_frame=start, end_frame=min(end, max(frames or end, start + 1)))

    def _build_text(self, text: LineHit) -> HitText:
        video = self._details.find_video(text.video_id)
        return HitText(
            text_id=text.line_id,
            text=text.text,
            start_frame=text.start_frame,
            end_frame=text.end_frame,
            start_timecode=video.timecode_at(text.start_frame, text.start_s) if video else "",
        )

    def _build_line(self, line: LineHit) -> HitLine:
        video = self._details.find_video(line.video_id)
        return HitLine(
            line_id=line.line_id,
            line_ids=line.line_ids,
            text=line.text,
            start_s=line.start_s,
            end_s=line.end_s,
            start_frame=line.start_frame,
            end_frame=line.end_frame,
            start_timecode=video.timecode_at(line.start_frame, line.start_s) if video else "",
            language=line.language,
            source=line.source,
        )


def fill_scores(index: VectorIndex, page: Sequence[Candidate], vector: NDArray[np.float32] | None) -> None:
    """Set ``score`` of candidates without a visual comparison to the cosine with ``vector``; 0 without a vector."""
    missing = [each for each in page if math.isnan(each.score)]
    vectors = index.vectors([each.shot_id for each in missing]) if missing and vector is not None else {}
    for each in missing:
        shot_vector = vectors.get(each.shot_id)
        each.score = float(shot_vector @ vector) if shot_vector is not None and vector is not None else 0.0
