"""Availability of pretrained open_clip weights, cached or on a server: the check of ``auto``, within five seconds.

Stands alone because a network request must never delay a machine without a network. Imports huggingface_hub (no torch),
whose cache is also that of open_clip's own downloads.
"""

from __future__ import annotations

import logging
import threading

from ops.embeddings.models import KnownModel, list_auto_models
from ops.shots.devices import has_cuda

log = logging.getLogger(__name__)

_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
_SECONDS = 4.0  # a query may wait five seconds for its encoder; the rest is for imports


def choose_auto(*, endpoint: str | None = None, seconds: float = _SECONDS, device: str = "") -> tuple[str, str]:
    """``(spec, reason)``: the best open_clip model for the device whose weights are cached or offered, else starter.

    :mod:`ops.embeddings.models` has the models for each ``device`` (default: ``cuda`` if there is one, else ``cpu``).
    ``endpoint`` is the hub's address (default: the client library's). Never takes longer than ``seconds`` plus imports,
    even if name resolution hangs: the request runs in a thread that may be abandoned.
    """
    device = device or ("cuda" if has_cuda() else "cpu")
    models = list_auto_models(device)
    best = models[0]
    why = f"the best for {device} in `needle models`: R@1 {best.coco:g} % on COCO"
    if is_cached(best):
        return best.spec, f"the weights of {best.spec}, {why}, are in the local cache"
    answer: list[str] = []
    asking = threading.Thread(target=lambda: answer.append(_find_refusal(best, endpoint, seconds)), daemon=True)
    asking.start()
    asking.join(seconds)
    refusal = answer[0] if answer else f"no answer in {seconds:g} s"
    if not refusal:
        return best.spec, f"the weights of {best.spec}, {why}, can be downloaded"
    unavailable = f"the weights of {best.spec} are not cached and cannot be downloaded ({refusal})"
    for other in models[1:]:
        if is_cached(other):
            return other.spec, f"{unavailable}; those of {other.spec} are in the local cache"
    return "starter", unavailable


def is_cached(model: KnownModel) -> bool:
    """Whether the weights of a model are in the hub's local cache."""
    from huggingface_hub import try_to_load_from_cache

    return any(isinstance(try_to_load_from_cache(model.repository, name), str) for name in _FILES)


def _find_refusal(model: KnownModel, endpoint: str | None, seconds: float) -> str:
    """The reason why the weights are unavailable; empty if a server offers them."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    try:
        url = hf_hub_url(model.repository, _FILES[0], endpoint=endpoint)
        get_hf_file_metadata(url, timeout=seconds)
    except Exception as error:  # noqa: BLE001 - reported as the reason; its class depends on the http library
        log.debug("the hub was asked for %s: %s", model.repository, error)
        return type(error).__name__
    return ""
