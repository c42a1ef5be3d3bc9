"""Whether a query means what is said, and the shots in which it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ops.core.errors import NotFoundError
from ops.index.lines import LineHit, LineIndex
from ops.index.stems import stems_of_words
from ops.index.utterances import extended
from ops.index.words import words_of
from ops.search.english import LEAST_LETTERS, nearest_word
from ops.search.hints import corrected
from ops.search.schema import Reading
from ops.search.words import Words, content_spellings, content_words, coverage, parse_words, sounds_spoken

# Lines looked at to decide whether a query means spoken words.
GLANCE = 20
# Lines that may answer one query.
MOST_LINES = 1000
# A line must have this share of a query's content words, and at least two of them: one word that is also
# spoken somewhere ("car") says nothing about what was meant; and people remember most of a line, not all of it.
TOGETHER = 0.75


@dataclass(frozen=True, kw_only=True)
class QueryInterpretation:
    """How a query was understood.

    ``visual``: its words, or examples, are looked for in the pictures. ``dialogue``: in the lines, of which
    ``lines`` fit, best first, each with the share of the asked words that it has. ``seen_text`` are the words
    for the pictures. ``why`` is one sentence for people. ``said_in`` counts lines that have the words although only
    pictures were searched, up to GLANCE: quotes would find them. ``notes`` are sentences on what the search could
    not do, and on what may have been meant.
    """

    visual: bool
    dialogue: bool
    why: str
    seen_text: str = ""
    said_in: int = 0
    notes: tuple[str, ...] = ()
    lines: list[tuple[LineHit, float]] = field(default_factory=list)

    def reading(self) -> Reading:
        """The part of it that an answer reports."""
        return Reading(visual=self.visual, dialogue=self.dialogue, why=self.why, said_in=self.said_in, notes=self.notes)


def read_query(
    text: str, use: str, lines: LineIndex | None, shows: Sequence[str], *, has_examples: bool = False
) -> QueryInterpretation:
    """Decide what of ``text`` is looked for in pictures and what in lines.

    ``use`` is ``auto``, ``off`` or ``only``; ``has_examples``: shots or pictures are looked for in any case.
    Raises ``NotFoundError`` for ``only`` where no dialogue is indexed.
    """
    words = parse_words(text)
    if use == "off":
        return _seen(words.plain, "dialogue is off: only what is seen was searched")
    if lines is None:
        if use == "only":
            raise NotFoundError(
                "no dialogue is indexed: put subtitles (.srt, .vtt, .ass) beside the films and run `needle ingest`"
            )
        return _seen(words.plain, "no dialogue is indexed: only what is seen was searched")
    if use == "only":
        found = find_lines(words, lines, shows)
        notes = () if found else _meant(words, lines, shows)
        return QueryInterpretation(
            visual=False, dialogue=True, why=_said(words, found, lines), notes=notes, lines=found
        )
    if words.phrases:
        found = find_lines(replace(words, rest=""), lines, shows)
        visual = bool(words.rest) or has_examples
        why = _said(words, found, lines) + ("; what is seen was searched too" if visual else "")
        notes = () if found else _meant(replace(words, rest=""), lines, shows)
        return QueryInterpretation(
            visual=visual, dialogue=True, why=why, seen_text=words.rest, notes=notes, lines=found
        )
    return _guessed(words, lines, shows)


def find_lines(
    words: Words, lines: LineIndex, shows: Sequence[str], limit: int = MOST_LINES
) -> list[tuple[LineHit, float]]:
    """Lines with every phrase and any of the other words, best first, with the share of those words that they have."""
    spelled = content_spellings(words.rest)
    found = lines.search(words.rest, phrases=words.phrases, shows=shows, limit=limit)
    shared = [(line, _share(spelled, line)) for line in found]
    return shared if words.phrases else _in_sentences(spelled, shared)


def _share(spelled: Sequence[Sequence[str]], line: LineHit) -> float:
    """Share of the words, in the spelling of which it is greatest, that the line has; 1 if there are none."""
    return max((coverage(wanted, line.text, line.language) for wanted in spelled), default=1.0)


def _in_sentences(
    spelled: Sequence[Sequence[str]], found: Sequence[tuple[LineHit, float]]
) -> list[tuple[LineHit, float]]:
    """The lines, where most of the words are in several lines of a sentence together, as one hit of these lines.

    It begins with the first line that has any of the words, has the scores of its lines, and stands for them.
    """
    spans = {line.line_id: _widest(spelled, line, share) for line, share in found}
    kept: list[tuple[LineHit, float]] = []
    covered: set[str] = set()
    for line, share in found:
        wide, wider = spans[line.line_id]
        # Lines that have as many of the words without this one are the better place.
        if wide.joined_ids and all(spans[name][1] < wider for name in wide.joined_ids if name in spans):
            covered.update(wide.joined_ids)
            scores = [spans[name][0].score for name in wide.line_ids if name in spans]
            kept.append((replace(wide, score=sum(scores)), wider))
        else:
            kept.append((line, share))
    if not covered:
        return kept
    whole = [each for each in kept if each[0].line_id not in covered]
    return sorted(whole, key=lambda each: (-each[0].score, each[0].video_id, each[0].start_frame, each[0].line_id))


def _widest(spelled: Sequence[Sequence[str]], line: LineHit, share: float) -> tuple[LineHit, float]:
    """The line with as many of its sentence as have most of the words together; alone if none do, or it has them."""
    best = (line, share)
    for count in range(1, len(line.following) + 1 if share < TOGETHER else 0):
        longer = extended(line, count)
        if (wider := _share(spelled, longer)) >= TOGETHER and wider > best[1]:
            best = (longer, wider)
    return best


def find_said(text: str, lines: LineIndex, shows: Sequence[str]) -> list[tuple[LineHit, float]]:
    """The lines of :func:`find_lines` that say ``text``: every phrase, and most of the other words together."""
    words = parse_words(text)
    return [each for each in find_lines(words, lines, shows) if each[1] >= TOGETHER]


def _meant(words: Words, lines: LineIndex, shows: Sequence[str]) -> tuple[str, ...]:
    """A note with spoken words that are near to those that are in no line; none if these find no line either."""
    spoken = lines.vocabulary
    parts = [*words.phrases, words.rest] if words.rest else list(words.phrases)
    unknown = {word for part in parts for word in words_of(part) if len(word) >= LEAST_LETTERS and word not in spoken}
    meant = {word: other for word in unknown if (other := nearest_word(word, spoken))}
    if not meant:
        return ()
    phrases = tuple(corrected(phrase, meant) for phrase in words.phrases)
    rest = corrected(words.rest, meant)
    if not find_lines(Words(phrases=phrases, rest=rest, plain=""), lines, shows, 1):
        return ()
    meant_text = " ".join([*(f'"{phrase}"' for phrase in phrases), *([f"'{rest}'"] if rest else [])])
    return (f"did you mean {meant_text}?",)


def _guessed(words: Words, lines: LineIndex, shows: Sequence[str]) -> QueryInterpretation:
    """A text without quotes: spoken words only where they occur together in a line, or one after the other."""
    wanted = content_words(words.rest)
    glance = find_lines(words, lines, shows, GLANCE) if wanted else []
    together = [each for each in glance if each[1] >= TOGETHER]
    # Forms of one word are one word, as the language of the best line has it.
    asked = len(set(stems_of_words(wanted, together[0][0].language))) if together else 0
    if asked > 1:
        if len(together) == GLANCE:
            together = [each for each in find_lines(words, lines, shows) if each[1] >= TOGETHER]
        return _both(words.rest, together)
    # With fewer content words a line must have all of the words as they were typed, and they must be a sentence.
    if sounds_spoken(words.rest) and (said := find_lines(_quoted(words), lines, shows)):
        return _both(words.rest, said)
    if asked == 1:
        count = f"at least {GLANCE}" if len(together) == GLANCE else str(len(together))
        plural = "" if len(together) == 1 else "s"
        hint = f"; said in {count} line{plural} too: put it in quotes to find {'it' if not plural else 'them'}"
        return replace(_seen(words.rest, f"what is seen was searched{hint}"), said_in=len(together))
    return _seen(words.rest, "what is seen was searched: no line has these words together")


def _quoted(words: Words) -> Words:
    return Words(phrases=(words.rest,), rest="", plain=words.plain)


def _both(text: str, found: list[tuple[LineHit, float]]) -> QueryInterpretation:
    why = f"{_in_lines(text, len(found))}; what is seen was searched too"
    return QueryInterpretation(visual=True, dialogue=True, why=why, seen_text=text, lines=found)


def _seen(text: str, why: str) -> QueryInterpretation:
    return QueryInterpretation(visual=True, dialogue=False, why=why, seen_text=text)


def _said(words: Words, found: Sequence[object], lines: LineIndex) -> str:
    said = " and ".join(f"'{phrase}'" for phrase in words.phrases) or f"'{words.rest}'"
    if not found:
        return f"nobody says {said} in {lines.count()} line{'' if lines.count() == 1 else 's'}"
    return _in_lines(said.strip("'"), len(found)) if words.phrases else f"{_in_words(words.rest, len(found))}"


def _in_lines(text: str, count: int) -> str:
    return f"'{text}' is said in {_lines(count)}"


def _in_words(text: str, count: int) -> str:
    return f"{_lines(count)} {'has' if count == 1 else 'have'} words of '{text}'"


def _lines(count: int) -> str:
    return f"{count} line{'' if count == 1 else 's'}" if count < MOST_LINES else f"{MOST_LINES} lines or more"
