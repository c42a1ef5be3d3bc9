"""From labels to scores over true lakes: versions, who replaces whom, and what a second run writes."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from ops.core.errors import NeedleError, NotFoundError, UsageError
from ops.core.settings import Settings, load_settings
from ops.core.types import SilentProgress, StepReport
from ops.evaluation.classification import average_precision
from ops.probes.build import build_labels, build_probe, probe_is_current
from ops.probes.definitions import define
from ops.probes.scores import (
    build_scores,
    probes_to_score,
    score_blocks,
    scores_are_current,
    table_of,
)
from ops.probes.suggestions import suggestions_of
from ops.probes.versions import (
    fitted_probes,
    promote,
    promoted_version,
    read_state,
    read_version,
    versions_of,
    write_version,
)
from ops.search.probes import ProbeScores, parse_filter
from ops.videos.forgotten import leave_tombstone
from tests.labelled import NOW, direction, fill_told_apart, judge, said, shot_ids
from tests.lakes import ENCODER, video_id

LABEL = "closeup"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = load_settings(home=str(tmp_path / "home"))
    fill_told_apart(settings)
    define(settings, LABEL, "", (), "")
    return settings


def fit(settings: Settings, *, later_s: float = 0, encoder: str = ENCODER, label: str = LABEL) -> StepReport:
    now = NOW + timedelta(seconds=later_s)
    report = build_probe(settings, encoder, label, now, SilentProgress(), said)
    build_scores(settings, label, now, SilentProgress())
    return report


def scores(settings: Settings) -> dict[str, float]:
    rows = settings.lake.read(table_of(LABEL))
    return dict(zip(rows["shot_id"].to_pylist(), rows["score"].to_pylist(), strict=True))


def quality(settings: Settings) -> float:
    found = scores(settings)
    truths = dict(shot_ids())
    return average_precision(np.array(list(found.values())), np.array([truths[shot] for shot in found]))


def written(settings: Settings) -> dict[str, int]:
    paths = (path for path in (settings.home / "media").rglob("*") if path.is_file())
    return {str(path): os.stat(path).st_mtime_ns for path in paths}


def test_without_labels_it_begins_with_the_words(settings: Settings) -> None:
    report = fit(settings)
    assert report.details["kind"] == "zero_shot"
    assert "needs 3 of each" in report.details["notes"][0]
    assert len(scores(settings)) == 120
    assert quality(settings) > 0.5


def test_labels_make_it_better_and_replace_the_words(settings: Settings) -> None:
    fit(settings)
    words = quality(settings)
    judge(settings, shot_ids()[:60])
    report = fit(settings, later_s=1)
    assert report.details["kind"] == "logistic" and report.details["held_out_by"] == "show"
    assert report.details["promoted"] == report.details["version"]
    assert report.checks[0].passed
    assert quality(settings) > words
    assert set(settings.lake.read(table_of(LABEL))["probe_version"].to_pylist()) == {report.details["version"]}


def test_a_second_run_writes_nothing(settings: Settings) -> None:
    judge(settings, shot_ids()[:40])
    fit(settings)
    before = written(settings)
    assert probe_is_current(settings, ENCODER, LABEL)
    assert probes_to_score(settings) == []
    report = fit(settings, later_s=60)
    assert report.changed == 0
    assert written(settings) == before


@pytest.mark.parametrize("yes,no", [(0, 5), (5, 0), (2, 2), (1, 1)])
def test_too_few_of_a_kind_stay_with_the_words_and_say_so(settings: Settings, yes: int, no: int) -> None:
    every = shot_ids()
    judge(settings, [each for each in every if each[1]][:yes] + [each for each in every if not each[1]][:no])
    report = fit(settings)
    assert report.details["kind"] == "zero_shot"
    assert f"{yes} yes and {no} no: a fit needs 3 of each" in report.details["notes"][0]


def test_labels_without_sense_do_not_replace_a_good_probe_unless_a_person_says_so(settings: Settings) -> None:
    judge(settings, shot_ids()[:90])
    good = fit(settings).details["version"]
    random = np.random.default_rng(0)
    judge(settings, [(shot, bool(random.random() < 0.4)) for shot, _ in shot_ids()], annotator="vandal", later_s=1)
    report = fit(settings, later_s=2)
    assert not report.checks[0].passed
    assert report.details["promoted"] == good != report.details["version"]
    refused = read_state(settings, LABEL).refused
    assert refused and refused.over == good and "less well" in refused.reason
    assert quality(settings) > 0.9  # the good one still scores
    assert not fit(settings, later_s=3).checks[0].passed  # and it stays refused
    promote(settings, LABEL, report.details["version"], NOW)
    assert fit(settings, later_s=4).checks[0].passed
    assert read_state(settings, LABEL).verdicts[-1].by == "person"
    assert quality(settings) < 0.8


def test_a_fit_that_tells_nothing_does_not_replace_the_words(settings: Settings) -> None:
    fit(settings)
    answers = np.random.default_rng(0).permutation([True, False] * 10).tolist()
    judge(settings, [(shot, answer) for (shot, _), answer in zip(shot_ids(), answers, strict=False)])
    report = fit(settings, later_s=1)
    assert read_version(settings, LABEL, report.details["version"]).metrics["roc_auc"].value <= 0.5
    taken = promoted_version(settings, LABEL)
    assert taken and taken.kind == "zero_shot" and taken.version == report.details["promoted"]
    assert set(settings.lake.read(table_of(LABEL))["probe_version"].to_pylist()) == {taken.version}
    refused = read_state(settings, LABEL).refused
    assert refused and "no better than chance" in refused.reason
    assert not report.checks[0].passed


def test_a_fit_that_ranks_the_same_labels_worse_is_refused(settings: Settings) -> None:
    """Another encoder whose vectors tell less: the labels are the same, so the pairs decide."""
    judge(settings, shot_ids())
    good = fit(settings).details["version"]
    fill_told_apart(settings, gap=0.3, encoder="blind")
    report = fit(settings, later_s=1, encoder="blind")
    assert not report.checks[0].passed
    refused = read_state(settings, LABEL).refused
    assert refused and "average precision on the same 120 labels changes by -" in refused.reason
    assert promoted_version(settings, LABEL) == read_version(settings, LABEL, good)


def test_a_new_encoder_that_tells_more_refits_and_takes_over(settings: Settings) -> None:
    judge(settings, shot_ids()[:60])
    fit(settings)
    fill_told_apart(settings, gap=6.0, encoder="sharp")
    assert not probe_is_current(settings, "sharp", LABEL)
    report = fit(settings, later_s=1, encoder="sharp")
    assert report.details["encoder_id"] == "sharp"
    assert report.details["promoted"] == report.details["version"]
    assert quality(settings) > 0.95


def test_an_earlier_version_can_be_taken_again(settings: Settings) -> None:
    first = fit(settings).details["version"]
    judge(settings, shot_ids()[:40])
    second = fit(settings, later_s=1).details["version"]
    assert versions_of(settings, LABEL) == sorted([first, second])
    promote(settings, LABEL, first, NOW)
    fit(settings, later_s=2)
    assert read_state(settings, LABEL).promoted == first  # a person's choice stays until there is something new
    judge(settings, shot_ids()[:50], later_s=3)
    assert fit(settings, later_s=4).details["promoted"] not in (first, second)


def test_new_footage_is_scored_and_old_scores_are_not_touched(settings: Settings) -> None:
    judge(settings, shot_ids()[:40])
    fit(settings)
    before = written(settings)
    fill_told_apart(settings, videos=7)
    assert probes_to_score(settings) == [LABEL]
    report = build_scores(settings, LABEL, NOW + timedelta(hours=1), SilentProgress())
    assert report.changed == 1 and report.details["scored"] == 140
    after = written(settings)
    assert {path for path in before if after[path] != before[path]} == set()


def test_vectors_that_changed_are_scored_again_and_gone_ones_leave(settings: Settings) -> None:
    judge(settings, shot_ids()[:40])
    fit(settings)
    partition = settings.partition_of(video_id(0))
    table = f"shot_embeddings/{ENCODER}"
    rows = settings.lake.read(table, [partition]).to_pylist()
    later = NOW + timedelta(hours=2)
    changed = rows[0] | {"embedding": direction().tolist(), "vector_hash": "new", "created_timestamp": later}
    settings.lake.write(table, partition, [changed, *rows[1:]])
    settings.lake.delete(table, settings.partition_of(video_id(1)))
    before = scores(settings)
    assert not scores_are_current(settings, LABEL)
    build_scores(settings, LABEL, later, SilentProgress())
    after = scores(settings)
    assert after[rows[0]["shot_id"]] > before[rows[0]["shot_id"]]
    assert len(after) == 100
    assert scores_are_current(settings, LABEL)


def test_search_filters_by_the_scores(settings: Settings) -> None:
    judge(settings, shot_ids()[:90])
    fit(settings)
    found = ProbeScores(settings).fulfilling([parse_filter(f"{LABEL}>=0.5")])
    truths = dict(shot_ids())
    assert 20 < len(found) < 60
    assert sum(truths[shot] for shot in found) / len(found) > 0.8


def test_a_hit_is_told_what_probes_say_from_their_own_threshold_on(settings: Settings) -> None:
    judge(settings, shot_ids()[:90])
    (settings.home / "probes.yaml").write_text(f"{LABEL}:\n  threshold: 0.9\n")
    fit(settings)
    version = promoted_version(settings, LABEL)
    assert version and version.threshold == 0.9
    told = ProbeScores(settings).matching([shot for shot, _ in shot_ids()])
    assert set(told) == {shot for shot, score in scores(settings).items() if score >= 0.9}
    assert 0 < len(told) < len(ProbeScores(settings).fulfilling([parse_filter(f"{LABEL}>=0.5")]))


def test_contradictions_and_what_is_gone_are_told(settings: Settings) -> None:
    every = shot_ids()[:50]
    judge(settings, every)
    judge(settings, [(every[0][0], not every[0][1])], annotator="bob", later_s=1)
    leave_tombstone(settings, video_id(2), NOW)
    settings.lake.delete("shots", settings.partition_of(video_id(2)))
    gone = sum(shot.startswith(video_id(2)) for shot, _ in every)
    settings.lake.delete(f"shot_embeddings/{ENCODER}", settings.partition_of(video_id(3)))
    missing = sum(shot.startswith(video_id(3)) for shot, _ in every)
    notes = "\n".join(fit(settings, later_s=2).details["notes"])
    assert "1 shots are labelled both ways" in notes
    assert f"{gone} labels are of shots that are gone" in notes
    assert f"{missing} labelled shots are not embedded by {ENCODER}" in notes
    told = build_labels(settings).details
    assert told["in_conflict"] == [f"{LABEL} {every[0][0]}"] and told["of_shots_that_are_gone"] == gone


def test_a_probe_that_loses_its_labels_keeps_what_it_learnt(settings: Settings) -> None:
    judge(settings, shot_ids()[:40])
    good = fit(settings).details["version"]
    for film in range(6):
        settings.lake.delete("shots", settings.partition_of(video_id(film)))
    report = fit(settings, later_s=1)
    assert report.details["kind"] == "zero_shot" and report.details["promoted"] == good
    assert "of the 40 labels it had, 0 are left" in str(report.checks[0].details["why"])


def test_labels_have_a_version_that_moves_with_every_judgement(settings: Settings) -> None:
    versions = [build_labels(settings).data_version]
    for number, (shot, value) in enumerate(shot_ids()[:3]):
        judge(settings, [(shot, value)], later_s=number)
        versions.append(build_labels(settings).data_version)
    assert len(set(versions)) == 4


def test_an_unknown_probe_is_told(settings: Settings) -> None:
    with pytest.raises(NotFoundError, match="there are closeup"):
        fit(settings, label="wide")


def test_a_version_of_other_vectors_is_refused_in_words(settings: Settings) -> None:
    fit(settings)
    version = promoted_version(settings, LABEL)
    assert version
    write_version(settings, replace(version, version="short", weights=version.weights[:3]))
    promote(settings, LABEL, "short", NOW)
    with pytest.raises(NeedleError, match="was fitted on 3 dimensions"):
        build_scores(settings, LABEL, NOW, SilentProgress())


def test_a_version_of_an_encoder_that_is_gone_cannot_be_taken(settings: Settings) -> None:
    judge(settings, shot_ids()[:40])
    fitted = read_version(settings, LABEL, fit(settings).details["version"])
    write_version(settings, replace(fitted, version="0dd000000000", encoder_id="gone"))
    before = scores(settings)
    with pytest.raises(UsageError, match="the catalogue has none of them any more"):
        promote(settings, LABEL, "0dd000000000", NOW)
    build_scores(settings, LABEL, NOW, SilentProgress())
    assert scores(settings) == before


def test_a_version_that_cannot_be_read_is_named(settings: Settings) -> None:
    name = fit(settings).details["version"]
    settings.store.write_bytes(f"probes/{LABEL}/{name}.json", b"{")
    with pytest.raises(NeedleError, match=r"cannot be read.*fit again"):
        promoted_version(settings, LABEL)
    with pytest.raises(NotFoundError, match="has no version 'nine'"):
        promote(settings, LABEL, "nine", NOW)
    assert fitted_probes(settings) == [LABEL]


def test_weights_that_are_no_numbers_never_reach_the_lake(settings: Settings) -> None:
    fit(settings)
    version = promoted_version(settings, LABEL)
    assert version
    with pytest.raises(ValueError, match="Out of range float"):
        write_version(settings, replace(version, version="nan", bias=float("nan")))


def test_suggestions_are_new_shots_with_pictures(settings: Settings) -> None:
    judge(settings, shot_ids()[:40])
    fit(settings)
    feeds = suggestions_of(settings, LABEL, count=4, seed=1)
    offered = [each["shot_id"] for shots in feeds.values() for each in shots]
    assert len(offered) == 16 == len(set(offered))
    assert not set(offered) & {shot for shot, _ in shot_ids()[:40]}
    assert not any(shot.endswith(":48") for shot in offered)  # blank in every generated film
    assert feeds["top_positive"][0]["score"] > feeds["borderline"][0]["score"] > feeds["top_negative"][0]["score"]
    with pytest.raises(NotFoundError, match="needle probe fit wide"):
        suggestions_of(settings, "wide", count=1, seed=1)


def test_blocks_give_what_double_precision_gives() -> None:
    random = np.random.default_rng(1)
    vectors = random.normal(size=(1000, 64)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    weights, bias = random.normal(size=64) * 5, -1.5
    found = np.concatenate(list(score_blocks(np.array_split(vectors, 7), weights, bias)))
    wanted = 1 / (1 + np.exp(-(vectors.astype(np.float64) @ weights + bias)))
    assert np.abs(found - wanted).max() < 1e-5
    assert found.dtype == np.float32
