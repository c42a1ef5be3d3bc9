"""The default detector: cheap scores propose nearly all boundaries; a closer check refuses doubtful ones.

Hard cuts are changes that stand out from the changes around them, if hardly any block of the image is found again after
them. Gradual transitions are differences between the images before and after that motion does not explain. Fades
through one colour are found by their contrast, wipes by their moving front. If another one is not plain, TransNetV2
gets some frames and decides. Changes are computed on images of 32 x 18, in which grain and fine motion disappear.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np

from ops.shots.detector import Boundary, DetectorFrame, TinyImage
from ops.shots.detectors.dips import Dip, find_dips
from ops.shots.detectors.fronts import Front, find_front
from ops.shots.detectors.gradual import MARGIN, Proposal, compute_reach, find_proposals
from ops.shots.detectors.hard_cuts import HardCuts
from ops.shots.detectors.recent import RecentFrames
from ops.shots.detectors.transitions import Confirmed, Transitions, find_earliest, find_latest, has_between
from ops.shots.detectors.transnet_model import Scores, predict_transitions
from ops.shots.thresholds import AUTO, AutoThresholds

BLOCK = 64
"""Number of frames that are judged at a time: numpy vectors are cheap only if they are long."""
NOMINAL_RATE = Fraction(25)
DIP_SCORE = 3.0
"""Score of a fade through one colour among transitions near each other: it stays, its two halves go."""


class AutoDetector:
    """Hard cuts and gradual transitions of one video at ``fps`` frames per second.

    See :class:`ops.shots.thresholds.AutoThresholds` for the meaning of each number. ``network`` returns TransNetV2's
    probabilities for consecutive images: of the middle and of any part of a transition.
    """

    def __init__(
        self,
        thresholds: AutoThresholds = AUTO,
        fps: Fraction = NOMINAL_RATE,
        network: Callable[[list[TinyImage]], tuple[Scores, Scores]] = predict_transitions,
    ) -> None:
        self._t, gradual = thresholds, thresholds.gradual
        self._network = network
        self._halves = tuple(sorted({max(round(length * fps), 4) for length in gradual.half_lengths_s}))
        self._longest = max(self._halves)
        self._hard = HardCuts(thresholds, fps)
        self._pad = max(self._longest // 2, MARGIN)
        self._reach = self._longest * 3 // 2
        # Hard cuts are judged a little ahead of gradual transitions, which must not contain one.
        self._lead = max(self._longest + self._pad, 2 * self._reach) + 2
        self._ahead = max(
            compute_reach(self._halves),
            self._longest + 3 * self._reach + MARGIN + 2,
            self._lead + self._hard.lookahead,
            self._longest + MARGIN + gradual.context,
        )
        self._transitions = Transitions(self._longest, math.ceil(gradual.longest_black_s * fps))
        self.max_delay = BLOCK + self._ahead + 2 * self._longest + self._pad + self._transitions.max_delay
        self._frames = RecentFrames(self._ahead * 2 + BLOCK + gradual.context, gradual.blank_deviation)
        self._judgement_end = self._proposal_end = self._decision_end = 0
        self._cuts: list[int] = []
        self._flashes: list[int] = []
        self._early: list[Boundary] = []
        self._dips: list[Dip] = []
        self._dips_end = 0
        self._scores: dict[int, tuple[float, float]] = {}
        self.consulted = 0
        """Number of frames that were passed to TransNetV2."""

    @property
    def decided(self) -> int:
        return self._decision_end

    def push(self, detector_frame: DetectorFrame) -> list[Boundary]:
        self._frames.append(detector_frame)
        return (
            self._advance(BLOCK, is_last=False)
            if self._frames.count >= self._proposal_end + BLOCK + self._ahead
            else []
        )

    def finish(self) -> list[Boundary]:
        return self._advance(self._frames.count - self._proposal_end, is_last=True)

    def _advance(self, length: int, *, is_last: bool) -> list[Boundary]:
        start, end = self._proposal_end, self._proposal_end + length
        self._judge(min(end + self._lead, self._frames.count))
        self._add_dips(start, end)
        self._propose(start, end)
        self._proposal_end = end
        safe = end if is_last else max(end - self._longest - self._pad, 0)
        final = self._transitions.settle(safe, self._judgement_end, self._frames.blank, self._cuts, is_last=is_last)
        self._early += [Boundary(frame, "gradual") for frame in final if 0 < frame < self._frames.count]
        first_undecided = self._transitions.find_first_undecided(safe, self._frames.blank)
        self._decision_end = end if is_last else max(self._decision_end, min(first_undecided, self._judgement_end))
        return self._tell()

    def _tell(self) -> list[Boundary]:
        by_frame = {boundary.frame: boundary for boundary in sorted(self._early, reverse=True)}
        boundaries = [by_frame[frame] for frame in sorted(by_frame) if frame < self._decision_end]
        self._early = [boundary for boundary in self._early if boundary.frame >= self._decision_end]
        return boundaries

    def _judge(self, end: int) -> None:
        """Search for hard cuts up to frame ``end``."""
        for frame in range(self._judgement_end, end):
            verdict = self._hard.judge(frame, self._frames)
            if verdict == "cut":
                self._cuts.append(frame)
                self._early.append(Boundary(frame))
            elif verdict == "flash":
                self._flashes.append(frame)
        self._judgement_end = max(self._judgement_end, end)

    def _add_dips(self, start: int, end: int) -> None:
        """Add fades through one colour whose lowest contrast begins in ``[start, end)``.

        Those that end a little later are searched as well: if the same content returns, none of their fades counts.
        """
        ahead = min(end + self._longest + self._reach + MARGIN + 1, self._frames.count)
        self._dips = [dip for dip in self._dips if dip.last + MARGIN + self._longest >= start]
        self._dips += find_dips(self._frames, self._dips_end, ahead, self._reach, self._t.gradual)
        self._dips_end = max(self._dips_end, ahead)
        for dip in self._dips:
            is_due = start <= dip.start < end and not dip.is_return
            if is_due and not has_between(self._cuts, dip.first + 1, dip.last + 1):
                middle = (dip.start + dip.end) // 2
                self._transitions.add(Confirmed(middle=middle, first=dip.first, last=dip.last, score=DIP_SCORE))

    def _is_within_return(self, proposal: Proposal) -> bool:
        """Whether a side or the middle of a proposal is in a dip after which the same content returns."""
        places = (proposal.first, (proposal.first + proposal.last) // 2, proposal.last)
        return any(
            dip.is_return and any(dip.first - MARGIN <= place <= dip.last + MARGIN for place in places)
            for dip in self._dips
        )

    def _propose(self, start: int, end: int) -> None:
        """Search for gradual transitions with their centre in ``[start, end)`` that no hard cut or flash explains."""
        proposals = []
        for proposal in find_proposals(self._frames, start, end, self._halves, self._t.gradual):
            first, last = proposal.region
            last = min(last, self._frames.count - 1)
            if has_between(self._cuts, first, last + 1) or has_between(self._flashes, first, last):
                continue
            if self._is_within_return(proposal):
                continue
            if self._frames.likeness(proposal.first, proposal.last).score < self._t.gradual.most_likeness:
                proposals.append((proposal, first, last))
        unsure = []
        for proposal, first, last in proposals:
            front = None if proposal.is_plain else self._find_front(proposal)
            if proposal.is_plain:
                self._add(proposal, proposal.middle, 1.0 + proposal.steadiness / 10)
            elif front is not None:
                self._transitions.add(front)
            else:
                unsure.append((proposal, first, last))
        self._consult([(first, last) for _, first, last in unsure], self._t.gradual.context)
        for proposal, first, last in unsure:
            self._confirm(proposal, first, last)

    def _find_front(self, proposal: Proposal) -> Confirmed | None:
        """The wipe near a proposal; ``None`` if its evidence is too little."""
        start, front = self._measure_front(proposal) or (0, None)
        if front is None or (evidence := front.weigh_evidence(self._t.gradual)) < self._t.gradual.front_evidence:
            return None
        return Confirmed(
            middle=start + front.middle,
            first=start + front.first,
            last=start + front.last,
            score=1.0 + min(evidence, 5.0) / 10,
        )

    def _measure_front(self, proposal: Proposal) -> tuple[int, Front] | None:
        """The most likely front near a proposal, between the hard cuts around it, and the frame its images begin at."""
        pad = max(proposal.half // 2, MARGIN)
        first = max(proposal.first - pad, find_latest(self._cuts, proposal.first), 0)
        last = min(proposal.last + pad, find_earliest(self._cuts, proposal.last) - 1, self._frames.count - 1)
        front = find_front(self._frames.smalls(first, last + 1))
        return None if front is None else (first, front)

    def _confirm(self, proposal: Proposal, first: int, last: int) -> None:
        """Add a proposal to the transitions if TransNetV2 agrees."""
        peak, anywhere = self._find_peak(first, last)
        steadiness = min(proposal.steadiness, self._t.gradual.most_steadiness)
        evidence = peak + anywhere + self._t.gradual.steadiness_weight * steadiness
        if peak < self._t.gradual.least_last or evidence < self._t.gradual.evidence:
            return
        weights_T = np.array([self._scores[frame][0] for frame in range(first, last + 1)]) + 1e-6
        middle = round(float((np.arange(first, last + 1) * weights_T).sum() / weights_T.sum()))
        self._add(proposal, middle, peak + anywhere)

    def _add(self, proposal: Proposal, middle: int, score: float) -> None:
        self._transitions.add(Confirmed(middle=middle, first=proposal.first, last=proposal.last, score=score))

    def _find_peak(self, first: int, last: int) -> tuple[float, float]:
        """Highest probabilities in ``[first, last]``: of the middle of a transition, and of any part of one."""
        scores = [self._scores[frame] for frame in range(max(first, 0), min(last, self._frames.count - 1) + 1)]
        return max(middle for middle, _ in scores), max(anywhere for _, anywhere in scores)

    def _consult(self, spans: list[tuple[int, int]], context: int) -> None:
        """Pass the frames of the spans (inclusive) without a score to TransNetV2, neighbours in one window."""
        frames = {
            frame for first, last in spans for frame in range(max(first, 0), min(last, self._frames.count - 1) + 1)
        }
        missing = sorted(frames - self._scores.keys())
        while missing:
            size = 1
            while size < len(missing) and missing[size] - missing[size - 1] <= 2 * context:
                size += 1
            first, last = missing[0], missing[size - 1]
            missing = missing[size:]
            low, high = first - context, last + context + 1
            self.consulted += high - low
            last_T, any_T = self._network(self._frames.window(low, high))
            for frame in range(first, last + 1):
                self._scores[frame] = (float(last_T[frame - low]), float(any_T[frame - low]))
