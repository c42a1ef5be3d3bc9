"""One live encoder for all homes on one bucket: published by an upgrade, followed by an ingest."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from ops.core.backup import list_home_files
from ops.core.errors import EncoderError, NeedleError, NotFoundError, SettingsError
from ops.core.settings import Settings, load_settings
from ops.core.storage import ObjectStore
from ops.embeddings.build import name_table
from ops.embeddings.encoder import resolve_encoder
from ops.embeddings.registry import EncoderRecord, EncoderRegistry, RegistryState, UpgradeCandidate
from ops.embeddings.shared_choice import (
    HOME_DAYS,
    KEY,
    SharedChoice,
    change_left,
    forget_all_homes,
    forget_home,
    list_ids_of_others,
    note_use,
    read_choice,
    read_home_id,
    share_auto,
)
from ops.upgrade import shared_encoder
from ops.upgrade.candidate import replace_candidate
from ops.upgrade.shared_encoder import (
    WEIGHTS,
    explain_setting_against_shared,
    fetch_encoder,
    find_shared_state,
    follow_state,
    publish_state,
    share_weights,
)
from ops.upgrade.switch import delete_left, finish_switch
from ops.videos.catalogue import DIVIDING, LAYOUT
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


def test_two_upgrades_keep_the_vectors_of_a_home_that_has_not_followed(bucket: str, tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    make_film(library / "film.mp4", cuts=(30,), frames=60, seed=1)
    one, two = Home(tmp_path / "one"), Home(tmp_path / "two")
    environment = {"NEEDLE_STORAGE": f"{bucket}/needle"} | {
        name: os.environ[name] for name in os.environ if name.startswith("AWS_")
    }
    for home in (one, two):
        home.run("ingest", str(library), **environment)
    store = ObjectStore(f"{bucket}/needle")
    first_id = str(two.json("status", **environment)["encoder_id"])
    folder = f"lake/{name_table(first_id)}"
    assert store.list(folder)
    for name, weight in (("b", 0.3), ("c", 0.4)):
        spec = make_head(one.path, name, weight)
        one.run("upgrade", "--encoder", spec, "--force", REASON, **environment)
    assert store.list(folder), "the other home still uses them"
    assert not list((one.path / "index").glob(first_id)), "but this one does not"
    assert f"two uses {first_id}" in one.run("doctor", **environment).stdout
    status = one.run("upgrade", "--status", **environment).stdout
    assert f"two uses {first_id}" in status and f"kept while other homes may use it: {first_id}" in status
    assert one.json("ingest", str(library), **environment)["up_to_date"] and store.list(folder)

    assert len(two.json("search", "stripes", **environment)["hits"]) == 2
    layout = store.read_bytes(LAYOUT)
    store.write_bytes(LAYOUT, json.dumps(json.loads(layout) | {DIVIDING: "bucket:4"}).encode())
    before = store.list("lake/")
    for verb in ("fit", "score", "promote"):
        behind = two.run("probe", verb, "red", expect=2, **environment)
        assert "run `needle ingest` here first" in behind.stderr, "probes of two encoders would replace each other"
    refused = two.run("ingest", str(library), expect=2, **environment)
    assert "being divided by 'bucket:4'" in refused.stderr and store.list("lake/") == before
    store.write_bytes(LAYOUT, layout)
    two.run("ingest", str(library), **environment)
    assert two.json("upgrade", "--status", **environment)["live"]["spec"] == "finetuned:c"
    assert not store.list(folder), "the last home that used them deletes them"
    choice = read_choice(store)
    assert choice is not None and choice.left_ids == ()


def test_data_that_were_left_for_a_home_go_when_it_is_gone(bucket: str, tmp_path: Path) -> None:
    here, gone = load_home(bucket, tmp_path / "here"), load_home(bucket, tmp_path / "gone")
    note_use(gone, "old", date(2026, 1, 1))
    note_use(here, "new", date(2026, 1, 1))
    publish_state(here, make_state("starter", "new"), "old")
    change_left(here, add=["old"])
    key = here.lake.folder(f"{name_table('old')}/x.parquet")
    here.store.write_bytes(key, b"x")
    for days in (0, HOME_DAYS):
        choice = read_choice(here.store)
        assert choice is not None
        delete_left(here, choice, date(2026, 1, 1) + timedelta(days=days))
        assert here.store.stat(key) is not None
    later = date(2026, 1, 2) + timedelta(days=HOME_DAYS)
    choice = note_use(here, "new", later)
    assert choice is not None and choice.homes is not None
    assert [use.name for use in choice.homes.values()] == [here.home_name], "the entry of the gone one goes, too"
    delete_left(here, choice, later)
    after = read_choice(here.store)
    assert here.store.stat(key) is None and after is not None and after.left_ids == ()


@pytest.mark.parametrize("content", [None, json.dumps({"auto": None, "succession": None})])
def test_nothing_is_deleted_while_homes_may_be_unknown(bucket: str, tmp_path: Path, content: str | None) -> None:
    here, day = load_home(bucket, tmp_path / "here"), date(2026, 1, 1)
    video_key = here.lake.folder("videos/x.parquet")
    here.store.write_bytes(video_key, b"x")
    if content:
        here.store.write_bytes(KEY, content.encode())
    note_use(here, "new", day)
    change = replace(make_state("starter", "new"), to_delete=("old",), cleanup_done=False)
    EncoderRegistry(here.home).change_state(lambda _: change)
    key = here.lake.folder(f"{name_table('old')}/x.parquet")
    here.store.write_bytes(key, b"x")
    finish_switch(here, day)
    choice = read_choice(here.store)
    assert here.store.stat(key) is not None and choice is not None and choice.left_ids == ("old",)
    delete_left(here, choice, day + timedelta(days=HOME_DAYS - 1))
    assert here.store.stat(key) is not None
    delete_left(here, choice, day + timedelta(days=HOME_DAYS))
    assert here.store.stat(key) is None


def test_what_is_left_before_any_home_is_recorded_is_not_lost(bucket: str, tmp_path: Path) -> None:
    here = load_home(bucket, tmp_path / "here")
    change_left(here, add=["old"])
    choice = read_choice(here.store)
    assert choice is not None and choice.left_ids == ("old",) and choice.homes is None


def test_a_home_has_an_id_of_its_own_which_a_copy_of_its_name_does_not_share(bucket: str, tmp_path: Path) -> None:
    one, two = load_home(bucket, tmp_path / "one"), load_home(bucket, tmp_path / "two")
    assert read_home_id(one) == read_home_id(one) != read_home_id(two)
    note_use(one, "a", date(2026, 1, 1))
    choice = note_use(two, "b", date(2026, 1, 1))
    assert choice is not None and list_ids_of_others(two, choice, date(2026, 1, 1)) == {"a"}
    assert read_home_id(one) not in {path.name for path in list_home_files(one)}
    assert "home_id" not in {path.name for path in list_home_files(one)}, "a restored home is another one"


def test_a_home_that_is_gone_can_be_forgotten(bucket: str, tmp_path: Path) -> None:
    here, gone, day = load_home(bucket, tmp_path / "here"), load_home(bucket, tmp_path / "gone"), date(2026, 1, 1)
    note_use(gone, "old", day)
    note_use(here, "new", day)
    with pytest.raises(NotFoundError, match=rf"no other home 'x' on .*{gone.home}"):
        forget_home(here, "x")
    with pytest.raises(NotFoundError):
        forget_home(here, here.home_name)
    key = here.lake.folder(f"{name_table('old')}/x.parquet")
    here.store.write_bytes(key, b"x")
    forget_home(here, gone.home_name)
    choice = note_use(here, "new", day)
    assert choice is not None and choice.left_ids == ("old",)
    delete_left(here, choice, day)
    assert here.store.stat(key) is None
    forget_all_homes(here.store)
    choice = read_choice(here.store)
    assert choice is not None and choice.homes is None


def test_a_candidate_stays_one_while_its_home_follows_another_encoder(bucket: str, tmp_path: Path) -> None:
    settings = load_home(bucket, tmp_path)
    publish_state(settings, make_state("starter", "theirs"), "before")
    shared = find_shared_state(settings)
    assert shared is not None
    own = UpgradeCandidate(spec="finetuned:mine", encoder_id="mine", force="why")
    EncoderRegistry(settings.home).change_state(lambda state: replace(state, candidate=own))
    after = follow_state(EncoderRegistry(settings.home).read_state(), shared)
    assert after.candidate == own and not after.to_delete
    following = UpgradeCandidate(
        spec="starter", encoder_id="theirs", how="follow", interrupted=(own.spec, own.encoder_id)
    )
    state = EncoderRegistry(settings.home).change_state(lambda state: replace_candidate(state, following))
    assert EncoderRegistry(settings.home).read_state() == state and not state.to_delete
    after = follow_state(state, shared)
    assert after.candidate == replace(own, force="") and not after.to_delete


def test_a_use_is_written_once_a_day_at_most_unless_it_changes(bucket: str, tmp_path: Path) -> None:
    one, two = load_home(bucket, tmp_path / "one"), load_home(bucket, tmp_path / "two")
    note_use(one, "a", date(2026, 1, 1))

    def is_written(settings: Settings, encoder_id: str, day: int) -> bool:
        before = settings.store.read_version(KEY)[1]
        note_use(settings, encoder_id, date(2026, 1, day))
        return settings.store.read_version(KEY)[1] != before

    assert not is_written(one, "a", 1) and not is_written(one, "a", 2) and is_written(one, "a", 3)
    assert is_written(two, "a", 3) and is_written(one, "b", 3)
    choice = read_choice(one.store)
    assert choice is not None and list_ids_of_others(one, choice, date(2026, 1, 3)) == {"a"}
    candidate = UpgradeCandidate(spec="x", encoder_id="c", how="upgrade")
    EncoderRegistry(one.home).change_state(lambda state: replace(state, candidate=candidate))
    assert is_written(one, "b", 3)
    choice = read_choice(one.store)
    assert choice is not None and list_ids_of_others(two, choice, date(2026, 1, 3)) == {"b", "c"}


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
    with pytest.raises(EncoderError, match=r"'nonsense' is not an encoder of this home: write finetuned:<name>, "):
        explain("nonsense")


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


DAMAGED = (
    "",
    "[]",
    "{}",
    json.dumps({"auto": None, "succession": {"live": 3}}),
    json.dumps({"auto": None, "succession": None, "homes": {"a": 3}}),
)


@pytest.mark.parametrize("content", DAMAGED)
def test_a_damaged_choice_is_named_with_the_way_out(bucket: str, tmp_path: Path, content: str) -> None:
    settings = load_home(bucket, tmp_path)
    settings.store.write_bytes(KEY, content.encode())
    with pytest.raises(EncoderError, match=r"encoder\.json cannot be read .*: delete it, and each home keeps"):
        find_shared_state(settings)
    assert EncoderRegistry(settings.home).read_state() == RegistryState()
