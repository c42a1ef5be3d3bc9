"""One definition of a search: the HTTP body, the OpenAPI document and the command line follow its fields."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
import pytest
from pydantic import BaseModel, ValidationError

from ops import serve
from ops.cli.export import command as export_command
from ops.cli.search import command as search_command
from ops.cli.similar import command as similar_command
from ops.core.errors import UsageError
from ops.core.settings import load_settings
from ops.search.schema import Hit, Query, SearchFields, SearchResult, Then, is_strong
from ops.serve.app import create_app
from ops.serve.search_body import SearchBody, ThenBody
from tests.builders.answers import make_hit, make_result
from tests.builders.colours import ColourEncoder

SHOT = "0123456789abcdef:0"


def properties(model: type[BaseModel]) -> dict[str, Any]:
    found: dict[str, Any] = model.model_json_schema()["properties"]
    return found


def options(command: click.Command) -> dict[str, click.Parameter]:
    return {each.name: each for each in command.params if each.name}


def test_the_body_has_every_field_in_a_form_that_is_as_strict_or_stricter() -> None:
    for ours, sent, more in ((SearchFields, SearchBody, {"cursor", "posters"}), (Then, ThenBody, set[str]())):
        whole, narrow = properties(ours), properties(sent)
        assert set(narrow) == set(whole) | more
        for name, field in whole.items():
            assert narrow[name]["description"], name
            assert narrow[name].get("maximum", 0) <= field.get("maximum", 0)
            assert narrow[name].get("type") == field.get("type")
    for example in ({"text": "a", "like": [SHOT]}, {"text": "a", "then": {"text": "b"}, "all": [{"text": "c"}]}):
        body = SearchBody.model_validate(example)
        assert Query.build(body).document() == Query.model_validate({**example, "limit": 50}).document()


@pytest.mark.parametrize("place", ["like", "unlike"])
def test_a_client_cannot_name_a_file_of_the_server(place: str, tmp_path: Path) -> None:
    file = str(tmp_path / "a.png")
    assert file in set(
        Query.model_validate({"text": "a", "like": [SHOT], "unlike": []} | {place: [file]}).list_examples()
    )
    for body in ({"text": "a", place: [file]}, {"text": "a", "then": {"text": "b", place: [file]}}):
        with pytest.raises(ValidationError, match="should match pattern"):
            SearchBody.model_validate(body)


def test_the_options_of_the_command_line_are_the_fields() -> None:
    expected = set(SearchFields.model_fields) - {"text"} | {"then_like", "within"}
    for command in (search_command, export_command):
        assert expected <= options(command).keys()
    limit = options(similar_command)["limit"]
    assert isinstance(limit.type, click.IntRange) and limit.default == SearchFields.model_fields["limit"].default
    known = properties(SearchFields)
    for name, field in known.items():
        option = options(search_command)[name]
        if field.get("type") == "integer":
            assert isinstance(option.type, click.IntRange)
            assert (option.type.min, option.type.max) == (field["minimum"], field["maximum"])
        if "enum" in field:
            assert isinstance(option.type, click.Choice) and list(option.type.choices) == field["enum"]
        if field.get("type") == "array":
            assert option.multiple
        if isinstance(option, click.Option):
            assert option.help and option.help.startswith(field["description"].rstrip("."))


def test_the_openapi_document_has_the_models(tmp_path: Path) -> None:
    app = create_app(load_settings(home=tmp_path), encoder=ColourEncoder())
    schemas = app.openapi()["components"]["schemas"]
    assert set(schemas["SearchBody"]["properties"]) == set(SearchBody.model_fields)
    assert set(schemas["Hit"]["properties"]) == set(Hit.model_fields)
    assert set(schemas["SearchAnswer"]["properties"]) == set(SearchResult.model_fields) | {"next_cursor", "posters"}
    assert set(schemas["Query"]["properties"]) == set(Query.model_fields)


def test_the_page_has_the_limits_of_the_fields() -> None:
    address = (Path(serve.__file__).parent / "page" / "address.js").read_text()
    assert f"MAX_WITHIN = {properties(Then)['within']['maximum']};" in address
    assert f"MAX_WITHIN, {properties(Then)['within']['default']})" in address
    page = re.search(r"PAGE = (\d+);", address)
    assert page and int(page[1]) <= properties(SearchBody)["limit"]["maximum"]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"all": [{"text": "a", "dialogue": "b"}]}, "all.0 = .*: a condition has exactly one of text"),
        ({"all": [{}]}, "exactly one of text, dialogue, written, sound and probe"),
        ({"any": [{"text": ""}]}, "any.0.text = '': Input should have a text"),
        ({"any": [{"text": " "}]}, "a condition is empty"),
        ({"all": [{"text": "a"}] * 11, "any": [{"text": "a"}] * 10}, "at most 20 conditions"),
        ({"text": "a", "then": {"text": " "}}, "'then' is empty"),
        ({"text": "a", "then": {"text": "b", "within": 0}}, "then.within = 0"),
        ({"text": "a", "like": "b"}, "like = 'b': Input should be a valid list"),
        ({"text": "a", "all": [{"probe": "closeup"}]}, "not a condition on a probe"),
        ({"text": "a" * 3000}, "text = 'a{58}…: String should have at most 2000"),
    ],
)
def test_what_is_wrong_is_reported_with_its_place(document: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Query.model_validate(document)


def test_pictures_that_were_sent_get_their_names_everywhere() -> None:
    query = Query(text="a", like=("x", "y"), then=Then(unlike=("x",), text="b"))
    renamed = query.rename_examples({"x": "image:1"})
    assert renamed.like == ("image:1", "y") and renamed.then and renamed.then.unlike == ("image:1",)
    assert list(query.list_examples()) == ["x", "y", "x"] and renamed.text == "a"


def test_one_rule_says_which_hits_are_strong() -> None:
    spoken, weak, strong = (
        make_hit(SHOT, 10, relevance=relevance, matched=matched)
        for relevance, matched in ((0.1, ("visual", "dialogue")), (0.59, ("visual",)), (0.6, ("visual",)))
    )
    assert [is_strong(hit.relevance, hit.matched, 0.6) for hit in (spoken, weak, strong)] == [True, False, True]
    hits = (spoken, weak, strong)
    plain = make_result(Query(text="a"), hits, cutoff=0.6)
    assert [hit.relevance for hit in plain.strong_hits()] == [0.1, 0.6]
    asked = make_result(Query(text="a", min_relevance=0.0), hits, cutoff=0.6)
    assert asked.strong_hits() == asked.hits
