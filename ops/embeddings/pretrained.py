"""Availability of pretrained open_clip weights, cached or on a server: the check of ``auto``, within five seconds.

Stands alone because a network request must never delay a machine without a network. Imports huggingface_hub (no torch),
whose cache is also that of open_clip's own downloads.
"""

from __future__ import annotations

import logging
import threading

log = logging.getLogger(__name__)

AUTO_MODEL = "open_clip:ViT-B-32/laion2b_s34b_b79k"
"""The model of ``auto``: the smallest of open_clip's models with open weights (MIT) and open data."""
AUTO_REPOSITORY = "laion/CLIP-ViT-B-32-laion2B-s34B-b79K"
_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
_SECONDS = 4.0  # a query may wait five seconds for its encoder; the rest is for imports


def choose_auto(*, endpoint: str | None = None, seconds: float = _SECONDS) -> tuple[str, str]:
    """``(spec, reason)``: pretrained open_clip if its weights are cached or a server offers them, else starter.

    ``endpoint`` is the hub's address (default: the client library's). Never takes longer than ``seconds`` plus imports,
    even if name resolution hangs: the request runs in a thread that may be abandoned.
    """
    if _is_cached():
        return AUTO_MODEL, f"the weights of {AUTO_MODEL} are in the local cache"
    answer: list[str] = []
    asking = threading.Thread(target=lambda: answer.append(_find_refusal(endpoint, seconds)), daemon=True)
    asking.start()
    asking.join(seconds)
    refusal = answer[0] if answer else f"no answer in {seconds:g} s"
    if not refusal:
        return AUTO_MODEL, f"the weights of {AUTO_MODEL} can be downloaded"
    return "starter", f"the weights of {AUTO_MODEL} are not cached and cannot be downloaded ({refusal})"


def _is_cached() -> bool:
    from huggingface_hub import try_to_load_from_cache

    return any(isinstance(try_to_load_from_cache(AUTO_REPOSITORY, name), str) for name in _FILES)


def _find_refusal(endpoint: str | None, seconds: float) -> str:
    """The reason why the weights are unavailable; empty if a server offers them."""
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    try:
        url = hf_hub_url(AUTO_REPOSITORY, _FILES[-1], endpoint=endpoint)
        get_hf_file_metadata(url, timeout=seconds)
    except Exception as error:  # noqa: BLE001 - reported as the reason; its class depends on the http library
        log.debug("the hub was asked for %s: %s", AUTO_REPOSITORY, error)
        return type(error).__name__
    return ""
