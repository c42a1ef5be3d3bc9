"""What every catalogue is measured with: vectors of generic texts and of title cards, once for each encoder."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ops.core.errors import EncoderError
from ops.search.encoding import QueryEncoder
from ops.search.generic_texts import GENERIC_TEXTS
from ops.search.titles import CARDS_RECIPE, TitleDirection, draw_cards

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Yardsticks:
    """``texts`` are unit vectors, float32 (G, D), of generic texts; ``titles`` tells title cards, where it can."""

    texts: NDArray[np.float32]
    titles: TitleDirection | None


def load_yardsticks(home: Path, encoder: QueryEncoder) -> Yardsticks:
    """The encoder's yardsticks, from ``<home>/cache/search/``, or made (some seconds) and kept there.

    Where the encoder cannot look at pictures on this machine, titles are not told apart, and nothing is kept.
    """
    recipe = hashlib.sha256("\n".join((CARDS_RECIPE, *GENERIC_TEXTS)).encode()).hexdigest()[:8]
    path = home / "cache" / "search" / f"{encoder.encoder_id}-{recipe}.npz"
    try:
        with np.load(path) as kept:
            return Yardsticks(texts=kept["texts"], titles=TitleDirection(vector=kept["titles"], own=float(kept["own"])))
    except FileNotFoundError:
        pass
    except (OSError, ValueError, KeyError, BadZipFile) as error:
        log.info("%s cannot be read (%s): made again", path, error)
    texts = encoder.texts(GENERIC_TEXTS)
    try:
        titles = TitleDirection.of(encoder.frames(draw_cards()))
    except EncoderError as error:
        log.warning("title cards cannot be told from other shots: %s", error)
        return Yardsticks(texts=texts, titles=None)
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as handle:
        np.savez(handle, texts=texts, titles=titles.vector, own=titles.own)
    Path(handle.name).replace(path)
    return Yardsticks(texts=texts, titles=titles)
