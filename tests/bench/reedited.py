"""Films cut again from the shots between annotated cuts, with transitions whose frames and kinds are known."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from ops.evaluation.cuts import ShotAnnotation
from ops.shots.detector import SMALL
from ops.shots.detectors.likeness import HEIGHT, WIDTH
from tests.quality.annotated_clips import Clip

Images = npt.NDArray[np.uint8]
"""uint8 BGR (N, 54, 96, 3)."""
Image = npt.NDArray[np.float32]
Mix = Callable[[Image, Image, float], Image]

RATE = Fraction(25)
SHOTS = 14
LENGTHS = (4, 5, 6, 8, 10, 12, 15, 18, 20, 25, 30, 36, 45, 60)
CUT_SHARE = 0.25
LEAST_SHOT = 36
COLUMN, ROW = (axis.astype(np.float32) for axis in np.meshgrid(np.linspace(0, 1, WIDTH), np.linspace(0, 1, HEIGHT)))
ORDERS: dict[str, npt.NDArray[np.floating[Any]]] = {
    "line": COLUMN,
    "line_down": ROW,
    "line_back": 1 - COLUMN,
    "diagonal": (COLUMN + ROW) / 2,
    "circle": np.hypot(COLUMN - 0.5, ROW - 0.5) / 0.71,
    "clock": (np.arctan2(ROW - 0.5, COLUMN - 0.5) / (2 * np.pi)) % 1,
    "doors": np.abs(COLUMN - 0.5) * 2,
}
"""For each shape of a wipe, the time at which each pixel changes, 0-1."""
KINDS = {"dissolve": 10, "dip_black": 5, "dip_white": 2, "wipe": 10, "push": 2, "slide": 2, "zoom": 1}
"""Weights of the draw."""


def mix_images(kind: str, chance: random.Random) -> Mix:
    """How two images become one: a function of both and of the progress, 0-1."""
    order, softness = chance.choice(list(ORDERS.values())), chance.choice((0.001, 0.001, 0.15, 0.3))
    is_eased = chance.random() < 0.35

    def mix(one: Image, other: Image, share: float) -> Image:
        share = share * share * (3 - 2 * share) if is_eased else share
        edge = round(share * WIDTH)
        match kind:
            case "dissolve":
                return blend(one, other, share)
            case "dip_black" | "dip_white":
                colour = np.full_like(one, 255 if kind == "dip_white" else 0)
                return blend(one, colour, 2 * share) if share < 0.5 else blend(colour, other, 2 * share - 1)
            case "wipe":
                return blend(one, other, np.clip((share * (1 + softness) - order) / softness, 0, 1)[..., None])
            case "push":
                return np.concatenate([one[:, edge:], other[:, :edge]], axis=1)
            case "slide":
                return np.concatenate([one[:, : WIDTH - edge], other[:, :edge]], axis=1)
            case _:
                return blend(zoom(one, 1 + 3 * share * share), other, min(max((share - 0.3) / 0.6, 0), 1))

    return mix


def blend(one: Image, other: Image, share: float | npt.NDArray[np.floating[Any]]) -> Image:
    """A mixture of two images; ``share`` of the other, 0-1, for all pixels or for each."""
    return np.asarray(one * (1 - share) + other * share, np.float32)


def zoom(image: Image, scale: float) -> Image:
    """The middle of an image, enlarged."""
    moved = [[scale, 0, WIDTH / 2 * (1 - scale)], [0, scale, HEIGHT / 2 * (1 - scale)]]
    near = cv2.warpAffine(image, np.array(moved, np.float32), (WIDTH, HEIGHT), borderMode=cv2.BORDER_REFLECT)
    return np.asarray(near, np.float32)


def collect_shots(clip: Clip) -> list[Images]:
    """The shots of a clip, without the frames of annotated transitions."""
    annotation = clip.annotation
    count = min(len(clip.tinies), annotation.frames or len(clip.tinies))
    ends = {cut: cut for cut in (0, count, *annotation.hard, *annotation.optional)}
    ends |= {max(first - 3, 0): last + 4 for first, last in (*annotation.gradual, *annotation.neutral)}
    places = sorted(ends)
    spans = [(max(ends[at] for at in places if at <= first), last) for first, last in pairwise(places)]
    shots = [np.array(clip.tinies[first + 1 : last - 1]) for first, last in spans if last - first >= LEAST_SHOT + 2]
    # Footage at 60 frames per second often has each frame twice.
    shots = [shot[::2] if clip.fps > 50 else shot for shot in shots]
    return [shot for shot in shots if len(shot) >= LEAST_SHOT and float(shot.std(axis=(1, 2, 3)).mean()) > 8]


class ReeditedFilm:
    """One film under construction."""

    def __init__(self, shots: Mapping[str, Sequence[Images]], seed: int) -> None:
        self._shots, self._chance = {name: each for name, each in shots.items() if each}, random.Random(seed)
        self._images: list[Image] = []
        self._hard: list[int] = []
        self.kinds: dict[tuple[int, int], str] = {}
        """Kind of each gradual transition by its first and last frame."""

    def build(self) -> Clip:
        shot, head = self._pick_shot(), 0
        for _ in range(SHOTS - 1):
            following = self._pick_unlike(shot)
            length = 0 if self._chance.random() < CUT_SHARE else self._chance.choice(LENGTHS)
            length = min(length, len(following) - 24, len(shot) - head - 8)
            self._images += [image.astype(np.float32) for image in shot[head : len(shot) - max(length, 0)]]
            if length < LENGTHS[0]:
                length = 0
                self._hard.append(len(self._images))
            else:
                self._add_transition(shot[len(shot) - length :], following[:length])
            shot, head = following, length
        self._images += [image.astype(np.float32) for image in shot[head:]]
        return self._make_clip()

    def _add_transition(self, before: Images, after: Images) -> None:
        kind = self._chance.choices(list(KINDS), list(KINDS.values()))[0]
        mix, length, first = mix_images(kind, self._chance), len(before), len(self._images)
        for at, (one, other) in enumerate(zip(before, after, strict=True)):
            self._images.append(mix(one.astype(np.float32), other.astype(np.float32), (at + 1) / (length + 1)))
        self.kinds[first, first + length - 1] = kind

    def _pick_shot(self) -> Images:
        shot = self._chance.choice(self._shots[self._chance.choice(sorted(self._shots))])
        length = self._chance.randrange(50, 160)
        start = self._chance.randrange(max(len(shot) - length, 0) + 1)
        return shot[start : start + length]

    def _pick_unlike(self, shot: Images) -> Images:
        """A shot with other content, if one of a few has it."""
        for _ in range(6):
            following = self._pick_shot()
            one, other = shot[-1].astype(np.float32), following[0].astype(np.float32)
            is_unlike = np.corrcoef(one.ravel(), other.ravel())[0, 1] < 0.6
            if is_unlike and float(np.abs(one - other).mean()) > 14:
                break
        return following

    def _make_clip(self) -> Clip:
        tinies = [np.asarray(np.clip(np.round(image), 0, 255), np.uint8) for image in self._images]
        smalls = [np.asarray(cv2.resize(tiny, SMALL, interpolation=cv2.INTER_AREA), np.uint8) for tiny in tinies]
        annotation = ShotAnnotation(hard=tuple(self._hard), gradual=tuple(sorted(self.kinds)), frames=len(tinies))
        return Clip(RATE, annotation, smalls, tinies)
