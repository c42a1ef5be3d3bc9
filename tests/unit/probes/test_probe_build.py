"""From labels to scores over true lakes: versions, who replaces whom, and what a second run writes."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from ops.core.errors import NeedleError, NotFoundError, UsageError
from ops.core.settings import Settings
from ops.core.types import SilentProgress, StepReport
from ops.embeddings.build import name_table as embeddings_table
from ops.embeddings.registry import EncoderRecord, EncoderRegistry, RegistryState, UpgradeCandidate
from ops.evaluation.classification import compute_average_precision
from ops.probes.build import (
    build_labels,
    build_probe,
    find_reason_against_refit,
    has_current_refit,
    probe_is_current,
    refit_probe,
)
from ops.probes.definitions import define
from ops.probes.documents import probe_document
from ops.probes.promotion import promote, score_unseen
from ops.probes.scores import (
    build_scores,
    has_current_scores,
    score_blocks,
    scores_table,
)
from ops.probes.state import change_state, read_promoted_version, read_state
from ops.probes.suggestions import list_suggestions
from ops.probes.vectors import read_labelled_shots
from ops.probes.versions import list_fitted_probes, list_versions, read_version, write_version
from ops.search.probe_filters import ProbeScores
from ops.search.schema import parse_filter
from ops.videos.forgotten import write_tombstone
from tests.builders.filled import portable
from tests.builders.labelled import NOW, direction, fill_told_apart, judge, said, shot_ids
from tests.builders.lakes import ENCODER, video_id

LABEL = "closeup"


@portable
def fill_with_probe(settings: Settings) -> None:
    fill_told_apart(settings)
    define(settings, LABEL, "", (), "")


pytestmark = pytest.mark.home(fill=fill_with_probe)


def fit(settings: Settings, *, later_s: float = 0, encoder: str = ENCODER, label: str = LABEL) -> StepReport:
    now = NOW + timedelta(seconds=later_s)
    report = build_probe(settings, encoder, label, now, SilentProgress(), said)
    build_scores(settings, label, now, SilentProgress())
    return report


def scores(settings: Settings) -> dict[str, float]:
    rows = settings.lake.read(scores_table(LABEL))
    return dict(zip(rows["shot_id"].to_pylist(), rows["score"].to_pylist(), strict=True))


def quality(settings: Settings) -> float:
    found = scores(settings)
    truths = dict(shot_ids())
    return compute_average_precision(np.array(list(found.values())), np.array([truths[shot] for shot in found]))


def lake_rows(settings: Settings, table: str, partition: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = settings.lake.read(table, [partition]).to_pylist()
    return rows


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
    assert set(settings.lake.read(scores_table(LABEL))["probe_version"].to_pylist()) == {report.details["version"]}


def test_a_second_run_writes_nothing(settings: Settings) -> None:
    judge(settings, shot_ids()[:40])
    fit(settings)
    before = written(settings)
    assert probe_is_current(settings, ENCODER, LABEL)
    assert has_current_scores(settings, LABEL)
    report = fit(settings, later_s=60)
    assert report.changed == 0
    assert written(settings) == before


def test_vectors_that_were_written_anew_are_scored_once(settings: Settings) -> None:
    fit(settings)
    table = embeddings_table(ENCODER)
    for partition in settings.lake.list_partitions(table):
        rows = [row | {"created_timestamp": NOW + timedelta(hours=1)} for row in lake_rows(settings, table, partition)]
        settings.lake.write(table, partition, rows, keep_created=False)  # as where a film went to another show
    assert not has_current_scores(settings, LABEL)
    build_scores(settings, LABEL, NOW + timedelta(hours=2), SilentProgress())
    assert has_current_scores(settings, LABEL)


@pytest.mark.parametrize("yes,no", [(0, 5), (5, 0), (2, 2), (1, 1)])
def test_too_few_of_a_kind_stay_with_the_words_and_say_so(settings: Settings, yes: int, no: int) -> None:
    every = shot_ids()
    judge(settings, [each for each in every if each[1]][:yes] + [each for each in every if not each[1]][:no])
    report = fit(settings)
    assert report.details["kind"] == "zero_shot"
    assert f"{yes} yes and {no} no: a fit needs 3 of each" in report.details["notes"][0]


def test_figures_of_a_refused_fit_belong_to_its_check_and_not_to_the_probe(settings: Settings) -> None:
    judge(settings, shot_ids()[:90])
    good = fit(settings).details
    random = np.random.default_rng(0)
    judge(settings, [(shot, bool(random.random() < 0.4)) for shot, _ in shot_ids()], annotator="vandal", later_s=1)
    report = fit(settings, later_s=2)
    for name in ("average_precision", "average_precision_low", "average_precision_high", "roc_auc", "yes", "no"):
        assert isinstance(good[name], int | float)
        assert report.details[name] == good[name]
    (check,) = report.checks
    assert not check.passed and check.details["version"] == report.details["last_fit"]
    assert check.details["roc_auc"] < good["roc_auc"] - 0.2


def test_labels_without_sense_do_not_replace_a_good_probe_unless_a_person_says_so(settings: Settings) -> None:
    judge(settings, shot_ids()[:90])
    good = fit(settings).details["version"]
    random = np.random.default_rng(0)
    judge(settings, [(shot, bool(random.random() < 0.4)) for shot, _ in shot_ids()], annotator="vandal", later_s=1)
    report = fit(settings, later_s=2)
    assert not report.checks[0].passed
    assert report.details["promoted"] == report.details["version"] == good != report.details["last_fit"]
    refused = read_state(settings, LABEL).refused
    assert refused and refused.over == good and "less well" in refused.reason
    assert quality(settings) > 0.9  # the good one still scores
    assert not fit(settings, later_s=3).checks[0].passed  # and it stays refused
    promote(settings, ENCODER, LABEL, report.details["last_fit"], NOW)
    assert fit(settings, later_s=4).checks[0].passed
    assert read_state(settings, LABEL).verdicts[-1].by == "person"
    assert quality(settings) < 0.8


def test_a_few_labels_that_follow_the_pictures_replace_the_words(settings: Settings) -> None:
    every = shot_ids()
    judge(settings, [each for each in every if each[1]][:3] + [each for each in every if not each[1]][:3])
    report = fit(settings)
    assert report.details["promoted"] == report.details["version"] and report.checks[0].passed
    words, taken = read_state(settings, LABEL).verdicts
    assert (words.reason, taken.over) == ("the first version", words.version)
    assert taken.reason == f"not worse than {words.version} (zero_shot)"
    promote(settings, ENCODER, LABEL, words.version, NOW)  # the words can be had again
    assert fit(settings, later_s=1).details["promoted"] == words.version


@pytest.mark.parametrize("words_were_fitted", [True, False])
@pytest.mark.parametrize(("seed", "why"), [(0, "average precision on the same 20 labels changes by -"), (2, "chance")])
def test_a_fit_that_tells_nothing_does_not_replace_the_words(
    settings: Settings, words_were_fitted: bool, seed: int, why: str
) -> None:
    if words_were_fitted:
        fit(settings)
    answers = np.random.default_rng(seed).permutation([True, False] * 10).tolist()
    judge(settings, [(shot, answer) for (shot, _), answer in zip(shot_ids(), answers, strict=False)])
    report = fit(settings, later_s=1)
    assert read_version(settings, LABEL, report.details["last_fit"]).metrics["roc_auc"].value <= 0.5
    taken = read_promoted_version(settings, LABEL)
    assert taken and taken.kind == "zero_shot" and taken.version == report.details["promoted"]
    assert set(settings.lake.read(scores_table(LABEL))["probe_version"].to_pylist()) == {taken.version}
    refused = read_state(settings, LABEL).refused
    assert refused and why in refused.reason and refused.over == taken.version
    assert not report.checks[0].passed
    promote(settings, ENCODER, LABEL, refused.version, NOW)  # unless a person says so
    assert fit(settings, later_s=2).details["promoted"] == refused.version


def random_answers(seed: int = 2) -> list[tuple[str, bool]]:
    answers = np.random.default_rng(seed).permutation([True, False] * 10).tolist()
    return [(shot, answer) for (shot, _), answer in zip(shot_ids(), answers, strict=False)]


def test_a_refusal_stops_what_follows_only_when_it_is_new_and_all_is_scored(settings: Settings) -> None:
    judge(settings, random_answers())
    assert not fit(settings).checks[0].blocking  # the words that stay are to be scored
    fill_told_apart(settings, videos=7)
    again = fit(settings, later_s=1).checks[0]
    assert not again.passed and not again.blocking  # told before; the new footage is to be scored
    judge(settings, random_answers(), annotator="bob", later_s=2)
    judge(settings, [(shot_ids()[40][0], True)], later_s=2)
    new = fit(settings, later_s=3).checks[0]
    assert (new.passed, new.blocking) == (False, True)


@pytest.fixture
def beside(settings: Settings) -> Settings:
    """Vectors of another encoder that is to become live, as good as those of the one that is."""
    fill_told_apart(settings, encoder="next")
    change = RegistryState(
        live=EncoderRecord(spec=ENCODER, encoder_id=ENCODER, since="", reason=""),
        candidate=UpgradeCandidate(spec="next", encoder_id="next"),
    )
    EncoderRegistry(settings.home).change_state(lambda _: change)
    return settings


def test_an_upgrade_does_not_go_round_the_rule_for_first_fits(beside: Settings) -> None:
    judge(beside, random_answers())
    assert not fit(beside).checks[0].passed
    assert not has_current_refit(beside, "next", LABEL)
    report = refit_probe(beside, "next", LABEL, NOW, SilentProgress(), said)
    assert report.checks[0].passed  # words score before and after
    state, taken = read_state(beside, LABEL, "next"), read_promoted_version(beside, LABEL, "next")
    assert taken and (taken.kind, taken.encoder_id) == ("zero_shot", "next") and state.refused
    assert has_current_refit(beside, "next", LABEL)


def test_what_a_person_chose_for_an_encoder_stays_when_it_is_live_again(beside: Settings) -> None:
    judge(beside, shot_ids()[:40])
    fit(beside)
    refit_probe(beside, "next", LABEL, NOW, SilentProgress(), said)
    fitted = read_state(beside, LABEL, "next")
    chosen = replace(read_version(beside, LABEL, fitted.promoted), version="0cc000000000")
    write_version(beside, chosen)
    state = change_state(beside, LABEL, lambda state: replace(state, promoted=chosen.version), "next")
    assert has_current_refit(beside, "next", LABEL)
    refit_probe(beside, "next", LABEL, NOW, SilentProgress(), said)
    assert read_state(beside, LABEL, "next") == state and state.promoted == chosen.version


def test_words_on_other_vectors_are_a_measure_for_a_fit(beside: Settings) -> None:
    """The live encoder's words tell what the fit on the next one's vectors does not."""
    fit(beside)
    fill_told_apart(beside, encoder="next", gap=0.3)
    judge(beside, shot_ids())
    refit_probe(beside, "next", LABEL, NOW, SilentProgress(), said)
    new = read_version(beside, LABEL, read_state(beside, LABEL, "next").latest)
    assert "average precision on the same 120 labels changes by -" in find_reason_against_refit(beside, LABEL, new)


def test_a_fit_that_ranks_the_same_labels_worse_is_refused(settings: Settings) -> None:
    """Another encoder whose vectors tell less: the labels are the same, so the pairs decide."""
    judge(settings, shot_ids())
    good = fit(settings).details["version"]
    fill_told_apart(settings, gap=0.3, encoder="blind")
    report = fit(settings, later_s=1, encoder="blind")
    assert not report.checks[0].passed
    refused = read_state(settings, LABEL).refused
    assert refused and "average precision on the same 120 labels changes by -" in refused.reason
    assert read_promoted_version(settings, LABEL) == read_version(settings, LABEL, good)


def test_a_new_encoder_that_tells_more_refits_and_takes_over(settings: Settings) -> None:
    judge(settings, shot_ids()[:60])
    fit(settings)
    fill_told_apart(settings, gap=6.0, encoder="sharp")
    assert not probe_is_current(settings, "sharp", LABEL)
    report = fit(settings, later_s=1, encoder="sharp")
    assert report.details["encoder_id"] == "sharp"
    assert report.details["promoted"] == report.details["version"]
    assert quality(settings) > 0.95


def test_labels_that_were_taken_back_lead_to_the_version_of_before(settings: Settings) -> None:
    every = shot_ids()
    judge(settings, every[:90])
    good = fit(settings).details["version"]
    random = np.random.default_rng(0)
    judge(settings, [(shot, bool(random.random() < 0.4)) for shot, _ in every], annotator="vandal", later_s=1)
    assert fit(settings, later_s=2).details["last_fit"] != good
    judge(settings, [(shot, None) for shot, _ in every], annotator="vandal", later_s=3)
    report = fit(settings, later_s=4)
    assert report.details["version"] == report.details["promoted"] == good and report.checks[0].passed
    last = read_state(settings, LABEL).verdicts[-1]
    assert last.promoted and "it scores already" in last.reason


def test_vectors_of_another_encoder_are_not_scored_by_a_version(settings: Settings) -> None:
    judge(settings, shot_ids()[:40])
    fit(settings)
    version = read_promoted_version(settings, LABEL)
    assert version
    shots = read_labelled_shots(settings, ENCODER, dict(shot_ids()[:60]))
    assert set(score_unseen(version, ENCODER, shots)) == {shot for shot, _ in shot_ids()[:60]}
    assert score_unseen(version, "other", shots) == version.held_out


def test_an_earlier_version_can_be_taken_again(settings: Settings) -> None:
    first = fit(settings).details["version"]
    judge(settings, shot_ids()[:40])
    second = fit(settings, later_s=1).details["version"]
    assert list_versions(settings, LABEL) == sorted([first, second])
    promote(settings, ENCODER, LABEL, first, NOW)
    fit(settings, later_s=2)
    assert read_state(settings, LABEL).promoted == first  # a person's choice stays until there is something new
    judge(settings, shot_ids()[:50], later_s=3)
    assert fit(settings, later_s=4).details["promoted"] not in (first, second)


def test_new_footage_is_scored_and_old_scores_are_not_touched(settings: Settings) -> None:
    judge(settings, shot_ids()[:40])
    fit(settings)
    before = written(settings)
    fill_told_apart(settings, videos=7)
    assert not has_current_scores(settings, LABEL)
    report = build_scores(settings, LABEL, NOW + timedelta(hours=1), SilentProgress())
    assert report.changed == 1 and report.details["scored"] == 140
    after = written(settings)
    assert {path for path in before if after[path] != before[path]} == set()


def test_vectors_that_changed_are_scored_again_and_gone_ones_leave(settings: Settings) -> None:
    judge(settings, shot_ids()[:40])
    fit(settings)
    partition = settings.resolve_partition(video_id(0))
    table = f"shot_embeddings/{ENCODER}"
    rows = settings.lake.read(table, [partition]).to_pylist()
    later = NOW + timedelta(hours=2)
    changed = rows[0] | {"embedding": direction().tolist(), "vector_hash": "new", "created_timestamp": later}
    settings.lake.write(table, partition, [changed, *rows[1:]])
    settings.lake.delete(table, settings.resolve_partition(video_id(1)))
    before = scores(settings)
    assert not has_current_scores(settings, LABEL)
    build_scores(settings, LABEL, later, SilentProgress())
    after = scores(settings)
    assert after[rows[0]["shot_id"]] > before[rows[0]["shot_id"]]
    assert len(after) == 100
    assert has_current_scores(settings, LABEL)


def test_search_filters_by_the_scores(settings: Settings) -> None:
    judge(settings, shot_ids()[:90])
    fit(settings)
    found = ProbeScores(settings).find_fulfilling([parse_filter(f"{LABEL}>=0.5")])
    truths = dict(shot_ids())
    assert 20 < len(found) < 60
    assert sum(truths[shot] for shot in found) / len(found) > 0.8


def test_a_hit_is_told_what_probes_say_from_their_own_threshold_on(settings: Settings) -> None:
    judge(settings, shot_ids()[:90])
    (settings.home / "probes.yaml").write_text(f"{LABEL}:\n  threshold: 0.9\n")
    fit(settings)
    version = read_promoted_version(settings, LABEL)
    assert version and version.threshold == 0.9
    told = ProbeScores(settings).find_matching([shot for shot, _ in shot_ids()])
    assert set(told) == {shot for shot, score in scores(settings).items() if score >= 0.9}
    assert 0 < len(told) < len(ProbeScores(settings).find_fulfilling([parse_filter(f"{LABEL}>=0.5")]))


def test_contradictions_and_what_is_gone_are_told(settings: Settings) -> None:
    every = shot_ids()[:50]
    judge(settings, every)
    judge(settings, [(every[0][0], not every[0][1])], annotator="bob", later_s=1)
    write_tombstone(settings, video_id(2), NOW)
    settings.lake.delete("shots", settings.resolve_partition(video_id(2)))
    gone = sum(shot.startswith(video_id(2)) for shot, _ in every)
    settings.lake.delete(f"shot_embeddings/{ENCODER}", settings.resolve_partition(video_id(3)))
    missing = sum(shot.startswith(video_id(3)) for shot, _ in every)
    notes = "\n".join(fit(settings, later_s=2).details["notes"])
    assert "1 shot is labelled both ways" in notes
    assert f"{gone} labels are of shots that are gone" in notes
    assert f"{missing} labelled shots are not embedded by {ENCODER}" in notes
    document = probe_document(settings, LABEL)
    assert "\n".join(document["notes"]) == notes
    assert (document["conflicts"], document["left_out"]) == (1, gone + missing)
    assert document["labels"]["since_fit"] == 0  # there is nothing more to learn
    told = build_labels(settings).details
    assert told["in_conflict"] == [f"{LABEL} {every[0][0]}"] and told["of_shots_that_are_gone"] == gone


def test_what_is_told_of_labels_is_of_today(settings: Settings) -> None:
    every = shot_ids()
    judge(settings, every[:40])
    version = fit(settings).details["version"]
    yes = sum(value for _, value in every[:40])
    judge(settings, [(every[0][0], not every[0][1])], annotator="bob", later_s=1)
    judge(settings, [(every[0][0], every[0][1])], later_s=2)  # what counts is what the version learnt
    document = probe_document(settings, LABEL)
    assert ["labelled both ways" in note for note in document["notes"]] == [True] and document["conflicts"] == 1
    assert document["labels"] == {"yes": yes, "no": 40 - yes, "conflicts": 1, "gone": 0, "since": 0, "since_fit": 0}
    judge(settings, [(every[0][0], None)], annotator="bob", later_s=3)
    report = fit(settings, later_s=4)
    assert (report.details["version"], report.details["notes"], report.changed) == (version, [], 0)
    judge(settings, every[40:42], later_s=5)
    document = probe_document(settings, LABEL)
    assert (document["yes"] + document["no"], document["labels"]["since"]) == (40, 2)
    judge(settings, [(shot, None) for shot, _ in every[:40]], later_s=6)
    assert "a fit needs 3 of each" in probe_document(settings, LABEL)["notes"][0]


def test_words_have_learnt_from_no_label(settings: Settings) -> None:
    fit(settings)
    judge(settings, shot_ids()[:2])
    report = fit(settings, later_s=1)
    assert report.changed == 0 and "a fit needs 3 of each" in report.details["notes"][0]
    assert f"with fewer, the probe is the text score of '{LABEL}'" in report.details["notes"][0]
    document = probe_document(settings, LABEL)
    assert (document["yes"], document["no"]) == (0, 0)
    assert document["labels"]["yes"] + document["labels"]["no"] == 2


def test_versions_that_hold_notes_of_their_day_are_read(settings: Settings) -> None:
    name = fit(settings).details["version"]
    key = f"probes/{LABEL}/{name}.json"
    content = json.loads(settings.store.read_bytes(key)) | {"conflicts": 1, "left_out": 2, "notes": ["old"]}
    settings.store.write_bytes(key, json.dumps(content).encode())
    assert read_version(settings, LABEL, name).version == name


def test_a_probe_that_loses_its_labels_keeps_what_it_learnt(settings: Settings) -> None:
    judge(settings, shot_ids()[:40])
    good = fit(settings).details["version"]
    for film in range(6):
        settings.lake.delete("shots", settings.resolve_partition(video_id(film)))
    report = fit(settings, later_s=1)
    assert read_version(settings, LABEL, report.details["last_fit"]).kind == "zero_shot"
    assert report.details["kind"] == "logistic" and report.details["promoted"] == good
    assert "of the 40 labels it had, 0 are left" in str(report.checks[0].details["why"])
    for notes in (report.details["notes"], probe_document(settings, LABEL)["notes"]):
        assert "a fit needs 3 of each" in notes[0] and "text score" not in notes[0]


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
    version = read_promoted_version(settings, LABEL)
    assert version
    write_version(settings, replace(version, version="short", weights=version.weights[:3]))
    promote(settings, ENCODER, LABEL, "short", NOW)
    with pytest.raises(NeedleError, match="was fitted on 3 dimensions"):
        build_scores(settings, LABEL, NOW, SilentProgress())


@pytest.mark.parametrize(
    ("kept", "way"),
    [
        ("", "the catalogue has no vectors of the other any more"),
        ("vectors", "`needle upgrade --encoder older`"),
        ("previous", "`needle upgrade --rollback`"),
    ],
)
def test_a_version_of_an_encoder_that_is_not_live_cannot_be_taken(settings: Settings, kept: str, way: str) -> None:
    judge(settings, shot_ids()[:40])
    fitted = read_version(settings, LABEL, fit(settings).details["version"])
    write_version(settings, replace(fitted, version="0dd000000000", encoder_id="older"))
    if kept:
        fill_told_apart(settings, encoder="older")
    if kept == "previous":
        live, older = (EncoderRecord(spec=each, encoder_id=each, since="", reason="") for each in (ENCODER, "older"))
        EncoderRegistry(settings.home).change_state(lambda _: RegistryState(live=live, previous=older))
    before = scores(settings)
    with pytest.raises(UsageError, match=f"vectors of older, and {ENCODER} is live now: .*needle probe fit") as told:
        promote(settings, ENCODER, LABEL, "0dd000000000", NOW)
    assert way in str(told.value)
    build_scores(settings, LABEL, NOW, SilentProgress())
    assert scores(settings) == before


def test_a_version_that_cannot_be_read_is_named(settings: Settings) -> None:
    name = fit(settings).details["version"]
    settings.store.write_bytes(f"probes/{LABEL}/{name}.json", b"{")
    with pytest.raises(NeedleError, match=r"cannot be read.*fit again"):
        read_promoted_version(settings, LABEL)
    with pytest.raises(NotFoundError, match="has no version 'nine'"):
        promote(settings, ENCODER, LABEL, "nine", NOW)
    assert list_fitted_probes(settings) == [LABEL]


def test_weights_that_are_no_numbers_never_reach_the_lake(settings: Settings) -> None:
    fit(settings)
    version = read_promoted_version(settings, LABEL)
    assert version
    with pytest.raises(ValueError, match="Out of range float"):
        write_version(settings, replace(version, version="nan", bias=float("nan")))


def test_suggestions_are_new_shots_with_pictures(settings: Settings) -> None:
    judge(settings, shot_ids()[:40])
    fit(settings)
    feeds = list_suggestions(settings, LABEL, count=4, seed=1)
    offered = [each["shot_id"] for shots in feeds.values() for each in shots]
    assert len(offered) == 16 == len(set(offered))
    assert not set(offered) & {shot for shot, _ in shot_ids()[:40]}
    assert not any(shot.endswith(":48") for shot in offered)  # blank in every generated film
    assert feeds["top_positive"][0]["score"] > feeds["borderline"][0]["score"] > feeds["top_negative"][0]["score"]
    with pytest.raises(NotFoundError, match="needle probe fit wide"):
        list_suggestions(settings, "wide", count=1, seed=1)


def test_blocks_give_what_double_precision_gives() -> None:
    random = np.random.default_rng(1)
    vectors = random.normal(size=(1000, 64)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    weights, bias = random.normal(size=64) * 5, -1.5
    found = np.concatenate(list(score_blocks(np.array_split(vectors, 7), weights, bias)))
    wanted = 1 / (1 + np.exp(-(vectors.astype(np.float64) @ weights + bias)))
    assert np.abs(found - wanted).max() < 1e-5
    assert found.dtype == np.float32
