"""Quotes around exact words, as keyboards, word processors and languages write them. Stands alone because filters,
conditions and descriptions are quoted alike.

Single quotes are not among them: outside the value of a filter they are apostrophes far more often.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

ALL_QUOTES = '"“”„«»‹›「」『』＂'
# Groups are possessive (++, *+), so that a text full of unpaired quotes costs no time.
_NOT_AFTER_WORD = r"(?<![\w.,;!?…)\]%°’'\"”»])"  # nor after a mark that ends one: 5” is five inches


def _match_closing(quotes: str) -> str:
    """Match one of the quotes, but not between a blank and a word: there it opens."""
    return rf"(?:(?<![\s:：(\[])[{quotes}]|[{quotes}](?!\w))"


def _match_pair(opening: str, closing: str) -> str:
    """Match words between two different quotes, which may have such a pair within."""
    plain = f"[^{opening}{closing}]*+"
    return f"{opening}({plain}(?:{opening}{plain}{closing}{plain})*+){closing}"


def _match_same(quote: str, closing: str, *, exclude: str) -> str:
    """Match words after a quote that other languages close with ("”så här”", "»so«"); no blank begins or ends them."""
    return rf"{_NOT_AFTER_WORD}{quote}(?!\s)([^{exclude}]*+)(?<!\s){closing}(?!\w)"


QUOTED_PATTERN = "|".join(
    (
        r'\\"([^"\\]*+)\\"',
        # A quote after a digit is inches; a path may end in a backslash.
        r'(?<![\\\d])"((?:[^"\\]|\\(?!")|\\"[^"\\]*+\\")*+\\?)' + _match_closing('"'),
        _match_pair("“", "”"),
        r"„([^„“”]*+)" + _match_closing("“”"),
        *(_match_pair(*pair) for pair in ("«»", "‹›", "「」", "『』")),
        r"＂([^＂]*+)＂",
        _match_same("”", "”", exclude="“”"),
        _match_same("»", "«", exclude="«»"),
        _match_same("»", "»", exclude="«»"),
        rf'(?<![\\\d])["“„«]([^{ALL_QUOTES}]*+)["”“»]',
    )
)
"""A pattern of quoted words with one group for each kind of quotes; :func:`read_quoted` reads them."""

_QUOTED = re.compile(QUOTED_PATTERN)
_ESCAPED = re.compile(r'\\"([^"\\]*+)\\"')
_ANY_QUOTE = re.compile(rf"\\?[{ALL_QUOTES}]")


def read_quoted(groups: Iterable[str | None]) -> str | None:
    r"""Return the words in quotes from the groups of a match of :data:`QUOTED_PATTERN`; ``None`` if there are none.

    ``\"word\"`` within ``"..."`` is a word in quotes.
    """
    value = next((group for group in groups if group is not None), None)
    return None if value is None else _ESCAPED.sub(r'"\1"', value)


def write_quoted(words: str) -> str:
    """Return words in quotes of a kind that they do not have, so that :func:`read_quoted` reads them.

    Straight quotes within words that have every kind are left out.
    """
    kinds = [pair for pair in ('""', "“”", "«»", "「」", "『』") if not set(pair) & set(words)]
    if not kinds:
        return '"' + words.replace('"', "") + '"'
    return kinds[0][0] + words + kinds[0][1]


def find_phrases(text: str) -> list[tuple[int, int, str]]:
    """Return the quoted phrases of a text: start and end offset with the quotes, and the words."""
    return [(*match.span(), read_quoted(match.groups()) or "") for match in _QUOTED.finditer(text)]


def remove_phrases(text: str) -> str:
    """Return a text without its quoted phrases and unpaired quotes, with single blanks."""
    return remove_quotes(_QUOTED.sub(" ", text))


def remove_quotes(text: str) -> str:
    """Return a text without quotes, with single blanks."""
    return " ".join(_ANY_QUOTE.sub(" ", text).split())
