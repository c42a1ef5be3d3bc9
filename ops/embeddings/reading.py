"""How much of a text an encoder reads, found by trying, for tokenizers that cut without a word.

Stands alone because both kinds of encoders need it, and tokenizers agree on nothing but their result.
"""

from __future__ import annotations

from collections.abc import Callable

# More than a tokenizer adds at the end of a text, and not the end of a word that is there.
_MORE = " one more word"
# No tokenizer in use reads fewer tokens (SigLIP's 64, with the end), and a token has one ASCII letter at least.
_ALWAYS_READ = 60


def read_length(text: str, tokens_of: Callable[[str], list[int]]) -> int:
    """Characters of ``text``, from the first, that its tokens are made of; ``tokens_of`` cuts what is too long."""
    if text.isascii() and len(text) <= _ALWAYS_READ:
        return len(text)
    whole = tokens_of(text)
    if tokens_of(text + _MORE) != whole:
        return len(text)
    least, most = 0, len(text)
    while least < most:
        middle = (least + most) // 2
        if tokens_of(text[:middle]) == whole:
            most = middle
        else:
            least = middle + 1
    return least
