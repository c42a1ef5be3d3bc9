"""probes.yaml: what may stand in it, what is told of what may not, and that comments stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.core.errors import NotFoundError, UsageError
from ops.core.settings import Settings
from ops.probes import definitions
from ops.probes.definitions import define, find_definition, load_definitions


def write(settings: Settings, text: str) -> None:
    settings.home.mkdir(exist_ok=True)
    (settings.home / "probes.yaml").write_text(text)


def test_no_file_is_no_probe(settings: Settings) -> None:
    assert load_definitions(settings) == {}
    with pytest.raises(NotFoundError, match="there are none yet"):
        find_definition(settings, "closeup")


def test_a_label_alone_is_enough(settings: Settings) -> None:
    write(settings, "wide_shot:\ncloseup:\n  queries: [a face]\n  threshold: precision >= 0.9\n")
    found = load_definitions(settings)
    assert list(found) == ["closeup", "wide_shot"]
    assert found["wide_shot"].queries == ("wide shot",) and found["wide_shot"].threshold == "f1"
    assert found["closeup"].threshold == "precision>=0.9"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("closeup:\n  query: a face\n", "query"),
        ("closeup:\n  threshold: high\n", "write f1"),
        ("closeup:\n  threshold: 2\n", "write f1"),
        ("closeup:\n  queries: []\n", "queries"),
        ("closeup:\n  queries: [' ']\n", "no words"),
        ("Close Up:\n", "would do"),
        ("- closeup\n", "write a probe's label"),
        ("closeup: [a, b]\n", "closeup"),
        ("closeup: {", "cannot be read"),
    ],
)
def test_what_is_wrong_is_told_with_the_file(settings: Settings, text: str, told: str) -> None:
    write(settings, text)
    with pytest.raises(UsageError, match=told) as error:
        load_definitions(settings)
    assert "probes.yaml" in str(error.value)


def test_a_new_probe_is_added_and_comments_stay(settings: Settings) -> None:
    write(settings, "# ours\nwide:  # the big ones\n  queries: [a landscape]")
    assert define(settings, "closeup", "faces", ("a face",), "")
    assert not define(settings, "closeup", "", (), "")
    text = (settings.home / "probes.yaml").read_text()
    assert text.startswith("# ours\nwide:  # the big ones\n  queries: [a landscape]\n")
    assert find_definition(settings, "closeup").queries == ("a face",)
    assert find_definition(settings, "wide").queries == ("a landscape",)


def test_a_defined_probe_is_changed_in_its_file_only(settings: Settings) -> None:
    define(settings, "closeup", "", ("a face",), "")
    with pytest.raises(UsageError, match="change it there"):
        define(settings, "closeup", "", ("an eye",), "")
    with pytest.raises(UsageError, match="write f1"):
        define(settings, "other", "", (), "highest")
    assert list(load_definitions(settings)) == ["closeup"]


def test_the_checkouts_probes_are_everyones_and_the_homes_count_more(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(definitions, "CHECKOUT", tmp_path)
    (tmp_path / "probes.yaml").write_text("wide:\n  queries: [team]\ncloseup:\n  queries: [team]\n")
    write(settings, "closeup:\n  queries: [mine]\n")
    assert {label: found.queries[0] for label, found in load_definitions(settings).items()} == {
        "wide": "team",
        "closeup": "mine",
    }
