"""How several workers share the tests: a file stays on one of them, and the longest files go first.

Not by the mark ``xdist_group``: pytest 9.2 and xdist 3.8 together ignore it silently
(pytest-dev/pytest-xdist#1386), and both workers encoded the videos of every module. Once that is mended, marks and
``--dist loadgroup`` may take the place of :class:`WholeFiles`. A worker that dies ends the run (the Makefile's
``--max-worker-restart 0``): xdist would run its finished tests once more, and never end.

``python -m tests.workers REPORT.xml`` prints the seconds of each part of a run with ``--junitxml REPORT.xml``, for the
table below.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from xml.etree import ElementTree

import pytest
from xdist.scheduler import LoadScopeScheduling

TOGETHER = {
    "a Ray or a daemon beside a Ray starves, and tests kill workers that they see": (
        "tests/unit/training/test_training_on_ray.py",
        "tests/pipeline/test_ingest_on_ray.py",
        "tests/pipeline/test_two_nodes.py",
        "tests/service/test_cut_on_cluster.py",
        "tests/service/test_train_shards_s3.py",
        "tests/unit/cluster/test_starting.py",
        "tests/service/test_dagster_daemon.py",
        "tests/service/test_postgres_daemon.py",
    ),
    "the annotated films are watched once": (
        "tests/quality/test_exclusion_quality.py",
        "tests/quality/test_relevance_quality.py",
        "tests/quality/test_retrieval_quality.py",
    ),
    "one home is served to the browser": ("tests/browser/",),
}
"""Beginnings of the paths of files that one worker runs, by the reason why."""

SECONDS = {
    "a Ray or a daemon beside a Ray starves, and tests kill workers that they see": 1300,
    "one home is served to the browser": 630,
    "tests/quality/test_shots_quality.py": 320,
    "the annotated films are watched once": 250,
    "tests/service/test_shared_encoder.py": 180,
    "tests/pipeline/test_killed_ingest.py": 150,
    "tests/unit/upgrade/test_upgrade_command.py": 120,
    "tests/unit/videos/test_source_kinds.py": 110,
    "tests/service/test_store_faults.py": 120,
    "tests/contract/test_features_contract.py": 110,
    "tests/service/test_two_homes.py": 110,
    "tests/pipeline/test_containment.py": 105,
    "tests/pipeline/test_damaged_tables.py": 100,
    "tests/notebooks/test_reports.py": 130,
    "tests/pipeline/test_doctor_repair.py": 90,
    "tests/service/test_load.py": 70,
    "tests/pipeline/test_full_disks.py": 60,
    "tests/unit/shots/test_reference_pictures.py": 75,
    "tests/service/test_postgres.py": 70,
    "tests/unit/training/test_train.py": 70,
    "tests/pipeline/test_versions.py": 60,
    "tests/unit/embeddings/test_open_clip_encoder.py": 60,
    "tests/pipeline/test_new_asset.py": 60,
    "tests/unit/videos/test_media_damage.py": 45,
    "tests/unit/shots/test_segment.py": 40,
    "tests/unit/embeddings/test_set_aside.py": 40,
    "tests/unit/videos/test_clips.py": 35,
    "tests/contract/test_encoders_contract.py": 35,
    "tests/service/test_serve_openapi.py": 30,
    "tests/service/test_upgrade_live.py": 30,
    "tests/unit/embeddings/test_image_tower.py": 30,
    "tests/pipeline/test_readme.py": 30,
    "tests/unit/training/test_evaluate_command.py": 30,
    "tests/unit/probes/test_probe_build.py": 28,
    "tests/service/test_serve_http.py": 28,
    "tests/unit/embeddings/test_embed_shots.py": 26,
    "tests/quality/test_people_quality.py": 25,
    "tests/unit/videos/test_media_reader.py": 24,
    "tests/unit/shots/test_network.py": 24,
    "tests/unit/shots/test_detectors.py": 24,
    "tests/pipeline/test_probes.py": 23,
    "tests/pipeline/test_corrections.py": 21,
    "tests/unit/training/test_shard_stream.py": 20,
    "tests/pipeline/test_dialogue.py": 20,
}
"""Seconds of the longest parts (files, and reasons of :data:`TOGETHER`), with three workers on two cores (2026-11-30).

At the end, workers wait for the part that was begun last. The others take less than 20 s and follow in their order.
"""


class WholeFiles(LoadScopeScheduling):
    """Gives a worker one file after the other, in the order of collection."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)


def scope_of(nodeid: str) -> str:
    """What one worker runs from beginning to end: the test's file, or why that goes with others."""
    file = nodeid.partition("::")[0]
    return next((reason for reason, files in TOGETHER.items() if file.startswith(files)), file)


def longest_first(items: list[pytest.Item], seconds: Mapping[str, float] = SECONDS) -> None:
    """Sort in place; the tests of a file keep their order."""
    items.sort(key=lambda item: -seconds.get(scope_of(item.nodeid), 0.0))


def sum_seconds(report: Path) -> Counter[str]:
    """Return the seconds of each part, from a report in the format of JUnit."""
    seconds = Counter[str]()
    for case in ElementTree.parse(report).iter("testcase"):
        seconds[scope_of(f"{case.attrib['classname'].replace('.', '/')}.py")] += float(case.attrib["time"])
    return seconds


if __name__ == "__main__":
    for scope, total in sum_seconds(Path(sys.argv[1])).most_common(50):
        print(f"{total:6.0f}  {scope}")
