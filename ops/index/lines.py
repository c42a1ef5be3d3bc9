"""Search the current version of the index of spoken lines.

Independent of any encoder. BM25 with stemming and phrases are text indexes of Tantivy, in the process, or, with
``NEEDLE_QDRANT_URL``, of a Qdrant server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial

from ops.core.errors import VectorIndexError
from ops.core.qdrant_options import parse_qdrant_options
from ops.core.settings import Settings
from ops.index.affixes import find_nouns
from ops.index.backends.server_lines import ServerLineVersions
from ops.index.backends.server_versions import reuse_client
from ops.index.backends.tantivy_lines import TantivyLineVersions
from ops.index.catalogue_name import pin_catalogue_name, read_catalogue_name, take_turns
from ops.index.fetching import Fetched, fetch_until
from ops.index.line_points import (
    LineHit,
    LinePayload,
    LineRow,
    LineStore,
    WantedLines,
    parse_hit,
    parse_row,
    spell_phrase,
    take_distinct,
)
from ops.index.line_sums import compute_line_digest
from ops.index.stems import stem_words_with
from ops.index.utterances import extend_to_phrases
from ops.index.words import list_pairs, list_terms, split_exact_words, split_words

__all__ = ["LineHit", "LineIndex", "LineRow", "open_lines", "read_current_line_version"]

LineVersions = TantivyLineVersions | ServerLineVersions

# Changes with the layout of a version or the definition of a word (letters, words, affixes, prefixes, stems; a new ICU
# or wordfreq): versions are rebuilt then.
RECIPE = 6
NAME = "dialogue"
# Texts in the picture are lines, too: an index of their own.
SCREEN_TEXT = "screen_text"
ATTEMPTS = 3
MOST_TERMS = 256
"""Different words of one query that count; this bounds the cost of a query as long as a page."""
OTHER_MARKS = 0.25
"""Factor for a line that has the words only with other accents, prefixes or particles: outweighs a short line."""


class LineIndex:
    """One version of the lines, open for reading; safe to use from several threads."""

    def __init__(self, versions: LineVersions, version: str) -> None:
        self.version = version
        self._versions = versions
        self._lines: LineStore = versions.open(version)

    def search(
        self,
        text: str,
        *,
        phrases: Sequence[str] = (),
        shows: Sequence[str] = (),
        videos: Sequence[str] = (),
        limit: int,
    ) -> list[LineHit]:
        """Return the best matching lines, best first; equally good ones in the order of video and time.

        Any word of ``text`` may match, in any of its forms (stemming of the line's own language). Each of ``phrases``
        must occur: its exact words in order. Case, accents, punctuation, and joined parts ("t-shirt", "tshirt") make no
        difference.

        Lines with other accents than typed rank lower. Words of phrases count for the ranking too. A query without
        words has no hits. Phrases that span several lines of a sentence are one hit of these lines. ``shows`` and
        ``videos`` (names and ids; empty means all) filter before the search.
        Raises ``VectorIndexError`` on a limit below 1 and on a broken index.
        """
        if limit < 1:
            raise VectorIndexError(f"cannot return {limit} lines: limit is at least 1")
        spellings = tuple(filter(None, map(spell_phrase, phrases)))
        query_terms = [term for part in (text, *phrases) for term in list_terms(part)]
        terms = take_distinct([*query_terms, *(pair for phrase in phrases for pair in list_pairs(phrase))], MOST_TERMS)
        if not terms or not self.count():
            return []
        conditions = WantedLines(shows=tuple(shows), videos=tuple(videos), phrases=spellings)
        hits = self._find_hits(terms, limit, conditions, _map_typed_words(" ".join((text, *phrases))))
        hits.sort(key=lambda hit: (-hit.score, hit.video_id, hit.start_frame, hit.line_id))
        return hits[:limit]

    def _find_hits(
        self, terms: Sequence[str], limit: int, conditions: WantedLines, typed_words: Mapping[str, str]
    ) -> list[LineHit]:
        """Return at least the ``limit`` best hits, if there are enough."""

        def fetch(count: int) -> Fetched[LineHit]:
            rankings = [
                self._rank_lines(
                    stemmer,
                    " ".join(take_distinct(stem_words_with(stemmer, terms), MOST_TERMS)),
                    count,
                    conditions,
                )
                for stemmer in self._lines.list_stemmers()
            ]
            hits = [
                extend_to_phrases(parse_hit(payload, score), conditions.phrases)
                for each in rankings
                for score, payload in each
            ]
            scored_hits = [
                replace(hit, score=hit.score * _measure_exactness(typed_words, hit.text)) for hit in hits if hit
            ]
            # Phrases that begin in a later line of the sentence are left to the hit of that line.
            return Fetched(items=scored_hits, is_all=all(len(each) <= count for each in rankings))

        return list(fetch_until(fetch, limit, lambda scored_hits: len(scored_hits) >= limit).items)

    def _rank_lines(
        self, stemmer: str, terms: str, limit: int, conditions: WantedLines
    ) -> Sequence[tuple[float, LinePayload]]:
        """Return at least ``limit`` of the best, if there are enough, without splitting a group of ties at the end."""

        def fetch(depth: int) -> Fetched[tuple[float, LinePayload]]:
            lines = self._lines.rank(stemmer, terms, depth, conditions)
            return Fetched(items=lines, is_all=len(lines) < depth)

        return fetch_until(fetch, limit + 1, lambda lines: lines[-1][0] < lines[limit - 1][0]).items

    @cached_property
    def vocabulary(self) -> Mapping[str, int]:
        """Return in how many lines each word is."""
        return self._lines.count_words()

    @cached_property
    def shot_ids(self) -> frozenset[str]:
        """Return the shots of all lines."""
        return self._lines.list_shot_ids()

    def is_current(self) -> bool:
        """Return True if no newer version was published."""
        return self._versions.current() == self.version

    def count(self) -> int:
        """Return the number of lines."""
        return int(self._lines.manifest()["rows"])

    def digest(self) -> str:
        """Return the digest of all lines, read back from the engine.

        Equal to :func:`compute_line_digest` of the published rows.
        """
        return compute_line_digest(map(parse_row, self._lines.scroll()))

    def close(self) -> None:
        """Close the version; it may then be deleted."""
        self._lines.close()

    def __enter__(self) -> LineIndex:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def open_lines(settings: Settings, name: str = NAME) -> LineIndex | None:
    """Open the current version of the lines; ``None`` if no dialogue is indexed, or only in an earlier layout.

    ``name`` as in ``choose_line_engine``.

    Raises ``VectorIndexError`` if the index is broken or cannot be reached.
    """
    return open_line_versions(choose_line_engine(settings, name))


def open_line_versions(versions: LineVersions) -> LineIndex | None:
    """Apply :func:`open_lines` to given versions."""
    for attempt in range(ATTEMPTS):
        version = versions.current()
        if version is None or not version.startswith(f"v{RECIPE}-"):
            return None
        try:
            index = LineIndex(versions, version)
        except VectorIndexError:
            # The version was deleted between the look-up and the opening, by several newer ones.
            if attempt == ATTEMPTS - 1 or versions.current() == version:
                raise
            continue
        if index.count():
            return index
        index.close()
        return None
    return None


def read_current_line_version(settings: Settings, name: str = NAME) -> str | None:
    """Return the name of the current version, or ``None`` before the first; opens and writes nothing."""
    return choose_line_engine(settings, name).current()


def choose_line_engine(settings: Settings, name: str = NAME, *, publishes: bool = False) -> LineVersions:
    """Return the versions of the lines in the engine that the settings name.

    ``name`` is that of the index: ``NAME`` for dialogue, or ``SCREEN_TEXT``.
    """
    if settings.qdrant_url:
        options = parse_qdrant_options(settings.qdrant_options)
        client = reuse_client(settings.qdrant_url, settings.qdrant_api_key.get_secret_value(), options.grpc)
        catalogue = pin_catalogue_name(settings) if publishes else read_catalogue_name(settings)
        return ServerLineVersions(
            client,
            f"-{name}",  # no encoder's id starts with a dash, so no encoder's collections have this name
            settings.qdrant_url,
            catalogue=catalogue,
            holder=settings.home_name,
            options=options,
            take_turns=partial(take_turns, settings),
        )
    return TantivyLineVersions(settings.home / "index" / name)


def _map_typed_words(text: str) -> dict[str, str]:
    """Return the words of a query as typed, by their folded form."""
    return dict(zip(split_words(text), split_exact_words(text), strict=False))


def _measure_exactness(typed_words: Mapping[str, str], line: str) -> float:
    """Return 1 if the line has every word that it shares with the query exactly as typed, else less.

    A word with other accents and marks, or a noun within a longer word, is not exact.
    """
    if line.isascii() and all(word == exact for word, exact in typed_words.items()):
        return 1.0
    words = _map_typed_words(line)
    nouns = {noun for word in words for noun in find_nouns(word)}
    shared_words = [word for word in typed_words if word in words or word in nouns]
    if not shared_words:
        return 1.0
    exact = set(split_exact_words(line))
    return float(OTHER_MARKS ** (sum(typed_words[word] not in exact for word in shared_words) / len(shared_words)))
