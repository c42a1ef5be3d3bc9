"""One live encoder for all homes on one bucket: published by an upgrade, followed by an ingest."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from ops.core.errors import EncoderError, NeedleError, SettingsError
from ops.core.settings import Settings, load_settings
from ops.core.storage import ObjectStore
from ops.embeddings.encoder import resolve_encoder
from ops.embeddings.registry import EncoderRecord, EncoderRegistry, RegistryState, UpgradeCandidate
from ops.embeddings.shared_choice import KEY, SharedChoice, read_choice, share_auto
from ops.upgrade import shared_encoder
from ops.upgrade.shared_encoder import (
    WEIGHTS,
    explain_setting_against_shared,
    fetch_encoder,
    find_shared_state,
    publish_state,
    share_weights,
)
from tests.builders.films import make_film
from tests.builders.homes import Home
from tests.builders.upgrades import make_head

REASON = "the test asks for it"


def make_state(spec: str, encoder_id: str) -> RegistryState:
    return RegistryState(live=EncoderRecord(spec=spec, encoder_id=encoder_id, since="2026-11-29", reason=REASON))


def load_home(bucket: str, folder: Path) -> Settings:
    return load_settings(home=str(folder), storage=f"{bucket}/needle", encoder="starter")


def test_an_upgrade_in_one_home_is_followed_by_the_others_and_so_is_its_rollback(bucket: str, tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    make_film(library / "film.mp4", cuts=(30,), frames=60, seed=1)
    homes = {name: Home(tmp_path / name) for name in ("one", "two", "new")}
    environment = {"NEEDLE_STORAGE": f"{bucket}/needle"} | {
        name: os.environ[name] for name in os.environ if name.startswith("AWS_")
    }

    def ingest_and_name_live(name: str) -> str:
        homes[name].run("ingest", str(library), **environment)
        return str(homes[name].json("upgrade", "--status", **environment)["live"]["spec"])

    assert ingest_and_name_live("one") == ingest_and_name_live("two") == "starter"
    spec = make_head(homes["one"].path, "own", 0.3)
    homes["one"].run("upgrade", "--encoder", spec, "--force", REASON, **environment)
    first_id = homes["one"].json("upgrade", "--status", **environment)["live"]["encoder_id"]

    assert f"{spec} is live in" in homes["two"].run("doctor", **environment).stdout
    absent = f"open_clip:ViT-B-32/{tmp_path / 'absent.pt'}"
    refused = homes["two"].run("ingest", str(library), expect=2, **(environment | {"NEEDLE_ENCODER": absent}))
    assert f"{spec} is live in" in refused.stderr and "unset NEEDLE_ENCODER" in refused.stderr
    registry = EncoderRegistry(homes["two"].path)
    candidate = UpgradeCandidate(spec=spec, encoder_id=first_id, how="upgrade")
    registry.change_state(lambda state: replace(state, candidate=candidate))
    homes["two"].run("upgrade", "--discard", **environment)
    assert registry.read_state() == RegistryState(), "neither of the two follows"
    assert homes["one"].json("ingest", str(library), **environment)["up_to_date"], "and other homes keep its vectors"
    before = homes["two"].json("search", "stripes", **environment)
    assert len(before["hits"]) == 2, "until it follows, it searches what its index holds"
    assert ingest_and_name_live("two") == ingest_and_name_live("new") == spec
    for name in ("two", "new"):
        assert homes[name].json("status", **environment)["encoder_id"] == first_id
        assert len(homes[name].json("search", "stripes", **environment)["hits"]) == 2
    registry.change_state(lambda state: replace(state, cleanup_done=False))  # as a kill after the switch leaves it
    homes["two"].run("ingest", str(library), **environment)
    assert registry.read_state().cleanup_done
    assert homes["two"].json("ingest", str(library), **environment)["up_to_date"]

    homes["new"].run("upgrade", "--rollback", **environment)
    assert ingest_and_name_live("one") == "starter"
    assert homes["one"].json("upgrade", "--status", **environment)["settled"]

    unlike = Home(tmp_path / "unlike")
    refused = unlike.run("ingest", str(library), expect=2, **(environment | {"NEEDLE_ENCODER": absent}))
    assert "starter is live in" in refused.stderr and "unset NEEDLE_ENCODER" in refused.stderr
    assert EncoderRegistry(unlike.path).read_state() == RegistryState()


def test_the_first_choice_of_auto_counts_for_all_homes(bucket: str) -> None:
    store = ObjectStore(f"{bucket}/needle")
    assert share_auto(store, lambda: ("starter", "first")) == ("starter", "first")
    assert share_auto(store, lambda: ("open_clip:a/b", "second")) == ("starter", "first")


def test_of_two_homes_that_choose_auto_at_once_the_first_one_counts(bucket: str) -> None:
    store = ObjectStore(f"{bucket}/needle")

    def choose_late() -> tuple[str, str]:
        share_auto(store, lambda: ("starter", "first"))
        return "open_clip:a/b", "second"

    assert share_auto(store, choose_late) == ("starter", "first")


def test_the_choice_of_auto_is_shared_beside_an_upgrade_at_the_same_moment(bucket: str, tmp_path: Path) -> None:
    settings, state = load_home(bucket, tmp_path), make_state("starter", "x")
    calls = []

    def choose_meanwhile() -> tuple[str, str]:
        calls.append(1)
        publish_state(settings, state, "before")
        return "starter", "mine"

    assert share_auto(settings.store, choose_meanwhile) == ("starter", "mine") and calls == [1]
    choice = read_choice(settings.store)
    assert choice is not None and choice.auto == ("starter", "mine") and choice.state.live == state.live


def test_an_upgrade_is_published_beside_a_choice_of_auto_at_the_same_moment(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, state = load_home(bucket, tmp_path), make_state("starter", "x")

    def read_then_share(store: ObjectStore) -> SharedChoice | None:
        monkeypatch.setattr(shared_encoder, "read_choice", read_choice)
        before = read_choice(store)
        share_auto(store, lambda: ("starter", "theirs"))
        return before

    monkeypatch.setattr(shared_encoder, "read_choice", read_then_share)
    publish_state(settings, state, "before")
    choice = read_choice(settings.store)
    assert choice is not None and choice.auto == ("starter", "theirs") and choice.state.live == state.live


def test_a_setting_that_was_live_somewhere_gives_a_warning_and_another_one_is_refused(
    bucket: str, tmp_path: Path
) -> None:
    state = replace(make_state("open_clip:a/b", "x"), replaced_specs=("open_clip:old/c",))
    publish_state(load_home(bucket, tmp_path), state, "before")

    def explain(setting: str) -> str:
        settings = load_settings(home=str(tmp_path), storage=f"{bucket}/needle", encoder=setting)
        shared = find_shared_state(settings)
        assert shared is not None
        return explain_setting_against_shared(settings, shared)

    assert explain("auto") == explain("open_clip:a/b") == ""
    assert "and is used: unset NEEDLE_ENCODER" in explain("open_clip:old/c")
    with pytest.raises(SettingsError, match=r"open_clip:a/b is live in .*: unset NEEDLE_ENCODER"):
        explain("starter")


def test_a_home_that_cannot_have_the_encoder_is_told_the_ways_out(bucket: str, tmp_path: Path) -> None:
    settings = load_home(bucket, tmp_path)
    record = make_state(f"open_clip:ViT-B-32/{tmp_path / 'absent.pt'}", "x").require_live()
    with pytest.raises(EncoderError, match=r"cannot have it: .*at the same place, or .*--rollback.* or delete"):
        fetch_encoder(settings, record)


def test_a_folder_is_not_shared(tmp_path: Path) -> None:
    store = ObjectStore(str(tmp_path))
    assert read_choice(store) is None
    assert share_auto(store, lambda: ("starter", "mine")) == ("starter", "mine")
    settings = load_settings(home=str(tmp_path / "home"), encoder="starter")
    publish_state(settings, make_state("starter", "x"), "y")
    assert find_shared_state(settings) is None and not list(tmp_path.rglob(KEY))


def test_a_switch_that_is_overtaken_publishes_nothing(bucket: str, tmp_path: Path) -> None:
    settings = load_home(bucket, tmp_path)
    publish_state(settings, make_state("starter", "x"), "before")
    with pytest.raises(NeedleError, match=r"another home on .* made starter live meanwhile"):
        publish_state(settings, make_state("starter", "z"), "y")
    shared = find_shared_state(settings)
    assert shared is not None and shared.live.encoder_id == "x"
    publish_state(settings, make_state("starter", "y"), "x")
    shared = find_shared_state(settings)
    assert shared is not None and shared.live.encoder_id == "y"


def test_weights_of_one_home_come_to_the_other_whole_and_others_of_that_name_stay(bucket: str, tmp_path: Path) -> None:
    one, two, three = (load_home(bucket, tmp_path / name) for name in ("one", "two", "three"))
    spec = make_head(one.home, "own", 0.3)
    encoder_id = resolve_encoder(load_settings(home=str(one.home), encoder=spec)).encoder_id
    state = make_state(spec, encoder_id)
    assert share_weights(one, spec, encoder_id) and not share_weights(one, spec, "another")
    publish_state(one, state, "before")
    fetch_encoder(two, state.require_live())
    copied = two.home / "encoders" / "own" / "head.npz"
    assert copied.read_bytes() == (one.home / "encoders" / "own" / "head.npz").read_bytes()
    make_head(three.home, "own", 0.4)
    other = (three.home / "encoders" / "own" / "head.npz").read_bytes()
    with pytest.raises(EncoderError, match=r"move .*own away, and run this again"):
        fetch_encoder(three, state.require_live())
    assert (three.home / "encoders" / "own" / "head.npz").read_bytes() == other
    one.store.delete_tree(WEIGHTS)
    lost = load_home(bucket, tmp_path / "four")
    with pytest.raises(EncoderError, match="no fine-tuned encoder 'own'"):
        fetch_encoder(lost, state.require_live())
    assert not (lost.home / "encoders" / "own").exists()


@pytest.mark.parametrize("content", ["", "[]", "{}", json.dumps({"auto": None, "succession": {"live": 3}})])
def test_a_damaged_choice_is_named_with_the_way_out(bucket: str, tmp_path: Path, content: str) -> None:
    settings = load_home(bucket, tmp_path)
    settings.store.write_bytes(KEY, content.encode())
    with pytest.raises(EncoderError, match=r"encoder\.json cannot be read .*: delete it, and each home keeps"):
        find_shared_state(settings)
    assert EncoderRegistry(settings.home).read_state() == RegistryState()
