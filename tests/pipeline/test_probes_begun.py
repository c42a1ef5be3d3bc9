"""A probe whose first fit tells nothing, as Dagster's assets."""

from __future__ import annotations

import dagster as dg
import numpy as np
import pytest

from assets.definitions import build_definitions
from assets.resources import Needle
from ops.cli.probe_runs import bring_up_to_date
from ops.core.errors import NeedleError
from ops.core.settings import Settings
from ops.embeddings.encoder import load_encoder, resolve_encoder
from ops.probes.definitions import define
from ops.probes.state import read_promoted_version, read_state
from tests.builders.labelled import fill_told_apart, judge, shot_ids

LABEL = "closeup"


def fill_with_labels(settings: Settings) -> None:
    """A label whose first fit is refused."""
    encoder_id = resolve_encoder(settings).encoder_id
    way = load_encoder(encoder_id, settings.home, part="text").encode_text([LABEL])[0]
    fill_told_apart(settings, gap=14.0, encoder=encoder_id, way=way)
    define(settings, LABEL, "", (), "")
    answers = np.random.default_rng(2).permutation([True, False] * 10).tolist()
    judge(settings, [(shot, answer) for (shot, _), answer in zip(shot_ids(), answers, strict=False)])


pytestmark = pytest.mark.home(fill=fill_with_labels, encoder="starter")


@pytest.fixture(autouse=True)
def _environment(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEEDLE_HOME", str(settings.home))
    monkeypatch.setenv("NEEDLE_ENCODER", "starter")


def test_a_first_fit_that_is_refused_leaves_the_words_which_score(settings: Settings) -> None:
    """The check fails, and yet what is downstream goes on: nothing has scored the catalogue before."""
    keys = [dg.AssetKey(["probe", LABEL]), dg.AssetKey(["probe_scores", LABEL])]
    with dg.DagsterInstance.ephemeral() as instance:
        job = build_definitions(settings, Needle()).resolve_implicit_global_asset_job_def()
        done = job.execute_in_process(instance=instance, asset_selection=keys)
    (check,) = done.get_asset_check_evaluations()
    assert done.success and not check.passed and check.severity is dg.AssetCheckSeverity.WARN
    taken, state = read_promoted_version(settings, LABEL), read_state(settings, LABEL)
    assert taken and taken.kind == "zero_shot" and state.refused and state.latest != taken.version
    scores = settings.lake.read(f"probe_scores/{LABEL}")
    assert len(scores) == 120 and set(scores["probe_version"].to_pylist()) == {taken.version}


def test_a_refusal_does_not_hide_that_scoring_failed(settings: Settings) -> None:
    """What cannot be written is told, and done by the next fit; a refusal alone is no failure."""
    in_the_way = settings.home / "media" / "lake" / f"probe_scores/{LABEL}"
    in_the_way.parent.mkdir(parents=True)
    in_the_way.touch()
    with pytest.raises(NeedleError):
        bring_up_to_date(settings, LABEL)
    assert read_state(settings, LABEL).refused
    in_the_way.unlink()
    assert bring_up_to_date(settings, LABEL)
    assert len(settings.lake.read(f"probe_scores/{LABEL}")) == 120
    assert not bring_up_to_date(settings, LABEL)
    judge(settings, [(shot_ids()[40][0], True)], later_s=1)
    assert bring_up_to_date(settings, LABEL)  # refused once more, by a check that blocks
    assert read_state(settings, LABEL).refused
