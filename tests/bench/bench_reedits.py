"""How well gradual transitions are found in films that were cut again: dissolves, fades, wipes, pushes, slides, zooms.

``python -m tests.bench.bench_reedits FOOTAGE [FILMS]``. The shots between the annotated cuts of FOOTAGE are joined
anew; both shots move during a transition. The thresholds were chosen on the clips that are not in ``HELD_BACK``; the
others judge. Prints F1 of the default detector and of TransNetV2 over all frames, and the share found of each kind and
length. The weights of a wipe's front are fitted on the first half, with the annotated clips as examples of none.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from ops.evaluation.cuts import BoundaryMatch, match_boundaries
from ops.shots.detector import Boundary
from ops.shots.detectors.auto import AutoDetector
from ops.shots.detectors.fronts import FrontFeatures
from ops.shots.detectors.gradual import Proposal
from ops.shots.detectors.transitions import Confirmed
from ops.shots.detectors.transnetv2 import TransNetDetector
from tests.bench.reedited import ReeditedFilm, collect_shots
from tests.quality.annotated_clips import Clip, decode_clips, pooled
from tests.quality.logistic import fit_logistic

HELD_BACK = (
    "google_paris_180p.mp4", "sintel_trailer_204p.mp4", "chrome_icon_270p.mp4", "steamboat_480p.mp4", "nasa_13013.mp4",
    "screen_zoom_450p.mp4", "vertical_slides_1024p.mp4",
)  # fmt: skip
LONG = "bbb_full_360p.mp4"
FRONTS = ("wipe", "slide")


def main() -> None:
    clips = decode_clips(Path(sys.argv[1]))
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 6
    halves = {
        "tuning": {name: clip for name, clip in clips.items() if name not in HELD_BACK},
        "held back": {name: clips[name] for name in HELD_BACK if name in clips},
    }
    for title, half in halves.items():
        shots = {name: collect_shots(clip) for name, clip in half.items()}
        films = [ReeditedFilm(shots, seed) for seed in range(count)]
        made = [film.build() for film in films]
        _report(f"{title}, default", films, made, [clip.find() for clip in made])
        _report(f"{title}, TransNetV2", films, made, [_find_by_network(clip) for clip in made])
        if title == "tuning":
            _fit(films, made, [clip for name, clip in half.items() if name != LONG])


def _find_by_network(clip: Clip) -> list[Boundary]:
    detector = TransNetDetector()
    return [boundary for frame in clip.detector_frames() for boundary in detector.push(frame)] + detector.finish()


def _report(
    title: str, films: Sequence[ReeditedFilm], clips: Sequence[Clip], boundaries: Iterable[list[Boundary]]
) -> None:
    matches = [
        match_boundaries([(each.frame, each.transition == "gradual") for each in clip_boundaries], clip.annotation)
        for clip, clip_boundaries in zip(clips, boundaries, strict=True)
    ]
    score = pooled(match.score for match in matches)
    for name, part in (("hard", score.hard), ("gradual", score.gradual)):
        counts = f"{part.right} right, {part.false} false, {part.missed} missed"
        print(f"{title}: {name} F1 {part.f1:.3f} ({counts})", flush=True)
    every, right = _count_kinds(films, matches)
    print("  " + ", ".join(f"{key} {right[key]}/{every[key]}" for key in sorted(every)), flush=True)


def _count_kinds(films: Sequence[ReeditedFilm], matches: Sequence[BoundaryMatch]) -> tuple[Counter[str], Counter[str]]:
    """The number of transitions of each kind and of each length, and of those that were found."""
    every: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for film, match in zip(films, matches, strict=True):
        missed = {(fault.first, fault.last) for fault in match.faults if fault.kind == "missed"}
        for (first, last), kind in film.kinds.items():
            length = last - first + 1
            size = next(name for most, name in ((8, "to 8 frames"), (30, "to 30"), (60, "to 60")) if length <= most)
            every.update((kind, size))
            right.update((kind, size) if (first, last) not in missed else ())
    return every, right


class FrontRecorder(AutoDetector):
    """Keeps the features of every proposal that is not plain."""

    fronts: list[tuple[int, FrontFeatures]]

    def _find_front(self, proposal: Proposal) -> Confirmed | None:
        front = self._measure_front(proposal)
        if front is not None:
            self.fronts.append(((proposal.first + proposal.last) // 2, front[1].features))
        return super()._find_front(proposal)


def _fit(films: Sequence[ReeditedFilm], clips: Sequence[Clip], annotated: Sequence[Clip]) -> None:
    """Fit the weights of a front: wipes and slides against proposals outside of every transition."""
    features: list[FrontFeatures] = []
    truths: list[float] = []
    kinds = [film.kinds for film in films] + [dict.fromkeys(clip.annotation.gradual, "other") for clip in annotated]
    for clip, known in zip([*clips, *annotated], kinds, strict=True):
        recorder = FrontRecorder(fps=clip.fps, network=clip.network)
        recorder.fronts = []
        for frame in clip.detector_frames():
            recorder.push(frame)
        recorder.finish()
        for centre, values in recorder.fronts:
            near = [kind for (first, last), kind in known.items() if first - 12 <= centre <= last + 12]
            within = [kind for (first, last), kind in known.items() if first - 2 <= centre <= last + 2]
            if not near or (within and within[0] in FRONTS):
                features.append(values)
                truths.append(float(bool(within)))
    weights, bias = fit_logistic(np.array(features, np.float64), np.array(truths))
    print(f"fitted: front_weights = {weights.round(2).tolist()}, front_bias = {bias:.2f}, of {len(truths)} proposals")


if __name__ == "__main__":
    main()
