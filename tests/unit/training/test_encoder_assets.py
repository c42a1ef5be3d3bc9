"""Fine-tuned encoders as assets: defined in encoders.yaml, made by runs, with where they come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner

from assets.definitions import build_definitions
from assets.resources import Needle
from ops.cli.main import cli
from ops.core.errors import NotFoundError, UsageError
from ops.core.settings import Settings
from ops.training.definitions import EncoderDefinition, define, find_definition, load_definitions, undefine
from tests.builders.training import fill_captioned, write_captions

pytestmark = pytest.mark.home(fill=fill_captioned, encoder="starter")


def train(settings: Settings, *arguments: str) -> Any:
    given = ["train", "--recipe", "debug", "--threads", "1", "--home", str(settings.home), *arguments]
    done = CliRunner().invoke(cli, given, standalone_mode=False)
    if done.exception:
        raise done.exception
    return done


def test_a_fit_is_an_asset_with_where_it_comes_from(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NEEDLE_ENCODER", "starter")
    assert train(settings, "--name", "mine", "--hold-out", "0.5").return_value is None
    monkeypatch.setenv("DAGSTER_HOME", str(settings.home / "dagster"))
    with dg.DagsterInstance.get() as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(["encoder", "mine"]))
        assert event and event.asset_materialization
        told = {name: value.value for name, value in event.asset_materialization.metadata.items()}
        pairs = instance.get_latest_materialization_event(dg.AssetKey("caption_pairs"))
        assert pairs and pairs.run_id == event.run_id, "the pairs are made in the same run"
    assert told["encoder"] == "finetuned:mine" and told["pairs"] == 5 and told["steps"] == 2
    assert told["recipe"]["name"] == "debug" and told["base"] == "starter" and told["pairs_digest"]
    assert Path(told["manifest"]).is_file() and told["code_version"] and told["base_id"].startswith("starter")
    assert "(" in told["encoder text_to_video ndcg@10"] and "(" in told["base text_to_video r@1"]

    graph = build_definitions(settings, Needle()).resolve_asset_graph()
    node = graph.get(dg.AssetKey(["encoder", "mine"]))
    assert {key.to_user_string() for key in node.parent_keys} == {"caption_pairs"}

    before = (settings.home / "encoders" / "mine" / "encoder.json").read_bytes()
    assert "was there already" in train(settings, "--name", "mine", "--hold-out", "0.5").stdout
    with pytest.raises(UsageError, match="choose another --name"):
        train(settings, "--name", "mine", "--hold-out", "0.5", "--seed", "7")
    write_captions(tmp_path / "film0.mp4", 4)
    write_captions(tmp_path / "film1.mp4", 4)
    with pytest.raises(UsageError, match="holds another encoder"):
        train(settings, "--name", "mine", "--hold-out", "0.5")
    assert (settings.home / "encoders" / "mine" / "encoder.json").read_bytes() == before
    assert list(load_definitions(settings)) == ["mine"]


def test_a_fit_that_cannot_be_leaves_no_definition(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEEDLE_ENCODER", "starter")
    with pytest.raises(UsageError, match="larger than the data"):
        train(settings, "--name", "mine", "--batch", "50")
    assert load_definitions(settings) == {}
    with pytest.raises(NotFoundError, match="no encoder 'mine'"):
        find_definition(settings, "mine")


def test_definitions_of_earlier_releases_stay_readable(settings: Settings) -> None:
    """Values that the command refuses by now must not make a home unusable that has them."""
    (settings.home / "encoders.yaml").write_text("old: {recipe: debug, changes: {seed: -1, batch: 1}, threads: 0}\n")
    assert load_definitions(settings)["old"].fit.seed == -1


def test_what_a_person_wrote_stays(settings: Settings) -> None:
    path = settings.home / "encoders.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("# ours\nteam:\n  recipe: lit_temporal\n  changes: {epochs: 3}\n")
    mine = EncoderDefinition(name="mine", recipe="debug", data=("/footage",))
    assert define(settings, mine) and not define(settings, mine)
    assert load_definitions(settings)["team"].fit.epochs == 3 and load_definitions(settings)["mine"] == mine
    other = EncoderDefinition(name="mine", recipe="debug", data=("/elsewhere",))
    assert define(settings, other), "a definition that was never fitted gives way"
    with pytest.raises(UsageError, match="another recipe"):
        define(settings, EncoderDefinition(name="team", recipe="debug"))
    undefine(settings, other)
    assert path.read_text() == "# ours\nteam:\n  recipe: lit_temporal\n  changes: {epochs: 3}\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[1]\n", "write an encoder's name"),
        ("a: {recipe: none}\n", "no recipe 'none'"),
        ("a: {recipe: debug, epochs: 3}\n", "Extra inputs"),
        ("a: {recipe: debug, changes: {colour: 3}}\n", "colour"),
        ("A b: {recipe: debug}\n", "small letters"),
        ("a: [\n", "cannot be read"),
    ],
)
def test_a_broken_file_says_where(settings: Settings, content: str, message: str) -> None:
    (settings.home / "encoders.yaml").parent.mkdir(parents=True, exist_ok=True)
    (settings.home / "encoders.yaml").write_text(content)
    with pytest.raises(UsageError, match=message):
        load_definitions(settings)
