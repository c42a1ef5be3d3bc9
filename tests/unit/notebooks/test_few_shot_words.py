"""What the report of a probe says in place of figures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ops.core.settings import Settings
from ops.notebooks.probe_page import ProbePage
from ops.probes.promotion import promote
from ops.probes.state import read_promoted_version, read_state
from ops.probes.versions import write_version
from tests.builders.labelled import NOW, fill_told_apart, fit_and_score, judge, shot_ids
from tests.builders.lakes import ENCODER

LABEL = "closeup"


pytestmark = pytest.mark.home(fill=fill_told_apart)


def without_figures(settings: Settings) -> str:
    return ProbePage(settings, LABEL).words_only


def test_after_a_refused_first_fit_it_names_the_fit(settings: Settings) -> None:
    answers = np.random.default_rng(2).permutation([True, False] * 10).tolist()
    judge(settings, [(shot, answer) for (shot, _), answer in zip(shot_ids(), answers, strict=False)])
    fit_and_score(settings)
    told = without_figures(settings)
    assert "the text score" in told and f"The last fit, {read_state(settings, LABEL).latest}, does not score" in told
    assert "A fit needs" not in told


def test_a_fit_without_figures_is_not_called_words(settings: Settings) -> None:
    judge(settings, shot_ids()[:40])
    fit_and_score(settings)
    version = read_promoted_version(settings, LABEL)
    assert version and version.kind == "logistic"
    write_version(settings, replace(version, version="0cc000000000", metrics={}, held_out={}))
    promote(settings, ENCODER, LABEL, "0cc000000000", NOW)
    assert without_figures(settings).startswith("No figures yet: they need labelled shots of each kind in two shows")
