"""Probe scores as another machine reads them: ``feast serve`` over a lake with two probes, asked over HTTP."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from ops.core.errors import FeatureStoreError, UsageError
from ops.core.settings import CHECKOUT, Settings
from ops.features import online_features, publish_scores, served_features, write_online
from ops.probes.scores import scores_table
from ops.probes.state import read_state
from tests.builders.labelled import fill_told_apart, fit_and_score, judge, shot_ids
from tests.builders.lakes import ENCODER

STARTS_WITHIN_S = 300
PROBES = ("closeup", "wide")


def fill_with_probes(settings: Settings) -> None:
    """Six films, two probes fitted on 30 labels each, their scores in the lake and online."""
    fill_told_apart(settings)
    shots = shot_ids()[:30]
    judge(settings, shots)
    judge(settings, [(shot, not truth) for shot, truth in shots], label="wide")
    for probe in PROBES:
        fit_and_score(settings, label=probe)
        assert publish_scores(settings, ENCODER, probe) == 120
    write_online(settings, "shot_metadata", settings.lake.read("shots"))


pytestmark = pytest.mark.home(fill=fill_with_probes)


@contextmanager
def feast_serve(settings: Settings, log: Path) -> Iterator[str]:
    """The address of ``feast serve`` on the home, once it answers; it ends with the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [str(Path(sys.executable).parent / "feast"), "serve", "-h", "127.0.0.1", "-p", str(port)]
    environment = {**os.environ, "NEEDLE_HOME": str(settings.home)}
    with log.open("w") as sink:
        process = subprocess.Popen(
            command, cwd=CHECKOUT / "feature_repo", env=environment, stdout=sink, stderr=sink, start_new_session=True
        )
        try:
            _wait(f"http://127.0.0.1:{port}", process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(timeout=20)


def _wait(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + STARTS_WITHIN_S
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()[-2000:]
        try:
            with urlopen(f"{address}/health", timeout=2):
                return
        except (URLError, OSError):
            time.sleep(0.3)
    raise AssertionError(f"feast serve did not answer within {STARTS_WITHIN_S} s:\n{log.read_text()[-2000:]}")


def test_scores_over_http_are_those_of_the_lake(module_settings: Settings, tmp_path: Path) -> None:
    with feast_serve(module_settings, tmp_path / "feast.log") as address:
        shots = [shot for shot, _ in shot_ids()]
        rows = served_features(
            address, [*shots, "0123456789abcdef:0"], "shot_probes_v1", full_names=True, timeout_s=120
        )
        assert [row["shot_id"] for row in rows] == [*shots, "0123456789abcdef:0"]
        for probe in PROBES:
            view = f"probe_score__{probe}__"
            lake = {row["shot_id"]: row for row in module_settings.lake.read(scores_table(probe)).to_pylist()}
            served = {row["shot_id"]: row[f"{view}score"] for row in rows[:-1]}
            assert served == {shot: lake[shot]["score"] for shot in shots}
            assert {row[f"{view}probe_version"] for row in rows[:-1]} == {read_state(module_settings, probe).promoted}
            assert rows[-1][f"{view}score"] is None  # a shot that nobody knows

        assert rows == online_features(
            module_settings, [*shots, "0123456789abcdef:0"], "shot_probes_v1", full_names=True
        )
        facets = served_features(
            address, shots[:3], ["shot_metadata:mean_luma", "probe_score__wide:score"], timeout_s=120
        )
        assert facets == online_features(
            module_settings, shots[:3], ["shot_metadata:mean_luma", "probe_score__wide:score"]
        )

        with pytest.raises(FeatureStoreError, match=r"refused with \d+: Duplicate features.*full_names=True"):
            served_features(address, shots[:1], "shot_probes_v1")
        with pytest.raises(FeatureStoreError, match=r"refused with 404: .*probe_score__nothing does not exist"):
            served_features(address, shots[:1], ["probe_score__nothing:score"])
    with pytest.raises(FeatureStoreError, match=r"no answer from http://127.0.0.1.*is `feast serve` running there"):
        served_features(address, shots[:1], "shot_probes_v1", timeout_s=2)
    with pytest.raises(UsageError, match="not an address of a feature server"):
        served_features("127.0.0.1:6566", shots[:1], "shot_probes_v1")
