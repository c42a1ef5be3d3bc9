"""From one live encoder to the next and back, through the command line, with real encoders."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner, Result

from ops.cli.main import cli
from ops.cli.runs import hold_marker
from ops.collections.entries import PickedShot
from ops.collections.store import create_collection, list_collections
from ops.core.errors import EncoderError, NeedleError, NotFoundError, SettingsError, UsageError
from ops.core.locks import lock_exclusively
from ops.core.settings import Settings, load_settings
from ops.embeddings.build import name_table
from ops.embeddings.encoder import resolve_encoder
from ops.embeddings.registry import EncoderRegistry
from ops.index.index import read_current_version
from ops.probes.annotations import Annotation
from ops.probes.labels import append_annotations
from ops.probes.state import read_promoted_version
from ops.search.schema import Query
from ops.search.searcher import Searcher
from ops.upgrade.candidate import name_candidate
from ops.upgrade.switch import switch
from tests.builders.homes import wait_until
from tests.builders.lakes import shot_rows, video_id
from tests.builders.upgrades import SHOTS, add_film, caption, captioned_home, make_head, place

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def run(settings: Settings, *arguments: str) -> Result:
    done = CliRunner().invoke(cli, [*arguments, "--home", str(settings.home)], standalone_mode=False)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def told(settings: Settings, *arguments: str, expect: int | None = 0) -> Any:
    done = run(settings, *arguments, "--json")
    assert done.return_value == expect, done.output
    return json.loads(done.stdout)


def files_of(home: Path) -> dict[str, tuple[int, int]]:
    """Files with size and time of change, but for locks and those that the engine touches where an index is closed."""
    stats = {str(path.relative_to(home)): path.stat() for path in home.rglob("*") if path.is_file()}
    kept = {name: stat for name, stat in stats.items() if not name.startswith("locks/") and "/shard/" not in name}
    return {name: (stat.st_size, stat.st_mtime_ns) for name, stat in kept.items()}


def label_men(settings: Settings) -> None:
    """Say of each shot whether it shows a man, and fit the probe of it."""
    shots = [(shot["shot_id"], caption(n, at)) for n in (0, 1) for at, shot in enumerate(shot_rows(n, SHOTS))]
    judged = [
        Annotation(label="man", shot_id=shot, value="a man" in text, annotator="a", created_at=NOW, origin="test")
        for shot, text in shots
    ]
    append_annotations(settings, judged, NOW)
    assert told(settings, "probe", "fit", "man", "--query", "a man")["promoted"]


def found(settings: Settings, text: str = "a woman opens a door", **more: Any) -> tuple[str, str, list[str]]:
    answer = Searcher(settings).search(Query(text=text, limit=5, **more)).document()
    return answer["encoder_id"], answer["index_version"], [hit["shot_id"] for hit in answer["hits"]]


def test_there_and_back_with_index_and_probes(tmp_path: Path) -> None:
    settings = captioned_home(tmp_path)
    label_men(settings)
    spec = make_head(settings.home, "mine", 0.25)
    place(settings, spec, range(2), noise=0.3)
    old, before = resolve_encoder(settings), found(settings, where=("man>=0.1",))
    old_probe = read_promoted_version(settings, "man")
    man = Query(text="a woman opens a door", limit=5, where=("man>=0.1",))
    waiting = Searcher(settings)  # as a service is that has not loaded the new encoder yet
    seen = [(hit["shot_id"], hit["probes"]) for hit in waiting.search(man).document()["hits"]]

    done = told(settings, "upgrade", "--encoder", spec)
    assert done["switched"] and done["settled"] and done["live"]["spec"] == spec
    assert done["previous"]["encoder_id"] == old.encoder_id and done["comparison"]["reasons"] == []
    evaluation = done["comparison"]["evaluation"]
    assert evaluation["shots"] == 2 * SHOTS and not evaluation["learned"]
    after, new_probe = found(settings, where=("man>=0.1",)), read_promoted_version(settings, "man")
    assert after[0] == done["live"]["encoder_id"] != before[0] == old.encoder_id and after[1] != before[1]
    assert old_probe and new_probe and new_probe.encoder_id == after[0] and old_probe.encoder_id == before[0]
    scores = settings.lake.read("probe_scores/man", columns=["probe_version"])["probe_version"].to_pylist()
    assert set(scores) == {new_probe.version} and len(scores) == 2 * SHOTS
    assert told(settings, "status", expect=None)["encoder_id"] == after[0]

    waiting.probes.forget()
    answer = waiting.search(man).document()
    assert answer["encoder_id"] == before[0] and [(hit["shot_id"], hit["probes"]) for hit in answer["hits"]] == seen

    written = files_of(settings.home)
    assert not told(settings, "upgrade", "--encoder", spec)["switched"]
    assert files_of(settings.home) == written, "a second run is a no-op"

    back = told(settings, "upgrade", "--rollback")
    assert back["live"]["encoder_id"] == old.encoder_id and back["previous"] is None
    assert read_promoted_version(settings, "man") == old_probe and found(settings, where=("man>=0.1",)) == before
    with pytest.raises(NotFoundError, match=r"nothing to roll back to: starter is live .* --encoder finetuned:mine"):
        run(settings, "upgrade", "--rollback")
    assert told(settings, "upgrade", "--encoder", after[0])["live"]["spec"] == spec, "an id will do"
    assert found(settings, where=("man>=0.1",)) == after


def test_runs_have_their_lineage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = captioned_home(tmp_path)
    spec = make_head(settings.home, "mine", 0.25)
    place(settings, spec, range(2), noise=0.3)
    assert told(settings, "upgrade", "--encoder", spec)["switched"]
    monkeypatch.setenv("DAGSTER_HOME", str(settings.home / "dagster"))
    with dg.DagsterInstance.get() as instance:
        for asset in ("candidate_embeddings", "candidate_index", "encoder_comparison", "live_encoder"):
            event = instance.get_latest_materialization_event(dg.AssetKey(asset))
            assert event and event.asset_materialization, asset
            assert "finetuned:mine" in str(event.asset_materialization.metadata), asset
        runs = {run.tags["needle/started_by"] for run in instance.get_runs()}
        last = instance.get_latest_materialization_event(dg.AssetKey("shot_embeddings"))
    assert runs == {"needle upgrade"}
    assert last and last.asset_materialization, "what is live is recorded after the switch"


def test_a_worse_encoder_is_refused_with_the_figures_and_taken_when_a_person_says_why(
    tmp_path: Path, tiny_clip: str
) -> None:
    """The other one has 32 dimensions, and its shots lie anywhere."""
    settings = captioned_home(tmp_path)
    label_men(settings)
    place(settings, tiny_clip, range(2), noise=50.0)
    before = found(settings)
    refused = told(settings, "upgrade", "--encoder", tiny_clip, expect=1)
    assert not refused["switched"] and refused["live"]["spec"] == "starter" and found(settings) == before
    assert "nDCG@10 on 28 captioned shots of show 0, show 1, all questions" in refused["comparison"]["reasons"][0]
    assert refused["refused_because"] == refused["comparison"]["reasons"]
    assert read_promoted_version(settings, "man").encoder_id == before[0]  # type: ignore[union-attr]
    done = run(settings, "upgrade", "--encoder", tiny_clip)
    assert done.return_value == 1 and "not switched" in done.stderr and "starter stays live" in done.stdout
    assert "`needle upgrade --discard` deletes its vectors, index and probes" in done.stderr
    assert "--discard deletes its" in run(settings, "upgrade", "--status").stdout
    gone = told(settings, "upgrade", "--discard")
    assert not gone["switched"] and gone["candidate"] is None and gone["discarded"]["spec"] == tiny_clip
    assert found(settings) == before and not settings.lake.list_partitions(name_table(gone["discarded"]["encoder_id"]))
    place(settings, tiny_clip, range(2), noise=50.0)
    forced = run(settings, "upgrade", "--encoder", tiny_clip, "--force", "it is a test")
    assert forced.return_value == 0 and "taken all the same: it finds less than the live one" in forced.stdout
    taken = told(settings, "upgrade", "--status")
    assert taken["live"]["spec"] == tiny_clip and taken["live"]["reason"] == "a person decided: it is a test"
    assert found(settings)[0] == taken["live"]["encoder_id"] != before[0]
    assert told(settings, "upgrade", "--rollback")["live"]["spec"] == "starter"
    assert found(settings) == before


def test_footage_that_came_since_is_embedded_before_the_switch_and_before_the_way_back(tmp_path: Path) -> None:
    settings = captioned_home(tmp_path)
    spec = make_head(settings.home, "mine", 0.25)
    place(settings, spec, range(2), noise=0.3)
    add_film(settings, tmp_path, 2, proxies=True)
    assert told(settings, "upgrade", "--encoder", spec)["switched"]
    live = resolve_encoder(settings).encoder_id
    assert len(settings.lake.read(name_table(live))) == 3 * SHOTS
    add_film(settings, tmp_path, 3, proxies=True)
    told(settings, "upgrade", "--rollback")
    back = resolve_encoder(settings).encoder_id
    assert back != live and len(settings.lake.read(name_table(back))) == 4 * SHOTS
    with pytest.raises(NotFoundError, match="no encoder is a candidate"):
        switch(settings, NOW)


def test_the_switch_waits_for_nothing_half_done(tmp_path: Path) -> None:
    settings = captioned_home(tmp_path)
    spec = make_head(settings.home, "mine", 0.25)
    place(settings, spec, range(2), noise=0.3)
    assert name_candidate(settings, spec)
    with pytest.raises(NeedleError, match="starter stays live: its index does not have"):
        switch(settings, NOW)
    assert EncoderRegistry(settings.home).read_state().live is None
    assert told(settings, "upgrade", "--status")["candidate"]["spec"] == spec
    with hold_marker(settings, ()):
        done = run(settings, "upgrade", "--encoder", spec)
    assert done.return_value == 0 and "an ingest runs: the switch waits for it" in done.stderr


def test_only_one_encoder_is_kept(tmp_path: Path) -> None:
    settings = captioned_home(tmp_path)
    label_men(settings)
    ids = [resolve_encoder(settings).encoder_id]
    for name, weight in (("one", 0.3), ("two", 0.4)):
        ids.append(place(settings, make_head(settings.home, name, weight), range(2), noise=0.3))
        assert told(settings, "upgrade", "--encoder", f"finetuned:{name}")["switched"]
    assert read_current_version(settings, ids[0]) is None and not (settings.home / "index" / ids[0]).exists()
    assert [bool(settings.lake.list_partitions(name_table(each))) for each in ids] == [False, True, True]
    left = [name for name in settings.store.list("") if ids[0] in name]
    # features of an earlier moment stay readable
    assert left and all(name.startswith(f"history/shot_embeddings/{ids[0]}/") for name in left)
    assert told(settings, "upgrade", "--rollback")["live"]["spec"] == "finetuned:one"


def test_forget_reaches_both_encoders(tmp_path: Path) -> None:
    settings = captioned_home(tmp_path)
    label_men(settings)
    spec = make_head(settings.home, "mine", 0.25)
    place(settings, spec, range(2), noise=0.3)
    told(settings, "upgrade", "--encoder", spec)
    picks = [PickedShot(shot_id=shot_rows(number)[0]["shot_id"]) for number in range(2)]
    create_collection(settings, "Men", picks, author="ann", now=datetime.now(UTC))
    done = run(settings, "forget", video_id(0), "--yes")
    assert done.return_value == 0 and "1 shot removed from collections" in done.stdout
    assert [entry.video_id for entry in list_collections(settings)[0].entries] == [video_id(1)]
    for table in settings.lake.list_tables():
        if table.startswith(("shot_embeddings", "kept_scores", "probe_scores")):
            assert set(settings.lake.read(table)["video_id"].to_pylist()) == {video_id(1)}, table
    told(settings, "upgrade", "--rollback")
    assert all(shot.startswith(video_id(1)) for shot in found(settings)[2])


def test_the_setting_and_the_live_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = captioned_home(tmp_path)
    spec = make_head(settings.home, "mine", 0.25)
    place(settings, spec, range(2), noise=0.3)
    monkeypatch.setenv("NEEDLE_ENCODER", "starter")
    told(settings, "upgrade", "--encoder", spec)
    done = run(settings, "status", "--json")
    assert json.loads(done.stdout)["encoder_id"] == EncoderRegistry(settings.home).read_state().live.encoder_id  # type: ignore[union-attr]
    assert "NEEDLE_ENCODER = 'starter', but finetuned:mine is live" in done.stderr and "unset" in done.stderr
    monkeypatch.setenv("NEEDLE_ENCODER", "finetuned:other")
    with pytest.raises(SettingsError, match=r"needle upgrade --encoder finetuned:other"):
        run(settings, "search", "a door")
    assert told(settings, "upgrade", "--status")["live"]["spec"] == spec, "where it sends to is open"
    # An upgrade of something else does not make it an encoder that was live.
    other = make_head(settings.home, "third", 0.3)
    place(settings, other, range(2), noise=0.3)
    told(settings, "upgrade", "--encoder", other, "--force", "to see")
    with pytest.raises(SettingsError, match=r"needle upgrade --encoder finetuned:other"):
        run(settings, "status")
    told(settings, "upgrade", "--rollback")
    monkeypatch.setenv("NEEDLE_ENCODER", spec)
    assert not run(settings, "status").stderr
    with pytest.raises(UsageError, match=r"--encoder starter: finetuned:mine is live"):
        run(settings, "status", "--encoder", "starter")


def test_what_makes_no_sense_is_said(tmp_path: Path) -> None:
    settings = captioned_home(tmp_path)
    for arguments, kind, message in (
        (("--encoder", "clipp"), EncoderError, "'clipp' is not an encoder"),
        (("--encoder", "finetuned:nobody"), EncoderError, "no fine-tuned encoder 'nobody'"),
        (("--encoder", "auto"), UsageError, "name the encoder"),
        (("--rollback",), NotFoundError, "nothing to roll back to: never upgraded"),
        ((), UsageError, "one of --encoder"),
        (("--rollback", "--encoder", "starter"), UsageError, "one of --encoder"),
        (("--rollback", "--force", "x"), UsageError, "--force gives the reason"),
        (("--encoder", "starter", "--force", ""), UsageError, "--force gives the reason"),
        (("--encoder", "starter", "--force", " "), UsageError, "--force gives the reason"),
        (("--discard",), NotFoundError, "no encoder is a candidate"),
        (("--discard", "--encoder", "starter"), UsageError, "one of --encoder"),
    ):
        with pytest.raises(kind, match=message):
            run(settings, "upgrade", *arguments)
    assert run(settings, "upgrade", "--encoder", "starter").stdout.startswith("starter is live already: nothing to do")
    spec = make_head(settings.home, "mine", 0.25)
    with (
        lock_exclusively(settings.home / "locks" / "upgrade.lock"),
        pytest.raises(NeedleError, match="another `needle upgrade`"),
    ):
        run(settings, "upgrade", "--encoder", spec)
    empty = load_settings(home=tmp_path / "empty", encoder="starter")
    spec = make_head(empty.home, "mine", 0.25)
    EncoderRegistry(empty.home).pin_auto("starter", "a test")
    for nothing in (spec, "starter"):
        with pytest.raises(NotFoundError, match="nothing is indexed by starter"):
            run(empty, "upgrade", "--encoder", nothing)


def test_answers_never_mix_two_encoders_while_they_change(tmp_path: Path) -> None:
    settings = captioned_home(tmp_path)
    spec = make_head(settings.home, "mine", 0.25)
    place(settings, spec, range(2), noise=0.3)
    searcher = Searcher(settings)
    first = searcher.search(Query(text="a child at night", limit=3)).document()
    seen: list[tuple[str, str]] = []
    stopped = threading.Event()

    def ask() -> None:
        while not stopped.wait(0.01):  # a pause, or two threads search on both cores
            answer = searcher.search(Query(text="a child at night", limit=3)).document()
            seen.append((answer["encoder_id"], answer["index_version"]))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        told(settings, "upgrade", "--encoder", spec)
        assert searcher.search(Query(text="a child")).encoder_id == first["encoder_id"], "until it follows"
        assert searcher.follow() and not searcher.follow()
        wait_until(lambda: len({pair[0] for pair in seen}) == 2, 60, "an answer of the new encoder")
        told(settings, "upgrade", "--rollback")
        assert searcher.follow()
    finally:
        stopped.set()
        for thread in threads:
            thread.join(30)
    ids = [encoder_id for encoder_id, _ in seen]
    assert len(set(seen)) == len(set(ids)) == 2, "each encoder meets its own index only"
    new = searcher.retriever.index().version
    assert new == first["index_version"]
    other = next(pair for pair in set(seen) if pair[0] != first["encoder_id"])
    assert searcher.search(Query(text="a child"), other[1]).encoder_id == other[0], "pages that were begun go on"
