"""Features of frozen towers, computed once and kept: every view of every frame, and every caption.

Frames stream in and are scaled by threads while the tower works. What cannot be read is left out and told.
Legend: N pairs, V views, T frames, M frames of one call, X numbers of one frame.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from ops.core.errors import MediaError, StorageError
from ops.core.storage import atomic_path
from ops.core.types import Progress
from ops.embeddings.embed import map_ahead
from ops.training.pairs import CaptionPair
from ops.training.pictures import Pictures

STAGE = "training_features"


@dataclass(frozen=True, kw_only=True)
class Tower:
    """A frozen image tower: RGB frames (M, H, W, C) through ``prepare``, then ``run``, which gives one array (M, X) for
    each of its outputs. ``size`` is the side of its input in pixels, ``key`` names its weights."""

    prepare: Callable[[NDArray[np.uint8]], NDArray[Any]]
    run: Callable[[NDArray[Any]], tuple[NDArray[np.float32], ...]]
    size: int
    batch_frames: int
    key: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Features:
    """``frames`` (N, V, T, X) of the tower's first output, ``others`` (N, T, X) of the rest, of the first view;
    ``mask`` (N, T); ``kept`` says which of the pairs they are of, ``aside`` why not of the others. Float32, rounded to
    half precision."""

    frames_NVTX: NDArray[np.float32]
    others_NTX: tuple[NDArray[np.float32], ...]
    mask_NT: NDArray[np.bool_]
    kept: list[int]
    aside: dict[int, str]


def features_of(
    pairs: Sequence[CaptionPair],
    pictures: Pictures,
    tower: Tower,
    *,
    crops: int,
    seed: int,
    frames: int,
    cache: Path,
    progress: Progress,
) -> Features:
    """Run the tower over all frames of all pairs, or read what an earlier fit kept in ``cache``.

    ``frames`` is how many of a shot ``pictures`` gives. With ``crops`` a picture is also seen mirrored and in
    so many random crops with changed colours. A picture that cannot be read is set aside, and told again whenever the
    kept features are used; where it can be read by then, all are computed anew.
    """
    name = json.dumps(
        [tower.key, frames, crops, seed if crops else 0, [(pair.pair_id, pair.input_hash) for pair in pairs]]
    )
    stored = cache / f"features-{hashlib.blake2b(name.encode(), digest_size=8).hexdigest()}.npz"
    progress.start(STAGE, len(pairs), "pairs")
    found = _stored(stored) if stored.exists() else None
    if found is None or not _is_current(found, pairs, pictures):
        _compute(pairs, pictures, tower, crops, seed, stored, progress)
        found = _stored(stored)
    else:
        progress.advance(STAGE, len(pairs))
    for number, reason in found.aside.items():
        progress.set_aside(STAGE, pairs[number].thing, reason)
    progress.finish(STAGE)
    return found


def _is_current(found: Features, pairs: Sequence[CaptionPair], pictures: Pictures) -> bool:
    """Whether kept features are of all that can be read. What was set aside is tried again: it may have come back."""
    return len(found.kept) + len(found.aside) == len(pairs) and not any(
        isinstance(_frames_of(pairs[number], pictures), list) for number in found.aside
    )


def _frames_of(pair: CaptionPair, pictures: Pictures) -> list[NDArray[np.uint8]] | str:
    """The pair's frames, or why there are none."""
    try:
        return pictures.frames_of(pair)
    except (MediaError, StorageError) as error:
        return str(error)


def _compute(
    pairs: Sequence[CaptionPair],
    pictures: Pictures,
    tower: Tower,
    crops: int,
    seed: int,
    path: Path,
    progress: Progress,
) -> None:
    """Run the tower and keep what it gives, and what could not be read."""
    outputs: list[list[NDArray[np.float16]]] = []
    kept: list[int] = []
    reasons: list[str] = []
    for number, found in enumerate(_towered(pairs, pictures, tower, crops, seed)):
        progress.advance(STAGE)
        if isinstance(found, str):
            reasons.append(found)
        else:
            kept.append(number)
            outputs.append(found)
    _store(path, outputs, kept, reasons)


def _towered(
    pairs: Sequence[CaptionPair],
    pictures: Pictures,
    tower: Tower,
    crops: int,
    seed: int,
) -> Iterator[list[NDArray[np.float16]] | str]:
    """The tower's outputs (V, T, X) of each pair, in their order; a text says why there are none."""
    # Each crop has its own generator, so that more crops leave the first ones as they are.
    crop_rngs = [np.random.default_rng(seed + 8 + crop) for crop in range(crops)]

    def read(task: tuple[CaptionPair, list[Crop]]) -> NDArray[Any] | str:
        pair, plans = task
        frames = _frames_of(pair, pictures)
        if isinstance(frames, str):
            return frames
        return np.stack([_prepared(frame, plans, tower.size, tower.prepare) for frame in frames], 1)

    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers, thread_name_prefix="needle-pairs") as pool:
        tasks = ((pair, [Crop.drawn(rng) for rng in crop_rngs]) for pair in pairs)
        waiting: list[NDArray[Any] | str] = []
        for item in map_ahead(pool, read, tasks, 2 * workers + tower.batch_frames):
            waiting.append(item)
            if (
                sum(entry.shape[0] * entry.shape[1] for entry in waiting if not isinstance(entry, str))
                >= tower.batch_frames
            ):
                yield from _run(waiting, tower)
                waiting = []
        yield from _run(waiting, tower)


def _run(waiting: Sequence[NDArray[Any] | str], tower: Tower) -> Iterator[list[NDArray[np.float16]] | str]:
    usable = [item for item in waiting if not isinstance(item, str)]
    flat = [item.reshape(-1, *item.shape[2:]) for item in usable]
    outputs = tower.run(np.concatenate(flat)) if flat else ()
    start = 0
    for item in waiting:
        if isinstance(item, str):
            yield item
            continue
        views, frames = item.shape[:2]
        own = slice(start, start + views * frames)
        yield [output[own].reshape(views, frames, -1).astype(np.float16) for output in outputs]
        start += views * frames


def _store(path: Path, outputs: Sequence[list[NDArray[np.float16]]], kept: list[int], reasons: list[str]) -> None:
    """All pairs as one array for each output, frames padded to the longest; ``reasons`` are of those not kept."""
    longest = max((pair[0].shape[1] for pair in outputs), default=1)
    mask = np.zeros((len(outputs), longest), dtype=bool)
    stacked: list[NDArray[np.float16]] = []
    for number, first in enumerate(outputs[0] if outputs else ()):
        views = first.shape[0] if number == 0 else 1
        array = np.zeros((len(outputs), views, longest, first.shape[2]), dtype=np.float16)
        for row, pair in enumerate(outputs):
            mask[row, : pair[number].shape[1]] = True
            array[row, :, : pair[number].shape[1]] = pair[number][:views]
        stacked.append(array)
    arrays = {f"output{number}": array for number, array in enumerate(stacked)}
    arrays |= {"mask": mask, "kept": np.array(kept, dtype=np.int64), "reasons": np.array(reasons, dtype=np.str_)}
    with atomic_path(path) as temporary:
        np.savez(temporary, **arrays)  # type: ignore[arg-type]  # numpy's stub takes every keyword for allow_pickle


def _stored(path: Path) -> Features:
    with np.load(path, allow_pickle=False) as arrays:
        names = sorted(name for name in arrays.files if name.startswith("output"))
        outputs = [arrays[name].astype(np.float32) for name in names] or [np.zeros((0, 1, 1, 1), np.float32)]
        kept = arrays["kept"].tolist()
        reasons = arrays["reasons"].tolist() if "reasons" in arrays.files else []
        others = sorted(set(range(len(kept) + len(reasons))) - set(kept))
        return Features(
            frames_NVTX=outputs[0],
            others_NTX=tuple(output[:, 0] for output in outputs[1:]),
            mask_NT=arrays["mask"],
            kept=kept,
            aside=dict(zip(others, reasons, strict=False)),  # files of before 2026-11-23 have no reasons
        )


@dataclass(frozen=True, kw_only=True)
class Crop:
    """One random crop: a share of the picture, its shape and place (0-1), mirrored or not, three colour changes."""

    area: float
    shape: float
    left: float
    top: float
    mirrored: bool
    colours: tuple[float, float, float]

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Crop:
        area, shape, left, top, mirrored = rng.uniform(0.35, 1.0), rng.uniform(-0.35, 0.35), *rng.random(3)
        colours = (rng.uniform(0.3, 1.6), rng.uniform(0.5, 1.4), rng.uniform(0.6, 1.4))
        return cls(area=area, shape=shape, left=left, top=top, mirrored=mirrored < 0.5, colours=colours)

    def of(self, picture: Image.Image, size: tuple[int, int]) -> Image.Image:
        """The crop, scaled to ``size`` (width, height) at once."""
        aspect = np.exp(self.shape)
        width, height = min(1.0, np.sqrt(self.area * aspect)), min(1.0, np.sqrt(self.area / aspect))
        left, top = self.left * (1 - width), self.top * (1 - height)
        box = np.array([left, top, left + width, top + height]) * np.array(picture.size * 2)
        found = picture.resize(size, Image.Resampling.BICUBIC, box=tuple(box.tolist()))
        found = ImageOps.mirror(found) if self.mirrored else found
        for change, amount in zip(
            (ImageEnhance.Color, ImageEnhance.Brightness, ImageEnhance.Contrast), self.colours, strict=True
        ):
            found = change(found).enhance(amount)
        return found


def _prepared(
    frame: NDArray[np.uint8], crops: Sequence[Crop], size: int, prepare: Callable[[NDArray[np.uint8]], NDArray[Any]]
) -> NDArray[Any]:
    """The frame, and with ``crops`` its mirror image and these, as the tower takes them: (V, ...)."""
    views = [frame]
    if crops:
        picture = Image.fromarray(frame)
        views += [np.asarray(ImageOps.mirror(picture)), *(np.asarray(crop.of(picture, (size, size))) for crop in crops)]
    return np.concatenate([prepare(view[None]) for view in views])
