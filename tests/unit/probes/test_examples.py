"""Which shots a probe's report shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from ops.core.settings import Settings, load_settings
from ops.probes.documents import find_examples
from ops.probes.state import read_promoted_version
from ops.probes.versions import ProbeVersion
from tests.builders.labelled import fill_told_apart, fit_and_score, judge, shot_ids
from tests.builders.lakes import shot_rows, video_id


@pytest.fixture
def probe(tmp_path: Path) -> tuple[Settings, ProbeVersion]:
    """A good probe of 40 labels, two of which say the opposite of what the vectors say."""
    settings = load_settings(home=str(tmp_path))
    fill_told_apart(settings, gap=5.0)
    shots = shot_ids()[:40]
    wrong = {next(shot for shot, truth in shots if truth), next(shot for shot, truth in shots if not truth)}
    judge(settings, [(shot, truth != (shot in wrong)) for shot, truth in shots])
    fit_and_score(settings)
    version = read_promoted_version(settings, "closeup")
    assert version and version.kind == "logistic"
    return settings, version


def test_each_kind_holds_what_its_name_says(probe: tuple[Settings, ProbeVersion]) -> None:
    settings, version = probe
    hits = find_examples(settings, version, 5)
    truths = dict(shot_ids())
    assert all(truths[hit.shot_id] for hit in hits.top)
    assert [hit.score for hit in hits.top] == sorted((hit.score for hit in hits.top), reverse=True)
    assert all(hit.shot_id not in version.truths and hit.truth is None for hit in hits.borderline)
    first, *rest = (abs(hit.score - version.threshold) for hit in hits.borderline)
    assert all(first <= other for other in rest)
    contradicted = {shot for shot, said in version.truths.items() if said != truths[shot]}
    assert len(contradicted) == 2
    assert {hit.shot_id for hit in (*hits.false_yes[:1], *hits.missed[:1])} == contradicted
    assert all(hit.truth is False and hit.score >= version.threshold for hit in hits.false_yes)
    assert all(hit.truth and hit.score < version.threshold for hit in hits.missed)
    assert all(version.held_out[hit.shot_id] == hit.score for hit in (*hits.false_yes, *hits.missed))
    assert hits.scored == 120 and 0 < hits.said_yes < 120


def test_blank_shots_are_no_hits(probe: tuple[Settings, ProbeVersion]) -> None:
    settings, version = probe
    best = find_examples(settings, version, 1).top[0].shot_id
    for number in range(6):
        rows = shot_rows(number, 20, show=f"show {number % 3}")
        rows = [row | {"is_blank": row["shot_id"] == best} for row in rows]
        settings.lake.write("shots", settings.resolve_partition(video_id(number)), rows)
    assert best not in {hit.shot_id for hit in find_examples(settings, version, 200).top}
