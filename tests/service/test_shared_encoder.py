"""One live encoder for all homes on one bucket: published by an upgrade, followed by an ingest."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from ops.core.errors import EncoderError, NeedleError
from ops.core.settings import Settings, load_settings
from ops.core.storage import ObjectStore
from ops.embeddings.encoder import resolve_encoder
from ops.embeddings.registry import EncoderRecord, EncoderRegistry, RegistryState
from ops.embeddings.shared_choice import KEY, read_choice, share_auto
from ops.upgrade.shared_encoder import WEIGHTS, fetch_encoder, find_shared_state, publish_state
from tests.builders.films import make_film
from tests.builders.homes import Home
from tests.builders.upgrades import make_head

REASON = "the test asks for it"


def state_of(spec: str, encoder_id: str) -> RegistryState:
    return RegistryState(live=EncoderRecord(spec=spec, encoder_id=encoder_id, since="2026-11-29", reason=REASON))


def home_on(bucket: str, folder: Path) -> Settings:
    return load_settings(home=str(folder), storage=f"{bucket}/needle", encoder="starter")


def test_an_upgrade_in_one_home_is_followed_by_the_others_and_so_is_its_rollback(bucket: str, tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    make_film(library / "film.mp4", cuts=(30,), frames=60, seed=1)
    homes = {name: Home(tmp_path / name) for name in ("one", "two", "new")}
    environment = {"NEEDLE_STORAGE": f"{bucket}/needle"} | {
        name: os.environ[name] for name in os.environ if name.startswith("AWS_")
    }

    def live_in(name: str) -> str:
        homes[name].run("ingest", str(library), **environment)
        return str(homes[name].json("upgrade", "--status", **environment)["live"]["spec"])

    assert live_in("one") == live_in("two") == "starter"
    spec = make_head(homes["one"].path, "own", 0.3)
    homes["one"].run("upgrade", "--encoder", spec, "--force", REASON, **environment)
    first_id = homes["one"].json("upgrade", "--status", **environment)["live"]["encoder_id"]

    assert f"{spec} is live in" in homes["two"].run("doctor", **environment).stdout
    before = homes["two"].json("search", "stripes", **environment)
    assert len(before["hits"]) == 2, "until it follows, it searches what its index holds"
    assert live_in("two") == live_in("new") == spec
    for name in ("two", "new"):
        assert homes[name].json("status", **environment)["encoder_id"] == first_id
        assert len(homes[name].json("search", "stripes", **environment)["hits"]) == 2
    assert homes["two"].json("ingest", str(library), **environment)["up_to_date"]

    homes["new"].run("upgrade", "--rollback", **environment)
    assert live_in("one") == "starter"
    assert homes["one"].json("upgrade", "--status", **environment)["settled"]

    unlike = Home(tmp_path / "unlike")
    wanted = f"open_clip:ViT-B-32/{tmp_path / 'absent.pt'}"
    refused = unlike.run("ingest", str(library), expect=2, **(environment | {"NEEDLE_ENCODER": wanted}))
    assert "starter is live in" in refused.stderr and "unset NEEDLE_ENCODER" in refused.stderr


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


def test_a_folder_is_not_shared(tmp_path: Path) -> None:
    store = ObjectStore(str(tmp_path))
    assert read_choice(store) is None
    assert share_auto(store, lambda: ("starter", "mine")) == ("starter", "mine")
    settings = load_settings(home=str(tmp_path / "home"), encoder="starter")
    publish_state(settings, state_of("starter", "x"), "y")
    assert find_shared_state(settings) is None and not list(tmp_path.rglob(KEY))


def test_a_switch_that_is_overtaken_publishes_nothing(bucket: str, tmp_path: Path) -> None:
    settings = home_on(bucket, tmp_path)
    publish_state(settings, state_of("starter", "x"), "before")
    with pytest.raises(NeedleError, match=r"another home on .* made another encoder live meanwhile"):
        publish_state(settings, state_of("starter", "z"), "y")
    shared = find_shared_state(settings)
    assert shared is not None and shared.live.encoder_id == "x"
    publish_state(settings, state_of("starter", "y"), "x")
    shared = find_shared_state(settings)
    assert shared is not None and shared.live.encoder_id == "y"


def test_weights_of_one_home_come_to_the_other_whole_and_others_of_that_name_stay(bucket: str, tmp_path: Path) -> None:
    one, two, three = (home_on(bucket, tmp_path / name) for name in ("one", "two", "three"))
    spec = make_head(one.home, "own", 0.3)
    encoder_id = resolve_encoder(load_settings(home=str(one.home), encoder=spec)).encoder_id
    state = state_of(spec, encoder_id)
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
    lost = home_on(bucket, tmp_path / "four")
    with pytest.raises(EncoderError, match="no fine-tuned encoder 'own'"):
        fetch_encoder(lost, state.require_live())
    assert not (lost.home / "encoders" / "own").exists()


@pytest.mark.parametrize("content", ["", "[]", "{}", json.dumps({"auto": None, "succession": {"live": 3}})])
def test_a_damaged_choice_is_named_with_the_way_out(bucket: str, tmp_path: Path, content: str) -> None:
    settings = home_on(bucket, tmp_path)
    settings.store.write_bytes(KEY, content.encode())
    with pytest.raises(EncoderError, match=r"encoder\.json cannot be read .*: delete it"):
        find_shared_state(settings)
    assert EncoderRegistry(settings.home).read_state() == RegistryState()
