"""An encoder from ``needle train``: a folder of weights below ``<home>/encoders``.

The files in the folder determine its type. ``head.npz``: the starter encoder with a fitted head. ``model.safetensors``:
an open_clip model; ``encoder.json`` holds its name and preprocessing. ``temporal.npz`` in addition to either: a
temporal head pools shots instead of the mean.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import EncoderError
from ops.embeddings.encoder import EncoderKind, LoadOptions, Prepare
from ops.embeddings.encoders.starter import (
    StarterEncoder,
    compute_starter_id,
    identify_starter,
    list_starter_files,
    load_starter,
    prepare_whole_frames,
)
from ops.embeddings.pooling import TemporalHead, load_temporal, pool_mean
from ops.embeddings.weights import EncoderIdentity, identify_weights

if TYPE_CHECKING:
    from ops.embeddings.encoders.open_clip import OpenClipEncoder

HEAD = "head.npz"
MODEL = "model.safetensors"
TEMPORAL = "temporal.npz"
MANIFEST = "encoder.json"


@dataclass(frozen=True, kw_only=True)
class FinetunedFiles:
    """The files of one fine-tuned encoder; ``manifest`` is the content of ``encoder.json`` (may be empty)."""

    folder: Path
    weights: Path
    temporal: Path | None
    manifest: dict[str, Any]

    @property
    def is_starter(self) -> bool:
        return self.weights.name == HEAD


def find_finetuned_files(home: Path, name: str) -> FinetunedFiles:
    """The files of ``finetuned:<name>``. Raises ``EncoderError`` if the encoder does not exist or is broken."""
    return find_files_in(_find_folder(home, name))


def _find_folder(home: Path, name: str) -> Path:
    if "/" in name or name.startswith("."):
        raise EncoderError(f"no fine-tuned encoder {name!r}: a name has no slash and does not begin with a dot")
    return home / "encoders" / name


def find_files_in(folder: Path) -> FinetunedFiles:
    """The files of the fine-tuned encoder in a folder; errors as :func:`find_finetuned_files`."""
    weights = [folder / file for file in (HEAD, MODEL) if (folder / file).is_file()]
    if not weights:
        raise EncoderError(
            f"no fine-tuned encoder {folder.name!r} in {folder.parent}: neither {HEAD} nor {MODEL} is "
            f"in {folder}; `needle train` makes one"
        )
    temporal = folder / TEMPORAL
    return FinetunedFiles(
        folder=folder,
        weights=weights[0],
        temporal=temporal if temporal.is_file() else None,
        manifest=_read_manifest(folder / MANIFEST, is_needed=weights[0].name == MODEL),
    )


def identify_finetuned(files: FinetunedFiles) -> EncoderIdentity:
    """The identity from the bytes of all weights; loads no model."""
    if files.is_starter and not files.temporal:
        return identify_starter(files.weights)
    if files.is_starter:
        return identify_weights(
            "starter_temporal", _list_weights_files(files), {"base": compute_starter_id(files.weights)}
        )
    architecture = f"finetuned_{files.manifest['model']}{'_temporal' if files.temporal else ''}"
    return identify_weights(architecture, _list_weights_files(files), files.manifest["preprocessing"])


class FinetunedEncoder:
    """A fine-tuned encoder; see ``ops.embeddings.encoder.Encoder``.

    The base model with the fitted weights encodes frames and texts; ``pool`` uses the temporal head if there is one.
    Raises ``EncoderError`` if the weights cannot be read or do not fit.
    """

    def __init__(self, files: FinetunedFiles, options: LoadOptions) -> None:
        self._base = _load_base(files, options)
        self.encoder_id = identify_finetuned(files).encoder_id
        self.languages = self._base.languages
        self.dim = self._base.dim
        self.batch_frames, self.parallel_calls = self._base.batch_frames, self._base.parallel_calls
        self._temporal: TemporalHead | None = load_temporal(files.temporal, self.dim) if files.temporal else None

    @property
    def starter(self) -> StarterEncoder | None:
        """The starter encoder with the fitted head, if this is one."""
        return self._base if isinstance(self._base, StarterEncoder) else None

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return self._base.encode_text(texts)

    def read_length(self, text: str) -> int:
        return self._base.read_length(text)

    def prepare(self, frames_NHWC: NDArray[np.uint8]) -> NDArray[Any]:
        return self._base.prepare(frames_NHWC)

    def encode_prepared(self, prepared_N: NDArray[Any]) -> NDArray[np.float32]:
        return self._base.encode_prepared(prepared_N)

    def encode_frames(self, frames_NHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
        return self._base.encode_prepared(self._base.prepare(frames_NHWC))

    def pool(self, frame_vectors_TD: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._temporal(frame_vectors_TD) if self._temporal else pool_mean(frame_vectors_TD)


def _load_base(files: FinetunedFiles, options: LoadOptions) -> StarterEncoder | OpenClipEncoder:
    if files.is_starter:
        return load_starter(options, head=files.weights)
    from ops.embeddings.encoders.open_clip import OpenClipEncoder

    return OpenClipEncoder(
        f"{files.manifest['model']}/{files.weights}",
        device=options.torch_device(),
        part=options.part,
        threads=options.threads,
        preprocessing=files.manifest["preprocessing"],
        cache=options.cache,
        frames=options.frames,
    )


def _list_weights_files(files: FinetunedFiles) -> list[Path]:
    """All files that determine the vectors."""
    weights = list_starter_files(files.weights) if files.is_starter else [files.weights]
    return [*weights, *([files.temporal] if files.temporal else [])]


def _read_manifest(path: Path, *, is_needed: bool) -> dict[str, Any]:
    if not path.exists() and not is_needed:
        return {}
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
        if is_needed and not (isinstance(manifest["model"], str) and isinstance(manifest["preprocessing"], dict)):
            raise TypeError("model and preprocessing do not match")
        return dict(manifest)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise EncoderError(f"{path} does not name the model of the weights next to it: {error}") from error


class FinetunedKind(EncoderKind):
    """Every folder below ``<home>/encoders``."""

    name = "finetuned"
    form = "finetuned:<name>"

    def identify(self, rest: str, home: Path) -> EncoderIdentity:
        return identify_finetuned(find_finetuned_files(home, rest))

    def load(self, rest: str, options: LoadOptions) -> FinetunedEncoder:
        return FinetunedEncoder(find_finetuned_files(options.home, rest), options)

    def find_own_folder(self, rest: str, home: Path) -> Path:
        return _find_folder(home, rest)

    def load_preparation(self, rest: str, options: LoadOptions) -> Prepare:
        files = find_finetuned_files(options.home, rest)
        if files.is_starter:
            return prepare_whole_frames
        from ops.embeddings.encoders.open_clip import build_preparation

        return build_preparation(files.manifest["preprocessing"])


KIND = FinetunedKind()
