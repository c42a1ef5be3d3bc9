"""The encoder interface, the kinds of encoders, the choice of a home's encoder, and its loading.

An encoder has a *spec*, the value of NEEDLE_ENCODER, and an *id*. The id names architecture, weights and preprocessing,
and changes if any of them changes. The word before the colon of a spec is its *kind*: a module of
``ops/embeddings/encoders`` that ends in ``KIND = <an EncoderKind>``; nothing else lists the kinds. Only the module of
the wanted kind is imported: with the starter encoder, or if the choice is pinned, torch is not.
"""

from __future__ import annotations

import importlib
import logging
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import EncoderError, SettingsError
from ops.core.settings import Settings, count_cores, refuse_telemetry
from ops.core.storage import ObjectStore
from ops.embeddings.registry import EncoderRegistry
from ops.embeddings.shared_choice import share_auto
from ops.embeddings.weights import EncoderIdentity
from ops.shots.devices import has_cuda

log = logging.getLogger(__name__)

Part = Literal["both", "text"]
Prepare = Callable[[NDArray[np.uint8]], NDArray[Any]]
"""Frames (N, H, W, C) to the input format of a model, first axis N."""
KINDS = "ops.embeddings.encoders"
"""The package of the kinds; they import this module, so it finds them by name."""


class Encoder(Protocol):
    """Encodes text and frames to float32 vectors of unit length in one space of ``dim`` dimensions.

    ``encode_frames`` is ``prepare`` and then ``encode_prepared``: loaders call ``prepare`` (scaling, cropping) from
    their own threads while the model works. Legend: B texts, N frames, D = ``dim``. All methods may be called from
    several threads and raise ``EncoderError``.
    """

    encoder_id: str
    dim: int
    batch_frames: int
    """The best number of prepared frames per call; more is slower on a CPU, fewer wastes a GPU."""

    parallel_calls: int
    """The best number of calls of ``encode_prepared`` at the same time: 2 if one call copies while another computes."""

    languages: tuple[str, ...]
    """ISO 639-1 codes of the supported languages of texts; empty if the encoder supports any."""

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors (B, D). Refuses items that are not texts, see ``require_texts`` in ``ops/embeddings/reading.py``."""
        ...

    def read_length(self, text: str) -> int:
        """Number of characters of a text that are read, from the first; all, unless it has too many tokens."""
        ...

    def encode_frames(self, frames_NHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Vectors (N, D) of RGB frames of one size, one vector per frame."""
        ...

    def prepare(self, frames_NHWC: NDArray[np.uint8]) -> NDArray[Any]:
        """Frames in the input format of the model, first axis N."""
        ...

    def encode_prepared(self, prepared_N: NDArray[Any]) -> NDArray[np.float32]:
        """Vectors (N, D); a frame's vector does not depend on its neighbours in the batch."""
        ...

    def pool(self, frame_vectors_ND: NDArray[np.float32]) -> NDArray[np.float32]:
        """The vector (D,) of a shot from those of its frames, in their order; NaN if it has no direction."""
        ...


def encode_images(encoder: Encoder, frames_NHWC: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Vectors (N, D) of images: each is that of a shot of this one frame, whatever the encoder's pooling.

    Use it for images that are compared with shots; ``encode_frames`` returns the input of the pooling.
    """
    return pool_each(encoder, encoder.encode_frames(frames_NHWC))


def pool_each(encoder: Encoder, frame_vectors_ND: NDArray[np.float32]) -> NDArray[np.float32]:
    """Vectors (N, D) of N shots of one frame each, from those of their frames."""
    shots_ND = np.empty_like(frame_vectors_ND)
    for row in range(len(frame_vectors_ND)):
        shots_ND[row] = encoder.pool(frame_vectors_ND[row : row + 1])
    return shots_ND


@dataclass(frozen=True, kw_only=True)
class LoadOptions:
    """Options for loading an encoder.

    ``device`` is ``auto``, ``cpu`` or a torch device. An encoder of ``part="text"`` has only ``encode_text`` and
    ``read_length``; it calls :func:`require_both_parts` before it encodes frames. ``threads`` are those of the model on
    a CPU. ``frames`` to encode: for many, it pays to prepare the model longer.
    """

    home: Path
    device: str = "auto"
    part: Part = "both"
    threads: int = 1
    frames: int = 0

    @property
    def cache(self) -> Path:
        """Folder of exported models."""
        return self.home / "cache" / "encoders"

    def torch_device(self) -> str:
        """``device``, or for ``auto`` CUDA if there is a device; without a driver torch is not imported."""
        if self.device != "auto":
            return self.device
        return "cuda" if has_cuda() else "cpu"


def require_both_parts(part: str) -> None:
    """Raise ``EncoderError`` if only the text part of an encoder was loaded."""
    if part == "text":
        raise EncoderError("the encoder was loaded for text only: load it with part='both' to encode frames")


class EncoderKind(ABC):
    """Identifies and loads the encoders of one kind; ``tests/contract`` runs over every kind."""

    name: ClassVar[str]
    """The word before the colon of a spec; the name of its module."""
    form: ClassVar[str]
    """The form of the spec, such as ``finetuned:<name>``; only the name if there is only one encoder."""
    terms: ClassVar[str] = ""
    """Limits on the use of the encoders' weights; logged at the first use in a home."""

    @abstractmethod
    def identify(self, rest: str, home: Path) -> EncoderIdentity:
        """The id of the encoder ``<name>:<rest>``, and the files that determine it. Builds no model.

        The same files give the same id in every process. Raises ``EncoderError`` if the encoder does not exist.
        """

    @abstractmethod
    def load(self, rest: str, options: LoadOptions) -> Encoder:
        """Load the encoder; its ``encoder_id`` is that of :meth:`identify`.

        Raises ``EncoderError`` if the encoder does not exist, and with the file's name if its weights cannot be used.
        """

    def find_own_folder(self, rest: str, home: Path) -> Path | None:
        """The folder of weights that only this home has, and others on its store get from there.

        ``None`` if every home gets them by itself: from a package, a model hub, or a file at the same place.
        """
        return None

    def load_preparation(self, rest: str, options: LoadOptions) -> Prepare:
        """The ``prepare`` of the encoder, for processes that only read frames; a kind may do without its weights."""
        return self.load(rest, options).prepare


@dataclass(frozen=True, kw_only=True)
class ResolvedEncoder:
    """The encoder that the settings select: its spec, its id, and the reason of the choice."""

    spec: str
    encoder_id: str
    reason: str


def resolve_encoder(settings: Settings, *, endpoint: str | None = None) -> ResolvedEncoder:
    """The encoder of a home: the live one after an upgrade, otherwise the one in NEEDLE_ENCODER.

    ``auto`` is decided within five seconds at first use and pinned in ``encoder.json``, on S3 for all homes. Costs a
    few ``stat`` calls if the id is known. The first time, weights are hashed (and, for open_clip, downloaded if they
    are not cached). ``endpoint`` overrides the address of the model hub. Raises ``EncoderError`` if the spec does not
    name a usable encoder, and ``StorageError`` if ``auto`` is to be shared and the store cannot be written.
    """
    registry = EncoderRegistry(settings.home)
    if live := registry.read_state().live:
        return ResolvedEncoder(spec=live.spec, encoder_id=live.encoder_id, reason=f"live since {live.since}")
    spec, reason = settings.encoder, "NEEDLE_ENCODER names it"
    if spec == "auto":
        spec, reason = registry.read_auto() or _decide(registry, settings.store, endpoint)
    return resolve_spec(spec, settings.home, reason)


def resolve_spec(spec: str, home: Path, reason: str = "it was asked for") -> ResolvedEncoder:
    """The encoder of a spec, whichever is live. Raises ``EncoderError`` if the spec does not name a usable encoder."""
    registry = EncoderRegistry(home)
    encoder_id = registry.find_id(spec)
    if encoder_id is None:
        kind, rest = find_kind(spec)
        identity = kind.identify(rest, home)
        encoder_id = identity.encoder_id
        registry.record(encoder_id, spec, list(identity.files))
        if kind.terms:
            log.warning("encoder %s: %s", spec, kind.terms)
    return ResolvedEncoder(spec=spec, encoder_id=encoder_id, reason=reason)


def explain_setting_against_live(settings: Settings) -> str:
    """A warning about NEEDLE_ENCODER in a home after an upgrade; empty if the setting agrees with the live encoder.

    If the setting names an encoder that an upgrade has replaced, it is out of date: the live encoder counts, and the
    warning reports that. Raises ``SettingsError`` if it names an encoder that never was live: footage would be embedded
    twice, and one half of it never found.
    """
    state = EncoderRegistry(settings.home).read_state()
    live = state.live
    if live is None or settings.encoder in ("auto", live.spec):
        return ""
    conflict = f"NEEDLE_ENCODER = {settings.encoder!r}, but {live.spec} is live in {settings.home} since {live.since}"
    if settings.encoder in state.replaced_specs:
        return f"{conflict}, and is used: unset NEEDLE_ENCODER; `needle upgrade` changes the live encoder"
    raise SettingsError(
        f"{conflict}: unset NEEDLE_ENCODER, or make it live with `needle upgrade --encoder {settings.encoder}`"
    )


def load_encoder(
    encoder_id_or_spec: str,
    home: Path,
    device: str = "auto",
    part: Part = "both",
    threads: int | None = None,
    frames: int = 0,
) -> Encoder:
    """Load an encoder by an id that the home has resolved before, or by spec.

    ``device``: ``auto`` (CUDA if present), ``cpu`` or a torch device. ``part="text"`` loads only the text part, for
    queries. ``threads`` of the model on a CPU, default all cores; ``frames`` as in :class:`LoadOptions`. Raises
    ``EncoderError`` if it is unknown or cannot be loaded, or if the weights of the id have changed since.
    """
    refuse_telemetry()  # a worker of a cluster loads no settings
    spec = EncoderRegistry(home).find_spec(encoder_id_or_spec)
    expected_id = encoder_id_or_spec if spec else None
    kind, rest = find_kind(spec or encoder_id_or_spec)
    options = LoadOptions(home=home, device=device, part=part, threads=threads or count_cores(), frames=frames)
    encoder = kind.load(rest, options)
    if expected_id and encoder.encoder_id != expected_id:
        raise EncoderError(
            f"the weights of {spec} have changed: {expected_id} is now {encoder.encoder_id}. Put the old weights "
            "back, or run `needle ingest` to embed the footage again"
        )
    return encoder


def load_preparation(spec: str, home: Path) -> Prepare:
    """Only the ``prepare`` of the encoder of a spec. Raises ``EncoderError`` if the encoder does not exist."""
    kind, rest = find_kind(spec)
    return kind.load_preparation(rest, LoadOptions(home=home, device="cpu"))


def _decide(registry: EncoderRegistry, store: ObjectStore, endpoint: str | None) -> tuple[str, str]:
    from ops.embeddings.pretrained import choose_auto

    spec, reason = registry.pin_auto(*share_auto(store, lambda: choose_auto(endpoint=endpoint)))
    log.info("encoder %s: %s", spec, reason)
    return spec, reason


def load_encoder_kinds() -> dict[str, EncoderKind]:
    """Every kind of encoder by name. Imports the modules of all kinds, which import no model library."""
    return {name: _load_kind(name) for name in _list_kind_names()}


def find_kind(spec: str) -> tuple[EncoderKind, str]:
    """The kind of a spec, and the part after its colon. Raises ``EncoderError`` if the kind is unknown."""
    name, _, rest = spec.partition(":")
    if name in _list_kind_names():
        kind = _load_kind(name)
        if rest if ":" in kind.form else spec == name:
            return kind, rest
    *forms, last = [kind.form for kind in load_encoder_kinds().values()]
    raise EncoderError(f"{spec!r} is not an encoder of this home: write {', '.join(forms)} or {last}")


def _list_kind_names() -> list[str]:
    return [module.name for module in pkgutil.iter_modules([str(Path(__file__).with_name("encoders"))])]


def _load_kind(name: str) -> EncoderKind:
    """The kind of a module. Raises ``TypeError`` if the module does not define a kind of its own name."""
    kind = getattr(importlib.import_module(f"{KINDS}.{name}"), "KIND", None)
    if not isinstance(kind, EncoderKind) or kind.name != name:
        raise TypeError(f"{KINDS}.{name}: end it in KIND = an EncoderKind with name = {name!r}")
    return kind
