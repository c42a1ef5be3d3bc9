"""Find queries that name people who are forgotten.

Stands alone because a query is stored as a person wrote it, in saved searches and in collections: forgetting a person
must find the name in it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ops.core.names import fold_name
from ops.index.words import split_words
from ops.search.conditions import DialogueCondition, TextCondition, WrittenCondition
from ops.search.people import is_part_of_name
from ops.search.schema import Query
from ops.search.typed_filters import parse_filters
from ops.search.understanding import clean_text


def names_people(text: str, people: Collection[str] | None) -> bool:
    """Return True if the text of a query asks for one of these people, by name or id; ``None``: for anybody.

    A name of several words counts in free words, too. One word alone may mean something else: a rose, a bell.
    """
    text = clean_text(text)  # as a search does before it looks for filters
    values = [each.value for each in parse_filters(text).filters if each.name == "person"]
    if people is None:
        return bool(values)
    return any(_is_meant(value, each) for value in values for each in people) or any(
        _has_phrase(text, each) for each in people
    )


def query_names_people(query: Query, people: Collection[str] | None) -> bool:
    """Return True if any text of a query asks for one of these people; see :func:`names_people`."""
    return any(names_people(each, people) for each in _list_texts(query))


def _is_meant(value: str, name: str) -> bool:
    if fold_name(value) == fold_name(name) or is_part_of_name(value, name):
        return True
    *known, start = split_words(value) or [""]
    words = split_words(name)
    return (
        value.endswith("*")
        and bool(start)
        and set(known) <= set(words)
        and any(word.startswith(start) for word in words)
    )


def _has_phrase(text: str, name: str) -> bool:
    words = split_words(name)
    return len(words) > 1 and f" {' '.join(words)} " in f" {' '.join(split_words(text))} "


def _list_texts(query: Query) -> Iterator[str]:
    yield query.text
    yield from query.unlike
    if query.then:
        yield query.then.text
        yield from query.then.unlike
    for each in query.conditions:
        if isinstance(each, TextCondition):
            yield each.text
        elif isinstance(each, WrittenCondition):
            yield each.written
        elif isinstance(each, DialogueCondition):
            yield each.dialogue
