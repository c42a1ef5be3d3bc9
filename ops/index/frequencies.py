"""Frequencies of words, from the lists of wordfreq (Speer 2022; data CC BY-SA 4.0).

Stands alone because spelling, in search, and prefixes, in the tokenizer, read the same files. Frequencies are on the
Zipf scale: log10 of occurrences in a billion words.
"""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from functools import lru_cache

from ops.embeddings.weights import find_installed_file


@lru_cache(maxsize=32)
def load_word_frequencies(name: str, least: float = 0.0) -> Mapping[str, float]:
    """Return Zipf frequencies by word of the list ``name`` (``large_en``), without words rarer than ``least``.

    The file is read without an import of its package, which takes three times as long. The file is a header, then the
    words of each centibel of frequency, from the most frequent on.
    """
    import msgpack

    path = find_installed_file("wordfreq", f"data/{name}.msgpack.gz")
    _, *steps = msgpack.unpackb(gzip.decompress(path.read_bytes()))
    count = max(round((9 - least) * 100) + 1, 0)
    return {word: 9 - step / 100 for step, words in enumerate(steps[:count]) for word in words}
