"""Features of frozen towers, computed once and cached: every view of every frame, and every caption.

Threads read and scale frames while the tower works. Skips and reports unreadable images.
Legend: N pairs, V views, T frames, M frames of one call, X numbers of one frame.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from ops.core.errors import MediaError, StorageError
from ops.core.settings import count_cores
from ops.core.storage import write_atomically
from ops.core.types import Progress
from ops.embeddings.embed import map_ahead
from ops.training.pair_reader import PairReader
from ops.training.pairs import CaptionPair

STAGE = "training_features"
_MOST_READERS = 16
"""Threads that read and scale frames. Each has up to two pairs in memory, and more than that no tower needs."""


@dataclass(frozen=True, kw_only=True)
class LockedTower:
    """A frozen image tower: ``prepare`` takes RGB frames (M, H, W, C), ``run`` then returns one array (M, X) for each
    output. ``size`` is the side of its input in pixels, ``key`` names its weights."""

    prepare: Callable[[NDArray[np.uint8]], NDArray[Any]]
    run: Callable[[NDArray[Any]], tuple[NDArray[np.float32], ...]]
    size: int
    batch_frames: int
    key: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Features:
    """Float32 features, rounded to half precision.

    ``frames`` (N, V, T, X) of the tower's first output; ``others`` (N, T, X) of the rest, first view only;
    ``mask`` (N, T). ``kept`` holds the numbers of their pairs, ``skipped`` the other pairs with the reason.
    """

    frames_NVTX: NDArray[np.float32]
    others_NTX: tuple[NDArray[np.float32], ...]
    mask_NT: NDArray[np.bool_]
    kept: list[int]
    skipped: dict[int, str]


def compute_features(
    pairs: Sequence[CaptionPair],
    reader: PairReader,
    tower: LockedTower,
    *,
    crops: int,
    seed: int,
    frames: int,
    cache: Path,
    progress: Progress,
) -> Features:
    """Run the tower over all frames of all pairs, or read the features that an earlier fit cached in ``cache``.

    ``frames`` is the number of frames of a shot. ``crops`` adds the mirrored image and this
    number of random crops with changed colours. An image that cannot be read is skipped, and reported with each use of
    the cached features; if it can be read by then, all features are computed again.
    """
    name = json.dumps(
        [tower.key, frames, crops, seed if crops else 0, [(pair.pair_id, pair.input_hash) for pair in pairs]]
    )
    path = cache / f"features-{hashlib.blake2b(name.encode(), digest_size=8).hexdigest()}.npz"
    progress.start(STAGE, len(pairs), "pairs")
    features = _read_features(path) if path.exists() else None
    if features is None or not _is_current(features, pairs, reader):
        _compute(pairs, reader, tower, crops, seed, path, progress)
        features = _read_features(path)
    else:
        progress.advance(STAGE, len(pairs))
    for number, reason in features.skipped.items():
        progress.set_aside(STAGE, pairs[number].thing, reason)
    progress.finish(STAGE)
    return features


def _is_current(features: Features, pairs: Sequence[CaptionPair], reader: PairReader) -> bool:
    """Whether cached features cover all readable pairs. Skipped pairs are tried again: they may be readable now."""
    return len(features.kept) + len(features.skipped) == len(pairs) and not any(
        isinstance(_read_frames(pairs[number], reader), list) for number in features.skipped
    )


def _read_frames(pair: CaptionPair, reader: PairReader) -> list[NDArray[np.uint8]] | str:
    """Return the pair's frames, or the reason why they cannot be read."""
    try:
        return reader.read(pair)
    except (MediaError, StorageError) as error:
        return str(error)


def _compute(
    pairs: Sequence[CaptionPair],
    reader: PairReader,
    tower: LockedTower,
    crops: int,
    seed: int,
    path: Path,
    progress: Progress,
) -> None:
    """Run the tower; cache its outputs, and the reasons for unreadable pairs."""
    outputs: list[list[NDArray[np.float16]]] = []
    kept_numbers: list[int] = []
    reasons: list[str] = []
    for number, output in enumerate(_run_tower(pairs, reader, tower, crops, seed)):
        progress.advance(STAGE)
        if isinstance(output, str):
            reasons.append(output)
        else:
            kept_numbers.append(number)
            outputs.append(output)
    _write_features(path, outputs, kept_numbers, reasons)


def _run_tower(
    pairs: Sequence[CaptionPair],
    reader: PairReader,
    tower: LockedTower,
    crops: int,
    seed: int,
) -> Iterator[list[NDArray[np.float16]] | str]:
    """Yield the tower's outputs (V, T, X) of each pair, in their order, or the reason why there are none."""
    # Each crop has its own generator, so that more crops leave the first ones as they are.
    crop_rngs = [np.random.default_rng(seed + 8 + crop) for crop in range(crops)]

    def read(task: tuple[CaptionPair, list[RandomCrop]]) -> NDArray[Any] | str:
        pair, plans = task
        frames = _read_frames(pair, reader)
        if isinstance(frames, str):
            return frames
        return np.stack([_prepare_views(frame, plans, tower.size, tower.prepare) for frame in frames], 1)

    workers = min(_MOST_READERS, count_cores())
    with ThreadPoolExecutor(workers, thread_name_prefix="needle-pairs") as pool:
        tasks = ((pair, [RandomCrop.draw(rng) for rng in crop_rngs]) for pair in pairs)
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


def _run(waiting: Sequence[NDArray[Any] | str], tower: LockedTower) -> Iterator[list[NDArray[np.float16]] | str]:
    usable = [item for item in waiting if not isinstance(item, str)]
    flat = [item.reshape(-1, *item.shape[2:]) for item in usable]
    outputs = tower.run(np.concatenate(flat)) if flat else ()
    start = 0
    for item in waiting:
        if isinstance(item, str):
            yield item
            continue
        views, frames = item.shape[:2]
        rows = slice(start, start + views * frames)
        yield [output[rows].reshape(views, frames, -1).astype(np.float16) for output in outputs]
        start += views * frames


def _write_features(
    path: Path, outputs: Sequence[list[NDArray[np.float16]]], kept_numbers: list[int], reasons: list[str]
) -> None:
    """Write one array for each output, frames padded to the longest; ``reasons`` belong to the pairs not kept."""
    longest = max((pair[0].shape[1] for pair in outputs), default=1)
    mask = np.zeros((len(outputs), longest), dtype=bool)
    columns: list[NDArray[np.float16]] = []
    for number, first in enumerate(outputs[0] if outputs else ()):
        views = first.shape[0] if number == 0 else 1
        array = np.zeros((len(outputs), views, longest, first.shape[2]), dtype=np.float16)
        for row, pair in enumerate(outputs):
            mask[row, : pair[number].shape[1]] = True
            array[row, :, : pair[number].shape[1]] = pair[number][:views]
        columns.append(array)
    arrays = {f"output{number}": array for number, array in enumerate(columns)}
    arrays |= {
        "mask": mask,
        "kept": np.array(kept_numbers, dtype=np.int64),
        "reasons": np.array(reasons, dtype=np.str_),
    }
    with write_atomically(path) as temporary:
        np.savez(temporary, **arrays)  # type: ignore[arg-type]  # numpy's stub takes every keyword for allow_pickle


def _read_features(path: Path) -> Features:
    with np.load(path, allow_pickle=False) as arrays:
        names = sorted(name for name in arrays.files if name.startswith("output"))
        outputs = [arrays[name].astype(np.float32) for name in names] or [np.zeros((0, 1, 1, 1), np.float32)]
        kept_numbers = arrays["kept"].tolist()
        reasons = arrays["reasons"].tolist() if "reasons" in arrays.files else []
        others = sorted(set(range(len(kept_numbers) + len(reasons))) - set(kept_numbers))
        return Features(
            frames_NVTX=outputs[0],
            others_NTX=tuple(output[:, 0] for output in outputs[1:]),
            mask_NT=arrays["mask"],
            kept=kept_numbers,
            skipped=dict(zip(others, reasons, strict=False)),  # files from before 2026-11-23 have no reasons
        )


@dataclass(frozen=True, kw_only=True)
class RandomCrop:
    """One random crop: share of the area, aspect ratio and position (0-1), mirrored or not, three colour changes."""

    area: float
    shape: float
    left: float
    top: float
    mirrored: bool
    colours: tuple[float, float, float]

    @classmethod
    def draw(cls, rng: np.random.Generator) -> RandomCrop:
        area, shape, left, top, mirror = rng.uniform(0.35, 1.0), rng.uniform(-0.35, 0.35), *rng.random(3)
        colours = (rng.uniform(0.3, 1.6), rng.uniform(0.5, 1.4), rng.uniform(0.6, 1.4))
        return cls(area=area, shape=shape, left=left, top=top, mirrored=mirror < 0.5, colours=colours)

    def apply(self, image: Image.Image, size: tuple[int, int]) -> Image.Image:
        """Return the crop, scaled to ``size`` (width, height) in one step."""
        aspect = np.exp(self.shape)
        width, height = min(1.0, np.sqrt(self.area * aspect)), min(1.0, np.sqrt(self.area / aspect))
        left, top = self.left * (1 - width), self.top * (1 - height)
        box = np.array([left, top, left + width, top + height]) * np.array(image.size * 2)
        view = image.resize(size, Image.Resampling.BICUBIC, box=tuple(box.tolist()))
        view = ImageOps.mirror(view) if self.mirrored else view
        changes = (ImageEnhance.Color, ImageEnhance.Brightness, ImageEnhance.Contrast)
        for change, amount in zip(changes, self.colours, strict=True):
            view = change(view).enhance(amount)
        return view


def _prepare_views(
    frame: NDArray[np.uint8],
    crops: Sequence[RandomCrop],
    size: int,
    prepare: Callable[[NDArray[np.uint8]], NDArray[Any]],
) -> NDArray[Any]:
    """Return the frame, and with ``crops`` its mirror image and the crops, as input of the tower: (V, ...)."""
    views = [frame]
    if crops:
        image = Image.fromarray(frame)
        views += [np.asarray(ImageOps.mirror(image)), *(np.asarray(crop.apply(image, (size, size))) for crop in crops)]
    return np.concatenate([prepare(view[None]) for view in views])
