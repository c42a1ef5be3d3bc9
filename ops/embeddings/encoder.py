"""What an encoder is, which one a home uses, and how to get it.

An encoder has a *spec*, what people write in NEEDLE_ENCODER, and an *id*, which names architecture,
weights and preprocessing and changes when any of them does. Nothing heavy is imported before an encoder
needs it: with the starter encoder, or once the choice is pinned, no torch is.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import EncoderError, SettingsError
from ops.core.settings import Settings
from ops.embeddings.pins import EncoderPins
from ops.shots.devices import has_cuda

log = logging.getLogger(__name__)

Part = Literal["both", "text"]


class Encoder(Protocol):
    """Text and frames into one space of ``dim`` dimensions; every vector float32 and of unit length.

    ``encode_frames`` is ``prepare`` and then ``encode_prepared``: loaders call ``prepare`` (scaling,
    cropping) from their own threads while the model works. Legend: B texts, N frames, D = ``dim``.
    All methods may be called from several threads and raise ``EncoderError``.
    """

    encoder_id: str
    dim: int
    batch_frames: int
    """How many prepared frames one call should get; more is slower on a CPU, fewer wastes a GPU."""

    languages: tuple[str, ...]
    """ISO 639-1 codes of the languages that texts may be in; empty for an encoder that reads any."""

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors (B, D)."""
        ...

    def read_length(self, text: str) -> int:
        """How many characters of a text are read, from the first; all, unless it has too many tokens."""
        ...

    def encode_frames(self, frames_NHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Vectors (N, D) of RGB frames of one size, one vector a frame."""
        ...

    def prepare(self, frames_NHWC: NDArray[np.uint8]) -> NDArray[Any]:
        """Frames as the model takes them, first axis N."""
        ...

    def encode_prepared(self, prepared_N: NDArray[Any]) -> NDArray[np.float32]:
        """Vectors (N, D); a frame's vector does not depend on its neighbours in the batch."""
        ...

    def pool(self, frame_vectors_ND: NDArray[np.float32]) -> NDArray[np.float32]:
        """The vector (D,) of a shot from those of its frames, in their order; NaN where it has no direction."""
        ...


@dataclass(frozen=True, kw_only=True)
class ResolvedEncoder:
    """The encoder that settings mean: its spec, its id, and why it was chosen."""

    spec: str
    encoder_id: str
    reason: str


def resolve_encoder(settings: Settings, *, endpoint: str | None = None) -> ResolvedEncoder:
    """The encoder of a home: the live one since an upgrade, else the one that NEEDLE_ENCODER names.

    ``auto`` is decided within five seconds at first use and pinned in ``encoder.json``. Costs a few ``stat`` calls
    once the id is known. The first time, weights are hashed (and, for open_clip, downloaded if need be).
    ``endpoint`` overrides the address of the model hub. Raises ``EncoderError`` for a spec that names nothing usable.
    """
    pins = EncoderPins(settings.home)
    if live := pins.succession().live:
        return ResolvedEncoder(spec=live.spec, encoder_id=live.encoder_id, reason=f"live since {live.since}")
    spec, reason = settings.encoder, "NEEDLE_ENCODER names it"
    if spec == "auto":
        spec, reason = pins.auto() or _decide(pins, endpoint)
    return resolve_spec(spec, settings.home, reason)


def resolve_spec(spec: str, home: Path, reason: str = "it was asked for") -> ResolvedEncoder:
    """The encoder of a spec, whichever is live. Raises ``EncoderError`` for a spec that names nothing usable."""
    pins = EncoderPins(home)
    encoder_id = pins.id_of(spec)
    if encoder_id is None:
        encoder_id, files = _identify(spec, home)
        pins.record(encoder_id, spec, files)
    return ResolvedEncoder(spec=spec, encoder_id=encoder_id, reason=reason)


def setting_against_live(settings: Settings) -> str:
    """What people should know of NEEDLE_ENCODER in a home where an upgrade decided; empty where it agrees.

    A setting that says what an upgrade has replaced is out of date: the live encoder counts, and the text says so.
    Raises ``SettingsError`` where it names an encoder that never was live: footage would be embedded twice, and one
    half of it never found.
    """
    succession = EncoderPins(settings.home).succession()
    live = succession.live
    if live is None or settings.encoder in ("auto", live.spec):
        return ""
    told = f"NEEDLE_ENCODER = {settings.encoder!r}, but {live.spec} is live in {settings.home} since {live.since}"
    if settings.encoder in succession.superseded:
        return f"{told}, and counts: unset NEEDLE_ENCODER; `needle upgrade` changes what is live"
    raise SettingsError(
        f"{told}: unset NEEDLE_ENCODER, or make it live with `needle upgrade --encoder {settings.encoder}`"
    )


def load_encoder(
    encoder_id_or_spec: str, home: Path, device: str = "auto", part: Part = "both", threads: int | None = None
) -> Encoder:
    """Load an encoder by an id that the home has resolved before, or by spec.

    ``device``: ``auto`` (CUDA if present), ``cpu`` or a torch device. ``part="text"`` loads what queries
    need. ``threads`` of the model on a CPU, default all cores. Raises ``EncoderError`` where it is
    unknown, cannot be loaded, or where the weights of the id have changed since.
    """
    spec = EncoderPins(home).spec_of(encoder_id_or_spec)
    wanted = encoder_id_or_spec if spec else None
    encoder = _load(spec or encoder_id_or_spec, home, device, part, threads or _cores())
    if wanted and encoder.encoder_id != wanted:
        raise EncoderError(
            f"the weights of {spec} have changed: {wanted} is now {encoder.encoder_id}. Put the old weights "
            "back, or run `needle ingest` to embed the footage again"
        )
    return encoder


def _decide(pins: EncoderPins, endpoint: str | None) -> tuple[str, str]:
    from ops.embeddings.pretrained import choose_auto

    spec, reason = pins.pin_auto(*choose_auto(endpoint=endpoint))
    log.info("encoder %s: %s", spec, reason)
    return spec, reason


def _kind(spec: str) -> tuple[str, str]:
    kind, _, rest = spec.partition(":")
    if spec == "starter" or (kind in ("open_clip", "finetuned") and rest):
        return kind, rest
    raise EncoderError(
        f"{spec!r} is no encoder of this home: write starter, open_clip:<model>/<pretrained tag or file> "
        "or finetuned:<name>"
    )


def _identify(spec: str, home: Path) -> tuple[str, list[Path]]:
    """Id of a spec and the files that decide it."""
    kind, rest = _kind(spec)
    if kind == "open_clip":
        from ops.embeddings.encoders.open_clip import identify_open_clip

        return identify_open_clip(rest)
    if kind == "finetuned":
        from ops.embeddings.encoders.finetuned import identify_finetuned

        return identify_finetuned(home, rest)
    from ops.embeddings.encoders.starter import starter_files, starter_id

    return starter_id(), starter_files()


def _load(spec: str, home: Path, device: str, part: Part, threads: int) -> Encoder:
    kind, rest = _kind(spec)
    if kind == "open_clip":
        from ops.embeddings.encoders.open_clip import OpenClipEncoder

        return OpenClipEncoder(rest, device=_device(device), part=part, threads=threads)
    if kind == "finetuned":
        from ops.embeddings.encoders.finetuned import FinetunedEncoder, finetuned_files

        return FinetunedEncoder(home, finetuned_files(home, rest), device=_device(device), part=part, threads=threads)
    from ops.embeddings.encoders.starter import StarterEncoder

    chosen = "cpu" if part == "text" else _device(device)
    return StarterEncoder(home, device=chosen, part=part, threads=threads)


def _device(device: str) -> str:
    """``auto`` is CUDA if there is a device; without a driver torch is not imported."""
    if device != "auto":
        return device
    return "cuda" if has_cuda() else "cpu"


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
