"""The gate with real encoders and vectors of known quality, and the way out for who did not pass it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ops.cli.upgrade import _print_comparison
from ops.core.errors import NotFoundError
from ops.core.settings import Settings
from ops.core.types import SilentProgress
from ops.embeddings.build import name_table
from ops.embeddings.encoder import resolve_encoder
from ops.embeddings.registry import EncoderRecord, EncoderRegistry
from ops.index.index import read_current_version
from ops.index.lake_videos import read_wanted_rows
from ops.index.publishing import publish
from ops.search.schema import Query
from ops.search.searcher import Searcher
from ops.training.pair_table import build_pairs
from ops.upgrade.candidate import name_candidate
from ops.upgrade.compare import compare, read_last_comparison
from ops.upgrade.switch import describe_upgrade, discard, finish_switch
from tests.builders.lakes import video_id
from tests.builders.upgrades import captioned_home, make_head, place

NOW = datetime(2026, 11, 22, tzinfo=UTC)
JUNK = 50.0


def compared(settings: Settings, spec: str, films: int, force: str = "") -> tuple[bool, tuple[str, ...]]:
    """Whether the check lets the encoder pass, and the reasons against it."""
    candidate = name_candidate(settings, spec, force)
    assert candidate
    publish(settings, candidate.encoder_id, lambda: read_wanted_rows(settings, candidate.encoder_id))
    build_pairs(settings, [video_id(number) for number in range(films)], NOW, SilentProgress())
    report = compare(settings, NOW, SilentProgress())
    found = read_last_comparison(settings, candidate.encoder_id)
    assert found and found.passed == report.checks[0].passed
    return found.passed, found.reasons


def only_captioned(folder: Path, shots: int) -> None:
    file = folder / "film0.mp4.captions.jsonl"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:shots]))


def junk(folder: Path) -> tuple[Settings, str]:
    """A home of fourteen captioned shots, and the id of an encoder of it that finds nothing, refused."""
    settings = captioned_home(folder, films=1)
    encoder_id = place(settings, make_head(settings.home, "mine", 0.25), range(1), noise=JUNK)
    passed, reasons = compared(settings, "finetuned:mine", films=1)
    assert not passed and reasons[0].startswith("it finds less than the live one: nDCG@10 on 14 captioned shots")
    return settings, encoder_id


def test_one_that_is_worse_where_it_was_fitted_is_refused(tmp_path: Path) -> None:
    settings = captioned_home(tmp_path)
    spec = make_head(settings.home, "mine", 0.25)
    told: dict[str, Any] = {"shows": ["show 0"], "base_id": "starter", "trained_at": "2026-11-22"}
    (settings.home / "encoders" / "mine" / "encoder.json").write_text(json.dumps(told))
    place(settings, spec, range(1), noise=JUNK)
    place(settings, spec, range(1, 2), noise=0.1)
    passed, reasons = compared(settings, spec, films=2)
    assert not passed and len(reasons) == 1
    assert reasons[0].startswith(
        "it finds less even on the shows that it was fitted on: nDCG@10 on 14 captioned shots of show 0"
    )


def test_what_was_forgotten_is_in_the_record_and_in_the_table_if_it_is_accepted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = captioned_home(tmp_path, films=1)
    spec = make_head(settings.home, "mine", 0.25)
    change = {"base": 0.4, "encoder": 0.38, "difference": -0.02, "low": -0.03, "high": -0.01, "margin": 0.04}
    manifest = {
        "base_id": resolve_encoder(settings).encoder_id,
        "forgetting": {"photographs": {"pairs": 1000, "overall": change}},
    }
    (settings.home / "encoders" / "mine" / "encoder.json").write_text(json.dumps(manifest))
    encoder_id = place(settings, spec, range(1), noise=0.01)
    compared(settings, spec, films=1)
    comparison = read_last_comparison(settings, encoder_id)
    assert comparison and not comparison.forgotten and comparison.forgetting["photographs"]["margin"] == 0.04
    _print_comparison(comparison)
    line = "1,000 photographs           0.400    0.380   -0.020  -0.030 to -0.010; a loss of 0.04 is accepted"
    assert line in capsys.readouterr().out.splitlines()


def test_the_record_of_an_encoder_that_went_live_outlives_its_data(tmp_path: Path) -> None:
    settings = captioned_home(tmp_path, films=1)
    ids = []
    for name, share, noise in (("mine", 0.25, 0.01), ("junk", 0.5, JUNK)):
        ids.append(place(settings, make_head(settings.home, name, share), range(1), noise=noise))
        compared(settings, f"finetuned:{name}", films=1)
    EncoderRegistry(settings.home).change_state(
        lambda before: replace(before, candidate=None, to_delete=tuple(ids), cleanup_done=False)
    )
    finish_switch(settings, NOW.date())
    passed, refused = (read_last_comparison(settings, encoder_id) for encoder_id in ids)
    assert passed and passed.passed and refused is None
    assert not any(settings.lake.list_partitions(name_table(encoder_id)) for encoder_id in ids)


def test_nine_captioned_shots_need_a_persons_word(tmp_path: Path) -> None:
    settings = captioned_home(tmp_path, films=1)
    only_captioned(tmp_path, 9)
    spec = make_head(settings.home, "mine", 0.25)
    place(settings, spec, range(1), noise=0.1)
    passed, reasons = compared(settings, spec, films=1)
    assert not passed and reasons[0].startswith("there are only 9 captioned shots: fewer than 10 decide nothing")
    assert "--force 'why'" in reasons[0] and "caption more shots" in reasons[0]
    assert compared(settings, spec, films=1, force="looked at it") == (True, reasons)


def test_one_that_finds_the_same_needs_no_captions(tmp_path: Path) -> None:
    settings = captioned_home(tmp_path, films=1)
    only_captioned(tmp_path, 0)
    live = place(settings, "starter", range(1), noise=0.001)
    publish(settings, live, lambda: read_wanted_rows(settings, live))
    spec = make_head(settings.home, "near", 0.7001)
    place(settings, spec, range(1), noise=0.001)
    assert compared(settings, spec, films=1) == (True, ())


def test_a_refused_candidate_can_be_withdrawn(tmp_path: Path) -> None:
    settings, encoder_id = junk(tmp_path)
    found = Searcher(settings).search(Query(text="a woman opens a door", limit=3)).document()
    assert describe_upgrade(settings)["refused_because"]
    assert discard(settings, NOW.date()).spec == "finetuned:mine"
    told = describe_upgrade(settings)
    assert told["candidate"] is None and told["refused_because"] == [] and told["live"]["spec"] == "starter"
    assert read_current_version(settings, encoder_id) is None and not settings.lake.list_partitions(
        name_table(encoder_id)
    )
    assert not [name for name in settings.store.list("") if encoder_id in name]
    assert read_last_comparison(settings, encoder_id) is None
    assert (settings.home / "encoders" / "mine" / "head.npz").exists(), "the encoder itself is people's work"
    again = Searcher(settings).search(Query(text="a woman opens a door", limit=3)).document()
    assert again["index_version"] == found["index_version"] and again["hits"] == found["hits"]
    with pytest.raises(NotFoundError, match="no encoder is a candidate"):
        discard(settings, NOW.date())


def test_what_was_indexed_before_it_was_named_stays_and_earlier_candidates_go(tmp_path: Path) -> None:
    """Before the first upgrade a service with another NEEDLE_ENCODER may search the one; nobody searches the other."""
    settings = captioned_home(tmp_path, films=1)
    heads = {"mine": 0.25, "other": 0.3}
    mine, other = (place(settings, make_head(settings.home, *head), range(1), noise=JUNK) for head in heads.items())
    publish(settings, mine, lambda: read_wanted_rows(settings, mine))
    for spec in ("finetuned:mine", "finetuned:mine", "finetuned:other"):
        assert name_candidate(settings, spec)
    publish(settings, other, lambda: read_wanted_rows(settings, other))
    assert name_candidate(settings, "finetuned:mine")
    assert discard(settings, NOW.date()).was_indexed
    assert read_current_version(settings, mine) and settings.lake.list_partitions(name_table(mine))
    assert read_current_version(settings, other) is None and not settings.lake.list_partitions(name_table(other))
    assert read_current_version(settings, resolve_encoder(settings).encoder_id)
    assert not EncoderRegistry(settings.home).read_state().to_delete


def test_what_is_kept_for_the_way_back_or_forward_stays(tmp_path: Path) -> None:
    settings = captioned_home(tmp_path, films=1)
    encoder_id = place(settings, make_head(settings.home, "mine", 0.25), range(1), noise=JUNK)
    mine = EncoderRecord(spec="finetuned:mine", encoder_id=encoder_id, since="then", reason="a test")
    for role, field in (("undone", "rolled_back_from"), ("previous", "previous")):
        assert name_candidate(settings, "finetuned:mine")
        publish(settings, encoder_id, lambda: read_wanted_rows(settings, encoder_id))
        EncoderRegistry(settings.home).change_state(lambda before, field=field: replace(before, **{field: mine}))
        discard(settings, NOW.date())
        assert read_current_version(settings, encoder_id) and settings.lake.list_partitions(name_table(encoder_id))
        told = describe_upgrade(settings)
        assert told["candidate"] is None and told[role]["encoder_id"] == encoder_id
