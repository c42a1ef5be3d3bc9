"""Frames around each fault as a strip of images, with measurements and TransNetV2's probabilities.

A second pass over the clips that have faults: the needed frames are known only when a whole clip is compared.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby

import cv2
import numpy as np
from numpy.typing import NDArray

from ops.core.errors import NeedleError
from ops.core.types import Progress, SilentProgress
from ops.evaluation.clip_cuts import ClipCuts, ClipFault, CutEvaluation
from ops.evaluation.cuts import Fault
from ops.shots.cutting import TimedFrame
from ops.shots.detector import DetectorFrame, TinyImage
from ops.shots.detectors.transnet_model import make_small_rgb, predict_transitions
from ops.shots.pictures import make_detector_frame
from ops.shots.reading import read_proxy_frames
from ops.videos.film_errors import convert_film_errors
from ops.videos.probe import probe

Network = Callable[[list[TinyImage]], tuple[NDArray[np.float32], NDArray[np.float32]]]

MOST_STRIPS = 300
"""Maximum number of faults with images on one page, about 40 KB each: with more, a browser takes seconds to open it."""
MOST_JUDGED = 100
"""Maximum number of faults that TransNetV2 judges: a second of CPU each."""
COLUMNS = 9
AROUND_CUT = 4
FALSE_GRADUAL_STEP = 3
"""Frames between two images around a false gradual transition: half a second to each side at 25 frames per second."""
AROUND_GRADUAL = 3
CONTEXT = 25
"""Context frames of TransNetV2 on each side of a fault, the same number as at the ends of its authors' windows."""
LONGEST_WINDOW = 150
"""Maximum number of frames for TransNetV2; of longer transitions it gets the middle."""
SURROUNDINGS = 8
"""Frames on each side whose changes are the surroundings of a fault."""
TILE_SIDE = 180
"""Longer side of one image, pixels."""
SEPARATOR = 4
GREY = 190
QUALITY = 74
COLOURS = {"false": (44, 95, 213), "missed": (178, 114, 0)}
"""BGR of the line at the start of the shot; Okabe and Ito's vermilion and blue."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Measurements at a fault.

    ``change`` is the largest mean absolute difference of two consecutive frames there, 0-255; ``surroundings`` the mean
    over the frames around; ``across`` the difference between the images before and after. They are computed on images
    of 32 x 18, as in the detectors. ``probability`` and ``anywhere`` are TransNetV2's highest values there, 0-1: that a
    frame is the last of a shot, and that it is in a transition. They are ``None`` if it did not judge the fault.
    """

    change: float
    surroundings: float
    across: float
    probability: float | None = None
    anywhere: float | None = None


@dataclass(frozen=True, kw_only=True)
class Strip:
    """``frames`` in one JPEG image, in columns of equal width.

    A line is drawn before the column ``begins``, because the shot begins there. ``begins`` is ``None`` for a missed
    gradual transition, whose frames are ``inside``.
    """

    frames: tuple[int, ...]
    jpeg: bytes
    width: int
    height: int
    begins: int | None
    inside: tuple[bool, ...]
    evidence: Evidence


@dataclass(kw_only=True)
class Strips:
    """Strips by fault, and the reasons why others have none."""

    strips: dict[ClipFault, Strip] = field(default_factory=dict)
    reasons: dict[ClipFault, str] = field(default_factory=dict)


def strip_frames(fault: Fault, frames: int) -> tuple[int, ...]:
    """Frames to show of a clip of ``frames`` frames.

    Around a cut every frame, of a gradual transition frames from before to after it.
    """
    if fault.transition == "cut":
        span = range(fault.first - AROUND_CUT, fault.first + AROUND_CUT + 1)
    elif fault.kind == "false":
        reach = FALSE_GRADUAL_STEP * (COLUMNS // 2)
        span = range(fault.first - reach, fault.first + reach + 1, FALSE_GRADUAL_STEP)
    else:
        low, high = fault.first - AROUND_GRADUAL, fault.last + AROUND_GRADUAL
        positions = np.linspace(max(low, 0), min(high, frames - 1), COLUMNS)
        return tuple(sorted({int(frame) for frame in positions.round() if 0 <= frame < frames}))
    return tuple(frame for frame in span if 0 <= frame < frames)


def choose_faults(faults: Sequence[ClipFault], limit: int) -> list[ClipFault]:
    """Select at most ``limit`` faults, in their order: the first of each clip, then the second of each, and so on."""
    candidates = []
    for clip, (_, clip_faults) in enumerate(groupby(faults, key=lambda fault: fault.clip)):
        candidates += [(place, clip, fault) for place, fault in enumerate(clip_faults)]
    first_ranked = sorted(candidates, key=lambda each: each[:2])[:limit]
    return [fault for _, _, fault in sorted(first_ranked, key=lambda each: (each[1], each[0]))]


def make_strips(
    evaluation: CutEvaluation,
    *,
    limit: int = MOST_STRIPS,
    network: Network | None = predict_transitions,
    most_judged: int = MOST_JUDGED,
    progress: Progress | None = None,
) -> Strips:
    """Strips of the faults, at most ``limit``; a fault without one has a reason.

    ``network`` judges the first ``most_judged`` of them, or none if it is ``None``.
    """
    progress = progress or SilentProgress()
    selection = choose_faults(evaluation.faults, limit)
    faults_with_strips = set(selection)
    network_faults = set(choose_faults(selection, most_judged)) if network else set()
    result = Strips(
        reasons={
            fault: f"only {limit} faults have pictures"
            for fault in evaluation.faults
            if fault not in faults_with_strips
        }
    )
    progress.start("strips", len(selection), "strips")
    for clip in evaluation.clips:
        clip_faults = [fault for fault in selection if fault.clip == clip.name]
        result.reasons |= {fault: "the clip ends before it" for fault in clip_faults if fault.time_s is None}
        _add_strips(result, clip, [fault for fault in clip_faults if fault.time_s is not None], network_faults, network)
        progress.advance("strips", len(clip_faults))
    progress.finish("strips")
    return result


def _add_strips(
    result: Strips, clip: ClipCuts, faults: list[ClipFault], network_faults: set[ClipFault], network: Network | None
) -> None:
    if not faults:
        return
    try:
        with convert_film_errors(clip.name, "reading the frames of its faults"):
            result.strips |= _read_strips(clip, faults, network_faults, network)
    except (NeedleError, OSError) as error:  # the clip changed or disappeared since it was measured
        result.reasons |= dict.fromkeys(faults, f"the clip cannot be read again: {error}")
    result.reasons |= {
        fault: "the clip ends before it"
        for fault in faults
        if fault not in result.strips and fault not in result.reasons
    }


@dataclass(frozen=True, kw_only=True)
class _Need:
    """The frames for one fault: as images, for the network, and the two whose difference is ``across``."""

    fault: ClipFault
    shown: tuple[int, ...]
    window: range
    sides: tuple[int, int]
    end: int


def _need(fault: ClipFault, frames: int, *, asks_network: bool) -> _Need:
    first, last = fault.fault.first, min(fault.fault.last, frames - 1)
    frames_to_show = strip_frames(fault.fault, frames)
    middle, half = (first + last) // 2, min((last - first) // 2 + CONTEXT, LONGEST_WINDOW // 2)
    window = range(max(middle - half, 0), min(middle + half + 1, frames)) if asks_network else range(0)
    sides = max(first - AROUND_GRADUAL, 0), min(last + AROUND_GRADUAL, frames - 1)
    last_needed = max(*frames_to_show, *window[-1:], sides[1], last + 1 + SURROUNDINGS)
    return _Need(fault=fault, shown=frames_to_show, window=window, sides=sides, end=min(last_needed, frames - 1))


class _FrameCache:
    """The cached data of a pass over a clip: the changes of all frames, and only the images that are needed later."""

    def __init__(self, needs: Sequence[_Need]) -> None:
        self.changes = array("f")
        self.tiles: dict[int, TinyImage] = {}
        self.inputs: dict[int, TinyImage] = {}
        self.smalls: dict[int, TinyImage] = {}
        self._before: TinyImage | None = None
        ends = sorted(needs, key=lambda need: need.end)
        self._tiles_until = {frame: need.end for need in ends for frame in need.shown}
        self._inputs_until = {frame: need.end for need in ends for frame in need.window}
        self._smalls_until = {frame: need.end for need in ends for frame in need.sides}

    def add(self, frame: int, detector_frame: DetectorFrame) -> None:
        """Add the next frame."""
        small = detector_frame.small
        self.changes.append(0.0 if self._before is None else _measure_difference(self._before, small))
        self._before = small
        if frame in self._smalls_until:
            self.smalls[frame] = small
        if frame in self._tiles_until:
            self.tiles[frame] = _resize_tile(detector_frame.tiny)
        if frame in self._inputs_until:
            self.inputs[frame] = make_small_rgb(detector_frame.tiny)

    def forget(self, frame: int) -> None:
        """Delete the images that no fault with an end after ``frame`` needs."""
        for images, until in (
            (self.tiles, self._tiles_until),
            (self.inputs, self._inputs_until),
            (self.smalls, self._smalls_until),
        ):
            for number in [each for each in images if until[each] <= frame]:
                del images[number]


def _read_strips(
    clip: ClipCuts, faults: list[ClipFault], network_faults: set[ClipFault], network: Network | None
) -> dict[ClipFault, Strip]:
    """One pass over a clip that holds only the frames around the next faults."""
    strips: dict[ClipFault, Strip] = {}
    needs = sorted(
        (_need(fault, clip.frames, asks_network=fault in network_faults) for fault in faults), key=lambda need: need.end
    )
    cache = _FrameCache(needs)
    with closing(read_proxy_frames(clip.path, probe(clip.path), threads=1)) as items:  # type: ignore[type-var]
        for item in items:
            if not isinstance(item, TimedFrame):
                continue
            cache.add(item.index, make_detector_frame(item.frame))
            if item.index < needs[0].end:
                continue
            while needs and item.index >= needs[0].end:
                need = needs.pop(0)
                strips[need.fault] = _strip(need, cache, network)
            if not needs:
                break
            cache.forget(item.index)
    return strips


def _strip(need: _Need, cache: _FrameCache, network: Network | None) -> Strip:
    fault = need.fault.fault
    is_range = fault.last > fault.first
    begins = None if is_range else next((at for at, frame in enumerate(need.shown) if frame >= fault.first), None)
    image = _join_tiles([cache.tiles[frame] for frame in need.shown], begins, COLOURS[fault.kind])
    is_encoded, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    if not is_encoded:
        raise RuntimeError("OpenCV cannot write JPEG files")
    return Strip(
        frames=need.shown,
        jpeg=bytes(data),
        width=image.shape[1],
        height=image.shape[0],
        begins=begins,
        inside=tuple(is_range and fault.first <= frame <= fault.last for frame in need.shown),
        evidence=_collect_evidence(need, cache, network),
    )


def _resize_tile(image: TinyImage) -> TinyImage:
    height, width = image.shape[:2]
    scale = min(1.0, TILE_SIDE / max(height, width))
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _join_tiles(tiles: Sequence[TinyImage], begins: int | None, colour: tuple[int, int, int]) -> TinyImage:
    """Tiles of equal width, each after a separator; the one before the first tile of the shot is coloured."""
    parts = []
    for at, tile in enumerate(tiles):
        parts += [np.full((tile.shape[0], SEPARATOR, 3), colour if at == begins else GREY, np.uint8), tile]
    return np.concatenate(parts, axis=1)


def _collect_evidence(need: _Need, cache: _FrameCache, network: Network | None) -> Evidence:
    first, last = need.fault.fault.first, need.fault.fault.last
    near = range(max(first - 1, 1), min(last + 2, len(cache.changes)))
    before = range(max(near.start - SURROUNDINGS, 1), near.start)
    after = range(near.stop, min(near.stop + SURROUNDINGS, len(cache.changes)))
    quiet = [cache.changes[frame] for frame in (*before, *after)]
    probability = anywhere = None
    if network and need.window:
        last_T, any_T = network([cache.inputs[frame] for frame in need.window])
        at = slice(max(first - 2 - need.window.start, 0), max(last + 2 - need.window.start, 1))
        probability, anywhere = float(last_T[at].max()), float(any_T[at].max())
    low, high = (cache.smalls[frame] for frame in need.sides)
    return Evidence(
        change=max((cache.changes[frame] for frame in near), default=0.0),
        surroundings=float(np.mean(quiet)) if quiet else 0.0,
        across=_measure_difference(low, high),
        probability=probability,
        anywhere=anywhere,
    )


def _measure_difference(one: TinyImage, other: TinyImage) -> float:
    """Mean absolute difference of two small images, 0-255."""
    return float(cv2.norm(one, other, cv2.NORM_L1) / one.size)
