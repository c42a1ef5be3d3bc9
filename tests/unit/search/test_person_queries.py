"""Queries that name a forgotten person are found, however the name is written in them."""

from __future__ import annotations

import pytest

from ops.search.person_queries import names_people, query_names_people
from ops.search.schema import Query

NAMES = {"Zebedée Quillfeather", "p0123456789ab"}


@pytest.mark.parametrize(
    "text",
    [
        'person:"Zebedée Quillfeather" walking',
        "person:zebedee at night",
        "-person:Quillfeather",
        "person:quillf*",
        "person: Quillfeather at night",
        "\u200bperson:Quill\u00adfeather",
        "person:P0123456789AB",
        "zebedee quillfeather talking",
    ],
)
def test_a_name_is_found(text: str) -> None:
    assert names_people(text, NAMES)


@pytest.mark.parametrize("text", ["person:Thom", "zebedee in a garden", "a quill and a feather", "person:z*x", ""])
def test_other_words_are_not_names(text: str) -> None:
    assert not names_people(text, NAMES)


def test_anybody_is_every_person_filter_and_nothing_else() -> None:
    assert names_people("person:* running", None) and not names_people("zebedee quillfeather", None)


@pytest.mark.parametrize(
    "query",
    [
        {"all": [{"text": "zebedee quillfeather smiling"}]},
        {"any": [{"written": "Zebedée Quillfeather"}, {"text": "a rabbit"}]},
        {"all": [{"dialogue": "zebedée quillfeather"}]},
        {"text": "a door", "then": {"text": "person:quillfeather"}},
        {"text": "a door", "unlike": ["person:quillfeather"]},
    ],
)
def test_all_texts_of_a_query_are_looked_at(query: dict[str, object]) -> None:
    assert query_names_people(Query.model_validate(query), NAMES)
    assert not query_names_people(Query.model_validate(query), {"Thom Other"})
