"""What texts an encoder takes, and how much of one it reads, found by trying, for tokenizers that cut silently.

Stands alone because all kinds of encoders need it, and tokenizers agree on nothing but their result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ops.core.errors import EncoderError

# More than a tokenizer adds at the end of a text, and not the end of a word that is there.
_MORE = " one more word"
# No tokenizer in use reads fewer tokens (SigLIP's 64, with the end), and a token has one ASCII letter at least.
_ALWAYS_READ = 60


def require_texts(texts: Sequence[str]) -> None:
    """Raise ``EncoderError`` for an item that is not a ``str``, or has half of a surrogate pair.

    Such a half comes from bytes of a command line that are not UTF-8. Tokenizers fail on it, each in its own way, or
    read it as any character.
    """
    for text in texts:
        if not isinstance(text, str):
            raise EncoderError(f"{text!r} is not a text: the encoder takes strings")
        if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
            raise EncoderError(f"{text[:100]!r} is not a text: it has half of a character; write it in UTF-8")


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
