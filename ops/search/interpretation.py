"""Interpret a query: which of its words are searched in the images, and which in spoken lines.

Most of it is pure: the words of a query decide if it means spoken words, and the index of lines reports if any line has
them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ops.core.errors import NotFoundError
from ops.index.lines import LineHit, LineIndex
from ops.index.stems import is_in, list_stems, stem_words
from ops.index.utterances import extend_hit
from ops.index.words import list_spellings, split_words
from ops.search.conditions import DialogueCondition, WrittenCondition
from ops.search.english import LEAST_LETTERS, find_nearest_word
from ops.search.hints import correct_words
from ops.search.query_parts import QueryPart, Reading
from ops.search.quotes import find_phrases, remove_phrases, remove_quotes
from ops.search.schema import Query
from ops.search.searched_catalogue import Scope

NO_DIALOGUE = "no dialogue is indexed: put subtitles (.srt, .vtt, .ass) next to the films and run `needle ingest`"
# Lines that are read to decide if a query means spoken words.
GLANCE = 20
# Maximum number of lines that answer one query.
MOST_LINES = 1000
# A line must have this share of a query's content words, and at least two of them: one word that is also
# spoken somewhere ("car") does not show the intent; and users remember most of a line, not all of it.
TOGETHER = 0.75

# Words without content of their own: English articles, pronouns, prepositions, auxiliaries, and the fragments that
# remain after an apostrophe. Short on purpose: a word too many here would hide a line, a word too few costs nothing.
_EMPTY_WORDS = """
a about all also am an and any are aren as at be been being but by can could couldn d did didn do does doesn doing
don for from had hadn has hasn have haven having he her here hers him his how i if in into is isn it its just let ll
m me my no nor not of off on or our ours out over re s she should shouldn so some such t than that the their theirs
them then there these they this those through to too under up ve very was wasn we were weren what when where which
while who whom why will with won would wouldn you your yours
"""
# The same words without their apostrophes, a common spelling.
_CONTRACTIONS_TEXT = """
arent cant couldnt didnt doesnt dont hadnt hasnt havent hes im isnt ive shes shouldnt thats theres theyre theyve
wasnt weve werent whats wheres whos wont wouldnt youll youre youve
"""
_CONTRACTIONS = frozenset(_CONTRACTIONS_TEXT.split())
_EMPTY = frozenset(_EMPTY_WORDS.split()) | _CONTRACTIONS

# Words of conversation that descriptions of an image seldom have: "where are the bicycles" is spoken, "in the car" is a
# place.
_SPEAKING_WORDS = """
am are aren can could couldn did didn do does doesn don had has have how i is isn it let ll m me my not our re
shall should shouldn that this us ve was wasn we were weren what when where which who whom whose why will won would
wouldn you your yours
"""
_SPEAKING = frozenset(_SPEAKING_WORDS.split()) | _CONTRACTIONS
# First words of descriptions that have only one more content word: "in the car", "a car of their own".
_DESCRIBING_WORDS = "a an at by down for from in into of off on out over the through to under up with"
_DESCRIBING = frozenset(_DESCRIBING_WORDS.split())


@dataclass(frozen=True, kw_only=True)
class QueryInterpretation:
    """The interpretation of a query.

    * ``visual``: its words, or examples, are searched in the images.
    * ``dialogue``: its words are searched in the lines. ``lines`` are the matching ones, best first, each with its
      share of the requested words.
    * ``seen_text`` are the words for the images.
    * ``why`` is one sentence for users.
    * ``said_in`` counts lines that have the words if only images were searched, up to GLANCE: quotes would find them.
    * ``notes`` are sentences on what the search could not do.
    * ``meant`` has a spoken word for each misspelt word of a query that no line answers.
    """

    visual: bool
    dialogue: bool
    why: str
    seen_text: str = ""
    said_in: int = 0
    notes: tuple[str, ...] = ()
    corrections: Mapping[str, str] = field(default_factory=dict)
    lines: list[tuple[LineHit, float]] = field(default_factory=list)

    def report(
        self, more_notes: Sequence[str], parts: Sequence[QueryPart], words: str, *, found_lines: bool
    ) -> Reading:
        """Return the part that an answer reports, with the results of other steps."""
        return Reading(
            visual=self.visual,
            dialogue=self.dialogue or found_lines,
            why=self.why,
            said_in=self.said_in,
            notes=(*self.notes, *more_notes),
            parts=tuple(parts),
            words=words,
        )


def interpret(query: Query, scope: Scope, lines: LineIndex | None) -> QueryInterpretation:
    """Decide which words of a query are searched in images and which in the lines of a scope.

    ``lines`` is ``None`` if there is no index of lines.

    Raises ``NotFoundError`` for dialogue ``only`` if no dialogue is indexed.
    """
    if query.text.strip():
        meaning = _read_text(query, scope, lines)
    elif query.like:
        meaning = QueryInterpretation(
            visual=True, dialogue=False, why="the pictures were searched for shots like the examples"
        )
    elif query.conditions:
        meaning = _describe_conditions(query)
    else:
        order = ", the least like what is left out first" if query.unlike else ", in the order of its video"
        why = f"no words to search for: every shot that fulfils the filters{'' if query.then else order}"
        meaning = QueryInterpretation(visual=True, dialogue=False, why=why)
    why = meaning.why
    if query.then:
        within = query.then.within
        shots = "the next shot" if within == 1 else f"one of the next {within} shots"
        why = f"{why}; {shots} must match what follows, and relevance is the mean of both"
    if query.conditions and query.is_described:
        why = f"{why}; only frames that fulfil the conditions count"
    return replace(meaning, why=why)


def _describe_conditions(query: Query) -> QueryInterpretation:
    """Return the interpretation of a query without a description."""
    are_spoken = [isinstance(each, DialogueCondition | WrittenCondition) for each in query.conditions]
    one = len(query.conditions) == 1
    why = f"frames that fulfil the condition{'' if one else 's'} were searched"
    if query.unlike and not query.then:
        why = f"{why}; shots the least like what is left out come first"
    elif not one:
        why = f"{why}; relevance is that of the weakest"
    is_spoken = any(isinstance(each, DialogueCondition) for each in query.conditions)
    return QueryInterpretation(visual=not all(are_spoken), dialogue=is_spoken, why=why)


def _read_text(query: Query, scope: Scope, lines: LineIndex | None) -> QueryInterpretation:
    words = parse_words(query.text)
    if query.dialogue == "off":
        return _interpret_seen(words.plain, "dialogue is off: only the pictures were searched")
    if lines is None:
        if query.dialogue == "only":
            raise NotFoundError(NO_DIALOGUE)
        return _interpret_seen(words.plain, "no dialogue is indexed: only the pictures were searched")
    if query.dialogue == "only":
        hits = find_lines(words, lines, scope)
        corrections = {} if hits else find_meant_spoken(words, lines, scope)
        why = _describe_lines(words, hits, lines)
        return QueryInterpretation(visual=False, dialogue=True, why=why, corrections=corrections, lines=hits)
    if words.phrases:
        hits = find_lines(replace(words, rest=""), lines, scope)
        visual = bool(words.rest or query.like or query.unlike)
        why = _describe_lines(words, hits, lines) + ("; the pictures were searched too" if visual else "")
        corrections = {} if hits else find_meant_spoken(replace(words, rest=""), lines, scope)
        return QueryInterpretation(
            visual=visual, dialogue=True, why=why, seen_text=words.rest, corrections=corrections, lines=hits
        )
    return _guess(words, lines, scope)


def find_lines(words: Words, lines: LineIndex, scope: Scope, limit: int = MOST_LINES) -> list[tuple[LineHit, float]]:
    """Return lines with every phrase and any of the other words, best first, with their share of those words."""
    if scope.is_empty:
        return []
    spellings = list_content_spellings(words.rest)
    hits = lines.search(words.rest, phrases=words.phrases, shows=scope.shows, videos=scope.video_ids, limit=limit)
    line_shares = [(line, _share(spellings, line)) for line in hits]
    return line_shares if words.phrases else _merge_sentences(spellings, line_shares)


def _share(spellings: Sequence[Sequence[str]], line: LineHit) -> float:
    """Return the line's share of the words, for the spelling with the greatest share; 1 if there are no words."""
    return max((measure_coverage(spelling, line.text, line.language) for spelling in spellings), default=1.0)


def _merge_sentences(
    spellings: Sequence[Sequence[str]], hits: Sequence[tuple[LineHit, float]]
) -> list[tuple[LineHit, float]]:
    """Merge the lines of one sentence into one hit if most of the words are in them together.

    The hit begins with the first line that has any of the words, has the scores of its lines, and replaces them.
    """
    spans = {line.line_id: _widen(spellings, line, share) for line, share in hits}
    merged_hits: list[tuple[LineHit, float]] = []
    covered_ids: set[str] = set()
    for line, share in hits:
        wide, wider = spans[line.line_id]
        # Lines that have as many of the words without this one are the better match.
        if wide.joined_ids and all(spans[name][1] < wider for name in wide.joined_ids if name in spans):
            covered_ids.update(wide.joined_ids)
            scores = [spans[name][0].score for name in wide.line_ids if name in spans]
            merged_hits.append((replace(wide, score=sum(scores)), wider))
        else:
            merged_hits.append((line, share))
    if not covered_ids:
        return merged_hits
    sentences = [each for each in merged_hits if each[0].line_id not in covered_ids]
    return sorted(sentences, key=lambda each: (-each[0].score, each[0].video_id, each[0].start_frame, each[0].line_id))


def _widen(spellings: Sequence[Sequence[str]], line: LineHit, share: float) -> tuple[LineHit, float]:
    """Return the line with as many lines of its sentence as have most of the words together, else the line alone."""
    best = (line, share)
    for count in range(1, len(line.following) + 1 if share < TOGETHER else 0):
        longer = extend_hit(line, count)
        if (wider := _share(spellings, longer)) >= TOGETHER and wider > best[1]:
            best = (longer, wider)
    return best


def find_said(text: str, lines: LineIndex, scope: Scope) -> list[tuple[LineHit, float]]:
    """Return the lines of :func:`find_lines` that have ``text``: every phrase, and most of the other words together."""
    words = parse_words(text)
    return [each for each in find_lines(words, lines, scope) if each[1] >= TOGETHER]


def find_meant_spoken(words: Words, lines: LineIndex, scope: Scope) -> dict[str, str]:
    """Return spoken words close to those that are in no line, by these; empty if they match no line either."""
    vocabulary = lines.vocabulary
    parts = [*words.phrases, words.rest] if words.rest else list(words.phrases)
    unknown = {
        word for part in parts for word in split_words(part) if len(word) >= LEAST_LETTERS and word not in vocabulary
    }
    corrections = {word: other for word in unknown if (other := find_nearest_word(word, vocabulary))}
    if not corrections:
        return {}
    phrases = tuple(correct_words(phrase, corrections) for phrase in words.phrases)
    rest = correct_words(words.rest, corrections)
    return corrections if find_lines(Words(phrases=phrases, rest=rest, plain=""), lines, scope, 1) else {}


def _guess(words: Words, lines: LineIndex, scope: Scope) -> QueryInterpretation:
    """Interpret a text without quotes: as spoken words only if they occur together in a line, or in sequence."""
    content = select_content_words(words.rest)
    glance = find_lines(words, lines, scope, GLANCE) if content else []
    together = [each for each in glance if each[1] >= TOGETHER]
    # Forms of one word are one word, by the language of the best line.
    stems = len(set(stem_words(content, together[0][0].language))) if together else 0
    if stems > 1:
        if len(together) == GLANCE:
            together = [each for each in find_lines(words, lines, scope) if each[1] >= TOGETHER]
        return _interpret_both(words.rest, together)
    # With fewer content words a line must have all of the words as typed, and they must be a sentence.
    if is_speech(words.rest) and (hits := find_lines(_quote(words), lines, scope)):
        return _interpret_both(words.rest, hits)
    if stems == 1:
        count = f"at least {GLANCE}" if len(together) == GLANCE else str(len(together))
        plural = "" if len(together) == 1 else "s"
        hint = f"; said in {count} line{plural} too: put it in quotes to find {'it' if not plural else 'them'}"
        return replace(_interpret_seen(words.rest, f"the pictures were searched{hint}"), said_in=len(together))
    return _interpret_seen(words.rest, "the pictures were searched: no line has these words together")


def _quote(words: Words) -> Words:
    return Words(phrases=(words.rest,), rest="", plain=words.plain)


def _interpret_both(text: str, hits: list[tuple[LineHit, float]]) -> QueryInterpretation:
    why = f"{_count_in_lines(text, len(hits))}; the pictures were searched too"
    return QueryInterpretation(visual=True, dialogue=True, why=why, seen_text=text, lines=hits)


def _interpret_seen(text: str, why: str) -> QueryInterpretation:
    return QueryInterpretation(visual=True, dialogue=False, why=why, seen_text=text)


def _describe_lines(words: Words, hits: Sequence[object], lines: LineIndex) -> str:
    quotation = " and ".join(f"'{phrase}'" for phrase in words.phrases) or f"'{words.rest}'"
    if not hits:
        return f"nobody says {quotation} in {lines.count()} line{'' if lines.count() == 1 else 's'}"
    return (
        _count_in_lines(quotation.strip("'"), len(hits))
        if words.phrases
        else f"{_count_in_words(words.rest, len(hits))}"
    )


def _count_in_lines(text: str, count: int) -> str:
    return f"'{text}' is said in {_count_lines(count)}"


def _count_in_words(text: str, count: int) -> str:
    return f"{_count_lines(count)} {'has' if count == 1 else 'have'} words of '{text}'"


def _count_lines(count: int) -> str:
    return f"{count} line{'' if count == 1 else 's'}" if count < MOST_LINES else f"{MOST_LINES} lines or more"


@dataclass(frozen=True, kw_only=True)
class Words:
    """A parsed text: quoted ``phrases``, the ``rest`` without them, and the whole text without quotes."""

    phrases: tuple[str, ...]
    rest: str
    plain: str


def parse_words(text: str) -> Words:
    """Split a text into quoted phrases and the rest; an unpaired quote is ignored.

    A phrase without any letter or digit is ignored.
    """
    phrases = tuple(" ".join(phrase.split()) for *_, phrase in find_phrases(text) if split_words(phrase))
    return Words(phrases=phrases, rest=remove_phrases(text), plain=remove_quotes(text))


def select_content_words(text: str) -> list[str]:
    """Return the words with content, each once, in order."""
    return _select_content(split_words(text))


def list_content_spellings(text: str) -> list[list[str]]:
    """Return the words to search in a line, for each spelling of the text; all its words if none has content."""
    return [_select_content(words) or list(words) for words in list_spellings(text)]


def is_speech(text: str) -> bool:
    """Return True if three or more words could be spoken, and do not only describe an image.

    Lines of a film also contain many descriptions ("in the car"), and these queries do not mean the lines.
    """
    words = split_words(text)
    return len(words) > 2 and (words[0] not in _DESCRIBING or not _SPEAKING.isdisjoint(words))


def measure_coverage(spelling: Sequence[str], line: str, language: str = "") -> float:
    """Return the share of the words that the line has in any form of its language, 0 to 1; 0 without words."""
    words = dict(zip(stem_words(spelling, language), spelling, strict=True))
    stems = list_stems(line, language)
    return sum(is_in(word, stems, language) for word in words.values()) / len(words) if words else 0.0


def _select_content(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(word for word in words if word not in _EMPTY))
