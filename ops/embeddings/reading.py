"""The valid texts of an encoder, and the length that it reads, found by trial: tokenizers truncate without an error.

Stands alone because all kinds of encoders need it, and tokenizers have only their result in common.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ops.core.errors import EncoderError

# More than a tokenizer adds at the end of a text, and not the end of a word of the text.
_MORE = " one more word"
# No tokenizer in use reads fewer tokens (SigLIP's 64, with the end), and a token has at least one ASCII letter.
_ALWAYS_READ = 60


def require_texts(texts: Sequence[str]) -> None:
    """Raise ``EncoderError`` if an item is not a ``str``, or has half of a surrogate pair.

    Bytes of a command line that are not UTF-8 give a half pair. Tokenizers fail on it, each in a different way, or read
    it as any character.
    """
    for text in texts:
        if not isinstance(text, str):
            raise EncoderError(f"{text!r} is not a text: the encoder takes strings")
        if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
            raise EncoderError(f"{text[:100]!r} is not a text: it has half of a character; write it in UTF-8")


def read_length(text: str, tokens_of: Callable[[str], list[int]]) -> int:
    """Number of characters of ``text``, from the first, that its tokens cover; ``tokens_of`` truncates a long text."""
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
