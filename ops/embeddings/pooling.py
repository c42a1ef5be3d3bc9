"""From the vectors of a shot's frames to one vector: the mean, or a small temporal head. Pure numpy.

The head is a transformer over frame vectors; its output is added to the frames before they are averaged. A new head
adds nothing, so it starts as the mean (``ops.training.temporal`` fits it, and a test compares both). Learned position
vectors, stretched over the length of the shot, represent the order of frames. Legend: T frames, D dimensions, W width
of the head, S = 16 position slots, L layers.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import EncoderError, take_first_sentence
from ops.core.storage import write_atomically
from ops.embeddings.weights import read_arrays

Floats = NDArray[np.float32]

POSITION_SLOTS = 16
_OUTER = {"narrow.weight": "WD", "position": "SW", "widen.weight": "DW"}
_LAYER = {
    "norm1.weight": "W",
    "norm1.bias": "W",
    "qkv.weight": "3W",
    "qkv.bias": "3",
    "out.weight": "WW",
    "out.bias": "W",
    "norm2.weight": "W",
    "norm2.bias": "W",
    "up.weight": "4W",
    "up.bias": "4",
    "down.weight": "W4",
    "down.bias": "W",
}


def pool_mean(frame_vectors_TD: Floats) -> Floats:
    """The mean of a shot's frame vectors, scaled to unit length: (D,) float32; NaN if it has no direction."""
    mean_D = frame_vectors_TD.astype(np.float64).mean(axis=0)
    length = float(np.linalg.norm(mean_D))
    return np.asarray(mean_D / length if length > 1e-6 else np.full_like(mean_D, np.nan), dtype=np.float32)


def interpolate_positions(frames: int) -> Floats:
    """Weight of each position slot for each of ``frames`` frames, (T, S): linear between two neighbours."""
    place_T = (np.arange(frames) + 0.5) / max(frames, 1) * (POSITION_SLOTS - 1)
    distance_TS = np.abs(place_T[:, None] - np.arange(POSITION_SLOTS))
    return np.maximum(0.0, 1.0 - distance_TS).astype(np.float32)


@dataclass(frozen=True, kw_only=True)
class TemporalHead:
    """A fitted temporal head: float32 arrays with torch's names (``layers.0.qkv.weight``), and its number of heads."""

    weights: Mapping[str, Floats]
    heads: int

    @property
    def layers(self) -> int:
        return sum(name.endswith("qkv.weight") for name in self.weights)

    def __call__(self, frame_vectors_TD: Floats) -> Floats:
        """One unit vector (D,) of a shot's frame vectors."""
        weights = self.weights
        hidden_TW = frame_vectors_TD @ weights["narrow.weight"].T
        hidden_TW = hidden_TW + interpolate_positions(len(hidden_TW)) @ weights["position"]
        for layer in range(self.layers):
            layer_weights = {name: weights[f"layers.{layer}.{name}"] for name in _LAYER}
            hidden_TW = hidden_TW + _attend(_normalise(hidden_TW, layer_weights, "norm1"), layer_weights, self.heads)
            inner = _apply_gelu(
                _normalise(hidden_TW, layer_weights, "norm2") @ layer_weights["up.weight"].T + layer_weights["up.bias"]
            )
            hidden_TW = hidden_TW + inner @ layer_weights["down.weight"].T + layer_weights["down.bias"]
        return pool_mean(np.asarray(frame_vectors_TD + hidden_TW @ weights["widen.weight"].T, dtype=np.float32))

    def save(self, path: Path) -> None:
        """Write the head atomically, float32; the same values give the same bytes."""
        arrays = {**self.weights, "heads": np.asarray(self.heads)}
        with write_atomically(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in sorted(arrays):
                # A fixed date, so that the hashes of two fits do not differ by their time.
                entry = zipfile.ZipInfo(f"{name}.npy", date_time=(2000, 1, 1, 0, 0, 0))
                entry.compress_type = zipfile.ZIP_DEFLATED
                with archive.open(entry, "w") as handle:
                    np.lib.format.write_array(handle, np.asarray(arrays[name]), allow_pickle=False)


def load_temporal(path: Path, dim: int) -> TemporalHead:
    """Read a temporal head for vectors of ``dim`` dimensions. Raises ``EncoderError`` if the file is not one."""
    try:
        values = read_arrays(path)
        heads = int(values.pop("heads"))
        weights = {name: np.asarray(value, np.float32) for name, value in values.items()}
    except (EncoderError, KeyError, ValueError, TypeError) as error:
        raise EncoderError(f"{path} is not a temporal head: {take_first_sentence(error)}; train it again") from error
    head = TemporalHead(weights=weights, heads=heads)
    narrow = weights.get("narrow.weight")
    width = len(narrow) if narrow is not None and narrow.ndim else 0
    shapes = {name: value.shape for name, value in weights.items()}
    if shapes != _list_shapes(dim, width, head.layers) or heads < 1 or not width or width % heads:
        raise EncoderError(f"{path} is not a temporal head for vectors of {dim} dimensions: train it again")
    if not all(np.isfinite(value).all() for value in head.weights.values()):
        raise EncoderError(f"{path} holds NaN or infinity: train it again")
    return head


def _list_shapes(dim: int, width: int, layers: int) -> dict[str, tuple[int, ...]]:
    """Shapes of the arrays of a head by their names."""
    letters = _OUTER | {f"layers.{layer}.{name}": each for layer in range(layers) for name, each in _LAYER.items()}
    sizes = {"D": dim, "S": POSITION_SLOTS, "W": width, "3": 3 * width, "4": 4 * width}
    return {name: tuple(sizes[letter] for letter in each) for name, each in letters.items()}


def _normalise(hidden_TW: Floats, weights: Mapping[str, Floats], name: str) -> Floats:
    centred_TW = hidden_TW - hidden_TW.mean(axis=1, keepdims=True)
    scaled_TW = centred_TW / np.sqrt((centred_TW**2).mean(axis=1, keepdims=True) + 1e-5)
    return np.asarray(scaled_TW * weights[f"{name}.weight"] + weights[f"{name}.bias"], dtype=np.float32)


def _attend(hidden_TW: Floats, weights: Mapping[str, Floats], heads: int) -> Floats:
    frames, width = hidden_TW.shape
    qkv_T3 = hidden_TW @ weights["qkv.weight"].T + weights["qkv.bias"]
    query, key, value = qkv_T3.reshape(frames, 3, heads, width // heads).transpose(1, 2, 0, 3)
    logits_HTT = query @ key.transpose(0, 2, 1) / np.sqrt(width // heads)
    share = np.exp(logits_HTT - logits_HTT.max(axis=2, keepdims=True))
    mixed_HTD = (share / share.sum(axis=2, keepdims=True)) @ value
    out_TW = mixed_HTD.transpose(1, 0, 2).reshape(frames, width) @ weights["out.weight"].T + weights["out.bias"]
    return np.asarray(out_TW, dtype=np.float32)


def _apply_gelu(values: Floats) -> Floats:
    """The tanh approximation (Hendrycks and Gimpel, 2016), as torch computes it with ``approximate="tanh"``."""
    inner = np.sqrt(2 / np.pi) * (values + 0.044715 * values**3)
    return np.asarray(0.5 * values * (1 + np.tanh(inner)), dtype=np.float32)
