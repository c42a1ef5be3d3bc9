"""Measure an encoder on a parquet of captioned images.

The images of a file compete with each other. Legend: N images, D dimensions.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from ops.core.errors import UsageError
from ops.embeddings.encoder import Encoder, pool_each
from ops.evaluation.figures import compute_figures, compute_gains
from ops.evaluation.galleries import describe_gallery, require_images
from ops.evaluation.shows import ShowAnswer, ShowTask, answer


def evaluate_captions(parquet: Path, encoder: Encoder, against: Encoder | None = None) -> dict[str, object]:
    """Measure text → image and image → text retrieval over a parquet of ``image`` (JPEG bytes) and ``captions``.

    Each direction: ``r@1``, ``r@5``, ``r@10`` in percent, ``median_rank``, ``queries`` and ``images`` counts,
    and their 95 % bootstrap intervals (``*_interval``; the captions of an image are drawn together). An image's rank
    is that of its best caption. ``against`` another encoder adds its figures, and under ``gain`` the paired
    ``[difference, low, high]``. Raises ``UsageError`` if the file has another form or only one image, or an image
    cannot be read.
    """
    encoders = [encoder, *([against] if against is not None else [])]
    answers = [[_answer_images(parquet, each)] for each in encoders]
    document: dict[str, object] = {"encoder_id": encoder.encoder_id, **_rename_for_images(compute_figures(answers[0]))}
    document["gallery"] = describe_gallery("images", [answers[0][0].task])
    if against is not None:
        document["against"] = {"encoder_id": against.encoder_id, **_rename_for_images(compute_figures(answers[1]))}
        document["gain"] = _rename_for_images(compute_gains(*answers))
    return document


def _answer_images(parquet: Path, encoder: Encoder) -> ShowAnswer:
    captions: list[list[str]] = []
    parts = [pool_each(encoder, encoder.encode_prepared(part)) for part in _prepare_images(parquet, encoder, captions)]
    images_ND = np.concatenate(parts)
    task = ShowTask(
        show=parquet.stem, items=tuple(map(str, range(len(captions)))), captions=tuple(map(tuple, captions))
    )
    require_images(task)
    return answer(task, images_ND, encoder.encode_text)


def _rename_for_images(figures: Mapping[str, Mapping[str, object]]) -> dict[str, dict[str, object]]:
    """Rename the directions and counts of a document about images."""
    directions = {"text_to_video": "text_to_image", "video_to_text": "image_to_text"}
    image_figures = {directions[name]: dict(values) for name, values in figures.items()}
    for values in image_figures.values():
        if "items" in values:
            values["images"] = values.pop("items")
    return image_figures


def _prepare_images(parquet: Path, encoder: Encoder, captions: list[list[str]]) -> Iterator[NDArray[Any]]:
    """Yield prepared images, a few at a time; append their captions to ``captions``."""
    from PIL import Image, ImageOps

    try:
        file = pq.ParquetFile(parquet)
        for batch in file.iter_batches(batch_size=encoder.batch_frames, columns=["image", "captions"]):
            inputs = []
            for row in batch.to_pylist():
                with Image.open(io.BytesIO(row["image"])) as image:
                    pixels = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
                inputs.append(encoder.prepare(pixels[None]))
                captions.append([str(text) for text in row["captions"]])
            if inputs:
                yield np.concatenate(inputs)
    except (OSError, pa.ArrowException, KeyError, TypeError) as error:
        raise UsageError(
            f"{parquet} cannot be used (near row {len(captions)}): it needs the columns image (JPEG bytes) and "
            f"captions (list of strings): {error}"
        ) from error
    if not any(captions):
        raise UsageError(f"{parquet} has no captioned image")
